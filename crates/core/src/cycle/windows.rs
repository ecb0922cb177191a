//! The datapoints that the rules of a cycle need: asked for, computed and aligned.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::reach;
use crate::catalogue::{Catalogue, Metric, Rule, Source};
use crate::formula::Formula;
use crate::metric::{Dimensions, Series};
use crate::rule::{evaluation_range, mask_low_volume};

const DAY_SECONDS: u32 = 86_400;

/// Datapoints that a cycle has to read: those of one metric on one set of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Need<'a> {
    /// Never a formula.
    pub metric: &'a Metric,
    /// Empty for the costs of every service, whose names nobody lists.
    pub dimensions: Dimensions,
    /// How many periods.
    pub count: usize,
    /// Start of the first period.
    pub start: Timestamp,
    /// End of the last period.
    pub end: Timestamp,
}

/// Datapoints by metric and dimensions, oldest first, the newest complete period last.
#[derive(Debug, Default)]
pub struct Windows {
    by_metric: BTreeMap<String, BTreeMap<Dimensions, Vec<Option<f64>>>>,
    /// Metrics of which something could not be read. Their rules are not evaluated: a failure is not missing data.
    failed: BTreeSet<(String, Dimensions)>,
    /// What failed, for the report.
    pub failures: Vec<String>,
}

/// Start of the newest period of a metric whose data is complete.
pub fn newest_period(catalogue: &Catalogue, metric: &Metric, now: Timestamp) -> Timestamp {
    end_of(catalogue, metric, now) - SignedDuration::from_secs(i64::from(metric.period_seconds))
}

/// End of that period. Costs are known a day late at the best.
fn end_of(catalogue: &Catalogue, metric: &Metric, now: Timestamp) -> Timestamp {
    let period = i64::from(metric.period_seconds.max(1));
    let settled = now.as_second() - i64::from(delay(catalogue, metric));
    Timestamp::from_second(settled.div_euclid(period) * period).unwrap_or(now)
}

/// How long after the end of a period its data is complete, in seconds.
pub fn delay(catalogue: &Catalogue, metric: &Metric) -> u32 {
    if reach::rests_on_costs(catalogue, metric) {
        catalogue.cost_delay_seconds
    } else {
        catalogue.ingestion_delay_seconds
    }
}

/// How many datapoints a rule is evaluated on: its evaluation range.
pub fn evaluated_length(rule: &Rule) -> usize {
    evaluation_range(&rule.evaluation)
}

/// What a cycle at `now` has to read for these rules, each with the newest `length` datapoints.
pub fn needs<'a>(
    catalogue: &'a Catalogue,
    rules: &[&Rule],
    length: &dyn Fn(&Rule) -> usize,
    now: Timestamp,
) -> Vec<Need<'a>> {
    let mut needs = Vec::new();
    for (name, count) in wanted(catalogue, rules, length) {
        let Some(metric) = catalogue.metrics.get(&name) else { continue };
        if matches!(metric.source, Source::Formula { .. }) {
            continue;
        }
        let end = end_of(catalogue, metric, now);
        let length = i64::from(metric.period_seconds) * i64::try_from(count).unwrap_or(1);
        // One request brings the costs of every service, whose names nobody lists.
        let every_service = [Dimensions::new()];
        let sets = match metric.source {
            Source::Cost { by_service: true } => &every_service[..],
            _ => &metric.dimensions,
        };
        needs.extend(sets.iter().map(|dimensions| Need {
            metric,
            dimensions: dimensions.clone(),
            count,
            start: end - SignedDuration::from_secs(length),
            end,
        }));
    }
    needs
}

