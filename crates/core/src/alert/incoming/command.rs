//! Reads what a person wants: `{"command": "acknowledge", "incident_id": "INC-...", "by": "alice"}`.

use serde_json::Value;

use super::Incoming;
use crate::alert::bounded;
use crate::decide::{Action, Command, CommandTarget};
use crate::incident::{IncidentId, RECOVERY, Status};

/// The most bytes of who gives a command, and of what they write.
const MAX_BY: usize = 80;
const MAX_TEXT: usize = 2000;

/// The most bytes of the name under which a command is carried out once: it becomes part of a key.
const MAX_ONCE: usize = 80;

/// The most bytes of the key of a page.
const MAX_KEY: usize = 255;

/// What every command has beside what it is about.
pub(super) struct Words {
    /// Who gives it.
    pub(super) by: String,
    /// Words that go with it.
    pub(super) text: Option<String>,
    /// The name under which it is carried out once.
    pub(super) once: Option<String>,
}

pub(super) fn parse(event: &Value) -> Result<Incoming, String> {
    let command = text(event, "command").unwrap_or_default();
    if matches!(command, "silence" | "unsilence") {
        return super::silence::parse(event).map(Incoming::Silence);
    }
    let target = target(event)?;
    let Words { by, text: words, once } = words(event)?;
    let action = match command {
        "acknowledge" => Action::Acknowledge,
        "resolve" => Action::Resolve,
        "reopen" => Action::Reopen,
        "note" => Action::Note(words.clone().ok_or("a note needs text")?),
        "approve" => Action::Approve(run(event)?),
        "undo" => Action::Undo(run(event)?),
        "status" => Action::Status(match text(event, "status") {
            Some("investigating") => Status::Investigating,
            Some("identified") => Status::Identified,
            Some("monitoring") => Status::Monitoring,
            _ => return Err("status is one of investigating, identified, monitoring".to_owned()),
        }),
        other => {
            let other = bounded(other, 40);
            return Err(format!(
                "command {other:?} is none of acknowledge, resolve, note, reopen, status, approve, undo, silence, unsilence"
            ));
        }
    };
    let text = if matches!(action, Action::Note(_)) { None } else { words };
    Ok(Incoming::Command(Command { target, action, by, text, once }))
}

fn text<'a>(event: &'a Value, key: &str) -> Option<&'a str> {
    event.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// What a command is about: an incident, or what was paged under a key before it could be recorded.
fn target(event: &Value) -> Result<CommandTarget, String> {
    if event.get("incident_id").is_some() {
        return incident(event).map(CommandTarget::Incident);
    }
    match text(event, "unrecorded_key").filter(|key| key.len() <= MAX_KEY) {
        Some(key) => Ok(CommandTarget::UnrecordedKey(key.to_owned())),
        None => incident(event).map(CommandTarget::Incident),
    }
}

/// The number of the automated action that a command is about.
fn run(event: &Value) -> Result<u32, String> {
    let run = event.get("run").and_then(Value::as_u64).and_then(|run| u32::try_from(run).ok());
    run.filter(|run| *run > 0).ok_or_else(|| "a command about an action needs run: its number, from 1".to_owned())
}

/// The incident that a command is about.
pub(super) fn incident(event: &Value) -> Result<IncidentId, String> {
    let incident =
        text(event, "incident_id").ok_or("a command needs incident_id, such as \"INC-20261123-0f3a9c1d\"")?;
    IncidentId::parse(incident)
        .ok_or_else(|| format!("incident_id {:?} is not of the form INC-20261123-0f3a9c1d", bounded(incident, 60)))
}

/// Who gives a command, and what they say with it.
pub(super) fn words(event: &Value) -> Result<Words, String> {
    let by = text(event, "by").map(|by| bounded(by, MAX_BY).trim().to_owned()).filter(|by| !by.is_empty());
    let by = by.ok_or("a command needs by: who gives it")?;
    if by == RECOVERY {
        return Err(format!("by: {RECOVERY} is what an incident that ends by itself is said to end by; give a name"));
    }
    let text = text(event, "text").map(|text| bounded(text, MAX_TEXT));
    Ok(Words { by, text, once: once(event)? })
}

/// A name that cannot be kept is no name to ignore: without it the command could be repeated.
fn once(event: &Value) -> Result<Option<String>, String> {
    let Some(once) = event.get("once").filter(|once| !once.is_null()) else { return Ok(None) };
    let plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:=.".contains(&byte));
    let fits = |text: &&str| (1..=MAX_ONCE).contains(&text.len());
    let once = once.as_str().filter(fits).filter(plain);
    let once = once.ok_or_else(|| format!("once is 1 to {MAX_ONCE} letters, digits and -_:=."))?;
    Ok(Some(once.to_owned()))
}
