//! The highest and the lowest value of each of the last days, for "highest in 4 weeks".

use super::state::{Kept, Ledger};

/// Days that are remembered.
const DAYS: usize = 56;
const DAY: i64 = 24 * 60 * 60;

#[derive(Clone, Debug, Default)]
pub(super) struct Extremes {
    /// Oldest first; days without samples are not there.
    days: Vec<Day>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Day {
    /// Days since 1970, UTC.
    number: i64,
    highest: f64,
    lowest: f64,
}

impl Extremes {
    /// For how many days there has been no value as high (or, if `!upward`, as low), and whether that is all that is known.
    pub(super) fn days_without(&self, second: i64, value: f64, upward: bool) -> (i64, bool) {
        let today = second.div_euclid(DAY);
        let as_far = |day: &&Day| if upward { day.highest >= value } else { day.lowest <= value };
        match self.days.iter().rev().find(as_far) {
            Some(day) => (today.saturating_sub(day.number), false),
            None => (self.days.first().map_or(0, |day| today.saturating_sub(day.number)), true),
        }
    }

    pub(super) fn learn(&mut self, second: i64, value: f64) {
        let number = second.div_euclid(DAY);
        match self.days.last_mut() {
            Some(day) if day.number >= number => {
                day.highest = day.highest.max(value);
                day.lowest = day.lowest.min(value);
            }
            _ => {
                if self.days.len() == DAYS {
                    self.days.remove(0);
                }
                self.days.push(Day { number, highest: value, lowest: value });
            }
        }
    }
}

impl Kept for Extremes {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.list(&mut self.days, DAYS);
    }
}

impl Kept for Day {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.signed(&mut self.number);
        ledger.real(&mut self.highest);
        ledger.real(&mut self.lowest);
    }
}
