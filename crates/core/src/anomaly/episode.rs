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

/// Each alert raises the bar by this share. After so many samples an alert counts for a third.
const HABIT: f32 = 0.05;
const HABIT_SAMPLES: f64 = 10_000.0;

/// With more alerts than this, only what is so much more surprising than they were raises another: what comes back again
/// and again is how this series is.
const ENOUGH: f32 = 6.0;
const MORE: f32 = 1.0;

/// When the last alert was, and how high the bar is.
#[derive(Clone, Debug, Default)]
pub(super) struct Episode {
    /// No alert before this sample...
    quiet_until: u64,
    /// ... unless it is this time.
    quiet_until_second: i64,
    last: u64,
    /// Alerts, at the last of them; older ones count for less.
    alerts: f32,
    /// How far above the bar they were, as a multiple of it: the average.
    height: f32,
}

impl Episode {
    /// Whether this sample begins an episode. `count` is the number of samples so far.
    pub(super) fn begins(&mut self, count: u64, second: i64, surprise: f32, sensitivity: Sensitivity) -> bool {
        let height = surprise / bar(sensitivity);
        if height < 1.0 || (count < self.quiet_until && second < self.quiet_until_second) {
            return false;
        }
        let since = count.saturating_sub(self.last) as f64;
        let alerts = self.alerts * (-since / HABIT_SAMPLES).exp() as f32;
        if height < 1.0 + HABIT * alerts || (alerts > ENOUGH && height < MORE * self.height) {
            return false;
        }
        self.quiet_until = count + (QUIET_SHARE * count as f64).clamp(QUIET_LEAST, QUIET_MOST) as u64;
        self.quiet_until_second = second.saturating_add(QUIET_TIME);
        self.last = count;
        self.alerts = alerts + 1.0;
        self.height += (height - self.height) / self.alerts;
        true
    }
}

/// The surprise that it takes. `Medium` is where the given files of the Numenta Anomaly Benchmark score most, whichever
/// of its profiles one takes; `Low` halves its false alarms, `Lowest` leaves an eighth of them: `docs/quality.md`.
fn bar(sensitivity: Sensitivity) -> f32 {
    match sensitivity {
        Sensitivity::Lowest => 34.0,
        Sensitivity::Low => 26.0,
        Sensitivity::Medium => 20.5,
        Sensitivity::High => 18.0,
    }
}

impl Kept for Episode {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.whole(&mut self.quiet_until);
        ledger.signed(&mut self.quiet_until_second);
        ledger.whole(&mut self.last);
        ledger.small(&mut self.alerts);
        ledger.small(&mut self.height);
    }
}
