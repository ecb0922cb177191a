//! What an incident costs, as the user counts it.

use serde::{Deserialize, Serialize};

/// The measures by which a post-mortem tells what an incident cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// IANA name: the same hours of an earlier week are the same by this clock. Empty for UTC.
    pub time_zone: String,
    /// In the order of the document.
    pub measures: Vec<Measure>,
}

impl Impact {
    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.measures.is_empty()
    }
}

/// One figure of what an incident cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// A metric whose values add up.
    pub metric: String,
    /// What the document calls it: `Revenue lost`.
    pub title: String,
    /// How it is counted.
    pub count: Count,
}

/// How a cost is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// All that there was while the incident lasted: failed requests.
    Sum,
    /// What there was less than in the same hours of earlier weeks: revenue.
    Shortfall,
}
