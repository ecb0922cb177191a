//! Sample data: the series of the simulated application, and what the rules make of them at a moment.

use jiff::{SignedDuration, Timestamp};
use monitoring_aws::outside::SeriesRequest;
use monitoring_core::catalogue::{Catalogue, Condition, Metric, Rule, Severity, Source};
use monitoring_core::formula::Formula;
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};
use monitoring_core::rule::{self, Outcome};

use crate::catalogue::deployment::board::Board;
use crate::local::simulate::Simulation;

/// The simulation, seen through a catalogue.
#[derive(Debug)]
pub(super) struct SampleData<'a> {
    catalogue: &'a Catalogue,
    simulation: Simulation,
}

/// A rule that fires on a set of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Firing<'a> {
    pub(super) rule: &'a Rule,
    /// Index of the worst level that does.
    pub(super) level: usize,
    pub(super) dimensions: &'a Dimensions,
    /// With its unit.
    pub(super) value: String,
}

impl Firing<'_> {
    /// Of the incident that it opens.
    pub(super) fn severity(&self) -> Severity {
        self.rule.condition.levels().nth(self.level).map_or(Severity::Sev4, |level| level.incident)
    }

    /// `lambda-duration{FunctionName=api}`.
    pub(super) fn alert(&self) -> String {
        format!("{}{}", self.rule.name, format_dimensions(self.dimensions))
    }
}

impl<'a> SampleData<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> anyhow::Result<Self> {
        Ok(Self { catalogue, simulation: crate::local::simulation()? })
    }

    /// When most of the rules on a dashboard's metrics fire: at the end of one of the simulation's troubles.
    pub(super) fn worst_moment(&self, board: &Board) -> Timestamp {
        let metrics = board.metrics();
        let firing = |at: Timestamp| {
            self.firing(at).iter().filter(|firing| metrics.contains(firing.rule.metric.as_str())).count()
        };
        let ends = self.simulation.story().into_iter().map(|(_, to, _)| (firing(to), to));
        // The first of equals.
        ends.reduce(|best, next| if next.0 > best.0 { next } else { best }).map_or(Timestamp::UNIX_EPOCH, |(_, at)| at)
    }

    /// What fires at a moment, the most severe first.
    pub(super) fn firing(&self, at: Timestamp) -> Vec<Firing<'a>> {
        let mut firing: Vec<Firing<'a>> = Vec::new();
        for rule in self.catalogue.rules.values() {
            let Some(metric) = self.catalogue.metrics.get(&rule.metric) else { continue };
            firing.extend(metric.dimensions.iter().filter_map(|dimensions| self.fires(rule, metric, dimensions, at)));
        }
        firing.sort_by(|a, b| b.severity().cmp(&a.severity()).then_with(|| a.alert().cmp(&b.alert())));
        firing
    }

    fn fires(&self, rule: &'a Rule, metric: &Metric, dimensions: &'a Dimensions, at: Timestamp) -> Option<Firing<'a>> {
        let count = rule::evaluation_range(&rule.evaluation);
        let period = i64::from(metric.period_seconds.max(1));
        let end = Timestamp::from_second(at.as_second().div_euclid(period) * period).ok()?;
        let newest = end.checked_sub(SignedDuration::from_secs(period)).ok()?;
        if rule.active_hours.as_ref().is_some_and(|hours| !rule::is_active(hours, newest)) {
            return None;
        }
        let mut datapoints = self.window(&metric.name, dimensions, end, count);
        if let Some(volume) = &rule.min_volume {
            rule::mask_low_volume(
                &mut datapoints,
                &self.window(&volume.metric, dimensions, end, count),
                volume.at_least,
            );
        }
        let verdict = rule::evaluate(&rule.condition, &rule.evaluation, &datapoints, None);
        let Outcome::Alarm { level } = verdict.outcome else { return None };
        let value = match (&rule.condition, verdict.value) {
            (Condition::Threshold { .. }, Some(value)) => metric.unit.format(value),
            _ => "no data".to_owned(),
        };
        Some(Firing { rule, level, dimensions, value })
    }

    /// The samples of a metric between two times, in whole periods.
    pub(super) fn samples(&self, metric: &str, dimensions: &Dimensions, from: Timestamp, to: Timestamp) -> Vec<Sample> {
        let Some(metric) = self.catalogue.metrics.get(metric) else { return Vec::new() };
        let period = i64::from(metric.period_seconds.max(1));
        let end = to.as_second().div_euclid(period) * period;
        let count = usize::try_from((end - from.as_second()).max(0) / period).unwrap_or_default();
        let Ok(end) = Timestamp::from_second(end) else { return Vec::new() };
        let window = self.window(&metric.name, dimensions, end, count);
        let times = (0_i64..).map(|index| end.as_second() - period * (i64::try_from(count).unwrap_or(0) - index));
        times
            .zip(window)
            .filter_map(|(second, value)| Some(Sample { at: Timestamp::from_second(second).ok()?, value: value? }))
            .collect()
    }

    /// The newest datapoints of a metric before a time, oldest first.
    fn window(&self, name: &str, dimensions: &Dimensions, end: Timestamp, count: usize) -> Vec<Option<f64>> {
        let nothing = vec![None; count];
        let Some(metric) = self.catalogue.metrics.get(name) else { return nothing };
        let Source::Formula { expression } = &metric.source else {
            return self.stored(metric, dimensions, end, count).unwrap_or(nothing);
        };
        // The check has read it.
        let Ok(formula) = Formula::parse(expression) else { return nothing };
        let read = count.saturating_add(formula.lookback());
        let inputs: Vec<(&str, Vec<Option<f64>>)> =
            formula.inputs().map(|input| (input, self.window(input, dimensions, end, read))).collect();
        let input = |name: &str| inputs.iter().find(|(input, _)| *input == name).map(|(_, window)| window.as_slice());
        formula.evaluate(&input, count)
    }

    fn stored(
        &self,
        metric: &Metric,
        dimensions: &Dimensions,
        end: Timestamp,
        count: usize,
    ) -> Option<Vec<Option<f64>>> {
        let length = i64::from(metric.period_seconds) * i64::try_from(count).ok()?;
        let request = SeriesRequest {
            metric: metric.name.clone(),
            source: metric.source.clone(),
            dimensions: dimensions.clone(),
            period_seconds: metric.period_seconds,
            start: end.checked_sub(SignedDuration::from_secs(length)).ok()?,
            end,
        };
        let series: Vec<Series> = self.simulation.series(&request).ok()?;
        Some(series.first()?.window(end, metric.period_seconds, count))
    }
}
