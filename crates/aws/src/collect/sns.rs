//! Publishes to topics. Nothing is repeated here: whoever publishes has recorded it, and repeats it by its own rules.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use super::failure::Failure;
use crate::outside::{Publication, PublishError};

/// SNS takes subjects of fewer than 100 characters.
const MAX_SUBJECT: usize = 99;

pub(super) async fn publish(client: &Client, topic_arn: &str, publication: &Publication) -> Result<(), PublishError> {
    let mut request = client
        .publish()
        .topic_arn(topic_arn)
        .message(&publication.body)
        .set_subject(publication.subject.as_deref().and_then(subject));
    // SNS refuses the whole message for an attribute without a value.
    for (name, value) in publication.attributes.iter().filter(|(_, value)| !value.is_empty()) {
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(|_| PublishError { retryable: false, reason: format!("attribute {name} has no type") })?;
        request = request.message_attributes(name, attribute);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            Err(PublishError { retryable: failure.is_retryable(), reason: reason(&failure, topic_arn) })
        }
    }
}

/// A subject that SNS accepts: a wrong character must not cost the page.
fn subject(text: &str) -> Option<String> {
    let plain: String = text
        .chars()
        .map(|char| match char {
            ' '..='~' => char,
            _ if char.is_whitespace() => ' ',
            _ => '?',
        })
        .collect();
    let subject: String = plain.trim().chars().take(MAX_SUBJECT).collect();
    (!subject.is_empty()).then_some(subject)
}

fn reason(failure: &Failure, topic_arn: &str) -> String {
    let topic = topic_arn.rsplit(':').next().unwrap_or(topic_arn);
    match failure.code() {
        "NotFound" | "NotFoundException" => format!("topic {topic} does not exist; deploy it"),
        code if code.starts_with("KMS") && !failure.is_throttling() => {
            format!("the key of topic {topic} cannot be used ({code}); check that the role may use it")
        }
        _ => format!("topic {topic} did not take the message: {}", failure.sentence("sns:Publish")),
    }
}
