//! One cycle of monitoring without its outside: what it has to read, formulas computed, rules evaluated.

mod composites;
mod pace;
mod reach;
mod windows;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::alert::{Alert, AlertKey};
use crate::anomaly::{Watch, learning_periods};
use crate::catalogue::{Catalogue, Condition, Detection, Metric, Rule};
use crate::metric::Dimensions;
use crate::rule::{self, Verdict};

pub use composites::{is_of_catalogue, judge as judge_composite, with_named};
pub use pace::Pace;
pub use reach::{COST_DAYS, COST_DAYS_BY_SERVICE};
pub use windows::{Need, Windows, delay, evaluated_length, is_told, needs, newest_period};

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
    /// Why it fires, where the verdict does not say it.
    pub because: Option<String>,
}

/// What the detectors of anomaly rules have learnt, by alert.
pub type Watches = BTreeMap<AlertKey, Watch>;

/// The alerts of anomaly rules whose series are known before they are read.
pub fn watched<'a>(catalogue: &'a Catalogue, rules: &[&'a Rule]) -> Vec<AlertKey> {
    let anomalies = rules.iter().filter(|rule| matches!(rule.condition, Condition::Anomaly { .. }));
    let sets = anomalies.filter_map(|rule| Some((rule, catalogue.metrics.get(&rule.metric)?)));
    sets.flat_map(|(rule, metric)| {
        metric.dimensions.iter().map(|dimensions| AlertKey::new(&rule.name, dimensions, None))
    })
    .collect()
}

/// How many datapoints of its metric a rule needs: its evaluation range with what its condition looks back on; and for an anomaly as many
/// as its detectors have not seen, or as many as they learn from at first.
pub fn length(catalogue: &Catalogue, rule: &Rule, watches: &Watches, now: Timestamp) -> usize {
    let range = evaluated_length(rule);
    let Some(metric) = catalogue.metrics.get(&rule.metric) else { return range };
    let period = metric.period_seconds.max(1);
    if !matches!(rule.condition, Condition::Anomaly { .. }) {
        return range.saturating_add(rule::history(&rule.condition, period));
    }
    let most = learning_periods(period).min(reach::periods(catalogue, metric));
    let unseen = |watch: &Watch| {
        let seen = watch.seen()?;
        let periods = newest_period(catalogue, metric, now).duration_since(seen).as_secs() / i64::from(period);
        Some(usize::try_from(periods).unwrap_or_default().saturating_add(range).min(most))
    };
    let known = |key: &AlertKey| watches.get(key).and_then(unseen);
    let keys: Vec<AlertKey> = if metric.dimensions.is_empty() {
        watches.keys().filter(|key| key.rule() == rule.name).cloned().collect()
    } else {
        metric.dimensions.iter().map(|dimensions| AlertKey::new(&rule.name, dimensions, None)).collect()
    };
    let needed = keys.iter().map(|key| known(key).unwrap_or(most)).max();
    needed.unwrap_or(most).max(range)
}

/// Evaluates rules on what was read, composite ones last. Without a verdict stay: what could not be read, and rules outside of their hours.
///
/// `known` are the alerts as they are stored. The watches of anomaly rules learn what they have not seen.
pub fn evaluate<'a>(
    catalogue: &Catalogue,
    rules: &[&'a Rule],
    windows: &Windows,
    known: &BTreeMap<AlertKey, Alert>,
    watches: &mut Watches,
    now: Timestamp,
) -> Vec<Evaluated<'a>> {
    let mut evaluated = Vec::new();
    for &rule in rules.iter().filter(|rule| rule.condition.composite().is_none()) {
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        let newest = newest_period(catalogue, metric, now);
        let active = rule.active_hours.as_ref().is_none_or(|hours| rule::is_active(hours, newest));
        let detection = match &rule.condition {
            Condition::Anomaly { detection, .. } => Some(detection),
            _ if !active => continue,
            _ => None,
        };
        let count = length(catalogue, rule, watches, now);
        for (dimensions, datapoints) in windows.of_rule(rule, count) {
            let key = AlertKey::new(&rule.name, dimensions, None);
            let (verdict, because) = match detection {
                Some(detection) => {
                    watch(rule, metric, detection, newest, &datapoints, watches.entry(key.clone()).or_default())
                }
                None => {
                    let firing = firing_level(rule, known.get(&key));
                    rule::judge(rule, metric, newest, &datapoints, firing)
                }
            };
            if active {
                evaluated.push(Evaluated { rule, dimensions: dimensions.clone(), key, verdict, because });
            }
        }
    }
    let firing = composites::firing(catalogue, &evaluated, known, now);
    let composites = rules.iter().copied().filter_map(|rule| composites::evaluate(rule, &|name| firing.contains(name)));
    evaluated.extend(composites);
    evaluated
}

/// Lets a watch learn what it has not seen, and says what it comes to.
fn watch(
    rule: &Rule,
    metric: &Metric,
    detection: &Detection,
    newest: Timestamp,
    datapoints: &[Option<f64>],
    watch: &mut Watch,
) -> (Verdict, Option<String>) {
    let first = datapoints.len().saturating_sub(1);
    let first = newest.saturating_sub(periods(metric, first)).unwrap_or(Timestamp::MIN);
    for (index, value) in datapoints.iter().enumerate() {
        let at = first.saturating_add(periods(metric, index)).unwrap_or(newest);
        watch.observe((at, *value), metric.unit, detection, rule.evaluation.clear_after);
    }
    let range = datapoints.len().saturating_sub(evaluated_length(rule));
    watch.verdict(rule.evaluation.missing, datapoints.get(range..).unwrap_or_default())
}

fn periods(metric: &Metric, count: usize) -> SignedDuration {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    SignedDuration::from_secs(i64::from(metric.period_seconds).saturating_mul(count))
}

/// Index of the level that an alert fires at.
pub fn firing_level(rule: &Rule, alert: Option<&Alert>) -> Option<usize> {
    let episode = alert?.firing.as_ref()?;
    rule.condition.levels().position(|level| level.name == episode.level)
}
