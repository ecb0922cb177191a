//! The turn of the month in a series of days: fees that are charged on the first, and bills that are closed on the last.
//!
//! The rhythm of a month is too long for the detector's own seasons, and no two months are equally long. What days at its turn had
//! beyond the usual is therefore remembered beside the detector, by their place in the month.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// How many days after the beginning of a month belong to its turn...
const FIRST_DAYS: i8 = 3;

/// ... and how many before its end.
const LAST_DAYS: i8 = 2;

/// A year of months, and the one a year ago.
const REMEMBERED: usize = 13;

/// The fewest months that tell what is usual at a place.
const LEAST_MONTHS: usize = 2;

/// From so many months on, the most extreme one does not count: it may have been an anomaly itself.
const MONTHS_TO_DROP_ONE: usize = 4;

/// How much more than before is still as before.
const MARGIN: f64 = 1.25;

/// What days at the turn of months had beyond the usual.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct MonthTurns {
    /// Oldest first, by place: 1, 2, 3 from the beginning of a month, -1, -2 from its end. Bits of floats, which JSON would not keep exactly:
    /// a detector that is read again goes on as the one that was kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beyond: BTreeMap<i8, VecDeque<u64>>,
}

impl MonthTurns {
    /// Whether the day is at the turn of a month, by UTC as costs are counted.
    pub(super) fn is_turn(at: Timestamp) -> bool {
        place(at).is_some()
    }

    /// How much of what a day has beyond the usual is as in earlier months: between nothing and the most that they had. `None` while too
    /// few of them are known.
    pub(super) fn as_before(&self, at: Timestamp, beyond: f64) -> Option<f64> {
        let known = self.beyond.get(&place(at)?).filter(|known| known.len() >= LEAST_MONTHS)?;
        let mut sorted: Vec<f64> = known.iter().map(|bits| f64::from_bits(*bits)).collect();
        sorted.sort_by(f64::total_cmp);
        let dropped = usize::from(sorted.len() >= MONTHS_TO_DROP_ONE);
        let least = sorted.get(dropped).copied().unwrap_or_default();
        let most = sorted.iter().rev().nth(dropped).copied().unwrap_or_default();
        Some(beyond.clamp((least * MARGIN).min(0.0), (most * MARGIN).max(0.0)))
    }

    /// Remembers what a day had beyond the usual.
    pub(super) fn learn(&mut self, at: Timestamp, beyond: f64) {
        let Some(place) = place(at).filter(|_| beyond.is_finite()) else { return };
        let known = self.beyond.entry(place).or_default();
        known.push_back(beyond.to_bits());
        while known.len() > REMEMBERED {
            known.pop_front();
        }
    }

    /// Whether it is as this code keeps it: what was kept elsewhere is not trusted.
    pub(super) fn is_sound(&self) -> bool {
        let places = (1..=FIRST_DAYS).chain(-LAST_DAYS..=-1);
        self.beyond.keys().all(|place| places.clone().any(|known| known == *place))
            && self
                .beyond
                .values()
                .all(|known| known.len() <= REMEMBERED && known.iter().all(|bits| f64::from_bits(*bits).is_finite()))
    }
}

fn place(at: Timestamp) -> Option<i8> {
    let day = TimeZone::UTC.to_datetime(at).date();
    let left = day.days_in_month() - day.day();
    match (day.day(), left) {
        (first, _) if first <= FIRST_DAYS => Some(first),
        (_, left) if left < LAST_DAYS => Some(-1 - left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn places_are_counted_from_both_ends_of_a_month() {
        for (date, expected) in [
            ("2026-01-01", Some(1)),
            ("2026-01-03", Some(3)),
            ("2026-01-04", None),
            ("2026-01-29", None),
            ("2026-01-30", Some(-2)),
            ("2026-01-31", Some(-1)),
            ("2026-02-28", Some(-1)),
            ("2028-02-28", Some(-2)),
        ] {
            assert_eq!(place(day(date)), expected, "{date}");
        }
    }

    #[test]
    fn what_earlier_months_had_is_as_before() {
        let mut turns = MonthTurns::default();
        turns.learn(day("2026-01-01"), 80.0);
        assert_eq!(turns.as_before(day("2026-02-01"), 80.0), None, "one month is none");
        turns.learn(day("2026-02-01"), 100.0);
        // At most a quarter more than the most of them; and nothing of what is missing.
        for (beyond, expected) in [(90.0, 90.0), (125.0, 125.0), (300.0, 125.0), (0.0, 0.0), (-50.0, 0.0)] {
            assert_eq!(turns.as_before(day("2026-03-01"), beyond), Some(expected), "{beyond}");
        }
        assert_eq!(turns.as_before(day("2026-03-02"), 90.0), None, "another day");
    }

    #[test]
    fn one_anomaly_does_not_excuse_the_next() {
        let mut turns = MonthTurns::default();
        for (month, beyond) in [(1, 80.0), (2, 90.0), (3, 5000.0), (4, 80.0)] {
            turns.learn(day(&format!("2026-0{month}-01")), beyond);
        }
        assert_eq!(turns.as_before(day("2026-05-01"), 5000.0), Some(90.0 * 1.25));
    }

    #[test]
    fn only_a_year_is_remembered() {
        let mut turns = MonthTurns::default();
        (0..40).for_each(|_| turns.learn(day("2026-01-01"), 1.0));
        assert_eq!(turns.beyond[&1].len(), 13);
        assert!(turns.is_sound());
        turns.beyond.insert(9, VecDeque::new());
        assert!(!turns.is_sound());
    }
}
