//! Rules: whether a run of datapoints is wrong, and how badly.
//!
//! [`evaluate`] answers as a `CloudWatch` alarm does for every tier by itself: M of N over an evaluation range, four
//! treatments of missing data, and the premature-alarm rule ("Configuring how `CloudWatch` alarms treat missing data"
//! in the `CloudWatch` User Guide). What `CloudWatch` lacks, hysteresis and tiers, is added so that it changes nothing
//! where it is not asked for.

mod judgement;
mod same_hour;
mod trend;

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalogue::{ActiveHours, Comparison, Condition, Evaluation, MissingData, Tier};
use crate::metric::{Dimensions, Range};

pub use judgement::{Reading, history, judge, judge_readings, readings};

/// How many datapoints more than N the evaluation looks back on, so that late or missing ones do not matter at once.
///
/// AWS says only "a higher number of data points than the number specified as Evaluation Periods"; its tables have 5
/// for N = 3.
const EXTRA_PERIODS: usize = 2;

/// The longest name that [`alarm_name`] makes, in bytes: `CloudWatch` takes 255 characters, and the environment's
/// suffix is appended later.
const ALARM_NAME_BYTES: usize = 255 - 32;

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing breaches.
    Ok,
    /// `CloudWatch` would say OK, but at least one datapoint breaches: too few yet, or too few still.
    Pending,
    /// A level fires.
    Alarm {
        /// Index of the worst level that does: of the tier, or 0 for absence.
        level: usize,
    },
    /// No datapoint in the whole evaluation range, and the user did not say what that means.
    InsufficientData,
    /// The state, whatever it is, stays.
    Retain,
}

/// The outcome, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// The newest real datapoint of the evaluation range, in the metric's unit.
    pub value: Option<f64>,
    /// How many of the datapoints that were evaluated, at most N, breach the mildest level. They are the newest real
    /// ones of the evaluation range; filled-in ones do not count. For absence: how many of the newest N periods are
    /// empty.
    pub breaching: u32,
    /// Whether at least one of the datapoints that were evaluated is real and good for every level. An OK without it
    /// rests on missing data that the user declared good.
    pub measured: bool,
    /// What was expected of the value that a detector fires on.
    pub expected: Option<Range>,
}

/// How many periods a caller has to load: the evaluation range of N + 2, or `clear_after` if that is more.
pub fn evaluation_range(evaluation: &Evaluation) -> usize {
    cloudwatch_range(evaluation).max(to_usize(evaluation.clear_after))
}

/// Evaluates a condition on datapoints, oldest first, of which the newest [`evaluation_range`] count. What is not a
/// finite number counts as missing, and so do periods before the first datapoint.
///
/// `firing` is the index of the level that fires now. Its tier and the milder ones then use `clear` for `threshold`,
/// and with `clear_after` above 1 an OK becomes [`Outcome::Retain`] until that many newest datapoints in a row are
/// good. A missing one is not good, unless the treatment is [`MissingData::NotBreaching`]: a metric that only exists
/// while something is wrong could never clear otherwise.
///
/// Total: counts that cannot be (M above N, or 0) are taken as the nearest that can.
pub fn evaluate(
    condition: &Condition,
    evaluation: &Evaluation,
    datapoints: &[Option<f64>],
    firing: Option<usize>,
) -> Verdict {
    match condition {
        Condition::Threshold { tiers } => evaluate_threshold(tiers, evaluation, datapoints, firing),
        Condition::Absence { .. } => evaluate_absence(evaluation, datapoints, firing),
        // What these say is not in these datapoints alone: `anomaly::Watch`, [`judge`] and the expression answer.
        Condition::Anomaly { .. }
        | Condition::Trend { .. }
        | Condition::SameHour { .. }
        | Condition::Composite { .. } => {
            let value = datapoints.iter().rev().copied().find_map(real);
            Verdict { outcome: Outcome::Retain, value, breaching: 0, measured: false, expected: None }
        }
    }
}

fn evaluate_threshold(
    tiers: &[Tier],
    evaluation: &Evaluation,
    datapoints: &[Option<f64>],
    firing: Option<usize>,
) -> Verdict {
    let counts = MOfN::new(evaluation);
    let range = newest(datapoints, cloudwatch_range(evaluation));
    let value = range.iter().rev().copied().find_map(real);
    let good = |value: f64| tiers.iter().enumerate().all(|(index, tier)| !limit(tier, index, firing).breaches(value));

    let mut worst = None;
    let mut breaching = 0;
    let mut retain = false;
    let mut insufficient = true;
    for (index, tier) in tiers.iter().enumerate() {
        let limit = limit(tier, index, firing);
        let tally = Tally::of(range, counts.n, |value| limit.breaches(value));
        if index == 0 {
            breaching = tally.breaching;
        }
        match tally.state(counts, evaluation.missing) {
            State::Alarm => worst = Some(index),
            State::Retain => retain = true,
            State::Ok => insufficient = false,
            State::InsufficientData => {}
        }
    }

    let outcome = match worst {
        Some(level) => Outcome::Alarm { level },
        None if retain => Outcome::Retain,
        None if insufficient => Outcome::InsufficientData,
        None if firing.is_some() && !has_cleared(evaluation, datapoints, good) => Outcome::Retain,
        None if breaching > 0 => Outcome::Pending,
        None => Outcome::Ok,
    };
    let measured = range.iter().rev().copied().filter_map(real).take(to_usize(counts.n)).any(good);
    Verdict { outcome, value, breaching, measured, expected: None }
}

