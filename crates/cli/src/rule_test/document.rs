//! A file of rule tests: what of promtool's format applies to a catalogue, read with the line of every part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use monitoring_core::metric::Dimensions;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::notation;
use crate::catalogue::Duration;
use crate::catalogue::yaml::{self, Tree};

/// The keys of promtool that mean nothing here, and what to do instead.
const NOT_HERE: [(&str, &str); 5] = [
    ("promql_expr_test", "there is no PromQL here; give the metric's values, and test its rules"),
    ("group_eval_order", "rules here do not rest on each other; remove it"),
    ("fuzzy_compare", "no values are compared here; remove it"),
    ("external_labels", "alerts have no external labels here; remove it"),
    ("external_url", "alerts have no external address here; remove it"),
];

/// A file.
#[derive(Debug)]
pub(super) struct TestFile {
    /// The catalogue that it names.
    pub(super) catalogue: Option<PathBuf>,
    /// How often rules are evaluated, in seconds; `None` for the catalogue's cycle.
    pub(super) evaluation_seconds: Option<u32>,
    pub(super) groups: Vec<Group>,
}

/// Series, and what is expected of them.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) line: usize,
    pub(super) name: Option<String>,
    /// Length of a period, in seconds; `None` for that of each metric.
    pub(super) interval_seconds: Option<u32>,
    /// The end of the period of each first value.
    pub(super) start: Timestamp,
    pub(super) series: Vec<InputSeries>,
    pub(super) cases: Vec<Case>,
}

/// Values, one for each period.
#[derive(Debug)]
pub(super) struct InputSeries {
    pub(super) line: usize,
    pub(super) metric: String,
    pub(super) dimensions: Dimensions,
    pub(super) values: Vec<Option<f64>>,
}

/// What is expected at a time.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) line: usize,
    /// Since the start.
    pub(super) after_seconds: u32,
    pub(super) rule: String,
    pub(super) expected: Vec<Expected>,
}

/// An alert that fires.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expected {
    #[serde(rename = "exp_labels")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(rename = "exp_annotations")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    rule_files: Vec<PathBuf>,
    evaluation_interval: Option<Span>,
    tests: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Option<String>,
    interval: Option<Span>,
    start_timestamp: Option<Value>,
    #[serde(default)]
    input_series: Vec<Value>,
    #[serde(default)]
    alert_rule_test: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeries {
    series: String,
    values: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    eval_time: Span,
    alertname: String,
    #[serde(default)]
    exp_alerts: Option<Vec<Expected>>,
}

/// A duration, or a bare 0.
struct Span {
    seconds: u32,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) if number.as_u64() == Some(0) => "0s".to_owned(),
            other => other.to_string(),
        };
        let duration = Duration::try_from(text.clone());
        let duration = duration.map_err(|problem| {
            serde::de::Error::custom(format!("\"{text}\" is no duration: {problem}; write one such as 5m or 1h30m"))
        })?;
        Ok(Self { seconds: duration.seconds })
    }
}

/// Reads a file. The mistakes say where they are.
pub(super) fn read(path: &Path, text: &str) -> Result<TestFile, Vec<String>> {
    let (tree, mistakes) = yaml::read(text);
    let mut problems: Vec<(yaml::Position, String)> =
        mistakes.iter().map(|mistake| (mistake.at, format!("{}; {}", mistake.message, mistake.help))).collect();
    let read = tree.map(|tree| {
        let mut reader = Reader { tree: &tree, problems: Vec::new() };
        let file = reader.file();
        problems.extend(reader.problems.into_iter().map(|(pointer, message)| (tree.place(&pointer).value, message)));
        file
    });
    problems.sort_by_key(|(at, _)| *at);
    let problems: Vec<String> = problems
        .iter()
        .map(|(at, message)| format!("{}:{}:{}: {message}", path.display(), at.line, at.column))
        .collect();
    let file = read.flatten();
    match file {
        Some(file) if problems.is_empty() => Ok(file),
        _ => Err(problems),
    }
}

