//! Slack's buttons. Sources: <https://docs.slack.dev/authentication/verifying-requests-from-slack> and
//! <https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>.

use jiff::{SignedDuration, Timestamp};
use monitoring_core::incident::IncidentId;
use monitoring_core::message::slack::{ACKNOWLEDGE, APPROVE, RESOLVE, SILENCE_1H};
use serde_json::{Value, json};

use super::signature::{Signed, signature};
use super::{Answer, Request, Unheard};

/// How far Slack's clock and ours may be apart. An older request is one that somebody kept.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// Slack signs `v0:`, the time, `:` and the body.
pub(super) fn signed(request: &Request, now: Timestamp) -> Signed {
    let time = request.header("x-slack-request-timestamp");
    let message = [b"v0:", time.as_bytes(), b":", &request.body].concat();
    let given = request.header("x-slack-signature").strip_prefix("v0=").unwrap_or_default();
    let sent_at = time.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let in_time = sent_at.is_some_and(|at| now.duration_since(at).abs() <= WINDOW);
    let late = (!in_time).then_some("the time of the request is more than 5 minutes off, or none");
    Signed { message, signatures: vec![signature(given)], late }
}

/// The command that a press of a button stands for.
pub(super) fn command(request: &Request, signed: &Signed) -> Result<Value, Unheard> {
    let unreadable = |why| (Answer::Unreadable, why);
    let payload = form_urlencoded::parse(&request.body).find(|(name, _)| name == "payload");
    let (_, payload) = payload.ok_or(unreadable("a form without a payload"))?;
    let payload: Value = serde_json::from_str(&payload).map_err(|_| unreadable("the payload is not JSON"))?;
    let text = |pointer| payload.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());

    if text("/type") != Some("block_actions") {
        return Err((Answer::Ignored, "not a press of a button"));
    }
    let action = text("/actions/0/action_id").unwrap_or_default();
    let approved: Option<u32> = action.strip_prefix(APPROVE).and_then(|run| run.parse().ok());
    if approved.is_none() && ![ACKNOWLEDGE, RESOLVE, SILENCE_1H].contains(&action) {
        return Err((Answer::Ignored, "another app's button, or an older version's"));
    }
    let incident = text("/actions/0/value").and_then(IncidentId::parse).ok_or(unreadable("a button of no incident"))?;
    let by = text("/user/username").or(text("/user/name")).or(text("/user/id")).ok_or(unreadable("nobody did it"))?;
    let once = super::once("slack", signed.signatures.as_flattened());
    if let Some(run) = approved {
        return Ok(json!({ "command": "approve", "incident_id": incident, "run": run, "by": by, "once": once }));
    }
    Ok(match action {
        SILENCE_1H => {
            json!({ "command": "silence", "incident_id": incident, "minutes": 60, "by": by, "once": once })
        }
        // The other two are called as the commands are.
        _ => json!({ "command": action, "incident_id": incident, "by": by, "text": "by Slack", "once": once }),
    })
}