/// M of the newest N periods are empty. Unlike a threshold there is nothing to look further back for: that a period
/// is empty is the datapoint.
fn evaluate_absence(evaluation: &Evaluation, datapoints: &[Option<f64>], firing: Option<usize>) -> Verdict {
    let counts = MOfN::new(evaluation);
    let range = newest(datapoints, cloudwatch_range(evaluation));
    let value = range.iter().rev().copied().find_map(real);
    let present = newest(range, to_usize(counts.n)).iter().copied().filter_map(real).count();
    let absent = counts.n.saturating_sub(u32::try_from(present).unwrap_or(u32::MAX));
    let outcome = if absent >= counts.m {
        Outcome::Alarm { level: 0 }
    } else if firing.is_some() && !newest_are_good(evaluation.clear_after, datapoints, |point| point.is_some()) {
        Outcome::Retain
    } else if absent > 0 {
        Outcome::Pending
    } else {
        Outcome::Ok
    };
    Verdict { outcome, value, breaching: absent, measured: present > 0, expected: None }
}

/// The worst tier that a single value breaches; `None` when none is, and for absence, which no value breaches.
pub fn static_level(condition: &Condition, value: f64) -> Option<usize> {
    let Condition::Threshold { tiers } = condition else { return None };
    let value = real(Some(value))?;
    tiers.iter().rposition(|tier| tier.comparison.breaches(value, tier.threshold))
}

/// Removes the datapoints that have too little behind them: whose volume is missing or below `at_least`.
///
/// Both are oldest first and end with the same period.
pub fn mask_low_volume(datapoints: &mut [Option<f64>], volume: &[Option<f64>], at_least: f64) {
    let volumes = volume.iter().rev().copied().chain(std::iter::repeat(None));
    for (datapoint, volume) in datapoints.iter_mut().rev().zip(volumes) {
        if !real(volume).is_some_and(|volume| volume >= at_least) {
            *datapoint = None;
        }
    }
}

/// Whether the rule is evaluated on a period that starts at this time, by the clock on the wall of its time zone.
///
/// A time zone that is not known counts as always active: better a needless alert than none. The catalogue's check
/// refuses it earlier.
pub fn is_active(hours: &ActiveHours, period_start: Timestamp) -> bool {
    let Ok(zone) = TimeZone::get(&hours.time_zone) else { return true };
    let local = period_start.to_zoned(zone);
    let hour = i16::from(local.hour());
    let weekday = i16::from(local.weekday().to_monday_one_offset());
    (i16::from(hours.from_hour)..i16::from(hours.to_hour)).contains(&hour)
        && hours.weekdays.iter().any(|active| i16::from(*active) == weekday)
}

/// The name of the `CloudWatch` alarm for one level of a rule on one set of dimensions:
/// `ai-nutritionist-lambda-duration-critical-FunctionName=api`.
///
/// Printable ASCII, at most 223 bytes, so that with the environment's suffix it stays within `CloudWatch`'s 255.
/// A name that had to be cut or changed for that, or that other dimensions could spell as well, ends in a hash of
/// the whole.
pub fn alarm_name(service: &str, rule: &str, level: &str, dimensions: &Dimensions) -> String {
    let mut whole = format!("{service}-{rule}-{level}");
    let mut ambiguous = false;
    for (index, (name, value)) in dimensions.iter().enumerate() {
        let separator = if index == 0 { '-' } else { ',' };
        ambiguous |= [name, value].iter().any(|part| part.contains(['=', ',']));
        // Writing to a string cannot fail.
        let _ = write!(whole, "{separator}{name}={value}");
    }
    let printable: String = whole.chars().map(|c| if matches!(c, ' '..='~') { c } else { '_' }).collect();
    if printable == whole && printable.len() <= ALARM_NAME_BYTES && !ambiguous {
        return printable;
    }
    let hash = dimensions.iter().fold(fnv1a(FNV_OFFSET, whole.as_bytes()), |hash, (name, value)| {
        // The lengths tell apart what the separators do not.
        fnv1a(hash, format!("{}:{}", name.len(), value.len()).as_bytes())
    });
    let suffix = format!("-{hash:08x}");
    let kept: String = printable.chars().take(ALARM_NAME_BYTES - suffix.len()).collect();
    kept + &suffix
}

