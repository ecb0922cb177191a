//! Reads what arrives at incident-response: SNS and SQS records, each parsed alone, the minute tick, commands.
//!
//! Nothing is dropped and nothing panics. What cannot be read becomes an unrecognised alert that quotes it.

mod command;
mod silence;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    AlertChange, AlertKey, ChangeOf, ChangeState, GroupKey, MAX_QUOTE, MAX_REASON, MAX_TITLE, Origin, SCHEMA,
    UNRECOGNISED, bounded, bounded_dimensions, change_for, fnv1a, given, storable, storable_range, title_of,
};
use crate::catalogue::{AlertSeverity, Catalogue, Condition, Rule, Severity};
use crate::decide::{Command, Event};
use crate::incident::IncidentId;
use crate::metric::{Dimensions, Unit};
use crate::rule::static_level;

pub use silence::SilenceRequest;

/// A change that claims to come from further in the future than this is taken as of now: it would otherwise block
/// every later change of its alert.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// No queue keeps a message for longer than this, so an earlier time of sending is made up: 1970 in the test event of the
/// Lambda console. Source: `MessageRetentionPeriod` of SQS.
const MAX_RETENTION: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What comes later than this may have been handled before.
const PROMPT: SignedDuration = SignedDuration::from_mins(5);

/// What an event asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// Alerts to take in.
    Records {
        /// Whether they came from a queue, which wants to know which records failed.
        from_queue: bool,
        /// Each parsed alone.
        records: Vec<Record>,
    },
    /// Look at what is due.
    Tick,
    /// Look at what nobody looks at: channels, silences, the heartbeat; and say how things stand.
    Daily,
    /// A function has done what it was asked for.
    Answer {
        /// For which incident.
        incident: IncidentId,
        /// What came of it.
        event: Box<Event>,
    },
    /// Somebody wants something.
    Command(Command),
    /// Somebody wants to be left alone, or not any longer.
    Silence(SilenceRequest),
    /// A command that cannot be read, and why. It goes back to who sent it.
    BadCommand(String),
}

/// One record of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Id at the queue, for the answer that says which records failed.
    pub message_id: Option<String>,
    /// How often the queue has handed it out; 1 for what comes from elsewhere.
    pub receive_count: u32,
    /// Whether it may have been handled before: the queue has handed it out before, or it was published more than 5 minutes
    /// ago, as a dead letter that was put back.
    pub again: bool,
    /// What it says; `None` for one that says nothing about an incident, such as an alarm without enough data.
    pub change: Option<AlertChange>,
    /// Why there is no change, or why it was not recognised.
    pub note: Option<String>,
    /// When the monitoring function sent this, if it is the message that shows that messages arrive.
    pub canary: Option<Timestamp>,
}

impl Record {
    /// A record that is neither from a queue nor from a topic.
    pub fn alone(change: Option<AlertChange>, note: Option<String>) -> Self {
        Self { message_id: None, receive_count: 1, again: false, change, note, canary: None }
    }
}

/// The message that shows that messages arrive: from the monitoring function through topic and queue.
pub fn canary(now: Timestamp) -> Value {
    serde_json::json!({ "canary": now })
}

/// What is needed to understand a message.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Maps metric and alarm names to rules.
    pub catalogue: &'a Catalogue,
    /// `-staging`, or nothing; what alarm names end in.
    pub suffix: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Reads a whole event.
pub fn parse(event: &Value, context: Context<'_>) -> Incoming {
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        let from_queue =
            records.iter().any(|record| record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs"));
        let records = records.iter().map(|record| parse_record(record, context)).collect();
        return Incoming::Records { from_queue, records };
    }
    if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
        return Incoming::Tick;
    }
    if event.get("task").and_then(Value::as_str) == Some("daily") {
        return Incoming::Daily;
    }
    if let Some(answer) = answer(event) {
        return answer.unwrap_or_else(Incoming::BadCommand);
    }
    if event.get("command").is_some() {
        return command::parse(event).unwrap_or_else(Incoming::BadCommand);
    }
    let (change, note) = split(parse_message(event, &event.to_string(), context));
    Incoming::Records { from_queue: false, records: vec![Record::alone(change, note)] }
}

