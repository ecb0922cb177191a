//! Metrics that `CloudWatch` makes out of log lines: a metric filter for each log group.

use std::collections::BTreeMap;

use monitoring_core::catalogue::{Catalogue, Source};
use monitoring_core::metric::Unit;
use serde::Serialize;

use super::super::document::Document;

/// The arguments of `aws_cloudwatch_log_metric_filter` and of its `metric_transformation`, by their names there.
#[derive(Debug, Serialize)]
pub struct MetricFilter {
    /// `ai-nutritionist-TimedOut`, with the environment's suffix.
    pub name: String,
    /// Whose lines it looks at.
    pub log_group_name: String,
    /// What a line must be like.
    pub pattern: String,
    /// Of the metric that it writes.
    pub namespace: String,
    /// The metric's name there.
    pub metric_name: String,
    /// A number, or a field of the line.
    pub value: String,
    /// What a minute counts in which lines arrive and none fits; null for nothing.
    pub default_value: Option<f64>,
    /// As `CloudWatch` names it.
    pub unit: &'static str,
    /// From dimension to field; null for none.
    pub dimensions: Option<BTreeMap<String, String>>,
}

/// By metric and log group, so that an entry keeps its key when others come and go.
pub(super) fn metric_filters(document: &Document, catalogue: &Catalogue) -> BTreeMap<String, MetricFilter> {
    let mut filters = BTreeMap::new();
    for (name, written) in &document.metrics {
        let Some(filter) = written.cloudwatch.as_ref().and_then(|cloudwatch| cloudwatch.filter.as_ref()) else {
            continue;
        };
        let Some(metric) = catalogue.metrics.get(name) else { continue };
        let Source::Cloudwatch { namespace, metric_name, .. } = &metric.source else { continue };
        for log_group in &filter.log_groups {
            let made = MetricFilter {
                name: format!("{}-{name}${{suffix}}", catalogue.service),
                log_group_name: log_group.clone(),
                pattern: filter.pattern.trim().to_owned(),
                namespace: namespace.clone(),
                metric_name: metric_name.clone(),
                value: filter.value.clone(),
                default_value: filter.default,
                unit: unit(metric.unit),
                dimensions: (!filter.dimensions.is_empty()).then(|| filter.dimensions.clone()),
            };
            filters.insert(format!("{name} {log_group}"), made);
        }
    }
    filters
}

/// `CloudWatch` has no unit for money, and none for what happens in an hour.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "Percent",
        Unit::Milliseconds => "Milliseconds",
        Unit::Seconds => "Seconds",
        Unit::Count | Unit::CountPerHour => "Count",
        Unit::Bytes => "Bytes",
        Unit::Usd | Unit::UsdPerHour | Unit::None => "None",
    }
}
