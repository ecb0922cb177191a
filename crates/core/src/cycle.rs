//! One cycle of monitoring without its outside: what it has to read, formulas computed, rules evaluated.

mod windows;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::alert::{Alert, AlertKey};
use crate::catalogue::{Catalogue, Rule};
use crate::metric::Dimensions;
use crate::rule::{self, Verdict};

pub use windows::{Need, Windows, evaluated_length, needs, newest_period};

/// A rule on a series, evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The series' set of dimensions.
    pub dimensions: Dimensions,
    /// Which alert it is about.
    pub key: AlertKey,
    /// What it came to.
    pub verdict: Verdict,
}

/// Evaluates rules on what was read. Without a verdict stay: what could not be read, and rules outside of their hours.
///
/// `known` are the alerts as they are stored.
pub fn evaluate<'a>(
    catalogue: &Catalogue,
    rules: &[&'a Rule],
    windows: &Windows,
    known: &BTreeMap<AlertKey, Alert>,
    now: Timestamp,
) -> Vec<Evaluated<'a>> {
    let mut evaluated = Vec::new();
    for &rule in rules {
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        let newest = newest_period(catalogue, metric, now);
        if rule.active_hours.as_ref().is_some_and(|hours| !rule::is_active(hours, newest)) {
            continue;
        }
        for (dimensions, datapoints) in windows.of_rule(rule, evaluated_length(rule)) {
            let key = AlertKey::new(&rule.name, dimensions, None);
            let firing = firing_level(rule, known.get(&key));
            let verdict = rule::evaluate(&rule.condition, &rule.evaluation, &datapoints, firing);
            evaluated.push(Evaluated { rule, dimensions: dimensions.clone(), key, verdict });
        }
    }
    evaluated
}

/// Index of the level that an alert fires at.
pub fn firing_level(rule: &Rule, alert: Option<&Alert>) -> Option<usize> {
    let episode = alert?.firing.as_ref()?;
    rule.condition.levels().position(|level| level.name == episode.level)
}
