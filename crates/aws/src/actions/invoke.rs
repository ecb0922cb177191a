//! The way from incident-response to the actions function.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;

use super::{Answer, Request};
use crate::collect::failure::Failure;
use crate::outside::ApplyError;

/// How long an answer is waited for: longer than the function's own time limit of 10 seconds, so that it is not asked again
/// while it may still be at work, and well within the 30 of incident-response.
const TIMEOUT: Duration = Duration::from_secs(12);

/// The actions function, to be invoked.
#[derive(Debug)]
pub struct ActionsFunction {
    name: String,
    client: OnceLock<Client>,
}

impl ActionsFunction {
    /// The function of this name.
    pub fn new(name: String) -> Self {
        Self { name, client: OnceLock::new() }
    }

    /// Gives it a request and waits for its answer.
    pub async fn invoke(&self, config: &SdkConfig, request: &Request) -> Result<Answer, ApplyError> {
        let client = self.client.get_or_init(|| {
            // Each of the three, since what is not set would be taken from the time-outs of all clients.
            let timeouts = TimeoutConfig::builder()
                .operation_timeout(TIMEOUT)
                .operation_attempt_timeout(TIMEOUT)
                .read_timeout(TIMEOUT)
                .build();
            let config = aws_sdk_lambda::config::Builder::from(config).timeout_config(timeouts);
            // Whoever asks has recorded it, and asks again by its own rules.
            Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
        });
        let unreadable = |reason: String| ApplyError { retryable: false, reason };
        let payload = serde_json::to_vec(request).map_err(|error| unreadable(error.to_string()))?;
        let answer = client.invoke().function_name(&self.name).payload(Blob::new(payload)).send().await;
        let answer = answer.map_err(|error| {
            let failure = Failure::from(error);
            let reason = format!("{}: {}", self.name, failure.sentence("lambda:InvokeFunction"));
            ApplyError { retryable: failure.is_retryable(), reason }
        })?;
        if answer.function_error.is_some() {
            // It died or ran out of time: what it did is found out by asking again.
            return Err(ApplyError { retryable: true, reason: format!("{} failed", self.name) });
        }
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        serde_json::from_slice(&body)
            .map_err(|_| unreadable(format!("{} gave an answer that cannot be read", self.name)))
    }
}
