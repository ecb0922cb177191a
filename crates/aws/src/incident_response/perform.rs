//! Performs the effects of an incident: each claimed before it is attempted, in order on each channel.

use futures_util::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use monitoring_core::decide::{DeliveryReport, Effect, EffectKind, Event, LATE_AFTER, give_up_after, retry_after};
use monitoring_core::incident::{Incident, IncidentId};

use super::{Responder, Target};
use crate::channel::{Delivery, DeliveryError, DeliveryErrorKind, Receipt};
use crate::outside::Outside;
use crate::store::{Claim, Ended, Finish, PendingEffect, StoreError};

/// How long whoever attempts an effect has it to itself. Longer than the function's time-out (30 s), which is longer
/// than that of a delivery, so that nobody else tries while the first may still succeed.
pub(super) const CLAIM: SignedDuration = SignedDuration::from_secs(60);

impl<O: Outside> Responder<O> {
    /// Performs whatever of the incident is due and free, until nothing is.
    pub(super) async fn perform(&self, id: &IncidentId, now: Timestamp) -> Result<(), StoreError> {
        loop {
            // What cannot be read is the auditor's to tell.
            let (pending, _) = self.store.pending_effects(id).await?;
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
            let mut ready: Vec<&PendingEffect> =
                first_of_each_lane(&wanted, now).into_iter().filter(|effect| effect.is_free(now)).collect();
            if ready.is_empty() {
                return Ok(());
            }
            // People are called before anything is done by itself. A page that was tried and put off is not waited for.
            let first_pages = ready.iter().any(|pending| pending.effect.is_page() && pending.attempts == 0);
            let waits = |pending: &&PendingEffect| first_pages && pending.effect.notice().is_none();
            let waiting = ready.iter().any(waits);
            ready.retain(|pending| !waits(pending));
            let Some(incident) = self.store.incident(id).await? else { return Ok(()) };
            // Each on its own, so that a receiver that stalls delays no other.
            let attempts = ready.into_iter().map(|effect| self.attempt_and_settle(&incident, effect, now));
            let mut progress = waiting;
            for ended in join_all(attempts).await {
                progress |= ended?;
            }
            if !progress {
                return Ok(());
            }
        }
    }

