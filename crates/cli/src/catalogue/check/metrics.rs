//! Metrics: sources, periods, dimensions, formulas.

use std::collections::BTreeSet;

use monitoring_core::formula::Formula;

use super::super::Finding;
use super::super::document::{Document, Duration, Metric};
use super::super::resolve;
use super::super::yaml::child;
use super::{Checker, entries, filter, find_word, items};

/// The keys that say where the samples come from.
const SOURCES: [&str; 4] = ["cloudwatch", "formula", "logs", "cost"];

/// `CloudWatch`'s quota of dimensions for a metric.
const MAX_DIMENSIONS: usize = 30;

/// The series of one metric that a cycle can load in one request: `GetMetricData` takes 500 queries.
const MAX_SERIES: usize = 500;

const DAY: u32 = 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    for name in checker.names("metrics").unwrap_or_default() {
        check_name(checker, &child("/metrics", name), name);
    }
    for (pointer, name, metric) in entries("metrics", &checker.document.metrics) {
        check_source(checker, &pointer, name, metric);
        check_period(checker, &pointer, name, metric);
        check_dimensions(checker, &pointer, name, metric);
        filter::check(checker, &pointer, name, metric);
    }
    for (pointer, name, metric) in entries("metrics", &checker.document.metrics) {
        if let Some(formula) = &metric.formula {
            let before = checker.findings.len();
            check_formula(checker, &pointer, name, formula);
            if checker.findings.len() > before {
                checker.shapeless.insert(name.clone());
            }
        }
    }
    check_files(checker);
    check_log_groups(checker);
}

/// A metric's name is a word of a formula.
fn check_name(checker: &mut Checker<'_>, pointer: &str, name: &str) {
    let is_word = Formula::parse(name).is_ok_and(|formula| formula.as_str() == name && formula.inputs().eq([name]));
    if !is_word || name.len() > 64 {
        let message = format!("\"{name}\" cannot be the name of a metric");
        checker.push(
            Finding::error(
                pointer,
                message,
                "a formula must be able to use it: write letters, digits and underscores, at most 64, a letter first",
            )
            .on_key(),
        );
    }
}

fn check_source(checker: &mut Checker<'_>, pointer: &str, name: &str, metric: &Metric) {
    match checker.written_of(pointer, &SOURCES).as_slice() {
        [] => checker.push(
            Finding::error(
                pointer,
                format!("metric {name} has no source"),
                "add one of `cloudwatch`, `formula`, `logs`, `cost`",
            )
            .on_key(),
        ),
        [_] => {}
        [first, second, ..] => {
            let message = format!("metric {name} has the sources `{first}` and `{second}`");
            checker.push(Finding::error(child(pointer, second), message, "keep one of them").on_key());
        }
    }
    if metric.dimensions.is_some() {
        let why = match (&metric.formula, metric.cost) {
            (Some(_), _) => "a formula has the dimensions of its inputs",
            (None, Some(_)) => "a cost has none, or Service",
            (None, None) => return,
        };
        let message = format!("metric {name} cannot have dimensions of its own");
        checker.shapeless.insert(name.to_owned());
        checker.push(Finding::error(child(pointer, "dimensions"), message, format!("remove them; {why}")).on_key());
    }
}

fn check_period(checker: &mut Checker<'_>, pointer: &str, name: &str, metric: &Metric) {
    let Some(period) = metric.period else { return };
    let at = child(pointer, "period");
    if metric.cost.is_some() && period.seconds != DAY {
        checker.error(at, format!("the period of {name} is {period}"), "write 1d; Cost Explorer counts by the day");
    } else if checker.minutes(&at, &format!("the period of {name}"), period, 60, DAY) {
        return;
    }
    checker.shapeless.insert(name.to_owned());
}

fn check_dimensions(checker: &mut Checker<'_>, pointer: &str, name: &str, metric: &Metric) {
    let Some(dimensions) = &metric.dimensions else { return };
    let at = child(pointer, "dimensions");
    if dimensions.len() > MAX_DIMENSIONS {
        checker.error(
            at,
            format!("metric {name} has {} dimensions", dimensions.len()),
            format!("write at most {MAX_DIMENSIONS}"),
        );
        return;
    }
    let series = dimensions.values().map(|values| values.0.len()).fold(1_usize, usize::saturating_mul);
    if series > MAX_SERIES {
        checker.error(
            at,
            format!("metric {name} has {series} combinations of dimensions"),
            format!("write at most {MAX_SERIES}, or a metric for each kind"),
        );
    }
}

fn check_formula(checker: &mut Checker<'_>, pointer: &str, name: &str, text: &str) {
    let at = child(pointer, "formula");
    let formula = match Formula::parse(text) {
        Ok(formula) => formula,
        Err(error) => {
            let offset = text.get(..error.offset).map_or(0, |before| before.chars().count());
            checker.push(
                Finding::error(
                    at,
                    format!("formula of {name}: {}", error.problem),
                    format!("expected {}", error.expected),
                )
                .at_offset(offset),
            );
            return;
        }
    };
    let mut known = true;
    for input in formula.inputs() {
        if let Some((message, help)) = checker.unknown("metrics", input, &format!("the formula of {name} uses")) {
            checker.push(Finding::error(at.clone(), message, help).at_offset(find_word(text, input).unwrap_or(0)));
            known = false;
        }
    }
    if !known {
        return;
    }
    if let Some(path) = cycle(checker.document, name) {
        // Reported once, at the first of its members.
        if path.iter().min().is_some_and(|first| first == name) {
            checker.error(
                at,
                format!("the formula of {name} needs its own result: {}", path.join(" -> ")),
                "break the circle",
            );
        }
        return;
    }
    if has_shape(checker, name) {
        check_inputs_agree(checker, &at, name, &formula);
    }
}

