//! What was played, in figures.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::alerts::lasted;
use super::incidents::flapping;
use super::{Firing, Played, Span};
use crate::alert::GroupKey;
use crate::catalogue::Catalogue;

const SECONDS_A_WEEK: f64 = 7.0 * 86_400.0;

/// The hours in which people sleep.
#[derive(Clone, Debug)]
pub struct Night {
    /// From this hour, 0 to 23.
    pub from_hour: i8,
    /// To this hour, 0 to 23; it is before `from_hour`.
    pub to_hour: i8,
    /// Where they sleep.
    pub time_zone: TimeZone,
}

impl Night {
    fn covers(&self, at: Timestamp) -> bool {
        let hour = at.to_zoned(self.time_zone.clone()).hour();
        hour >= self.from_hour || hour < self.to_hour
    }
}

/// A time in which something was wrong, as people know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The rule, the metric, the group or the alert that should tell it; any, where it is `None`.
    pub what: Option<String>,
}

/// How the alerts agree with labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Labels during which an alert fired.
    pub found: usize,
    /// Labels.
    pub labels: usize,
    /// Firings during a label.
    pub right: usize,
    /// Firings.
    pub alerts: usize,
    /// `right` of `alerts`; `None` without alerts.
    pub precision: Option<f64>,
    /// `found` of `labels`; `None` without labels.
    pub recall: Option<f64>,
    /// Seconds from the beginning of a label to its first alert: the average over those found.
    pub mean_delay_seconds: Option<f64>,
}

/// What was played, in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Weeks that were played.
    pub weeks: f64,
    /// Evaluations of a rule on a series.
    pub evaluations: u64,
    /// Times in which an alert fired.
    pub alerts: usize,
    /// Of those, how many still fired at the end.
    pub still_firing: usize,
    /// Incidents.
    pub incidents: usize,
    /// Calls.
    pub pages: usize,
    /// Calls a week.
    pub pages_a_week: f64,
    /// Calls by telephone.
    pub by_phone: usize,
    /// Calls by telephone, at night.
    pub by_phone_at_night: usize,
    /// Seconds of the shortest firing that ended.
    pub shortest_seconds: Option<i64>,
    /// Seconds of the longest firing; one that did not end counts to the end of the span.
    pub longest_seconds: Option<i64>,
    /// Groups with so many incidents in so short a time that the catalogue calls them flapping.
    pub flapping: BTreeSet<GroupKey>,
    /// How the alerts agree with labels.
    pub score: Option<Score>,
}

/// Counts what was played.
pub fn summary(catalogue: &Catalogue, played: &Played, span: Span, night: &Night, labels: Option<&[Label]>) -> Summary {
    let Played { alerts, incidents, pages, evaluations, .. } = played;
    let weeks = lasted(span.from, span.to).as_secs_f64() / SECONDS_A_WEEK;
    let ended = alerts.iter().filter_map(|firing| Some(lasted(firing.from, firing.until?)));
    let all = alerts.iter().map(|firing| lasted(firing.from, firing.until.unwrap_or(span.to)));
    let phone = || pages.iter().filter(|page| page.phone);
    Summary {
        weeks,
        evaluations: *evaluations,
        alerts: alerts.len(),
        still_firing: alerts.iter().filter(|firing| firing.until.is_none()).count(),
        incidents: incidents.len(),
        pages: pages.len(),
        pages_a_week: if weeks > 0.0 { count(pages.len()) / weeks } else { 0.0 },
        by_phone: phone().count(),
        by_phone_at_night: phone().filter(|page| night.covers(page.at)).count(),
        shortest_seconds: ended.min().map(|lasted| lasted.as_secs()),
        longest_seconds: all.max().map(|lasted| lasted.as_secs()),
        flapping: flapping(catalogue, incidents),
        score: labels.map(|labels| score(alerts, labels, span)),
    }
}

fn score(alerts: &[Firing], labels: &[Label], span: Span) -> Score {
    let hits = |firing: &&Firing, label: &Label| {
        let named = label.what.as_deref().is_none_or(|what| {
            [firing.rule.as_str(), firing.metric.as_str(), firing.group.as_str(), firing.alert.as_str()].contains(&what)
        });
        named && firing.from <= label.until && firing.until.unwrap_or(span.to) >= label.from
    };
    let mut delays: Vec<SignedDuration> = Vec::new();
    for label in labels {
        let first = alerts.iter().filter(|firing| hits(firing, label)).map(|firing| firing.from).min();
        delays.extend(first.map(|at| lasted(label.from, at).max(SignedDuration::ZERO)));
    }
    let right = alerts.iter().filter(|firing| labels.iter().any(|label| hits(firing, label))).count();
    let found = delays.len();
    let share = |part: usize, whole: usize| (whole > 0).then(|| count(part) / count(whole));
    let delay: f64 = delays.iter().map(SignedDuration::as_secs_f64).sum();
    Score {
        found,
        labels: labels.len(),
        right,
        alerts: alerts.len(),
        precision: share(right, alerts.len()),
        recall: share(found, labels.len()),
        mean_delay_seconds: (found > 0).then(|| delay / count(found)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing is counted to 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
