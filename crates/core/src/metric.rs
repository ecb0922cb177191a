//! Metrics, samples and series: what was measured, and how a number with its unit is written for a person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A set of dimensions, as CloudWatch knows them: name to value. At most 30 (`CloudWatch` quota).
pub type Dimensions = BTreeMap<String, String>;

/// One value at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Start of the period that the value stands for.
    pub at: Timestamp,
    /// Always finite: what is not is dropped where it enters.
    pub value: f64,
}

/// A run of samples for one set of dimensions: ascending in time, one for a period at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Empty for a metric without dimensions.
    pub dimensions: Dimensions,
    /// Ascending, unique times, finite values.
    pub samples: Vec<Sample>,
}

impl Series {
    /// Makes a series of samples in any order: sorts, drops values that are not finite, and keeps the last of those
    /// that share a time.
    pub fn new(dimensions: Dimensions, mut samples: Vec<Sample>) -> Self {
        samples.retain(|sample| sample.value.is_finite());
        samples.sort_by_key(|sample| sample.at);
        samples.reverse();
        samples.dedup_by_key(|sample| sample.at);
        samples.reverse();
        Self { dimensions, samples }
    }

    /// One datapoint for each of the `count` periods that end at `end`, oldest first; `None` where there is none.
    ///
    /// `period` is in seconds and at least 1. A sample belongs to the period in which its time lies.
    pub fn window(&self, end: Timestamp, period: u32, count: usize) -> Vec<Option<f64>> {
        let period = i64::from(period.max(1));
        let start = end.as_second() - period * i64::try_from(count).unwrap_or(i64::MAX / period);
        let mut window = vec![None; count];
        let first = self.samples.partition_point(|sample| sample.at.as_second() < start);
        for sample in self.samples.iter().skip(first) {
            let slot = usize::try_from((sample.at.as_second() - start) / period).unwrap_or(usize::MAX);
            match window.get_mut(slot) {
                Some(place) => *place = Some(sample.value),
                None => break,
            }
        }
        window
    }
}

/// The unit of a metric, as the catalogue names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// 0 to 100.
    Percent,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// A number of things in one period.
    Count,
    /// A number of things in an hour.
    #[serde(rename = "Count/hour")]
    CountPerHour,
    /// US dollars.
    #[serde(rename = "USD")]
    Usd,
    /// US dollars in an hour.
    #[serde(rename = "USD/hour")]
    UsdPerHour,
    /// Bytes.
    Bytes,
    /// A bare number.
    None,
}

impl Unit {
    /// The value with its unit, rounded as a person would say it: `12.5 %`, `3.2 s`, `$48.20`, `1,234`.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{} %", number(value, 2)),
            Self::Milliseconds if value.abs() >= 1000.0 => format!("{} s", number(value / 1000.0, 2)),
            Self::Milliseconds => format!("{} ms", number(value, 1)),
            Self::Seconds => format!("{} s", number(value, 1)),
            Self::Count | Self::None => number(value, 2),
            Self::CountPerHour => format!("{}/h", number(value, 1)),
            Self::Usd => dollars(value),
            Self::UsdPerHour => format!("{}/h", dollars(value)),
            Self::Bytes => bytes(value),
        }
    }
}

/// From one value to another, in a metric's unit. As JSON a pair, since a bounded incident has many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl From<[f64; 2]> for Range {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Range> for [f64; 2] {
    fn from(Range { low, high }: Range) -> Self {
        [low, high]
    }
}

/// `18 min`, `2 h 5 min`, `3 d 4 h`: a length of time as a person would say it. Negative counts as zero.
pub fn format_seconds(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let join =
        |large: String, small: i64, unit: &str| if small == 0 { large } else { format!("{large} {small} {unit}") };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => join(format!("{hours} h"), minutes % 60, "min"),
        _ => join(format!("{days} d"), hours % 24, "h"),
    }
}

/// At most `decimals` decimals, none that are zero, thousands separated by commas.
fn number(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if grouped == "0" && fraction.is_empty() { "" } else { sign };
    if fraction.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{fraction}") }
}

fn dollars(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let text = number(value.abs(), 2);
    match text.split_once('.') {
        Some((_, cents)) if cents.len() == 1 => format!("{sign}${text}0"),
        _ => format!("{sign}${text}"),
    }
}

fn bytes(value: f64) -> String {
    let mut size = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size.abs() < 1024.0 {
            return format!("{} {unit}", number(size, 1));
        }
        size /= 1024.0;
    }
    format!("{} TiB", number(size, 1))
}

/// `{FunctionName=api, Stage=prod}`, or nothing for no dimensions.
pub fn format_dimensions(dimensions: &Dimensions) -> String {
    if dimensions.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn numbers_are_written_as_a_person_would() {
        for (unit, value, expected) in [
            (Unit::Percent, 12.5, "12.5 %"),
            (Unit::Percent, 10.0, "10 %"),
            (Unit::Milliseconds, 3200.0, "3.2 s"),
            (Unit::Milliseconds, 250.25, "250.2 ms"),
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::Count, -0.001, "0"),
            (Unit::CountPerHour, 99.0, "99/h"),
            (Unit::Usd, 48.2, "$48.20"),
            (Unit::Usd, -5.0, "-$5"),
            (Unit::UsdPerHour, 50.0, "$50/h"),
            (Unit::Bytes, 1536.0, "1.5 KiB"),
            (Unit::None, 1e20, "1e20"),
        ] {
            assert_eq!(unit.format(value), expected, "{unit:?} {value}");
        }
    }

    #[test]
    fn a_series_is_sorted_unique_and_finite() {
        let sample = |second, value| Sample { at: at(second), value };
        let series = Series::new(
            Dimensions::new(),
            vec![sample(120, 2.0), sample(0, f64::NAN), sample(60, 1.0), sample(120, 3.0), sample(60, f64::INFINITY)],
        );
        assert_eq!(series.samples, vec![sample(60, 1.0), sample(120, 3.0)]);
    }

    #[test]
    fn a_window_has_a_slot_for_every_period() {
        let samples = vec![
            Sample { at: at(0), value: 1.0 },
            Sample { at: at(60), value: 2.0 },
            Sample { at: at(185), value: 4.0 },
            Sample { at: at(240), value: 5.0 },
        ];
        let series = Series::new(Dimensions::new(), samples);
        assert_eq!(series.window(at(240), 60, 3), vec![Some(2.0), None, Some(4.0)]);
    }
}
