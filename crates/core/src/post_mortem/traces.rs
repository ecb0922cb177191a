//! The metrics of an incident's alerts around it: what they read, and when each began to be bad.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::onset::{Bad, Onset, onset};
use super::reading::{Readings, Want, ceiling, floor, period_kept, settled};
use crate::alert::bounded;
use crate::catalogue::{Catalogue, Metric, Rule, Tier};
use crate::incident::{Incident, Member};
use crate::metric::{Dimensions, Sample, Unit, format_dimensions};

/// The most metrics of a document; those of the alerts that fired first.
pub const MAX_TRACES: usize = 4;

/// The most datapoints that are read for a metric: two days and a bit, by the minute.
const MAX_READ: i64 = 3_000;

/// The most datapoints of a metric that a document keeps.
const MAX_KEPT: usize = 300;

/// The most bytes of why something could not be read.
const MAX_REASON: usize = 200;

/// A metric around an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Its name in the catalogue.
    pub metric: String,
    /// Which series.
    pub dimensions: Dimensions,
    /// Unit of every value.
    pub unit: Unit,
    /// Length of a period, in seconds.
    pub period_seconds: u32,
    /// Start of the first period.
    pub from: Timestamp,
    /// End of the last one.
    pub until: Timestamp,
    /// The thresholds that its rule judges it by, the mildest first.
    pub thresholds: Vec<Limit>,
    /// What was measured.
    pub outcome: Measured,
}

/// A threshold of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// `critical above 10 %`.
    pub label: String,
    /// In the metric's unit.
    pub value: f64,
}

/// What was measured of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Measured {
    /// There is data.
    Known {
        /// One for each period, `None` where there is none; of several that are drawn as one, the worst.
        values: Vec<Option<f64>>,
        /// When it began to be bad; `None` where it was not before its alert fired.
        onset: Option<Onset>,
    },
    /// The data could not be had.
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl Trace {
    /// `LambdaDuration{FunctionName=api}`.
    pub fn label(&self) -> String {
        format!("{}{}", self.metric, format_dimensions(&self.dimensions))
    }

    /// When it began to be bad.
    pub fn onset(&self) -> Option<&Onset> {
        match &self.outcome {
            Measured::Known { onset, .. } => onset.as_ref(),
            Measured::Unavailable { .. } => None,
        }
    }

    /// What was measured, for a chart.
    pub fn samples(&self) -> Vec<Sample> {
        let Measured::Known { values, .. } = &self.outcome else { return Vec::new() };
        let at = |index: usize| {
            let seconds = i64::try_from(index).unwrap_or_default() * i64::from(self.period_seconds);
            self.from + SignedDuration::from_secs(seconds)
        };
        let known =
            values.iter().enumerate().filter_map(|(index, value)| Some(Sample { at: at(index), value: (*value)? }));
        known.collect()
    }

    /// Whether it has what is wanted. Later its periods would be longer, since short ones are not kept.
    fn is_of(&self, want: &Want) -> bool {
        (self.metric == want.metric && self.dimensions == want.dimensions)
            && matches!(self.outcome, Measured::Known { .. })
    }
}

/// When the incident began to show in what was measured, and in which metric.
pub(super) fn first_onset(traces: &[Trace]) -> Option<(&Trace, &Onset)> {
    traces.iter().filter_map(|trace| Some((trace, trace.onset()?))).min_by_key(|(_, onset)| onset.at)
}

/// An alert whose rule and metric the catalogue knows.
struct Watched<'a> {
    rule: &'a Rule,
    metric: &'a Metric,
    member: &'a Member,
}

/// One alert for each metric and set of dimensions, the first that fired, in the order in which they fired.
fn watched<'a>(catalogue: &'a Catalogue, incident: &'a Incident) -> Vec<Watched<'a>> {
    let mut first: BTreeMap<(&str, &Dimensions), Watched<'a>> = BTreeMap::new();
    for (key, member) in &incident.alerts {
        // A composite rule has no metric of its own; the rules that it names have theirs.
        let rule = catalogue.rules.get(key.rule()).filter(|rule| rule.condition.composite().is_none());
        let Some(rule) = rule else { continue };
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        let place = (metric.name.as_str(), &member.dimensions);
        if first.get(&place).is_none_or(|known| member.since < known.member.since) {
            first.insert(place, Watched { rule, metric, member });
        }
    }
    let mut watched: Vec<Watched<'a>> = first.into_values().collect();
    watched.sort_by_key(|watched| watched.member.since);
    watched.truncate(MAX_TRACES);
    watched
}