impl Windows {
    /// The windows of these rules, of the answers to [`needs`] in their order: series, or why the source failed.
    pub fn new(
        catalogue: &Catalogue,
        rules: &[&Rule],
        length: &dyn Fn(&Rule) -> usize,
        needs: &[Need<'_>],
        answers: impl IntoIterator<Item = Result<Vec<Series>, String>>,
    ) -> Self {
        let mut windows = Self::default();
        for (need, answer) in needs.iter().zip(answers) {
            match answer {
                Ok(series) => windows.insert(need, &series),
                Err(reason) => {
                    windows.failed.insert((need.metric.name.clone(), need.dimensions.clone()));
                    windows.failures.push(format!("{}: {reason}", need.metric.name));
                }
            }
        }
        windows.failures.sort();
        windows.failures.dedup();
        windows.compute(catalogue, &wanted(catalogue, rules, length));
        windows
    }

    fn insert(&mut self, need: &Need<'_>, series: &[Series]) {
        let metric = self.by_metric.entry(need.metric.name.clone()).or_default();
        for series in series {
            let window = series.window(need.end, need.metric.period_seconds, need.count);
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
            let read = count.saturating_add(behind(metric, formula));
            let inputs: BTreeMap<&str, Vec<Option<f64>>> =
                formula.inputs().map(|input| (input, self.window(input, dimensions, read))).collect();
            let mut values = formula.evaluate(&|name| inputs.get(name).map(Vec::as_slice), count);
            if formula.lookback() > 0 {
                mask_unsettled(&mut values, &inputs, settling(metric));
            }
            self.by_metric.entry(metric.name.clone()).or_default().insert(dimensions.clone(), values);
        }
    }

    fn has_failed(&self, metric: &str, dimensions: &Dimensions) -> bool {
        self.failed.contains(&(metric.to_owned(), dimensions.clone()))
            || self.failed.contains(&(metric.to_owned(), Dimensions::new()))
    }

    /// The newest `count` datapoints of a metric on a set of dimensions, or of the metric without dimensions where it
    /// has none.
    fn window(&self, metric: &str, dimensions: &Dimensions, count: usize) -> Vec<Option<f64>> {
        let series = self.by_metric.get(metric);
        let window = series.and_then(|series| series.get(dimensions).or_else(|| series.get(&Dimensions::new())));
        let known = window.map_or(&[][..], Vec::as_slice);
        let newest = known.get(known.len().saturating_sub(count)..).unwrap_or_default();
        let mut padded = vec![None; count - newest.len()];
        padded.extend_from_slice(newest);
        padded
    }

    /// The newest `count` datapoints of a rule's metric, for each of its series that could be read. Those with too little
    /// behind them are missing.
    pub fn of_rule(&self, rule: &Rule, count: usize) -> impl Iterator<Item = (&Dimensions, Vec<Option<f64>>)> {
        let volume_failed = move |dimensions: &Dimensions| {
            rule.min_volume.as_ref().is_some_and(|volume| self.has_failed(&volume.metric, dimensions))
        };
        let series = self.by_metric.get(&rule.metric).into_iter().flatten();
        series.filter(move |(dimensions, _)| !volume_failed(dimensions)).map(move |(dimensions, _)| {
            let mut datapoints = self.window(&rule.metric, dimensions, count);
            if let Some(volume) = &rule.min_volume {
                mask_low_volume(&mut datapoints, &self.window(&volume.metric, dimensions, count), volume.at_least);
            }
            (dimensions, datapoints)
        })
    }

    /// Whether each series of a rule has a datapoint in its newest period.
    pub fn is_complete(&self, rule: &Rule) -> bool {
        let newest = self.by_metric.get(&rule.metric).into_iter().flat_map(BTreeMap::values);
        newest.map(|window| window.last().copied().flatten()).all(|value| value.is_some())
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.by_metric.values().map(BTreeMap::len).sum()
    }

    /// The newest value of every formula that has no dimensions and [is told](is_told).
    pub fn computed(&self, catalogue: &Catalogue) -> BTreeMap<String, f64> {
        let formulas = catalogue.metrics.values().filter(|metric| is_told(metric));
        formulas
            .filter_map(|metric| {
                let window = self.by_metric.get(&metric.name)?.get(&Dimensions::new())?;
                Some((metric.name.clone(), window.last().copied().flatten()?))
            })
            .collect()
    }
}

/// How many periods before a window a formula needs of its inputs: those that it adds up, and a day before these.
fn behind(metric: &Metric, formula: &Formula) -> usize {
    match formula.lookback() {
        0 => 0,
        lookback => lookback.saturating_add(settling(metric)),
    }
}

/// A day, within which something must have been measured before what a formula adds up.
fn settling(metric: &Metric) -> usize {
    usize::try_from(DAY_SECONDS / metric.period_seconds.max(1)).unwrap_or(usize::MAX).max(1)
}

/// Leaves out what a formula adds up over hardly any data: two bad minutes after the first ones of all are no three days. A value stays
/// where some input had a datapoint within a day before all that it adds up, so that a quiet night is no beginning.
fn mask_unsettled(values: &mut [Option<f64>], inputs: &BTreeMap<&str, Vec<Option<f64>>>, settling: usize) {
    let length = inputs.values().map(Vec::len).max().unwrap_or_default();
    let is_known = |index: usize| inputs.values().any(|input| input.get(index).copied().flatten().is_some());
    // The last period up to each one that is known.
    let mut last_known = None;
    let mut known_before: Vec<Option<usize>> = Vec::with_capacity(length);
    for index in 0..length {
        known_before.push(last_known);
        if is_known(index) {
            last_known = Some(index);
        }
    }
    for (index, value) in values.iter_mut().enumerate() {
        // What the value adds up begins a day after the first period that was read for it.
        let known = known_before.get(index + settling).copied().flatten();
        if known.is_none_or(|known| known < index) {
            *value = None;
        }
    }
}

/// Whether the newest value of a formula is told as a metric of its own. Burn rates are not, since no dashboard draws them and each would cost
/// as much as any other metric; their rules and `monitorctl slo` tell of them.
pub fn is_told(metric: &Metric) -> bool {
    let Source::Formula { expression } = &metric.source else { return false };
    Formula::parse(expression).is_ok_and(|formula| formula.is_metric_math())
}

/// The metrics that rules need, with how many datapoints of each: their own, the volume behind them, and the inputs of
/// formulas all the way down.
fn wanted(catalogue: &Catalogue, rules: &[&Rule], length: &dyn Fn(&Rule) -> usize) -> BTreeMap<String, usize> {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let mut open: Vec<(String, usize)> = Vec::new();
    // A composite rule reads nothing itself.
    for rule in rules.iter().filter(|rule| rule.condition.composite().is_none()) {
        let count = length(rule);
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
            let read = count.saturating_add(catalogue.metrics.get(&name).map_or(0, |metric| behind(metric, &formula)));
            open.extend(formula.inputs().map(|input| (input.to_owned(), read)));
        }
        wanted.insert(name, count);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Periods in which something was measured, X, and the values that are left of all: a sum of 3 periods after 4 of settling.
    fn left(measured: &str) -> String {
        let input = measured.chars().map(|period| (period == 'X').then_some(1.0)).collect();
        let inputs = BTreeMap::from([("Input", input)]);
        let mut values = vec![Some(1.0); measured.len() - 6];
        mask_unsettled(&mut values, &inputs, 4);
        values.iter().map(|value| if value.is_some() { 'X' } else { '-' }).collect()
    }

    #[test]
    fn what_is_added_up_over_hardly_any_data_is_no_value() {
        assert_eq!(left("XXXXXXXXXX"), "XXXX");
        // The first of all is in the sum of the first two values, and before that of the others.
        assert_eq!(left("-----XXXXXX"), "--XXX");
        // A quiet time of as long as settling takes: what is before it is known.
        assert_eq!(left("X------XXXXX"), "X---XX");
        assert_eq!(left("----------"), "----");
    }
}
