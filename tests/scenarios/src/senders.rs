//! Slack and `PagerDuty` as senders: what a person does there arrives signed.

use jiff::Timestamp;
use monitoring_aws::interactions::Request;
use monitoring_core::incident::IncidentId;
use ring::hmac;
use serde_json::{Value, json};

pub const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const PAGERDUTY_SECRET: &str = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK";

/// Somebody presses a button of a message in Slack. Two presses differ, as by a double click.
pub fn press(action: &str, incident: &str, by: &str, at: Timestamp, trigger: u32) -> Request {
    let payload = json!({
        "type": "block_actions",
        "user": { "id": "U2CERLKJA", "username": by, "name": by },
        "trigger_id": format!("398738663015.47445629121.{trigger}"),
        "actions": [{ "type": "button", "action_id": action, "value": incident }],
    });
    from_slack(SLACK_SECRET, &form(&payload), at)
}

/// Whatever Slack sends, signed with a secret.
pub fn from_slack(secret: &str, body: &str, at: Timestamp) -> Request {
    let time = at.as_second().to_string();
    let signature = format!("v0={}", mac(secret, &format!("v0:{time}:{body}")));
    request("/slack", &[("x-slack-signature", signature), ("x-slack-request-timestamp", time)], body)
}

/// Something happened to an incident at `PagerDuty`.
pub fn happened(kind: &str, key: &str, agent: &Value, event: &str) -> Request {
    let data = json!({ "id": "PGR0VU2", "type": "incident", "incident_key": key });
    let event = json!({ "event": { "id": event, "event_type": kind, "agent": agent, "data": data } });
    let body = event.to_string();
    let signature = format!("v1={}", mac(PAGERDUTY_SECRET, &body));
    request("/pagerduty", &[("x-pagerduty-signature", signature)], &body)
}

/// A person at `PagerDuty`.
pub fn person(name: &str) -> Value {
    json!({ "id": "PLH1HKV", "summary": name, "type": "user_reference" })
}

/// What the Events API has done there.
pub fn integration() -> Value {
    json!({ "id": "PXMQRWJ", "summary": "Events API V2", "type": "inbound_integration_reference" })
}

/// The buttons of a message in Slack, as `acknowledge INC-...`.
pub fn buttons(message: &Value, id: &IncidentId) -> Vec<String> {
    let blocks = message["blocks"].as_array().expect("a message has blocks");
    let buttons = blocks.iter().filter(|block| block["type"] == "actions").filter_map(|row| row["elements"].as_array());
    let actions = buttons.flatten().map(|button| {
        assert_eq!(button["value"], id.as_str());
        button["action_id"].as_str().unwrap().to_owned()
    });
    actions.collect()
}

fn request(path: &str, headers: &[(&str, String)], body: &str) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Request { method: "POST".to_owned(), path: path.to_owned(), headers, body: body.as_bytes().to_vec() }
}

fn form(payload: &Value) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
}

fn mac(secret: &str, message: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes()))
}
