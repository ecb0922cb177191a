//! What arrives at the queue.

use std::collections::BTreeMap;

use jiff::Timestamp;
use monitoring_core::alert::{AlertChange, ChangeOf, ChangeState, change_for};
use monitoring_core::catalogue::{Catalogue, Rule};
use serde_json::{Value, json};

/// The envelope that SNS puts around a message for a queue.
pub fn envelope(topic: &str, message: &str, at: Timestamp) -> String {
    json!({
        "Type": "Notification",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "TopicArn": format!("arn:aws:sns:us-east-1:000000000000:ai-nutritionist-{topic}"),
        "Message": message,
        "Timestamp": at.to_string(),
        "SignatureVersion": "1",
    })
    .to_string()
}

/// The seed's form of an alert.
pub fn by_hand(metric: &str, value: f64) -> String {
    json!({ "metric_name": metric, "current_value": value }).to_string()
}

/// What the monitoring function publishes when a rule reaches a level, or is good again.
pub fn change(catalogue: &Catalogue, rule: &str, level: &str, state: ChangeState, at: Timestamp) -> AlertChange {
    let rule = &catalogue.rules[rule];
    let metric = &catalogue.metrics[&rule.metric];
    let dimensions = metric.dimensions.first().cloned().unwrap_or_default();
    let level = rule.condition.levels().position(|known| known.name == level).expect("the rule has the level");
    let change = ChangeOf { state, level, value: Some(1.0), at, since: at };
    change_for(rule, metric, &dimensions, change, "2 of the last 3 datapoints breach")
}

/// What a `CloudWatch` alarm sends to its topic.
pub fn alarm(name: &str, state: &str, reason: &str, at: Timestamp) -> String {
    json!({
        "AlarmName": name,
        "AlarmDescription": null,
        "AWSAccountId": "123456789012",
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string(),
        "Region": "US East (N. Virginia)",
        "AlarmArn": format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"),
        "OldStateValue": if state == "ALARM" { "OK" } else { "ALARM" },
        "Trigger": { "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 5.0 },
    })
    .to_string()
}

/// The seed's own example: SNS hands it to the function without a queue between.
pub fn from_sns(message: &str) -> Value {
    json!({ "Records": [{ "Sns": { "Message": message } }] })
}

/// What `EventBridge` sends each minute.
pub fn tick(at: Timestamp) -> Value {
    json!({ "source": "aws.events", "detail-type": "Scheduled Event", "time": at, "detail": {} })
}

/// What a person sends.
pub fn command(command: &str, incident: &str, by: &str) -> Value {
    json!({ "command": command, "incident_id": incident, "by": by })
}

/// What a person sends who wants to hear nothing of whatever fits.
pub fn silence(wanted: &Value, minutes: u32) -> Value {
    json!({ "command": "silence", "match": wanted, "minutes": minutes, "by": "alice", "text": "known" })
}

/// What a person sends who wants to hear of it again.
pub fn unsilence(silence: &str) -> Value {
    json!({ "command": "unsilence", "silence_id": silence, "by": "alice" })
}

/// What the scheduler sends once a day.
pub fn daily() -> Value {
    json!({ "task": "daily" })
}

/// A catalogue with so many rules, each of a group of its own: `rule-000` in `group-000`. The rest is AI Nutritionist's.
pub fn catalogue_of_groups(mut catalogue: Catalogue, groups: usize) -> Catalogue {
    let rule = catalogue.rules["lambda-throttles"].clone();
    catalogue.rules.extend((0..groups).map(|number| {
        let (name, group) = (format!("rule-{number:03}"), format!("group-{number:03}"));
        (name.clone(), Rule { name, group, ..rule.clone() })
    }));
    catalogue
}

/// A catalogue with one rule on a metric of this many series; the rest is AI Nutritionist's.
pub fn catalogue_of(mut catalogue: Catalogue, series: usize) -> Catalogue {
    let mut metric = catalogue.metrics["LambdaThrottles"].clone();
    let rule = catalogue.rules["lambda-throttles"].clone();
    metric.dimensions =
        (0..series).map(|number| BTreeMap::from([("FunctionName".to_owned(), format!("f{number:03}"))])).collect();
    catalogue.metrics = BTreeMap::from([(metric.name.clone(), metric)]);
    catalogue.rules = BTreeMap::from([(rule.name.clone(), rule)]);
    catalogue.alarms.clear();
    catalogue
}
