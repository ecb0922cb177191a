//! Automated actions: what they would call, under which conditions, how they are undone, and the guard rails.
//!
//! Planning is pure. The state of a target is looked at first, and comes in as an argument; out come the exact calls with
//! absolute values, the calls that undo them, and for each the condition under which it still applies.

mod call;
mod circuit_breaker;
mod failover;
mod function;
mod ledger;
pub mod rails;
mod rollback;
mod run;
mod table;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{ActionKind, Catalogue, Scaled, environment_suffix};
use crate::metric::Dimensions;

pub use call::{Call, Capacity, Condition, Look, Observed, PlannedCall, Verdict};
pub use circuit_breaker::{Breaker, BreakerState};
pub use function::RESTARTED;
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
    /// A Lambda function.
    Function {
        /// Its name.
        name: String,
    },
    /// A `DynamoDB` table.
    Table {
        /// Its name.
        name: String,
    },
    /// A parameter by which the application finds what is active.
    Parameter {
        /// `/ai-nutritionist/active-region`.
        name: String,
    },
    /// A team, which is told and nothing else.
    Team {
        /// Its name.
        name: String,
    },
    /// What a dimension of the alert was to name, and the alert has no such dimension.
    Missing {
        /// `FunctionName`.
        dimension: String,
    },
}

impl Target {
    /// Whether it is the function or the table of this name.
    pub(crate) fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Function { name } | Self::Table { name } if name == wanted)
    }
}

impl fmt::Display for Target {
    /// As the allow-list names it: `circuit-breaker/payment`, `lambda/ai-nutritionist-api`, `table/ai-nutritionist-users`,
    /// `parameter/ai-nutritionist/active-region`; a team, which needs no leave, is `team/business`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CircuitBreaker { service, .. } => write!(f, "circuit-breaker/{service}"),
            Self::Function { name } => write!(f, "lambda/{name}"),
            Self::Table { name } => write!(f, "table/{name}"),
            Self::Parameter { name } => write!(f, "parameter{name}"),
            Self::Team { name } => write!(f, "team/{name}"),
            Self::Missing { dimension } => write!(f, "{{{dimension}}}"),
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
    /// To undo it. None for what leaves nothing to undo.
    pub inverse: Vec<PlannedCall>,
    /// Whether what helped stays when the incident is over: to undo it then would bring the cause back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
}

/// The second part of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// How long after the first, in seconds.
    pub after_seconds: u32,
    /// What.
    pub calls: Vec<PlannedCall>,
}

/// The target of an action. `alert` has the dimensions of the alert that asks for it, which `{FunctionName}` stands for.
pub fn target_of(catalogue: &Catalogue, environment: &str, action: &ActionKind, alert: &Dimensions) -> Target {
    let named = |pattern: &str, target: fn(String) -> Target| {
        let Some(dimension) = action.dimension() else { return target(pattern.to_owned()) };
        let name = alert.get(dimension).cloned();
        name.map_or_else(|| Target::Missing { dimension: dimension.to_owned() }, target)
    };
    match action {
        ActionKind::CircuitBreaker { service, .. } => Target::CircuitBreaker {
            service: service.clone(),
            parameter: format!("{}{service}", breaker_path(catalogue, environment)),
        },
        ActionKind::Restart { function: name }
        | ActionKind::Rollback { function: name, .. }
        | ActionKind::ScaleOut { scaled: Scaled::Function, name, .. } => named(name, |name| Target::Function { name }),
        ActionKind::Failover { parameter, .. } => Target::Parameter { name: parameter.clone() },
        ActionKind::AlertTeam { team } => Target::Team { name: team.clone() },
        ActionKind::ScaleOut { scaled: Scaled::Table, name, .. } => named(name, |name| Target::Table { name }),
    }
}

/// What must be looked at before an action on its target can be planned; `None` where there is nothing to look at.
pub fn look_for(action: &ActionKind, target: &Target) -> Option<Look> {
    Some(match (target, action) {
        (Target::CircuitBreaker { parameter: name, .. } | Target::Parameter { name }, _) => {
            Look::Parameter { name: name.clone() }
        }
        (Target::Function { name }, ActionKind::Rollback { alias, .. }) => {
            Look::Alias { function: name.clone(), alias: alias.clone() }
        }
        (Target::Function { name }, ActionKind::ScaleOut { .. }) => Look::Concurrency { function: name.clone() },
        (Target::Function { name }, _) => Look::Function { name: name.clone() },
        (Target::Table { name }, _) => Look::Table { name: name.clone() },
        (Target::Team { .. } | Target::Missing { .. }, _) => return None,
    })
}