/// Whether the period and the dimensions of a metric are known: nothing that they come from is wrong.
pub(super) fn has_shape(checker: &Checker<'_>, name: &str) -> bool {
    let document = checker.document;
    let sound = |(name, metric): (&str, &Metric)| {
        let pointer = child("/metrics", name);
        let broken = checker.shapeless.contains(name)
            || checker.broken(&pointer, "period", metric.period.as_ref())
            || checker.broken(&pointer, "dimensions", metric.dimensions.as_ref())
            || checker.broken(&pointer, "formula", metric.formula.as_ref())
            || checker.broken(&pointer, "cost", metric.cost.as_ref());
        !broken
    };
    document.metrics.get_key_value(name).is_some_and(|(name, metric)| sound((name, metric)))
        && measured(document, name).into_iter().all(sound)
}

/// Inputs of one period and the same dimensions, or the formula has no series.
fn check_inputs_agree(checker: &mut Checker<'_>, at: &str, name: &str, formula: &Formula) {
    let document = checker.document;
    let period = resolve::period(document, name);
    let mut first = None;
    for input in formula.inputs().filter(|input| document.metrics.contains_key(*input)) {
        let offset = find_word(formula.as_str(), input).unwrap_or(0);
        let found = resolve::period(document, input);
        if found != period {
            let message = format!("{name} has a period of {period}, its input {input} one of {found}");
            let own = document.metrics.get(name).is_some_and(|metric| metric.period.is_some());
            let help = if own {
                "leave `period` out: a formula has that of its inputs"
            } else {
                "give every input the same `period`"
            };
            checker.push(Finding::error(at, message, help).at_offset(offset));
            return;
        }
        let dimensions = resolve::dimensions(document, input);
        match &first {
            None => first = Some((input, dimensions)),
            Some((_, expected)) if *expected == dimensions => {}
            Some((other, _)) => {
                let message = format!("{other} and {input} in the formula of {name} have different dimensions");
                checker.push(Finding::error(at, message, "give both the same `dimensions`").at_offset(offset));
                return;
            }
        }
    }
}

/// The way from a formula back to itself, if there is one.
fn cycle(document: &Document, name: &str) -> Option<Vec<String>> {
    fn walk(
        document: &Document,
        target: &str,
        name: &str,
        path: &mut Vec<String>,
        seen: &mut BTreeSet<String>,
    ) -> bool {
        let Some(formula) = formula_of(document, name) else { return false };
        for input in formula.inputs() {
            if input == target {
                path.push(target.to_owned());
                return true;
            }
            if seen.insert(input.to_owned()) {
                path.push(input.to_owned());
                if walk(document, target, input, path, seen) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }
    let mut path = vec![name.to_owned()];
    walk(document, name, name, &mut path, &mut BTreeSet::new()).then_some(path)
}

fn formula_of(document: &Document, name: &str) -> Option<Formula> {
    Formula::parse(document.metrics.get(name)?.formula.as_deref()?).ok()
}

/// The formula of which the metric is made that is no metric math, if there is one.
pub(super) fn beyond_metric_math(document: &Document, name: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        let Some(formula) = formula_of(document, &name).filter(|_| seen.insert(name.clone())) else { continue };
        if !formula.is_metric_math() {
            return Some(name);
        }
        waiting.extend(formula.inputs().map(str::to_owned));
    }
    None
}

/// The metrics that are measured, of which this one is made; itself when it is no formula.
pub(super) fn measured<'a>(document: &'a Document, name: &str) -> Vec<(&'a str, &'a Metric)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        let Some((key, metric)) = document.metrics.get_key_value(&name) else { continue };
        if !seen.insert(name.clone()) {
            continue;
        }
        match formula_of(document, &name) {
            Some(formula) => waiting.extend(formula.inputs().map(str::to_owned)),
            None => found.push((key.as_str(), metric)),
        }
    }
    found
}

fn check_files(checker: &mut Checker<'_>) {
    let document = checker.document;
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (pointer, name, metric) in entries("metrics", &document.metrics) {
        for (at, pattern) in items(&child(&pointer, "files"), &metric.files) {
            let pattern = pattern.0.as_str();
            if pattern.matches('*').count() > 1 {
                checker.error(
                    &at,
                    format!("the pattern \"{pattern}\" has more than one `*`"),
                    "write one; what it stands for becomes the dimension Source",
                );
            }
            if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == pattern) {
                checker.error(
                    &at,
                    format!("the files \"{pattern}\" already carry {other}"),
                    "let a file carry one metric",
                );
            }
            seen.push((pattern, name));
        }
    }
}

fn check_log_groups(checker: &mut Checker<'_>) {
    for (pointer, name, _) in entries("log_groups", &checker.document.log_groups) {
        if !is_log_group(name) {
            let message = format!("\"{name}\" cannot be the name of a log group");
            checker.push(Finding::error(pointer, message, "write letters, digits and . _ - / #, at most 512").on_key());
        }
    }
}

/// Whether `CloudWatch` Logs takes the name of a log group.
pub(super) fn is_log_group(name: &str) -> bool {
    (1..=512).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/#".contains(c))
}

/// The longest time that a `CloudWatch` alarm looks back: a day, or a week for periods of an hour and more
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
pub(super) fn longest_evaluation(period: Duration) -> Duration {
    Duration { seconds: if period.seconds < 3_600 { DAY } else { 7 * DAY } }
}
