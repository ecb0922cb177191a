//! Automated actions: what they would call, under which conditions, how they are undone, and the guard rails.
//!
//! Planning is pure. The state of a target is looked at first, and comes in as an argument; out come the exact calls with
//! absolute values, the calls that undo them, and for each the condition under which it still applies.

mod circuit_breaker;
mod ledger;
pub mod rails;
mod run;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalogue::{ActionKind, Catalogue, environment_suffix};

pub use circuit_breaker::{Breaker, BreakerState};
pub use ledger::{Ledger, Place, SCHEMA as LEDGER_SCHEMA};
pub use run::{MAX_RUNS, Phase, Run, RunEnd, RunState, Step};

/// What an action changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// The circuit breaker of a service.
    CircuitBreaker {
        /// `payment`.
        service: String,
        /// `/ai-nutritionist/circuit-breaker/payment`.
        parameter: String,
    },
}

impl fmt::Display for Target {
    /// As the allow-list names it: `circuit-breaker/payment`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CircuitBreaker { service, .. } => write!(f, "circuit-breaker/{service}"),
        }
    }
}

/// The state of a target when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observed {
    /// A parameter of Parameter Store.
    Parameter {
        /// Its value; `None` when there is no such parameter.
        value: Option<String>,
    },
}

/// One call of an AWS API, with absolute values: made twice, it leaves the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation")]
pub enum Call {
    /// Writes a parameter of type String, whether it is there or not.
    #[serde(rename = "ssm:PutParameter")]
    PutParameter {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Call {
    /// The operation as IAM and `CloudTrail` call it, and its request as the API takes it.
    pub fn request(&self) -> (&'static str, Value) {
        match self {
            Self::PutParameter { name, value } => {
                ("ssm:PutParameter", json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true }))
            }
        }
    }

    /// What must be looked at to know whether the call still applies.
    pub fn look(&self) -> Look {
        match self {
            Self::PutParameter { name, .. } => Look::Parameter { name: name.clone() },
        }
    }
}

impl fmt::Display for Call {
    /// `ssm:PutParameter /ai-nutritionist/circuit-breaker/payment = {...}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PutParameter { name, value } => write!(f, "ssm:PutParameter {name} = {value}"),
        }
    }
}

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Look {
    /// A parameter of Parameter Store.
    Parameter {
        /// Its name.
        name: String,
    },
}

/// When a call still applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "only_if", rename_all = "snake_case")]
pub enum Condition {
    /// The parameter has one of these values; `None` stands for no parameter.
    Parameter {
        /// What it was when it was looked at, or what this action has set.
        values: Vec<Option<String>>,
    },
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Parameter { values } = self;
        let shown: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("not there")).collect();
        write!(f, "only if it is {}", shown.join(" or "))
    }
}

/// A call with the condition under which it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// What.
    pub call: Call,
    /// When.
    pub condition: Condition,
}

/// What to do with a planned call, now that its target was looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make it.
    Call,
    /// It was made already; nothing is called.
    Already,
    /// Somebody else has changed the target in between; it is left alone.
    Changed(String),
}

impl PlannedCall {
    /// Whether the call is still to be made.
    pub fn judge(&self, observed: &Observed) -> Verdict {
        let (Call::PutParameter { name, value }, Condition::Parameter { values }) = (&self.call, &self.condition);
        let Observed::Parameter { value: found } = observed;
        if found.as_ref() == Some(value) {
            Verdict::Already
        } else if values.contains(found) {
            Verdict::Call
        } else {
            let found = found.as_deref().unwrap_or("not there");
            Verdict::Changed(format!("{name} was changed in between, by somebody else: it is {found}"))
        }
    }
}

/// Everything that an action would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Now.
    pub calls: Vec<PlannedCall>,
    /// Some time after, as long as it is not undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Later>,
    /// To undo it.
    pub inverse: Vec<PlannedCall>,
}

/// The second part of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// How long after the first, in seconds.
    pub after_seconds: u32,
    /// What.
    pub calls: Vec<PlannedCall>,
}

/// The target of an action.
pub fn target_of(catalogue: &Catalogue, environment: &str, action: &ActionKind) -> Target {
    match action {
        ActionKind::CircuitBreaker { service, .. } => Target::CircuitBreaker {
            service: service.clone(),
            parameter: format!("{}{service}", breaker_path(catalogue, environment)),
        },
    }
}

impl Target {
    /// What must be looked at before an action on it can be planned.
    pub fn look(&self) -> Look {
        match self {
            Self::CircuitBreaker { parameter, .. } => Look::Parameter { name: parameter.clone() },
        }
    }
}

/// What an action would do to its target as it is. `by` names the run: `INC-20261123-0f3a9c1d/1`; `at` is when it is planned.
/// An error says why there is nothing to do.
pub fn plan(
    action: &ActionKind,
    target: &Target,
    observed: &Observed,
    by: &str,
    at: jiff::Timestamp,
) -> Result<Plan, String> {
    let ActionKind::CircuitBreaker { probe_after_seconds, probe_percent, .. } = action;
    let Target::CircuitBreaker { service, parameter } = target;
    let Observed::Parameter { value } = observed;
    let probe = circuit_breaker::Probe { after_seconds: *probe_after_seconds, percent: *probe_percent };
    circuit_breaker::plan(service, parameter, value.as_deref(), probe, by, at)
}

/// `/ai-nutritionist/circuit-breaker/`: where the breakers of a service's environment are.
pub fn breaker_path(catalogue: &Catalogue, environment: &str) -> String {
    format!("/{}{}/circuit-breaker/", catalogue.service, environment_suffix(environment))
}

/// The parameter that stops every action while it is there: `/ai-nutritionist/actions/stop`.
pub fn stop_parameter(catalogue: &Catalogue, environment: &str) -> String {
    format!("/{}{}/actions/stop", catalogue.service, environment_suffix(environment))
}

#[cfg(test)]
mod tests;