/// `{"incident_id": "INC-...", "post_mortem_written": {"action_items": 3, "reviewers": ["Platform Engineering"]}}`, or
/// `{"incident_id": "INC-...", "investigated": {"headline": "..."}}`.
fn answer(event: &Value) -> Option<Result<Incoming, String>> {
    let answers = ["post_mortem_written", "investigated"];
    let (name, answer) = answers.into_iter().find_map(|name| Some((name, event.get(name)?)))?;
    let incident = match command::incident(event) {
        Ok(incident) => incident,
        Err(error) => return Some(Err(error)),
    };
    let event = match name {
        "investigated" => serde_json::from_value(answer.clone()).map(Event::Investigated),
        _ => serde_json::from_value(answer.clone()).map(Event::PostMortemWritten),
    };
    let read = event.map(|event| Incoming::Answer { incident, event: Box::new(event) });
    Some(read.map_err(|error| format!("{name} cannot be read: {error}")))
}

fn parse_record(record: &Value, context: Context<'_>) -> Record {
    let message_id = record.get("messageId").and_then(Value::as_str).map(str::to_owned);
    // What has no time of its own happened when it was sent, however often it is handed out again.
    let credible = |at: &Timestamp| *at <= context.now && context.now.duration_since(*at) <= MAX_RETENTION;
    let body = record.get("body").and_then(Value::as_str).map(|body| (body, serde_json::from_str::<Value>(body)));
    let envelope = body.as_ref().and_then(|(_, body)| body.as_ref().ok());
    let sent = sent_at(record, envelope).filter(credible).unwrap_or(context.now);
    let now = context.now;
    let context = Context { now: sent, ..context };
    let parsed = match (record.pointer("/Sns/Message"), body) {
        (Some(message), _) => parse_text(message, context),
        (None, Some((body, parsed))) => match parsed {
            // The envelope that SNS puts around a message for a queue, unless raw delivery is on.
            Ok(envelope) if envelope.get("Type").is_some() => match envelope.get("Message") {
                Some(message) => parse_text(message, context),
                None => unrecognised("an SNS envelope without a message", body, context),
            },
            Ok(message) => parse_message(&message, body, context),
            Err(error) => unrecognised(&format!("not JSON: {error}"), body, context),
        },
        // Of a record with a body only that is quoted: the rest differs each time that the queue hands it out.
        (None, None) => {
            let quoted = record.get("body").unwrap_or(record).to_string();
            unrecognised("neither an SNS nor an SQS record", &quoted, context)
        }
    };
    let canary = if let Parsed::Canary(at) = parsed { Some(not_ahead(at, now)) } else { None };
    let (change, note) = split(parsed);
    let receives = record.pointer("/attributes/ApproximateReceiveCount").and_then(Value::as_str);
    let receive_count = receives.and_then(|count| count.parse().ok()).unwrap_or(1);
    let again = receive_count > 1 || now.duration_since(sent) > PROMPT;
    Record { message_id, receive_count, again, change, note, canary }
}

/// When the topic or the queue took the message in. The topic's word comes first: a dead letter that is put back is a new
/// message to the queue.
fn sent_at(record: &Value, envelope: Option<&Value>) -> Option<Timestamp> {
    let text = |value: &Value, pointer| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let published = text(record, "/Sns/Timestamp").or_else(|| text(envelope?, "/Timestamp"));
    published.and_then(|at| parse_time(&at)).or_else(|| {
        let millis = text(record, "/attributes/SentTimestamp")?.parse().ok()?;
        Timestamp::from_millisecond(millis).ok()
    })
}

