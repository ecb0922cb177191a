use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::metric::Unit;

/// Monday, 1 January 2024.
const START: i64 = 1_704_067_200;
const DAY: i64 = 24 * 60 * 60;
const FIVE_MINUTES: i64 = 300;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Noise between -1 and 1 that is the same in each run: a linear congruential generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// A detector and the alerts that it raised.
struct Watch {
    detector: Detector,
    settings: Settings,
    /// Sample number, why.
    alerts: Vec<(usize, String)>,
}

impl Watch {
    fn new(sensitivity: Sensitivity) -> Self {
        let settings = Settings { sensitivity, ..Settings::default() };
        Self { detector: Detector::new(), settings, alerts: Vec::new() }
    }

    fn see(&mut self, index: usize, second: i64, value: f64) -> Verdict {
        let verdict = self.detector.observe(at(second), value, &self.settings);
        if let Verdict::Judged(Judgement { anomaly: Some(anomaly), .. }) = &verdict {
            self.alerts.push((index, anomaly.reason(Unit::None)));
        }
        verdict
    }

    /// Samples each five minutes, with noise of `noise`.
    fn run(mut self, samples: usize, noise: f64, value: impl Fn(usize) -> f64) -> Self {
        let mut random = Noise(7);
        for index in 0..samples {
            let second = START + FIVE_MINUTES * i64::try_from(index).unwrap();
            self.see(index, second, value(index) + noise * random.next());
        }
        self
    }

    fn indices(&self) -> Vec<usize> {
        self.alerts.iter().map(|(index, _)| *index).collect()
    }
}

/// 100 at night, 200 at noon.
fn daily(index: usize) -> f64 {
    150.0 - 50.0 * (std::f64::consts::TAU * index as f64 / 288.0).cos()
}

/// A value for each sample.
type Shape = fn(usize) -> f64;

/// Samples in a day.
const PER_DAY: usize = 288;

#[test]
fn what_it_notices_and_how_often() {
    let day = |number: usize| number * PER_DAY;
    let cases: [(&str, f64, Shape, std::ops::Range<usize>); 8] = [
        ("a spike", 3.0, |i| if i == 5000 { 400.0 } else { daily(i) }, 5000..5001),
        ("a drop", 3.0, |i| if i == 5000 { 0.0 } else { daily(i) }, 5000..5001),
        ("a shift of the level", 3.0, |i| if i >= 5000 { daily(i) + 80.0 } else { daily(i) }, 5000..5012),
        ("a rhythm that stops", 3.0, |i| if i >= 17 * 288 { 100.0 } else { daily(i) }, 17 * 288..18 * 288),
        ("noise that grows", 0.0, |i| 100.0 + if i >= 5000 { 30.0 } else { 2.0 } * wobble(i), 5000..5100),
        ("noise that ends", 0.0, |i| 100.0 + if i >= 5000 { 0.0 } else { 10.0 } * wobble(i), 5000..5400),
        ("the night's value at noon", 3.0, |i| if (4464..4476).contains(&i) { 100.0 } else { daily(i) }, 4464..4476),
        ("a flat line that moves", 0.0, |i| if i >= 5000 { 5.0 } else { 3.0 }, 5000..5003),
    ];
    for (name, noise, value, expected) in cases {
        let watch = Watch::new(Sensitivity::Medium).run(day(24), noise, value);
        let after: Vec<usize> = watch.indices().into_iter().filter(|index| *index >= day(4)).collect();
        let hits = after.iter().filter(|index| expected.contains(index)).count();
        assert_eq!(hits, 1, "{name}: {:?}", watch.alerts);
        assert!(after.len() <= 4, "{name}: {:?}", watch.alerts);
    }
}

/// Noise between -1 and 1 as a function of the index.
fn wobble(index: usize) -> f64 {
    Noise(index as u64 * 977 + 13).next()
}

#[test]
fn a_usual_day_raises_nothing() {
    for noise in [0.0, 1.0, 10.0] {
        let watch = Watch::new(Sensitivity::Low).run(28 * PER_DAY, noise, daily);
        assert!(watch.alerts.len() <= 2, "noise {noise}: {:?}", watch.alerts);
    }
}

