//! `monitorctl benchmark petshop`: the ranking of causes for every issue of the data set, as its scorer reads them.
//!
//! Only what a user would have when the alarm goes off is read: the metrics, the graph, and of `target.json` which
//! metric of which node raised the alarm, and when.

mod data_set;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use monitoring_core::diagnosis::{Call, Diagnosis, Finding, Input, diagnose};
use serde_json::{Value, json};

use crate::command::{Exit, OK, pretty, print};
use data_set::{DataSet, Issue, Scenario};

/// Rank the causes of every issue of a public data set.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads DATASET/SCENARIO/{graph.csv, noissue/metrics.csv, SPLIT/issue_N/{metrics.csv, target.json}} for every scenario and split
that is there, and writes OUT/SCENARIO/SPLIT/issue_N.json. Where a scenario has no no-issue data, normal is what precedes the onset.
The root cause in target.json is not read.

Examples:
  monitorctl benchmark petshop ../shared/data/petshop --out rankings
  monitorctl benchmark petshop ../shared/data/petshop --out rankings --drop-edges 0.2 --seed 7
  python3 ../shared/tools/petshop_score.py rankings --dataset ../shared/data/petshop --split train --scenario low_traffic high_traffic")]
pub(super) struct PetshopArgs {
    /// The folder with the scenarios
    dataset: PathBuf,
    /// Where to write the rankings; made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Do not use the call graph
    #[arg(long)]
    no_graph: bool,
    /// Leave out this share of the graph's edges, at random, others for each issue
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    drop_edges: f64,
    /// Which edges are left out
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What was done with one issue.
struct Ranked {
    /// `low_traffic/train/issue_0`
    name: String,
    diagnosis: Diagnosis,
    took: Duration,
}

/// Runs the command.
pub(super) fn run(args: &PetshopArgs, json: bool) -> Result<u8, Exit> {
    let data_set = DataSet::open(&args.dataset).map_err(Exit::usage)?;
    let mut ranked = Vec::new();
    for scenario in &data_set.scenarios {
        let scenario = Scenario::read(scenario).map_err(Exit::usage)?;
        let calls = if args.no_graph { None } else { scenario.calls.clone() };
        if calls.is_none() && !args.no_graph {
            eprint(&format!("{}: no graph.csv, ranked without a graph\n", scenario.name));
        }
        for (index, folder) in scenario.issues.iter().enumerate() {
            let issue = Issue::read(folder, &scenario).map_err(Exit::usage)?;
            let input =
                Input { calls: calls.as_ref().map(|calls| drop_edges(calls, args, &issue.name)), ..issue.input };
            let start = Instant::now();
            let diagnosis = diagnose(&input);
            let took = start.elapsed();
            write(&args.out.join(format!("{}.json", issue.name)), &diagnosis)?;
            ranked.push(Ranked { name: issue.name, diagnosis, took });
            eprint(&format!("{}: {} of {}\n", scenario.name, index + 1, scenario.issues.len()));
        }
    }
    if ranked.is_empty() {
        let error = anyhow!("{} has no issues: no SCENARIO/SPLIT/issue_N with metrics.csv", args.dataset.display());
        return Err(Exit::usage(error));
    }
    print(&if json { pretty(&summary_json(&ranked))? } else { summary(&ranked, &args.out) });
    Ok(OK)
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("is not between 0 and 1".to_owned()) }
}

/// The calls that remain. Which ones depends on the seed and the issue only, so that a part of the data set gives the
/// same as the whole.
fn drop_edges(calls: &[Call], args: &PetshopArgs, issue: &str) -> Vec<Call> {
    let mut state = issue.bytes().fold(args.seed, |state, byte| next(state ^ u64::from(byte)));
    let mut random = || {
        state = next(state);
        // 53 bits, as many as a float has.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (state >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    };
    calls.iter().filter(|_| random() >= args.drop_edges).cloned().collect()
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
fn next(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The ranking in the form that the scorer reads, with what it rests on.
fn write(path: &Path, diagnosis: &Diagnosis) -> Result<(), Exit> {
    let ranking: Vec<Value> = diagnosis
        .causes()
        .iter()
        .map(|cause| json!({ "node": cause.node, "score": cause.certainty, "evidence": cause.evidence }))
        .collect();
    let text = pretty(&json!({ "ranking": ranking, "graph_known": diagnosis.graph_known }))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
        .and_then(|()| std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())))
        .map_err(Exit::usage)
}

fn summary(ranked: &[Ranked], out: &Path) -> String {
    let mut text = String::new();
    for Ranked { name, diagnosis, .. } in ranked {
        let answer = match &diagnosis.finding {
            Finding::Causes(causes) => causes
                .first()
                .map_or_else(String::new, |cause| format!("{} ({:.0} %)", cause.node, 100.0 * cause.certainty)),
            Finding::NothingAbnormal => "nothing abnormal".to_owned(),
            Finding::NothingToCompare => "nothing to compare".to_owned(),
        };
        text.push_str(&format!("{name}: {answer}\n"));
    }
    let slowest = ranked.iter().map(|ranked| ranked.took).max().unwrap_or_default();
    text.push_str(&format!("{} rankings in {}, each in at most {slowest:.1?}\n", ranked.len(), out.display()));
    text
}

fn summary_json(ranked: &[Ranked]) -> Value {
    let issues: Vec<Value> = ranked
        .iter()
        .map(|Ranked { name, diagnosis, took }| {
            json!({ "issue": name, "seconds": took.as_secs_f64(), "diagnosis": diagnosis })
        })
        .collect();
    json!({ "issues": issues })
}

/// Progress, for the person at the terminal; nobody is left to tell when standard error is closed.
fn eprint(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests;
