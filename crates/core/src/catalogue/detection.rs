//! What a user chooses of anomaly detection.

use serde::{Deserialize, Serialize};

/// What a user chooses. It may change at any time; what was learnt stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detection {
    /// How rare an alert should be.
    pub sensitivity: Sensitivity,
    /// Which side of the usual matters.
    pub direction: Direction,
    /// A value nearer to the usual than this never raises an alert. In the metric's unit, at least 0.
    pub minimum_change: f64,
}

/// How rare an alert should be, rarest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Only what stands out from everything so far.
    Lowest,
    /// A missed anomaly is better than a false alarm.
    #[default]
    Low,
    /// Half-way.
    Medium,
    /// A false alarm is better than a missed anomaly.
    High,
}

/// Which side of the usual matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// Values above the usual.
    Above,
    /// Values below the usual.
    Below,
}
