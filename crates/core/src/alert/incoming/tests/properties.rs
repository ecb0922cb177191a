//! Whatever arrives: nothing panics, nothing is dropped, everything is bounded.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(catalogue);

const FIXTURES: [&str; 10] = [
    "sns-seed",
    "sqs-sns-envelope",
    "sqs-raw",
    "alarm-single-metric",
    "alarm-single-metric-ok",
    "alarm-ok-without-data",
    "alarm-insufficient-data",
    "alarm-metric-math",
    "alarm-composite",
    "scheduled",
];

/// The messages within the fixtures, and one of our own.
static MESSAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let messages = FIXTURES.iter().filter_map(|name| {
        let event = fixture(name);
        let text = event.pointer("/Records/0/Sns/Message")?.as_str()?.to_owned();
        serde_json::from_str(&text).ok()
    });
    messages.chain([serde_json::to_value(own_change(1)).unwrap()]).collect()
});

const NAMES: [&str; 26] = [
    "Records",
    "Sns",
    "Message",
    "body",
    "Type",
    "messageId",
    "eventSource",
    "attributes",
    "metric_name",
    "current_value",
    "threshold",
    "dimensions",
    "AlarmName",
    "NewStateValue",
    "NewStateReason",
    "StateChangeTime",
    "Trigger",
    "schema",
    "key",
    "group",
    "command",
    "incident_id",
    "by",
    "detail-type",
    "",
    "\u{202e}",
];

const TEXTS: [&str; 16] = [
    "ErrorRate",
    "ServiceCost",
    "ALARM",
    "OK",
    "NaN",
    "1e999",
    "-Infinity",
    "2026-11-23T03:14:05Z",
    "-009999-01-02T00:00:00Z",
    "9999-12-30T22:00:00Z",
    "2026-11-23T03:14:05.123+0000",
    "",
    " ",
    "\u{0}",
    "\"\\\u{202e}\u{2028}…\u{1b}[2J",
    "[[[[{{{{",
];

const NUMBERS: [f64; 10] = [0.0, -0.0, 1.0, 15.0, 1e-300, 5e-324, 1e120, -1e126, f64::MAX, 9.007_199_254_740_993e15];

/// Makes events of a seed: trees, real messages with some fields or characters replaced, and whatever between.
/// Cheaper than strategies of proptest, which would take a minute for as many.
struct Maker(u64);

impl Maker {
    /// From 0 to `below` - 1, by xorshift64*.
    fn pick(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(random).unwrap() % below.max(1)
    }

    fn text(&mut self) -> String {
        match self.pick(20) {
            0..10 => TEXTS[self.pick(TEXTS.len())].to_owned(),
            10..19 => (0..self.pick(12)).map(|_| self.character()).collect(),
            _ => self.character().to_string().repeat(self.pick(1000)),
        }
    }

    fn character(&mut self) -> char {
        match self.pick(4) {
            0 => char::from(u8::try_from(self.pick(128)).unwrap()),
            1 => ['"', '\\', '{', '\u{202e}', '\u{0}', '…', '\n', '\u{1f4a9}'][self.pick(8)],
            2 => char::from_u32(u32::try_from(self.pick(0x11_0000)).unwrap()).unwrap_or('x'),
            _ => 'a',
        }
    }

    fn leaf(&mut self) -> Value {
        match self.pick(6) {
            0 => Value::Null,
            1 => json!(self.pick(2) == 0),
            2 => json!(i64::from_ne_bytes(self.0.to_ne_bytes()) >> self.pick(60)),
            3 => json!(NUMBERS[self.pick(NUMBERS.len())] * if self.pick(2) == 0 { -1.0 } else { 1.0 }),
            _ => json!(self.text()),
        }
    }

