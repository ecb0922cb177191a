//! When the store is down, people are paged anyway: straight to the channels, with a key made of the group, saying that
//! nothing was recorded. The record stays in the queue.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use monitoring_core::alert::AlertChange;
use monitoring_core::alert::incoming::Record;
use monitoring_core::catalogue::Via;
use monitoring_core::decide::{Event, Policy, decide};
use monitoring_core::message::{Notice, NoticeKind};

use super::Responder;
use crate::channel::Delivery;
use crate::outside::Outside;
use crate::store::StoreError;

impl<O: Outside> Responder<O> {
    /// Pages the first level for what fires in these records.
    ///
    /// `PagerDuty` folds repetitions by the key; a channel that cannot is told only when the queue hands the record out
    /// for the first time.
    pub(super) async fn page_unrecorded(&self, members: &[(Record, AlertChange)], error: &StoreError, now: Timestamp) {
        let Some((_, worst)) = Self::firing(members).max_by_key(|(_, change)| change.severity) else { return };
        let first_time = Self::firing(members).any(|(record, _)| record.receive_count <= 1);
        let policy = Policy { catalogue: &self.catalogue, environment: &self.environment };
        let events: Vec<Event> = Self::firing(members).map(|(_, change)| Event::Alert(change.clone())).collect();
        // The same decision as with an empty store, only for what it would say.
        let decision = decide(policy, None, &events, now);
        let key = format!("{}/{}", self.catalogue.service, worst.group);
        let mut notices: BTreeMap<String, Notice> = BTreeMap::new();
        for effect in decision.effects {
            let monitoring_core::decide::EffectKind::Notify { channel, mut notice } = effect.kind;
            if matches!(notice.kind, NoticeKind::Page { .. }) {
                notice.why = format!(
                    "NOT RECORDED, because {error}; there is no incident to acknowledge until the store is back. {}",
                    notice.why
                );
                notice.dedup_keys = vec![key.clone()];
                notices.insert(channel, notice);
            }
        }
        let key = key.as_str();
        let deliveries = notices.iter().map(|(name, notice)| async move {
            let Some(channel) = self.catalogue.channels.get(name) else { return };
            if !first_time && !matches!(channel.via, Via::Pagerduty { .. }) {
                return;
            }
            let delivery = Delivery { channel, notice, thread: None, key };
            match self.channels.deliver(&self.outside, delivery).await {
                Ok(_) => tracing::warn!(channel = name, group = %worst.group, "paged without a record"),
                Err(error) => tracing::error!(channel = name, group = %worst.group, reason = error.reason, "could not page without a record"),
            }
        });
        join_all(deliveries).await;
    }
}
