//! What people look at: dashboards and saved Logs Insights queries.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Duration;

/// A CloudWatch dashboard.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["description", "rows"]))]
pub(crate) struct Dashboard {
    /// One sentence that stands above it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    pub(crate) description: String,
    /// Whether it begins with the open incidents, all that breaches, and the state of every alarm. Default false.
    #[serde(default)]
    pub(crate) overview: bool,
    /// How far back it looks when it is opened. Default `12h`.
    pub(crate) window: Option<Duration>,
    /// From top to bottom.
    #[schemars(length(min = 1, max = 50))]
    pub(crate) rows: Vec<DashboardRow>,
}

/// Charts side by side. The runbooks of the rules that watch their metrics are linked above them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DashboardRow {
    /// What the charts have in common; stands above them.
    #[schemars(length(min = 1, max = 100))]
    pub(crate) title: String,
    /// One to four, from left to right.
    #[schemars(length(min = 1, max = 4))]
    pub(crate) charts: Vec<Chart>,
}

/// Metrics over time, with the thresholds of the rules that watch them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chart {
    /// One line for each set of dimensions. All of one unit, from CloudWatch or formulas over what is.
    #[schemars(length(min = 1, max = 10), extend("uniqueItems" = true))]
    pub(crate) metrics: Vec<String>,
    /// Default: the description of the only metric, or else the metrics' names.
    #[schemars(length(min = 1, max = 100))]
    pub(crate) title: Option<String>,
}

/// A Logs Insights query that is saved in the account, for people.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedQuery {
    /// What the console lists it as, in a folder with the service's name.
    #[schemars(extend("pattern" = "^[^/*\"'`<>|]{1,100}$", "patternErrorMessage" = "1 to 100 characters without slashes and quotes"))]
    pub(crate) title: String,
    /// Log groups that it searches.
    #[schemars(length(min = 1, max = 50), extend("uniqueItems" = true))]
    pub(crate) log_groups: Vec<String>,
    /// The query, in Logs Insights' own language.
    #[schemars(length(min = 1, max = 10000))]
    pub(crate) query: String,
}
