mod commands;
mod properties;

use serde_json::json;

use super::*;
use crate::alert::{GroupKey, Origin};
use crate::example_catalogue::catalogue;

fn now() -> Timestamp {
    "2026-11-23T03:15:00Z".parse().unwrap()
}

fn parse_in(event: &Value, suffix: &str) -> Incoming {
    parse(event, Context { catalogue: &catalogue(), suffix, now: now() })
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::File::open(path).map(std::io::read_to_string).unwrap().unwrap().into_bytes())
        .unwrap()
}

fn records(event: &Value) -> Vec<Record> {
    match parse_in(event, "") {
        Incoming::Records { records, .. } => records,
        other => panic!("{other:?}"),
    }
}

/// The one record of an event.
fn only(event: &Value) -> Record {
    let mut records = records(event);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn sns(message: &Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message.to_string()}}]})
}

fn raw(text: &str) -> Value {
    json!({"Records": [{"Sns": {"Message": text}}]})
}

/// `rule|group|state|level|severity|value|threshold|runbook`, or `nothing`.
fn in_short(record: &Record) -> String {
    let Some(change) = &record.change else { return "nothing".to_owned() };
    let number = |number: Option<f64>| number.map_or("-".to_owned(), |number| number.to_string());
    [
        change.key.to_string(),
        change.group.to_string(),
        change.state.as_str().to_owned(),
        change.level.as_str().to_owned(),
        change.severity.to_string(),
        number(change.value),
        number(change.threshold),
        change.runbook.clone().unwrap_or("-".to_owned()),
    ]
    .join("|")
}

fn check(event: &Value, expected: &str) {
    assert_eq!(in_short(&only(event)), expected, "{event}");
}

fn check_file(name: &str, expected: &str) {
    check(&fixture(name), expected);
}

/// What is not understood becomes an alert that quotes it, and says why.
fn check_unrecognised(event: &Value, why: &str) {
    let record = only(event);
    let change = record.change.unwrap();
    assert_eq!(
        (change.origin, change.state, change.severity),
        (Origin::Unrecognised, ChangeState::Firing, Severity::Sev3)
    );
    assert_eq!(change.group, GroupKey::named("unrecognised"));
    assert!(change.quote.unwrap().len() <= 600);
    let note = record.note.unwrap();
    assert!(note.contains(why), "{note:?} does not say {why:?}");
}

#[test]
fn the_seeds_event_is_a_critical_error_rate() {
    for name in ["sns-seed", "sqs-sns-envelope", "sqs-raw"] {
        check_file(name, "error-rate|api|firing|critical|SEV1|15|10|high-error-rate");
    }
    let record = only(&fixture("sns-seed"));
    let change = record.change.unwrap();
    assert_eq!(change.rule.as_deref(), Some("error-rate"));
    assert_eq!(change.title, "ErrorRate above 10 %");
    assert_eq!((change.at, change.since, change.origin), (now(), now(), Origin::Manual));
    assert_eq!(record.note, None);
}

#[test]
fn a_queue_wants_to_know_which_records_failed() {
    for (name, queue, id, count) in [
        ("sns-seed", false, None, 1),
        ("sqs-sns-envelope", true, Some("059f36b4-87a3-44ab-83d2-661975830a7d"), 3),
        ("sqs-raw", true, Some("059f36b4-87a3-44ab-83d2-661975830a7d"), 1),
    ] {
        let Incoming::Records { from_queue, records } = parse_in(&fixture(name), "") else { panic!("{name}") };
        assert_eq!(from_queue, queue, "{name}");
        assert_eq!((records[0].message_id.as_deref(), records[0].receive_count), (id, count), "{name}");
    }
}

