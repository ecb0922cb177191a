//! `PagerDuty`'s v3 webhooks: what people do there, in its app or on the phone. Sources:
//! <https://developer.pagerduty.com/docs/webhooks-overview> and <https://developer.pagerduty.com/docs/verifying-webhook-signatures>.

use monitoring_core::incident::IncidentId;
use serde_json::{Value, json};

use super::signature::{Signed, signature};
use super::{Answer, Request, Unheard};

/// The most signatures that are looked at: one for each secret, of which there are two while one is exchanged.
const MAX_SIGNATURES: usize = 4;

/// `PagerDuty` signs the body as it is. It signs no time and tries for 20 minutes, so nothing is late; what comes twice is
/// refused by incident-response.
pub(super) fn signed(request: &Request) -> Signed {
    let given = request.header("x-pagerduty-signature").split(',').map(|one| one.trim().strip_prefix("v1="));
    // One that is none counts, too: a request without any takes as long as one with a wrong one.
    let signatures = given.take(MAX_SIGNATURES).map(|one| signature(one.unwrap_or_default())).collect();
    Signed { message: request.body.clone(), signatures, late: None }
}

/// The command that an event stands for.
///
/// `prefix` is what the keys begin with under which the suite pages what it cannot record.
pub(super) fn command(request: &Request, prefix: &str) -> Result<Value, Unheard> {
    let unreadable = |why| (Answer::Unreadable, why);
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| unreadable("the body is not JSON"))?;
    let text = |pointer| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());

    let command = match text("/event/event_type").ok_or(unreadable("an event without a type"))? {
        "incident.acknowledged" => "acknowledge",
        "incident.resolved" => "resolve",
        _ => return Err((Answer::Ignored, "an event that stands for no command")),
    };
    // Only a person's word counts. What the suite did itself by the Events API comes back with the integration as its
    // agent, and would go in circles; what timed out at PagerDuty is no recovery.
    if !text("/event/agent/type").is_some_and(|kind| kind == "user_reference" || kind == "user") {
        return Err((Answer::Ignored, "nobody did it"));
    }
    let key = text("/event/data/incident_key").unwrap_or_default();
    let (name, target) = match incident_of(key) {
        Some(incident) => ("incident_id", incident.to_string()),
        None if key.len() > prefix.len() && key.starts_with(prefix) => ("unrecorded_key", key.to_owned()),
        None => return Err((Answer::Ignored, "an incident that the suite did not open")),
    };
    let id = text("/event/id").ok_or(unreadable("an event without an id"))?;
    let by = text("/event/agent/summary").unwrap_or("PagerDuty");
    let once = super::once("pagerduty", id.as_bytes());
    Ok(json!({ "command": command, name: target, "by": by, "text": "by PagerDuty", "once": once }))
}

/// The incident of one of its deduplication keys: its id, or `<id>/<level>.<round>`.
fn incident_of(key: &str) -> Option<IncidentId> {
    let (id, page) = key.split_once('/').map_or((key, None), |(id, page)| (id, Some(page)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_page = |page: &str| page.split_once('.').is_some_and(|(level, round)| is_number(level) && is_number(round));
    if page.is_none_or(is_page) { IncidentId::parse(id) } else { None }
}
