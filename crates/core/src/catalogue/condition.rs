//! What can be wrong with a series, and how bad that is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AlertSeverity, Detection, Severity};
use crate::composite::Expression;

/// What is wrong with a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    /// A value beyond a threshold. Tiers are ordered from the mildest to the worst.
    Threshold {
        /// At least one.
        tiers: Vec<Tier>,
    },
    /// No data at all. Each of the last M of N periods without a datapoint breaches.
    Absence {
        /// What it means.
        level: Level,
    },
    /// A value unlike what the series usually does, as a detector learns it. The evaluation's M of N does not count.
    Anomaly {
        /// What it means.
        level: Level,
        /// What a user chooses.
        detection: Detection,
    },
    /// A value that will be beyond a threshold before long, if it goes on as it does.
    Trend {
        /// The threshold, in the metric's unit.
        tier: Tier,
        /// How far it looks back and ahead.
        trend: Trend,
    },
    /// A value far from that of the same hour in the weeks before.
    SameHour {
        /// The threshold is a share of the usual value: 0.5 for half of it.
        tier: Tier,
        /// What is usual.
        usual: SameHour,
    },
    /// Other rules fire together, or one without another. The evaluation's M of N does not count; the rule's metric is that of the
    /// first rule that is named.
    Composite {
        /// What it means.
        level: Level,
        /// Which of them fire.
        when: Expression,
    },
}

impl Condition {
    /// The levels, mildest first.
    pub fn levels(&self) -> impl Iterator<Item = &Level> {
        let (tiers, only) = match self {
            Self::Threshold { tiers } => (tiers.as_slice(), None),
            Self::Trend { tier, .. } | Self::SameHour { tier, .. } => (std::slice::from_ref(tier), None),
            Self::Absence { level } | Self::Anomaly { level, .. } | Self::Composite { level, .. } => {
                (&[][..], Some(level))
            }
        };
        tiers.iter().map(|tier| &tier.level).chain(only)
    }

    /// The thresholds in the metric's unit, mildest first: what a chart of the metric draws.
    pub fn thresholds(&self) -> &[Tier] {
        match self {
            Self::Threshold { tiers } => tiers,
            Self::Trend { tier, .. } => std::slice::from_ref(tier),
            Self::Absence { .. } | Self::Anomaly { .. } | Self::SameHour { .. } | Self::Composite { .. } => &[],
        }
    }

    /// The expression of a composite rule.
    pub fn composite(&self) -> Option<&Expression> {
        if let Self::Composite { when, .. } = self { Some(when) } else { None }
    }
}

/// How a trend is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trend {
    /// The threshold is reached within so many seconds.
    pub within_seconds: u32,
    /// The line is fitted to the datapoints of so many seconds.
    pub over_seconds: u32,
}

/// What is usual at the same hour of the week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SameHour {
    /// How many weeks before. At least 1.
    pub weeks: u32,
    /// Where the usual value is below this, nothing is judged. In the metric's unit, at least 0.
    pub minimum: f64,
    /// By whose clock hours are the same, an IANA name: the hour stays when clocks change.
    pub time_zone: String,
}

/// How bad it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// `warning` or `critical`, as in the seed.
    pub name: String,
    /// Severity of the alert.
    pub alert: AlertSeverity,
    /// Severity of the incident that it opens.
    pub incident: Severity,
}

/// One threshold of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// What it means.
    pub level: Level,
    /// On which side of the threshold a value breaches.
    pub comparison: Comparison,
    /// In the metric's unit.
    pub threshold: f64,
    /// Hysteresis: once firing, a value breaches until it is on the good side of this. Equal to `threshold` for none.
    pub clear: f64,
}

/// The comparison operators of a `CloudWatch` alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// Whether the value lies on the bad side of the threshold.
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }

    /// Whether a greater value is a worse one.
    pub fn is_upper(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Above => "above",
            Self::AtLeast => "at least",
            Self::Below => "below",
            Self::AtMost => "at most",
        })
    }
}
