use std::{borrow::Cow, time::SystemTime};

use metrique_writer::{Entry, EntryConfig, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};
use metrique_writer_format_emf::{EntryDimensions, NoMetric};

/// The longest identifier (operation, user id, kind, address), in characters.
const MAX_IDENTIFIER_CHARS: usize = 256;
/// The longest error message, in characters.
pub(crate) const MAX_ERROR_CHARS: usize = 1024;
/// The longest stack trace, in characters. Even at four bytes each, and escaped, a line stays well
/// below the 256 KB that CloudWatch Logs takes.
pub(crate) const MAX_STACK_TRACE_CHARS: usize = 8192;
/// The longest dimension value used here, in characters. CloudWatch takes 1024; an operation that
/// long is not a name.
const MAX_DIMENSION_CHARS: usize = 255;

/// Which of the application's namespaces a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    Application,
    Business,
    Security,
}

impl Namespace {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Business => "Business",
            Self::Security => "Security",
        }
    }
}

// The stream picks the format by this: a format is bound to one namespace.
impl EntryConfig for Namespace {}

/// The dimension under which a record's metrics are published, beside being published without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Operation,
    SubscriptionTier,
}

static BY_OPERATION: EntryDimensions =
    EntryDimensions::new_static(&[Cow::Borrowed(&[]), Cow::Borrowed(&[Cow::Borrowed("operation")])]);
static BY_SUBSCRIPTION_TIER: EntryDimensions =
    EntryDimensions::new_static(&[Cow::Borrowed(&[]), Cow::Borrowed(&[Cow::Borrowed("subscription_tier")])]);

impl Dimension {
    fn sets(self) -> &'static EntryDimensions {
        match self {
            Self::Operation => &BY_OPERATION,
            Self::SubscriptionTier => &BY_SUBSCRIPTION_TIER,
        }
    }
}

/// Whether CloudWatch takes the text as a dimension's value: printable ASCII, not blank, and not
/// starting with a colon (the `Dimension` reference of the CloudWatch API).
pub(crate) fn is_dimension_value(text: &str) -> bool {
    text.len() <= MAX_DIMENSION_CHARS
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.bytes().any(|byte| byte != b' ')
        && !text.starts_with(':')
}

/// One line to be written: metrics, and the properties that Logs Insights queries.
#[derive(Debug)]
pub(crate) struct Record {
    timestamp: SystemTime,
    namespace: Namespace,
    dimension: Option<Dimension>,
    metrics: Vec<Metric>,
    properties: Vec<(&'static str, Property)>,
}

#[derive(Debug)]
struct Metric {
    name: Cow<'static, str>,
    value: f64,
    unit: Unit,
}

#[derive(Debug)]
enum Property {
    Text(String),
    Number(f64),
}

impl Record {
    pub(crate) fn new(namespace: Namespace, timestamp: SystemTime) -> Self {
        Self { timestamp, namespace, dimension: None, metrics: Vec::new(), properties: Vec::new() }
    }

    pub(crate) fn by(&mut self, dimension: Dimension) {
        self.dimension = Some(dimension);
    }

    pub(crate) fn count(&mut self, name: &'static str, value: f64) {
        self.metric(name, value, Unit::Count);
    }

    pub(crate) fn metric(&mut self, name: impl Into<Cow<'static, str>>, value: f64, unit: Unit) {
        self.metrics.push(Metric { name: name.into(), value, unit });
    }

    pub(crate) fn number(&mut self, name: &'static str, value: f64) {
        self.properties.push((name, Property::Number(value)));
    }

    pub(crate) fn text(&mut self, name: &'static str, text: impl Into<String>) {
        self.long_text(name, text.into(), MAX_IDENTIFIER_CHARS);
    }

    pub(crate) fn long_text(&mut self, name: &'static str, text: String, max_chars: usize) {
        self.properties.push((name, Property::Text(shorten(text, max_chars))));
    }
}

/// Cuts a text to at most `max_chars` characters, the last of which then says that it was cut.
fn shorten(text: String, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text;
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

impl Entry for Record {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(self.timestamp);
        writer.config(&self.namespace);
        if let Some(dimension) = self.dimension {
            writer.config(dimension.sets());
        }
        for metric in &self.metrics {
            writer.value(metric.name.as_ref(), metric);
        }
        for (name, property) in &self.properties {
            match property {
                Property::Text(text) => writer.value(*name, text),
                Property::Number(number) => writer.value(*name, &NoMetric::from(*number)),
            }
        }
    }
}

impl Value for Metric {
    fn write(&self, writer: impl ValueWriter) {
        let observation = Observation::Floating(self.value);
        writer.metric([observation], self.unit, [], MetricFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_only_beyond_its_limit_and_on_whole_characters() {
        assert_eq!(shorten("abcd".to_owned(), 4), "abcd");
        assert_eq!(shorten("abcde".to_owned(), 4), "abc…");
        assert_eq!(shorten("ääää".to_owned(), 3), "ää…");
        assert_eq!(shorten(String::new(), 3), "");
    }

    #[test]
    fn a_dimension_value_is_what_cloudwatch_takes() {
        assert!(is_dimension_value("GET /plans"));
        assert!(is_dimension_value(&"a".repeat(255)));
        for refused in ["", "  ", ":plans", "naïve", "a\nb", &"a".repeat(256)] {
            assert!(!is_dimension_value(refused), "{refused:?}");
        }
    }
}
