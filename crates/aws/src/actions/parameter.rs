//! Parameters of Parameter Store: circuit breakers, and the kill switch.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::ProvideErrorMetadata;
use aws_sdk_ssm::types::ParameterType;
use jiff::Timestamp;
use monitoring_core::action::stop_parameter;
use monitoring_core::catalogue::Catalogue;
use serde::{Deserialize, Serialize};

use super::CallFailure;
use crate::collect::failure::Failure;

const NOT_FOUND: &str = "ParameterNotFound";

/// The value of a parameter; `None` when there is no such parameter.
pub(super) async fn read(client: &Client, name: &str) -> Result<Option<String>, CallFailure> {
    match client.get_parameter().name(name).send().await {
        Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
        Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
        Err(error) => Err(CallFailure::of("ssm:GetParameter", &Failure::from(error))),
    }
}

pub(super) async fn write(client: &Client, name: &str, value: &str) -> Result<(), CallFailure> {
    let request = client.put_parameter().name(name).value(value).r#type(ParameterType::String).overwrite(true);
    let written = request.send().await;
    written.map(drop).map_err(|error| CallFailure::of("ssm:PutParameter", &Failure::from(error)))
}

/// The one parameter that stops every action while it is there.
#[derive(Clone, Debug)]
pub struct KillSwitch {
    client: Client,
    parameter: String,
}

/// Who set the kill switch, when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Who.
    pub by: String,
    /// When; `None` for one that was set by other means.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub why: Option<String>,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all actions were stopped by {}", self.by)?;
        if let Some(at) = self.at {
            write!(f, " at {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// Why the kill switch could not be read or set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StopError {
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// What AWS said.
    pub reason: String,
}

impl From<CallFailure> for StopError {
    fn from(failure: CallFailure) -> Self {
        Self { retryable: failure.retryable, reason: failure.reason }
    }
}

impl KillSwitch {
    /// The switch of a service in an environment.
    pub fn of(config: &SdkConfig, catalogue: &Catalogue, environment: &str) -> Self {
        Self::new(Client::new(config), stop_parameter(catalogue, environment))
    }

    /// The switch that this parameter is.
    pub(super) fn new(client: Client, parameter: String) -> Self {
        Self { client, parameter }
    }

    /// Who stopped everything; `None` when nobody did. Whatever the parameter holds, it stops.
    pub async fn read(&self) -> Result<Option<Stop>, StopError> {
        let value = read(&self.client, &self.parameter).await?;
        let unknown = || Stop { by: format!("whoever wrote {}", self.parameter), at: None, why: None };
        Ok(value.map(|value| serde_json::from_str(&value).unwrap_or_else(|_| unknown())))
    }

    /// Stops everything.
    pub async fn stop(&self, stop: &Stop) -> Result<(), StopError> {
        let value = serde_json::to_string(stop).unwrap_or_default();
        write(&self.client, &self.parameter, &value).await.map_err(StopError::from)
    }

    /// Lets actions go on. `false` when they were not stopped.
    pub async fn resume(&self) -> Result<bool, StopError> {
        match self.client.delete_parameter().name(&self.parameter).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(false),
            Err(error) => Err(CallFailure::of("ssm:DeleteParameter", &Failure::from(error)).into()),
        }
    }
}
