//! What a deployment asks of a new version before it is used: `{"task": "self-test"}`. Nothing is written, and nobody is
//! told anything.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::catalogue::Source;
use monitoring_core::incident::IncidentId;
use serde::Serialize;
use serde_json::Value;

use crate::collect::Aws;
use crate::function::Function;
use crate::http::causes;
use crate::interactions::{PAGERDUTY_WEBHOOK_SECRET, SLACK_SIGNING_SECRET};
use crate::outside::{Outside, SeriesRequest};

/// How long back one series is read.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Whether an event asks for the self-test.
pub fn is_asked_for(event: &Value) -> bool {
    event.get("task").and_then(Value::as_str) == Some("self-test")
}

/// What a self-test found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    /// Whether this version can do its work: there are no problems.
    pub ready: bool,
    /// What keeps it from its work.
    pub problems: Vec<String>,
    /// What a person has to set up, and what does not keep it from the rest.
    pub warnings: Vec<String>,
}

impl SelfTest {
    fn of(function: &Function, problems: impl IntoIterator<Item = String>, warnings: Vec<String>) -> Self {
        let problems: Vec<String> = function.catalogue_problem.iter().cloned().chain(problems).collect();
        Self { ready: problems.is_empty(), problems, warnings }
    }
}

impl Function {
    /// For monitoring: can it read alerts, incidents, alarms and series?
    pub async fn self_test_monitoring(&self, function_arn: &str, now: Timestamp) -> SelfTest {
        let (store, aws) = (self.store(), self.aws(function_arn));
        let prefix = format!("{}-", self.catalogue.service);
        let (alerts, incidents, alarms, series) = futures_util::join!(
            store.alerts(),
            store.open_incidents(),
            async { if self.catalogue.alarms.is_empty() { Ok(Vec::new()) } else { aws.alarms(&prefix).await } },
            self.read_one_series(&aws, now),
        );
        let problems = [
            alerts.err().map(|error| causes(&error)),
            incidents.err().map(|error| causes(&error)),
            alarms.err(),
            series,
        ];
        SelfTest::of(self, problems.into_iter().flatten(), Vec::new())
    }

    /// For incident-response: can it read incidents and what is due, and would its channels work?
    pub async fn self_test_incident_response(&self, function_arn: &str, now: Timestamp) -> SelfTest {
        let (store, aws, channels) = (self.store(), self.aws(function_arn), self.channels());
        let checks = self.catalogue.channels.values().map(|channel| async {
            let wrong = channels.check(&aws, channel, &self.catalogue.service).await;
            wrong.into_iter().map(|wrong| format!("channel {}: {wrong}", channel.name)).collect::<Vec<_>>()
        });
        let (incidents, due, silences, checked) =
            futures_util::join!(store.open_incidents(), store.due(now), store.all_silences(), join_all(checks));
        let problems = [
            incidents.err().map(|error| causes(&error)),
            due.err().map(|error| causes(&error)),
            silences.err().map(|error| causes(&error)),
        ];
        SelfTest::of(self, problems.into_iter().flatten(), checked.concat())
    }

    /// For actions: can it read the kill switch, without which it does nothing?
    pub async fn self_test_actions(&self) -> SelfTest {
        match self.kill_switch().read().await {
            Ok(stop) => SelfTest::of(self, None, stop.iter().map(ToString::to_string).collect()),
            Err(error) => SelfTest::of(self, [format!("the kill switch cannot be read: {error}")], Vec::new()),
        }
    }

    /// For post-mortem: can it read incidents and documents?
    pub async fn self_test_post_mortem(&self) -> SelfTest {
        let store = self.store();
        let Some(none) = IncidentId::parse("INC-self-test") else { return SelfTest::of(self, None, Vec::new()) };
        let (incidents, documents) = futures_util::join!(store.open_incidents(), store.post_mortem(&none));
        let problems = [incidents.err().map(|error| causes(&error)), documents.err().map(|error| causes(&error))];
        SelfTest::of(self, problems.into_iter().flatten(), Vec::new())
    }

    /// For action-item-reminder: can it read items, who was told, and incidents?
    pub async fn self_test_action_item_reminder(&self, now: Timestamp) -> SelfTest {
        let store = self.store();
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (items, sent, incidents) =
            futures_util::join!(store.action_items(now), store.reminders_sent(today), store.open_incidents());
        let problems = [
            items.err().map(|error| causes(&error)),
            sent.err().map(|error| causes(&error)),
            incidents.err().map(|error| causes(&error)),
        ];
        SelfTest::of(self, problems.into_iter().flatten(), Vec::new())
    }

    /// For interactions: may it invoke incident-response, and does it have the secrets that it was promised?
    pub async fn self_test_interactions(&self) -> SelfTest {
        let invocation = self.incident_response().may_invoke().await;
        let secrets = self.secrets();
        let mut warnings = Vec::new();
        for setting in [SLACK_SIGNING_SECRET, PAGERDUTY_WEBHOOK_SECRET] {
            if secrets.is_set(setting) {
                warnings.extend(secrets.get(setting).await.err().map(|error| causes(&error)));
            }
        }
        SelfTest::of(self, invocation.err(), warnings)
    }

    /// Why no series can be read, of the first metric that `CloudWatch` has.
    async fn read_one_series(&self, aws: &Aws, now: Timestamp) -> Option<String> {
        let metric =
            self.catalogue.metrics.values().find(|metric| matches!(metric.source, Source::Cloudwatch { .. }))?;
        let request = SeriesRequest {
            metric: metric.name.clone(),
            source: metric.source.clone(),
            dimensions: metric.dimensions.first().cloned().unwrap_or_default(),
            period_seconds: metric.period_seconds,
            start: now - WINDOW,
            end: now,
        };
        aws.series(&[request], now).await.into_iter().find_map(Result::err)
    }
}
