//! What the crate writes: equal to a list made by hand, and to what the Python client writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    path::Path,
    process::Command,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, SystemTime},
};

use monitoring_track::{
    BusinessMetric, MAX_OPERATIONS, MAX_UNCATALOGUED_METRICS, Monitoring, Performance, SecurityEvent, TrackError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// An output that keeps what is written, and that can be told to take nothing for a while.
#[derive(Clone, Default)]
struct Output(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    stalled: bool,
    waiting: bool,
}

impl Output {
    fn stalled() -> Self {
        let output = Self::default();
        output.0.0.lock().unwrap().stalled = true;
        output
    }

    /// Waits until the writing thread is held up in this output.
    fn wait_for_writer(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        drop(changed.wait_while(state, |state| !state.waiting).unwrap());
    }

    fn release(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().stalled = false;
        changed.notify_all();
    }

    fn lines(&self) -> Vec<Value> {
        parse_lines(&self.0.0.lock().unwrap().written)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.waiting = true;
        changed.notify_all();
        let mut state = changed.wait_while(state, |state| state.stalled).unwrap();
        state.waiting = false;
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that fails.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parse_lines(text: &[u8]) -> Vec<Value> {
    let text = str::from_utf8(text).unwrap();
    text.lines().map(|line| numbers_alike(serde_json::from_str(line).unwrap())).collect()
}

/// JSON has one kind of number: `1` and `1.0` are equal.
fn numbers_alike(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(values) => values.into_iter().map(numbers_alike).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, numbers_alike(value))).collect(),
        other => other,
    }
}

fn monitoring_to(output: &Output) -> Monitoring {
    Monitoring::builder().output(output.clone()).clock(|| SystemTime::UNIX_EPOCH).build()
}

/// Reads the fixture that the Python client's tests read as well.
fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn timestamp(fixture: &Value) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(fixture["timestamp_ms"].as_u64().unwrap())
}

/// Makes one of the fixture's calls.
fn make_call(monitoring: &Monitoring, call: &Value) -> Result<(), TrackError> {
    let arguments = &call["arguments"];
    let text = |name: &str| arguments[name].as_str();
    // JSON has no NaN and no infinity, so the file has them as text.
    let number = |name: &str| match &arguments[name] {
        Value::String(text) => Some(text.parse::<f64>().unwrap()),
        value => value.as_f64(),
    };
    match call["call"].as_str().unwrap() {
        "track_business_metric" => {
            let mut metric = BusinessMetric::new(text("name").unwrap(), number("value").unwrap());
            if let Some(user_id) = text("user_id") {
                metric = metric.user_id(user_id);
            }
            if let Some(tier) = text("subscription_tier") {
                metric = metric.subscription_tier(tier);
            }
            if let Some(amount) = number("amount") {
                metric = metric.amount(amount);
            }
            monitoring.track_business_metric(metric)
        }
        "track_performance" => {
            let mut performance = Performance::new(text("operation").unwrap(), number("duration").unwrap());
            if let Some(success) = arguments["success"].as_bool() {
                performance = performance.success(success);
            }
            if let Some(cache_hit) = arguments["cache_hit"].as_bool() {
                performance = performance.cache_hit(cache_hit);
            }
            if let Some(cost) = number("cost") {
                performance = performance.cost(cost);
            }
            if let Some(user_id) = text("user_id") {
                performance = performance.user_id(user_id);
            }
            if let Some(error) = text("error") {
                performance = performance.error(error);
            }
            if let Some(stack_trace) = text("stack_trace") {
                performance = performance.stack_trace(stack_trace);
            }
            monitoring.track_performance(performance)
        }
        "track_security_event" => {
            let mut event = SecurityEvent::new(text("kind").unwrap());
            if let Some(user_id) = text("user_id") {
                event = event.user_id(user_id);
            }
            if let Some(source_ip) = text("source_ip") {
                event = event.source_ip(source_ip);
            }
            monitoring.track_security_event(event)
        }
        other => panic!("no such call: {other}"),
    }
}