#[test]
fn nothing_alarms_for_ever() {
    let cases: [(&str, Shape); 6] = [
        ("shift", |i| if i >= 3000 { 1e6 } else { daily(i) }),
        ("ramp", |i| i as f64),
        ("growth", |i| (i as f64 / 1000.0).exp()),
        ("saw", |i| (i % 500) as f64),
        ("one in ten", |i| if i % 10 == 0 { 1e9 } else { 0.0 }),
        ("extremes", |i| if i % 2 == 0 { f64::MAX } else { -f64::MAX }),
    ];
    for (name, value) in cases {
        let watch = Watch::new(Sensitivity::High).run(20_000, 0.0, value);
        let late = watch.indices().into_iter().filter(|index| *index >= 10_000).count();
        assert!(late <= 8, "{name}: {late} alerts in the second half: {:?}", watch.alerts);
    }
}

#[test]
fn it_says_why() {
    // Four weeks with a peak on each Monday at 14:00.
    let monday = |index: usize| if index % (7 * PER_DAY) / 12 == 14 { 60.0 } else { 0.0 };
    let spike = 28 * PER_DAY + 14 * 12 + 3;
    let watch = Watch::new(Sensitivity::Medium)
        .run(spike + 1, 2.0, |index| if index == spike { 640.0 } else { 100.0 + monday(index) });
    let (index, reason) = watch.alerts.last().unwrap();
    assert_eq!(*index, spike);
    assert!(reason.contains(" times the usual for Mondays at 14:00 UTC, highest of all 4 weeks known"), "{reason}");
}

#[test]
fn the_expected_range_holds_what_is_usual() {
    let mut watch = Watch::new(Sensitivity::Medium).run(14 * PER_DAY, 5.0, daily);
    let mut random = Noise(3);
    for index in 14 * PER_DAY..15 * PER_DAY {
        let second = START + FIVE_MINUTES * i64::try_from(index).unwrap();
        let value = daily(index) + 5.0 * random.next();
        let Verdict::Judged(judgement) = watch.see(index, second, value) else { panic!("not judged") };
        let Expected { low, usual, high } = judgement.expected;
        assert!(low < value && value < high, "{low} {value} {high}");
        assert!((usual - daily(index)).abs() < 20.0 && high - low < 100.0, "{low} {usual} {high}");
    }
}

#[test]
fn settings_hold_alerts_back() {
    let spike = |index: usize| if index == 4000 { 400.0 } else { daily(index) };
    for (direction, minimum_change, raised) in [
        (Direction::Both, 0.0, true),
        (Direction::Above, 0.0, true),
        (Direction::Below, 0.0, false),
        (Direction::Both, 200.0, true),
        (Direction::Both, 300.0, false),
        (Direction::Both, f64::NAN, true),
        (Direction::Both, f64::INFINITY, false),
    ] {
        let mut watch = Watch::new(Sensitivity::Medium);
        watch.settings = Settings { direction, minimum_change, ..watch.settings };
        let watch = watch.run(4001, 3.0, spike);
        assert_eq!(watch.indices().contains(&4000), raised, "{direction:?} {minimum_change}: {:?}", watch.alerts);
    }
}

#[test]
fn a_more_sensitive_setting_takes_less() {
    let some_spikes =
        |index: usize| if index.is_multiple_of(997) { daily(index) + index as f64 / 10.0 } else { daily(index) };
    let alerts = |sensitivity| Watch::new(sensitivity).run(9000, 30.0, some_spikes).alerts.len();
    let counts = [Sensitivity::Lowest, Sensitivity::Low, Sensitivity::Medium, Sensitivity::High].map(alerts);
    assert!(counts.is_sorted() && counts[0] < counts[3], "{counts:?}");
}

