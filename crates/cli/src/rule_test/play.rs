//! Plays the series of a test through the evaluator and the alerts' state machine that run in production.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::{Alert, AlertKey, AlertState, step_because, title_of};
use monitoring_core::catalogue::{Catalogue, Condition, Metric, Rule, Source};
use monitoring_core::cycle::{self, Need, Windows};
use monitoring_core::formula::Formula;
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};

use super::document::{Case, Expected, Group, InputSeries};
use crate::catalogue::nearest;

/// The labels of an alert that are no dimensions.
const LEVEL_LABELS: [&str; 3] = ["severity", "incident", "level"];

/// The annotations of an alert.
const ANNOTATIONS: [&str; 3] = ["title", "description", "runbook"];

/// A test has at most so many evaluations: a year by the minute.
const MAX_EVALUATIONS: i64 = 600_000;

/// How a case ended: `None` when everything was as expected, else what was not.
pub(super) type Ending = Option<String>;

/// Why a group cannot be played: the line, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unplayable {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl Unplayable {
    fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

/// Plays a group, evaluating every so many seconds, and gives the ending of each of its cases.
pub(super) fn play(
    catalogue: &Catalogue,
    group: &Group,
    evaluation_seconds: u32,
) -> Result<Vec<Ending>, Vec<Unplayable>> {
    let problems = check(catalogue, group, evaluation_seconds);
    if !problems.is_empty() {
        return Err(problems);
    }
    let catalogue = given_to(catalogue, group);
    let recorded = recorded(&catalogue, group);
    let names: BTreeSet<&str> = group.cases.iter().map(|case| case.rule.as_str()).collect();
    let rules: Vec<&Rule> = names.iter().filter_map(|name| catalogue.rules.get(*name)).collect();
    let rules = cycle::with_named(&catalogue, &rules);
    let mut endings: Vec<Ending> = vec![None; group.cases.len()];
    let mut alerts: BTreeMap<AlertKey, Alert> = BTreeMap::new();
    let mut watches = cycle::Watches::new();
    let last = group.cases.iter().map(|case| case.after_seconds).max().unwrap_or_default();
    for after in (0..=last).step_by(usize::try_from(evaluation_seconds).unwrap_or(usize::MAX)) {
        let now = group.start + SignedDuration::from_secs(i64::from(after));
        let needs = cycle::needs(&catalogue, &rules, &|rule| cycle::length(&catalogue, rule, &watches, now), now);
        let answers = needs.iter().map(|need| Ok(answer(&recorded, need)));
        let windows =
            Windows::new(&catalogue, &rules, &|rule| cycle::length(&catalogue, rule, &watches, now), &needs, answers);
        let mut told: BTreeMap<AlertKey, String> = BTreeMap::new();
        for evaluated in cycle::evaluate(&catalogue, &rules, &windows, &alerts, &mut watches, now) {
            let Some(metric) = catalogue.metrics.get(&evaluated.rule.metric) else { continue };
            let before = alerts.get(&evaluated.key);
            let stepped = step_because(
                evaluated.rule,
                metric,
                &evaluated.dimensions,
                before,
                (&evaluated.verdict, evaluated.because.as_deref()),
                now,
            );
            told.insert(evaluated.key.clone(), stepped.reason);
            alerts.extend(stepped.alert.map(|alert| (evaluated.key, alert)));
        }
        let next = i64::from(after) + i64::from(evaluation_seconds);
        for (case, ending) in group.cases.iter().zip(&mut endings) {
            // What is asked between two evaluations is as the earlier one left it.
            let due = case.after_seconds >= after && i64::from(case.after_seconds) < next;
            if due && let Some(rule) = catalogue.rules.get(&case.rule) {
                *ending = compare(&catalogue, rule, case, &alerts, &told);
            }
        }
    }
    Ok(endings)
}

