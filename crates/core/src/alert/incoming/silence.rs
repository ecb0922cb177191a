//! Reads what somebody wants to be silent:
//! `{"command": "silence", "incident_id": "INC-...", "minutes": 60, "by": "alice", "text": "a known fault"}`, or with
//! `"match": {"rule": "lambda-*"}` in place of the incident; `{"command": "unsilence", "silence_id": "SIL-...", "by": "alice"}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::command::{Words, words};
use crate::alert::bounded;
use crate::catalogue::Matcher;
use crate::incident::IncidentId;
use crate::metric::Dimensions;

/// What somebody wants of silences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SilenceRequest {
    /// What fires in an incident now.
    Incident {
        /// Which.
        incident: IncidentId,
        /// For how long.
        seconds: u32,
        /// Who.
        by: String,
        /// Why.
        why: Option<String>,
        /// The name under which it is carried out once.
        once: Option<String>,
    },
    /// Whatever fits.
    Matching {
        /// What fits.
        matcher: Matcher,
        /// For how long.
        seconds: u32,
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// Whether a SEV1 is held back too.
        sev1: bool,
    },
    /// Enough.
    End {
        /// Of which.
        id: String,
        /// Who.
        by: String,
    },
}

const BOTH: &str = "a silence is of an incident_id, or of what a match fits; not of both";
const PARTS: &str = "match is an object of group, rule and dimensions, with at least one of them";

pub(super) fn parse(event: &Value) -> Result<SilenceRequest, String> {
    let Words { by, text, once } = words(event)?;
    if event.get("command").and_then(Value::as_str) == Some("unsilence") {
        let id = event.get("silence_id").and_then(Value::as_str).map(str::trim).filter(|id| id.starts_with("SIL-"));
        let id = id.ok_or("silence_id is of the form SIL-20261123-0f3a9c1d")?;
        return Ok(SilenceRequest::End { id: bounded(id, 60), by });
    }
    let minutes = event.get("minutes").and_then(Value::as_u64).filter(|minutes| *minutes > 0);
    let minutes = minutes.ok_or("a silence needs minutes, a whole number from 1")?;
    // More than any catalogue allows is refused with what it allows.
    let seconds = u32::try_from(minutes.saturating_mul(60)).unwrap_or(u32::MAX);
    match (event.get("incident_id"), event.get("match")) {
        (Some(_), Some(_)) => Err(BOTH.to_owned()),
        (_, None) => {
            let incident = super::command::incident(event)?;
            Ok(SilenceRequest::Incident { incident, seconds, by, why: text, once })
        }
        (None, Some(wanted)) => {
            let why = text.ok_or("a silence needs text: why it is made")?;
            let sev1 = match event.get("sev1") {
                None => false,
                Some(sev1) => sev1.as_bool().ok_or("sev1 is true or false")?,
            };
            Ok(SilenceRequest::Matching { matcher: matcher(wanted)?, seconds, by, why, sev1 })
        }
    }
}

fn matcher(wanted: &Value) -> Result<Matcher, String> {
    let object = wanted.as_object().ok_or(PARTS)?;
    if let Some(unknown) = object.keys().find(|key| !matches!(key.as_str(), "group" | "rule" | "dimensions")) {
        return Err(format!("match has {:?}; {PARTS}", bounded(unknown, 40)));
    }
    let text = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => match value.as_str().filter(|text| !text.is_empty() && text.len() <= 200) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(format!("{key} of match is a text")),
        },
    };
    let dimensions: Dimensions = match object.get("dimensions") {
        None => Dimensions::new(),
        Some(value) => serde_json::from_value::<BTreeMap<String, String>>(value.clone())
            .map_err(|_| "dimensions of match is an object of texts".to_owned())?,
    };
    let matcher = Matcher { group: text("group")?, rule: text("rule")?, dimensions };
    if matcher.is_empty() || matcher.dimensions.len() > 10 {
        return Err(PARTS.to_owned());
    }
    Ok(matcher)
}