#[test]
fn samples_out_of_order_are_not_learnt() {
    let mut watch = Watch::new(Sensitivity::Medium).run(1000, 1.0, daily);
    let last = START + 999 * FIVE_MINUTES;
    for (second, value, expected) in [
        (last, 1e6, Verdict::OutOfOrder),
        (last - 300, 1e6, Verdict::OutOfOrder),
        (last + 300, f64::NAN, Verdict::NotFinite),
        (last + 300, f64::NEG_INFINITY, Verdict::NotFinite),
    ] {
        assert_eq!(watch.see(0, second, value), expected);
    }
    assert_eq!(watch.detector.samples(), 1000);
    // Fetched again, a window of the past changes nothing.
    for index in 800..1000 {
        watch.see(index, START + FIVE_MINUTES * i64::try_from(index).unwrap(), 1e6);
    }
    assert_eq!(watch.detector.samples(), 1000);
}

#[test]
fn clocks_may_jump() {
    // One wrong time in the year 2100 does not make the right ones late.
    let mut watch = Watch::new(Sensitivity::Medium).run(1000, 1.0, daily);
    assert_eq!(watch.see(0, 4_102_444_800, 150.0), Verdict::OutOfOrder);
    let next = START + 1000 * FIVE_MINUTES;
    assert!(matches!(watch.see(1000, next, daily(1000)), Verdict::Judged(_)));

    // A clock that was set back is believed after a while, and what was learnt stays.
    let back = next - 20 * DAY;
    for index in 0..400 {
        watch.see(index, back + FIVE_MINUTES * i64::try_from(index).unwrap(), daily(index));
    }
    assert_eq!(watch.detector.samples(), 1001 + 101);
}

#[test]
fn after_a_year_it_starts_afresh_and_after_a_gap_it_goes_on() {
    let mut watch = Watch::new(Sensitivity::High).run(3000, 1.0, daily);
    let before = watch.alerts.len();
    let resumed = START + 3000 * FIVE_MINUTES + 3 * DAY;
    for index in 0..PER_DAY {
        watch.see(index, resumed + FIVE_MINUTES * i64::try_from(index).unwrap(), daily(3000 + index));
    }
    assert_eq!(watch.detector.samples(), 3000 + PER_DAY as u64);
    assert!(watch.alerts.len() <= before + 1, "{:?}", watch.alerts);

    let later = resumed + 365 * DAY;
    assert_eq!(watch.see(0, later, 1e9), Verdict::OutOfOrder, "waits for a second sample");
    assert_eq!(watch.see(1, later + FIVE_MINUTES, 1e9), Verdict::Learning);
    assert_eq!(watch.detector.samples(), 1);
}

#[test]
fn a_counter_that_starts_over_is_no_anomaly() {
    // 10 a sample, back to 0 each 700 samples; at 5000 it stands still for a while, at 6000 it leaps.
    let mut random = Noise(5);
    let mut total = 0.0;
    let mut watch = Watch::new(Sensitivity::Medium);
    for index in 0..8000_usize {
        let step = if index == 6000 { 1000.0 } else { 10.0 + 2.0 * random.next() };
        total = if index % 700 == 699 { step } else { total + step };
        watch.see(index, START + FIVE_MINUTES * i64::try_from(index).unwrap(), total);
    }
    let late: Vec<usize> = watch.indices().into_iter().filter(|index| *index > 600).collect();
    assert!(late.contains(&6000), "{:?}", watch.alerts);
    assert!(late.iter().filter(|index| **index % 700 == 699).count() == 0, "{:?}", watch.alerts);
}

#[test]
fn a_daily_series_is_watched_as_well() {
    let mut watch = Watch::new(Sensitivity::Medium);
    let mut random = Noise(1);
    for index in 0..120 {
        let weekend = if index % 7 >= 5 { 20.0 } else { 0.0 };
        let value = if index == 110 { 190.0 } else { 50.0 - weekend + random.next() };
        watch.see(index, START + DAY * i64::try_from(index).unwrap(), value);
    }
    assert!(watch.indices().contains(&110), "{:?}", watch.alerts);
    assert!(watch.alerts.len() <= 3, "{:?}", watch.alerts);
}

