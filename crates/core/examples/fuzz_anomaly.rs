//! Drives the detector and its kept state with bytes and samples that nobody would send, for so many seconds.
//!
//! Not guided by coverage: each round follows from its number alone, and a failure names the round to repeat. Every round runs
//! samples through a watch, keeps it, changes what was kept, and reads it again. Half of the changed states get a checksum that
//! fits, so that what lies behind the check is reached.
//!
//! `cargo run --release -p monitoring-core --example fuzz_anomaly -- SECONDS [FIRST_ROUND]`
#![allow(clippy::disallowed_methods, reason = "it runs by the clock; core itself does not")]
#![allow(clippy::print_stdout, reason = "the figure is what it is for")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use monitoring_core::anomaly::{Detector, STATE_LIMIT, Settings, Verdict, Watch};
use monitoring_core::catalogue::{Direction, MissingData, Sensitivity};
use monitoring_core::metric::Unit;

/// Values that arithmetic on floats stumbles over.
const ODD: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    -0.0,
    1e308,
    -1e150,
    9_007_199_254_740_993.0,
    0.1,
];

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap_or_default());
    let seconds = arguments.next().unwrap_or(60);
    let first = arguments.next().unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tally = Tally::default();
    let mut round = first;
    while Instant::now() < end {
        play(round, &mut tally);
        round += 1;
    }
    println!(
        "{} rounds from {first} in {seconds} s: {} samples, {} states read ({} accepted, {} of them changed), nothing failed",
        round - first,
        tally.samples,
        tally.read,
        tally.accepted,
        tally.accepted_changed,
    );
}

#[derive(Default)]
struct Tally {
    samples: u64,
    read: u64,
    accepted: u64,
    accepted_changed: u64,
}

/// One round: samples, a kept state, changes to it, and samples again on whatever could be read.
fn play(round: u64, tally: &mut Tally) {
    let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
    let settings = settings(&mut random);
    let mut watch = Watch::default();
    let mut detector = Detector::new();
    let count = random.below(600);
    feed(round, &mut random, (&mut watch, &mut detector), &settings, count, tally);

    let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let whole = watch.to_bytes(now);
    let same = Watch::from_bytes(&whole).map(|mut kept| kept.to_bytes(now));
    assert_eq!(same.as_ref(), Ok(&whole), "round {round}: a kept watch is read as it was");
    let bytes = detector.to_bytes();
    assert!(bytes.len() <= STATE_LIMIT, "round {round}: a state of {} bytes", bytes.len());

    for _ in 0..8 {
        let changed_watch = change(&mut random, whole.clone());
        tally.read += 1;
        let kept_watch = Watch::from_bytes(&changed_watch);
        let mut changed = change(&mut random, bytes.clone());
        if random.below(2) == 0 {
            seal(&mut changed);
        }
        tally.read += 1;
        let kept_detector = Detector::from_bytes(&changed);
        tally.accepted += u64::from(kept_watch.is_ok()) + u64::from(kept_detector.is_ok());
        tally.accepted_changed += u64::from(kept_detector.is_ok() && changed != bytes);
        let mut watch = kept_watch.unwrap_or_default();
        let mut detector = kept_detector.unwrap_or_default();
        feed(round, &mut random, (&mut watch, &mut detector), &settings, 40, tally);
        assert!(detector.to_bytes().len() <= STATE_LIMIT, "round {round}: a state too long after a changed one");
    }
}

/// Samples in any order, of any size. What is judged is judged in numbers.
fn feed(
    round: u64,
    random: &mut Random,
    (watch, detector): (&mut Watch, &mut Detector),
    settings: &Settings,
    count: u64,
    tally: &mut Tally,
) {
    let mut second: i64 = 1_700_000_000;
    for _ in 0..count {
        tally.samples += 1;
        second = match random.below(32) {
            0 => second.saturating_sub(i64::from(random.small())),
            1 => second.saturating_add(i64::from(random.small()) * 40_000),
            2 => second,
            3 => i64::from(random.small()) * 900_000,
            _ => second.saturating_add(300),
        };
        let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        let value = match random.below(16) {
            0 => ODD.get(usize::try_from(random.below(12)).unwrap_or_default()).copied().unwrap_or_default(),
            1 => f64::from_bits(random.next()),
            2 => 0.0,
            _ => 100.0 + f64::from(random.small() % 50),
        };
        let missing = random.below(24) == 0;
        let datapoint = (!missing).then_some(value);
        watch.observe((at, datapoint), Unit::Count, settings, u32::from(random.small() % 4));
        let (_, because) = watch.verdict(MissingData::Missing, &[datapoint]);
        assert!(because.is_none_or(|why| why.len() <= 300), "round {round}: a reason too long");
        if let Verdict::Judged(judgement) = detector.observe(at, value, settings) {
            assert!(judgement.surprise.is_finite(), "round {round}: surprise {}", judgement.surprise);
            let expected = judgement.expected;
            assert!(
                expected.low <= expected.high && expected.usual.is_finite(),
                "round {round}: expected {expected:?}"
            );
            if let Some(anomaly) = judgement.anomaly {
                assert!(!anomaly.reason(Unit::Count).is_empty(), "round {round}: no reason");
            }
        }
    }
}

fn settings(random: &mut Random) -> Settings {
    let sensitivity = match random.below(4) {
        0 => Sensitivity::Lowest,
        1 => Sensitivity::Low,
        2 => Sensitivity::Medium,
        _ => Sensitivity::High,
    };
    let direction = match random.below(3) {
        0 => Direction::Both,
        1 => Direction::Above,
        _ => Direction::Below,
    };
    let minimum_change = if random.below(4) == 0 { f64::from_bits(random.next()) } else { 0.0 };
    Settings { sensitivity, direction, minimum_change }
}

/// Bits turned, bytes replaced, a part cut out or put in, the end cut off, or something else altogether.
fn change(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=random.below(4) {
        let length = u64::try_from(bytes.len()).unwrap_or_default().max(1);
        let at = usize::try_from(random.below(length)).unwrap_or_default();
        let [new, ..] = random.next().to_be_bytes();
        match random.below(7) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (new % 8)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = new),
            2 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0xff),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at.min(bytes.len())..(at + 4).min(bytes.len()))),
            5 => bytes.insert(at.min(bytes.len()), new),
            _ => bytes.iter_mut().skip(at).take(8).zip(random.next().to_le_bytes()).for_each(|(byte, new)| *byte = new),
        }
    }
    bytes
}

/// The checksum that a detector's state ends in: FNV-1a, 64 bits.
fn seal(bytes: &mut [u8]) {
    if let Some((body, sum)) = bytes.split_last_chunk_mut::<8>() {
        let hash = body
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        *sum = hash.to_le_bytes();
    }
}

/// xorshift64* (Vigna, 2016): enough for a walk that can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit.max(1)
    }

    fn small(&mut self) -> u16 {
        let [high, low, ..] = self.next().to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}
