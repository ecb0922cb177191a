//! PagerDuty, by its Events API v2. The deduplication key makes a repeated event harmless.

use monitoring_core::message::{NoticeKind, pagerduty};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Attempt, Channels, Delivery, DeliveryError, DeliveryErrorKind, Receipt};

impl Channels {
    pub(super) async fn deliver_to_pagerduty(
        &self,
        setting: &str,
        delivery: Delivery<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let is_for_others = matches!(
            delivery.notice.kind,
            NoticeKind::Update | NoticeKind::Approval { .. } | NoticeKind::PostMortem { .. }
        );
        if is_for_others {
            // An event on an open key notifies nobody, and there is nothing to change there.
            return Ok(Receipt::Accepted { thread: None });
        }
        let incident = [delivery.notice.incident.to_string()];
        let keys = if delivery.notice.dedup_keys.is_empty() { &incident[..] } else { &delivery.notice.dedup_keys };

        // A key that is refused for good must not keep the others open.
        let mut refused = None;
        for key in keys {
            match self.with_secret(setting, |routing_key| self.send_event(delivery, key, routing_key)).await {
                Ok(()) => {}
                Err(error) if error.kind == DeliveryErrorKind::Permanent => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        refused.map_or(Ok(Receipt::Accepted { thread: None }), Err)
    }

    async fn send_event(&self, delivery: Delivery<'_>, dedup_key: &str, routing_key: SecretString) -> Attempt<()> {
        let Some(event) = pagerduty::event(delivery.notice, dedup_key, routing_key.expose_secret()) else {
            return Attempt::Done(());
        };
        self.post_event(&event, routing_key).await
    }

    pub(super) async fn post_event(&self, event: &Value, routing_key: SecretString) -> Attempt<()> {
        let answer = match self.http.post_json(&self.endpoints.pagerduty_events, None, event).await {
            Ok(answer) if matches!(answer.status, 200..=299) => return Attempt::Done(()),
            Ok(answer) => answer,
            Err(error) => return Attempt::Failed(DeliveryError::from_http("PagerDuty", &error)),
        };
        let error = DeliveryError::from_answer("PagerDuty", &answer, &routing_key);
        // A routing key that is not known is answered with 400, and named in the reason.
        let said = answer.body.to_ascii_lowercase();
        let is_unknown = answer.status == 400 && (said.contains("routing_key") || said.contains("routing key"));
        if matches!(answer.status, 401 | 403) || is_unknown {
            Attempt::SecretRefused(error)
        } else {
            Attempt::Failed(error)
        }
    }
}
