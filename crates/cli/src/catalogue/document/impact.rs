//! What an incident costs.

use schemars::JsonSchema;
use serde::Deserialize;

/// One figure of what an incident cost.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    /// A metric whose values add up: one of `cloudwatch` with the statistic `Sum` or `SampleCount`.
    pub(crate) metric: String,
    /// What the document calls it: `Revenue lost`.
    #[schemars(length(min = 1, max = 60))]
    pub(crate) title: String,
    /// How it is counted.
    pub(crate) count: Count,
}

/// How a cost is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Count {
    /// All that there was while the incident lasted: failed requests.
    Sum,
    /// What there was less than in the same hours of the four weeks before: revenue.
    Shortfall,
}
