//! The datapoints that the rules of a cycle need: read, computed and aligned.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use monitoring_core::catalogue::{Catalogue, Metric, Rule, Source};
use monitoring_core::formula::Formula;
use monitoring_core::metric::{Dimensions, Series};
use monitoring_core::rule::evaluation_range;

use crate::outside::{Outside, SeriesRequest};

/// Datapoints by metric and dimensions, oldest first, the newest complete period last.
#[derive(Debug, Default)]
pub(super) struct Windows {
    by_metric: BTreeMap<String, BTreeMap<Dimensions, Vec<Option<f64>>>>,
    /// Metrics of which something could not be read. Their rules are not evaluated: a failure is not missing data.
    failed: BTreeSet<(String, Dimensions)>,
    /// What failed, for the report.
    pub(super) failures: Vec<String>,
}

/// Start of the newest period of a metric whose data is complete.
pub(super) fn newest_period(catalogue: &Catalogue, metric: &Metric, now: Timestamp) -> Timestamp {
    end_of(catalogue, metric, now) - SignedDuration::from_secs(i64::from(metric.period_seconds))
}

/// End of that period. Costs are known a day late at the best.
fn end_of(catalogue: &Catalogue, metric: &Metric, now: Timestamp) -> Timestamp {
    let period = i64::from(metric.period_seconds.max(1));
    let settled = now.as_second() - i64::from(catalogue.ingestion_delay_seconds);
    Timestamp::from_second(settled.div_euclid(period) * period).unwrap_or(now)
}

impl Windows {
    pub(super) async fn read<O: Outside>(catalogue: &Catalogue, outside: &O, rules: &[&Rule], now: Timestamp) -> Self {
        let wanted = wanted(catalogue, rules);
        let mut requests = Vec::new();
        for (name, count) in &wanted {
            let Some(metric) = catalogue.metrics.get(name) else { continue };
            if matches!(metric.source, Source::Formula { .. }) {
                continue;
            }
            let end = end_of(catalogue, metric, now);
            let length = i64::from(metric.period_seconds) * i64::try_from(*count).unwrap_or(1);
            // One request brings the costs of every service, whose names nobody lists.
            let every_service = [Dimensions::new()];
            let sets = match metric.source {
                Source::Cost { by_service: true } => &every_service[..],
                _ => &metric.dimensions,
            };
            requests.extend(sets.iter().map(|dimensions| SeriesRequest {
                metric: name.clone(),
                source: metric.source.clone(),
                dimensions: dimensions.clone(),
                period_seconds: metric.period_seconds,
                start: end - SignedDuration::from_secs(length),
                end,
            }));
        }
        let answers = if requests.is_empty() { Vec::new() } else { outside.series(&requests, now).await };
        let mut windows = Self::default();
        for (request, answer) in requests.iter().zip(answers) {
            let count = wanted.get(&request.metric).copied().unwrap_or_default();
            match answer {
                Ok(series) => windows.insert(request, &series, count),
                Err(reason) => {
                    windows.failed.insert((request.metric.clone(), request.dimensions.clone()));
                    windows.failures.push(format!("{}: {reason}", request.metric));
                }
            }
        }
        windows.failures.sort();
        windows.failures.dedup();
        windows.compute(catalogue, &wanted);
        windows
    }

    fn insert(&mut self, request: &SeriesRequest, series: &[Series], count: usize) {
        let metric = self.by_metric.entry(request.metric.clone()).or_default();
        for series in series {
            let window = series.window(request.end, request.period_seconds, count);
            metric.insert(series.dimensions.clone(), window);
        }
    }

    /// Computes formulas, those first whose inputs are known; the catalogue's check refuses cycles.
    fn compute(&mut self, catalogue: &Catalogue, wanted: &BTreeMap<String, usize>) {
        let mut formulas: Vec<(&Metric, Formula)> = Vec::new();
        for name in wanted.keys() {
            let Some(metric) = catalogue.metrics.get(name) else { continue };
            let Source::Formula { expression } = &metric.source else { continue };
            match Formula::parse(expression) {
                Ok(formula) => formulas.push((metric, formula)),
                Err(error) => self.failures.push(format!("{name}: {error}")),
            }
        }
        while !formulas.is_empty() {
            let pending: BTreeSet<String> = formulas.iter().map(|(metric, _)| metric.name.clone()).collect();
            let (ready, later): (Vec<_>, Vec<_>) =
                formulas.into_iter().partition(|(_, formula)| formula.inputs().all(|input| !pending.contains(input)));
            if ready.is_empty() {
                self.failures
                    .extend(later.iter().map(|(metric, _)| format!("{}: its formula depends on itself", metric.name)));
                return;
            }
            for (metric, formula) in ready {
                self.compute_one(metric, &formula, wanted.get(&metric.name).copied().unwrap_or_default());
            }
            formulas = later;
        }
    }

