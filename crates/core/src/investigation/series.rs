//! The catalogue's series around the beginning of an incident, handed to the diagnosis and put into words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::change::{self, ChangeSource};
use super::evidence::{Gathered, commonest, wanted};
use super::{Found, Investigation, Kind, Question};
use crate::alert::GroupKey;
use crate::catalogue::{Catalogue, Condition, Metric, Rule, Source};
use crate::cycle::{self, Need, Windows, is_told, newest_period};
use crate::diagnosis::{self, Call, Cause, Diagnosis, Finding, Input, Measured, MetricChange, Node, Target, diagnose};
use crate::metric::{Dimensions, Sample, Unit, format_dimensions};

/// How long before the beginning of an incident its metrics may have begun to move.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// How long before that everything is taken to be as usual.
const NORMAL: SignedDuration = SignedDuration::from_hours(6);

/// Metrics with longer periods have nothing new to say when an incident begins: costs, daily figures. In seconds.
const LONGEST_PERIOD: u32 = 3600;

/// The most causes and the most moved metrics that are told.
const MAX_CAUSES: usize = 3;
const MAX_MOVED: usize = 6;

/// The most metrics that are told with a cause.
const MAX_OFF: usize = 2;

/// A further cause that is less sure than this is not worth reading about.
const WORTH_TELLING: f64 = 0.05;

/// The most failed sources that are told.
const MAX_FAILURES: usize = 3;

/// The datapoints that an investigation reads.
pub fn needs<'a>(catalogue: &'a Catalogue, question: &Question, now: Timestamp) -> Vec<Need<'a>> {
    cycle::needs(catalogue, &rules(catalogue), &|rule| length(catalogue, rule, question, now), now)
}

