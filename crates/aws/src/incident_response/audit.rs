//! The auditor: each minute it looks at every open incident, by another index than the one that wakes them, and says so when
//! one would not be attended to. What it finds, it sets right where it can.

use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::{AlertChange, AlertKey, ChangeState, GroupKey, STORM};
use monitoring_core::incident::{Hold, Incident};
use monitoring_core::metric::Dimensions;

use super::{CONCURRENCY, Overview, Responder, TICK_BUDGET};
use crate::outside::Outside;
use crate::store::{PendingEffect, StoreError};

/// How long something may be due before that is a fault: five ticks.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What the auditor's alert is called.
const AUDIT: &str = "audit";

/// By how many incidents each minute's audit begins later than the one before.
const TURN: usize = 97;

/// The most findings that an alert spells out.
const MAX_FINDINGS: usize = 5;

impl<O: Outside> Responder<O> {
    /// Looks at every open incident. Returns what was found to be wrong, and what is open.
    pub(super) async fn audit(&self, now: Timestamp) -> Result<(Vec<String>, Overview), StoreError> {
        let (mut open, unreadable) = self.store.open_incidents().await?;
        open.retain(Incident::is_open);
        let overview = Overview::of(&open, unreadable.len());
        let mut findings: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
        let began = Instant::now();
        let audits: Vec<_> = in_turn(&open, now).map(|incident| self.audit_incident(incident, now)).collect();
        let mut audits = audits.into_iter();
        // The next is taken only when there is room for it, so the time is looked at all along.
        let in_time = std::iter::from_fn(|| if began.elapsed() < TICK_BUDGET { audits.next() } else { None });
        let audited = stream::iter(in_time).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
        if audited.len() < open.len() {
            tracing::warn!(left = open.len() - audited.len(), "more incidents are open than one tick audits");
        }
        findings.extend(audited.into_iter().flatten());
        findings.sort();
        self.tell_findings(&open, &findings, now).await;
        self.count_storm(&open, now).await;
        Ok((findings, overview))
    }

    async fn audit_incident(&self, incident: &Incident, now: Timestamp) -> Option<String> {
        let id = &incident.id;
        let asleep = match incident.wake_at {
            None => Some(format!("{id} had no next wake-up")),
            // What is held back is looked at by every tick, so its time is always past.
            Some(at) if incident.held.is_none() && now.duration_since(at) > PATIENCE => {
                Some(format!("{id} was due at {at}, and nothing happened"))
            }
            Some(_) => None,
        };
        if let Some(finding) = asleep {
            // Attended to now: what slept is awake again, and the finding says that it slept.
            if let Err(error) = self.attend(id, now).await {
                tracing::error!(incident = %id, error = &error as &dyn std::error::Error, "could not be woken");
            }
            return Some(finding);
        }
        match self.store.pending_effects(id).await {
            Ok((effects, unreadable)) => {
                if let Some(error) = unreadable.first() {
                    return Some(error.to_string());
                }
                let PendingEffect { effect, due_at, .. } = stuck(&effects, now)?;
                let (number, lane) = (effect.number, effect.lane());
                let finding = format!("message {number} of {id} for {lane} was due at {due_at}, and is not sent");
                // Sent now, and the finding says that it was not.
                self.perform_logged(id, now).await;
                Some(finding)
            }
            // A read that fails once is no finding; if the store stays down, alerts are paged without it.
            Err(error) => {
                tracing::error!(incident = %id, error = &error as &dyn std::error::Error, "messages are not audited");
                None
            }
        }
    }

