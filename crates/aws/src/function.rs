//! What every function does at its start: logs, settings, the catalogue and the AWS configuration.

use std::io::IsTerminal;

use aws_config::SdkConfig;
use jiff::Timestamp;
use monitoring_core::alert::AlertChange;
use monitoring_core::catalogue::{Catalogue, environment_suffix};
use monitoring_core::decide::unrecorded_prefix;
use tracing_subscriber::filter::LevelFilter;

use crate::actions::{Actor, KillSwitch};
use crate::bedrock::Model;
use crate::channel::{Channels, Endpoints};
use crate::collect::Aws;
use crate::http::{Http, Timeouts, causes, function_config};
use crate::interactions::{IncidentResponse, Interactions};
use crate::secrets::{Secrets, Settings};
use crate::store::Store;

/// The catalogue that is used when the one that `MONITORING_CATALOGUE` names cannot be read.
const EMBEDDED: &[u8] = include_bytes!("../../../monitoring.resolved.json");

/// A function, set up. Clients connect when they are first used.
#[derive(Debug)]
pub struct Function {
    /// The user's decisions.
    pub catalogue: Catalogue,
    /// Why that is the embedded catalogue instead of the configured one. Somebody must be told.
    pub catalogue_problem: Option<String>,
    /// `production`.
    pub environment: String,
    settings: Settings,
    http: Http,
    config: SdkConfig,
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded catalogue is checked by a test, so this means a broken build.
    #[error("the embedded catalogue cannot be read; build the function anew")]
    Embedded(#[from] monitoring_core::catalogue::CatalogueError),
}

impl Function {
    /// Reads the environment and the catalogue.
    pub fn start() -> Result<Self, StartError> {
        let settings = Settings::from_env();
        let (catalogue, catalogue_problem) = match settings.get("MONITORING_CATALOGUE").map(read_catalogue) {
            Some(Ok(catalogue)) => (catalogue, None),
            Some(Err(problem)) => {
                tracing::error!(problem, "the embedded catalogue is used");
                (Catalogue::from_json(EMBEDDED)?, Some(problem))
            }
            None => (Catalogue::from_json(EMBEDDED)?, None),
        };
        let environment = settings.get("ENVIRONMENT").unwrap_or("production").to_owned();
        let http = Http::new(Timeouts::default());
        let config = function_config(&http);
        Ok(Self { catalogue, catalogue_problem, environment, settings, http, config })
    }

    /// The suite's tables.
    pub fn store(&self) -> Store {
        Store::new(aws_sdk_dynamodb::Client::new(&self.config), &self.catalogue.service, &self.environment)
    }

    /// The region that it runs in.
    pub fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// The ways to reach people.
    pub fn channels(&self) -> Channels {
        let endpoints = Endpoints::from_settings(&self.settings);
        Channels::new(self.http.clone(), self.secrets(), endpoints)
    }

    /// The secrets that the environment names.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.settings.clone(), Some(self.config.clone()))
    }

    /// What people do in Slack and `PagerDuty`.
    pub fn interactions(&self) -> Interactions {
        let prefix = unrecorded_prefix(&self.catalogue, &self.environment);
        Interactions::new(self.secrets(), prefix)
    }

