//! Performs the effects of an incident: each claimed before it is attempted, in order on each channel.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::decide::{DeliveryReport, Effect, EffectKind, Event, GIVE_UP_AFTER, retry_after};
use monitoring_core::incident::{Incident, IncidentId};

use super::{Responder, Target};
use crate::channel::{Delivery, DeliveryErrorKind, Receipt};
use crate::outside::Outside;
use crate::store::{Ended, Finish, PendingEffect, StoreError};

/// How long whoever attempts an effect has it to itself. Longer than the function's time-out (30 s), which is longer
/// than that of a delivery, so that nobody else tries while the first may still succeed.
pub(super) const CLAIM: SignedDuration = SignedDuration::from_secs(60);

impl<O: Outside> Responder<O> {
    /// Performs whatever of the incident is due and free, until nothing is.
    pub(super) async fn perform(&self, id: &IncidentId, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let pending = self.store.pending_effects(id).await?;
            if pending.is_empty() {
                return Ok(());
            }
            // One that somebody is sending right now is not replaced: it keeps its place, and what is newer waits.
            let (superseded, wanted): (Vec<&PendingEffect>, Vec<&PendingEffect>) = pending.iter().partition(|older| {
                !older.is_claimed(now) && pending.iter().any(|newer| older.effect.is_superseded_by(&newer.effect))
            });
            for effect in superseded {
                self.supersede(id, effect, now).await?;
            }
            let ready: Vec<&PendingEffect> =
                first_of_each_channel(&wanted).filter(|effect| effect.is_free(now)).collect();
            if ready.is_empty() {
                return Ok(());
            }
            let Some(incident) = self.store.incident(id).await? else { return Ok(()) };
            let attempts = ready.into_iter().map(|effect| self.attempt(&incident, effect, now));
            let mut progress = false;
            for report in join_all(attempts).await {
                let Attempted { ended, report } = report?;
                progress |= ended;
                if let Some(report) = report {
                    let events = [Event::Delivery(report)];
                    self.decide_and_commit(Target::Incident(id), &events, now).await?;
                }
            }
            if !progress {
                return Ok(());
            }
        }
    }

    async fn supersede(&self, id: &IncidentId, effect: &PendingEffect, now: Timestamp) -> Result<(), StoreError> {
        let outcome = match self.store.claim(id, effect, now, now + CLAIM).await {
            Ok(claim) => {
                let ended = Ended { claim, finish: Finish::Superseded, result: "a newer update replaced it", now };
                self.store.finish(id, &effect.effect, ended).await
            }
            Err(error) => Err(error),
        };
        outcome.or_else(|error| if error.is_conflict() { Ok(()) } else { Err(error) })
    }

    async fn attempt(
        &self,
        incident: &Incident,
        pending: &PendingEffect,
        now: Timestamp,
    ) -> Result<Attempted, StoreError> {
        let id = &incident.id;
        let claim = match self.store.claim(id, pending, now, now + CLAIM).await {
            Ok(claim) => claim,
            // Somebody else has it.
            Err(error) if error.is_conflict() => return Ok(Attempted { ended: false, report: None }),
            Err(error) => return Err(error),
        };
        let Effect { number, created_at, kind: EffectKind::Notify { channel: name, notice } } = &pending.effect;
        let key = format!("{id}#{number}");
        let result = match self.catalogue.channels.get(name) {
            Some(channel) => {
                let delivery = Delivery { channel, notice, thread: incident.threads.get(name), key: &key };
                self.channels.deliver(&self.outside, delivery).await
            }
            None => Err(crate::channel::DeliveryError {
                kind: DeliveryErrorKind::Permanent,
                reason: format!("the catalogue has no channel {name} any more"),
            }),
        };
        let (outcome, said, report) = match result {
            Ok(Receipt::Accepted { thread }) => {
                (Outcome::Ended(Finish::Done), "accepted".to_owned(), thread.map(|thread| Ok(Some(thread))))
            }
            Err(error) => match error.kind {
                DeliveryErrorKind::Retry { after } if now.duration_since(*created_at) < GIVE_UP_AFTER => {
                    let asked = after.and_then(|after| SignedDuration::try_from(after).ok());
                    // The last attempt is when it is given up, whatever the receiver asks for: another channel waits for it.
                    let at = (now + retry_after(claim.attempt, asked, &key)).min(*created_at + GIVE_UP_AFTER);
                    (Outcome::RetryAt(at), error.reason, None)
                }
                _ => (Outcome::Ended(Finish::Failed), error.reason.clone(), Some(Err(error.reason))),
            },
        };
        if outcome == Outcome::Ended(Finish::Done) {
            tracing::info!(incident = %id, effect = number, channel = name, "delivered");
        } else {
            tracing::warn!(incident = %id, effect = number, channel = name, attempt = claim.attempt, reason = said, ?outcome, "not delivered");
        }
        let recorded = match outcome {
            Outcome::Ended(finish) => {
                self.store.finish(id, &pending.effect, Ended { claim, finish, result: &said, now }).await
            }
            Outcome::RetryAt(at) => self.store.retry(id, claim, at, &said).await,
        };
        match recorded {
            Ok(()) => {}
            // The claim ran out and somebody else took over: theirs is the report.
            Err(error) if error.is_conflict() => return Ok(Attempted { ended: false, report: None }),
            Err(error) => return Err(error),
        }
        let report = report.map(|result| DeliveryReport { effect: *number, channel: name.clone(), result });
        Ok(Attempted { ended: matches!(outcome, Outcome::Ended(_)), report })
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ended(Finish),
    RetryAt(Timestamp),
}

struct Attempted {
    /// Whether the effect needs no more attempts, so that the next one of its channel may go.
    ended: bool,
    report: Option<DeliveryReport>,
}

/// Effects of one channel go in order: only the first of each may be attempted.
fn first_of_each_channel<'a>(effects: &[&'a PendingEffect]) -> impl Iterator<Item = &'a PendingEffect> {
    let mut channels: Vec<&str> = Vec::new();
    let mut first = Vec::new();
    for effect in effects {
        let channel = effect.effect.channel();
        if !channels.contains(&channel) {
            channels.push(channel);
            first.push(*effect);
        }
    }
    first.into_iter()
}