#[test]
fn a_state_goes_on_where_it_was_and_is_small() {
    let mut detector = Detector::new();
    let mut random = Noise(11);
    let mut largest = 0;
    for index in 0..30_000_i64 {
        // Everything new all the time, so that every list fills.
        let value = daily(usize::try_from(index).unwrap()) * (1.0 + random.next()).powi(20);
        let time = at(START + index * 900);
        if index % 1000 == 0 {
            let bytes = detector.to_bytes();
            largest = largest.max(bytes.len());
            let mut copy = Detector::from_bytes(&bytes).unwrap();
            assert_eq!(copy.to_bytes(), bytes);
            assert_eq!(
                copy.observe(time, value, &Settings::default()),
                detector.clone().observe(time, value, &Settings::default())
            );
            detector = copy;
            detector.observe(time, value, &Settings::default());
        } else {
            detector.observe(time, value, &Settings::default());
        }
    }
    assert!(largest <= STATE_LIMIT, "{largest} bytes");
    assert!(largest > STATE_LIMIT / 2, "{largest} bytes: the lists did not fill");
}

#[test]
fn a_state_that_cannot_be_read_is_told_apart() {
    let bytes = Watch::new(Sensitivity::Low).run(500, 1.0, daily).detector.to_bytes();
    let mut newer = bytes.clone();
    newer[4] = 2;
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    for (name, bytes, expected) in [
        ("empty", Vec::new(), StateError::Damaged),
        ("cut", bytes[..bytes.len() - 1].to_vec(), StateError::Damaged),
        ("longer", [bytes.clone(), vec![0]].concat(), StateError::Damaged),
        ("of something else", b"{\"version\": 1, \"mean\": 5}".to_vec(), StateError::Damaged),
        ("newer", newer, StateError::Version(2)),
        ("changed", changed, StateError::Damaged),
    ] {
        assert_eq!(Detector::from_bytes(&bytes).err(), Some(expected), "{name}");
    }
}

/// Values as no one would wish them.
fn hostile() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3,
        1 => any::<f64>(),
        1 => prop_oneof![
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(f64::MAX),
            Just(f64::MIN),
            Just(1e308),
            Just(f64::MIN_POSITIVE),
            Just(5e-324),
            Just(-0.0),
            Just(0.0),
        ],
    ]
}

/// Steps of time: regular, none, back, and far.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => Just(300_i64),
        4 => 1_i64..100_000,
        1 => Just(0_i64),
        1 => -100_000_i64..0,
        1 => -40_000_000_000_i64..40_000_000_000,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_it_stays_sound(samples in prop::collection::vec((step(), hostile()), 1..600)) {
        let mut detector = Detector::new();
        let settings = Settings { sensitivity: Sensitivity::High, ..Settings::default() };
        let mut second = START;
        let mut alerts = 0_u64;
        for (step, value) in samples {
            second = (second + step).clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
            if let Verdict::Judged(judgement) = detector.observe(at(second), value, &settings) {
                let Expected { low, usual, high } = judgement.expected;
                prop_assert!(low <= usual && usual <= high, "{low} {usual} {high}");
                prop_assert!(judgement.surprise.is_finite() && judgement.surprise >= 0.0);
                if let Some(anomaly) = judgement.anomaly {
                    alerts += 1;
                    prop_assert!(!anomaly.reason(Unit::Usd).contains("NaN"));
                }
            }
        }
        prop_assert!(alerts <= 100, "{} alerts", alerts);
        // What was learnt can be kept, whatever it was.
        let bytes = detector.to_bytes();
        prop_assert!(bytes.len() <= STATE_LIMIT);
        prop_assert_eq!(Detector::from_bytes(&bytes).map(|copy| copy.to_bytes()), Ok(bytes));
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..4000), place in 0_usize..20_000, byte: u8) {
        let _ = Detector::from_bytes(&bytes);
        // A real state in which one byte is another.
        let mut state = Detector::new().to_bytes();
        let place = place % state.len();
        let same = state[place] == byte;
        state[place] = byte;
        prop_assert_eq!(Detector::from_bytes(&state).is_ok(), same);
        bytes.splice(0..0, state[..5].iter().copied());
        prop_assert!(Detector::from_bytes(&bytes).is_err());
    }
}
