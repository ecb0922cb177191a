//! Metric filters: what `CloudWatch` makes a metric of.

use std::collections::BTreeSet;

use super::super::Finding;
use super::super::document::{Metric, MetricFilter};
use super::super::yaml::child;
use super::metrics::is_log_group;
use super::{Checker, items};

/// The most dimensions of a metric filter.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_MetricTransformation.html>.
const MAX_DIMENSIONS: usize = 3;

pub(super) fn check(checker: &mut Checker<'_>, pointer: &str, name: &str, metric: &Metric) {
    let Some(cloudwatch) = &metric.cloudwatch else { return };
    let Some(filter) = &cloudwatch.filter else { return };
    let cloudwatch_at = child(pointer, "cloudwatch");
    let at = child(&cloudwatch_at, "filter");
    if cloudwatch.namespace.starts_with("AWS/") {
        let message = format!("the filter of {name} would write into {}", cloudwatch.namespace);
        checker.error(
            child(&cloudwatch_at, "namespace"),
            message,
            "write a namespace of your own; those of AWS are closed",
        );
    }
    check_log_groups(checker, &at, name, filter);
    check_pattern(checker, &at, name, &filter.pattern);
    check_fields(checker, &at, name, filter);
    check_dimensions(checker, &at, name, metric, filter);
}

fn check_log_groups(checker: &mut Checker<'_>, at: &str, name: &str, filter: &MetricFilter) {
    let mut seen = BTreeSet::new();
    for (at, group) in items(&child(at, "log_groups"), &filter.log_groups) {
        if !is_log_group(group) {
            let message = format!("\"{group}\" cannot be the name of a log group");
            checker.error(at, message, "write letters, digits and . _ - / #, at most 512");
        } else if !seen.insert(group) {
            checker.error(
                at,
                format!("the filter of {name} has {group} twice"),
                "its lines would count twice; keep one",
            );
        }
    }
}

/// A pattern of JSON stands in braces, one of columns in brackets; anything else is words.
fn check_pattern(checker: &mut Checker<'_>, at: &str, name: &str, pattern: &str) {
    let pattern = pattern.trim();
    for (open, close, of) in [('{', '}', "JSON"), ('[', ']', "columns")] {
        if pattern.starts_with(open) && !pattern.ends_with(close) {
            let message = format!("the pattern of {name} begins with `{open}` and does not end with `{close}`");
            checker.error(child(at, "pattern"), message, format!("close it: that is how a pattern of {of} is written"));
        }
    }
}

/// Only a pattern of JSON or of columns knows fields.
fn check_fields(checker: &mut Checker<'_>, at: &str, name: &str, filter: &MetricFilter) {
    let user = if filter.value.starts_with('$') {
        "value"
    } else if filter.dimensions.is_empty() {
        return;
    } else {
        "dimensions"
    };
    if !filter.pattern.trim().starts_with(['{', '[']) {
        let message = format!("the filter of {name} takes `{user}` from a field, and its pattern is words");
        let help = "write a pattern that knows fields: `{ $.level = \"ERROR\" }`, or `[level, ...]`";
        checker.error(child(at, "pattern"), message, help);
    }
}

/// The dimensions of a filter are those of the metric, and leave no room for a default.
fn check_dimensions(checker: &mut Checker<'_>, at: &str, name: &str, metric: &Metric, filter: &MetricFilter) {
    let at_dimensions = child(at, "dimensions");
    let of_metric: BTreeSet<&str> = metric.dimensions.iter().flatten().map(|(name, _)| name.as_str()).collect();
    let of_filter: BTreeSet<&str> = filter.dimensions.keys().map(String::as_str).collect();
    if of_metric != of_filter {
        let list = |names: &BTreeSet<&str>| match names.len() {
            0 => "none".to_owned(),
            _ => names.iter().copied().collect::<Vec<_>>().join(", "),
        };
        let message = format!("metric {name} has the dimensions {}, its filter {}", list(&of_metric), list(&of_filter));
        let place = if of_filter.is_empty() { at.to_owned() } else { at_dimensions };
        checker.push(
            Finding::error(place, message, "give both the same: a filter says which field each comes from").on_key(),
        );
        return;
    }
    if of_filter.len() > MAX_DIMENSIONS {
        let message = format!("the filter of {name} has {} dimensions", of_filter.len());
        checker.push(Finding::error(&at_dimensions, message, format!("write at most {MAX_DIMENSIONS}")).on_key());
    }
    for (dimension, field) in &filter.dimensions {
        if !field.starts_with('$') {
            let message = format!("the dimension {dimension} of {name} is taken from \"{field}\"");
            checker.error(child(&at_dimensions, dimension), message, "write a field of the line, such as $.operation");
        }
    }
    if filter.default.is_some() && !filter.dimensions.is_empty() {
        let message = format!("the filter of {name} has both `default` and `dimensions`");
        checker.error(
            child(at, "default"),
            message,
            "leave one out: CloudWatch would not know the dimensions of a default",
        );
    }
}