/// What of a group cannot be played.
fn check(catalogue: &Catalogue, group: &Group, evaluation_seconds: u32) -> Vec<Unplayable> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for series in &group.series {
        let Some(metric) = catalogue.metrics.get(&series.metric) else {
            let names = catalogue.metrics.keys().map(String::as_str);
            problems.push(Unplayable::new(series.line, unknown("metric", &series.metric, names)));
            continue;
        };
        if !seen.insert((&series.metric, &series.dimensions)) {
            let what = format!("{}{}", series.metric, format_dimensions(&series.dimensions));
            problems.push(Unplayable::new(series.line, format!("{what} is given twice; join the two")));
        }
        let period = metric.period_seconds;
        if group.interval_seconds.is_some_and(|interval| interval != period) {
            let problem = format!(
                "{} has a period of {period}s; write `interval: {period}s` for it, or leave `interval` out",
                metric.name
            );
            problems.push(Unplayable::new(series.line, problem));
        }
        if group.start.as_second().rem_euclid(i64::from(period.max(1))) != 0 {
            let problem = format!(
                "{} has a period of {period}s, and no period of it ends at the start_timestamp {}; write one that is a multiple of it",
                metric.name, group.start
            );
            problems.push(Unplayable::new(group.line, problem));
        }
    }
    for case in &group.cases {
        if !catalogue.rules.contains_key(&case.rule) {
            let names = catalogue.rules.keys().map(String::as_str);
            problems.push(Unplayable::new(case.line, unknown("rule", &case.rule, names)));
        }
        for annotation in case.expected.iter().flat_map(|alert| alert.annotations.keys()) {
            if !ANNOTATIONS.contains(&annotation.as_str()) {
                let problem = format!("an alert has no annotation \"{annotation}\"; it has {}", ANNOTATIONS.join(", "));
                problems.push(Unplayable::new(case.line, problem));
            }
        }
        if i64::from(case.after_seconds) / i64::from(evaluation_seconds.max(1)) > MAX_EVALUATIONS {
            let problem = format!(
                "an eval_time of {}s takes more than {MAX_EVALUATIONS} evaluations; write a longer evaluation_interval",
                case.after_seconds
            );
            problems.push(Unplayable::new(case.line, problem));
        }
    }
    problems
}

fn unknown<'a>(noun: &str, name: &str, names: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, names) {
        Some(near) => format!("the catalogue has no {noun} \"{name}\"; did you mean \"{near}\"?"),
        None => format!("the catalogue has no {noun} \"{name}\"; add it there, or test another one"),
    }
}

/// The catalogue as the test sees it. Metrics have the dimensions that are given beside their own; a formula whose values are given
/// is not computed; and a value is known at the end of its period, however long the source usually takes.
fn given_to(catalogue: &Catalogue, group: &Group) -> Catalogue {
    let mut catalogue = catalogue.clone();
    (catalogue.ingestion_delay_seconds, catalogue.cost_delay_seconds) = (0, 0);
    let mut given: BTreeMap<String, BTreeSet<Dimensions>> = BTreeMap::new();
    for series in &group.series {
        given.entry(series.metric.clone()).or_default().insert(series.dimensions.clone());
    }
    for metric in catalogue.metrics.values_mut() {
        let sets = match &metric.source {
            Source::Formula { expression } if !given.contains_key(&metric.name) => inputs_of(expression, &given),
            Source::Formula { .. } => {
                metric.source = Source::Cloudwatch {
                    namespace: String::new(),
                    metric_name: metric.name.clone(),
                    statistic: "Average".to_owned(),
                };
                given.get(&metric.name).cloned().unwrap_or_default()
            }
            _ => given.get(&metric.name).cloned().unwrap_or_default(),
        };
        for dimensions in sets {
            if !metric.dimensions.contains(&dimensions) {
                metric.dimensions.push(dimensions);
            }
        }
    }
    catalogue
}

/// The sets of dimensions that are given for a formula's inputs; what has none counts for every set.
fn inputs_of(expression: &str, given: &BTreeMap<String, BTreeSet<Dimensions>>) -> BTreeSet<Dimensions> {
    let Ok(formula) = Formula::parse(expression) else { return BTreeSet::new() };
    let sets = formula.inputs().filter_map(|input| given.get(input)).flatten();
    sets.filter(|dimensions| !dimensions.is_empty()).cloned().collect()
}

/// The series of each metric. The first value is that of the period that ends at the group's start.
fn recorded(catalogue: &Catalogue, group: &Group) -> BTreeMap<String, Vec<Series>> {
    let mut recorded: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for InputSeries { metric, dimensions, values, .. } in &group.series {
        let Some(Metric { period_seconds, .. }) = catalogue.metrics.get(metric) else { continue };
        let samples = (-1_i64..).zip(values).filter_map(|(period, value)| {
            let after = SignedDuration::from_secs(period.saturating_mul(i64::from(*period_seconds)));
            Some(Sample { at: group.start.checked_add(after).ok()?, value: (*value)? })
        });
        recorded.entry(metric.clone()).or_default().push(Series::new(dimensions.clone(), samples.collect()));
    }
    recorded
}

/// The series that a cycle asks for; empty for one that nobody gave.
fn answer(recorded: &BTreeMap<String, Vec<Series>>, need: &Need<'_>) -> Vec<Series> {
    let all = recorded.get(&need.metric.name).map_or(&[][..], Vec::as_slice);
    if matches!(need.metric.source, Source::Cost { by_service: true }) {
        return all.to_vec();
    }
    let found = all.iter().find(|series| series.dimensions == need.dimensions);
    vec![found.cloned().unwrap_or_else(|| Series::new(need.dimensions.clone(), Vec::new()))]
}

