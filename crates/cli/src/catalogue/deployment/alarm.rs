//! Rules with engine `alarm` as `CloudWatch` alarms: one for each level and set of dimensions.

use std::collections::BTreeMap;

use monitoring_core::catalogue::{
    self as resolved, Catalogue, Comparison, Condition, Evaluation, Level, Metric, MissingData, Rule,
};
use monitoring_core::metric::{Dimensions, format_dimensions};
use serde::Serialize;

use super::board::Board;
use super::console_url;
use super::metric_math::{MetricQuery, Queries, is_there};

/// The longest description of an alarm.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
const MAX_DESCRIPTION: usize = 1024;

/// The arguments of `aws_cloudwatch_metric_alarm`, by their names there. What an alarm does not use is null: it watches
/// either a metric, or the one result of several queries.
#[derive(Debug, Serialize)]
pub struct MetricAlarm {
    /// With the environment's suffix.
    pub alarm_name: String,
    /// What is wrong, and what to do about it.
    pub alarm_description: String,
    /// The topic to notify, without the service's prefix.
    pub topic: String,
    /// The rule that it comes from.
    pub rule: String,
    /// The level of the rule.
    pub level: String,
    /// Severity of the incident that it opens.
    pub severity: String,
    /// `GreaterThanThreshold` and so on.
    pub comparison_operator: &'static str,
    /// In the metric's unit.
    pub threshold: f64,
    /// N.
    pub evaluation_periods: u32,
    /// M.
    pub datapoints_to_alarm: u32,
    /// What a period without a datapoint means.
    pub treat_missing_data: &'static str,
    /// Of a single metric.
    pub namespace: Option<String>,
    /// Of a single metric.
    pub metric_name: Option<String>,
    /// Of a single metric: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`.
    pub statistic: Option<String>,
    /// Of a single metric: `p99`.
    pub extended_statistic: Option<String>,
    /// Of a single metric, in seconds.
    pub period: Option<u32>,
    /// Of a single metric.
    pub dimensions: Option<Dimensions>,
    /// Metric math; empty for a single metric.
    pub metric_queries: Vec<MetricQuery>,
}

impl MetricAlarm {
    /// What it is billed for: the metrics that it reads.
    pub fn metrics(&self) -> usize {
        let stored = self.metric_queries.iter().filter(|query| query.metric.is_some()).count();
        stored + usize::from(self.metric_name.is_some())
    }
}

/// By name, without the environment's suffix.
pub(super) fn alarms(catalogue: &Catalogue, boards: &[Board]) -> BTreeMap<String, MetricAlarm> {
    let alarms = catalogue.alarms.iter();
    alarms.filter_map(|alarm| Some((alarm.name.clone(), metric_alarm(catalogue, boards, alarm)?))).collect()
}

fn metric_alarm(catalogue: &Catalogue, boards: &[Board], alarm: &resolved::Alarm) -> Option<MetricAlarm> {
    let rule = catalogue.rules.get(&alarm.rule)?;
    let metric = catalogue.metrics.get(&rule.metric)?;
    let level = rule.condition.levels().find(|level| level.name == alarm.level)?;
    let Watched { comparison, threshold, evaluation, single, metric_queries } =
        watched(catalogue, rule, level, &alarm.dimensions)?;
    let (statistic, extended_statistic) = match single.as_ref().map(|single| single.stat.clone()) {
        Some(percentile) if percentile.starts_with('p') => (None, Some(percentile)),
        statistic => (statistic, None),
    };
    Some(MetricAlarm {
        alarm_name: format!("{}${{suffix}}", alarm.name),
        alarm_description: description(catalogue, boards, rule, metric, alarm),
        topic: metric.category.topic().to_owned(),
        rule: rule.name.clone(),
        level: level.name.clone(),
        severity: level.incident.to_string(),
        comparison_operator: match comparison {
            Comparison::Above => "GreaterThanThreshold",
            Comparison::AtLeast => "GreaterThanOrEqualToThreshold",
            Comparison::Below => "LessThanThreshold",
            Comparison::AtMost => "LessThanOrEqualToThreshold",
        },
        threshold,
        evaluation_periods: evaluation.periods,
        datapoints_to_alarm: evaluation.datapoints,
        treat_missing_data: match evaluation.missing {
            MissingData::Missing => "missing",
            MissingData::Ignore => "ignore",
            MissingData::Breaching => "breaching",
            MissingData::NotBreaching => "notBreaching",
        },
        namespace: single.as_ref().map(|single| single.namespace.clone()),
        metric_name: single.as_ref().map(|single| single.metric_name.clone()),
        statistic,
        extended_statistic,
        period: single.as_ref().map(|single| single.period),
        dimensions: single.map(|single| single.dimensions),
        metric_queries,
    })
}

