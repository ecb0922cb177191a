//! The ways to reach people. Each delivery is one attempt: whether and when to try again is the caller's decision,
//! and [`DeliveryErrorKind`] is what it needs for that.

mod check;
mod pagerduty;
mod slack;

use std::collections::BTreeMap;
use std::time::Duration;

use monitoring_core::alert::bounded;
use monitoring_core::catalogue::{self, Via};
use monitoring_core::incident::SlackThread;
use monitoring_core::message::{Notice, text};
use secrecy::{ExposeSecret, SecretString};

use crate::http::{Answer, Http, HttpError, causes};
use crate::outside::{Outside, Publication, PublishError};
use crate::secrets::{SecretError, Secrets, Settings};

/// One attempt ends within this time, reloaded secrets and several requests included. A claim must last longer.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// The most of a reason that is kept, in bytes.
const MAX_REASON_BYTES: usize = 300;

/// Where Slack and PagerDuty are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Base of the Slack Web API, without a slash at its end.
    pub slack_api: String,
    /// Where PagerDuty takes events.
    pub pagerduty_events: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            slack_api: "https://slack.com/api".to_owned(),
            pagerduty_events: "https://events.pagerduty.com/v2/enqueue".to_owned(),
        }
    }
}

impl Endpoints {
    /// `SLACK_API_URL` and `PAGERDUTY_EVENTS_URL` (the full URL, for the EU region or a test), or the defaults.
    pub fn from_settings(settings: &Settings) -> Self {
        let default = Self::default();
        let setting = |name: &str, default: String| settings.get(name).map_or(default, str::to_owned);
        Self {
            slack_api: setting("SLACK_API_URL", default.slack_api).trim_end_matches('/').to_owned(),
            pagerduty_events: setting("PAGERDUTY_EVENTS_URL", default.pagerduty_events),
        }
    }
}

/// Delivers notices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Channels {
    http: Http,
    secrets: Secrets,
    endpoints: Endpoints,
}

/// One notice for one channel.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// How to reach people.
    pub channel: &'a catalogue::Channel,
    /// What to tell them.
    pub notice: &'a Notice,
    /// Where the incident's message is, when the channel has given a receipt before.
    pub thread: Option<&'a SlackThread>,
    /// The same across attempts: `<incident>#<effect number>`.
    pub key: &'a str,
}

/// What the receiver said. Accepted is not delivered: only an acknowledgement says that somebody has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The receiver has it.
    Accepted {
        /// Where the incident's message is, if this delivery made it.
        thread: Option<SlackThread>,
    },
}

/// Why the receiver does not have it, or may not have it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// Whether to try again.
    pub kind: DeliveryErrorKind,
    /// For the journal: bounded, and without any secret.
    pub reason: String,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryErrorKind {
    /// The same delivery may succeed later.
    Retry {
        /// How long the receiver asks to wait.
        after: Option<Duration>,
    },
    /// It will not. Use another channel.
    Permanent,
}

impl Channels {
    /// Channels with these secrets, at these endpoints.
    pub fn new(http: Http, secrets: Secrets, endpoints: Endpoints) -> Self {
        Self { http, secrets, endpoints }
    }

    /// Tries once to deliver a notice.
    pub async fn deliver<P: Outside + Sync>(
        &self,
        outside: &P,
        delivery: Delivery<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let attempt = async {
            match &delivery.channel.via {
                Via::Slack { webhook_setting, bot_token_setting, conversation } => {
                    if self.secrets.is_set(bot_token_setting) && !conversation.is_empty() {
                        self.deliver_by_bot(bot_token_setting, conversation, delivery).await
                    } else {
                        self.deliver_by_webhook(webhook_setting, delivery).await
                    }
                }
                Via::Pagerduty { routing_key_setting } => {
                    self.deliver_to_pagerduty(routing_key_setting, delivery).await
                }
                Via::Email { topic } => {
                    let (subject, body) = text::email(delivery.notice);
                    publish(outside, topic, delivery, Some(subject), body).await
                }
                Via::Sms { topic } => publish(outside, topic, delivery, None, text::sms(delivery.notice)).await,
            }
        };
        tokio::time::timeout(DELIVERY_TIMEOUT, attempt).await.unwrap_or_else(|_| {
            let reason = format!("{}: not finished within {} s", delivery.channel.name, DELIVERY_TIMEOUT.as_secs());
            Err(DeliveryError { kind: DeliveryErrorKind::Retry { after: None }, reason })
        })
    }
}

