//! What a series usually does, and how surprising its next sample is.
//!
//! Twelve signs are looked at, each simple: they differ in what they notice, and a sample is surprising when several of
//! them say so. Each is compared with its own past only, so one set of constants serves every series.

use super::distribution::Distribution;
use super::familiar::Familiar;
use super::season::{Season, Usual};
use super::state::{Kept, Ledger};
use super::statistics::{Average, Rarity, TINY};

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// "All of the past" for level and spread: a week of 5 minutes.
const LONG: f64 = 2000.0;

/// A rarity above this, in powers of ten, adds no more: the tail has only been guessed there.
const CERTAIN: f32 = 6.0;

/// What a sign is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Lower than the level of all the past.
    Low,
    /// Far from the sample before.
    Jump,
    /// The last 48 samples vary more than usual.
    Restless,
    /// ... less than usual.
    Still,
    /// Over 192 samples it moves less from one to the next.
    Smooth,
    /// Not as usual at this time of day.
    TimeOfDay,
    /// For about 12 samples not as usual at these times of the day.
    Daily,
    /// For about 8 samples not as usual at these hours of the week.
    Weekly,
    /// Value, two averages and spread have not been like this together.
    Situation,
    /// Never at this level at this time of day.
    LevelAtTime,
    /// The last 48 values are distributed otherwise.
    Distribution,
    /// The same value for long.
    Stuck,
}

/// All signs, in the order in which they are measured.
const SIGNS: [Sign; 12] = [
    Sign::Low,
    Sign::Jump,
    Sign::Restless,
    Sign::Still,
    Sign::Smooth,
    Sign::TimeOfDay,
    Sign::Daily,
    Sign::Weekly,
    Sign::Situation,
    Sign::LevelAtTime,
    Sign::Distribution,
    Sign::Stuck,
];

/// What the model makes of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Impression {
    /// 0 for what is usual; about 10 to 50 for what is not. No unit.
    pub(super) surprise: f32,
    /// The sign that says it most.
    pub(super) foremost: Sign,
    /// What was expected, with its spread, before the sample.
    pub(super) usual: Usual,
    /// Whether the expectation is that of the hour of the week (or else that of all times).
    pub(super) seasonal: bool,
    /// Standard deviation of the last 48 samples, against that of all.
    pub(super) restlessness: f64,
}