/// What a message came to: a change with a note if it was not recognised, or nothing and the reason.
enum Parsed {
    Change(Box<AlertChange>),
    Unrecognised(Box<AlertChange>, String),
    Canary(Timestamp),
    Nothing(String),
}

fn split(parsed: Parsed) -> (Option<AlertChange>, Option<String>) {
    match parsed {
        Parsed::Change(change) => (Some(*change), None),
        Parsed::Unrecognised(change, note) => (Some(*change), Some(note)),
        Parsed::Canary(_) => (None, None),
        Parsed::Nothing(note) => (None, Some(note)),
    }
}

fn parse_text(message: &Value, context: Context<'_>) -> Parsed {
    match message {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(value) => parse_message(&value, text, context),
            Err(error) => unrecognised(&format!("not JSON: {error}"), text, context),
        },
        other => parse_message(other, &other.to_string(), context),
    }
}

fn parse_message(message: &Value, text: &str, context: Context<'_>) -> Parsed {
    let has = |key| message.get(key).is_some();
    let parsed = if has("schema") && has("key") && has("group") {
        own_change(message, context)
    } else if has("AlarmName") && has("NewStateValue") {
        alarm(message, context)
    } else if has("metric_name") {
        by_hand(message, context)
    } else if let Some(at) = message.get("canary").and_then(Value::as_str).and_then(|at| at.parse().ok()) {
        Ok(Parsed::Canary(at))
    } else {
        Err("none of the forms that are known".to_owned())
    };
    parsed.unwrap_or_else(|reason| unrecognised(&reason, text, context))
}

/// The form that the monitoring function publishes.
fn own_change(message: &Value, context: Context<'_>) -> Result<Parsed, String> {
    let schema = message.get("schema").cloned().unwrap_or_default();
    if schema.as_u64() != Some(u64::from(SCHEMA)) {
        return Err(format!("an alert of schema {schema}; this version reads {SCHEMA}"));
    }
    let change: AlertChange =
        serde::Deserialize::deserialize(message).map_err(|error| format!("an alert that cannot be read: {error}"))?;
    let key = AlertKey::new(change.key.as_str(), &Dimensions::new(), None);
    if key.as_str().trim().is_empty() {
        return Err("an alert without a key".to_owned());
    }
    let at = not_ahead(change.at, context.now);
    let title = bounded(&change.title, MAX_TITLE);
    Ok(Parsed::Change(Box::new(AlertChange {
        title: if title.trim().is_empty() { key.to_string() } else { title },
        key,
        group: GroupKey::named(change.group.as_str()),
        reason: given(&bounded(&change.reason, MAX_REASON)),
        quote: change.quote.map(|quote| bounded(&quote, MAX_QUOTE)),
        expected: change.expected.and_then(storable_range),
        dimensions: bounded_dimensions(&change.dimensions),
        runbook: change.runbook.filter(|runbook| context.catalogue.runbooks.contains_key(runbook)),
        rule: change.rule.map(|rule| bounded(&rule, MAX_TITLE)),
        value: change.value.and_then(storable),
        threshold: change.threshold.and_then(storable),
        at,
        since: change.since.min(at),
        ..change
    })))
}