async fn publish<P: Outside>(
    outside: &P,
    topic: &str,
    delivery: Delivery<'_>,
    subject: Option<String>,
    body: String,
) -> Result<Receipt, DeliveryError> {
    let mut attributes = BTreeMap::from([
        ("incident".to_owned(), delivery.notice.incident.to_string()),
        ("key".to_owned(), delivery.key.to_owned()),
        ("severity".to_owned(), delivery.notice.severity.to_string()),
    ]);
    if subject.is_none() {
        // A promotional message, the default, is sent when it is cheap; this one must be sent now.
        attributes.insert("AWS.SNS.SMS.SMSType".to_owned(), "Transactional".to_owned());
    }
    publish_to(outside, topic, &Publication { subject, body, attributes }).await?;
    Ok(Receipt::Accepted { thread: None })
}

async fn publish_to<P: Outside>(outside: &P, topic: &str, publication: &Publication) -> Result<(), DeliveryError> {
    outside.publish(topic, publication).await.map_err(|error| {
        DeliveryError::from(PublishError { reason: format!("topic {topic}: {}", error.reason), ..error })
    })
}

/// How one request ended.
enum Attempt<T> {
    /// The secret was good, and this came of it.
    Done(T),
    /// The receiver does not know the secret; a newer one may do.
    SecretRefused(DeliveryError),
    /// Anything else.
    Failed(DeliveryError),
}

impl Channels {
    /// Makes a request with a secret; where that is refused, once more with the secret read anew.
    async fn with_secret<T, F: Future<Output = Attempt<T>>>(
        &self,
        setting: &str,
        request: impl Fn(SecretString) -> F,
    ) -> Result<T, DeliveryError> {
        let secret = self.secrets.get(setting).await.map_err(DeliveryError::from)?;
        let refusal = match request(secret.clone()).await {
            Attempt::Done(done) => return Ok(done),
            Attempt::Failed(error) => return Err(error),
            Attempt::SecretRefused(error) => error,
        };
        let Some(secret) = self.secrets.reload(setting, &secret).await.map_err(DeliveryError::from)? else {
            return Err(refusal);
        };
        match request(secret).await {
            Attempt::Done(done) => Ok(done),
            Attempt::Failed(error) | Attempt::SecretRefused(error) => Err(error),
        }
    }
}

impl DeliveryError {
    fn permanent(reason: &str) -> Self {
        Self { kind: DeliveryErrorKind::Permanent, reason: bounded(reason, MAX_REASON_BYTES) }
    }

    fn retry(after: Option<Duration>, reason: &str) -> Self {
        Self { kind: DeliveryErrorKind::Retry { after }, reason: bounded(reason, MAX_REASON_BYTES) }
    }

    /// What an answer that is no success means, by its status alone.
    fn from_answer(receiver: &str, answer: &Answer, secret: &SecretString) -> Self {
        let said = redacted(answer.body.trim(), secret);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let reason = format!("{receiver} answered {}{said}", answer.status);
        match answer.status {
            408 | 425 | 429 | 500.. => Self::retry(answer.retry_after, &reason),
            _ => Self::permanent(&reason),
        }
    }

    fn from_http(receiver: &str, error: &HttpError) -> Self {
        let reason = format!("{receiver}: {}", causes(error));
        if error.is_retryable() { Self::retry(None, &reason) } else { Self::permanent(&reason) }
    }
}

impl From<PublishError> for DeliveryError {
    fn from(error: PublishError) -> Self {
        let kind =
            if error.retryable { DeliveryErrorKind::Retry { after: None } } else { DeliveryErrorKind::Permanent };
        Self { kind, reason: bounded(&error.reason, MAX_REASON_BYTES) }
    }
}

impl From<SecretError> for DeliveryError {
    fn from(error: SecretError) -> Self {
        let reason = causes(&error);
        if error.is_retryable() { Self::retry(None, &reason) } else { Self::permanent(&reason) }
    }
}

/// What a receiver said, without the secret that it may quote. Of a URL, each long part is a secret too.
fn redacted(text: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    let mut text = text.replace(secret, "[secret]");
    for part in secret.split('/').filter(|part| part.len() >= 16) {
        text = text.replace(part, "[secret]");
    }
    text
}