/// What the answers to [`needs`], in their order, say of the incident. Never fails: what could not be read is among what was found.
pub fn investigate(
    catalogue: &Catalogue,
    question: &Question,
    needs: &[Need<'_>],
    answers: impl IntoIterator<Item = Result<Vec<crate::metric::Series>, String>>,
    gathered: Gathered,
    now: Timestamp,
) -> Investigation {
    let rules = rules(catalogue);
    let length = |rule: &Rule| length(catalogue, rule, question, now);
    let windows = Windows::new(catalogue, &rules, &length, needs, answers);
    let nodes = nodes(catalogue, &rules, &length, &windows, (question, now));
    let target =
        catalogue.rules.get(&question.rule).and_then(|rule| Some((rule, catalogue.metrics.get(&rule.metric)?)));
    let input = Input {
        calls: calls(catalogue, &nodes),
        nodes,
        target: Some(Target {
            node: question.group.to_string(),
            kind: target.map(|(rule, metric)| kind(catalogue, rule, metric, question)),
        }),
        noticed_at: Some(question.onset),
    };
    let diagnosis = diagnose(&input);
    let began = diagnosis.since.map_or(question.onset, |since| since.min(question.onset));
    let from = wanted(catalogue, question, now).from;
    let changes = change::changes(catalogue, &gathered, (from, began));
    let mut investigation = told(&diagnosis, &windows.failures, &gathered);
    if let Some(suspect) = change::suspect(&changes, began) {
        investigation.headline = format!("{}; {}", suspect.before(began), investigation.headline);
        investigation.is_news = true;
    }
    let told_by = told_by(&gathered);
    let patterns = gathered.patterns.and_then(Result::ok).map(commonest).unwrap_or_default();
    Investigation { began: Some(began), changes, told_by, patterns, ..investigation }
}

fn rules(catalogue: &Catalogue) -> Vec<&Rule> {
    let is_prompt = |rule: &&Rule| {
        let metric = catalogue.metrics.get(&rule.metric);
        // A burn rate follows what it counts by minutes to days, and a composite has no metric of its own.
        let follows = |metric: &Metric| matches!(metric.source, Source::Formula { .. }) && !is_told(metric);
        metric.is_some_and(|metric| {
            let is_late = metric.period_seconds > LONGEST_PERIOD || matches!(metric.source, Source::Cost { .. });
            !is_late && !follows(metric) && rule.condition.composite().is_none()
        })
    };
    catalogue.rules.values().filter(is_prompt).collect()
}

/// When what is looked at begins to differ from what is usual, at the earliest.
fn begins(question: &Question, now: Timestamp) -> Timestamp {
    question.looked_at_from(now).saturating_sub(BEFORE).unwrap_or(Timestamp::MIN)
}

fn length(catalogue: &Catalogue, rule: &Rule, question: &Question, now: Timestamp) -> usize {
    let period = catalogue.metrics.get(&rule.metric).map_or(60, |metric| i64::from(metric.period_seconds.max(1)));
    let seconds = now.duration_since(begins(question, now)).saturating_add(NORMAL).as_secs();
    usize::try_from(seconds / period).unwrap_or_default()
}

/// What was measured, by group.
fn nodes(
    catalogue: &Catalogue,
    rules: &[&Rule],
    length: &dyn Fn(&Rule) -> usize,
    windows: &Windows,
    (question, now): (&Question, Timestamp),
) -> Vec<Node> {
    let begins = begins(question, now);
    let mut nodes: BTreeMap<GroupKey, Vec<Measured>> = BTreeMap::new();
    let mut seen: BTreeSet<(&str, Dimensions)> = BTreeSet::new();
    // A metric that several rules watch counts once: for the rule that asks, else for the first by name.
    let mut ordered = rules.to_vec();
    ordered.sort_by_key(|rule| rule.name != question.rule);
    for rule in ordered {
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        for (dimensions, datapoints) in windows.of_rule(rule, length(rule)) {
            if !seen.insert((metric.name.as_str(), dimensions.clone())) {
                continue;
            }
            let samples = samples(&datapoints, metric, newest_period(catalogue, metric, now));
            let (normal, around) = samples.into_iter().partition(|sample| sample.at < begins);
            let mut further = dimensions.clone();
            further.retain(|name, _| !rule.group_by.contains(name));
            let name = format!("{}{}", metric.name, format_dimensions(&further));
            let kind = kind(catalogue, rule, metric, question);
            let measured = Measured { name, kind, unit: Some(metric.unit), normal, around };
            nodes.entry(GroupKey::for_rule(rule, dimensions)).or_default().push(measured);
        }
    }
    nodes.into_iter().map(|(group, metrics)| Node { name: group.to_string(), metrics }).collect()
}

/// The datapoints with their times; the last is that of the newest complete period.
fn samples(datapoints: &[Option<f64>], metric: &Metric, newest: Timestamp) -> Vec<Sample> {
    let period = i64::from(metric.period_seconds);
    let newest_first = datapoints.iter().rev().zip(0_i64..);
    let sample = |(value, back): (&Option<f64>, i64)| {
        let at = newest.saturating_sub(SignedDuration::from_secs(back.saturating_mul(period))).ok()?;
        Some(Sample { at, value: (*value)? })
    };
    newest_first.filter_map(sample).collect()
}

/// What a metric means, as far as its rule and its unit tell.
fn kind(catalogue: &Catalogue, rule: &Rule, metric: &Metric, question: &Question) -> diagnosis::Kind {
    use diagnosis::Kind;
    let counts = |other: &Rule| other.min_volume.as_ref().is_some_and(|volume| volume.metric == metric.name);
    if rule.name != question.rule && catalogue.rules.values().any(counts) {
        return Kind::Requests;
    }
    let upper_is_bad = match &rule.condition {
        Condition::Threshold { tiers } => tiers.first().map(|tier| tier.comparison.is_upper()),
        Condition::Trend { tier, .. } | Condition::SameHour { tier, .. } => Some(tier.comparison.is_upper()),
        Condition::Absence { .. } => Some(false),
        Condition::Anomaly { .. } | Condition::Composite { .. } => None,
    };
    let statistic = match &metric.source {
        Source::Cloudwatch { statistic, .. } => statistic.as_str(),
        Source::Logs { .. } | Source::Cost { .. } | Source::Formula { .. } => "",
    };
    let is_ratio = metric.unit == Unit::Percent && rule.min_volume.is_some();
    let is_time = matches!(metric.unit, Unit::Milliseconds | Unit::Seconds);
    match upper_is_bad {
        Some(true) if is_ratio => Kind::ErrorRate,
        Some(false) if is_ratio => Kind::Availability,
        Some(true) if is_time && statistic == "Average" => Kind::Latency,
        Some(true) if is_time && statistic.starts_with('p') => Kind::LatencyPercentile,
        Some(true) => Kind::HigherIsWorse,
        Some(false) => Kind::LowerIsWorse,
        None => Kind::ChangeIsWorse,
    }
}

/// Who depends on whom, between the groups that were measured and those that only the catalogue names.
fn calls(catalogue: &Catalogue, nodes: &[Node]) -> Option<Vec<Call>> {
    if catalogue.noise.dependencies.is_empty() {
        return None;
    }
    let mut calls = Vec::new();
    for caller in nodes {
        for parent in catalogue.noise.parents_of(&caller.name) {
            let is_meant = |node: &&Node| node.name == *parent || node.name.split('/').next() == Some(parent);
            let known = nodes.iter().filter(is_meant).map(|node| node.name.clone());
            let named = std::iter::once(parent.clone());
            let call = |callee| Call { caller: caller.name.clone(), callee };
            calls.extend(known.chain(named).map(call));
        }
    }
    Some(calls)
}

fn told(diagnosis: &Diagnosis, failures: &[String], gathered: &Gathered) -> Investigation {
    let causes = diagnosis.causes();
    let headline = match (&diagnosis.finding, causes.first()) {
        (Finding::NothingToCompare, _) => "no metric has samples of now and of before to compare".to_owned(),
        (_, Some(first)) => likeliest(first),
        (_, None) => format!("none of {} metrics left its normal range", diagnosis.compared),
    };
    let mut findings: Vec<Found> = causes.iter().enumerate().take(MAX_CAUSES).filter_map(cause).collect();
    findings.extend(moved(causes));
    if !diagnosis.graph_known && !causes.is_empty() {
        let text = "the catalogue says of no group what it depends on (noise.dependencies), so the causes are ranked less surely";
        findings.push(unavailable(text.to_owned()));
    }
    findings.extend(failures.iter().take(MAX_FAILURES).cloned().map(unavailable));
    if failures.len() > MAX_FAILURES {
        findings.push(unavailable(format!("{} further sources could not be read", failures.len() - MAX_FAILURES)));
    }
    findings.extend(unread(gathered).into_iter().map(unavailable));
    Investigation { headline, is_news: !causes.is_empty(), findings, ..Investigation::default() }
}

/// Who answered the question for changes.
fn told_by(gathered: &Gathered) -> Vec<ChangeSource> {
    let lambda = !gathered.functions.is_empty() && gathered.functions.iter().all(|(_, answer)| answer.is_ok());
    let cloud_trail = matches!(gathered.calls, Some(Ok(_)));
    let sources = [(ChangeSource::Lambda, lambda), (ChangeSource::CloudTrail, cloud_trail)];
    sources.into_iter().filter(|(_, answered)| *answered).map(|(source, _)| source).collect()
}

/// What could not be read of changes and logs, and why.
fn unread(gathered: &Gathered) -> Vec<String> {
    let mut unread = Vec::new();
    let mut refused: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (function, answer) in &gathered.functions {
        if let Err(reason) = answer {
            refused.entry(reason).or_default().push(function);
        }
    }
    unread.extend(refused.into_iter().map(|(reason, functions)| {
        let more = functions.len().saturating_sub(MAX_FAILURES);
        let named = functions.get(..functions.len() - more).unwrap_or_default().join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("versions of {named}{more} are not available: {reason}")
    }));
    match &gathered.calls {
        Some(Err(reason)) => unread.push(format!("CloudTrail is not available: {reason}")),
        Some(Ok(calls)) => {
            unread.extend(calls.only_since.map(|since| {
                format!("what changed before {}: CloudTrail has more calls than are read", since.strftime("%H:%M UTC"))
            }));
            unread.push("the newest changes: CloudTrail lags by some 5 minutes, at times 15".to_owned());
        }
        None => {}
    }
    if let Some(Err(reason)) = &gathered.patterns {
        unread.push(format!("patterns of the logs are not available: {reason}"));
    }
    unread
}

fn likeliest(first: &Cause) -> String {
    let why = first.changes.first().map_or(String::new(), |change| format!(": {}", change.in_words()));
    format!("likely cause {} ({:.0} %){why}", first.node, first.certainty * 100.0)
}

/// What speaks for a cause. When its metrics left their normal range is told by [`moved`]; those that have no such time are told here.
fn cause((place, cause): (usize, &Cause)) -> Option<Found> {
    let worth = place == 0 || cause.certainty >= WORTH_TELLING;
    let off = cause.changes.iter().filter(|change| change.onset.is_none()).take(MAX_OFF).map(MetricChange::in_words);
    let why: Vec<String> = off.chain(cause.reasons.iter().cloned()).collect();
    worth.then(|| Found {
        kind: Kind::Cause,
        text: format!("{}: {}", cause.node, why.join("; ")),
        at: cause.changes.iter().filter_map(|change| change.onset).min(),
        certainty: Some(cause.certainty),
    })
}

/// The metrics that left their normal range, in the order in which they did.
fn moved(causes: &[Cause]) -> Vec<Found> {
    let changes = causes.iter().flat_map(|cause| cause.changes.iter().map(move |change| (cause, change)));
    let mut moved: Vec<_> = changes.filter_map(|(cause, change)| Some((change.onset?, cause, change))).collect();
    moved.sort_by(|(a, _, x), (b, _, y)| a.cmp(b).then(y.spreads.total_cmp(&x.spreads)));
    let told = moved.into_iter().take(MAX_MOVED).map(|(at, cause, change)| {
        let unit = change.unit.unwrap_or(Unit::None);
        let (from, to) = (unit.format(change.from), unit.format(change.to));
        let text = format!("{} of {} from {from} to {to}", change.metric, cause.node);
        Found { kind: Kind::Moved, text, at: Some(at), certainty: None }
    });
    told.collect()
}

fn unavailable(text: String) -> Found {
    Found { kind: Kind::Unavailable, text, at: None, certainty: None }
}
