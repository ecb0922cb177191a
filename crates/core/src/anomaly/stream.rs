//! The order of samples: what is late, doubled or far ahead, gaps, clocks that jump, and counters that start over.

use super::state::{Kept, Ledger};
use super::statistics::{Average, TINY};

/// What is longer is a gap: so many usual distances, and at least so many seconds.
const GAP_PERIODS: f64 = 20.0;
const GAP_LEAST: i64 = 6 * 60 * 60;

/// After so many seconds without a sample what was learnt is out of date.
const FORGOTTEN: i64 = 28 * 24 * 60 * 60;

/// So many late samples one after the other, each later than the one before, mean that the clock was set back.
const SET_BACK: u64 = 300;

/// Samples before a series is taken for a counter, and the share of falls at which it is not one any more.
const COUNTER_SAMPLES: u64 = 64;
const COUNTER_FALLS: f64 = 0.02;

/// Larger ones count as this, so that their squares are finite.
const LARGEST: f64 = 1e150;

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    last: Option<i64>,
    /// A sample far ahead that waits for a second one to confirm it.
    ahead: Option<i64>,
    late: u64,
    latest_late: i64,
    period: Period,
    counter: Counter,
}

/// A sample on its way into the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    /// What the model sees: the value, or the increase of a counter.
    pub(super) value: f64,
    /// What it is an increase over; 0 unless the series is a counter.
    pub(super) base: f64,
}

pub(super) enum Entrance {
    Refused,
    Next(Entered),
    AfterGap(Entered),
    /// What was learnt so far does not hold any more.
    Afresh(Entered),
}

impl Stream {
    /// `value` is finite.
    pub(super) fn enter(&mut self, second: i64, value: f64) -> Entrance {
        let value = if value.abs() < TINY { 0.0 } else { value.clamp(-LARGEST, LARGEST) };
        let Some(last) = self.last else {
            self.last = Some(second);
            return Entrance::Next(self.counter.enter(value).0);
        };
        let distance = second.saturating_sub(last);
        if distance <= 0 {
            self.late = if second > self.latest_late { self.late + 1 } else { 1 };
            self.latest_late = second;
            if self.late < SET_BACK {
                return Entrance::Refused;
            }
        }
        if distance > FORGOTTEN {
            // One wrong time must not make all right ones late.
            let confirmed = self.ahead.is_some_and(|ahead| (1..FORGOTTEN).contains(&second.saturating_sub(ahead)));
            self.ahead = Some(second);
            if !confirmed {
                return Entrance::Refused;
            }
        }
        let gap = self.period.is_gap(distance) || distance <= 0;
        if !gap {
            self.period.learn(distance);
        }
        self.last = Some(second);
        self.ahead = None;
        self.late = 0;
        self.latest_late = i64::MIN;
        let (entered, changed) = self.counter.enter(value);
        if changed || distance > FORGOTTEN {
            Entrance::Afresh(entered)
        } else if gap {
            Entrance::AfterGap(entered)
        } else {
            Entrance::Next(entered)
        }
    }
}

impl Kept for Stream {
    fn keep(&mut self, ledger: &mut Ledger) {
        for time in [&mut self.last, &mut self.ahead] {
            let mut known = time.is_some();
            let mut second = time.unwrap_or_default();
            ledger.flag(&mut known);
            ledger.signed(&mut second);
            *time = known.then_some(second);
        }
        ledger.whole(&mut self.late);
        ledger.signed(&mut self.latest_late);
        self.period.0.keep(ledger);
        self.counter.keep(ledger);
    }
}

/// The usual distance between samples, in seconds.
#[derive(Clone, Debug)]
struct Period(Average);

impl Default for Period {
    fn default() -> Self {
        Self(Average::over(100.0))
    }
}

impl Period {
    fn is_gap(&self, distance: i64) -> bool {
        distance > GAP_LEAST && self.0.mean > 0.0 && distance as f64 > GAP_PERIODS * self.0.mean
    }

    fn learn(&mut self, distance: i64) {
        self.0.push(distance as f64);
    }
}

/// Tells a counter from a gauge: it has risen often and never fallen.
#[derive(Clone, Debug, Default)]
struct Counter {
    /// Whether the series is one.
    rising: bool,
    previous: f64,
    count: u64,
    rises: u64,
    falls: u64,
}

impl Counter {
    /// What the model is to see, and whether that has just become another thing than before.
    fn enter(&mut self, value: f64) -> (Entered, bool) {
        let previous = std::mem::replace(&mut self.previous, value);
        self.count += 1;
        if self.count == 1 {
            return (Entered { value, base: 0.0 }, false);
        }
        self.rises += u64::from(value > previous);
        self.falls += u64::from(value < previous);
        let was = self.rising;
        if self.count == COUNTER_SAMPLES {
            self.rising = self.falls == 0 && self.rises >= COUNTER_SAMPLES / 2 && value > 0.0;
        } else if self.falls as f64 > 2.0 + COUNTER_FALLS * self.count as f64 {
            self.rising = false;
        }
        // A counter below its last value has started over at 0.
        let base = if self.rising && value >= previous { previous } else { 0.0 };
        let entered = Entered { value: value - base, base };
        (entered, was != self.rising)
    }
}

impl Kept for Counter {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.flag(&mut self.rising);
        ledger.real(&mut self.previous);
        ledger.whole(&mut self.count);
        ledger.whole(&mut self.rises);
        ledger.whole(&mut self.falls);
    }
}
