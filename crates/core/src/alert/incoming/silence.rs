//! Reads what somebody wants to be silent:
//! `{"command": "silence", "incident_id": "INC-...", "minutes": 60, "by": "alice", "text": "a known fault"}`, or with
//! `"match": {"rule": "lambda-*"}` in place of the incident, and then perhaps each week anew,
//! `"weekly": {"days": ["sun"], "from": "02:00", "time_zone": "Europe/Zurich"}, "for_days": 30`; `{"command": "unsilence", "silence_id": "SIL-...", "by": "alice"}`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::command::{Words, words};
use crate::alert::bounded;
use crate::catalogue::{Matcher, WEEKDAYS, Weekly};
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
        /// For how long; of one that recurs, until it does so no longer.
        seconds: u32,
        /// Only at these times.
        every: Option<Weekly>,
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
const DAYS: &str = "days of weekly is a list of mon, tue, wed, thu, fri, sat, sun";
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
        (_, None) if event.get("weekly").is_some() => {
            Err("a silence that recurs is of what a match fits, not of an incident".to_owned())
        }
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
            let every = event.get("weekly").map(|weekly| every(weekly, minutes)).transpose()?;
            let seconds = if every.is_some() { for_days(event)? } else { seconds };
            Ok(SilenceRequest::Matching { matcher: matcher(wanted)?, seconds, every, by, why, sev1 })
        }
    }
}

/// The times at which a silence recurs, each of so many minutes.
fn every(wanted: &Value, minutes: u64) -> Result<Weekly, String> {
    let minutes = u16::try_from(minutes).ok().filter(|minutes| *minutes <= 1440);
    let minutes = minutes.ok_or("minutes of a silence that recurs are 1 to 1440: how long it lasts each time")?;
    let text = |key: &str| wanted.get(key).and_then(Value::as_str);
    let named = wanted.get("days").and_then(Value::as_array).ok_or(DAYS)?;
    let weekday = |day: &Value| Some(1 + WEEKDAYS.iter().position(|name| day.as_str() == Some(name))?);
    let days = named.iter().map(|day| weekday(day).and_then(|day| u8::try_from(day).ok()));
    let days: BTreeSet<u8> = days.collect::<Option<_>>().filter(|days: &BTreeSet<u8>| !days.is_empty()).ok_or(DAYS)?;
    let from_minute = text("from").and_then(minute_of_day).ok_or("from of weekly is a time of day such as 02:00")?;
    let time_zone = text("time_zone").filter(|name| name.len() <= 60 && TimeZone::get(name).is_ok());
    let time_zone = time_zone.ok_or("time_zone of weekly is an IANA name such as Europe/Zurich or UTC")?.to_owned();
    Ok(Weekly { weekdays: days.into_iter().collect(), from_minute, minutes, time_zone })
}

/// `02:30` is 150.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |digits: &str| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| two_digits(digits));
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn for_days(event: &Value) -> Result<u32, String> {
    let days = event.get("for_days").and_then(Value::as_u64).filter(|days| *days > 0);
    let days = days.ok_or("a silence that recurs needs for_days, a whole number from 1: when it is over")?;
    // More than any catalogue allows is refused with what it allows.
    Ok(u32::try_from(days.saturating_mul(86_400)).unwrap_or(u32::MAX))
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