/// How many periods before the alert are looked at: two hours by the minute, two days by the hour, two weeks by the day.
fn periods_before(period_seconds: u32) -> i64 {
    match period_seconds {
        0..=300 => 120,
        301..=3600 => 48,
        _ => 14,
    }
}

fn want(catalogue: &Catalogue, watched: &Watched<'_>, ended_at: Timestamp, now: Timestamp) -> Want {
    let since = watched.member.since;
    let period_seconds = period_kept(watched.metric.period_seconds, since - SignedDuration::from_hours(24), now);
    let length = |periods: i64| SignedDuration::from_secs(periods * i64::from(period_seconds));
    let start = floor(since, period_seconds) - length(periods_before(period_seconds));
    // Nothing here depends on when the document is written.
    let end = settled(catalogue, period_seconds, ended_at).max(ceiling(since, period_seconds));
    Want {
        metric: watched.metric.name.clone(),
        dimensions: watched.member.dimensions.clone(),
        period_seconds,
        start,
        end: end.min(start + length(MAX_READ)),
    }
}

/// What has to be read of the metrics of an incident that has ended. What is `known` of the same end is
/// not read again.
pub fn wants(catalogue: &Catalogue, incident: &Incident, known: &[Trace], now: Timestamp) -> Vec<Want> {
    let Some(end) = &incident.resolution else { return Vec::new() };
    let wants = watched(catalogue, incident).into_iter().map(|watched| want(catalogue, &watched, end.at, now));
    wants.filter(|want| !known.iter().any(|trace| trace.is_of(want))).collect()
}

/// The metrics of an incident that has ended, of what was read for [`wants`] with the same arguments.
pub fn traces(
    catalogue: &Catalogue,
    incident: &Incident,
    known: &[Trace],
    readings: &Readings,
    now: Timestamp,
) -> Vec<Trace> {
    let Some(end) = &incident.resolution else { return Vec::new() };
    let traces = watched(catalogue, incident).into_iter().map(|watched| {
        let want = want(catalogue, &watched, end.at, now);
        let before = known.iter().find(|trace| trace.is_of(&want));
        before.cloned().unwrap_or_else(|| trace(catalogue, &watched, &want, readings))
    });
    traces.collect()
}

fn trace(catalogue: &Catalogue, watched: &Watched<'_>, want: &Want, readings: &Readings) -> Trace {
    let unavailable = |reason: &str| Measured::Unavailable { reason: bounded(reason, MAX_REASON) };
    let bad = Bad::of(&watched.rule.condition);
    let (period_seconds, outcome) = match readings.datapoints(catalogue, want) {
        Err(reason) => (want.period_seconds, unavailable(&reason)),
        Ok(values) if values.iter().all(Option::is_none) && bad != Bad::Missing => {
            (want.period_seconds, unavailable(&format!("there is no data of {} around it", want.metric)))
        }
        Ok(values) => {
            let onset = onset(&values, want, bad, watched.member.since);
            let together = values.len().div_ceil(MAX_KEPT).max(1);
            let period = want.period_seconds.saturating_mul(u32::try_from(together).unwrap_or(1));
            let values = values.chunks(together).map(|values| bad.worst(values)).collect();
            (period, Measured::Known { values, onset })
        }
    };
    Trace {
        metric: want.metric.clone(),
        dimensions: want.dimensions.clone(),
        unit: watched.metric.unit,
        period_seconds,
        from: want.start,
        until: want.end,
        thresholds: limits(watched),
        outcome,
    }
}

fn limits(watched: &Watched<'_>) -> Vec<Limit> {
    let limit = |tier: &Tier| Limit {
        label: format!("{} {} {}", tier.level.name, tier.comparison, watched.metric.unit.format(tier.threshold)),
        value: tier.threshold,
    };
    let expected = |label: &str, value: f64| Limit {
        label: format!("expected {label} {} when it fired", watched.metric.unit.format(value)),
        value,
    };
    let range = watched.member.expected.into_iter();
    let ends = range.flat_map(|range| [expected("up to", range.high), expected("from", range.low)]);
    watched.rule.condition.thresholds().iter().map(limit).chain(ends).collect()
}

#[cfg(test)]
mod tests;
