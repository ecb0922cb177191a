//! How long it takes to rank the causes of an incident among 200 services with 1,000 series of 600 normal samples.
//!
//! `cargo run --release -p monitoring-core --example bench_diagnosis`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock; core itself does not")]
#![allow(clippy::print_stdout, reason = "the figure is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use monitoring_core::diagnosis::{Call, Input, Kind, Measured, Node, Target, diagnose};
use monitoring_core::metric::Sample;

const NODES: usize = 200;
const NORMAL: usize = 600;
const AROUND: usize = 60;
/// The last samples, in which the slow node and all above it are slow.
const SLOW: usize = 10;
const RUNS: usize = 21;

fn main() {
    let input = input();
    let series: usize = input.nodes.iter().map(|node| node.metrics.len()).sum();
    let mut times: Vec<Duration> = Vec::with_capacity(RUNS);
    let mut first = String::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let diagnosis = diagnose(black_box(&input));
        times.push(start.elapsed());
        first = diagnosis.causes().first().map_or_else(String::new, |cause| cause.node.clone());
    }
    times.sort_unstable();
    let milliseconds = |run: usize| times.get(run).map_or(0.0, Duration::as_secs_f64) * 1000.0;
    println!(
        "{series} series x {NORMAL} normal and {AROUND} samples, {NODES} nodes, {RUNS} runs: median {:.1} ms, least {:.1} ms, most {:.1} ms; first {first}",
        milliseconds(RUNS / 2),
        milliseconds(0),
        milliseconds(RUNS - 1),
    );
}

/// A tree of three callees each. The last node is slow, and with it the way up to the first.
fn input() -> Input {
    let mut slow = [false; NODES];
    let mut node = NODES - 1;
    while let Some(flag) = slow.get_mut(node) {
        *flag = true;
        if node == 0 {
            break;
        }
        node = (node - 1) / 3;
    }
    let mut random = random();
    let mut series = |name: &str, kind, level: f64, since: f64| {
        let mut samples = |count: usize, start: i64, slow: usize| -> Vec<Sample> {
            (0..count)
                .zip(start..)
                .map(|(index, minute)| Sample {
                    at: Timestamp::from_second(minute * 60).unwrap_or_default(),
                    value: if index + slow >= count { since } else { level } * (0.9 + 0.2 * random()),
                })
                .collect()
        };
        Measured {
            name: name.to_owned(),
            kind,
            unit: None,
            normal: samples(NORMAL, 0, 0),
            around: samples(AROUND, 10_000, SLOW),
        }
    };
    let nodes = slow
        .iter()
        .enumerate()
        .map(|(index, slow)| {
            let extra = if *slow { 100.0 } else { 0.0 };
            Node {
                name: format!("service-{index}"),
                metrics: vec![
                    series("latency", Kind::Latency, 50.0, 50.0 + extra),
                    series("latency p99", Kind::LatencyPercentile, 200.0, 200.0 + 2.0 * extra),
                    series("errors", Kind::ErrorRate, 1.0, 1.0),
                    series("requests", Kind::Requests, 1000.0, 1000.0),
                    series("processor", Kind::HigherIsWorse, 30.0, 30.0),
                ],
            }
        })
        .collect();
    let call =
        |index: usize| Call { caller: format!("service-{}", (index - 1) / 3), callee: format!("service-{index}") };
    Input {
        nodes,
        calls: Some((1..NODES).map(call).collect()),
        target: Some(Target { node: "service-0".to_owned(), kind: Some(Kind::Latency) }),
        noticed_at: None,
    }
}

/// Numbers from 0 to 1: a linear congruential generator, always with the same start.
fn random() -> impl FnMut() -> f64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}
