//! Whether a channel would work, found out without telling anybody anything; and messages that are about no incident.

use monitoring_core::catalogue::{Channel, Via};
use monitoring_core::message::OnCallPerson;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Attempt, Channels, DeliveryError, publish_to};
use crate::outside::{Outside, Publication};

/// The setting of the address that the heartbeat goes to.
const HEARTBEAT_URL: &str = "HEARTBEAT_URL";

impl Channels {
    /// Whether somebody waits for a heartbeat.
    pub fn has_heartbeat(&self) -> bool {
        self.secrets.is_set(HEARTBEAT_URL)
    }

    /// Sends a heartbeat, if somebody waits for one. Says whether.
    pub async fn heartbeat(&self) -> Result<bool, DeliveryError> {
        if !self.has_heartbeat() {
            return Ok(false);
        }
        let beat = |url: SecretString| async move {
            match self.http.post_json(url.expose_secret(), None, &json!({})).await {
                Ok(answer) if matches!(answer.status, 200..=299) => Attempt::Done(()),
                Ok(answer) => Attempt::Failed(DeliveryError::from_answer("the heartbeat's receiver", &answer, &url)),
                Err(error) => Attempt::Failed(DeliveryError::from_http("the heartbeat's receiver", &error)),
            }
        };
        self.with_secret(HEARTBEAT_URL, beat).await.map(|()| true)
    }

    /// What is wrong with a channel. Nobody is told anything.
    pub async fn check<O: Outside + Sync>(&self, outside: &O, channel: &Channel, service: &str) -> Vec<String> {
        let checked = match &channel.via {
            Via::Pagerduty { routing_key_setting } => self.check_pagerduty(routing_key_setting, service).await,
            Via::Slack { webhook_setting, bot_token_setting, conversation } => {
                if self.secrets.is_set(bot_token_setting) && !conversation.is_empty() {
                    self.check_bot(bot_token_setting).await
                } else {
                    self.check_webhook(webhook_setting).await
                }
            }
            Via::Email { topic } => return outside.check_topic(topic, false).await.unwrap_or_else(|error| vec![error]),
            Via::Sms { topic } => return outside.check_topic(topic, true).await.unwrap_or_else(|error| vec![error]),
        };
        checked.err().map(|error| error.reason).into_iter().collect()
    }

    /// Resolves what nobody opened: `PagerDuty` accepts that for a key that it knows, and does nothing.
    async fn check_pagerduty(&self, setting: &str, service: &str) -> Result<(), DeliveryError> {
        let send = |routing_key: SecretString| async move {
            let event = json!({
                "routing_key": routing_key.expose_secret(),
                "event_action": "resolve",
                "dedup_key": format!("{service}/channel-check"),
            });
            self.post_event(&event, routing_key).await
        };
        self.with_secret(setting, send).await
    }

    /// Asks whose token it is.
    async fn check_bot(&self, setting: &str) -> Result<(), DeliveryError> {
        let answer = self.with_secret(setting, |token| self.post_to_slack("auth.test", &Value::Null, token)).await?;
        answer.map(drop).map_err(|(_, error)| error)
    }

    /// Posts a message without text: a webhook that works refuses it as `no_text`, and one that was withdrawn does not come
    /// so far. Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, "Handling errors".
    async fn check_webhook(&self, setting: &str) -> Result<(), DeliveryError> {
        let post = |webhook: SecretString| async move {
            match self.http.post_json(webhook.expose_secret(), None, &json!({ "text": "" })).await {
                Ok(answer) if answer.status == 400 && answer.body.trim() == "no_text" => Attempt::Done(()),
                Ok(answer) => {
                    let error = DeliveryError::from_answer("Slack", &answer, &webhook);
                    if matches!(answer.status, 401..=404) {
                        Attempt::SecretRefused(error)
                    } else {
                        Attempt::Failed(error)
                    }
                }
                Err(error) => Attempt::Failed(DeliveryError::from_http("Slack", &error)),
            }
        };
        self.with_secret(setting, post).await
    }

    /// Says something that is about no incident, perhaps to somebody. `PagerDuty` and SMS are for calling people, so they hear nothing; says
    /// whether the channel was told.
    pub async fn say<O: Outside + Sync>(
        &self,
        outside: &O,
        channel: &Channel,
        to: Option<&OnCallPerson>,
        subject: &str,
        lines: &[String],
    ) -> Result<bool, DeliveryError> {
        match &channel.via {
            Via::Slack { webhook_setting, bot_token_setting, conversation } => {
                let mut message = monitoring_core::message::slack::plain(to, subject, lines);
                if self.secrets.is_set(bot_token_setting) && !conversation.is_empty() {
                    if let Value::Object(fields) = &mut message {
                        fields.insert("channel".to_owned(), json!(conversation));
                    }
                    let post = |token| self.post_to_slack("chat.postMessage", &message, token);
                    let answer = self.with_secret(bot_token_setting, post).await?;
                    answer.map(|_| true).map_err(|(_, error)| error)
                } else {
                    self.with_secret(webhook_setting, |webhook| self.post_to_webhook(&message, webhook)).await?;
                    Ok(true)
                }
            }
            Via::Email { topic } => {
                let publication =
                    Publication { subject: Some(subject.to_owned()), body: lines.join("\n"), ..Publication::default() };
                publish_to(outside, topic, &publication).await.map(|()| true)
            }
            Via::Pagerduty { .. } | Via::Sms { .. } => Ok(false),
        }
    }
}
