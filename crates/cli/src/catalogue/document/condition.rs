//! What can be wrong with a metric.

use monitoring_core::catalogue::{AlertSeverity, Direction, Sensitivity, Severity};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Duration, alert_severity, direction, incident_severity, sensitivity};

/// A threshold: exactly one of `above`, `at_least`, `below` and `at_most`, in the metric's unit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// A value greater than this breaches.
    pub(crate) above: Option<f64>,
    /// This value or a greater one breaches.
    pub(crate) at_least: Option<f64>,
    /// A value less than this breaches.
    pub(crate) below: Option<f64>,
    /// This value or a lesser one breaches.
    pub(crate) at_most: Option<f64>,
    /// Severity of the alert. Default: `medium` for `warning`, `critical` for `critical`.
    #[schemars(schema_with = "alert_severity")]
    #[serde(default)]
    pub(crate) severity: Option<AlertSeverity>,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
    /// Once firing, a value breaches until it is on the good side of this.
    pub(crate) clear: Option<f64>,
}

/// How bad it is that there is no data.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Absent {
    /// Severity of the alert.
    #[schemars(schema_with = "alert_severity")]
    pub(crate) severity: AlertSeverity,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
}

/// How bad it is that a value is unusual, and what counts as unusual.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anomaly {
    /// Severity of the alert.
    #[schemars(schema_with = "alert_severity")]
    pub(crate) severity: AlertSeverity,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
    /// How rare an alert should be. `low` misses an anomaly rather than raise a false alarm. Default `low`.
    #[schemars(schema_with = "sensitivity")]
    #[serde(default)]
    pub(crate) sensitivity: Sensitivity,
    /// Which side of the usual matters. Default `both`.
    #[schemars(schema_with = "direction")]
    #[serde(default)]
    pub(crate) direction: Direction,
    /// A value nearer to the usual than this never raises an alert; in the metric's unit. Default 0.
    #[schemars(range(min = 0))]
    #[serde(default)]
    pub(crate) minimum_change: f64,
}

/// Where a value is going: a line through the last datapoints, which wild ones do not bend. Exactly one of `above` and `below`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trend {
    /// A value greater than this breaches, in the metric's unit.
    pub(crate) above: Option<f64>,
    /// A value less than this breaches, in the metric's unit.
    pub(crate) below: Option<f64>,
    /// How far it looks ahead.
    pub(crate) within: Duration,
    /// How far it looks back: 8 to 1440 periods of the metric.
    pub(crate) over: Duration,
    /// Severity of the alert.
    #[schemars(schema_with = "alert_severity")]
    pub(crate) severity: AlertSeverity,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
    /// Once firing, the line breaches until it stays on the good side of this.
    pub(crate) clear: Option<f64>,
}

/// A value beside the median of the same hour in the weeks before. Exactly one of `above` and `below`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SameHour {
    /// More than this share of the usual value breaches: `3` for three times as much.
    pub(crate) above: Option<f64>,
    /// Less than this share of the usual value breaches: `0.5` for half.
    pub(crate) below: Option<f64>,
    /// How many weeks before. Default 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 52))]
    pub(crate) weeks: u32,
    /// Where the usual value is less than this, nothing is judged; in the metric's unit. Default 0.
    #[schemars(range(min = 0))]
    #[serde(default)]
    pub(crate) minimum: f64,
    /// Severity of the alert.
    #[schemars(schema_with = "alert_severity")]
    pub(crate) severity: AlertSeverity,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
    /// Once firing, a share breaches until it is on the good side of this.
    pub(crate) clear: Option<f64>,
}

fn four() -> u32 {
    4
}

/// Other rules that fire together, or one without another.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Composite {
    /// Names of rules with `and`, `or`, `not` and parentheses: `error-rate and not deployment`. A name holds while its rule fires.
    #[schemars(length(min = 1))]
    pub(crate) when: String,
    /// Severity of the alert.
    #[schemars(schema_with = "alert_severity")]
    pub(crate) severity: AlertSeverity,
    /// Severity of the incident. Default: SEV1 for `critical`, SEV2 for `high`, SEV3 for `medium`, SEV4 for `low`.
    #[schemars(schema_with = "incident_severity")]
    #[serde(default)]
    pub(crate) incident: Option<Severity>,
}
