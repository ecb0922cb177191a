//! When the store is down, people are paged anyway: straight to the channels, with a key made of the group, saying that
//! nothing was recorded. The record stays in the queue.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use monitoring_core::alert::AlertChange;
use monitoring_core::alert::incoming::Record;
use monitoring_core::catalogue::Via;
use monitoring_core::decide::{Around, Effect, EffectKind, Event, Policy, decide, unrecorded_key};
use monitoring_core::message::Notice;

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
        let events: Vec<Event> = Self::firing(members).map(|(_, change)| Event::Alert(change.clone())).collect();
        let key = unrecorded_key(self.policy(), &worst.group);
        let why = format!("because {error}; there is no incident to acknowledge until the store is back");
        self.page_past_the_store(&events, &Past { key: &key, why: &why, repeatable_only: !first_time }, now).await;
    }

    /// Pages for something of which an incident would not help.
    pub(super) async fn page_directly(&self, change: &AlertChange, why: &str, now: Timestamp) {
        let key = unrecorded_key(self.policy(), &change.group);
        let past = Past { key: &key, why, repeatable_only: true };
        self.page_past_the_store(&[Event::Alert(change.clone())], &past, now).await;
    }

    async fn page_past_the_store(&self, events: &[Event], past: &Past<'_>, now: Timestamp) {
        // The same decision as with an empty store, only for what it would say.
        let decision = decide(self.policy(), None, events, now);
        let mut notices: BTreeMap<String, Notice> = BTreeMap::new();
        for effect in decision.effects.into_iter().filter(Effect::is_page) {
            let EffectKind::Notify { channel, mut notice } = effect.kind else { continue };
            notice.why = format!("NOT RECORDED, {}. {}", past.why, notice.why);
            notice.dedup_keys = vec![past.key.to_owned()];
            notices.insert(channel, *notice);
        }
        let deliveries = notices.iter().map(|(name, notice)| async move {
            let Some(channel) = self.catalogue.channels.get(name) else { return };
            if past.repeatable_only && !matches!(channel.via, Via::Pagerduty { .. }) {
                return;
            }
            let delivery = Delivery { channel, notice, thread: None, key: past.key };
            match self.channels.deliver(&self.outside, delivery).await {
                Ok(_) => tracing::warn!(channel = name, key = past.key, "paged without a record"),
                Err(error) => tracing::error!(
                    channel = name,
                    key = past.key,
                    reason = error.reason,
                    "could not page without a record"
                ),
            }
        });
        join_all(deliveries).await;
    }

    fn policy(&self) -> Policy<'_> {
        let (catalogue, environment) = (&self.catalogue, &self.environment);
        Policy { catalogue, environment, region: self.region.as_deref(), around: Around::NOTHING }
    }
}

/// How a page goes out that is not recorded.
struct Past<'a> {
    key: &'a str,
    why: &'a str,
    /// Whether only a channel is told that folds repetitions by the key.
    repeatable_only: bool,
}