/// The offset basis of FNV-1a with 32 bits.
const FNV_OFFSET: u32 = 0x811c_9dc5;

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    const FNV_PRIME: u32 = 0x0100_0193;
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// M and N, with 1 <= M <= N.
#[derive(Clone, Copy)]
struct MOfN {
    m: u32,
    n: u32,
}

impl MOfN {
    fn new(evaluation: &Evaluation) -> Self {
        let n = evaluation.periods.max(1);
        Self { m: evaluation.datapoints.clamp(1, n), n }
    }
}

/// A comparison with the threshold that counts now.
#[derive(Clone, Copy)]
struct Limit {
    comparison: Comparison,
    threshold: f64,
}

impl Limit {
    fn breaches(self, value: f64) -> bool {
        self.comparison.breaches(value, self.threshold)
    }
}

fn limit(tier: &Tier, index: usize, firing: Option<usize>) -> Limit {
    let holds = firing.is_some_and(|firing| index <= firing);
    Limit { comparison: tier.comparison, threshold: if holds { tier.clear } else { tier.threshold } }
}

/// The state of one `CloudWatch` alarm; `Retain` is its "retain current state".
#[derive(Clone, Copy)]
enum State {
    Ok,
    Alarm,
    InsufficientData,
    Retain,
}

/// What an evaluation range holds: the newest N real datapoints, or all if there are fewer.
struct Tally {
    real: u32,
    breaching: u32,
    /// How many periods ago the oldest of the breaching ones was, the newest period being 1; 0 when none breaches.
    oldest_breaching: usize,
}

impl Tally {
    fn of(range: &[Option<f64>], n: u32, breaches: impl Fn(f64) -> bool) -> Self {
        let mut tally = Self { real: 0, breaching: 0, oldest_breaching: 0 };
        for (age, datapoint) in range.iter().rev().enumerate() {
            let Some(value) = real(*datapoint) else { continue };
            if tally.real == n {
                break;
            }
            tally.real += 1;
            if breaches(value) {
                tally.breaching += 1;
                tally.oldest_breaching = age + 1;
            }
        }
        tally
    }

    fn state(&self, counts: MOfN, missing: MissingData) -> State {
        if self.breaching >= counts.m {
            return State::Alarm;
        }
        let to_fill = counts.n - self.real;
        if to_fill == 0 {
            return State::Ok;
        }
        let any_good = self.breaching < self.real;
        match missing {
            MissingData::Breaching if self.breaching + to_fill >= counts.m => State::Alarm,
            MissingData::Missing if self.real == 0 => State::InsufficientData,
            // The premature-alarm rule. AWS's table for 2 of 3 has OK for `0 - X - -`, so a good datapoint anywhere
            // in the range forbids it, an older one as well.
            MissingData::Missing if !any_good && self.oldest_breaching >= to_usize(counts.m) => State::Alarm,
            // Where `missing` would go to ALARM on little data or has none, AWS retains. What it does when the
            // breaching datapoints are too young for that is not written; nothing good was measured, so neither is
            // there an OK.
            MissingData::Ignore if !any_good => State::Retain,
            _ => State::Ok,
        }
    }
}

fn has_cleared(evaluation: &Evaluation, datapoints: &[Option<f64>], good: impl Fn(f64) -> bool) -> bool {
    newest_are_good(evaluation.clear_after, datapoints, |point| match point {
        Some(value) => good(value),
        None => evaluation.missing == MissingData::NotBreaching,
    })
}

/// Whether each of the newest `count` datapoints is good. A count of 1 asks for nothing: plain `CloudWatch`, which
/// goes OK by M of N alone.
fn newest_are_good(count: u32, datapoints: &[Option<f64>], good: impl Fn(Option<f64>) -> bool) -> bool {
    let count = to_usize(count);
    if count <= 1 {
        return true;
    }
    let range = newest(datapoints, count);
    range.iter().all(|point| good(real(*point))) && (range.len() == count || good(None))
}

/// N + 2.
fn cloudwatch_range(evaluation: &Evaluation) -> usize {
    to_usize(evaluation.periods.max(1)).saturating_add(EXTRA_PERIODS)
}

fn newest(datapoints: &[Option<f64>], count: usize) -> &[Option<f64>] {
    datapoints.get(datapoints.len().saturating_sub(count)..).unwrap_or_default()
}

/// A datapoint that is a number; NaN and the infinities are as good as missing.
fn real(datapoint: Option<f64>) -> Option<f64> {
    datapoint.filter(|value| value.is_finite())
}

fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