/// Makes all of the fixture's calls. Returns the lines, and for each call why it was refused.
async fn replay(fixture: &Value) -> (Vec<Value>, Value) {
    let output = Output::default();
    let now = timestamp(fixture);
    let monitoring = Monitoring::builder().output(output.clone()).clock(move || now).build();
    let calls = fixture["calls"].as_array().unwrap();
    let refused = calls.iter().map(|call| json!(make_call(&monitoring, call).err().map(TrackError::reason))).collect();
    monitoring.flush().await;
    (output.lines(), refused)
}

#[tokio::test]
async fn the_calls_write_what_the_list_says() {
    let fixture = fixture();
    let (lines, refused) = replay(&fixture).await;

    let calls = fixture["calls"].as_array().unwrap();
    let expected = calls.iter().map(|call| &call["writes"]).filter(|line| !line.is_null());
    let expected: Vec<Value> =
        expected.chain([&fixture["flush_writes"]]).map(|line| numbers_alike(line.clone())).collect();
    assert_eq!(lines, expected);
    let expected: Value = calls.iter().map(|call| call["refused"].clone()).collect();
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn the_python_client_writes_the_same() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let replayed = Command::new("python3")
        .arg(crate_root.join("python/tests/replay_calls.py"))
        .arg(crate_root.join("tests/calls.json"))
        .env("PYTHONPATH", crate_root.join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 runs");
    let errors = String::from_utf8_lossy(&replayed.stderr);
    assert!(replayed.status.success(), "{errors}");

    let (lines, refused) = replay(&fixture()).await;
    let mut python_lines = parse_lines(&replayed.stdout);
    assert_eq!(python_lines.pop(), Some(refused), "refused by Python, {errors}");
    assert_eq!(python_lines, lines);
}

#[tokio::test]
async fn a_stalled_output_does_not_hold_the_caller_and_what_is_dropped_is_reported() {
    let output = Output::stalled();
    let monitoring = Monitoring::builder().output(output.clone()).queue_capacity(NonZeroUsize::new(2).unwrap()).build();
    let track = |kind: String| monitoring.track_security_event(SecurityEvent::new(kind)).unwrap();

    track("kind0".to_owned());
    output.wait_for_writer();
    for number in 1..10 {
        track(format!("kind{number}"));
    }
    // One is being written, the latest two wait, seven gave way.
    assert_eq!(monitoring.dropped(), 7);

    output.release();
    monitoring.flush().await;
    let lines = output.lines();
    let kinds: Vec<_> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds, ["kind0", "kind8", "kind9"]);
    assert_eq!(lines.last().unwrap()["DroppedRecords"], 7.0);

    // Reported once.
    monitoring.flush().await;
    assert_eq!(output.lines().len(), 4);
}

#[tokio::test]
async fn a_broken_output_is_counted_and_holds_nobody() {
    let monitoring = Monitoring::builder().output(Broken).build();
    monitoring.track_security_event(SecurityEvent::new("probe")).unwrap();
    monitoring.flush().await;
    assert_eq!(monitoring.dropped(), 1);
}

#[test]
fn dropping_the_last_clone_writes_what_is_queued() {
    let output = Output::default();
    let monitoring = monitoring_to(&output);
    let clone = monitoring.clone();
    clone.track_security_event(SecurityEvent::new("probe")).unwrap();
    drop(monitoring);
    drop(clone);
    assert_eq!(output.lines().len(), 1);
}

