//! Slack, by an incoming webhook or as a bot.
//!
//! A webhook only posts. A bot keeps one message for an incident up to date and replies in its thread, so that a
//! channel shows one line an incident.
//!
//! Slack has no idempotency key: where an answer is lost, the next attempt may post twice. The metadata of a bot's
//! messages carries the key, which shows which two are one.

use monitoring_core::incident::SlackThread;
use monitoring_core::message::{Notice, NoticeKind, slack};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Attempt, Channels, Delivery, DeliveryError, DeliveryErrorKind, Receipt, redacted};

/// The setting that says where Slack sends what people press.
const INTERACTIONS_URL: &str = "INTERACTIONS_URL";

impl Channels {
    pub(super) async fn deliver_by_webhook(
        &self,
        setting: &str,
        delivery: Delivery<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let message = slack::blocks(delivery.notice, self.has_buttons());
        self.with_secret(setting, |webhook| self.post_to_webhook(&message, webhook)).await
    }

    pub(super) async fn deliver_by_bot(
        &self,
        setting: &str,
        conversation: &str,
        delivery: Delivery<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let Some(thread) = delivery.thread else {
            return self.post_first_message(setting, conversation, delivery).await;
        };

        // The update can be repeated without harm and the reply cannot, so the update goes first.
        let mut body =
            addressed(slack::blocks(delivery.notice, self.has_buttons()), &thread.conversation, delivery.key);
        set(&mut body, "ts", json!(thread.ts));
        match self.call_slack(setting, "chat.update", &body).await {
            Ok(_) => {}
            Err(CallError { code: Some(code), .. }) if code == "message_not_found" => {
                return self.post_first_message(setting, conversation, delivery).await;
            }
            // Somebody must be called now; the first message catches up with the next notice.
            Err(failed) if is_page(delivery.notice) || failed.delivery.kind == DeliveryErrorKind::Permanent => {
                tracing::warn!(incident = %delivery.notice.incident, reason = %failed.delivery.reason, "Slack message not updated");
            }
            Err(failed) => return Err(failed.delivery),
        }

        let mut body =
            addressed(slack::thread_reply(delivery.notice, self.has_buttons()), &thread.conversation, delivery.key);
        set(&mut body, "thread_ts", json!(thread.ts));
        if is_page(delivery.notice) {
            set(&mut body, "reply_broadcast", json!(true));
        }
        self.call_slack(setting, "chat.postMessage", &body).await.map_err(|failed| failed.delivery)?;
        Ok(Receipt::Accepted { thread: None })
    }

    /// Buttons that lead nowhere are worse than none.
    fn has_buttons(&self) -> bool {
        self.secrets.is_set(INTERACTIONS_URL)
    }

    async fn post_first_message(
        &self,
        setting: &str,
        conversation: &str,
        delivery: Delivery<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let body = addressed(slack::blocks(delivery.notice, self.has_buttons()), conversation, delivery.key);
        let answer = self.call_slack(setting, "chat.postMessage", &body).await.map_err(|failed| failed.delivery)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let thread = text("channel").zip(text("ts")).map(|(conversation, ts)| SlackThread { conversation, ts });
        Ok(Receipt::Accepted { thread })
    }

    async fn call_slack(&self, setting: &str, method: &str, body: &Value) -> Result<Value, CallError> {
        match self.with_secret(setting, |token| self.post_to_slack(method, body, token)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((code, delivery))) => Err(CallError { code: Some(code), delivery }),
            Err(delivery) => Err(CallError { code: None, delivery }),
        }
    }

    pub(super) async fn post_to_webhook(&self, message: &Value, webhook: SecretString) -> Attempt<Receipt> {
        let answer = match self.http.post_json(webhook.expose_secret(), None, message).await {
            Ok(answer) if answer.status == 200 => return Attempt::Done(Receipt::Accepted { thread: None }),
            Ok(answer) => answer,
            Err(error) => return Attempt::Failed(DeliveryError::from_http("Slack", &error)),
        };
        let error = DeliveryError::from_answer("Slack", &answer, &webhook);
        // A webhook that was withdrawn is answered with 404 and `no_service`, `no_team` or `no_active_hooks`.
        let is_gone = answer.status == 404 && answer.body.trim_start().starts_with("no_");
        if matches!(answer.status, 401 | 403) || is_gone {
            Attempt::SecretRefused(error)
        } else {
            Attempt::Failed(error)
        }
    }

    /// One request to the Web API. An error within a 200 is an error; one that is final comes with its code.
    pub(super) async fn post_to_slack(
        &self,
        method: &str,
        body: &Value,
        token: SecretString,
    ) -> Attempt<Result<Value, (String, DeliveryError)>> {
        let url = format!("{}/{method}", self.endpoints.slack_api);
        let answer = match self.http.post_json(&url, Some(&token), body).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => {
                let error = DeliveryError::from_answer("Slack", &answer, &token);
                let is_refused = matches!(answer.status, 401 | 403);
                return if is_refused { Attempt::SecretRefused(error) } else { Attempt::Failed(error) };
            }
            Err(error) => return Attempt::Failed(DeliveryError::from_http("Slack", &error)),
        };
        let Ok(value) = serde_json::from_str::<Value>(&answer.body) else {
            let reason = format!("Slack {method}: the answer is not JSON");
            return Attempt::Failed(DeliveryError::retry(answer.retry_after, &reason));
        };
        if value.get("ok").and_then(Value::as_bool) == Some(true) {
            return Attempt::Done(Ok(value));
        }
        let code = value.get("error").and_then(Value::as_str).unwrap_or("no error code").to_owned();
        let reason = format!("Slack {method}: {}", redacted(&code, &token));
        match verdict(&code) {
            Verdict::TokenRefused => Attempt::SecretRefused(DeliveryError::permanent(&reason)),
            Verdict::Transient => Attempt::Failed(DeliveryError::retry(answer.retry_after, &reason)),
            Verdict::Permanent => Attempt::Done(Err((code, DeliveryError::permanent(&reason)))),
        }
    }
}

/// Why a call of the Web API failed.
struct CallError {
    /// What Slack calls it, where that is final.
    code: Option<String>,
    delivery: DeliveryError,
}

/// What an error code of the Web API means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    TokenRefused,
    Transient,
    Permanent,
}

/// Source: the error tables of chat.postMessage and chat.update, <https://docs.slack.dev/reference/methods>. A code
/// that is not known counts as permanent: another channel is better than waiting.
fn verdict(code: &str) -> Verdict {
    match code {
        "not_authed" | "invalid_auth" | "account_inactive" | "token_revoked" | "token_expired" => Verdict::TokenRefused,
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "update_failed"
        | "external_channel_migrating" => Verdict::Transient,
        _ => Verdict::Permanent,
    }
}

/// Whether somebody is called, who may not follow the thread.
fn is_page(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Page { .. } | NoticeKind::Team { .. })
}

/// The message with where it goes and which effect it is.
fn addressed(mut message: Value, conversation: &str, key: &str) -> Value {
    set(&mut message, "channel", json!(conversation));
    let metadata = json!({"event_type": "incident_notice", "event_payload": {"key": key}});
    set(&mut message, "metadata", metadata);
    message
}

fn set(message: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = message {
        fields.insert(name.to_owned(), value);
    }
}