/// Level, rhythm, spread and habits of a series. Values must be finite and their squares too.
#[derive(Clone, Debug)]
pub(super) struct Model {
    previous: f64,
    started: bool,
    /// Samples in a row that had the value of the one before.
    same: f64,
    level: Average,
    step: Average,
    over_12: Average,
    over_20: Average,
    over_48: Average,
    over_90: Average,
    steps_192: Average,
    daily: Season,
    weekly: Season,
    off_daily: Average,
    off_weekly: Average,
    drift: Average,
    distribution: Distribution,
    compressed: Average,
    compressed_4: Average,
    situations: Familiar<4>,
    times: Familiar<3>,
    rarities: Vec<Rarity>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            previous: 0.0,
            started: false,
            same: 0.0,
            level: Average::over(LONG),
            step: Average::over(LONG),
            over_12: Average::over(12.0),
            over_20: Average::over(20.0),
            over_48: Average::over(48.0),
            over_90: Average::over(90.0),
            steps_192: Average::over(192.0),
            daily: Season::daily(),
            weekly: Season::weekly(),
            off_daily: Average::over(12.0),
            off_weekly: Average::over(8.0),
            drift: Average::over(80.0),
            distribution: Distribution::new(),
            compressed: Average::over(LONG),
            compressed_4: Average::over(4.0),
            situations: Familiar::new(0.35),
            times: Familiar::new(0.2),
            rarities: vec![Rarity::new(); SIGNS.len()],
        }
    }

    /// Forgets what the last samples were, but not what is usual: after a gap nothing can be said about a jump.
    pub(super) fn resume_at(&mut self, value: f64) {
        self.previous = value;
        for average in [&mut self.over_12, &mut self.over_20, &mut self.over_48, &mut self.over_90] {
            average.restart_at(value);
        }
        for average in [&mut self.off_daily, &mut self.off_weekly, &mut self.drift] {
            average.restart_at(0.0);
        }
    }

    /// Judges the sample by those before it, then learns it. `second` is Unix time.
    pub(super) fn observe(&mut self, second: i64, value: f64) -> Impression {
        if !self.started {
            self.started = true;
            self.previous = value;
            self.level.restart_at(value);
        }
        let spread = self.level.spread().max(1e-9 * self.level.mean.abs()).max(TINY);
        let (usual, seasonal) = self.usual(second, spread);
        let numbers = self.measure(second, value, spread);

        let mut sum = 0.0;
        let mut foremost = (Sign::Jump, 0.0);
        for ((rarity, number), sign) in self.rarities.iter_mut().zip(numbers).zip(SIGNS) {
            let rare = rarity.push(number).min(CERTAIN);
            if rare > foremost.1 {
                foremost = (sign, rare);
            }
            sum += dampen(rare);
        }
        let restlessness = self.over_48.spread() / spread;

        self.step.push(value - self.previous);
        self.level.push(value);
        self.previous = value;
        Impression { surprise: restore(sum), foremost: foremost.0, usual, seasonal, restlessness }
    }

    /// What to expect: this hour of the week, else this time of day, else the level; shifted by how far the last hours
    /// were off.
    fn usual(&self, second: i64, spread: f64) -> (Usual, bool) {
        let slot = self.weekly.usual(second).or_else(|| self.daily.usual(second));
        match slot {
            Some(slot) => {
                let spread = slot.spread.max(0.1 * spread);
                (Usual { mean: slot.mean + self.drift.mean, spread }, true)
            }
            None => (Usual { mean: self.level.mean, spread }, false),
        }
    }

    /// The signs' numbers in the order of [`SIGNS`], each the larger the stranger. All short averages learn the sample.
    fn measure(&mut self, second: i64, value: f64, spread: f64) -> [f64; SIGNS.len()] {
        let difference = (value - self.previous).abs();
        let usual_step = self.step.spread().max(TINY);
        for average in [&mut self.over_12, &mut self.over_20, &mut self.over_48, &mut self.over_90] {
            average.push(value);
        }
        self.steps_192.push(difference);
        self.same = if difference > 0.0 { 0.0 } else { self.same + 1.0 };
        let level = self.level.mean;
        let against_level = |value: f64| (value - level) / spread;

        let on_day = self.daily.usual(second);
        let off_day = on_day.map_or(0.0, |usual| value - usual.mean);
        let time_of_day = on_day.map_or(0.0, |usual| off_day.abs() / (usual.spread + 0.3 * spread));
        let off_week = self.weekly.usual(second).map_or(off_day, |usual| value - usual.mean);
        self.daily.learn(second, value);
        self.weekly.learn(second, value);
        self.off_daily.push(off_day);
        self.off_weekly.push(off_week);
        self.drift.push(off_week);

        let distribution = self.distribution.push(value);
        let compressed = self.distribution.compress(value, self.level.spread());
        let usual_compressed = self.compressed.spread().max(1e-9);
        self.compressed_4.push(compressed);
        let compressed_level = (self.compressed_4.mean - self.compressed.mean) / usual_compressed;
        self.compressed.push(compressed);
        let angle = second.rem_euclid(DAY) as f64 / DAY as f64 * std::f64::consts::TAU;

        let situation = [
            against_level(value),
            against_level(self.over_20.mean),
            against_level(self.over_90.mean),
            self.over_12.spread() / spread,
        ];
        [
            -against_level(value),
            difference / usual_step,
            self.over_48.spread() / spread,
            spread / (self.over_48.spread() + 0.01 * spread),
            usual_step / (self.steps_192.mean + 0.02 * usual_step),
            time_of_day,
            self.off_daily.mean.abs() / spread,
            self.off_weekly.mean.abs() / spread,
            f64::from(self.situations.push(situation.map(|number| root(narrow(number))))),
            f64::from(self.times.push([narrow(compressed_level), angle.sin() as f32, angle.cos() as f32])),
            distribution,
            self.same,
        ]
    }
}

/// Between a sum, where one loud sign is enough, and a vote, where only their number counts: `rare^0.75`.
fn dampen(rare: f32) -> f32 {
    let root = rare.max(0.0).sqrt();
    root * root.sqrt()
}

/// The inverse of [`dampen`].
fn restore(sum: f32) -> f32 {
    sum * sum.cbrt()
}

/// Far away is far away.
fn narrow(number: f64) -> f32 {
    number.clamp(-1e4, 1e4) as f32
}

/// The root, with its sign.
fn root(number: f32) -> f32 {
    number.abs().sqrt().copysign(number)
}

impl Kept for Model {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.real(&mut self.previous);
        ledger.flag(&mut self.started);
        ledger.real(&mut self.same);
        for average in [
            &mut self.level,
            &mut self.step,
            &mut self.over_12,
            &mut self.over_20,
            &mut self.over_48,
            &mut self.over_90,
            &mut self.steps_192,
            &mut self.off_daily,
            &mut self.off_weekly,
            &mut self.drift,
            &mut self.compressed,
            &mut self.compressed_4,
        ] {
            average.keep(ledger);
        }
        self.daily.keep(ledger);
        self.weekly.keep(ledger);
        self.distribution.keep(ledger);
        self.situations.keep(ledger);
        self.times.keep(ledger);
        for rarity in &mut self.rarities {
            rarity.keep(ledger);
        }
    }
}
