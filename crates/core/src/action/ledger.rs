//! What was done lately, over all incidents: what the guard rails count.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The version of the stored form.
pub const SCHEMA: u32 = 1;

/// How long an action that has ended is remembered: no cooldown is longer.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The most actions that are remembered. While there are so many, no other begins.
pub(super) const MAX_PLACES: usize = 200;

/// The actions of the last day, and those that go on. One item, written on its version in the transaction of the decision
/// that changes it, so that no two decisions count past each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Grows by one with every write.
    pub version: u64,
    /// Oldest first.
    pub places: Vec<Place>,
    /// How many runs in a row failed or did not help, by runbook.
    pub failures: BTreeMap<String, u32>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { schema: SCHEMA, version: 0, places: Vec::new(), failures: BTreeMap::new() }
    }
}

/// An action that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Id of its incident.
    pub incident: String,
    /// Its number there.
    pub run: u32,
    /// Which runbook.
    pub runbook: String,
    /// `circuit-breaker/payment`.
    pub target: String,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over, whatever it had changed undone or meant to stay.
    pub ended_at: Option<Timestamp>,
}

impl Ledger {
    /// Notes that an action begins.
    pub(crate) fn begin(&mut self, place: Place) {
        let now = place.began_at;
        self.places.retain(|place| place.ended_at.is_none_or(|ended| now.duration_since(ended) < KEPT));
        self.places.push(place);
    }

    /// Notes that an action is over.
    pub(crate) fn end(&mut self, incident: &str, run: u32, now: Timestamp) {
        let mine = |place: &&mut Place| place.incident == incident && place.run == run && place.ended_at.is_none();
        if let Some(place) = self.places.iter_mut().find(mine) {
            place.ended_at = Some(now);
        }
    }

    /// Counts whether a run of the runbook was of use.
    pub(crate) fn count(&mut self, runbook: &str, helped: bool) {
        if helped {
            self.failures.remove(runbook);
        } else {
            *self.failures.entry(runbook.to_owned()).or_default() += 1;
        }
    }

    /// Who has a target to itself.
    pub(crate) fn holder(&self, target: &str) -> Option<&Place> {
        self.live().find(|place| place.target == target)
    }

    /// The actions that have not ended.
    pub(super) fn live(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.ended_at.is_none())
    }
}
