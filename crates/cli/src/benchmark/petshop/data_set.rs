//! The files of the data set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use monitoring_core::diagnosis::{Call, Input, Kind, Measured, Node, Target};
use monitoring_core::metric::Sample;
use serde::Deserialize;

/// The folders of the scenarios.
pub(super) struct DataSet {
    pub(super) scenarios: Vec<PathBuf>,
}

/// What the issues of a scenario share.
pub(super) struct Scenario {
    pub(super) name: String,
    /// `None` where there is no graph.
    pub(super) calls: Option<Vec<Call>>,
    normal: Table,
    /// The folders of the issues of all splits.
    pub(super) issues: Vec<PathBuf>,
}

/// An issue, as it looks to who is called.
pub(super) struct Issue {
    /// `low_traffic/train/issue_0`
    pub(super) name: String,
    /// Without calls.
    pub(super) input: Input,
}

/// A `metrics.csv`: the samples by node, metric and statistic.
type Table = BTreeMap<Column, Vec<Sample>>;
type Column = (String, String, String);

/// Of `target.json` only what raised the alarm; the root cause is in there as well.
#[derive(Deserialize)]
struct TargetFile {
    target: Alarm,
}

#[derive(Deserialize)]
struct Alarm {
    node: String,
    metric: String,
    /// Seconds since 1970.
    timestamp: f64,
}

impl DataSet {
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let scenarios: Vec<PathBuf> = folders(folder)?.into_iter().filter(|folder| has_issues(folder)).collect();
        if scenarios.is_empty() {
            bail!("{} has no scenarios: no SCENARIO/SPLIT/issue_N/metrics.csv", folder.display());
        }
        Ok(Self { scenarios })
    }
}

impl Scenario {
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let graph = folder.join("graph.csv");
        let calls = if graph.exists() { Some(calls(&graph)?) } else { None };
        let normal = folder.join("noissue").join("metrics.csv");
        let normal = if normal.exists() { table(&normal)? } else { Table::new() };
        let mut issues = Vec::new();
        for split in folders(folder)? {
            let mut of_split: Vec<PathBuf> = folders(&split)?.into_iter().filter(|folder| is_issue(folder)).collect();
            of_split.sort_by_key(|folder| number(folder));
            issues.extend(of_split);
        }
        Ok(Self { name: file_name(folder), calls, normal, issues })
    }
}

impl Issue {
    pub(super) fn read(folder: &Path, scenario: &Scenario) -> anyhow::Result<Self> {
        let path = folder.join("target.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let TargetFile { target } =
            serde_json::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))?;
        let noticed_at = timestamp(target.timestamp).with_context(|| format!("no time in {}", path.display()))?;

        let mut nodes: BTreeMap<String, Vec<Measured>> = BTreeMap::new();
        for (column, around) in table(&folder.join("metrics.csv"))? {
            let normal = scenario.normal.get(&column).cloned().unwrap_or_default();
            let (node, metric, statistic) = column;
            let measured = Measured {
                kind: kind(&metric, &statistic),
                name: format!("{metric} {statistic}"),
                unit: None,
                normal,
                around,
            };
            nodes.entry(node).or_default().push(measured);
        }
        let split = folder.parent().map(file_name).unwrap_or_default();
        let input = Input {
            nodes: nodes.into_iter().map(|(name, metrics)| Node { name, metrics }).collect(),
            calls: None,
            target: Some(Target { node: target.node, kind: Some(kind(&target.metric, "Average")) }),
            noticed_at: Some(noticed_at),
        };
        Ok(Self { name: format!("{}/{split}/{}", scenario.name, file_name(folder)), input })
    }
}

fn kind(metric: &str, statistic: &str) -> Kind {
    match (metric, statistic) {
        ("latency", "Average") => Kind::Latency,
        ("latency", _) => Kind::LatencyPercentile,
        ("availability", _) => Kind::Availability,
        ("requests", _) => Kind::Requests,
        _ => Kind::ChangeIsWorse,
    }
}

/// Who calls whom: a row's node calls a column's where the cell is not 0.
fn calls(path: &Path) -> anyhow::Result<Vec<Call>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rows = text.lines().map(cells);
    let callees = rows.next().unwrap_or_default();
    let mut calls = Vec::new();
    for (index, row) in rows.enumerate().filter(|(_, row)| row.len() > 1) {
        if row.len() != callees.len() {
            bail!("{}, line {}: {} cells, and {} in the first", path.display(), index + 2, row.len(), callees.len());
        }
        let caller = row.first().cloned().unwrap_or_default();
        for (cell, callee) in row.iter().zip(&callees).skip(1) {
            let Ok(edge) = cell.trim().parse::<f64>() else {
                bail!("{}, line {}: {cell:?} is not a number", path.display(), index + 2);
            };
            if edge != 0.0 {
                calls.push(Call { caller: caller.clone(), callee: callee.clone() });
            }
        }
    }
    Ok(calls)
}

/// Three lines of column names, one with the name of the index, then one line for each time. Empty cells are missing.
fn table(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = text.lines();
    let [nodes, metrics, statistics] = [(); 3].map(|()| lines.next().map(cells).unwrap_or_default());
    if nodes.len() < 2 || nodes.len() != metrics.len() || nodes.len() != statistics.len() {
        bail!("{}: the first three lines do not name the columns", path.display());
    }
    let names: Vec<Column> = nodes
        .into_iter()
        .zip(metrics)
        .zip(statistics)
        .skip(1)
        .map(|((node, metric), statistic)| (node, metric, statistic))
        .collect();
    let mut columns: Vec<Vec<Sample>> = vec![Vec::new(); names.len()];
    for (index, line) in lines.enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let cells = cells(line);
        let (Some(at), true) = (cells.first().and_then(|cell| cell.parse().ok()).and_then(timestamp), cells.len() > 1)
        else {
            bail!("{}, line {}: does not begin with a time", path.display(), index + 4);
        };
        for (cell, samples) in cells.iter().skip(1).zip(&mut columns) {
            if cell.is_empty() {
                continue;
            }
            let Ok(value) = cell.parse() else {
                bail!("{}, line {}: {cell:?} is not a number", path.display(), index + 4);
            };
            samples.push(Sample { at, value });
        }
    }
    Ok(names.into_iter().zip(columns).collect())
}

/// The cells of a line of CSV, without quotation marks around them.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match (character, cells.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => cells.push(String::new()),
            (_, Some(cell)) => cell.push(character),
            (_, None) => {}
        }
    }
    cells
}

fn timestamp(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is then no time")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    seconds.is_finite().then(|| Timestamp::from_millisecond(milliseconds).ok()).flatten()
}

fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut folders = read().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

fn has_issues(scenario: &Path) -> bool {
    let splits = folders(scenario).unwrap_or_default();
    splits.iter().any(|split| folders(split).unwrap_or_default().iter().any(|folder| is_issue(folder)))
}

fn is_issue(folder: &Path) -> bool {
    file_name(folder).starts_with("issue_") && folder.join("metrics.csv").exists()
}

/// 10 of `issue_10`, so that it does not come before `issue_2`.
fn number(issue: &Path) -> u64 {
    file_name(issue).trim_start_matches("issue_").parse().unwrap_or(u64::MAX)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
