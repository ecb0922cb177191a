//! When a metric began to be bad, which is before an alert of it fires.
//!
//! From the alert back: as long as each period is beyond the mildest threshold of the rule, or outside of what was usual in
//! the hours before, on the bad side. A single period that is not bad does not end the search, since M of N datapoints make
//! an alert.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::reading::Want;
use crate::catalogue::{Comparison, Condition, Direction};

/// Within how many periods before its alert the last bad one is looked for; the longest `datapoints` that make sense.
const REACH: usize = 20;

/// The least datapoints that say what is usual.
const LEAST_USUAL: usize = 30;

/// Above this length of a period, in seconds, a day's rhythm is within the hours before, and nothing is usual of them.
const LONGEST_USUAL: u32 = 300;

/// How many times the spread is still usual; and what is usual at least, as a share of the median.
const TIMES_SPREAD: f64 = 4.0;
const LEAST_REACH: f64 = 0.1;

/// Of a normal distribution, the standard deviation is so many times the median absolute deviation.
const MAD_TO_DEVIATION: f64 = 1.4826;

/// When a metric began to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Onset {
    /// Start of the first period that was bad.
    pub at: Timestamp,
    /// What it read then; `None` where that it read nothing is what was bad.
    pub value: Option<f64>,
    /// What was usual in the hours before, from its least to its greatest; `None` where only the threshold tells.
    pub usual: Option<(f64, f64)>,
}

/// What is bad of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bad {
    /// To be outside of what is usual, on this side, or beyond a threshold where there is one.
    Value { side: Direction, limit: Option<(Comparison, f64)> },
    /// To have no data.
    Missing,
}

impl Bad {
    /// By the mildest level of a rule.
    pub(super) fn of(condition: &Condition) -> Self {
        match condition {
            Condition::Threshold { tiers } => {
                let limit = tiers.first().map(|tier| (tier.comparison, tier.threshold));
                let is_upper = limit.is_none_or(|(comparison, _)| comparison.is_upper());
                Self::Value { side: if is_upper { Direction::Above } else { Direction::Below }, limit }
            }
            // Neither the threshold of a trend nor a share is a value that the metric had.
            Condition::Trend { tier, .. } | Condition::SameHour { tier, .. } => {
                let side = if tier.comparison.is_upper() { Direction::Above } else { Direction::Below };
                Self::Value { side, limit: None }
            }
            Condition::Composite { .. } => Self::Value { side: Direction::Both, limit: None },
            Condition::Anomaly { detection, .. } => Self::Value { side: detection.direction, limit: None },
            Condition::Absence { .. } => Self::Missing,
        }
    }

    fn fits(self, value: Option<f64>, usual: Option<(f64, f64)>) -> bool {
        match (self, value) {
            (Self::Missing, None) => true,
            (Self::Missing, Some(_)) | (Self::Value { .. }, None) => false,
            (Self::Value { side, limit }, Some(value)) => {
                let unusual = usual.is_some_and(|(least, most)| match side {
                    Direction::Above => value > most,
                    Direction::Below => value < least,
                    Direction::Both => value < least || value > most,
                });
                unusual || limit.is_some_and(|(comparison, threshold)| comparison.breaches(value, threshold))
            }
        }
    }

    /// The worst of some datapoints, to stand for all of them; where both sides are bad, the one that is farthest from their
    /// mean.
    pub(super) fn worst(self, values: &[Option<f64>]) -> Option<f64> {
        let known = values.iter().flatten().copied();
        match self {
            Self::Missing if values.iter().any(Option::is_none) => None,
            Self::Value { side: Direction::Above, .. } => known.reduce(f64::max),
            Self::Value { side: Direction::Both, .. } => {
                let count = u32::try_from(known.clone().count()).unwrap_or(u32::MAX);
                let mean = known.clone().sum::<f64>() / f64::from(count.max(1));
                known.max_by(|a, b| (a - mean).abs().total_cmp(&(b - mean).abs()))
            }
            Self::Missing | Self::Value { side: Direction::Below, .. } => known.reduce(f64::min),
        }
    }
}

/// When the metric began to be bad that has an alert since a time; `None` where it was not bad right before.
pub(super) fn onset(values: &[Option<f64>], want: &Want, bad: Bad, since: Timestamp) -> Option<Onset> {
    let period = i64::from(want.period_seconds.max(1));
    // The last period that began before the alert.
    let seconds = since.as_second() - want.start.as_second();
    let last = usize::try_from((seconds - 1).max(0) / period).ok()?.min(values.len().checked_sub(1)?);
    let usual = usual(values.get(..last.saturating_sub(REACH)).unwrap_or_default(), want.period_seconds);
    let is_bad = |index: usize| bad.fits(values.get(index).copied().flatten(), usual);
    let mut first = (last.saturating_sub(REACH)..=last).rev().find(|index| is_bad(*index))?;
    loop {
        let before = [1, 2].into_iter().filter_map(|back| first.checked_sub(back)).find(|index| is_bad(*index));
        match before {
            Some(before) => first = before,
            None => break,
        }
    }
    let offset = period * i64::try_from(first).ok()?;
    Some(Onset {
        at: want.start + SignedDuration::from_secs(offset),
        value: values.get(first).copied().flatten(),
        usual: usual.filter(|_| bad != Bad::Missing),
    })
}

/// Four times the spread around the median.
fn usual(values: &[Option<f64>], period_seconds: u32) -> Option<(f64, f64)> {
    let values: Vec<f64> = values.iter().flatten().copied().collect();
    if period_seconds > LONGEST_USUAL || values.len() < LEAST_USUAL {
        return None;
    }
    let middle = median(values.clone())?;
    let spread = median(values.iter().map(|value| (value - middle).abs()).collect())?;
    let reach = (TIMES_SPREAD * MAD_TO_DEVIATION * spread).max(LEAST_REACH * middle.abs());
    // What was never below zero has no less than that.
    let floor = if values.iter().all(|value| *value >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    Some(((middle - reach).max(floor), middle + reach))
}

/// The middle one; of an even number the mean of both.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(*values.get(middle - 1)?, upper)) }
}
