//! Hands an event to another function of the suite. Nothing is repeated here: whoever asks has recorded it, and asks again by its
//! own rules.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::Value;

use super::failure::Failure;
use crate::outside::PublishError;

/// Has Lambda accept the event; the function runs later.
pub(super) async fn invoke(
    client: &Client,
    function: &str,
    alias: Option<&str>,
    event: &Value,
) -> Result<(), PublishError> {
    let request = client.invoke().function_name(function).set_qualifier(alias.map(str::to_owned));
    let request = request.invocation_type(InvocationType::Event);
    match request.payload(Blob::new(event.to_string())).send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            let reason = match failure.code() {
                "ResourceNotFoundException" => format!("function {function} does not exist; deploy it"),
                _ => {
                    format!("function {function} did not take the event: {}", failure.sentence("lambda:InvokeFunction"))
                }
            };
            Err(PublishError { retryable: failure.is_retryable(), reason })
        }
    }
}
