//! The state of a circuit breaker, as an application reads it, and the calls that open, probe and close it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Call, Condition, Later, Plan, PlannedCall};

/// What the parameter of a breaker holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether calls are made.
    pub state: BreakerState,
    /// While it is half-open: the calls that are let through, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_percent: Option<u8>,
    /// When it was planned to be so.
    pub since: Timestamp,
    /// Which run of an action, or who.
    pub by: String,
}

/// Whether calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// All. So is a breaker that has no parameter.
    Closed,
    /// None.
    Open,
    /// A share, to see whether the service is well again.
    HalfOpen,
}

/// When and how an open breaker is tried.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub(super) after_seconds: u32,
    pub(super) percent: u8,
}

/// Opens a breaker that is closed. One that is not was opened by somebody else, and is left to them.
pub(super) fn plan(
    service: &str,
    parameter: &str,
    found: Option<&str>,
    probe: Probe,
    by: &str,
    at: Timestamp,
) -> Result<Plan, String> {
    if let Some(text) = found {
        let breaker: Breaker = serde_json::from_str(text)
            .map_err(|_| format!("{parameter} holds what is no state of a breaker, so it is left alone"))?;
        if breaker.state != BreakerState::Closed {
            return Err(format!("the breaker of {service} is not closed: {} has set it already", breaker.by));
        }
    }
    let value = |state, probe_percent| {
        let breaker = Breaker { state, probe_percent, since: at, by: by.to_owned() };
        serde_json::to_string(&breaker).unwrap_or_default()
    };
    let (open, half_open) = (value(BreakerState::Open, None), value(BreakerState::HalfOpen, Some(probe.percent)));
    let put = |value: String, if_value_is: Vec<Option<String>>| PlannedCall {
        call: Call::PutParameter { name: parameter.to_owned(), value },
        condition: Condition::Parameter { values: if_value_is },
    };
    Ok(Plan {
        calls: vec![put(open.clone(), vec![found.map(str::to_owned)])],
        later: Some(Later {
            after_seconds: probe.after_seconds,
            calls: vec![put(half_open.clone(), vec![Some(open.clone())])],
        }),
        inverse: vec![put(value(BreakerState::Closed, None), vec![Some(open), Some(half_open)])],
        stays: false,
    })
}