/// What an action would do to its target as it is. `by` names the run: `INC-20261123-0f3a9c1d/1`; `at` is when it is planned,
/// `onset` when the incident began. An error says why there is nothing to do.
pub fn plan(
    action: &ActionKind,
    target: &Target,
    observed: &Observed,
    by: &str,
    (at, onset): (Timestamp, Timestamp),
) -> Result<Plan, String> {
    match (action, target, observed) {
        (
            ActionKind::CircuitBreaker { probe_after_seconds, probe_percent, .. },
            Target::CircuitBreaker { service, parameter },
            Observed::Parameter { value },
        ) => {
            let probe = circuit_breaker::Probe { after_seconds: *probe_after_seconds, percent: *probe_percent };
            circuit_breaker::plan(service, parameter, value.as_deref(), probe, by, at)
        }
        (ActionKind::Restart { .. }, Target::Function { name }, Observed::Function { .. }) => {
            function::restart(name, observed, by, at)
        }
        (
            ActionKind::ScaleOut { factor_percent, cap, .. },
            Target::Function { name },
            Observed::Concurrency { reserved, unreserved },
        ) => function::scale_out(name, *reserved, *unreserved, Growth { percent: *factor_percent, cap: *cap }),
        (
            ActionKind::ScaleOut { factor_percent, cap, .. },
            Target::Table { name },
            Observed::Table { active, capacity },
        ) => table::scale_out(name, *active, *capacity, Growth { percent: *factor_percent, cap: *cap }),
        (
            ActionKind::Rollback { alias, within_seconds, .. },
            Target::Function { name },
            Observed::Alias { version, made_at, previous, previous_made_at, split },
        ) => {
            let (serving, split) = (rollback::Version { number: version, made_at: *made_at }, *split);
            let previous = previous.as_ref().map(|number| rollback::Version { number, made_at: *previous_made_at });
            rollback::plan(name, alias, rollback::Served { serving, previous, split }, *within_seconds, onset)
        }
        (ActionKind::Failover { standby, .. }, Target::Parameter { name }, Observed::Parameter { value }) => {
            failover::plan(name, standby, value.as_deref())
        }
        _ => Err(format!("what was seen of {target} says nothing about {}", action.as_str())),
    }
}

/// By how much something is scaled out.
#[derive(Clone, Copy, Debug)]
struct Growth {
    /// 200 for twice as much.
    percent: u32,
    /// At most this.
    cap: u32,
}

impl Growth {
    /// What it grows to; never less than it is.
    fn of(self, now: u32) -> u32 {
        let grown = (u64::from(now) * u64::from(self.percent)).div_ceil(100);
        u32::try_from(grown).unwrap_or(u32::MAX).min(self.cap).max(now)
    }
}

const BREAKERS: &str = "/circuit-breaker/";
const ACTIONS: &str = "/actions/";
/// Of the deployment: its secrets are `/ai-nutritionist/production/monitoring/slack-bot-token`.
const SECRETS: &str = "/monitoring/";

/// `/ai-nutritionist/circuit-breaker/`: where the breakers of a service's environment are.
pub fn breaker_path(catalogue: &Catalogue, environment: &str) -> String {
    format!("/{}{}{BREAKERS}", catalogue.service, environment_suffix(environment))
}

/// The parameter that stops every action while it is there: `/ai-nutritionist/actions/stop`.
pub fn stop_parameter(catalogue: &Catalogue, environment: &str) -> String {
    format!("/{}{}{ACTIONS}stop", catalogue.service, environment_suffix(environment))
}

/// Whether a parameter is where the suite keeps its own, in whatever environment: none that an action may write as one of the application.
pub fn is_own_parameter(name: &str) -> bool {
    [BREAKERS, ACTIONS, SECRETS].iter().any(|own| name.contains(own))
}

#[cfg(test)]
mod tests;