#[test]
fn cloudwatch_alarms_of_every_kind() {
    let ours = "lambda-duration{FunctionName=api}/critical|lambda";
    check_file("alarm-single-metric", &format!("{ours}|firing|high|SEV2|29400|28000|lambda-timeout"));
    check_file("alarm-single-metric-ok", &format!("{ours}|ok|high|SEV2|1200|28000|lambda-timeout"));
    check_file("alarm-metric-math", "alarm:team-x-throttles|alarm:team-x-throttles|firing|medium|SEV3|7|5|-");
    check_file("alarm-composite", "alarm:checkout-is-down|alarm:checkout-is-down|firing|medium|SEV3|-|-|-");
    let change = only(&fixture("alarm-single-metric")).change.unwrap();
    assert_eq!(change.at, "2026-11-23T03:14:05.123Z".parse().unwrap());
    assert_eq!(change.title, "LambdaDuration{FunctionName=api} above 28 s");
    assert_eq!(change.origin, Origin::Alarm);
    assert!(change.reason.starts_with("Threshold Crossed: 2 out of the last 3 datapoints"));
    let change = only(&fixture("alarm-metric-math")).change.unwrap();
    assert_eq!(change.quote.as_deref(), Some("Tables refuse requests."));
    let change = only(&fixture("alarm-composite")).change.unwrap();
    assert_eq!(change.title, "CloudWatch alarm checkout-is-down");
}

#[test]
fn only_a_measured_ok_of_an_alarm_says_ok() {
    for (name, why) in [
        ("alarm-insufficient-data", "too little data; only a measured OK resolves"),
        ("alarm-ok-without-data", "is OK for want of data; only a measured OK resolves"),
    ] {
        let record = only(&fixture(name));
        assert_eq!(record.change, None, "{name}");
        assert!(record.note.unwrap().ends_with(why), "{name}");
    }
}

#[test]
fn an_alarm_of_another_environment_is_not_ours() {
    let alarm = |name: &str| sns(&json!({"AlarmName": name, "NewStateValue": "ALARM"}));
    let ours = "ai-nutritionist-lambda-duration-critical-FunctionName=api";
    for (name, suffix, expected) in [
        (ours.to_owned(), "", "lambda-duration{FunctionName=api}/critical"),
        (format!("{ours}-staging"), "-staging", "lambda-duration{FunctionName=api}/critical"),
        (ours.to_owned(), "-staging", "alarm:ai-nutritionist-lambda-duration-critical-FunctionName=api"),
        (format!("{ours}-staging"), "", "alarm:ai-nutritionist-lambda-duration-critical-FunctionName=api-staging"),
    ] {
        let Incoming::Records { records, .. } = parse_in(&alarm(&name), suffix) else { panic!() };
        assert_eq!(records[0].change.as_ref().unwrap().key.as_str(), expected);
    }
}

#[test]
fn long_alarm_names_with_the_same_beginning_are_different_alerts() {
    let alarm = |end: &str| sns(&json!({"AlarmName": format!("{}{end}", "x".repeat(200)), "NewStateValue": "ALARM"}));
    let [one, two] = ["-a", "-b"].map(|end| only(&alarm(end)).change.unwrap());
    assert_ne!(one.key, two.key);
    assert_ne!(one.group, two.group);
}

#[test]
fn a_value_by_hand_is_judged_by_the_worst_of_both_thresholds() {
    let by_hand = |value: f64, threshold: Option<f64>| {
        sns(&json!({"metric_name": "ErrorRate", "current_value": value, "threshold": threshold}))
    };
    let short = |rest: &str| format!("error-rate|api|{rest}|high-error-rate");
    check(&by_hand(15.0, None), &short("firing|critical|SEV1|15|10"));
    check(&by_hand(10.0, None), &short("firing|medium|SEV3|10|5"));
    check(&by_hand(15.0, Some(20.0)), &short("firing|critical|SEV1|15|10"));
    check(&by_hand(3.0, Some(2.0)), &short("firing|medium|SEV3|3|2"));
    check(&by_hand(3.0, Some(4.0)), &short("ok|medium|SEV3|3|5"));
    check(&by_hand(3.0, None), &short("ok|medium|SEV3|3|5"));
    let change = only(&by_hand(3.0, Some(2.0))).change.unwrap();
    assert_eq!(change.title, "ErrorRate above 2 %");
    assert_eq!(change.reason, "the sender's own threshold is 2 %");
    // A metric that is bad when it is low.
    let revenue = |value: f64| sns(&json!({"metric_name": "Revenue", "current_value": value, "threshold": 60}));
    check(&revenue(10.0), "revenue|business|firing|high|SEV2|10|50|-");
    check(&revenue(55.0), "revenue|business|firing|high|SEV2|55|60|-");
    check(&revenue(70.0), "revenue|business|ok|high|SEV2|70|50|-");
}

