//! Why a sample is an anomaly, in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::extremes::Extremes;
use super::model::{Impression, Sign};
use super::stream::Entered;
use crate::metric::Unit;

/// Standard deviations between the usual value and the ends of the expected range.
const RANGE: f64 = 3.0;

/// What was expected of a sample, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Lower end of the range.
    pub low: f64,
    /// Most likely.
    pub usual: f64,
    /// Upper end of the range.
    pub high: f64,
}

impl Expected {
    pub(super) fn new(impression: &Impression, base: f64) -> Self {
        let usual = base + impression.usual.mean;
        let reach = RANGE * impression.usual.spread;
        Self { low: usual - reach, usual, high: usual + reach }
    }
}

/// Where the value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Above the usual.
    Above,
    /// Below the usual, or at it.
    Below,
}

/// An alert: one for an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Where the value lies.
    pub side: Side,
    /// The value, in the metric's unit; of a counter its increase.
    pub value: f64,
    /// What was expected, in the same terms.
    pub expected: Expected,
    at: Timestamp,
    seasonal: bool,
    /// Days without a value as extreme, and whether that is all that is known.
    record: (i64, bool),
    /// Standard deviation of the last samples against the usual one, where that is what is strange.
    restlessness: Option<f64>,
    sign: Sign,
}

impl Anomaly {
    pub(super) fn new(
        at: Timestamp,
        entered: Entered,
        impression: &Impression,
        expected: Expected,
        extremes: &Extremes,
    ) -> Self {
        let Entered { value, base } = entered;
        let expected = Expected { low: expected.low - base, usual: expected.usual - base, high: expected.high - base };
        let side = if value > expected.usual { Side::Above } else { Side::Below };
        let restless = impression.foremost == Sign::Restless;
        Self {
            side,
            value,
            expected,
            at,
            seasonal: impression.seasonal,
            record: extremes.days_without(at.as_second(), value, side == Side::Above),
            restlessness: restless.then_some(impression.restlessness),
            sign: impression.foremost,
        }
    }

    /// With what was left out of the value because it comes every month.
    pub(super) fn with_monthly(mut self, monthly: f64) -> Self {
        self.value += monthly;
        let Expected { low, usual, high } = &mut self.expected;
        for end in [low, usual, high] {
            *end += monthly;
        }
        self
    }

    /// Why, for a person: `3.2 times the usual for Mondays at 14:00 UTC, highest in 4 weeks`.
    pub fn reason(&self, unit: Unit) -> String {
        let mut parts = vec![self.comparison(unit)];
        parts.extend(self.record());
        parts.extend(self.manner());
        parts.join(", ")
    }

    fn comparison(&self, unit: Unit) -> String {
        let when = if self.seasonal { format!(" for {}", hour_of_week(self.at)) } else { String::new() };
        let (value, usual) = (self.value, self.expected.usual);
        let ratio = value / usual;
        if usual > 0.0 && (1.5..1000.0).contains(&ratio) {
            format!("{ratio:.1} times the usual{when}")
        } else if usual > 0.0 && (0.0..0.67).contains(&ratio) {
            format!("{:.0} % of the usual{when}", ratio * 100.0)
        } else {
            let (low, high) = (unit.format(self.expected.low), unit.format(self.expected.high));
            format!("{}, where {low} to {high} is usual{when}", unit.format(value))
        }
    }

    fn record(&self) -> Option<String> {
        let (days, all) = self.record;
        let most = if self.side == Side::Above { "highest" } else { "lowest" };
        match (days, all) {
            (..2, false) | (..1, true) => None,
            (days, true) => Some(format!("{most} of all {} known", span(days + 1))),
            (days, false) => Some(format!("{most} in {}", span(days))),
        }
    }

    /// What is strange besides the value.
    fn manner(&self) -> Option<String> {
        match self.sign {
            Sign::Restless => self.restlessness.map(|times| format!("varies {times:.1} times as much as usual")),
            Sign::Stuck => Some("the same for unusually long".to_owned()),
            Sign::Still => Some("varies far less than usual".to_owned()),
            Sign::Smooth => Some("moves far less from sample to sample than usual".to_owned()),
            Sign::Jump => Some("after a jump".to_owned()),
            Sign::Daily | Sign::Weekly => Some("for some time".to_owned()),
            Sign::Distribution => Some("and so were the values before it".to_owned()),
            Sign::Situation => Some("in a way not seen before".to_owned()),
            Sign::Low | Sign::TimeOfDay | Sign::LevelAtTime => None,
        }
    }
}

/// `Mondays at 14:00 UTC`.
fn hour_of_week(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%As at %H:00 UTC").to_string()
}

fn span(days: i64) -> String {
    match days {
        1 => "1 day".to_owned(),
        ..14 => format!("{days} days"),
        _ => format!("{} weeks", days / 7),
    }
}
