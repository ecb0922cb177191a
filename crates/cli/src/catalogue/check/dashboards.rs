//! Dashboards and saved queries: metrics that can be drawn, names that CloudWatch takes.

use std::collections::BTreeMap;

use super::super::Finding;
use super::super::document::Chart;
use super::super::resolve;
use super::super::yaml::child;
use super::{Checker, entries, items, metrics};

/// The longest name of a dashboard: `CloudWatch` takes 255 characters, and the environment's suffix is appended later.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html>.
const MAX_NAME: usize = 255 - 32;

/// The most lines of a chart, `CloudWatch`'s quota of metrics for a widget.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>.
const MAX_LINES: usize = 500;

/// In seconds: shorter shows nothing, and longer is drawn in points of many hours.
const SHORTEST_WINDOW: u32 = 600;
const LONGEST_WINDOW: u32 = 90 * 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    for (pointer, name, dashboard) in entries("dashboards", &checker.document.dashboards) {
        check_name(checker, &pointer, name);
        if let Some(window) = dashboard.window {
            let what = format!("the window of dashboard {name}");
            checker.minutes(&child(&pointer, "window"), &what, window, SHORTEST_WINDOW, LONGEST_WINDOW);
        }
        for (at, row) in items(&child(&pointer, "rows"), &dashboard.rows) {
            for (at, chart) in items(&child(&at, "charts"), &row.charts) {
                check_chart(checker, &child(&at, "metrics"), name, chart);
            }
        }
    }
    let mut titles: BTreeMap<&str, &str> = BTreeMap::new();
    for (pointer, name, query) in entries("queries", &checker.document.queries) {
        if let Some(first) = titles.insert(&query.title, name) {
            let message = format!("the queries {first} and {name} have one title, \"{}\"", query.title);
            checker.error(child(&pointer, "title"), message, "write another: the console lists them by it");
        }
    }
}

fn check_name(checker: &mut Checker<'_>, pointer: &str, name: &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
        let message = format!("\"{name}\" cannot be the name of a dashboard");
        let help = format!("write letters, digits, hyphens and underscores, at most {MAX_NAME}");
        checker.push(Finding::error(pointer, message, help).on_key());
    }
}

fn check_chart(checker: &mut Checker<'_>, pointer: &str, dashboard: &str, chart: &Chart) {
    let document = checker.document;
    let mut lines = 0;
    let mut first: Option<&str> = None;
    for (at, name) in items(pointer, &chart.metrics) {
        if !checker.known(&at, "metrics", name, &format!("dashboard {dashboard} draws"))
            || !metrics::has_shape(checker, name)
        {
            continue;
        }
        let measured = metrics::measured(document, name);
        if let Some((other, _)) = measured.iter().find(|(_, metric)| metric.cloudwatch.is_none()) {
            let message = format!("dashboard {dashboard} draws {name}, but {other} is not in CloudWatch");
            checker.error(&at, message, "draw metrics with `cloudwatch`, and formulas over these");
            continue;
        }
        if let Some(ours) = metrics::beyond_metric_math(document, name) {
            let message = format!("dashboard {dashboard} draws {name}, but CloudWatch cannot compute {ours}");
            checker.error(&at, message, "draw a metric whose formula has no ROLLING_SUM");
            continue;
        }
        let series = resolve::dimensions(document, name).len();
        if series == 0 {
            let message = format!("dashboard {dashboard} draws {name}, whose series are not known before they come");
            checker.error(&at, message, "give the metric `dimensions`");
        }
        lines += series * measured.len();
        let Some(first) = first else {
            first = Some(name);
            continue;
        };
        let unit = |name: &str| document.metrics.get(name).and_then(|metric| serde_json::to_value(metric.unit).ok());
        let plain = |name: &str| unit(name).and_then(|unit| Some(unit.as_str()?.to_owned())).unwrap_or_default();
        if unit(first) != unit(name) {
            let message = format!("{first} is in {}, {name} in {}", plain(first), plain(name));
            checker.error(&at, message, "draw them in charts of their own");
        }
    }
    if lines > MAX_LINES {
        let message = format!("a chart of dashboard {dashboard} has {lines} lines and inputs of lines");
        checker.error(pointer, message, format!("a widget takes at most {MAX_LINES}; make several of it"));
    }
}
