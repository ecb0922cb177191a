//! What a rule says of a series, whatever its condition looks at.
//!
//! A trend and a comparison with earlier weeks make one number of each period and what was before it; these numbers are then judged
//! like datapoints, so that M of N, hysteresis and missing data mean the same for every rule.

use jiff::{SignedDuration, Timestamp};

use super::same_hour::{self, Calendar, Share};
use super::trend::{self, Projection};
use super::{Outcome, Verdict, evaluate, evaluate_threshold, evaluation_range, limit, newest, real};
use crate::catalogue::{Condition, Metric, Rule, Tier};

/// What a condition makes of the datapoint of a period and those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Trend(Projection),
    SameHour(Share),
}

impl Reading {
    /// The number that is compared with the threshold.
    fn value(self) -> f64 {
        match self.0 {
            Kind::Trend(projection) => projection.worst,
            Kind::SameHour(share) => share.of_usual,
        }
    }
}

/// How many datapoints before its evaluation range a condition rests on.
pub fn history(condition: &Condition, period_seconds: u32) -> usize {
    match condition {
        Condition::Trend { trend, .. } => trend::window(*trend, period_seconds).saturating_sub(1),
        Condition::SameHour { usual, .. } => same_hour::history(usual, period_seconds),
        Condition::Threshold { .. }
        | Condition::Absence { .. }
        | Condition::Anomaly { .. }
        | Condition::Composite { .. } => 0,
    }
}

/// The readings of the newest `count` datapoints, oldest first; nothing for a condition that judges datapoints themselves. The newest
/// period starts at `at`.
pub fn readings(
    condition: &Condition,
    metric: &Metric,
    at: Timestamp,
    datapoints: &[Option<f64>],
    count: usize,
) -> Vec<Option<Reading>> {
    let first = datapoints.len().saturating_sub(count);
    let indices = first..datapoints.len();
    match condition {
        Condition::Trend { tier, trend } => {
            let window = trend::window(*trend, metric.period_seconds);
            let project = |index: usize| {
                let range = datapoints.get((index + 1).checked_sub(window)?..=index)?;
                let projection = trend::project(*trend, tier.comparison, metric.period_seconds, range)?;
                Some(Reading(Kind::Trend(projection)))
            };
            indices.map(project).collect()
        }
        Condition::SameHour { usual, .. } => {
            let calendar = Calendar::new(usual, metric.period_seconds);
            let share = |index: usize| {
                let back = i64::try_from(datapoints.len() - 1 - index).ok()?;
                let back = SignedDuration::from_secs(back.checked_mul(i64::from(metric.period_seconds))?);
                let share = same_hour::share(usual, &calendar, datapoints, index, at.checked_sub(back).ok()?)?;
                Some(Reading(Kind::SameHour(share)))
            };
            indices.map(share).collect()
        }
        Condition::Threshold { .. }
        | Condition::Absence { .. }
        | Condition::Anomaly { .. }
        | Condition::Composite { .. } => Vec::new(),
    }
}

/// What a rule says of a series at the period that starts at `at`, the newest of these datapoints, and why it fires where the verdict
/// does not say it. `firing` as in [`evaluate`]. Anomaly and composite rules are judged elsewhere.
pub fn judge(
    rule: &Rule,
    metric: &Metric,
    at: Timestamp,
    datapoints: &[Option<f64>],
    firing: Option<usize>,
) -> (Verdict, Option<String>) {
    let readings = readings(&rule.condition, metric, at, datapoints, evaluation_range(&rule.evaluation));
    judge_readings(rule, metric, at, (datapoints, &readings), firing)
}

/// As [`judge`], with the [`readings`] of at least the evaluation range.
pub fn judge_readings(
    rule: &Rule,
    metric: &Metric,
    at: Timestamp,
    (datapoints, readings): (&[Option<f64>], &[Option<Reading>]),
    firing: Option<usize>,
) -> (Verdict, Option<String>) {
    let (Condition::Trend { tier, .. } | Condition::SameHour { tier, .. }) = &rule.condition else {
        return (evaluate(&rule.condition, &rule.evaluation, datapoints, firing), None);
    };
    let values: Vec<Option<f64>> = readings.iter().map(|reading| reading.map(Reading::value)).collect();
    let mut verdict = evaluate_threshold(std::slice::from_ref(tier), &rule.evaluation, &values, firing);
    verdict.value = newest(datapoints, evaluation_range(&rule.evaluation)).iter().rev().copied().find_map(real);
    let fires = matches!(verdict.outcome, Outcome::Alarm { .. });
    let because = fires.then(|| because(rule, metric, tier, at, readings, firing)).flatten();
    (verdict, because)
}

/// The reason of the newest period that breaches.
fn because(
    rule: &Rule,
    metric: &Metric,
    tier: &Tier,
    at: Timestamp,
    readings: &[Option<Reading>],
    firing: Option<usize>,
) -> Option<String> {
    let limit = limit(tier, 0, firing);
    let (reading, periods) = readings.iter().rev().zip(0_i64..).find_map(|(reading, back)| {
        let reading = reading.filter(|reading| limit.breaches(reading.value()))?;
        // A projection is made at the end of its period.
        Some((reading, 1 - back))
    })?;
    Some(match (reading.0, &rule.condition) {
        (Kind::Trend(projection), Condition::Trend { trend, .. }) => {
            let after = SignedDuration::from_secs(i64::from(metric.period_seconds).saturating_mul(periods));
            let end = at.saturating_add(after).unwrap_or(at);
            projection.reason(tier, *trend, metric.period_seconds, metric.unit, end)
        }
        (Kind::SameHour(share), _) => share.reason(tier, metric.unit),
        (Kind::Trend(_), _) => return None,
    })
}
