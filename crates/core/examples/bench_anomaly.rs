//! How many samples a second one detector learns and judges: 16 series of 20,000 samples with a daily rhythm, noise and
//! spikes.
//!
//! `cargo run --release -p monitoring-core --example bench_anomaly`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock; core itself does not")]
#![allow(clippy::print_stdout, reason = "the figure is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use jiff::Timestamp;
use monitoring_core::anomaly::{Detector, Settings, Verdict};

const SERIES: u32 = 16;
const SAMPLES: u32 = 20_000;
const RUNS: usize = 5;

fn main() {
    let settings = Settings::default();
    let mut rates: Vec<f64> = Vec::with_capacity(RUNS);
    let (mut alerts, mut largest) = (0, 0);
    for _ in 0..RUNS {
        (alerts, largest) = (0, 0);
        let start = Instant::now();
        for series in 0..SERIES {
            let mut detector = Detector::new();
            let mut random = u64::from(series);
            for index in 0..SAMPLES {
                let at = Timestamp::from_second(1_700_000_000 + 300 * i64::from(index)).unwrap_or_default();
                let verdict = detector.observe(at, black_box(value(index, &mut random)), &settings);
                alerts += u32::from(matches!(verdict, Verdict::Judged(judgement) if judgement.anomaly.is_some()));
            }
            largest = largest.max(detector.to_bytes().len());
        }
        rates.push(f64::from(SERIES * SAMPLES) / start.elapsed().as_secs_f64());
    }
    rates.sort_unstable_by(f64::total_cmp);
    let rate = |run: usize| rates.get(run).copied().unwrap_or_default();
    println!(
        "{RUNS} runs of {} samples: median {:.0} samples/s, least {:.0}, most {:.0}; {alerts} alerts, states of at most {largest} bytes",
        SERIES * SAMPLES,
        rate(RUNS / 2),
        rate(0),
        rate(RUNS - 1),
    );
}

/// A daily rhythm with noise, and a spike in one of 4096 samples.
fn value(index: u32, random: &mut u64) -> f64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let [spike, noise, more, ..] = random.to_be_bytes();
    let spike = if spike == 0 && more < 16 { 300.0 } else { 0.0 };
    150.0 - 50.0 * (f64::from(index) / 288.0 * std::f64::consts::TAU).cos() + f64::from(noise) / 16.0 + spike
}
