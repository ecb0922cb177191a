//! From values and times to shares of a chart's height and width, and where the round ones lie.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// About how many lines of a grid a chart has.
const LINES: f64 = 4.0;

/// The most lines, whatever rounding makes of it.
const MAX_LINES: u32 = 16;

/// Steps of a time axis in seconds: those of a clock, and then whole days.
const STEPS: [i64; 14] =
    [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000];

const DAY: i64 = 86_400;

/// Values between two round numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    least: f64,
    step: f64,
    lines: u32,
}

impl Scale {
    /// The scale that covers both; where they are one value it is from zero to something.
    pub(super) fn new(least: f64, most: f64) -> Self {
        let span = most - least;
        // What is infinite, or so small that it divides to nothing, has no scale of its own.
        let usable = span.is_finite() && span > f64::MIN_POSITIVE * 1e16;
        let (least, most) = if usable { (least, most) } else { (0.0, 1.0) };
        let step = round_up((most - least) / LINES);
        let first = (least / step).floor() * step;
        let lines = (1..=MAX_LINES).find(|lines| first + f64::from(*lines) * step >= most).unwrap_or(MAX_LINES);
        Self { least: first, step, lines }
    }

    /// 0 for the least value, 1 for the greatest; what is beyond is at the edge.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.least) / (self.step * f64::from(self.lines))).clamp(0.0, 1.0)
    }

    /// The round values, from the least.
    pub(super) fn ticks(self) -> impl Iterator<Item = f64> {
        (0..=self.lines).map(move |line| self.least + f64::from(line) * self.step)
    }
}

/// The next greater of 1, 2, 2.5 and 5 times a power of ten.
fn round_up(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= step * 0.999_999).unwrap_or(10.0);
    factor * power
}

/// Times between two edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeScale {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl TimeScale {
    /// At least a second long.
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        let second = jiff::SignedDuration::from_secs(1);
        Self { from, to: if to > from { to } else { from.saturating_add(second).unwrap_or(Timestamp::MAX) } }
    }

    /// 0 at the left edge, 1 at the right one.
    pub(super) fn share(self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        (at.duration_since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0)
    }

    /// Round times (UTC), at most about `most`, each with its label: the time of the day, or the date where a day begins.
    pub(super) fn ticks(self, most: f64) -> Vec<(Timestamp, String)> {
        let (from, to) = (self.from.as_second(), self.to.as_second());
        let wanted = self.to.duration_since(self.from).as_secs_f64() / most.max(1.0);
        let step = STEPS.into_iter().find(|step| seconds(*step) >= wanted).unwrap_or_else(|| whole_days(wanted));
        let first = from + (-from).rem_euclid(step);
        let times = std::iter::successors(Some(first), |at| at.checked_add(step)).take_while(|at| *at <= to);
        times.take(64).filter_map(|at| Some((Timestamp::from_second(at).ok()?, label(at)?))).collect()
    }
}

fn label(second: i64) -> Option<String> {
    let time = Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC);
    let format = if second.rem_euclid(DAY) == 0 { "%d %b" } else { "%H:%M" };
    Some(time.strftime(format).to_string())
}

#[expect(clippy::cast_precision_loss, reason = "a step of an axis is far below 2^52 seconds")]
fn seconds(step: i64) -> f64 {
    step as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the times of jiff span fewer than 2^39 seconds")]
fn whole_days(wanted: f64) -> i64 {
    (wanted / seconds(DAY)).ceil() as i64 * DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn values_lie_between_round_numbers() {
        for (least, most, expected) in [
            (0.0, 10.0, &[0.0, 2.5, 5.0, 7.5, 10.0][..]),
            (0.0, 5000.0, &[0.0, 2000.0, 4000.0, 6000.0]),
            (0.0, 0.8, &[0.0, 0.2, 0.4, 0.6, 0.8]),
            (-3.0, 4.0, &[-4.0, -2.0, 0.0, 2.0, 4.0]),
            (0.0, 0.0, &[0.0, 0.25, 0.5, 0.75, 1.0]),
            (0.0, f64::INFINITY, &[0.0, 0.25, 0.5, 0.75, 1.0]),
        ] {
            let ticks: Vec<f64> = Scale::new(least, most).ticks().map(|tick| (tick * 1e9).round() / 1e9).collect();
            assert_eq!(ticks, expected, "{least} to {most}");
        }
        assert!((Scale::new(0.0, 10.0).share(2.5) - 0.25).abs() < 1e-12);
        assert!((Scale::new(0.0, 10.0).share(11.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn times_are_those_of_a_clock() {
        let labels = |from: &str, to: &str, most: f64| -> Vec<String> {
            TimeScale::new(at(from), at(to)).ticks(most).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(
            labels("2024-10-14T22:50:00Z", "2024-10-15T01:10:00Z", 5.0),
            ["23:00", "23:30", "15 Oct", "00:30", "01:00"]
        );
        assert_eq!(
            labels("2024-10-14T00:00:00Z", "2024-10-17T00:00:00Z", 4.0),
            ["14 Oct", "15 Oct", "16 Oct", "17 Oct"]
        );
        assert_eq!(labels("2024-10-14T00:00:30Z", "2024-10-14T00:00:30Z", 4.0), [""; 0]);
        assert_eq!(labels("2014-01-01T00:00:00Z", "2024-01-01T00:00:00Z", 2.0).len(), 2);
    }
}