    fn tree(&mut self, depth: usize) -> Value {
        match self.pick(if depth == 0 { 2 } else { 5 }) {
            0 | 1 => self.leaf(),
            2 => (0..self.pick(4)).map(|_| self.tree(depth - 1)).collect(),
            _ => {
                let fields = (0..self.pick(5)).map(|_| {
                    let name = if self.pick(4) == 0 { self.text() } else { NAMES[self.pick(NAMES.len())].to_owned() };
                    (name, self.tree(depth - 1))
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// A real message with some fields replaced.
    fn message(&mut self) -> Value {
        let mut message = MESSAGES[self.pick(MESSAGES.len())].clone();
        for _ in 0..self.pick(3) {
            let fields = message.as_object_mut().unwrap();
            let at = self.pick(fields.len());
            let value = if self.pick(4) == 0 { self.tree(2) } else { self.leaf() };
            *fields.values_mut().nth(at).unwrap() = value;
        }
        message
    }

    /// What stands within an envelope: JSON, broken JSON, or anything.
    fn words(&mut self) -> String {
        match self.pick(6) {
            0..3 => self.message().to_string(),
            3 => self.tree(3).to_string(),
            4 => self.text(),
            _ => {
                let mut text: Vec<char> = self.message().to_string().chars().collect();
                let at = self.pick(text.len());
                if self.pick(2) == 0 {
                    text.truncate(at);
                } else {
                    text[at] = self.character();
                }
                text.into_iter().collect()
            }
        }
    }

    fn record(&mut self) -> Value {
        let words = self.words();
        match self.pick(7) {
            0 | 1 => json!({"Sns": {"Message": words}}),
            2 | 3 => json!({"eventSource": "aws:sqs", "messageId": "m", "body": words}),
            4 | 5 => {
                json!({"eventSource": "aws:sqs", "body": json!({"Type": "Notification", "Message": words}).to_string()})
            }
            _ => self.tree(3),
        }
    }

    fn event(&mut self) -> Value {
        match self.pick(8) {
            0 => self.tree(4),
            1 => self.message(),
            _ => json!({"Records": (0..=self.pick(2)).map(|_| self.record()).collect::<Vec<Value>>()}),
        }
    }
}

fn check_record(record: &Record) {
    assert!(record.change.is_some() || record.note.is_some());
    let Some(change) = &record.change else { return };
    assert!(change.at <= now() + MAX_SKEW);
    assert!(change.since <= change.at);
    for number in [change.value, change.threshold].into_iter().flatten() {
        assert!(number == 0.0 || (1e-130..1e126).contains(&number.abs()), "{number}");
    }
    // DynamoDB keeps no attribute without a name.
    assert!(!change.key.as_str().is_empty() && change.dimensions.keys().all(|name| !name.is_empty()));
    assert!(!change.reason.trim().is_empty() && !change.title.trim().is_empty());
    let json = serde_json::to_string(change).unwrap();
    assert!(json.len() < 8 * 1024, "{} bytes: {json}", json.len());
    let mut read: AlertChange = serde_json::from_str(&json).unwrap();
    for (read, written) in [(&mut read.value, change.value), (&mut read.threshold, change.threshold)] {
        // serde_json reads a number to within its last digit.
        assert!((read.unwrap_or(0.0) - written.unwrap_or(0.0)).abs() <= written.unwrap_or(0.0).abs() * 1e-15);
        *read = read.and(written);
    }
    assert_eq!(&read, change);
}

fn check_event(event: &Value) {
    match parse(event, Context { catalogue: &CATALOGUE, suffix: "", now: now() }) {
        Incoming::Silence(request) => assert!(format!("{request:?}").len() < 10_000),
        Incoming::Records { records, .. } => {
            let expected = event.get("Records").and_then(Value::as_array).map_or(1, Vec::len);
            assert_eq!(records.len(), expected);
            records.iter().for_each(check_record);
        }
        Incoming::BadCommand(reason) => assert!(!reason.is_empty() && reason.len() < 500),
        Incoming::Tick | Incoming::Daily | Incoming::Answer { .. } | Incoming::Command(_) => {}
    }
}

/// How many events are made of one seed: asking proptest for each would take longer than reading it.
const EVENTS: u32 = 100;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000 / EVENTS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_arrives_is_read(seed in 1_u64..) {
        let mut maker = Maker(seed);
        for _ in 0..EVENTS {
            let event = maker.event();
            let checked = std::panic::catch_unwind(|| check_event(&event));
            prop_assert!(checked.is_ok(), "{event}");
        }
    }
}
