//! Service level objectives.

use serde::{Deserialize, Serialize};

/// A share of events that is to be good over a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// `api-availability`.
    pub name: String,
    /// One sentence: what it promises.
    pub description: String,
    /// The share of events that is to be good, in percent: above 0, below 100.
    pub objective: f64,
    /// Over this time, in seconds.
    pub period_seconds: u32,
    /// The metric that counts all events.
    pub total: String,
    /// The metric that counts those that were good, or those that were not.
    pub counted: String,
    /// Which of them it counts.
    pub counts: Counts,
}

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counts {
    /// Events that kept the objective.
    Good,
    /// Events that broke it.
    Bad,
}

impl Slo {
    /// The error budget: the share of events that may be bad, 0 to 1.
    pub fn budget(&self) -> f64 {
        // 100 - 99.9 has an error in its fifteenth digit, which nobody wants to read.
        ((100.0 - self.objective) * 1e8).round() / 1e10
    }
}
