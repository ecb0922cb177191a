//! From surprise to alerts: one alert for an episode, and the more alerts a series has had, the more it takes.

use super::Sensitivity;
use super::state::{Kept, Ledger};

/// After an alert there is quiet for this share of all samples so far, within these bounds: who has watched a series for
/// long can wait before calling again.
const QUIET_SHARE: f64 = 0.05;
const QUIET_LEAST: f64 = 60.0;
const QUIET_MOST: f64 = 300.0;

/// ... and for no longer than this, in seconds: a daily series must not be quiet for months.
const QUIET_TIME: i64 = 7 * 24 * 60 * 60;

/// Each alert raises the bar by this share; after so many samples a third of that is left.
const HABIT: f32 = 0.05;
const HABIT_SAMPLES: f64 = 10_000.0;

/// The sensitivities, each with the surprise that it takes, least sensitive first. Chosen on the 38 given files of the
/// Numenta Anomaly Benchmark: `Low` for the profile that counts false positives twice, `Medium` for the standard one,
/// `High` for the one that counts misses twice. `Lowest` is beyond what the benchmark rewards.
pub(super) const BARS: [(Sensitivity, f32); 4] =
    [(Sensitivity::Lowest, 34.0), (Sensitivity::Low, 26.0), (Sensitivity::Medium, 20.0), (Sensitivity::High, 17.0)];

/// For each sensitivity what was said last.
#[derive(Clone, Debug, Default)]
pub(super) struct Episodes {
    bars: [Bar; BARS.len()],
}

#[derive(Clone, Debug, Default)]
struct Bar {
    /// No alert before this sample...
    quiet_until: u64,
    /// ... unless it is this time.
    quiet_until_second: i64,
    last: u64,
    habit: f32,
}

impl Episodes {
    /// The least sensitive setting at which this sample raises an alert. `count` is the number of samples so far.
    pub(super) fn observe(&mut self, count: u64, second: i64, surprise: f32) -> Option<Sensitivity> {
        let mut raised = None;
        for (bar, (sensitivity, least)) in self.bars.iter_mut().zip(BARS) {
            if bar.crossed(count, second, surprise / least) {
                raised = raised.or(Some(sensitivity));
            }
        }
        raised
    }
}

impl Bar {
    fn crossed(&mut self, count: u64, second: i64, height: f32) -> bool {
        if height < 1.0 || (count < self.quiet_until && second < self.quiet_until_second) {
            return false;
        }
        let since = count.saturating_sub(self.last) as f64;
        let habit = self.habit * (-since / HABIT_SAMPLES).exp() as f32;
        if height < 1.0 + habit {
            return false;
        }
        self.quiet_until = count + (QUIET_SHARE * count as f64).clamp(QUIET_LEAST, QUIET_MOST) as u64;
        self.quiet_until_second = second.saturating_add(QUIET_TIME);
        self.last = count;
        self.habit = habit + HABIT;
        true
    }
}

impl Kept for Episodes {
    fn keep(&mut self, ledger: &mut Ledger) {
        for bar in &mut self.bars {
            ledger.whole(&mut bar.quiet_until);
            ledger.signed(&mut bar.quiet_until_second);
            ledger.whole(&mut bar.last);
            ledger.small(&mut bar.habit);
        }
    }
}
