//! A datapoint beside those of the same hour in the weeks before.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::trend::median;
use crate::catalogue::{SameHour, Tier};
use crate::metric::Unit;

const WEEK_SECONDS: u32 = 7 * 86_400;

/// By how much clocks may have changed since the earliest of the weeks.
const CLOCK_CHANGE_SECONDS: u32 = 3600;

/// A datapoint, and what is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// The datapoint over the usual one.
    pub(super) of_usual: f64,
    usual: f64,
    /// How many of the weeks had a datapoint.
    weeks: u32,
}

/// How many datapoints lie before the one that is judged.
pub(super) fn history(usual: &SameHour, period_seconds: u32) -> usize {
    let seconds = usual.weeks.saturating_mul(WEEK_SECONDS).saturating_add(CLOCK_CHANGE_SECONDS);
    usize::try_from(seconds.div_ceil(period_seconds.max(1))).unwrap_or(usize::MAX)
}

/// Where the same time of earlier weeks lies, in periods before a datapoint.
pub(super) struct Calendar {
    zone: TimeZone,
    weeks: i32,
    period: i64,
}

impl Calendar {
    /// A time zone that is not known counts as UTC; the catalogue's check refuses it earlier.
    pub(super) fn new(usual: &SameHour, period_seconds: u32) -> Self {
        Self {
            zone: TimeZone::get(&usual.time_zone).unwrap_or(TimeZone::UTC),
            weeks: i32::try_from(usual.weeks).unwrap_or(i32::MAX),
            period: i64::from(period_seconds.max(1)),
        }
    }

    /// One for each week, the last one first.
    fn back(&self, at: Timestamp) -> impl Iterator<Item = usize> {
        let local: DateTime = self.zone.to_datetime(at);
        (1..=self.weeks).filter_map(move |weeks| {
            let before = self.zone.to_timestamp(local.checked_sub(weeks.weeks()).ok()?).ok()?;
            // To the nearest period: one of a day does not begin an hour later because clocks changed.
            let periods = (at.as_second() - before.as_second() + self.period / 2).div_euclid(self.period);
            usize::try_from(periods).ok()
        })
    }
}

/// The datapoint with this index, of the period that starts at this time, beside what is usual; `None` where it is missing, or too
/// little is known: fewer than half of the weeks, or a usual value below the minimum.
pub(super) fn share(
    usual: &SameHour,
    calendar: &Calendar,
    datapoints: &[Option<f64>],
    index: usize,
    at: Timestamp,
) -> Option<Share> {
    let real = |index: usize| datapoints.get(index).copied().flatten().filter(|value| value.is_finite());
    let value = real(index)?;
    let mut before: Vec<f64> = calendar.back(at).filter_map(|back| real(index.checked_sub(back)?)).collect();
    let weeks = u32::try_from(before.len()).unwrap_or(u32::MAX);
    if weeks < usual.weeks.div_ceil(2).max(1) {
        return None;
    }
    let middle = median(&mut before)?;
    let is_enough = middle > 0.0 && middle >= usual.minimum;
    let of_usual = value / middle;
    (is_enough && of_usual.is_finite()).then_some(Share { of_usual, usual: middle, weeks })
}

impl Share {
    /// Why it is wrong: `31 % of the 120 that are usual at this hour (median of 4 weeks)`.
    pub(super) fn reason(self, tier: &Tier, unit: Unit) -> String {
        let share = if tier.comparison.is_upper() && self.of_usual >= 1.5 {
            format!("{:.1} times", self.of_usual)
        } else {
            format!("{:.0} % of", self.of_usual * 100.0)
        };
        let weeks =
            if self.weeks == 1 { "the week before".to_owned() } else { format!("median of {} weeks", self.weeks) };
        format!("{share} the {} that is usual at this hour ({weeks})", unit.format(self.usual))
    }
}