    /// Tells people, or that it is over.
    async fn tell_findings(&self, open: &[Incident], findings: &[String], now: Timestamp) {
        let alert = |reason: &str| AlertChange::about_the_suite(AUDIT, "Incidents are not attended to", reason, now);
        let change = if findings.is_empty() {
            if !fires(open, &GroupKey::suite(AUDIT), AUDIT) {
                return;
            }
            alert("").is_over("every open incident has a next step")
        } else {
            for finding in findings {
                tracing::error!(finding, "the auditor found something");
            }
            alert(&findings.iter().take(MAX_FINDINGS).cloned().collect::<Vec<_>>().join("; "))
        };
        // Where it is the incident about the suite that is stuck, no incident would help: the channels are told directly.
        let about_itself = open.iter().find(|incident| incident.group == GroupKey::suite(AUDIT));
        let stuck = about_itself.is_some_and(|own| findings.iter().any(|finding| finding.contains(own.id.as_str())));
        if stuck {
            self.page_directly(&change, "the incident about the suite itself is stuck", now).await;
        }
        // Also when it is stuck: so that the key is closed with the incident, once that can be attended to.
        if let Err(error) = self.take_in(change, now).await {
            tracing::error!(error = &error as &dyn std::error::Error, "nobody could be told of what the auditor found");
        }
    }

    /// Says how many incidents a storm stands for, and that it is over when there is none left.
    async fn count_storm(&self, open: &[Incident], now: Timestamp) {
        let group = GroupKey::storm();
        if !fires(open, &group, STORM) {
            return;
        }
        let within = SignedDuration::from_secs(i64::from(self.catalogue.noise.storm.within_seconds));
        let began = open.iter().find(|incident| incident.group == group).map_or(now, |storm| storm.opened_at);
        let folded = open.iter().filter(|incident| matches!(incident.held, Some(Hold::Storm { .. }))).count();
        // Within its window a storm may go on, and records of it may still be under way.
        let is_over = folded == 0 && now.duration_since(began) >= within;
        if folded == 0 && !is_over {
            return;
        }
        let title = format!("Storm: {} or more further incidents are open", step_below(folded));
        let reason = format!("{folded} incidents are recorded and not paged one by one");
        let change = AlertChange { group, ..AlertChange::about_the_suite(STORM, &title, &reason, now) };
        let change = if is_over { change.is_over("every incident that it stood for is resolved") } else { change };
        if let Err(error) = self.change(change, now).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the storm's count could not be told");
        }
    }
}

/// Every incident, each minute beginning with another: where there is no time for all, each has its turn.
fn in_turn(open: &[Incident], now: Timestamp) -> impl Iterator<Item = &Incident> {
    let minute = usize::try_from(now.as_second().div_euclid(60)).unwrap_or_default();
    let (later, first) = open.split_at(minute.wrapping_mul(TURN) % open.len().max(1));
    first.iter().chain(later)
}

/// Whether an alert of the suite fires in an open incident of a group.
fn fires(open: &[Incident], group: &GroupKey, name: &str) -> bool {
    let key = AlertKey::new(&format!("suite:{name}"), &Dimensions::new(), None);
    let member = open.iter().filter(|incident| incident.group == *group).find_map(|incident| incident.alerts.get(&key));
    member.is_some_and(|member| member.state == ChangeState::Firing)
}

/// An effect that should have been attempted: the first of its lane, due for too long, in nobody's hands. What failed and
/// waits for its next attempt is due in the future.
fn stuck(effects: &[PendingEffect], now: Timestamp) -> Option<&PendingEffect> {
    let mut lanes: Vec<String> = Vec::new();
    effects.iter().find(|effect| {
        let lane = effect.effect.lane();
        let first = !lanes.contains(&lane);
        lanes.push(lane);
        first && !effect.is_claimed(now) && now.duration_since(effect.due_at) > PATIENCE
    })
}

/// 1, 2, 5, 10, 20, 50 ... at most the number: an update for each step, and not for each incident.
fn step_below(number: usize) -> usize {
    let steps = (0..7).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
    steps.take_while(|step| *step <= number).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_told_in_steps() {
        for (number, expected) in [(0, 0), (1, 1), (4, 2), (5, 5), (99, 50), (100, 100), (12_345, 10_000)] {
            assert_eq!(step_below(number), expected);
        }
    }
}
