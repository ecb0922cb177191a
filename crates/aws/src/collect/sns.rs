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

/// What keeps a topic from reaching people. Nothing is sent.
pub(super) async fn check(client: &Client, topic_arn: &str, sms: bool) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    let pages = client.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().items().send();
    let subscriptions = pages.collect::<Result<Vec<_>, _>>().await;
    let subscriptions = subscriptions.map_err(|error| reason(&Failure::from(error), topic_arn))?;
    // Source: ListSubscriptionsByTopic gives this in place of an ARN until the subscriber has confirmed.
    let pending =
        subscriptions.iter().filter(|subscription| subscription.subscription_arn() == Some("PendingConfirmation"));
    let pending = pending.count();
    if subscriptions.is_empty() {
        wrong.push(format!("nobody is subscribed to {topic_arn}"));
    } else if pending > 0 {
        wrong.push(format!("{pending} of {} subscriptions of {topic_arn} are not confirmed", subscriptions.len()));
    }
    if sms {
        let sandbox = client.get_sms_sandbox_account_status().send().await;
        match sandbox.map_err(|error| reason(&Failure::from(error), topic_arn)) {
            Ok(status) if status.is_in_sandbox() => {
                wrong.push("the account is in the SMS sandbox: only numbers that were verified are reached".to_owned());
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("the SMS sandbox is not known: {error}")),
        }
        wrong.extend(spend_limit(client, topic_arn).await);
    }
    Ok(wrong)
}

/// AWS begins with a limit of a dollar a month, which some hundred messages reach.
/// Source: <https://docs.aws.amazon.com/sns/latest/dg/channels-sms-awssupport-spend-threshold.html>.
const LOW_SPEND_LIMIT: f64 = 1.0;

async fn spend_limit(client: &Client, topic_arn: &str) -> Option<String> {
    let answer = client.get_sms_attributes().attributes("MonthlySpendLimit").send().await;
    let attributes = match answer.map_err(|error| reason(&Failure::from(error), topic_arn)) {
        Ok(answer) => answer.attributes.unwrap_or_default(),
        Err(error) => return Some(format!("the limit of what SMS may cost is not known: {error}")),
    };
    let limit: f64 =
        attributes.get("MonthlySpendLimit").and_then(|limit| limit.parse().ok()).unwrap_or(LOW_SPEND_LIMIT);
    (limit <= LOW_SPEND_LIMIT).then(|| {
        format!("SMS may cost no more than {limit} USD a month, and then nobody is reached; ask AWS for a higher limit")
    })
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
