//! An anomaly rule on one series: a detector, and the episode that is open.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Detector, Expected, Settings, Side, StateError, Verdict};
use crate::catalogue::MissingData;
use crate::metric::Unit;
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
}

impl Default for Head {
    fn default() -> Self {
        Self { schema: SCHEMA, first: None, seen: None, open: None, kept: None }
    }
}

/// An episode.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Open {
    since: Timestamp,
    side: Side,
    reason: String,
    /// How many newest samples in a row were as expected.
    good: u32,
}

impl Watch {
    /// The newest sample that was observed.
    pub fn seen(&self) -> Option<Timestamp> {
        self.head.seen
    }

    /// Observes the datapoint of a period, `None` where there is none; one that was observed before changes nothing.
    pub fn observe(
        &mut self,
        (at, value): (Timestamp, Option<f64>),
        unit: Unit,
        settings: &Settings,
        clear_after: u32,
    ) {
        let Some(value) = value.filter(|_| self.head.seen.is_none_or(|seen| seen < at)) else { return };
        self.head.seen = Some(at);
        let first = *self.head.first.get_or_insert(at);
        let Verdict::Judged(judgement) = self.detector.observe(at, value, settings) else { return };
        if let Some(anomaly) = judgement.anomaly.filter(|_| at.duration_since(first) >= FIRST_WEEK) {
            let reason = crate::alert::bounded(&anomaly.reason(unit), MAX_REASON);
            let since = self.head.open.as_ref().map_or(at, |open| open.since);
            self.head.open = Some(Open { since, side: anomaly.side, reason, good: 0 });
            return;
        }
        let Some(open) = &mut self.head.open else { return };
        let Expected { low, high, .. } = judgement.expected;
        let good = match open.side {
            Side::Above => value <= high,
            Side::Below => value >= low,
        };
        open.good = if good { open.good.saturating_add(1) } else { 0 };
        if open.good >= clear_after.max(1) || at.duration_since(open.since) > LONGEST_EPISODE {
            self.head.open = None;
        }
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
        (rule::Verdict { outcome, value, breaching, measured }, because)
    }

    /// Whether the watch has been kept for long enough that it is kept anew.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.head.seen.is_some() && self.head.kept.is_none_or(|kept| now.duration_since(kept) >= KEPT_EVERY)
    }

    /// The watch as it is kept at a time: a head as JSON, its length before it, and the detector.
    pub fn to_bytes(&mut self, now: Timestamp) -> Vec<u8> {
        self.head.kept = Some(now);
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
        assert!(!watch.is_due(at(1001)) && watch.is_due(at(1002)));
        let mut kept = Watch::from_bytes(&bytes).unwrap();
        assert_eq!(kept.seen(), Some(at(1000)));
        // What came after it was kept, and some that came before.
        assert_eq!(
            run(&mut kept, 950..1010, |hour| hour == 1000).last(),
            run(&mut watch, 1001..1010, |_| false).last()
        );
        assert_eq!(kept.to_bytes(at(1020)), watch.to_bytes(at(1020)));
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
