//! What a cycle reads: the series of its rules, down to what is stored.

use std::collections::BTreeSet;

use monitoring_core::catalogue::{Catalogue, Metric, Rule, Source};
use monitoring_core::formula::Formula;
use monitoring_core::metric::Dimensions;
use monitoring_core::rule::evaluation_range;

use super::MONTH_SECONDS;

/// A series that is asked for, by what identifies it where it is stored: one that several rules need is asked for once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    /// A query of `GetMetricData`.
    Metric { namespace: String, name: String, statistic: String, period_seconds: u32, dimensions: Dimensions },
    /// A Logs Insights query over so many seconds.
    Logs { query: String, seconds: u64 },
    /// A query of Cost Explorer, once a day.
    Cost { by_service: bool },
}

/// The metrics that a rule rests on: its own, the volume behind it, and the inputs of formulas all the way down. None for a composite,
/// which rests on rules.
pub(super) fn metrics<'a>(catalogue: &'a Catalogue, rule: &Rule) -> Vec<&'a Metric> {
    if rule.condition.composite().is_some() {
        return Vec::new();
    }
    let volume = rule.min_volume.as_ref().map(|volume| volume.metric.clone());
    let mut open: Vec<String> = [rule.metric.clone()].into_iter().chain(volume).collect();
    let mut found: Vec<&Metric> = Vec::new();
    while let Some(name) = open.pop() {
        let Some(metric) = catalogue.metrics.get(&name) else { continue };
        if found.iter().any(|known| known.name == name) {
            continue;
        }
        if let Source::Formula { expression } = &metric.source
            && let Ok(formula) = Formula::parse(expression)
        {
            open.extend(formula.inputs().map(str::to_owned));
        }
        found.push(metric);
    }
    found
}

/// What a cycle reads for these rules.
pub(super) fn reads<'a>(catalogue: &Catalogue, rules: impl IntoIterator<Item = &'a Rule>) -> BTreeSet<Read> {
    let mut found = BTreeSet::new();
    for rule in rules {
        let periods = u64::try_from(evaluation_range(&rule.evaluation)).unwrap_or(u64::MAX);
        for metric in metrics(catalogue, rule) {
            match &metric.source {
                Source::Cloudwatch { namespace, metric_name, statistic } => {
                    found.extend(metric.dimensions.iter().map(|dimensions| Read::Metric {
                        namespace: namespace.clone(),
                        name: metric_name.clone(),
                        statistic: statistic.clone(),
                        period_seconds: metric.period_seconds,
                        dimensions: dimensions.clone(),
                    }));
                }
                Source::Logs { query, .. } => {
                    let seconds = u64::from(metric.period_seconds).saturating_mul(periods);
                    found.insert(Read::Logs { query: query.clone(), seconds });
                }
                Source::Cost { by_service } => {
                    found.insert(Read::Cost { by_service: *by_service });
                }
                Source::Formula { .. } => {}
            }
        }
    }
    found
}

/// How often a month a series is read by `GetMetricData`; 0 for what is read elsewhere. One whose periods are longer than a
/// cycle is read when a period is complete.
pub(super) fn times(catalogue: &Catalogue, read: &Read) -> f64 {
    let Read::Metric { period_seconds, .. } = read else { return 0.0 };
    f64::from(MONTH_SECONDS) / f64::from(catalogue.cycle_seconds.max(*period_seconds).max(1))
}

/// How many queries of Cost Explorer that is in a day: the total is the sum of the services, where these are read.
pub(super) fn cost_queries<'a>(reads: impl IntoIterator<Item = &'a Read>) -> usize {
    usize::from(reads.into_iter().any(|read| matches!(read, Read::Cost { .. })))
}
