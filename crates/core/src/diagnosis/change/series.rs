//! A metric's samples, made ready: upwards is worse for failures, sorted, finite, and with what is normal known.

use jiff::{SignedDuration, Timestamp};

use super::super::{Kind, Measured};
use crate::metric::{Sample, Unit};

/// The largest magnitude of a value that is told from a larger one, so that squares and sums stay finite.
const MOST: f64 = 1e100;

/// A sample.
pub(super) type Point = (Timestamp, f64);

/// Whether a metric is looked at as it is, or upside down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(super) fn turn(self, value: f64) -> f64 {
        match self {
            Self::Up => value,
            Self::Down => -value,
        }
    }
}

/// A metric's samples.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    measured: &'a Measured,
    /// In the order of time.
    pub(super) normal: Vec<f64>,
    /// Median of `normal`; 0 where it is empty.
    pub(super) normal_level: f64,
    /// Spread of `normal`; 0 where it is empty.
    pub(super) normal_spread: f64,
    around: Vec<Point>,
    /// The usual time between samples.
    period: SignedDuration,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(measured: &'a Measured) -> Self {
        let normal: Vec<f64> = ready(&measured.normal, measured.kind).into_iter().map(|(_, value)| value).collect();
        let around = ready(&measured.around, measured.kind);
        let mut steps: Vec<SignedDuration> =
            around.iter().zip(around.iter().skip(1)).map(|(one, next)| next.0.duration_since(one.0)).collect();
        steps.sort_unstable();
        let period = steps.get(steps.len() / 2).copied().unwrap_or_default();
        let [low, quarter, middle, upper, high] = quantiles(&normal);
        let normal_spread = spread_of([low, quarter, middle, upper, high]);
        Self { measured, normal, normal_level: middle, normal_spread, around, period }
    }

    pub(super) fn unit(&self) -> Option<Unit> {
        self.measured.unit
    }

    pub(super) fn name(&self) -> &'a str {
        &self.measured.name
    }

    pub(super) fn kind(&self) -> Kind {
        self.measured.kind
    }

    pub(super) fn direction(&self) -> Direction {
        if self.kind() == Kind::LowerIsWorse { Direction::Down } else { Direction::Up }
    }

    /// All samples around the incident, in the order of time.
    pub(super) fn around(&self) -> &[Point] {
        &self.around
    }

    /// The samples whose period ends before the cut, and the others. Without a cut all are of the incident.
    pub(super) fn divided(&self, cut: Option<Timestamp>) -> (&[Point], &[Point]) {
        let Some(cut) = cut else { return (&[], &self.around) };
        let middle = self.around.partition_point(|(at, _)| cut.duration_since(*at) >= self.period && *at < cut);
        self.around.split_at_checked(middle).unwrap_or((&[], &self.around))
    }

    /// The start of the first run of samples that are out of range and that has one of the incident.
    pub(super) fn onset(&self, cut: Option<Timestamp>, is_out: impl Fn(f64) -> bool) -> Option<Timestamp> {
        let (before, since) = self.divided(cut);
        let first = since.iter().position(|(_, value)| is_out(*value))?;
        let run = if first == 0 { before.iter().rev().take_while(|(_, value)| is_out(*value)).last() } else { None };
        run.or(since.get(first)).map(|(at, _)| *at)
    }
}

/// Sorted, one for a time, finite, and with failures for successes.
fn ready(samples: &[Sample], kind: Kind) -> Vec<Point> {
    let turned = |value: f64| if kind == Kind::Availability { 100.0 - value } else { value };
    let mut ready: Vec<Point> = samples
        .iter()
        .filter(|sample| sample.value.is_finite())
        .map(|sample| (sample.at, turned(sample.value).clamp(-MOST, MOST)))
        .collect();
    if !ready.is_sorted_by_key(|(at, _)| *at) {
        ready.sort_by_key(|(at, _)| *at);
    }
    ready.dedup_by_key(|(at, _)| *at);
    ready
}

/// The middle of the values; 0 for none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// A standard deviation that neither a few outliers nor many equal values mislead: the larger of what the middle half
/// and what the middle nine tenths say. 0 for fewer than two values.
pub(super) fn spread(values: &[f64]) -> f64 {
    spread_of(quantiles(values))
}

/// The middle half of a normal distribution is 1.349 standard deviations wide, the middle nine tenths 3.290.
fn spread_of([low, quarter, _, upper, high]: [f64; 5]) -> f64 {
    ((upper - quarter) / 1.349).max((high - low) / 3.290)
}

/// The quantiles at 5, 25, 50, 75 and 95 %.
fn quantiles(values: &[f64]) -> [f64; 5] {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| quantile(&values, share))
}

/// A quantile of ascending values by linear interpolation between the two nearest (Hyndman and Fan 1996, type 7); 0 for
/// none.
fn quantile(values: &[f64], share: f64) -> f64 {
    let place = share * super::number(values.len().saturating_sub(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let below = place.floor() as usize;
    let low = values.get(below).copied().unwrap_or_default();
    let high = values.get(below + 1).copied().unwrap_or(low);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        // By hand: of 1 to 5 the quarter is the second value; at 5 % a fifth of the way from the first to the second.
        for (quantile, expected) in quantiles(&[5.0, 3.0, 1.0, 2.0, 4.0]).into_iter().zip([1.2, 2.0, 3.0, 4.0, 4.8]) {
            assert!((quantile - expected).abs() < 1e-12, "{quantile} {expected}");
        }
        for (values, expected) in [(vec![4.0, 1.0], 2.5), (vec![], 0.0), (vec![7.0], 7.0)] {
            assert!((median(&values) - expected).abs() < 1e-12, "{values:?}");
        }
        assert!(spread(&[7.0]).abs() < 1e-12);
    }

    #[test]
    fn one_outlier_does_not_widen_the_spread_much() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        let plain = spread(&values);
        values.push(1e9);
        assert!((spread(&values) / plain - 1.0).abs() < 0.05);
    }

    #[test]
    fn the_sample_of_the_cut_is_of_the_incident() {
        let samples = |times: &[i64]| -> Vec<Sample> {
            times.iter().map(|at| Sample { at: Timestamp::from_second(*at).unwrap(), value: 1.0 }).collect()
        };
        let measured = |times: &[i64]| Measured {
            name: "m".to_owned(),
            kind: Kind::Latency,
            unit: None,
            normal: Vec::new(),
            around: samples(times),
        };
        for (times, cut, before) in [
            (vec![0, 60, 120, 180], 120, 2),
            // The period that the cut lies in is no longer normal.
            (vec![0, 60, 120, 180], 119, 1),
            (vec![180, 0, 120, 60, 60], 120, 2),
            (vec![0], 1, 1),
            (vec![0], 0, 0),
            (vec![], 0, 0),
        ] {
            let measured = measured(&times);
            let prepared = Prepared::new(&measured);
            assert_eq!(prepared.divided(Timestamp::from_second(cut).ok()).0.len(), before, "{times:?} at {cut}");
        }
    }
}
