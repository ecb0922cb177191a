//! `monitorctl benchmark nab`: result files of the Numenta Anomaly Benchmark through the production detector.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use monitoring_core::anomaly::{Detector, Sensitivity, Settings, Verdict};
use serde_json::json;

use crate::command::{Exit, OK, pretty, print};

/// Anomaly detection, on the Numenta Anomaly Benchmark.
#[derive(Debug, Args)]
#[command(after_help = "\
Every CSV file (timestamp,value) below DATA_DIR becomes one in RESULTS: timestamp,value,anomaly_score. The score is 0
where no alert is raised, and else its surprise / 100. A fresh detector sees each file's rows in order, one at a time.

Example:
  monitorctl benchmark nab ../shared/data/nab/data --out target/nab
  python3 ../shared/tools/nab_score.py target/nab --labels ../shared/data/nab/windows.json --data ../shared/data/nab/data")]
pub(super) struct NabArgs {
    /// The benchmark's `data` folder, or any folder of CSV files
    data_dir: PathBuf,
    /// Folder for the results; it is made, and files in it are overwritten
    #[arg(long, value_name = "RESULTS")]
    out: PathBuf,
    /// The sensitivity that a user would choose: lowest, low, medium or high
    #[arg(long, default_value = "medium", value_parser = sensitivity)]
    sensitivity: Sensitivity,
    /// Read only this part of each file from its start, in percent: scores must not differ from those of whole files
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    first: u8,
}

/// A line of a data file.
struct Row<'a> {
    timestamp: &'a str,
    value: &'a str,
    at: Timestamp,
    number: f64,
}

/// Writes the result files and says how fast that went.
pub(super) fn run(args: &NabArgs, json: bool) -> Result<u8, Exit> {
    let files = csv_files(&args.data_dir).map_err(Exit::usage)?;
    if files.is_empty() {
        return Err(Exit::usage(anyhow!("there is no CSV file in {} or below", args.data_dir.display())));
    }
    let progress = ProgressBar::new(files.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
        progress.set_style(style);
    }
    let (mut samples, mut took) = (0, Duration::ZERO);
    for file in &files {
        progress.set_message(file.display().to_string());
        let (count, time) = score(args, file).map_err(Exit::usage)?;
        samples += count;
        took += time;
        progress.inc(1);
    }
    progress.finish_and_clear();

    let seconds = took.as_secs_f64();
    let out = args.out.display().to_string();
    if json {
        print(&pretty(&json!({ "files": files.len(), "samples": samples, "seconds": seconds, "results": out }))?);
    } else {
        print(&format!("{} files, {samples} samples, {seconds:.2} s in the detector: {out}\n", files.len()));
    }
    Ok(OK)
}