/// The seed's form: `{"metric_name":"ErrorRate","current_value":15.0,"threshold":10.0}`.
fn by_hand(message: &Value, context: Context<'_>) -> Result<Parsed, String> {
    let name = message.get("metric_name").and_then(Value::as_str).ok_or("metric_name is not a text")?;
    let value = message.get("current_value").and_then(Value::as_f64).ok_or("current_value is not a number")?;
    let threshold = match message.get("threshold") {
        None | Some(Value::Null) => None,
        Some(given) => Some(given.as_f64().ok_or("threshold is not a number")?),
    };
    let metric = context
        .catalogue
        .metrics
        .get(name)
        .ok_or_else(|| format!("no metric of the catalogue is called {}", bounded(name, 80)))?;
    let dimensions = match message.get("dimensions") {
        None | Some(Value::Null) => Dimensions::new(),
        Some(given) => {
            let given: BTreeMap<String, String> =
                serde::Deserialize::deserialize(given).map_err(|_| "dimensions is not an object of texts")?;
            bounded_dimensions(&given)
        }
    };
    let rules = || context.catalogue.rules.values().filter(|rule| rule.metric == name);
    let breached = rules().filter_map(|rule| Some((rule, static_level(&rule.condition, value)?)));
    let worst = breached.max_by_key(|(rule, level)| rule.condition.levels().nth(*level).map(|level| level.incident));
    let mildest = || rules().find(|rule| matches!(rule.condition, Condition::Threshold { .. })).map(|rule| (rule, 0));
    let (rule, level) =
        worst.or_else(mildest).ok_or_else(|| format!("no threshold rule watches {}", bounded(name, 80)))?;
    // The sender's own threshold decides where it is stricter than the catalogue's; a value on its good side is an OK.
    let stricter = threshold.filter(|threshold| worst.is_none() && breaches_as_in(rule, value, *threshold));
    let state = if worst.is_some() || stricter.is_some() { ChangeState::Firing } else { ChangeState::Ok };
    let reason = match stricter {
        Some(threshold) => format!("the sender's own threshold is {}", metric.unit.format(threshold)),
        None => "sent by hand or by another system".to_owned(),
    };
    let change = ChangeOf { state, level, value: Some(value), at: context.now, since: context.now };
    let mut change = AlertChange { origin: Origin::Manual, ..change_for(rule, metric, &dimensions, change, &reason) };
    if let (Some(threshold), Some(comparison)) = (stricter, change.comparison) {
        change.threshold = storable(threshold);
        change.title = bounded(&title_of(rule, metric, &dimensions, Some((comparison, threshold))), MAX_TITLE);
    }
    Ok(Parsed::Change(Box::new(change)))
}

/// Whether the value lies on the bad side of another threshold than the rule's own.
fn breaches_as_in(rule: &Rule, value: f64, threshold: f64) -> bool {
    match &rule.condition {
        Condition::Threshold { tiers } => tiers.first().is_some_and(|tier| tier.comparison.breaches(value, threshold)),
        Condition::Absence { .. }
        | Condition::Anomaly { .. }
        | Condition::Trend { .. }
        | Condition::SameHour { .. }
        | Condition::Composite { .. } => false,
    }
}

/// What a `CloudWatch` alarm sends to SNS: of a metric, of metric math, or composite.
fn alarm(message: &Value, context: Context<'_>) -> Result<Parsed, String> {
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    let name = text("AlarmName").ok_or("AlarmName is not a text")?;
    let said = text("NewStateReason").unwrap_or_default();
    let state = match text("NewStateValue") {
        Some("ALARM") => ChangeState::Firing,
        Some("OK") if rests_on_no_data(said) => {
            let name = bounded(name, 120);
            return Ok(Parsed::Nothing(format!("alarm {name} is OK for want of data; only a measured OK resolves")));
        }
        Some("OK") => ChangeState::Ok,
        Some("INSUFFICIENT_DATA") => {
            let name = bounded(name, 120);
            return Ok(Parsed::Nothing(format!("alarm {name} has too little data; only a measured OK resolves")));
        }
        _ => return Err("NewStateValue is none of ALARM, OK, INSUFFICIENT_DATA".to_owned()),
    };
    let at = text("StateChangeTime").and_then(parse_time).map_or(context.now, |at| not_ahead(at, context.now));
    let reason = given(&bounded(said, MAX_REASON));
    let value = value_in_reason(said);
    let base = name.strip_suffix(context.suffix);
    let alarm = base.and_then(|base| context.catalogue.alarms.iter().find(|alarm| alarm.name == base));
    let rule = alarm.and_then(|alarm| Some((alarm, context.catalogue.rules.get(&alarm.rule)?)));
    let found = rule.and_then(|(alarm, rule)| Some((alarm, rule, context.catalogue.metrics.get(&rule.metric)?)));
    let Some((alarm, rule, metric)) = found else {
        return Ok(Parsed::Change(Box::new(foreign_alarm(
            message,
            name,
            ChangeOf { state, level: 0, value, at, since: at },
            reason,
        ))));
    };
    let level = rule.condition.levels().position(|level| level.name == alarm.level).unwrap_or_default();
    let change = ChangeOf { state, level, value, at, since: at };
    let change = change_for(rule, metric, &alarm.dimensions, change, &reason);
    let key = AlertKey::new(&rule.name, &alarm.dimensions, Some(&alarm.level));
    Ok(Parsed::Change(Box::new(AlertChange { key, origin: Origin::Alarm, ..change })))
}

