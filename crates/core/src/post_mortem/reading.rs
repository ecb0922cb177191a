//! The series that a post-mortem wants, what has to be read for them, and their datapoints.

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{Catalogue, Source};
use crate::formula::Formula;
use crate::metric::{Dimensions, Series};

/// How deep formulas may rest on formulas; the catalogue's check refuses circles.
const MAX_DEPTH: u32 = 16;

/// `CloudWatch` keeps periods of a minute for 15 days, of 5 minutes for 63 days, and of an hour for 455 days. A day less,
/// for what is asked a little later.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention>.
const KEPT: [(i64, u32); 2] = [(14 * 86_400, 60), (62 * 86_400, 300)];

/// A metric of the catalogue on one set of dimensions, in whole periods.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Its name.
    pub metric: String,
    /// Which series.
    pub dimensions: Dimensions,
    /// Length of a period, in seconds: the metric's own or a multiple of it.
    pub period_seconds: u32,
    /// Start of the first period.
    pub start: Timestamp,
    /// End of the last period.
    pub end: Timestamp,
}

impl Want {
    /// How many periods.
    pub fn periods(&self) -> usize {
        let seconds = (self.end.as_second() - self.start.as_second()).max(0);
        usize::try_from(seconds / i64::from(self.period_seconds.max(1))).unwrap_or_default()
    }
}

/// What has to be read for these wants: never a formula, and nothing twice.
pub fn reads(catalogue: &Catalogue, wants: &[Want]) -> Vec<Want> {
    let mut reads: Vec<Want> = Vec::new();
    let mut open: Vec<(Want, u32)> = wants.iter().rev().map(|want| (want.clone(), 0)).collect();
    while let Some((want, depth)) = open.pop() {
        let Some(metric) = catalogue.metrics.get(&want.metric) else { continue };
        match &metric.source {
            Source::Formula { expression } if depth < MAX_DEPTH => {
                let Ok(formula) = Formula::parse(expression) else { continue };
                open.extend(formula.inputs().map(|input| (of_input(catalogue, input, &want), depth + 1)));
            }
            Source::Formula { .. } => {}
            _ if reads.contains(&want) => {}
            _ => reads.push(want),
        }
    }
    reads
}

/// What became of [`reads`].
#[derive(Debug, Default)]
pub struct Readings {
    read: Vec<(Want, Result<Vec<Series>, String>)>,
}

impl Readings {
    /// The answers to these reads, in their order: series, or why the source failed.
    pub fn new(reads: Vec<Want>, answers: impl IntoIterator<Item = Result<Vec<Series>, String>>) -> Self {
        Self { read: reads.into_iter().zip(answers).collect() }
    }

    /// A datapoint, or none, for each period of a want; or why that is not known.
    pub fn datapoints(&self, catalogue: &Catalogue, want: &Want) -> Result<Vec<Option<f64>>, String> {
        self.computed(catalogue, want, 0)
    }

    fn computed(&self, catalogue: &Catalogue, want: &Want, depth: u32) -> Result<Vec<Option<f64>>, String> {
        let Some(metric) = catalogue.metrics.get(&want.metric) else {
            return Err(format!("the catalogue has no metric {}", want.metric));
        };
        let Source::Formula { expression } = &metric.source else { return self.of_source(want) };
        if depth >= MAX_DEPTH {
            return Err(format!("the formula of {} depends on itself", want.metric));
        }
        let formula = Formula::parse(expression).map_err(|error| format!("the formula of {}: {error}", want.metric))?;
        let mut inputs = Vec::new();
        for input in formula.inputs() {
            inputs.push((input, self.computed(catalogue, &of_input(catalogue, input, want), depth + 1)?));
        }
        let window = |name: &str| inputs.iter().find(|(input, _)| *input == name).map(|(_, values)| values.as_slice());
        Ok(formula.evaluate(&window, want.periods()))
    }

    fn of_source(&self, want: &Want) -> Result<Vec<Option<f64>>, String> {
        let Some((_, answer)) = self.read.iter().find(|(read, _)| read == want) else {
            return Err(format!("{} was not read", want.metric));
        };
        let series = answer.as_ref().map_err(Clone::clone)?;
        let series = series.iter().find(|series| series.dimensions == want.dimensions);
        Ok(match series {
            Some(series) => series.window(want.end, want.period_seconds, want.periods()),
            None => vec![None; want.periods()],
        })
    }
}

/// An input of a formula that is wanted, with the same dimensions or, where it has none, without.
fn of_input(catalogue: &Catalogue, input: &str, want: &Want) -> Want {
    let sets = catalogue.metrics.get(input).map(|metric| metric.dimensions.as_slice()).unwrap_or_default();
    let has_it = sets.is_empty() || sets.contains(&want.dimensions);
    let dimensions = if has_it { want.dimensions.clone() } else { Dimensions::new() };
    Want { metric: input.to_owned(), dimensions, ..want.clone() }
}

/// The shortest period that a metric still has at a time in the past: a multiple of its own.
pub(super) fn period_kept(period_seconds: u32, at: Timestamp, now: Timestamp) -> u32 {
    let age = now.duration_since(at).as_secs();
    let kept = KEPT.iter().find(|(until, _)| age < *until).map_or(3600, |(_, period)| *period);
    let period = period_seconds.max(1);
    let (mut a, mut b) = (period, kept);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    period.saturating_mul(kept / a.max(1))
}

/// The end of the last period whose data is complete.
pub(super) fn settled(catalogue: &Catalogue, period_seconds: u32, now: Timestamp) -> Timestamp {
    floor(now - SignedDuration::from_secs(i64::from(catalogue.ingestion_delay_seconds)), period_seconds)
}

/// The start of the period in which a time lies.
pub(super) fn floor(at: Timestamp, period_seconds: u32) -> Timestamp {
    let period = i64::from(period_seconds.max(1));
    Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(at)
}

/// The end of the period in which a time lies; a time between two periods is its own.
pub(super) fn ceiling(at: Timestamp, period_seconds: u32) -> Timestamp {
    let start = floor(at, period_seconds);
    if start == at { at } else { start + SignedDuration::from_secs(i64::from(period_seconds.max(1))) }
}
