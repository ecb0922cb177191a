//! The way from interactions to incident-response.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::Value;

use crate::http::causes;

/// Of the 3 seconds that Slack waits, the rest is for the way, the start of the function, and its secret.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The incident-response function, to be invoked.
#[derive(Clone, Debug)]
pub struct IncidentResponse {
    client: Client,
    function: String,
}

impl IncidentResponse {
    /// A way to the function with this name.
    pub fn new(config: &SdkConfig, function: String) -> Self {
        // Each of the three, since what is not set would be taken from the time-outs of all clients.
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(TIMEOUT)
            .operation_attempt_timeout(TIMEOUT)
            .read_timeout(TIMEOUT)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(config).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), function }
    }

    /// Has Lambda accept a command. It is carried out later, and again where that fails: hence its `once`.
    pub async fn invoke(&self, command: Value) -> Result<(), String> {
        let request = self.client.invoke().function_name(&self.function).invocation_type(InvocationType::Event);
        let accepted = request.payload(Blob::new(command.to_string())).send().await;
        accepted.map(drop).map_err(|error| format!("{}: {}", self.function, causes(&error)))
    }

    /// Why it could not be invoked; it is not.
    pub async fn may_invoke(&self) -> Result<(), String> {
        let request = self.client.invoke().function_name(&self.function).invocation_type(InvocationType::DryRun);
        request.send().await.map(drop).map_err(|error| format!("{}: {}", self.function, causes(&error)))
    }
}