    /// Attempts an effect, and records what came of it. Says whether it has ended, so that the next one may go.
    async fn attempt_and_settle(
        &self,
        incident: &Incident,
        effect: &PendingEffect,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(Attempted { outcome, report }) = self.attempt(incident, effect, now).await? else { return Ok(false) };
        // First what follows from it, such as a page on another channel. Whoever dies in between leaves the effect to be
        // attempted again, and not a channel that failed with nobody told.
        if let Some(report) = report {
            self.decide_and_commit(Target::Incident(&incident.id), &[report], now).await?;
        }
        let (ended, recorded) = match outcome {
            Outcome::Ended(ended) => (true, self.store.finish(&incident.id, &effect.effect, &ended).await),
            Outcome::Retry { claim, at, reason } => (false, self.store.retry(&incident.id, claim, at, &reason).await),
        };
        match recorded {
            Ok(()) => Ok(ended),
            // The claim ran out and somebody else took over: theirs is the word.
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn supersede(&self, id: &IncidentId, effect: &PendingEffect, now: Timestamp) -> Result<(), StoreError> {
        let outcome = match self.store.claim(id, effect, now, now + CLAIM).await {
            Ok(claim) => {
                let result = "a newer update replaced it".to_owned();
                let ended = Ended { claim, finish: Finish::Superseded, result, now };
                self.store.finish(id, &effect.effect, &ended).await
            }
            Err(error) => Err(error),
        };
        outcome.or_else(|error| if error.is_conflict() { Ok(()) } else { Err(error) })
    }

    /// Attempts an effect once. `None` when somebody else has it.
    async fn attempt(
        &self,
        incident: &Incident,
        pending: &PendingEffect,
        now: Timestamp,
    ) -> Result<Option<Attempted>, StoreError> {
        let id = &incident.id;
        let claim = match self.store.claim(id, pending, now, now + CLAIM).await {
            Ok(claim) => claim,
            // Somebody else has it.
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => return Err(error),
        };
        let attempt = Attempt { incident, pending, claim, now };
        Ok(Some(match pending.effect.kind {
            EffectKind::Look { .. } | EffectKind::RunActions { .. } => {
                let acted: BoxFuture<'_, Attempted> = Box::pin(self.act(attempt));
                acted.await
            }
            EffectKind::Notify { .. } | EffectKind::WritePostMortem {} | EffectKind::Investigate { .. } => {
                self.deliver(attempt).await
            }
        }))
    }

    /// Sends a message, or asks a function for something, once.
    async fn deliver(&self, attempt: Attempt<'_>) -> Attempted {
        let Attempt { incident, pending, claim, now } = attempt;
        let Effect { number, created_at, .. } = &pending.effect;
        let (id, key) = (&incident.id, pending.effect.key(&incident.id));
        let name = pending.effect.lane();
        let result = self.carry_out(incident, &pending.effect, &key).await;
        let report = |given_up, result| {
            Event::Delivery(DeliveryReport {
                effect: *number,
                channel: name.clone(),
                is_page: pending.effect.is_page(),
                given_up,
                result,
            })
        };
        let error = match result {
            Ok(Receipt::Accepted { thread }) => {
                tracing::info!(incident = %id, effect = number, channel = name, "delivered");
                let ended = Ended { claim, finish: Finish::Done, result: "accepted".to_owned(), now };
                let report = thread.map(|thread| report(false, Ok(Some(thread))));
                return Attempted { outcome: Outcome::Ended(ended), report };
            }
            Err(error) => error,
        };
        let give_up_at = *created_at + give_up_after(&pending.effect);
        let retry_at = match error.kind {
            DeliveryErrorKind::Retry { after } if now < give_up_at => {
                let asked = after.and_then(|after| SignedDuration::try_from(after).ok());
                // The last attempt is when it is given up, whatever the receiver asks for: another channel waits for it.
                Some((now + retry_after(claim.attempt, asked, &key)).min(give_up_at))
            }
            _ => None,
        };
        let reason = error.reason;
        tracing::warn!(incident = %id, effect = number, channel = name, attempt = claim.attempt, reason, ?retry_at, "not delivered");
        match retry_at {
            None => {
                let ended = Ended { claim, finish: Finish::Failed, result: reason.clone(), now };
                Attempted { outcome: Outcome::Ended(ended), report: Some(report(true, Err(reason))) }
            }
            Some(at) => {
                let is_late = pending.effect.is_page() && now.duration_since(*created_at) >= LATE_AFTER;
                let report = is_late.then(|| report(false, Err(reason.clone())));
                Attempted { outcome: Outcome::Retry { claim, at, reason }, report }
            }
        }
    }
}

impl<O: Outside> Responder<O> {
    /// Does what an effect asks for, once.
    async fn carry_out(&self, incident: &Incident, effect: &Effect, key: &str) -> Result<Receipt, DeliveryError> {
        if let Some((function, event)) = effect.request(&incident.id) {
            let accepted = self.outside.invoke(function, &event).await;
            return accepted.map(|()| Receipt::Accepted { thread: None }).map_err(DeliveryError::from);
        }
        let refused = |reason: String| DeliveryError { kind: DeliveryErrorKind::Permanent, reason };
        let Some((name, notice)) = effect.notice() else {
            return Err(refused("this version does not know how to do it".to_owned()));
        };
        let Some(channel) = self.catalogue.channels.get(name) else {
            return Err(refused(format!("the catalogue has no channel {name} any more")));
        };
        let delivery = Delivery { channel, notice, thread: incident.threads.get(name), key };
        self.channels.deliver(&self.outside, delivery).await
    }
}

/// An effect that was claimed.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) incident: &'a Incident,
    pub(super) pending: &'a PendingEffect,
    pub(super) claim: Claim,
    pub(super) now: Timestamp,
}

/// What came of an attempt.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    /// What the incident is told of it.
    pub(super) report: Option<Event>,
}

pub(super) enum Outcome {
    Ended(Ended),
    Retry { claim: Claim, at: Timestamp, reason: String },
}

/// Effects of one lane go in order: only the first of each may be attempted. But a page does not wait for a message that
/// nobody waits for and that was put off.
fn first_of_each_lane<'a>(effects: &[&'a PendingEffect], now: Timestamp) -> Vec<&'a PendingEffect> {
    let is_overtaken = |effect: &PendingEffect| {
        let put_off = !effect.effect.is_page() && effect.attempts > 0 && !effect.is_claimed(now);
        let same = |other: &&&PendingEffect| other.effect.lane() == effect.effect.lane();
        put_off && effects.iter().filter(same).any(|other| other.effect.is_page())
    };
    let mut lanes: Vec<String> = Vec::new();
    let mut first = Vec::new();
    for effect in effects.iter().filter(|effect| !is_overtaken(effect)) {
        let lane = effect.effect.lane();
        if !lanes.contains(&lane) {
            lanes.push(lane);
            first.push(*effect);
        }
    }
    first
}
