//! Investigation: what the catalogued series say of an incident when it begins, as its journal keeps it.
//!
//! It is asked for once, when people are first called, and comes back when it is there: nobody waits for it. The groups of the rules are
//! the nodes of the [diagnosis](crate::diagnosis), and what the catalogue says of their dependencies is its call graph.

mod change;
mod evidence;
mod series;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{GroupKey, bounded};

pub use change::{Change, ChangeSource};
pub(crate) use evidence::FUNCTION;
pub use evidence::{Call, Calls, ERROR_PATTERNS, Function, Gathered, Pattern, Version, Wanted, wanted};
pub use series::{investigate, needs};

/// The most findings of an investigation, and the most bytes of the text of one.
const MAX_FINDINGS: usize = 14;
const MAX_TEXT: usize = 360;

/// An incident that began longer ago is looked at from here on, so that no question reads days.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// The most bytes of all of it, as it is stored.
const MAX_BYTES: usize = 8000;

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The rule whose alert called people.
    pub rule: String,
    /// Group of the incident.
    pub group: GroupKey,
    /// When the incident began.
    pub onset: Timestamp,
    /// The Lambda functions that its alerts name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
}

impl Question {
    /// When the incident began, or [`LONGEST`] ago.
    fn looked_at_from(&self, now: Timestamp) -> Timestamp {
        self.onset.clamp(now.saturating_sub(LONGEST).unwrap_or(Timestamp::MIN), now)
    }
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Investigation {
    /// All of it in a sentence, without a full stop.
    pub headline: String,
    /// Whether there is anything that people should be told of.
    #[serde(default)]
    pub is_news: bool,
    /// In detail: causes, likeliest first; then the rest, by kind.
    #[serde(default)]
    pub findings: Vec<Found>,
    /// When it began: when the alert says, or a metric before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// What was deployed and changed around that time, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Who was asked for changes, and answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told_by: Vec<ChangeSource>,
    /// What lines of the logs that speak of failures have in common, the commonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
}

/// One thing that was found, or could not be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What kind of thing.
    pub kind: Kind,
    /// What, for a person; without a full stop.
    pub text: String,
    /// When it began; `None` where it has no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How sure a cause is, 0 to 1; `None` for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<f64>,
}

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Where the incident may come from, with what speaks for it.
    Cause,
    /// A metric that left its normal range.
    Moved,
    /// What could not be looked at, and why.
    Unavailable,
}

impl Kind {
    /// What a person reads before the text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Moved => "moved",
            Self::Unavailable => "not known",
        }
    }
}

impl Investigation {
    /// As much of it as a journal entry takes. It came from outside.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.headline = bounded(&self.headline, MAX_TEXT);
        self.findings.truncate(MAX_FINDINGS);
        for found in &mut self.findings {
            found.text = bounded(&found.text, MAX_TEXT);
            found.certainty = found.certainty.filter(|certainty| (0.0..=1.0).contains(certainty));
        }
        self.changes = self.changes.into_iter().take(change::MAX_CHANGES).map(Change::bounded).collect();
        self.told_by.truncate(2);
        self.patterns = evidence::commonest(self.patterns);
        let size = |investigation: &Self| serde_json::to_string(investigation).map_or(0, |text| text.len());
        while size(&self) > MAX_BYTES && self.findings.pop().is_some() {}
        while size(&self) > MAX_BYTES && self.changes.pop().is_some() {}
        self
    }

    /// The latest change shortly before it began.
    pub fn suspect(&self) -> Option<&Change> {
        change::suspect(&self.changes, self.began?)
    }

    /// Each thing that was found, with its time where it has one: causes, changes, metrics, logs, and what is not known.
    pub fn lines(&self) -> Vec<(Option<Timestamp>, String)> {
        let found = |kind: Kind| {
            let found = self.findings.iter().filter(move |found| found.kind == kind);
            found.map(|found| (found.at, found.line()))
        };
        let changes = self
            .changes
            .iter()
            .map(|change| (Some(change.at), format!("changed: {} ({})", change.sentence(), change.source)));
        let patterns = self.patterns.iter().map(|pattern| (None, format!("log: {}", pattern.line())));
        let moved = found(Kind::Moved);
        found(Kind::Cause).chain(changes).chain(moved).chain(patterns).chain(found(Kind::Unavailable)).collect()
    }
}

impl Found {
    /// `cause (62 %): ...`, `moved: ...`.
    pub fn line(&self) -> String {
        let sure = self.certainty.map_or(String::new(), |certainty| format!(" ({:.0} %)", certainty * 100.0));
        format!("{}{sure}: {}", self.kind.label(), self.text)
    }
}

#[cfg(test)]
mod tests;
