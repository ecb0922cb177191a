//! An anomaly rule on one series: a detector, and the episode that is open.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::month::MonthTurns;
use super::{Detector, Expected, Judgement, Settings, Side, StateError, Verdict};
use crate::catalogue::MissingData;
use crate::metric::{Range, Unit};
use crate::rule::{self, Outcome};

/// A detector that knows nothing learns from so many datapoints, if there are as many...
const LEARNT: u32 = 2000;

/// ... or from those of so many days, if these are more...
const LEARNT_DAYS: u32 = 14;

/// ... but none is older than so many days: `CloudWatch` keeps no more.
const KEPT_DAYS: u32 = 455;

const DAY_SECONDS: u32 = 86_400;

/// Whoever has seen no whole week calls nobody. A series with a past has it read at first.
const FIRST_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is unusual for so long is the usual from then on.
const LONGEST_EPISODE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How often a watch is kept: what came after it comes with the next request all the same.
const KEPT_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Samples that are at least so far apart are those of days.
const DAILY: SignedDuration = SignedDuration::from_hours(20);

/// The version of what is kept beside the detector.
const SCHEMA: u32 = 1;

/// The most bytes of a reason; one has some 150.
const MAX_REASON: usize = 300;

/// How many datapoints a detector learns from at first.
pub fn learning_periods(period_seconds: u32) -> usize {
    let period = period_seconds.max(1);
    let periods = LEARNT.max(LEARNT_DAYS * DAY_SECONDS / period).min(KEPT_DAYS * DAY_SECONDS / period);
    usize::try_from(periods).unwrap_or(usize::MAX).max(1)
}

/// An anomaly rule on one series.
///
/// It fires from the first sample of an episode until samples are as expected again; what is expected adapts, so that a lasting change
/// does not fire for ever.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    detector: Detector,
    head: Head,
}

/// What is kept beside the detector.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Head {
    schema: u32,
    /// The first sample that was observed.
    first: Option<Timestamp>,
    /// The newest sample that was observed.
    seen: Option<Timestamp>,
    open: Option<Open>,
    /// When the watch was kept.
    kept: Option<Timestamp>,
    /// The newest sample that was observed then.
    #[serde(default)]
    kept_seen: Option<Timestamp>,
    /// Of a series of days.
    #[serde(default)]
    months: MonthTurns,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            first: None,
            seen: None,
            open: None,
            kept: None,
            kept_seen: None,
            months: MonthTurns::default(),
        }
    }
}

/// An episode.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Open {
    since: Timestamp,
    side: Side,
    reason: String,
    /// What was expected of the sample that began it, from low to high: bits of floats, which JSON would not keep exactly.
    #[serde(default)]
    expected: Option<[u64; 2]>,
    /// How many newest samples in a row were as expected.
    good: u32,
}

impl Watch {
    /// The newest sample that was observed.
    pub fn seen(&self) -> Option<Timestamp> {
        self.head.seen
    }

    /// Observes the datapoint of a period, `None` where there is none, and gives what was expected of it; one that was observed before
    /// changes nothing.
    pub fn observe(
        &mut self,
        (at, value): (Timestamp, Option<f64>),
        unit: Unit,
        settings: &Settings,
        clear_after: u32,
    ) -> Option<Range> {
        let value = value.filter(|_| self.head.seen.is_none_or(|seen| seen < at))?;
        let is_daily = self.head.seen.is_none_or(|seen| at.duration_since(seen) >= DAILY);
        self.head.seen = Some(at);
        let first = *self.head.first.get_or_insert(at);
        // Money is charged by the month.
        let monthly = if is_daily && unit == Unit::Usd { self.monthly(at, value, settings)? } else { 0.0 };
        let value = value - monthly;
        let Verdict::Judged(judgement) = self.detector.observe(at, value, settings) else { return None };
        let Judgement { expected, anomaly, .. } = judgement;
        let range = Range { low: expected.low + monthly, high: expected.high + monthly };
        if let Some(anomaly) = anomaly.filter(|_| at.duration_since(first) >= FIRST_WEEK) {
            let anomaly = anomaly.with_monthly(monthly);
            let reason = crate::alert::bounded(&anomaly.reason(unit), MAX_REASON);
            let since = self.head.open.as_ref().map_or(at, |open| open.since);
            self.head.open = Some(Open {
                since,
                side: anomaly.side,
                reason,
                expected: Some(<[f64; 2]>::from(range).map(f64::to_bits)),
                good: 0,
            });
            return Some(range);
        }
        let Some(open) = &mut self.head.open else { return Some(range) };
        let Expected { low, high, .. } = expected;
        let good = match open.side {
            Side::Above => value <= high,
            Side::Below => value >= low,
        };
        open.good = if good { open.good.saturating_add(1) } else { 0 };
        if open.good >= clear_after.max(1) || at.duration_since(open.since) > LONGEST_EPISODE {
            self.head.open = None;
        }
        Some(range)
    }

