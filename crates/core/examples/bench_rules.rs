//! How long it takes to evaluate 100,000 series of 5 datapoints under a threshold rule with two tiers.
//!
//! `cargo run --release -p monitoring-core --example bench_rules`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock; core itself does not")]
#![allow(clippy::print_stdout, reason = "the figure is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use monitoring_core::catalogue::{
    AlertSeverity, Comparison, Condition, Evaluation, Level, MissingData, Severity, Tier,
};
use monitoring_core::rule::{Outcome, evaluate};

const SERIES: usize = 100_000;
const POINTS: usize = 5;
const RUNS: usize = 21;

fn main() {
    let condition = Condition::Threshold { tiers: vec![tier("warning", 5.0), tier("critical", 10.0)] };
    let evaluation = Evaluation { periods: 3, datapoints: 2, missing: MissingData::Missing, clear_after: 1 };
    let series = datapoints();

    let mut times: Vec<Duration> = Vec::with_capacity(RUNS);
    let mut firing = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        firing = series
            .chunks_exact(POINTS)
            .filter(|points| {
                let verdict = evaluate(black_box(&condition), black_box(&evaluation), black_box(points), None);
                matches!(black_box(verdict).outcome, Outcome::Alarm { .. })
            })
            .count();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let milliseconds = |run: usize| times.get(run).map_or(0.0, Duration::as_secs_f64) * 1000.0;
    println!(
        "{SERIES} series x {POINTS} datapoints, two tiers, {RUNS} runs: median {:.2} ms, least {:.2} ms, most {:.2} ms; {firing} fire",
        milliseconds(RUNS / 2),
        milliseconds(0),
        milliseconds(RUNS - 1),
    );
}

fn tier(name: &str, threshold: f64) -> Tier {
    let level = Level { name: name.to_owned(), alert: AlertSeverity::High, incident: Severity::Sev2 };
    Tier { level, comparison: Comparison::Above, threshold, clear: threshold }
}

/// Values from 0 to 15, one in sixteen missing, in an order that no branch predictor learns: a linear congruential
/// generator, always with the same start.
fn datapoints() -> Vec<Option<f64>> {
    let mut state = 1_u64;
    (0..SERIES * POINTS)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [value, missing, ..] = state.to_be_bytes();
            (missing >= 16).then(|| f64::from(value) / 16.0)
        })
        .collect()
}