/// What an alarm looks at, and when it is wrong.
struct Watched {
    comparison: Comparison,
    threshold: f64,
    evaluation: Evaluation,
    single: Option<super::MetricStat>,
    metric_queries: Vec<MetricQuery>,
}

fn watched(catalogue: &Catalogue, rule: &Rule, level: &Level, dimensions: &Dimensions) -> Option<Watched> {
    let mut queries = Queries::new(catalogue);
    let id = queries.add(&rule.metric, dimensions)?;
    let counted = match &rule.min_volume {
        Some(volume) => Some((volume, queries.add(&volume.metric, dimensions)?)),
        None => None,
    };
    let volume = counted.as_ref().map(|(volume, id)| (*volume, id.as_str()));
    let (result, comparison, threshold, evaluation) = match &rule.condition {
        Condition::Threshold { tiers } => {
            let tier = tiers.iter().find(|tier| tier.level.name == level.name)?;
            let result = match volume {
                Some(_) => queries.add_expression(format!("IF({}, {id})", is_there(&id, volume)), &rule.metric),
                None => id,
            };
            (result, tier.comparison, tier.threshold, rule.evaluation)
        }
        Condition::Absence { .. } => {
            // A datapoint in every period: a missing one would only count when fewer than N are left in `CloudWatch`'s
            // longer evaluation range, and the alarm would be late. A metric that has never been there has none to fill.
            let result = queries.add_expression(format!("FILL({}, 0)", is_there(&id, volume)), &rule.metric);
            let evaluation = Evaluation { missing: MissingData::Breaching, ..rule.evaluation };
            (result, Comparison::Below, 1.0, evaluation)
        }
        // Only the service engine judges these; the check refuses them of an alarm.
        Condition::Anomaly { .. }
        | Condition::Trend { .. }
        | Condition::SameHour { .. }
        | Condition::Composite { .. } => return None,
    };
    queries.show(&result, &rule.metric);
    let mut queries = queries.into_vec();
    let single = match queries.as_mut_slice() {
        [only] => only.metric.take(),
        _ => None,
    };
    if single.is_some() {
        queries.clear();
    }
    Some(Watched { comparison, threshold, evaluation, single, metric_queries: queries })
}

/// What is wrong, what that means, and where it says what to do.
fn description(
    catalogue: &Catalogue,
    boards: &[Board],
    rule: &Rule,
    metric: &Metric,
    alarm: &resolved::Alarm,
) -> String {
    let Evaluation { periods, datapoints, .. } = rule.evaluation;
    let condition = match &rule.condition {
        Condition::Threshold { tiers } => tiers
            .iter()
            .find(|tier| tier.level.name == alarm.level)
            .map(|tier| format!("{} {}", tier.comparison, metric.unit.format(tier.threshold)))
            .unwrap_or_default(),
        Condition::Absence { .. } => "absent".to_owned(),
        Condition::Anomaly { .. }
        | Condition::Trend { .. }
        | Condition::SameHour { .. }
        | Condition::Composite { .. } => "unusual".to_owned(),
    };
    let incident = rule.condition.levels().find(|level| level.name == alarm.level).map(|level| level.incident);
    let severity = incident.map(|incident| format!(" Opens a {incident}.")).unwrap_or_default();
    let place = format_dimensions(&alarm.dimensions);
    let period = metric.period_seconds / 60;
    let mut text = format!(
        "{} {}{place} is {condition} in {datapoints} of {periods} periods of {period} min.{severity}",
        rule.description, metric.name
    );
    if let Some(runbook) = rule.runbook.as_ref().and_then(|name| catalogue.runbooks.get(name)) {
        let showing = || boards.iter().filter(|board| board.shows_runbook(&runbook.name));
        let best = showing().find(|board| board.metrics().contains(metric.name.as_str())).or_else(|| showing().next());
        let link = runbook.url.clone().or_else(|| best.map(|board| console_url(&board.name)));
        let link = link.map(|link| format!(": {link}")).unwrap_or_default();
        let end = format!(" Runbook \"{}\"{link}", runbook.title);
        let room = MAX_DESCRIPTION.saturating_sub(end.chars().count());
        text = text.chars().take(room).chain(end.chars()).collect();
    }
    text.chars().take(MAX_DESCRIPTION).collect()
}