struct Reader<'t> {
    tree: &'t Tree,
    /// By the JSON pointer of where they are.
    problems: Vec<(String, String)>,
}

impl Reader<'_> {
    fn file(&mut self) -> Option<TestFile> {
        let raw: RawFile = self.part("")?;
        if raw.rule_files.len() > 1 {
            self.wrong("/rule_files/1", "there is one catalogue for all tests of a file; split the file");
        }
        let groups = (0..raw.tests.len()).filter_map(|index| self.group(&format!("/tests/{index}"))).collect();
        Some(TestFile {
            catalogue: raw.rule_files.into_iter().next(),
            evaluation_seconds: self.positive("/evaluation_interval", raw.evaluation_interval),
            groups,
        })
    }

    fn group(&mut self, pointer: &str) -> Option<Group> {
        let raw: RawGroup = self.part(pointer)?;
        let start = match raw.start_timestamp.as_ref().map(timestamp) {
            None => Timestamp::UNIX_EPOCH,
            Some(Ok(start)) => start,
            Some(Err(problem)) => {
                self.wrong(&format!("{pointer}/start_timestamp"), &problem);
                Timestamp::UNIX_EPOCH
            }
        };
        let series = (0..raw.input_series.len())
            .filter_map(|index| self.series(&format!("{pointer}/input_series/{index}")))
            .collect();
        let cases = (0..raw.alert_rule_test.len())
            .filter_map(|index| self.case(&format!("{pointer}/alert_rule_test/{index}")))
            .collect();
        Some(Group {
            line: self.tree.place(pointer).value.line,
            name: raw.name,
            interval_seconds: self.positive(&format!("{pointer}/interval"), raw.interval),
            start,
            series,
            cases,
        })
    }

    fn series(&mut self, pointer: &str) -> Option<InputSeries> {
        let raw: RawSeries = self.part(pointer)?;
        let (metric, dimensions) = self.sound(&format!("{pointer}/series"), notation::series(&raw.series))?;
        // A single number is one in YAML, too.
        let values = match raw.values {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let values = self.sound(&format!("{pointer}/values"), notation::values(&values))?;
        Some(InputSeries { line: self.tree.place(pointer).value.line, metric, dimensions, values })
    }

    fn case(&mut self, pointer: &str) -> Option<Case> {
        let raw: RawCase = self.part(pointer)?;
        Some(Case {
            line: self.tree.place(pointer).value.line,
            after_seconds: raw.eval_time.seconds,
            rule: raw.alertname,
            expected: raw.exp_alerts.unwrap_or_default(),
        })
    }

    /// What the file has at a pointer, or a problem there.
    fn part<T: DeserializeOwned>(&mut self, pointer: &str) -> Option<T> {
        let value = self.tree.value.pointer(pointer)?;
        for (key, instead) in NOT_HERE {
            if value.get(key).is_some() {
                self.problems.push((format!("{pointer}/{key}"), format!("`{key}` does not apply: {instead}")));
                return None;
            }
        }
        self.sound(pointer, serde_json::from_value(value.clone()).map_err(|error| error.to_string()))
    }

    fn sound<T>(&mut self, pointer: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.wrong(pointer, &problem)).ok()
    }

    fn wrong(&mut self, pointer: &str, problem: &str) {
        self.problems.push((pointer.to_owned(), problem.to_owned()));
    }

    fn positive(&mut self, pointer: &str, span: Option<Span>) -> Option<u32> {
        let seconds = span?.seconds;
        if seconds == 0 {
            self.wrong(pointer, "time would stand still; write at least 1s");
            return None;
        }
        Some(seconds)
    }
}

fn timestamp(value: &Value) -> Result<Timestamp, String> {
    let read = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().and_then(|second| Timestamp::from_second(second).ok()),
        _ => None,
    };
    read.ok_or_else(|| format!("{value} is no time; write one such as 2024-10-14T12:00:00Z, or seconds since 1970"))
}
