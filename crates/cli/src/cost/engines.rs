//! Each rule on either engine: what it costs, and how soon it notices.

use std::fmt::Write as _;

use monitoring_core::catalogue::{Catalogue, Condition, Engine, Rule, Source};
use monitoring_core::cycle;
use monitoring_core::formula::Formula;
use monitoring_core::message::format_seconds;
use serde::Serialize;

use super::MONTH_SECONDS;
use super::bill::dollars;
use super::prices::Prices;
use super::reading;
use super::usage::count;
use crate::catalogue::deployment::metric_math::Queries;

/// `CloudWatch` evaluates an alarm once a minute.
const ALARM_SECONDS: u32 = 60;

/// The most metrics of an alarm.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html>.
const MAX_ALARM_METRICS: usize = 10;

/// A rule on either engine.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) rule: String,
    /// As the catalogue has it.
    pub(super) engine: Engine,
    pub(super) service: Choice,
    pub(super) alarm: Option<Choice>,
    /// Why it cannot be one.
    pub(super) no_alarm: Option<String>,
}

/// A rule on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Choice {
    /// What the bill is greater by, at list price.
    pub(super) usd: f64,
    /// From the start of the first period that breaches until the alert, at most, in seconds.
    pub(super) delay_seconds: u32,
}

/// Every rule, by name.
pub(super) fn compare(catalogue: &Catalogue, prices: &Prices) -> anyhow::Result<Vec<Comparison>> {
    let get_metric_data = prices.get("cloudwatch_get_metric_data")?;
    let (cost_explorer, alarm) = (prices.get("cost_explorer")?, prices.get("cloudwatch_alarm")?);
    let mut comparisons = Vec::new();
    for rule in catalogue.rules.values() {
        let others =
            catalogue.rules.values().filter(|other| other.engine == Engine::Service && other.name != rule.name);
        let without = reading::reads(catalogue, others);
        let with = reading::reads(catalogue, [rule]);
        // What it scans of logs depends on them; the bill has it.
        let times: f64 =
            with.difference(&without).map(|read| reading::times(catalogue, read)).fold(0.0, |sum, times| sum + times);
        let days = f64::from(MONTH_SECONDS) / 86_400.0;
        let queries = reading::cost_queries(with.union(&without)) - reading::cost_queries(&without);
        let usd = get_metric_data.of(times) + cost_explorer.of(count(queries) * days);
        let service = Choice { usd, delay_seconds: delay(catalogue, rule, catalogue.cycle_seconds) };
        let (alarm, no_alarm) = match alarm_metrics(catalogue, rule) {
            Ok(metrics) => {
                let delay_seconds = delay(catalogue, rule, ALARM_SECONDS);
                (Some(Choice { usd: alarm.of(metrics), delay_seconds }), None)
            }
            Err(reason) => (None, Some(reason)),
        };
        comparisons.push(Comparison { rule: rule.name.clone(), engine: rule.engine, service, alarm, no_alarm });
    }
    Ok(comparisons)
}

/// M periods, until their data is complete, and until the engine looks.
fn delay(catalogue: &Catalogue, rule: &Rule, pace_seconds: u32) -> u32 {
    let Some(metric) = catalogue.metrics.get(&rule.metric) else { return 0 };
    let periods = metric.period_seconds.saturating_mul(rule.evaluation.datapoints);
    periods.saturating_add(cycle::delay(catalogue, metric)).saturating_add(pace_seconds)
}

/// How many metrics its alarms have together, each counted in each of them; or why it cannot be one.
fn alarm_metrics(catalogue: &Catalogue, rule: &Rule) -> Result<f64, String> {
    let metrics = reading::metrics(catalogue, rule);
    let elsewhere = |source: &Source| matches!(source, Source::Logs { .. } | Source::Cost { .. });
    if let Some(other) = metrics.iter().find(|metric| elsewhere(&metric.source)) {
        return Err(format!("{} is not in CloudWatch", other.name));
    }
    let ours = |source: &Source| matches!(source, Source::Formula { expression } if Formula::parse(expression).is_ok_and(|formula| !formula.is_metric_math()));
    if metrics.iter().any(|metric| ours(&metric.source)) {
        return Err("alarms know no ROLLING_SUM".to_owned());
    }
    let clears = match &rule.condition {
        // A tier without hysteresis has the very same number twice.
        Condition::Threshold { tiers } => tiers.iter().any(|tier| tier.clear.total_cmp(&tier.threshold).is_ne()),
        Condition::Absence { .. } => false,
        Condition::Anomaly { .. } => return Err("alarms know no `anomaly` of ours".to_owned()),
        Condition::Trend { .. } => return Err("alarms know no `trend`".to_owned()),
        Condition::SameHour { .. } => return Err("alarms know no `same_hour`".to_owned()),
        Condition::Composite { .. } => return Err("it rests on rules of the service".to_owned()),
    };
    for (used, key) in [
        (clears, "clear"),
        (rule.evaluation.clear_after > 1, "clear_after"),
        (rule.active_hours.is_some(), "active_hours"),
    ] {
        if used {
            return Err(format!("alarms know no `{key}`"));
        }
    }
    let sets = catalogue.metrics.get(&rule.metric).map(|metric| metric.dimensions.as_slice()).unwrap_or_default();
    let Some(first) = sets.first() else { return Err("its series are not known beforehand".to_owned()) };
    let mut queries = Queries::new(catalogue);
    queries.add(&rule.metric, first);
    if let Some(volume) = &rule.min_volume {
        queries.add(&volume.metric, first);
    }
    let stored = queries.into_vec().iter().filter(|query| query.metric.is_some()).count();
    if stored > MAX_ALARM_METRICS {
        return Err(format!("{stored} metrics are more than an alarm takes"));
    }
    Ok(count(stored * sets.len() * rule.condition.levels().count()))
}

/// As a table.
pub(super) fn text(comparisons: &[Comparison]) -> String {
    let mut text = "\nEach rule on either engine: what it adds to the bill at list price, and the longest time from the start of the \
                    first period that breaches\nto the alert. What other rules of the service engine read anyway costs nothing more.\n\n"
        .to_owned();
    let mut row = |cells: [&str; 6]| {
        let [rule, is, service, service_delay, alarm, alarm_delay] = cells;
        let line = format!("{rule:<24} {is:<8} {service:>7} {service_delay:>11}   {alarm:>5} {alarm_delay:>11}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row(["", "is", "service", "", "alarm", ""]);
    for Comparison { rule, engine, service, alarm, no_alarm } in comparisons {
        let is = match engine {
            Engine::Service => "service",
            Engine::Alarm => "alarm",
        };
        let after = |choice: &Choice| format_seconds(i64::from(choice.delay_seconds));
        let (alarm_usd, alarm_delay) = match alarm {
            Some(alarm) => (dollars(alarm.usd), after(alarm)),
            None => (String::new(), no_alarm.clone().unwrap_or_default()),
        };
        row([rule, is, &dollars(service.usd), &after(service), &alarm_usd, &alarm_delay]);
    }
    text
}