#[test]
fn dimensions_by_hand_name_the_alert_and_split_the_group() {
    let event =
        sns(&json!({"metric_name": "ServiceCost", "current_value": 80, "dimensions": {"Service": "S3", "": "x"}}));
    check(&event, "service-cost{Service=S3}|cost/S3|firing|low|SEV4|80|75|-");
    let bare = sns(&json!({"metric_name": "ServiceCost", "current_value": 80}));
    check(&bare, "service-cost|cost/-|firing|low|SEV4|80|75|-");
}

#[test]
fn what_cannot_be_understood_is_quoted() {
    let by_hand = |value: Value| sns(&json!({"metric_name": "ErrorRate", "current_value": value}));
    for (event, why) in [
        (raw("not { json"), "not JSON"),
        (raw(""), "not JSON"),
        (raw("{\"metric_name\":\"ErrorRate\",\"current_value\":NaN}"), "not JSON"),
        (raw("{\"metric_name\":\"ErrorRate\",\"current_value\":1e999}"), "not JSON"),
        (raw(&"[".repeat(5000)), "not JSON: recursion limit"),
        (raw("[]"), "none of the forms"),
        (raw("null"), "none of the forms"),
        (by_hand(json!("15")), "current_value is not a number"),
        (by_hand(json!("NaN")), "current_value is not a number"),
        (by_hand(json!(null)), "current_value is not a number"),
        (sns(&json!({"metric_name": 1, "current_value": 1})), "metric_name is not a text"),
        (sns(&json!({"metric_name": "Nope", "current_value": 1})), "no metric of the catalogue is called Nope"),
        (sns(&json!({"metric_name": "RequestCount", "current_value": 1})), "no threshold rule watches RequestCount"),
        (sns(&json!({"metric_name": "ErrorRate", "current_value": 1, "threshold": "x"})), "threshold is not a number"),
        (sns(&json!({"metric_name": "ErrorRate", "current_value": 1, "dimensions": [1]})), "dimensions is not"),
        (sns(&json!({"AlarmName": 5, "NewStateValue": "ALARM"})), "AlarmName is not a text"),
        (sns(&json!({"AlarmName": "a", "NewStateValue": "PANIC"})), "NewStateValue is none of"),
        (json!({"Records": [null]}), "neither an SNS nor an SQS record"),
        (json!({"Records": [{"body": {"metric_name": "ErrorRate"}}]}), "neither an SNS nor an SQS record"),
        (json!({"Records": [{"body": 5}]}), "neither an SNS nor an SQS record"),
        (json!({"Records": [{"body": "{\"Type\":\"Notification\"}"}]}), "an SNS envelope without a message"),
        (json!({"Records": "no"}), "none of the forms"),
        (json!({}), "none of the forms"),
        (json!("x"), "none of the forms"),
    ] {
        check_unrecognised(&event, why);
    }
    assert_eq!(records(&json!({"Records": []})), vec![]);
}

#[test]
fn a_record_that_the_queue_hands_out_again_is_the_same_alert() {
    let record = |count: &str| json!({"Records": [{"body": 5, "messageId": "m", "attributes": {"ApproximateReceiveCount": count}}]});
    let [first, again] = ["1", "2"].map(|count| only(&record(count)));
    assert_eq!(first.change, again.change);
    assert_eq!((first.receive_count, again.receive_count), (1, 2));
    let twice = json!({"Records": [{"body": "x"}, {"body": "x"}]});
    let twice = records(&twice);
    assert_eq!(twice[0], twice[1]);
}