    fn compute_one(&mut self, metric: &Metric, formula: &Formula, count: usize) {
        for dimensions in &metric.dimensions {
            if formula.inputs().any(|input| self.has_failed(input, dimensions)) {
                self.failed.insert((metric.name.clone(), dimensions.clone()));
                continue;
            }
            let inputs: BTreeMap<&str, Vec<Option<f64>>> =
                formula.inputs().map(|input| (input, self.window(input, dimensions, count))).collect();
            let values = formula.evaluate(&|name| inputs.get(name).map(Vec::as_slice), count);
            self.by_metric.entry(metric.name.clone()).or_default().insert(dimensions.clone(), values);
        }
    }

    fn has_failed(&self, metric: &str, dimensions: &Dimensions) -> bool {
        self.failed.contains(&(metric.to_owned(), dimensions.clone()))
            || self.failed.contains(&(metric.to_owned(), Dimensions::new()))
    }

    /// The newest `count` datapoints of a metric on a set of dimensions, or of the metric without dimensions where it
    /// has none.
    pub(super) fn window(&self, metric: &str, dimensions: &Dimensions, count: usize) -> Vec<Option<f64>> {
        let series = self.by_metric.get(metric);
        let window = series.and_then(|series| series.get(dimensions).or_else(|| series.get(&Dimensions::new())));
        let known = window.map_or(&[][..], Vec::as_slice);
        let newest = known.get(known.len().saturating_sub(count)..).unwrap_or_default();
        let mut padded = vec![None; count - newest.len()];
        padded.extend_from_slice(newest);
        padded
    }

    /// The datapoints that a rule is evaluated on, for each series of its metric that could be read.
    pub(super) fn of_rule(&self, rule: &Rule) -> impl Iterator<Item = (&Dimensions, Vec<Option<f64>>)> {
        let count = evaluation_range(&rule.evaluation);
        let volume_failed = move |dimensions: &Dimensions| {
            rule.min_volume.as_ref().is_some_and(|volume| self.has_failed(&volume.metric, dimensions))
        };
        let series = self.by_metric.get(&rule.metric).into_iter().flatten();
        series
            .filter(move |(dimensions, _)| !volume_failed(dimensions))
            .map(move |(dimensions, _)| (dimensions, self.window(&rule.metric, dimensions, count)))
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.by_metric.values().map(BTreeMap::len).sum()
    }

    /// The newest value of every formula that has no dimensions.
    pub(super) fn computed(&self, catalogue: &Catalogue) -> BTreeMap<String, f64> {
        let formulas = catalogue.metrics.values().filter(|metric| matches!(metric.source, Source::Formula { .. }));
        formulas
            .filter_map(|metric| {
                let window = self.by_metric.get(&metric.name)?.get(&Dimensions::new())?;
                Some((metric.name.clone(), window.last().copied().flatten()?))
            })
            .collect()
    }
}

/// The metrics that rules need, with how many datapoints of each: their own, the volume behind them, and the inputs of
/// formulas all the way down.
fn wanted(catalogue: &Catalogue, rules: &[&Rule]) -> BTreeMap<String, usize> {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let mut open: Vec<(String, usize)> = Vec::new();
    for rule in rules {
        let count = evaluation_range(&rule.evaluation);
        open.push((rule.metric.clone(), count));
        open.extend(rule.min_volume.as_ref().map(|volume| (volume.metric.clone(), count)));
    }
    while let Some((name, count)) = open.pop() {
        if wanted.get(&name).is_some_and(|known| *known >= count) {
            continue;
        }
        if let Some(Source::Formula { expression }) = catalogue.metrics.get(&name).map(|metric| &metric.source)
            && let Ok(formula) = Formula::parse(expression)
        {
            open.extend(formula.inputs().map(|input| (input.to_owned(), count)));
        }
        wanted.insert(name, count);
    }
    wanted
}