/// An alarm that is not one of ours still deserves an incident of its own, which its OK resolves.
fn foreign_alarm(message: &Value, name: &str, change: ChangeOf, reason: String) -> AlertChange {
    let key = AlertKey::new(&format!("alarm:{name}"), &Dimensions::new(), None);
    let description = message.get("AlarmDescription").and_then(Value::as_str).filter(|text| !text.is_empty());
    AlertChange {
        schema: SCHEMA,
        group: GroupKey::named(key.as_str()),
        key,
        rule: None,
        origin: Origin::Alarm,
        state: change.state,
        level: AlertSeverity::Medium,
        severity: Severity::Sev3,
        title: bounded(&format!("CloudWatch alarm {name}"), MAX_TITLE),
        dimensions: Dimensions::new(),
        value: change.value.and_then(storable),
        comparison: None,
        threshold: message.pointer("/Trigger/Threshold").and_then(Value::as_f64).and_then(storable),
        unit: Unit::None,
        at: change.at,
        since: change.since,
        runbook: None,
        quote: Some(description.map_or_else(|| reason.clone(), |text| bounded(text, MAX_QUOTE))),
        expected: None,
        reason,
    }
}

/// Whether a `CloudWatch` alarm gives as its reason that there was nothing to measure and the missing datapoints were
/// declared good: `no datapoints were received for 3 periods and 3 missing datapoints were treated as [NonBreaching]`.
pub fn rests_on_no_data(reason: &str) -> bool {
    reason.contains("no datapoints were received")
}

/// The newest datapoint in `... datapoints [15.0 (14/10/24 10:00:00)] was greater than the threshold (10.0)`.
fn value_in_reason(reason: &str) -> Option<f64> {
    let (_, rest) = reason.split_once('[')?;
    let (number, _) = rest.split_once([' ', ']', ','])?;
    number.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `CloudWatch` writes offsets without a colon: `2024-10-14T10:00:00.000+0000`.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()
}

fn not_ahead(at: Timestamp, now: Timestamp) -> Timestamp {
    if at.duration_since(now) > MAX_SKEW { now } else { at }
}

fn unrecognised(reason: &str, text: &str, context: Context<'_>) -> Parsed {
    let key = AlertKey::new(&format!("unrecognised:{:016x}", fnv1a(&[text])), &Dimensions::new(), None);
    let reason = bounded(reason, MAX_REASON);
    let change = AlertChange {
        schema: SCHEMA,
        key,
        rule: None,
        group: GroupKey::named(UNRECOGNISED),
        origin: Origin::Unrecognised,
        state: ChangeState::Firing,
        level: AlertSeverity::Medium,
        severity: Severity::Sev3,
        title: "Unrecognised alert".to_owned(),
        dimensions: Dimensions::new(),
        value: None,
        comparison: None,
        threshold: None,
        unit: Unit::None,
        at: context.now,
        since: context.now,
        runbook: None,
        reason: reason.clone(),
        quote: Some(bounded(text, MAX_QUOTE)),
        expected: None,
    };
    Parsed::Unrecognised(Box::new(change), reason)
}

#[cfg(test)]
mod tests;
