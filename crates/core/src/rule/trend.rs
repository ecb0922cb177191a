//! A line through the last datapoints, and where it leads.
//!
//! The slope is the median of those between all pairs of points (Theil-Sen: P. K. Sen, "Estimates of the Regression Coefficient Based
//! on Kendall's Tau", JASA 63, 1968), so that a fifth of wild values does not bend it. A slope that could be chance counts as none,
//! by the test of Mann and Kendall (M. G. Kendall, "Rank Correlation Methods", 1975).

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{Comparison, Tier, Trend};
use crate::metric::{Unit, format_seconds};

/// The fewest points that tell a trend; as many as differ from chance by [`SURE`] when each is above the one before.
const LEAST_POINTS: usize = 8;

/// The most points that a line is fitted to; of more, neighbours are joined to their median. 120 have 7,140 pairs.
const MOST_POINTS: usize = 120;

/// How many standard deviations the test must be away from chance: one false trend in some 700.
const SURE: f64 = 3.0;

/// Larger values count as these, so that no difference overflows.
const LARGEST: f64 = 1e150;

/// Where a line leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Projection {
    /// The value on the line that is worst, from now until the end of the time that is looked ahead.
    pub(super) worst: f64,
    /// The value on the line now.
    now: f64,
    /// The change in a period; 0 where it could be chance.
    slope: f64,
}

/// How many datapoints the line is fitted to.
pub(super) fn window(trend: Trend, period_seconds: u32) -> usize {
    usize::try_from(trend.over_seconds / period_seconds.max(1)).unwrap_or(usize::MAX).max(1)
}

/// The projection at the newest of these datapoints; `None` where it is missing, or more than half of them are.
pub(super) fn project(
    trend: Trend,
    comparison: Comparison,
    period_seconds: u32,
    datapoints: &[Option<f64>],
) -> Option<Projection> {
    datapoints.last().copied().flatten()?;
    let (now, slope) = line(&points(datapoints)?)?;
    let ahead = f64::from(trend.within_seconds) / f64::from(period_seconds.max(1));
    let then = now + slope * ahead;
    let worst = if comparison.is_upper() { now.max(then) } else { now.min(then) };
    Some(Projection { worst, now, slope })
}

impl Projection {
    /// Why it is wrong: `rises by 2 % an hour and will be above 90 % at 2026-11-28 14:20 UTC, in 5 h`. `end` is the end of the period.
    pub(super) fn reason(self, tier: &Tier, trend: Trend, period_seconds: u32, unit: Unit, end: Timestamp) -> String {
        let threshold = format!("{} {}", tier.comparison, unit.format(tier.threshold));
        if tier.comparison.breaches(self.now, tier.threshold) {
            let over = format_seconds(i64::from(trend.over_seconds));
            return format!("is {threshold} now, at {} on the line through the last {over}", unit.format(self.now));
        }
        let period = f64::from(period_seconds.max(1));
        let (length, name) = if trend.within_seconds > 2 * 86_400 { (86_400.0, "a day") } else { (3600.0, "an hour") };
        let rate = unit.format((self.slope * length / period).abs());
        let moves = if self.slope > 0.0 { "rises" } else { "falls" };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float saturates; it is less than the time that is looked ahead"
        )]
        let seconds = ((tier.threshold - self.now) / self.slope * period) as i64;
        let at = end.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(end);
        let at = at.strftime("%Y-%m-%d %H:%M UTC");
        format!("{moves} by {rate} {name} and will be {threshold} at {at}, in {}", format_seconds(seconds))
    }
}

/// Periods before the newest datapoint, as a negative number, and values.
fn points(datapoints: &[Option<f64>]) -> Option<Vec<(f64, f64)>> {
    let places = (0_i32..).map(|back| -f64::from(back));
    let newest_first = datapoints.iter().rev().zip(places);
    let known: Vec<(f64, f64)> = newest_first
        .filter_map(|(value, place)| Some((place, value.filter(|value| value.is_finite())?.clamp(-LARGEST, LARGEST))))
        .collect();
    if known.len() < LEAST_POINTS.max(datapoints.len().div_ceil(2)) {
        return None;
    }
    let together = known.len().div_ceil(MOST_POINTS);
    if together == 1 {
        return Some(known);
    }
    let joined = known.chunks(together).filter_map(|chunk| {
        let place = median(&mut chunk.iter().map(|(place, _)| *place).collect::<Vec<_>>())?;
        Some((place, median(&mut chunk.iter().map(|(_, value)| *value).collect::<Vec<_>>())?))
    });
    Some(joined.collect())
}

/// The value at place 0, and the slope.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    let mut rising = 0_i32;
    for (index, (place, value)) in points.iter().enumerate() {
        for (earlier, before) in points.get(index + 1..).unwrap_or_default() {
            let slope = (value - before) / (place - earlier);
            rising += i32::from(slope > 0.0) - i32::from(slope < 0.0);
            slopes.push(slope);
        }
    }
    let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
    let deviation = (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    let is_sure = f64::from(rising.saturating_abs() - 1) >= SURE * deviation;
    let slope = if is_sure { median(&mut slopes)? } else { 0.0 };
    let now = median(&mut points.iter().map(|(place, value)| value - slope * place).collect::<Vec<_>>())?;
    Some((now, slope))
}

/// The middle one; of an even number the mean of both.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let is_odd = values.len() % 2 == 1;
    let (lower, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return Some(upper);
    }
    let lower = lower.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(lower, upper))
}
