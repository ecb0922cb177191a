//! Investigation: what the catalogued series say of an incident when it begins, as its journal keeps it.
//!
//! It is asked for once, when people are first called, and comes back when it is there: nobody waits for it. The groups of the rules are
//! the nodes of the [diagnosis](crate::diagnosis), and what the catalogue says of their dependencies is its call graph.

mod series;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{GroupKey, bounded};

pub use series::{investigate, needs};

/// The most findings of an investigation, and the most bytes of the text of one.
const MAX_FINDINGS: usize = 14;
const MAX_TEXT: usize = 360;

/// The most bytes of all of it, as it is stored.
const MAX_BYTES: usize = 3900;

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The rule whose alert called people.
    pub rule: String,
    /// Group of the incident.
    pub group: GroupKey,
    /// When the incident began.
    pub onset: Timestamp,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Investigation {
    /// All of it in a sentence, without a full stop.
    pub headline: String,
    /// Whether there is anything that people should be told of.
    #[serde(default)]
    pub is_news: bool,
    /// In detail: causes, likeliest first; then the rest, by kind.
    #[serde(default)]
    pub findings: Vec<Found>,
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
        let size = |investigation: &Self| serde_json::to_string(investigation).map_or(0, |text| text.len());
        while size(&self) > MAX_BYTES && self.findings.pop().is_some() {}
        self
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
