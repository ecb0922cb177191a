//! Rules tried on the past: what alerts, incidents and pages there would have been.
//!
//! The evaluator, the alerts' state machine, the grouping and the escalation are those that run in production. What differs is
//! what the past does not tell: every message is delivered at once, nobody makes silences, the storm cap is not played, and people
//! acknowledge each page after the same time.

mod alerts;
mod incidents;
mod summary;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::alert::{AlertChange, AlertKey, GroupKey};
use crate::catalogue::{AlertSeverity, Catalogue, Rule, Severity, Source};
use crate::cycle::Need;
use crate::incident::Incident;
use crate::metric::{Dimensions, Series};

pub use alerts::{expected, watched};
pub use summary::{Label, Night, Score, Summary, summary};

/// Recorded series, by metric.
#[derive(Clone, Debug, Default)]
pub struct History {
    series: BTreeMap<String, Vec<Series>>,
}

/// The time that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Begins here.
    pub from: Timestamp,
    /// Ends here.
    pub to: Timestamp,
}

/// Everything that would have happened.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Changes of alerts, by time.
    pub changes: Vec<AlertChange>,
    /// Times in which an alert fired, by their beginning.
    pub alerts: Vec<Firing>,
    /// Incidents as they were at their end, or at that of the span, by their beginning.
    pub incidents: Vec<Incident>,
    /// Calls, by time.
    pub pages: Vec<Page>,
    /// How often a rule was evaluated on a series.
    pub evaluations: u64,
}

/// A time in which an alert fired.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Firing {
    /// Which.
    pub alert: AlertKey,
    /// The rule.
    pub rule: String,
    /// The metric that it watches.
    pub metric: String,
    /// Its set of dimensions.
    pub dimensions: Dimensions,
    /// The incident that it belongs to.
    pub group: GroupKey,
    /// The worst that it became.
    pub level: AlertSeverity,
    /// When it fired.
    pub from: Timestamp,
    /// When it was measured OK; `None` when it still fires.
    pub until: Option<Timestamp>,
    /// Why it fired.
    pub reason: String,
}

/// Somebody is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// When.
    pub at: Timestamp,
    /// For which incident.
    pub incident: String,
    /// The group of the incident.
    pub group: GroupKey,
    /// How bad it is.
    pub severity: Severity,
    /// Level of the escalation, from 1.
    pub level: u32,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Whether one of them is a telephone: `PagerDuty` or SMS.
    pub phone: bool,
}

impl History {
    /// Adds a series of a metric; those of one set of dimensions are joined.
    pub fn insert(&mut self, metric: &str, series: Series) {
        let all = self.series.entry(metric.to_owned()).or_default();
        match all.iter_mut().find(|known| known.dimensions == series.dimensions) {
            Some(known) => {
                known.samples.extend(series.samples);
                *known = Series::new(std::mem::take(&mut known.dimensions), std::mem::take(&mut known.samples));
            }
            None => all.push(series),
        }
    }

    /// Adds the series of metrics that this history does not have.
    pub fn add_missing(&mut self, other: Self) {
        for (metric, series) in other.series {
            self.series.entry(metric).or_insert(series);
        }
    }

    /// The series of a metric on a set of dimensions.
    pub fn series(&self, metric: &str, dimensions: &Dimensions) -> Option<&Series> {
        self.series.get(metric)?.iter().find(|series| series.dimensions == *dimensions)
    }

    /// All series of a metric.
    pub fn of_metric(&self, metric: &str) -> &[Series] {
        self.series.get(metric).map_or(&[], Vec::as_slice)
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.values().map(Vec::len).sum()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of the first sample, and that of the last.
    pub fn span(&self) -> Option<Span> {
        let all = || self.series.values().flatten();
        let from = all().filter_map(|series| series.samples.first()).map(|sample| sample.at).min()?;
        let to = all().filter_map(|series| series.samples.last()).map(|sample| sample.at).max()?;
        Some(Span { from, to })
    }

    /// What a source would have answered.
    fn answer(&self, need: &Need<'_>) -> Vec<Series> {
        if matches!(need.metric.source, Source::Cost { by_service: true }) {
            return self.of_metric(&need.metric.name).to_vec();
        }
        self.series(&need.metric.name, &need.dimensions).cloned().into_iter().collect()
    }
}

/// Plays rules over what was recorded.
///
/// A rule is played from the first to the last sample of its metric: before and after them nothing is known. People acknowledge
/// a page after `acknowledged_after`, or never.
pub fn play(
    catalogue: &Catalogue,
    rules: &[&Rule],
    history: &History,
    span: Span,
    acknowledged_after: Option<SignedDuration>,
) -> Played {
    let mut played = Played::default();
    for rule in rules {
        played.evaluations += alerts::play(catalogue, rule, history, span, &mut played.changes);
    }
    played.changes.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    played.alerts = alerts::firings(catalogue, &played.changes);
    incidents::play(catalogue, span, acknowledged_after, &mut played);
    played
}

#[cfg(test)]
mod tests;