/// A dead letter that is put back is a new message to the queue, and only its envelope says how old it is.
#[test]
fn what_was_published_long_ago_may_have_been_handled_before() {
    let record = |published: &str, receives: &str| {
        let body = json!({"Type": "Notification", "Message": "x", "Timestamp": published}).to_string();
        let attributes = json!({"ApproximateReceiveCount": receives, "SentTimestamp": "1795403699000"});
        only(&json!({"Records": [{"body": body, "attributes": attributes}]}))
    };
    for (published, receives, again) in [
        ("2026-11-23T03:14:30Z", "1", false),
        ("2026-11-23T03:14:30Z", "2", true),
        ("2026-11-23T03:10:00Z", "1", false),
        ("2026-11-23T03:09:59Z", "1", true),
    ] {
        let record = record(published, receives);
        assert_eq!(record.again, again, "{published} {receives}");
        assert_eq!(record.change.unwrap().at, published.parse().unwrap());
    }
}

/// A message without a time of its own happened when it was sent, so that one that is handed out again is the same.
#[test]
fn what_has_no_time_happened_when_it_was_sent() {
    for (name, expected) in [
        ("sqs-raw", "2026-11-23T03:14:05.123Z"),
        // The topic's word comes before the queue's.
        ("sqs-sns-envelope", "2026-11-23T03:14:05.200Z"),
        ("sns-seed", "2026-11-23T03:15:00Z"),
    ] {
        assert_eq!(only(&fixture(name)).change.unwrap().at, expected.parse().unwrap(), "{name}");
    }
    let sent = |millis: &str| json!({"Records": [{"body": "x", "attributes": {"SentTimestamp": millis}}]});
    for (millis, expected) in [
        ("1794194106000", "2026-11-09T03:15:06Z"),
        ("1794194099000", "2026-11-23T03:15:00Z"),
        ("0", "2026-11-23T03:15:00Z"),
        ("4102444800000", "2026-11-23T03:15:00Z"),
        ("9999999999999999999", "2026-11-23T03:15:00Z"),
        ("soon", "2026-11-23T03:15:00Z"),
    ] {
        assert_eq!(only(&sent(millis)).change.unwrap().at, expected.parse().unwrap(), "{millis}");
    }
    // The second is what the Lambda console's SNS test event has.
    for (time, expected) in
        [("2026-11-23T03:14:05.200Z", "2026-11-23T03:14:05.2Z"), ("1970-01-01T00:00:00.000Z", "2026-11-23T03:15:00Z")]
    {
        let topic = json!({"Records": [{"Sns": {"Message": "x", "Timestamp": time}}]});
        assert_eq!(only(&topic).change.unwrap().at, expected.parse().unwrap(), "{time}");
    }
}

#[test]
fn one_bad_record_fails_only_itself() {
    let good = fixture("sqs-raw")["Records"][0].clone();
    let event = json!({"Records": [null, good, {"body": "x"}]});
    let origins: Vec<Origin> = records(&event).iter().map(|record| record.change.as_ref().unwrap().origin).collect();
    assert_eq!(origins, [Origin::Unrecognised, Origin::Manual, Origin::Unrecognised]);
}

#[test]
fn hostile_text_is_bounded_and_visible() {
    let long = "x".repeat(1_000_000);
    let nasty = "a\u{202e}b\u{1b}[2J\u{0}c\u{2028}d\u{61c}e";
    let change = only(&raw(&long)).change.unwrap();
    assert_eq!(change.quote.unwrap().len(), 600);
    let event =
        sns(&json!({"AlarmName": nasty, "NewStateValue": "ALARM", "NewStateReason": long, "AlarmDescription": nasty}));
    let change = only(&event).change.unwrap();
    assert_eq!(change.title, "CloudWatch alarm a b [2J c d e");
    assert_eq!(change.key.as_str(), "alarm:a b [2J c d e");
    assert_eq!(change.quote.as_deref(), Some("a b [2J c d e"));
    assert_eq!(change.reason.len(), 400);
}