    /// What a day at the turn of a month has beyond the usual, as far as earlier months had it. It is no news to the detector. While too few
    /// months are known, nothing at their turn is; and `None` while nothing usual is known, so that the detector does not learn it.
    fn monthly(&mut self, at: Timestamp, value: f64, settings: &Settings) -> Option<f64> {
        if !MonthTurns::is_turn(at) {
            return Some(0.0);
        }
        // What is usual is known once the sample was judged.
        let Verdict::Judged(judgement) = self.detector.clone().observe(at, value, settings) else { return None };
        let Expected { low, usual, high } = judgement.expected;
        let monthly = self.head.months.as_before(at, value - usual).unwrap_or(value - value.clamp(low, high));
        self.head.months.learn(at, value - usual);
        Some(if monthly.is_finite() { monthly } else { 0.0 })
    }

    /// What the newest datapoints of the evaluation range come to, and why.
    pub fn verdict(&self, missing: MissingData, range: &[Option<f64>]) -> (rule::Verdict, Option<String>) {
        let value = range.iter().rev().copied().flatten().find(|value| value.is_finite());
        let (outcome, measured) = match (&self.head.open, value) {
            (Some(_), Some(_)) => (Outcome::Alarm { level: 0 }, false),
            (Some(_), None) => (Outcome::Retain, false),
            (None, Some(_)) => (Outcome::Ok, true),
            (None, None) if missing == MissingData::NotBreaching => (Outcome::Ok, false),
            (None, None) => (Outcome::InsufficientData, false),
        };
        let breaching = u32::from(self.head.open.is_some());
        let because = self.head.open.as_ref().map(|open| open.reason.clone());
        let expected = self.head.open.as_ref().and_then(|open| open.expected);
        let expected = expected.map(|ends| Range::from(ends.map(f64::from_bits)));
        (rule::Verdict { outcome, value, breaching, measured, expected }, because)
    }