/// An alert that fires, as a test sees it.
struct Firing {
    dimensions: Dimensions,
    /// In the order of [`LEVEL_LABELS`].
    level: [String; 3],
    annotations: BTreeMap<&'static str, String>,
}

impl Firing {
    fn new(catalogue: &Catalogue, rule: &Rule, alert: &Alert) -> Option<Self> {
        let episode = alert.firing.as_ref()?;
        let index = rule.condition.levels().position(|level| level.name == episode.level)?;
        let level = rule.condition.levels().nth(index)?;
        let threshold = match &rule.condition {
            Condition::Threshold { tiers } => tiers.get(index).map(|tier| (tier.comparison, tier.threshold)),
            _ => None,
        };
        let title = title_of(rule, catalogue.metrics.get(&rule.metric)?, &alert.dimensions, threshold);
        let annotations = BTreeMap::from([
            ("title", title),
            ("description", rule.description.clone()),
            ("runbook", rule.runbook.clone().unwrap_or_default()),
        ]);
        let level = [level.alert.as_str().to_owned(), level.incident.as_str().to_owned(), level.name.clone()];
        Some(Self { dimensions: alert.dimensions.clone(), level, annotations })
    }

    /// The dimensions are those that are expected, all of them; of the level and of the annotations those that are written.
    fn is(&self, expected: &Expected) -> bool {
        let dimensions = expected.labels.iter().filter(|(name, _)| !LEVEL_LABELS.contains(&name.as_str()));
        let level = LEVEL_LABELS.iter().zip(&self.level);
        dimensions.eq(self.dimensions.iter())
            && level.into_iter().all(|(name, has)| expected.labels.get(*name).is_none_or(|wants| wants == has))
            && expected.annotations.iter().all(|(name, wants)| self.annotations.get(name.as_str()) == Some(wants))
    }

    fn shown(&self, expected: &[Expected]) -> String {
        let dimensions = self.dimensions.iter().map(|(name, value)| format!("{name}={value}"));
        let level = LEVEL_LABELS.iter().zip(&self.level).map(|(name, value)| format!("{name}={value}"));
        let labels = level.chain(dimensions).collect::<Vec<_>>().join(", ");
        // Annotations are long: only those that somebody looks at.
        let asked = |name: &&str| expected.iter().any(|alert| alert.annotations.contains_key(*name));
        let annotations = self.annotations.iter().filter(|(name, _)| asked(name));
        let annotations: String = annotations.map(|(name, value)| format!(" {name}={value:?}")).collect();
        format!("{{{labels}}}{annotations}")
    }
}

fn compare(
    catalogue: &Catalogue,
    rule: &Rule,
    case: &Case,
    alerts: &BTreeMap<AlertKey, Alert>,
    told: &BTreeMap<AlertKey, String>,
) -> Ending {
    let of_rule = || alerts.values().filter(|alert| alert.rule == rule.name);
    let firing: Vec<Firing> = of_rule().filter_map(|alert| Firing::new(catalogue, rule, alert)).collect();
    let mut left: Vec<&Firing> = firing.iter().collect();
    let mut missed = Vec::new();
    for expected in &case.expected {
        match left.iter().position(|alert| alert.is(expected)) {
            Some(found) => drop(left.remove(found)),
            None => missed.push(expected),
        }
    }
    if missed.is_empty() && left.is_empty() {
        return None;
    }
    let mut lines: Vec<String> = missed.iter().map(|expected| format!("expected {}", shown(expected))).collect();
    lines.extend(left.iter().map(|alert| format!("unexpected {}", alert.shown(&case.expected))));
    for alert in of_rule().filter(|alert| alert.state != AlertState::Firing) {
        let state = format!("{:?}", alert.state).to_lowercase();
        let reason = told.get(&alert.key).unwrap_or(&alert.reason);
        lines.push(format!("{} is {state}: {reason}", alert.key));
    }
    if firing.is_empty() {
        lines.push("nothing fires".to_owned());
    }
    Some(lines.join("\n"))
}

fn shown(expected: &Expected) -> String {
    let labels: Vec<String> = expected.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let annotations: String = expected.annotations.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
    format!("{{{}}}{annotations}", labels.join(", "))
}

/// The rules that some case of these groups names.
pub(super) fn tested<'g>(groups: impl Iterator<Item = &'g Group>) -> BTreeSet<&'g str> {
    groups.flat_map(|group| &group.cases).map(|case| case.rule.as_str()).collect()
}

/// The time of a case as people write it: `1h30m`.
pub(super) fn shown_time(seconds: u32) -> String {
    let parts = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut rest = seconds;
    let mut text = String::new();
    for (length, unit) in parts {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The time a test starts at, for messages.
pub(super) fn at(start: Timestamp, after_seconds: u32) -> Timestamp {
    start.saturating_add(SignedDuration::from_secs(i64::from(after_seconds))).unwrap_or(start)
}