#[test]
fn a_change_from_the_future_is_taken_as_of_now() {
    let alarm = |at: &str| sns(&json!({"AlarmName": "a", "NewStateValue": "ALARM", "StateChangeTime": at}));
    for (at, expected) in [
        ("2026-11-23T03:20:00.000+0000", "2026-11-23T03:20:00Z"),
        ("2026-11-23T03:20:00.001+0000", "2026-11-23T03:15:00Z"),
        ("9999-12-30T00:00:00.000+0000", "2026-11-23T03:15:00Z"),
        ("1970-01-01T00:00:00.000+0000", "1970-01-01T00:00:00Z"),
        ("2026-11-23T04:14:00.000+0100", "2026-11-23T03:14:00Z"),
        ("yesterday", "2026-11-23T03:15:00Z"),
    ] {
        let change = only(&alarm(at)).change.unwrap();
        assert_eq!((change.at, change.since), (expected.parse().unwrap(), expected.parse().unwrap()), "{at}");
    }
}

fn own_change(level: usize) -> AlertChange {
    let catalogue = catalogue();
    let rule = &catalogue.rules["lambda-duration"];
    let dimensions = Dimensions::from([("FunctionName".to_owned(), "api".to_owned())]);
    let at = "2026-11-23T03:10:00Z".parse().unwrap();
    let since = "2026-11-23T03:05:00Z".parse().unwrap();
    let change = ChangeOf { state: ChangeState::Firing, level, value: Some(29_400.5), at, since };
    change_for(rule, &catalogue.metrics["LambdaDuration"], &dimensions, change, "2 of the last 3 datapoints breach")
}

#[test]
fn our_own_change_is_read_back_as_it_was_written() {
    for level in [0, 1] {
        let change = own_change(level);
        let event = sns(&serde_json::to_value(&change).unwrap());
        assert_eq!(only(&event).change, Some(change));
    }
    // Also where the dimensions are longer than what is kept of them.
    let catalogue = catalogue();
    let dimensions: Dimensions = (0..30).map(|i| (format!("name{i}\n{}", "n".repeat(200)), "v".repeat(900))).collect();
    let change = ChangeOf { state: ChangeState::Ok, level: 0, value: Some(f64::NAN), at: now(), since: now() };
    let long = "r\t".repeat(1000);
    let change =
        change_for(&catalogue.rules["error-rate"], &catalogue.metrics["ErrorRate"], &dimensions, change, &long);
    let event = sns(&serde_json::to_value(&change).unwrap());
    assert_eq!(only(&event).change, Some(change.clone()));
    assert_eq!((change.value, change.dimensions.len()), (None, 10));
}

#[test]
fn our_own_change_is_not_trusted() {
    let change = |field: &str, value: Value| {
        let mut change = serde_json::to_value(own_change(0)).unwrap();
        change[field] = value;
        sns(&change)
    };
    check_unrecognised(&change("schema", json!(2)), "an alert of schema 2; this version reads 1");
    check_unrecognised(&change("schema", json!("1")), "an alert of schema \"1\"");
    check_unrecognised(&change("key", json!("")), "an alert without a key");
    check_unrecognised(&change("severity", json!("SEV0")), "an alert that cannot be read");
    check_unrecognised(&change("at", json!("never")), "an alert that cannot be read");
    let read = |field: &str, value: Value| only(&change(field, value)).change.unwrap();
    assert_eq!(read("runbook", json!("rm -rf")).runbook, None);
    assert_eq!(read("reason", json!(" ")).reason, "no reason given");
    assert_eq!(read("title", json!("")).title, "lambda-duration{FunctionName=api}");
    assert_eq!(read("value", json!(1e300)).value, None);
    assert_eq!(read("value", json!(1e-300)).value, Some(0.0));
    assert_eq!(read("at", json!("2030-01-01T00:00:00Z")).at, now());
    assert_eq!(read("since", json!("2030-01-01T00:00:00Z")).since, "2026-11-23T03:10:00Z".parse().unwrap());
    assert_eq!(read("title", json!("t".repeat(9999))).title.len(), 160);
}

#[test]
fn the_tick_is_recognised() {
    assert_eq!(parse_in(&fixture("scheduled"), ""), Incoming::Tick);
}
