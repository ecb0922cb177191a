//! What the suite may do by itself, and within which limits.

use serde::{Deserialize, Serialize};

/// What holds for every action, whichever runbook asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actions {
    /// Whether nothing is changed: the calls are planned, shown and recorded, and not made.
    pub dry_run: bool,
    /// What may be acted on: `circuit-breaker/payment`, `lambda/ai-nutritionist-*`. Nothing when empty.
    pub allow: Vec<String>,
    /// The services that have a circuit breaker.
    pub services: Vec<String>,
    /// The most actions within an hour, of all runbooks together.
    pub max_per_hour: u32,
}

impl Default for Actions {
    /// What a catalogue that says nothing has: nothing is done.
    fn default() -> Self {
        Self { dry_run: true, allow: Vec::new(), services: Vec::new(), max_per_hour: 10 }
    }
}

/// What a runbook does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Whether its calls are planned, shown and recorded, and not made.
    pub dry_run: bool,
    /// Somebody must agree first.
    pub approval: Option<Approval>,
    /// After an action on a target, this runbook leaves that target alone for this time, in seconds.
    pub cooldown_seconds: u32,
    /// The most of its actions within an hour.
    pub max_per_hour: u32,
    /// The most targets that it has changed at the same time.
    pub max_targets: u32,
    /// After so many runs in a row that failed or did not help, it asks before it acts. 0 for never.
    pub ask_after_failures: u32,
    /// In the order in which they are tried: the next one when the one before did not help.
    pub actions: Vec<ActionSpec>,
}

/// Who must agree to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The team that is asked.
    pub team: String,
    /// An approval that has not come within this time, in seconds, comes too late.
    pub expires_seconds: u32,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSpec {
    /// What it does.
    pub action: ActionKind,
    /// The alerts that asked for it must be measured OK within this time, in seconds, after which it counts as no help.
    pub verify_seconds: u32,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionKind {
    /// Keeps the application from calling a service; after a time a share of the calls is let through again.
    CircuitBreaker {
        /// One of [`Actions::services`].
        service: String,
        /// After this time, in seconds, it is half-open.
        probe_after_seconds: u32,
        /// The calls that are let through while it is half-open, in percent: 1 to 99.
        probe_percent: u8,
    },
    /// Gives a Lambda function new execution environments.
    Restart {
        /// Its name, or the dimension of the alert that has it: `{FunctionName}`.
        function: String,
    },
    /// Gives more capacity to something, until the incident is over.
    ScaleOut {
        /// What it is.
        scaled: Scaled,
        /// Its name, or the dimension of the alert that has it: `{TableName}`.
        name: String,
        /// 200 for twice as much; more than 100.
        factor_percent: u32,
        /// At most this: units a second of a table, reserved concurrency of a function.
        cap: u32,
    },
    /// Has an alias of a Lambda function serve the version before its own.
    Rollback {
        /// The function's name, or the dimension of the alert that has it: `{FunctionName}`.
        function: String,
        /// The alias that takes the traffic.
        alias: String,
        /// The version that serves must have been made within this time before the incident began, in seconds.
        within_seconds: u32,
    },
    /// Has a parameter, by which the application finds what is active, name the standby.
    Failover {
        /// A parameter of Parameter Store, of type String: `/ai-nutritionist/active-region`.
        parameter: String,
        /// What it names then.
        standby: String,
    },
    /// Tells a team that is not called by the levels of the severity, by its own channels. Changes nothing.
    AlertTeam {
        /// Its name.
        team: String,
    },
}

/// What can be given more capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaled {
    /// A Lambda function for which concurrency is reserved.
    Function,
    /// A `DynamoDB` table.
    Table,
}

impl ActionKind {
    /// The dimension of the alert that names the target: `FunctionName` of `{FunctionName}`; `None` where the catalogue names it.
    pub fn dimension(&self) -> Option<&str> {
        let name = match self {
            Self::CircuitBreaker { .. } | Self::Failover { .. } | Self::AlertTeam { .. } => return None,
            Self::Restart { function: name } | Self::Rollback { function: name, .. } | Self::ScaleOut { name, .. } => {
                name
            }
        };
        name.strip_prefix('{')?.strip_suffix('}')
    }

    /// As it is written in the catalogue.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CircuitBreaker { .. } => "circuit_breaker",
            Self::Restart { .. } => "restart",
            Self::ScaleOut { .. } => "scale_out",
            Self::Rollback { .. } => "rollback",
            Self::Failover { .. } => "failover",
            Self::AlertTeam { .. } => "alert_team",
        }
    }
}