/// Paths of all CSV files below a folder, relative to it, sorted.
fn csv_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(current) = folders.pop() {
        let entries = std::fs::read_dir(&current).with_context(|| format!("cannot read {}", current.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", current.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "csv") {
                files.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Scores one file: how many samples, and how long the detector took.
fn score(args: &NabArgs, file: &Path) -> anyhow::Result<(usize, Duration)> {
    let (from, to) = (args.data_dir.join(file), args.out.join(file));
    let text = std::fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut rows = rows(&text).with_context(|| format!("cannot understand {}", from.display()))?;
    rows.truncate(rows.len() * usize::from(args.first) / 100);

    let started = Instant::now();
    let scores = scores(&rows, args.sensitivity);
    let took = started.elapsed();

    let mut results = String::from("timestamp,value,anomaly_score\n");
    for (row, score) in rows.iter().zip(&scores) {
        let _ = writeln!(results, "{},{},{score}", row.timestamp, row.value);
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    std::fs::write(&to, results).with_context(|| format!("cannot write {}", to.display()))?;
    Ok((rows.len(), took))
}

/// The rows after the header. Times are without a zone and taken as UTC, as the benchmark does.
fn rows(text: &str) -> anyhow::Result<Vec<Row<'_>>> {
    let mut lines = text.lines().enumerate();
    match lines.next() {
        Some((_, header)) if header.trim() == "timestamp,value" => {}
        _ => bail!("the first line is not `timestamp,value`"),
    }
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| row(line.trim()).with_context(|| format!("line {}: {line}", index + 1)))
        .collect()
}

fn row(line: &str) -> anyhow::Result<Row<'_>> {
    let (timestamp, value) = line.split_once(',').context("there is no comma")?;
    let time: DateTime = timestamp.parse().context("the timestamp is not `YYYY-MM-DD hh:mm:ss`")?;
    let at = time.to_zoned(TimeZone::UTC).context("the timestamp is out of range")?.timestamp();
    let number = value.parse().context("the value is not a number")?;
    Ok(Row { timestamp, value, at, number })
}

/// One score for each row, by the production detector.
fn scores(rows: &[Row<'_>], sensitivity: Sensitivity) -> Vec<f64> {
    let (mut detector, settings) = (Detector::new(), Settings { sensitivity, ..Settings::default() });
    rows.iter()
        .map(|row| match detector.observe(row.at, row.number, &settings) {
            Verdict::Judged(judgement) if judgement.anomaly.is_some() => (judgement.surprise / 100.0).min(1.0),
            Verdict::Judged(_) | Verdict::NotFinite | Verdict::OutOfOrder | Verdict::Learning => 0.0,
        })
        .collect()
}

/// As the catalogue writes it.
fn sensitivity(name: &str) -> Result<Sensitivity, String> {
    serde_json::from_value(json!(name)).map_err(|_| "it is lowest, low, medium or high".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(rows: usize) -> String {
        let mut text = String::from("timestamp,value\n");
        for row in 0..rows {
            let (day, hour, minute) = (row / 288 + 1, row / 12 % 24, row % 12 * 5);
            let value = if row == 900 { 500.0 } else { f64::from(u8::try_from(row % 7).unwrap()) };
            let _ = writeln!(text, "2024-01-{day:02} {hour:02}:{minute:02}:00,{value}");
        }
        text
    }

    #[test]
    fn every_row_gets_a_score_and_no_score_needs_the_rows_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        std::fs::create_dir_all(data_dir.join("real")).unwrap();
        std::fs::write(data_dir.join("real/spike.csv"), data(1200)).unwrap();

        let mut results = Vec::new();
        for first in [100, 80] {
            let out = folder.path().join(first.to_string());
            let sensitivity = Sensitivity::Medium;
            run(&NabArgs { data_dir: data_dir.clone(), out: out.clone(), sensitivity, first }, true).unwrap();
            results.push(std::fs::read_to_string(out.join("real/spike.csv")).unwrap());
        }
        let [whole, part] = results.try_into().unwrap();
        assert_eq!(whole.lines().count(), 1201);
        assert_eq!(part.lines().count(), 961);
        assert!(whole.starts_with(&part), "a score changed when later rows were cut off");
        let alerts: Vec<&str> = whole.lines().skip(1).filter(|line| !line.ends_with(",0")).collect();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert!(alerts[0].starts_with("2024-01-04 03:00:00,500,0."), "{alerts:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, expected) in [
            ("", "the first line is not `timestamp,value`"),
            ("time,value\n", "the first line is not `timestamp,value`"),
            ("timestamp,value\n2024-01-01 00:00:00\n", "line 2: 2024-01-01 00:00:00: there is no comma"),
            ("timestamp,value\nsoon,1\n", "line 2: soon,1: the timestamp is not `YYYY-MM-DD hh:mm:ss`"),
            ("timestamp,value\n2024-01-01 00:00:00,x\n", "line 2: 2024-01-01 00:00:00,x: the value is not a number"),
        ] {
            let error = rows(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.starts_with(expected), "{error:?} is not {expected:?}");
        }
    }
}
