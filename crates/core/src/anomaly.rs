//! Anomalies: what a series usually does is learnt sample by sample, and what is far from that is said once, in words.
//!
//! A [`Detector`] sees one sample at a time and never looks ahead. Its state is bounded ([`STATE_LIMIT`]) and can be kept
//! between samples ([`Detector::to_bytes`]). Its constants are the same for every series; a user chooses [`Settings`] only.
//! How well it does, and what else was tried: `docs/quality.md`.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "statistics of bounded numbers; a float becomes an integer only after it was clamped"
)]

use jiff::Timestamp;

use self::episode::Episode;
pub use self::explain::{Anomaly, Expected, Side};
use self::extremes::Extremes;
use self::model::Model;
pub use self::state::StateError;
use self::state::{Kept, Ledger};
use self::stream::{Entrance, Stream};
pub use self::watch::{Watch, learning_periods};
pub use crate::catalogue::{Detection as Settings, Direction, Sensitivity};

mod distribution;
mod episode;
mod explain;
mod extremes;
mod familiar;
mod model;
mod month;
mod season;
mod state;
mod statistics;
mod stream;
mod watch;

/// A state never takes more bytes than this.
pub const STATE_LIMIT: usize = 32 * 1024;

/// Samples before the first alert: before, nothing is known about a series.
const LEARNING: u64 = 32;

/// What became of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It was not learnt: its value is not a number, or not a finite one.
    NotFinite,
    /// It was not learnt: its time is not after that of the last one, or too far ahead of it to be believed yet.
    OutOfOrder,
    /// It was learnt. Too little is known yet to judge it.
    Learning,
    /// It was learnt and judged.
    Judged(Judgement),
}

/// How a sample compares with what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was expected before the sample came.
    pub expected: Expected,
    /// How strange it is: near 0 for the usual, at most about 70. It means the same for every series.
    pub surprise: f64,
    /// The alert, at the first sample of an episode that the settings let through.
    pub anomaly: Option<Anomaly>,
}

/// Learns one series and notices what is unusual in it: spikes, shifts of the level, other rhythm, other variance.
///
/// A lasting change becomes the usual within some hundred samples. A counter, which only ever rises until it starts over,
/// is judged by its increases. Values beyond ±10^150 count as these.
#[derive(Clone, Debug)]
pub struct Detector {
    stream: Stream,
    /// Samples learnt.
    count: u64,
    model: Model,
    episode: Episode,
    extremes: Extremes,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new() -> Self {
        Self {
            stream: Stream::default(),
            count: 0,
            model: Model::new(),
            episode: Episode::default(),
            extremes: Extremes::default(),
        }
    }

    /// Samples learnt since it started, or started afresh.
    pub fn samples(&self) -> u64 {
        self.count
    }

    /// Judges a sample by those before it, and learns it.
    pub fn observe(&mut self, at: Timestamp, value: f64, settings: &Settings) -> Verdict {
        if !value.is_finite() {
            return Verdict::NotFinite;
        }
        let second = at.as_second();
        let entered = match self.stream.enter(second, value) {
            Entrance::Refused => return Verdict::OutOfOrder,
            Entrance::Next(entered) => entered,
            Entrance::AfterGap(entered) => {
                self.model.resume_at(entered.value);
                entered
            }
            Entrance::Afresh(entered) => {
                self.count = 0;
                self.model = Model::new();
                self.episode = Episode::default();
                self.extremes = Extremes::default();
                entered
            }
        };
        self.count += 1;
        let impression = self.model.observe(second, entered.value);
        let verdict = if self.count <= LEARNING {
            Verdict::Learning
        } else {
            let expected = Expected::new(&impression, entered.base);
            let matters = settings.matters(entered.base + entered.value, &expected);
            let surprise = if matters { impression.surprise } else { 0.0 };
            let begins = self.episode.begins(self.count, second, surprise, settings.sensitivity);
            let anomaly = begins.then(|| Anomaly::new(at, entered, &impression, expected, &self.extremes));
            Verdict::Judged(Judgement { expected, surprise: f64::from(impression.surprise), anomaly })
        };
        self.extremes.learn(second, entered.value);
        verdict
    }

    /// The state, at most [`STATE_LIMIT`] bytes. A detector made of it goes on as this one would.
    pub fn to_bytes(&self) -> Vec<u8> {
        state::write(&mut self.clone())
    }

    /// A detector from its state. After an error, start afresh, and say so.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let mut detector = Self::new();
        state::read(bytes, &mut detector)?;
        Ok(detector)
    }
}

impl Settings {
    fn matters(&self, value: f64, expected: &Expected) -> bool {
        let change = value - expected.usual;
        let side = match self.direction {
            Direction::Both => true,
            Direction::Above => change > 0.0,
            Direction::Below => change < 0.0,
        };
        // A minimum that is no number asks for nothing.
        side && (change.abs() >= self.minimum_change || self.minimum_change.is_nan())
    }
}

impl Kept for Detector {
    fn keep(&mut self, ledger: &mut Ledger) {
        self.stream.keep(ledger);
        ledger.whole(&mut self.count);
        self.model.keep(ledger);
        self.episode.keep(ledger);
        self.extremes.keep(ledger);
    }
}

#[cfg(test)]
mod tests;
