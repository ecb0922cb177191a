//! Service level objectives: how fast their error budgets are spent, and how much is left.
//!
//! Alerts are on burn rates over several windows, as in "Alerting on SLOs" of Google's Site Reliability Workbook
//! (<https://sre.google/workbook/alerting-on-slos/>), section 6: a burn rate of 1 spends the budget exactly in the objective's period,
//! and a rule fires while both a long window and one a twelfth as long burn faster than its limit.

use crate::catalogue::{Counts, Slo};

/// The period for which the Workbook gives its windows: 30 days.
const WORKBOOK_PERIOD_SECONDS: f64 = 30.0 * 86_400.0;

/// The Workbook's table: a name, the long window in hours, and the share of the budget that is spent in it.
const WORKBOOK: [(&str, f64, f64); 3] = [("fast", 1.0, 0.02), ("slow", 6.0, 0.05), ("creeping", 72.0, 0.10)];

/// How many times longer the long window is than the short one.
const LONG_OF_SHORT: f64 = 12.0;

/// One pair of windows, and the burn rate that is too much in both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnWindow {
    /// `fast`, `slow` or `creeping`.
    pub name: &'static str,
    /// The share of the budget that is spent when it fires, 0 to 1.
    pub spent: f64,
    /// In periods of the metrics.
    pub long: u32,
    /// In periods of the metrics.
    pub short: u32,
    /// The burn rate above which it fires.
    pub limit: f64,
}

/// The windows for an objective over so many seconds, on metrics with periods of so many seconds.
///
/// The Workbook's are for 30 days; for another time they are longer or shorter by as much, so that the burn rates stay. They are
/// rounded to whole periods, and the burn rates are those of the rounded windows, so that the shares of the budget are kept.
pub fn burn_windows(slo_seconds: u32, period_seconds: u32) -> [BurnWindow; 3] {
    let period = f64::from(period_seconds.max(1));
    let scale = f64::from(slo_seconds) / WORKBOOK_PERIOD_SECONDS;
    WORKBOOK.map(|(name, hours, spent)| {
        let long_periods = (hours * 3600.0 * scale / period).round().max(1.0);
        let limit = spent * f64::from(slo_seconds) / (long_periods * period);
        BurnWindow {
            name,
            spent,
            long: whole(long_periods),
            short: whole((long_periods / LONG_OF_SHORT).round().max(1.0)),
            limit: (limit * 1e6).round() / 1e6,
        }
    })
}

/// The formula of the burn rate that counts: that of the long window, or of the short one where it burns slower.
///
/// Without events in the short window there is no burn rate.
pub fn burn_formula(slo: &Slo, window: &BurnWindow) -> String {
    let bad = match slo.counts {
        Counts::Bad => slo.counted.clone(),
        Counts::Good => format!("{} - {}", slo.total, slo.counted),
    };
    let share = |periods| format!("ROLLING_SUM({bad}, {periods}) / ROLLING_SUM({}, {periods})", slo.total);
    let (long, short) = (share(window.long), share(window.short));
    format!("IF({short} >= {long}, {long}, {short}) / {}", slo.budget())
}

/// What became of an error budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Events, all of them.
    pub total: f64,
    /// Those that were bad.
    pub bad: f64,
    /// The share that was good, in percent.
    pub good_percent: f64,
    /// How many events may be bad, of as many as there were.
    pub allowed: f64,
    /// The share of the budget that is left, in percent; below 0 when more was spent than there is.
    pub left_percent: f64,
}

/// What became of the budget, by all events and those that its metric counts; `None` without events.
pub fn spent(slo: &Slo, total: f64, counted: f64) -> Option<Spent> {
    if !total.is_finite() || !counted.is_finite() || total <= 0.0 {
        return None;
    }
    let bad = match slo.counts {
        Counts::Bad => counted,
        Counts::Good => total - counted,
    };
    // Counts that come late may be more than what they are of.
    let bad = bad.clamp(0.0, total);
    let allowed = total * slo.budget();
    Some(Spent {
        total,
        bad,
        good_percent: 100.0 * (total - bad) / total,
        allowed,
        left_percent: 100.0 * (1.0 - bad / allowed),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and a float saturates")]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