    /// The way to the incident-response function: the one that `INCIDENT_RESPONSE_FUNCTION` names, with its alias, or the
    /// newest version in the same service and environment.
    pub fn incident_response(&self) -> IncidentResponse {
        let suffix = environment_suffix(&self.environment);
        let name = self.settings.get("INCIDENT_RESPONSE_FUNCTION").map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("{}-incident-response{suffix}", self.catalogue.service));
        IncidentResponse::new(&self.config, name)
    }

    /// The model that drafts post-mortems, where `BEDROCK_MODEL` names one.
    pub fn model(&self) -> Option<Model> {
        let id = self.settings.get("BEDROCK_MODEL").filter(|id| !id.is_empty())?;
        Some(Model::new(self.config.clone(), id))
    }

    /// What stops every action.
    pub fn kill_switch(&self) -> KillSwitch {
        KillSwitch::of(&self.config, &self.catalogue, &self.environment)
    }

    /// What changes targets. Only the actions function makes one.
    pub fn actor(&self) -> Actor {
        Actor::new(self.config.clone(), self.catalogue.clone(), self.environment.clone())
    }

    /// AWS. The function's own ARN tells partition, region and account of the topics, and the alias by which it was called, by
    /// which it calls the others.
    pub fn aws(&self, function_arn: &str) -> Aws {
        Aws::new(
            self.config.clone(),
            self.store(),
            &self.catalogue.service,
            &self.environment,
            &topic_arn_prefix(function_arn),
        )
        .with_actions_function(self.settings.get("ACTIONS_FUNCTION"))
        .with_alias(alias(function_arn))
    }

    /// The alert about a catalogue that could not be read.
    pub fn catalogue_alert(&self, now: Timestamp) -> Option<AlertChange> {
        let problem = self.catalogue_problem.as_deref()?;
        Some(AlertChange::about_the_suite(
            "catalogue",
            "The monitoring suite runs on its embedded catalogue",
            problem,
            now,
        ))
    }
}

/// Logs as JSON, a line each, on standard output, from the level that `LOG_LEVEL` names (`info` when it names none);
/// on a terminal in a form for people.
pub fn start_logs() {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let logs = tracing_subscriber::fmt().with_max_level(level).with_target(false);
    // The first of two calls wins; the second is of no consequence.
    let _ = if std::io::stdout().is_terminal() {
        logs.try_init()
    } else {
        logs.json().flatten_event(true).without_time().try_init()
    };
}

fn read_catalogue(path: &str) -> Result<Catalogue, String> {
    let json = std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    Catalogue::from_json(&json).map_err(|error| format!("{path}: {}", causes(&error)))
}

/// `arn:aws:lambda:us-east-1:123456789012:function:...` to `arn:aws:sns:us-east-1:123456789012:`.
fn topic_arn_prefix(function_arn: &str) -> String {
    let mut parts = function_arn.split(':');
    let mut part = |default: &'static str| parts.next().filter(|part| !part.is_empty()).unwrap_or(default).to_owned();
    let (_, partition, _, region, account) =
        (part("arn"), part("aws"), part("lambda"), part("us-east-1"), part("000000000000"));
    format!("arn:{partition}:sns:{region}:{account}:")
}

/// `live` of `arn:aws:lambda:us-east-1:123456789012:function:name:live`. By the alias `tick` only schedules call, of whose functions
/// `live` serves the same version: the other functions have none, and a process keeps what its first invocation was called by.
fn alias(function_arn: &str) -> Option<String> {
    let alias = function_arn.split(':').nth(7).filter(|alias| !alias.is_empty())?;
    Some(if alias == "tick" { "live" } else { alias }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_where_the_function_is() {
        for (function, expected) in [
            ("arn:aws:lambda:eu-west-1:123456789012:function:f:live", "arn:aws:sns:eu-west-1:123456789012:"),
            ("arn:aws-cn:lambda:cn-north-1:123456789012:function:f", "arn:aws-cn:sns:cn-north-1:123456789012:"),
        ] {
            assert_eq!(topic_arn_prefix(function), expected);
        }
    }

    #[test]
    fn a_function_calls_the_others_as_it_was_called() {
        for (function, expected) in [
            ("arn:aws:lambda:eu-west-1:123456789012:function:f:live", Some("live")),
            ("arn:aws:lambda:eu-west-1:123456789012:function:f:tick", Some("live")),
            ("arn:aws:lambda:eu-west-1:123456789012:function:f", None),
            ("", None),
        ] {
            assert_eq!(alias(function).as_deref(), expected, "{function}");
        }
    }

    #[test]
    fn the_embedded_catalogue_can_be_read() {
        assert_eq!(Catalogue::from_json(EMBEDDED).unwrap().service, "ai-nutritionist");
    }

    #[test]
    fn a_catalogue_that_cannot_be_read_says_why() {
        let problem = read_catalogue("/nowhere/monitoring.json").unwrap_err();
        assert!(problem.contains("/nowhere/monitoring.json"), "{problem}");
    }
}
