//! What is in a recorded file, read so that one bad datapoint costs only itself.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use monitoring_core::alert::bounded;
use monitoring_core::metric::Sample;
use serde_json::Value;

/// The longest line that is looked at; a datapoint has fewer than 100 bytes.
const MAX_LINE_BYTES: usize = 4096;

/// Epoch times from here on are milliseconds: as seconds it is the year 5138, as milliseconds 1973.
const FIRST_EPOCH_MILLISECONDS: f64 = 1e11;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
}

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) series: Vec<Recorded>,
    /// How many datapoints could not be read.
    pub(super) faults: usize,
    /// Where the first of them is, and why.
    pub(super) first_fault: Option<String>,
}

/// One series, or a page of one.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Unique in the file.
    pub(super) id: String,
    /// What it may be called in the catalogue, best first.
    pub(super) names: Vec<String>,
    /// In the file's order.
    pub(super) samples: Vec<Sample>,
}

impl Format {
    pub(super) fn of(file: &Path) -> Option<Self> {
        file.extension().and_then(|extension| Self::named(&extension.to_string_lossy()))
    }

    pub(super) fn named(extension: &str) -> Option<Self> {
        if extension.eq_ignore_ascii_case("csv") {
            Some(Self::Csv)
        } else if extension.eq_ignore_ascii_case("json") {
            Some(Self::Json)
        } else {
            None
        }
    }
}

/// Reads a file's content. Fails with the reason when there is nothing in it that could be used.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<Content, String> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match Format::of(file) {
        Some(Format::Csv) => read_csv(stem, bytes),
        Some(Format::Json) => read_json(&stem, bytes),
        None => Err("is neither .csv nor .json".to_owned()),
    }
}

impl Content {
    fn fault(&mut self, place: impl FnOnce() -> String, reason: &str) {
        self.faults += 1;
        self.first_fault.get_or_insert_with(|| format!("{}: {reason}", place()));
    }
}

fn read_csv(stem: String, bytes: &[u8]) -> Result<Content, String> {
    let mut content = Content::default();
    let mut samples = Vec::new();
    let mut columns = Columns { timestamp: 0, value: 1 };
    let mut at_top = true;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let sample = text(line).and_then(|line| columns.sample(line));
        match (sample, Columns::named(line).filter(|_| at_top)) {
            (Ok(sample), _) => samples.push(sample),
            (Err(_), Some(named)) => columns = named,
            (Err(reason), None) => content.fault(|| format!("line {}", index + 1), &reason),
        }
        at_top = false;
    }
    if samples.is_empty() {
        return Err(match content.first_fault {
            Some(first) => format!("has no datapoint that can be read; {first}"),
            None => "has no datapoints".to_owned(),
        });
    }
    content.series.push(Recorded { id: stem.clone(), names: vec![stem], samples });
    Ok(content)
}

fn text(line: &[u8]) -> Result<&str, String> {
    if line.len() > MAX_LINE_BYTES {
        return Err(format!("has {} bytes, more than {MAX_LINE_BYTES}", line.len()));
    }
    str::from_utf8(line).map_err(|_| "is not text in UTF-8".to_owned())
}

/// Where the two things that count are in a line.
#[derive(Clone, Copy)]
struct Columns {
    timestamp: usize,
    value: usize,
}

impl Columns {
    /// The columns as a header names them; the first two if it calls them something else. A header has no digits,
    /// which every datapoint has.
    fn named(header: &[u8]) -> Option<Self> {
        let header = text(header).ok()?;
        if header.contains(|c: char| c.is_ascii_digit() || c.is_control()) {
            return None;
        }
        let place = |name: &str| fields(header).position(|field| field.eq_ignore_ascii_case(name));
        Some(match (place("timestamp"), place("value")) {
            (Some(timestamp), Some(value)) => Self { timestamp, value },
            _ => Self { timestamp: 0, value: 1 },
        })
    }

    fn sample(self, line: &str) -> Result<Sample, String> {
        let field = |index| fields(line).nth(index);
        let (Some(at), Some(value)) = (field(self.timestamp), field(self.value)) else {
            return Err("a timestamp, a comma and a value are expected".to_owned());
        };
        let number =
            || value.parse::<f64>().map_err(|_| format!("the value \"{}\" is not a number", bounded(value, 40)));
        Ok(Sample { at: time(at)?, value: finite(number()?)? })
    }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| field.trim().trim_matches('"'))
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("the value {value} is not finite")) }
}

/// RFC 3339; or without an offset, which is UTC; or seconds or milliseconds since 1970.
fn time(text: &str) -> Result<Timestamp, String> {
    let unknown = || format!("\"{}\" is not a time", bounded(text, 40));
    if let Ok(number) = text.parse::<f64>() {
        return epoch(number).ok_or_else(unknown);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil: DateTime = text.parse().map_err(|_| unknown())?;
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| unknown())
}

#[expect(clippy::cast_possible_truncation, reason = "out of range, it saturates, and then it is no time")]
fn epoch(number: f64) -> Option<Timestamp> {
    if !number.is_finite() {
        return None;
    }
    let in_milliseconds = number.abs() >= FIRST_EPOCH_MILLISECONDS;
    let milliseconds = if in_milliseconds { number } else { number * 1000.0 };
    Timestamp::from_millisecond(milliseconds.round() as i64).ok()
}

fn read_json(stem: &str, bytes: &[u8]) -> Result<Content, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| format!("is not JSON: {error}"))?;
    let Some(results) = document.get("MetricDataResults").and_then(Value::as_array) else {
        return Err("has no MetricDataResults, which `aws cloudwatch get-metric-data` prints".to_owned());
    };
    if results.is_empty() {
        return Err("has no series".to_owned());
    }
    let mut content = Content::default();
    for (index, result) in results.iter().enumerate() {
        let member = |name| result.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let id = member("Id").unwrap_or_else(|| format!("result {}", index + 1));
        let mut names: Vec<String> = member("Label").into_iter().chain(member("Id")).collect();
        if results.len() == 1 {
            names.push(stem.to_owned());
        }
        if let Some(status) =
            member("StatusCode").filter(|status| !matches!(status.as_str(), "Complete" | "PartialData"))
        {
            content.fault(|| bounded(&id, 80), &format!("CloudWatch's status is {}", bounded(&status, 40)));
        }
        let samples = read_result(&id, result, &mut content);
        content.series.push(Recorded { id, names, samples });
    }
    Ok(content)
}

fn read_result(id: &str, result: &Value, content: &mut Content) -> Vec<Sample> {
    let list = |name| result.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (timestamps, values) = (list("Timestamps"), list("Values"));
    let whole = || bounded(id, 80);
    if timestamps.len() != values.len() {
        content.fault(whole, &format!("has {} timestamps and {} values", timestamps.len(), values.len()));
    }
    let mut samples = Vec::with_capacity(values.len());
    for (index, (at, value)) in timestamps.iter().zip(values).enumerate() {
        let at = match at {
            Value::String(text) => time(text),
            Value::Number(number) => time(&number.to_string()),
            _ => Err("a timestamp is expected".to_owned()),
        };
        let value = value.as_f64().ok_or_else(|| "a number is expected".to_owned()).and_then(finite);
        match (at, value) {
            (Ok(at), Ok(value)) => samples.push(Sample { at, value }),
            (Err(reason), _) | (_, Err(reason)) => {
                content.fault(|| format!("{}, datapoint {}", whole(), index + 1), &reason);
            }
        }
    }
    samples
}
