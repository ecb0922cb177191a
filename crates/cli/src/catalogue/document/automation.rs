//! What the suite may do by itself, as a user writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Duration;

/// What holds for every automated action, whichever runbook asks for it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Actions {
    /// Whether nothing is changed: the calls are planned, shown and recorded, and not made. Default true.
    pub(crate) dry_run: bool,
    /// What may be acted on, such as `circuit-breaker/payment`; may end in `*`. Default: nothing.
    pub(crate) allow: Vec<String>,
    /// The services that the application calls behind a circuit breaker.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) services: Vec<String>,
    /// The most actions within an hour, of all runbooks together. Default 10.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_per_hour: u32,
}

impl Default for Actions {
    fn default() -> Self {
        Self { dry_run: true, allow: Vec::new(), services: Vec::new(), max_per_hour: 10 }
    }
}

/// What a runbook does by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Automation {
    /// Whether its calls are planned, shown and recorded, and not made. Default false; `actions: dry_run` holds for all.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Somebody must agree first.
    pub(crate) approval: Option<Approval>,
    /// After an action on a target, this runbook leaves that target alone for this time. Default `30m`.
    #[serde(default = "cooldown")]
    pub(crate) cooldown: Duration,
    /// The most of its actions within an hour. Default 3.
    #[serde(default = "max_per_hour")]
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_per_hour: u32,
    /// The most targets that it has changed at the same time. Default 1.
    #[serde(default = "max_targets")]
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_targets: u32,
    /// After so many runs in a row that failed or did not help, it asks before it acts; 0 for never. Default 2.
    #[serde(default = "ask_after_failures")]
    #[schemars(range(max = 100))]
    pub(crate) ask_after_failures: u32,
    /// In the order in which they are tried: the next one when the one before did not help.
    #[schemars(length(min = 1, max = 5))]
    pub(crate) actions: Vec<Action>,
}

fn cooldown() -> Duration {
    Duration { seconds: 30 * 60 }
}

fn max_per_hour() -> u32 {
    3
}

fn max_targets() -> u32 {
    1
}

fn ask_after_failures() -> u32 {
    2
}

/// Who must agree to an action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    /// The team that is asked.
    pub(crate) team: String,
    /// A consent that has not come within this time comes too late. Default `15m`.
    #[serde(default = "expires")]
    pub(crate) expires: Duration,
}

fn expires() -> Duration {
    Duration { seconds: 15 * 60 }
}

/// One action: exactly one kind of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["circuit_breaker"]}, {"required": ["restart"]}, {"required": ["scale_out"]}, {"required": ["rollback"]}, {"required": ["failover"]}, {"required": ["alert_team"]}]))]
pub(crate) struct Action {
    /// Keeps the application from calling a service, until the incident is over.
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    /// Gives a Lambda function new execution environments, by a change of its configuration that keeps everything else.
    pub(crate) restart: Option<Restart>,
    /// Gives more capacity to a function or a table, until the incident is over.
    pub(crate) scale_out: Option<ScaleOut>,
    /// Has an alias of a Lambda function serve the version before its own, where that one is fresh. It stays.
    pub(crate) rollback: Option<Rollback>,
    /// Has a parameter, by which the application finds what is active, name the standby. It stays.
    pub(crate) failover: Option<Failover>,
    /// The name of a team that is told by its own channels, beside those whom the levels call. Changes nothing, and so needs neither
    /// an entry of `allow:` nor consent; the next action does not wait for it.
    pub(crate) alert_team: Option<String>,
    /// The alerts that asked for it must be measured OK within this time, or it counts as no help and is undone. Default `10m`.
    #[serde(default = "verify")]
    pub(crate) verify: Duration,
}

fn verify() -> Duration {
    Duration { seconds: 10 * 60 }
}

/// Keeps the application from calling a service, until the incident is over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CircuitBreaker {
    /// One of `actions: services`.
    pub(crate) service: String,
    /// After this time it is half-open. Default `5m`.
    #[serde(default = "probe_after")]
    pub(crate) probe_after: Duration,
    /// The calls that are let through while it is half-open, in percent. Default 10.
    #[serde(default = "probe_percent")]
    #[schemars(range(min = 1, max = 99))]
    pub(crate) probe_percent: u8,
}

/// Gives a Lambda function new execution environments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    /// Its name, or the dimension of the alert that has it: `"{FunctionName}"`.
    #[schemars(length(min = 1))]
    pub(crate) function: String,
}

/// Gives more capacity to a function or a table, until the incident is over. One of `function` and `table`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["function"]}, {"required": ["table"]}]))]
pub(crate) struct ScaleOut {
    /// A Lambda function for which concurrency is reserved; or the dimension of the alert that has its name:
    /// `"{FunctionName}"`. Always leaves 100 to the functions without a reservation.
    #[schemars(length(min = 1))]
    pub(crate) function: Option<String>,
    /// A DynamoDB table, or the dimension of the alert that has its name: `"{TableName}"`. Its provisioned capacity, or its limits
    /// where it is on demand.
    #[schemars(length(min = 1))]
    pub(crate) table: Option<String>,
    /// How many times as much. Default 2.
    #[serde(default = "factor")]
    #[schemars(range(min = 1.1, max = 10.0))]
    pub(crate) factor: f64,
    /// At most this: units a second of a table, reserved concurrency of a function.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) cap: u32,
}

/// Has an alias of a Lambda function serve the version before its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The function's name, or the dimension of the alert that has it: `"{FunctionName}"`.
    #[schemars(length(min = 1))]
    pub(crate) function: String,
    /// The alias that takes the traffic. Default `live`.
    #[serde(default = "alias")]
    #[schemars(length(min = 1))]
    pub(crate) alias: String,
    /// The version that serves must have been made within this time before the incident began. Default `1h`.
    #[serde(default = "within")]
    pub(crate) within: Duration,
}

fn alias() -> String {
    "live".to_owned()
}

fn within() -> Duration {
    Duration { seconds: 60 * 60 }
}

/// Has a parameter, by which the application finds what is active, name the standby.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failover {
    /// A parameter of Parameter Store, of type String, such as `/ai-nutritionist/active-region`.
    #[schemars(length(min = 2))]
    pub(crate) parameter: String,
    /// What it names then.
    #[schemars(length(min = 1))]
    pub(crate) standby: String,
}

fn factor() -> f64 {
    2.0
}

fn probe_after() -> Duration {
    Duration { seconds: 5 * 60 }
}

fn probe_percent() -> u8 {
    10
}
