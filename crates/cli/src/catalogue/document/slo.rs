//! Service level objectives as a user writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Duration;

/// A share of events that is to be good over a time. It counts all of them, and either the good or the bad ones.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["description", "objective", "total"]))]
pub(crate) struct Slo {
    /// One sentence: what it promises.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) description: String,
    /// The share of events that is to be good, in percent: `99.9`.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 100))]
    pub(crate) objective: f64,
    /// The time for which it holds, 7d to 90d. Default `30d`.
    #[serde(default = "thirty_days")]
    pub(crate) period: Duration,
    /// The metric that counts all events.
    pub(crate) total: String,
    /// The metric that counts the good ones.
    pub(crate) good: Option<String>,
    /// The metric that counts the bad ones.
    pub(crate) bad: Option<String>,
    /// What to do about it.
    pub(crate) runbook: Option<String>,
    /// Alerts of one group make one incident. Default: the objective's name.
    #[schemars(extend("pattern" = "^[a-z0-9][a-z0-9-]{0,63}$", "patternErrorMessage" = "lower-case letters, digits and hyphens, at most 64"))]
    pub(crate) group: Option<String>,
}

fn thirty_days() -> Duration {
    Duration { seconds: 30 * 86_400 }
}
