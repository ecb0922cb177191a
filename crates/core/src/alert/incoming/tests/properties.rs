//! Whatever arrives: nothing panics, nothing is dropped, everything is bounded.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(catalogue);

const FIXTURES: [&str; 10] = [
    "sns-seed", "sqs-sns-envelope", "sqs-raw", "alarm-single-metric", "alarm-single-metric-ok", "alarm-ok-without-data",
    "alarm-insufficient-data", "alarm-metric-math", "alarm-composite", "scheduled",
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

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,12}",
        2 => "[\\x00-\\x1f\"\\\\\u{202e}é…]{0,12}",
        1 => prop::sample::select(vec!["ErrorRate", "ALARM", "OK", "NaN", "1e999", "-Infinity", "2026-11-23T03:14:05Z", "-009999-01-02T00:00:00Z"])
            .prop_map(str::to_owned),
        1 => (any::<char>(), 100_usize..1200).prop_map(|(c, count)| c.to_string().repeat(count)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "Records", "Sns", "Message", "body", "Type", "messageId", "eventSource", "attributes", "metric_name", "current_value",
        "threshold", "dimensions", "AlarmName", "NewStateValue", "NewStateReason", "StateChangeTime", "Trigger", "schema", "key",
        "group", "command", "incident_id", "by", "detail-type",
    ];
    prop_oneof![3 => prop::sample::select(known).prop_map(str::to_owned), 1 => text()]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

/// A real message with one or two fields replaced.
fn mutated() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop_oneof![3 => leaf(), 1 => tree()]);
    (any::<prop::sample::Index>(), prop::collection::vec(change, 0..3)).prop_map(|(which, changes)| {
        let mut message = which.get(&MESSAGES).clone();
        if let Some(fields) = message.as_object_mut() {
            for (index, value) in changes {
                let at = index.index(fields.len());
                if let Some(field) = fields.values_mut().nth(at) {
                    *field = value;
                }
            }
        }
        message
    })
}

fn record() -> impl Strategy<Value = Value> {
    let message = prop_oneof![
        3 => mutated().prop_map(|message| message.to_string()),
        1 => tree().prop_map(|message| message.to_string()),
        1 => text(),
        1 => (mutated(), any::<prop::sample::Index>()).prop_map(|(message, cut)| {
            let text = message.to_string();
            text.chars().take(cut.index(text.len())).collect()
        }),
    ];
    let wrapped = (message, 0..3).prop_map(|(message, form)| match form {
        0 => json!({"Sns": {"Message": message}}),
        1 => json!({"eventSource": "aws:sqs", "messageId": "m", "body": message}),
        _ => json!({"eventSource": "aws:sqs", "body": json!({"Type": "Notification", "Message": message}).to_string()}),
    });
    prop_oneof![6 => wrapped, 1 => tree()]
}

fn event() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => prop::collection::vec(record(), 1..3).prop_map(|records| json!({"Records": records})),
        1 => tree(),
        1 => mutated(),
    ]
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
    assert_eq!(&serde_json::from_str::<AlertChange>(&json).unwrap(), change);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_arrives_is_read(event in event()) {
        match parse(&event, Context { catalogue: &CATALOGUE, suffix: "", now: now() }) {
            Incoming::Records { records, .. } => {
                let expected = event.get("Records").and_then(Value::as_array).map_or(1, Vec::len);
                assert_eq!(records.len(), expected);
                records.iter().for_each(check_record);
            }
            Incoming::BadCommand(reason) => assert!(!reason.is_empty() && reason.len() < 500),
            Incoming::Tick | Incoming::Command(_) => {}
        }
    }
}