    /// Whether the watch has something new, and was kept for long enough that it is kept anew.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.head.seen != self.head.kept_seen
            && self.head.kept.is_none_or(|kept| now.duration_since(kept) >= KEPT_EVERY)
    }

    /// The watch as it is kept at a time: a head as JSON, its length before it, and the detector.
    pub fn to_bytes(&mut self, now: Timestamp) -> Vec<u8> {
        (self.head.kept, self.head.kept_seen) = (Some(now), self.head.seen);
        // A head is some numbers and a bounded text, which is always JSON.
        let head = serde_json::to_vec(&self.head).unwrap_or_default();
        let length = u32::try_from(head.len()).unwrap_or_default();
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(head);
        bytes.extend(self.detector.to_bytes());
        bytes
    }

    /// A watch from what was kept. After an error, start afresh, and say so.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(StateError::Damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| StateError::Damaged)?;
        let (head, detector) = rest.split_at_checked(length).ok_or(StateError::Damaged)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| StateError::Damaged)?;
        if head.schema != SCHEMA {
            return Err(StateError::Version(u8::try_from(head.schema).unwrap_or(u8::MAX)));
        }
        if !head.months.is_sound() {
            return Err(StateError::Damaged);
        }
        Ok(Self { detector: Detector::from_bytes(detector)?, head })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Direction, Sensitivity};

    const HOUR: i64 = 3600;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_728_864_000 + hour * HOUR).unwrap()
    }

    /// A daily rhythm with a little noise; a tenth of it in the hours that are bad.
    fn value(hour: i64, bad: bool) -> f64 {
        let phase = f64::from(i32::try_from(hour % 24).unwrap()) / 24.0 * std::f64::consts::TAU;
        let noise = f64::from(i32::try_from((hour * 7919) % 13).unwrap()) - 6.0;
        let usual = 200.0 + 80.0 * phase.sin() + noise;
        if bad { usual * 0.1 } else { usual }
    }

    fn settings() -> Settings {
        Settings { sensitivity: Sensitivity::Low, direction: Direction::Below, minimum_change: 0.0 }
    }

    /// A watch that has seen the hours, and its outcome after each.
    fn run(watch: &mut Watch, hours: std::ops::Range<i64>, bad: impl Fn(i64) -> bool) -> Vec<Outcome> {
        hours
            .map(|hour| {
                let value = Some(value(hour, bad(hour)));
                watch.observe((at(hour), value), Unit::UsdPerHour, &settings(), 1);
                watch.verdict(MissingData::Missing, &[value]).0.outcome
            })
            .collect()
    }

    #[test]
    fn a_fall_fires_with_words_and_ends_when_it_is_over() {
        let mut watch = Watch::default();
        let before = run(&mut watch, 0..1000, |_| false);
        assert!(before.iter().all(|outcome| *outcome == Outcome::Ok), "{before:?}");
        assert_eq!(run(&mut watch, 1000..1002, |_| true), [Outcome::Alarm { level: 0 }; 2]);
        let (verdict, because) = watch.verdict(MissingData::Missing, &[Some(12.0)]);
        assert_eq!((verdict.value, verdict.measured), (Some(12.0), false));
        assert!(because.as_ref().is_some_and(|why| why.contains("% of the usual")), "{because:?}");
        // Hour 1000 is the 16th of its day: 200 + 80 * sin(240 degrees) is 131.
        let expected = verdict.expected.unwrap();
        assert!((80.0..131.0).contains(&expected.low) && (131.0..180.0).contains(&expected.high), "{expected:?}");
        // Without data nothing is known.
        assert_eq!(watch.verdict(MissingData::Missing, &[None]).0.outcome, Outcome::Retain);
        assert_eq!(run(&mut watch, 1002..1003, |_| false), [Outcome::Ok]);
        assert_eq!(watch.verdict(MissingData::Missing, &[None]).0.outcome, Outcome::InsufficientData);
        let filled = watch.verdict(MissingData::NotBreaching, &[None]).0;
        assert_eq!((filled.outcome, filled.measured), (Outcome::Ok, false));
    }

    #[test]
    fn whoever_has_seen_no_week_calls_nobody() {
        let fall = |hours| {
            let mut watch = Watch::default();
            run(&mut watch, 0..hours, |_| false);
            run(&mut watch, hours..hours + 2, |_| true)
        };
        assert_eq!(fall(7 * 24 - 2), [Outcome::Ok; 2]);
        assert_eq!(fall(14 * 24), [Outcome::Alarm { level: 0 }; 2]);
    }

    #[test]
    fn what_was_seen_changes_nothing_and_a_kept_watch_goes_on() {
        let mut watch = Watch::default();
        run(&mut watch, 0..1000, |_| false);
        run(&mut watch, 1000..1001, |_| true);
        assert!(watch.is_due(at(1001)));
        let bytes = watch.to_bytes(at(1001));
        assert!(!watch.is_due(at(1001)) && !watch.is_due(at(1002)), "nothing new");
        let mut kept = Watch::from_bytes(&bytes).unwrap();
        let mut next = kept.clone();
        run(&mut next, 1001..1002, |_| false);
        assert!(!next.is_due(at(1001)) && next.is_due(at(1002)));
        assert_eq!(kept.seen(), Some(at(1000)));
        // What came after it was kept, and some that came before.
        assert_eq!(
            run(&mut kept, 950..1010, |hour| hour == 1000).last(),
            run(&mut watch, 1001..1010, |_| false).last()
        );
        assert_eq!(kept.to_bytes(at(1020)), watch.to_bytes(at(1020)));
    }

    /// Dollars of a day since 2024-01-01: 60 on weekdays, 30 on weekends, a fee of 150 on the first and of 40 on the last of each month,
    /// and a few percent of noise.
    fn cost(day: i64) -> (Timestamp, f64) {
        let at = Timestamp::from_second(1_704_067_200 + day * 24 * HOUR).unwrap();
        let date = jiff::tz::TimeZone::UTC.to_datetime(at).date();
        let weekend = day % 7 >= 5;
        let noise = f64::from(i32::try_from((day * 7919) % 13).unwrap() - 6) * 0.5;
        let fee =
            if date.day() == 1 { 150.0 } else { 0.0 } + if date.day() == date.days_in_month() { 40.0 } else { 0.0 };
        (at, if weekend { 30.0 } else { 60.0 } + fee + noise)
    }

    /// Outcomes of the days, with so much more on some of them.
    fn spend(watch: &mut Watch, days: std::ops::Range<i64>, more: impl Fn(i64) -> f64) -> Vec<(i64, Outcome)> {
        let settings = Settings { sensitivity: Sensitivity::Medium, direction: Direction::Above, minimum_change: 10.0 };
        days.map(|day| {
            let (at, dollars) = cost(day);
            let dollars = dollars + more(day);
            watch.observe((at, Some(dollars)), Unit::Usd, &settings, 1);
            (day, watch.verdict(MissingData::Missing, &[Some(dollars)]).0.outcome)
        })
        .collect()
    }

    #[test]
    fn the_turn_of_the_month_and_weekends_are_no_news_of_a_cost() {
        // 13 months are learnt, and nine more are judged.
        let mut watch = Watch::default();
        spend(&mut watch, 0..395, |_| 0.0);
        let judged = spend(&mut watch, 395..670, |_| 0.0);
        let fired: Vec<_> = judged.iter().filter(|(_, outcome)| *outcome != Outcome::Ok).collect();
        assert!(fired.is_empty(), "{fired:?}");
    }

    #[test]
    fn a_day_that_costs_twice_as_much_is_one() {
        for (day, more) in [(400, 70.0), (396, 250.0)] {
            // 2025-02-04, a Tuesday, and 2025-01-31 with its fee of 40.
            let mut watch = Watch::default();
            spend(&mut watch, 0..day, |_| 0.0);
            let after = spend(&mut watch, day..day + 3, |other| if other == day { more } else { 0.0 });
            assert_eq!(after.first().map(|(_, outcome)| *outcome), Some(Outcome::Alarm { level: 0 }), "day {day}");
            assert_eq!(after.last().map(|(_, outcome)| *outcome), Some(Outcome::Ok), "day {day}");
        }
    }

    #[test]
    fn what_months_had_is_kept() {
        let mut watch = Watch::default();
        spend(&mut watch, 0..395, |_| 0.0);
        let bytes = watch.to_bytes(at(0));
        assert!(bytes.len() < crate::anomaly::STATE_LIMIT, "{} bytes", bytes.len());
        let mut kept = Watch::from_bytes(&bytes).unwrap();
        spend(&mut kept, 395..500, |_| 0.0);
        spend(&mut watch, 395..500, |_| 0.0);
        assert_eq!(kept.to_bytes(at(0)), watch.to_bytes(at(0)));
    }

    #[test]
    fn a_lasting_change_does_not_fire_for_ever() {
        let mut watch = Watch::default();
        run(&mut watch, 0..1000, |_| false);
        let after = run(&mut watch, 1000..1400, |_| true);
        assert_eq!(after.first(), Some(&Outcome::Alarm { level: 0 }));
        assert_eq!(after.last(), Some(&Outcome::Ok));
    }

    #[test]
    fn what_was_not_kept_whole_is_refused() {
        let mut watch = Watch::default();
        run(&mut watch, 0..100, |_| false);
        let bytes = watch.to_bytes(at(100));
        for length in 0..bytes.len() {
            assert!(Watch::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        let newer = String::from_utf8_lossy(&bytes[4..14]).into_owned();
        assert!(newer.starts_with("{\"schema\":"), "{newer}");
        let mut other = bytes.clone();
        other[14] = b'9';
        assert_eq!(Watch::from_bytes(&other).unwrap_err(), StateError::Version(9));
    }

    #[test]
    fn a_detector_learns_from_what_there_is() {
        // By the minute 14 days; by the hour 2,000 datapoints; by the day as many as there are.
        assert_eq!([60, 300, 3600, 86_400].map(learning_periods), [20_160, 4032, 2000, 455]);
    }
}
