//! How long it takes to try threshold rules on 90 days of 100 metrics, one datapoint every 5 minutes.
//!
//! `cargo run --release -p monitoring-core --example bench_backtest`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock; core itself does not")]
#![allow(clippy::print_stdout, reason = "the figure is what it is for")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use monitoring_core::backtest::{History, Span, play};
use monitoring_core::catalogue::{Catalogue, CatalogueError, Metric, Rule};
use monitoring_core::metric::{Dimensions, Sample, Series};

const METRICS: usize = 100;
const PERIODS: i64 = 90 * 24 * 12;
const RUNS: usize = 5;

fn main() -> Result<(), CatalogueError> {
    let mut catalogue = Catalogue::from_json(include_bytes!("../../../monitoring.resolved.json"))?;
    let Some((metric, rule)) =
        catalogue.metrics.get("DynamoDBReadUtilization").zip(catalogue.rules.get("dynamodb-read-capacity"))
    else {
        println!("the shipped catalogue has no rule dynamodb-read-capacity");
        return Ok(());
    };
    let (metric, rule) = (metric.clone(), rule.clone());
    let start = Timestamp::UNIX_EPOCH;
    let mut history = History::default();
    let mut state = 1_u64;
    for index in 0..METRICS {
        let name = format!("Metric{index}");
        let samples = (0..PERIODS).filter_map(|period| {
            // A linear congruential generator; one in 64 is missing, and one in 16 is above 80.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [value, missing, ..] = state.to_be_bytes();
            let at = start + SignedDuration::from_secs(period * 300);
            (missing >= 4).then_some(Sample { at, value: if value < 240 { 40.0 } else { 81.0 } })
        });
        history.insert(&name, Series::new(Dimensions::new(), samples.collect()));
        catalogue.metrics.insert(name.clone(), Metric { name: name.clone(), ..metric.clone() });
        let watches =
            Rule { name: format!("rule-{index}"), metric: name, group: format!("group-{index}"), ..rule.clone() };
        catalogue.rules.insert(watches.name.clone(), watches);
    }
    let rules: Vec<&Rule> = catalogue.rules.values().filter(|rule| rule.name.starts_with("rule-")).collect();
    let span = Span { from: start, to: start + SignedDuration::from_secs(PERIODS * 300) };
    let mut times: Vec<Duration> = Vec::with_capacity(RUNS);
    let mut said = String::new();
    for _ in 0..RUNS {
        let begin = Instant::now();
        let played = play(&catalogue, &rules, &history, span, Some(SignedDuration::from_mins(5)));
        times.push(begin.elapsed());
        said = format!(
            "{} evaluations, {} alerts, {} incidents, {} pages",
            played.evaluations,
            played.alerts.len(),
            played.incidents.len(),
            played.pages.len()
        );
    }
    times.sort_unstable();
    let seconds = |run: usize| times.get(run).map_or(0.0, Duration::as_secs_f64);
    println!(
        "{METRICS} metrics x {PERIODS} datapoints, {RUNS} runs: median {:.2} s, least {:.2} s, most {:.2} s; {said}",
        seconds(RUNS / 2),
        seconds(0),
        seconds(RUNS - 1),
    );
    Ok(())
}