#[tokio::test]
async fn names_outside_the_catalogue_are_bounded() {
    assert_eq!(MAX_UNCATALOGUED_METRICS, 50);
    let output = Output::default();
    let monitoring = monitoring_to(&output);
    for number in 0..51 {
        let metric = BusinessMetric::new(format!("metric_{number}"), 2.0);
        monitoring.track_business_metric(metric).unwrap();
    }
    monitoring.track_business_metric(BusinessMetric::new("metric_0", 3.0)).unwrap();
    monitoring.track_business_metric(BusinessMetric::new("revenue", 4.0)).unwrap();
    monitoring.flush().await;

    let lines = output.lines();
    let metrics = |line: usize| &lines[line]["_aws"]["CloudWatchMetrics"][0]["Metrics"];
    assert_eq!(*metrics(49), json!([{"Name": "Metric49"}]));
    assert_eq!(*metrics(50), json!([]));
    assert_eq!(lines[50]["name"], "metric_50");
    assert_eq!(lines[50]["value"], 2.0);
    assert_eq!(lines[50].get("Metric50"), None);
    assert_eq!(*metrics(51), json!([{"Name": "Metric0"}]));
    assert_eq!(*metrics(52), json!([{"Name": "Revenue"}]));
}

#[tokio::test]
async fn operations_are_bounded_as_a_dimension_and_still_counted() {
    assert_eq!(MAX_OPERATIONS, 100);
    let output = Output::default();
    let monitoring = monitoring_to(&output);
    for number in 0..101 {
        monitoring.track_performance(Performance::new(format!("op{number}"), 1.0)).unwrap();
    }
    monitoring.flush().await;

    let lines = output.lines();
    let dimensions = |line: usize| &lines[line]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
    assert_eq!(*dimensions(99), json!([[], ["operation"]]));
    assert_eq!(*dimensions(100), json!([[]]));
    assert_eq!(lines[100]["RequestCount"], 1.0);
    assert_eq!(lines[100]["operation"], "op100");
}

#[tokio::test]
async fn a_long_stack_trace_is_cut() {
    let output = Output::default();
    let monitoring = monitoring_to(&output);
    let performance = Performance::new("plan", 1.0).success(false).stack_trace("ä".repeat(10_000));
    monitoring.track_performance(performance).unwrap();
    monitoring.flush().await;
    let expected = format!("{}…", "ä".repeat(8191));
    assert_eq!(output.lines()[0]["stack_trace"], expected);
}

#[tokio::test]
async fn another_application_has_its_own_namespaces() {
    let output = Output::default();
    let builder = Monitoring::builder().output(output.clone());
    let monitoring = builder.namespace_prefix("Bakery").unwrap().build();
    monitoring.track_security_event(SecurityEvent::new("probe")).unwrap();
    monitoring.flush().await;
    let namespace = &output.lines()[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"];
    assert_eq!(namespace, "Bakery/Security");

    for prefix in ["", "AWS", "AWS/Lambda", "a b", &"x".repeat(201)] {
        let refused = Monitoring::builder().namespace_prefix(prefix).err();
        assert_eq!(refused, Some(TrackError::InvalidName { field: "namespace_prefix" }));
    }
}

proptest! {
    /// Whatever the caller says, a call is either refused or becomes exactly one line of JSON with
    /// the properties as they were said, and none of them is a dimension.
    #[test]
    fn any_call_is_one_line_or_refused(
        operation in any::<String>(),
        duration_ms in any::<f64>(),
        user_id in ".{0,200}",
        cost in any::<f64>(),
    ) {
        let output = Output::default();
        let monitoring = monitoring_to(&output);
        let performance = Performance::new(&operation, duration_ms).user_id(&user_id).cost(cost);
        let tracked = monitoring.track_performance(performance);
        let refused = monitoring.refused();
        drop(monitoring);

        let lines = output.lines();
        prop_assert_eq!(lines.len(), 1);
        if tracked.is_ok() {
            prop_assert_eq!(lines[0]["user_id"].as_str(), Some(user_id.as_str()));
            let dimensions = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
            prop_assert!(*dimensions == json!([[]]) || *dimensions == json!([[], ["operation"]]));
        } else {
            prop_assert_eq!(refused, 1);
            prop_assert_eq!(&lines[0]["RefusedRecords"], &json!(1.0));
        }
    }
}
