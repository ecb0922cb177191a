//! The resolved catalogue: what `monitorctl catalogue resolve` makes of `monitoring.yaml`, and what every function reads.
//!
//! Defaults are filled in and names are checked, so nothing here is optional that a decision needs.

mod automation;
mod condition;
mod detection;
mod impact;
mod noise;
pub mod people;
mod slo;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::composite::Expression;
use crate::metric::{Dimensions, Unit};
use people::{Schedule, User};

pub use automation::{ActionKind, ActionSpec, Actions, Approval, Automation, Scaled};
pub use condition::{Comparison, Condition, Level, SameHour, Tier, Trend};
pub use detection::{Detection, Direction, Sensitivity};
pub use impact::{Count, Impact, Measure};
pub(crate) use noise::is_like;
pub use noise::{Flapping, Maintenance, Matcher, Noise, Silences, Storm, WEEKDAYS, Weekly, Window};
pub use slo::{Counts, Slo};

/// The version of the resolved form. A catalogue of another version is refused.
pub const SCHEMA: u32 = 1;

/// The whole of what a user decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Prefix of every table, topic and alarm: `ai-nutritionist`.
    pub service: String,
    /// What messages call the service: `AI Nutritionist`.
    pub title: String,
    /// How often the monitoring cycle runs, in seconds.
    pub cycle_seconds: u32,
    /// How long `CloudWatch` may take until a period's data is complete, in seconds. A period is evaluated this long
    /// after its end.
    pub ingestion_delay_seconds: u32,
    /// How long after its end the costs of a day are complete, in seconds.
    #[serde(skip, default = "cost_delay")]
    pub cost_delay_seconds: u32,
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
    /// By name.
    pub rules: BTreeMap<String, Rule>,
    /// By name. Their burn-rate metrics and rules are among `metrics` and `rules`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slos: BTreeMap<String, Slo>,
    /// All four.
    pub severities: BTreeMap<Severity, SeverityPolicy>,
    /// By name.
    pub channels: BTreeMap<String, Channel>,
    /// By name.
    pub teams: BTreeMap<String, Team>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, User>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<String, Schedule>,
    /// By name.
    pub runbooks: BTreeMap<String, Runbook>,
    /// The Logs Insights queries that runbooks name, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, LogQuery>,
    /// What holds for every automated action.
    #[serde(default)]
    pub actions: Actions,
    /// What keeps people from being called.
    #[serde(default)]
    pub noise: Noise,
    /// What an incident costs, for its post-mortem.
    #[serde(default, skip_serializing_if = "Impact::is_empty")]
    pub impact: Impact,
    /// The log groups whose retention the suite manages.
    pub log_groups: Vec<LogGroup>,
    /// Every rule with engine `alarm`, one for each tier and set of dimensions.
    pub alarms: Vec<Alarm>,
}

/// Cost Explorer has most costs of a day six hours after its end.
pub const COST_DELAY_SECONDS: u32 = 6 * 3600;

fn cost_delay() -> u32 {
    COST_DELAY_SECONDS
}

/// What kind of thing a metric measures; decides the topic its alerts go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Errors, latency, traffic.
    Application,
    /// Revenue, conversion, engagement.
    Business,
    /// Lambda, `DynamoDB`, API Gateway.
    Infrastructure,
    /// Security events.
    Security,
    /// Money spent on AWS.
    Cost,
    /// How much of a limit is used.
    Capacity,
}

impl Category {
    /// The topic, without the service's prefix, that alerts of this category are published to.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Business | Self::Cost => "business-alerts",
            Self::Application | Self::Infrastructure | Self::Security | Self::Capacity => "alerts",
        }
    }
}

/// A catalogued measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// As in the seed: `ErrorRate`.
    pub name: String,
    /// What kind of thing it measures.
    pub category: Category,
    /// One sentence.
    pub description: String,
    /// Unit of every sample.
    pub unit: Unit,
    /// Length of a period in seconds; a multiple of 60.
    pub period_seconds: u32,
    /// Where the samples come from.
    pub source: Source,
    /// One series for each; `[{}]` for a metric without dimensions, `[]` where they are found when the data comes.
    pub dimensions: Vec<Dimensions>,
    /// Names of the files that carry this metric in a replay. What `*` stands for becomes the dimension `Source`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// Where the samples of a metric come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// `GetMetricData`.
    Cloudwatch {
        /// `AI-Nutritionist/Application`.
        namespace: String,
        /// The metric's name there.
        metric_name: String,
        /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p95`.
        statistic: String,
    },
    /// A Logs Insights query whose rows have a time bin and a value.
    Logs {
        /// Log groups to search.
        log_groups: Vec<String>,
        /// A query that ends in `stats ... as value by bin(...)`.
        query: String,
        /// Column that holds the value.
        value: String,
    },
    /// Cost Explorer: dollars a day, in total or for each service.
    Cost {
        /// One series for each AWS service, with dimension `Service`, instead of one for the total.
        by_service: bool,
    },
    /// Arithmetic over other metrics of the catalogue.
    Formula {
        /// A subset of `CloudWatch` metric math over metric names.
        expression: String,
    },
}

/// What is wrong with a series, and what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `error-rate`.
    pub name: String,
    /// The metric it watches.
    pub metric: String,
    /// One sentence: what a person should understand when it fires.
    pub description: String,
    /// Who evaluates it.
    pub engine: Engine,
    /// What is wrong.
    pub condition: Condition,
    /// How many datapoints, and what a missing one means.
    pub evaluation: Evaluation,
    /// Alerts of one group make one incident.
    pub group: String,
    /// Dimensions whose values split the group: an incident for each.
    pub group_by: Vec<String>,
    /// What to do about it.
    pub runbook: Option<String>,
    /// For ratios: datapoints with too little behind them count as missing.
    pub min_volume: Option<MinVolume>,
    /// When the rule is evaluated; `None` for always.
    pub active_hours: Option<ActiveHours>,
}

/// Who evaluates a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A `CloudWatch` alarm, evaluated each minute.
    Alarm,
    /// The monitoring function, at the cycle's pace.
    Service,
}

/// M of N, as `CloudWatch` does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// N: the evaluation periods. At least 1.
    pub periods: u32,
    /// M: the datapoints that must breach. 1 to N.
    pub datapoints: u32,
    /// What a period without a datapoint means.
    pub missing: MissingData,
    /// Hysteresis: how many newest datapoints in a row must be good before a firing rule is OK. 1 for none.
    pub clear_after: u32,
}

/// `TreatMissingData` of a `CloudWatch` alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// No data is no answer: `INSUFFICIENT_DATA` when there is none at all.
    Missing,
    /// Keep the state.
    Ignore,
    /// As if it breached.
    Breaching,
    /// As if it did not.
    NotBreaching,
}

/// The least volume behind a ratio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinVolume {
    /// The metric that counts, with the same period.
    pub metric: String,
    /// A datapoint with less than this in its period counts as missing.
    pub at_least: f64,
}

/// When a rule is evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveHours {
    /// First hour of the day, 0 to 23, in the time zone.
    pub from_hour: u8,
    /// Hour after the last, 1 to 24; greater than `from_hour`.
    pub to_hour: u8,
    /// 1 (Monday) to 7 (Sunday).
    pub weekdays: Vec<u8>,
    /// IANA name: `America/New_York`.
    pub time_zone: String,
}

/// Severity of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Worth knowing.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth interrupting somebody.
    High,
    /// Worth waking somebody.
    Critical,
}

impl AlertSeverity {
    /// As it is written in messages and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Severity of an incident. Ordered by urgency: `Sev1` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Cosmetic issues.
    #[serde(rename = "SEV4")]
    Sev4,
    /// Minor functionality impacted.
    #[serde(rename = "SEV3")]
    Sev3,
    /// Significant functionality impacted.
    #[serde(rename = "SEV2")]
    Sev2,
    /// Service completely down, major functionality broken.
    #[serde(rename = "SEV1")]
    Sev1,
}

impl Severity {
    /// `SEV1` to `SEV4`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sev1 => "SEV1",
            Self::Sev2 => "SEV2",
            Self::Sev3 => "SEV3",
            Self::Sev4 => "SEV4",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens with an incident of a severity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeverityPolicy {
    /// One sentence.
    pub description: String,
    /// Somebody must acknowledge within this time, in seconds.
    pub response_seconds: u32,
    /// Unacknowledged for this time since detection, in seconds, the incident goes to the last level.
    pub escalation_seconds: u32,
    /// Somebody who acknowledged and then says nothing for this time, in seconds, is not relied on any longer. 0 for four
    /// times the escalation time.
    #[serde(default)]
    pub stale_seconds: u32,
    /// Who is told, in this order. At least one.
    pub levels: Vec<EscalationLevel>,
    /// Whether a post-mortem is due when it resolves.
    pub post_mortem: bool,
}

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EscalationLevel {
    /// The team that is called.
    pub team: String,
    /// Names of channels. At least one.
    pub channels: Vec<String>,
    /// Since detection, or since the start of the round, in seconds; 0 for the first. Ascending.
    pub after_seconds: u32,
}

/// A way to reach people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// `slack`.
    pub name: String,
    /// How.
    pub via: Via,
    /// The channel that is used when this one fails for good.
    pub fallback: Option<String>,
}

/// How a channel reaches people. A setting is the name of an environment variable; what it holds is the value, or
/// `ssm:/name` of a parameter in Parameter Store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Via {
    /// A Slack incoming webhook; or a bot, when its token is set and a conversation is named.
    Slack {
        /// `SLACK_WEBHOOK_URL`.
        webhook_setting: String,
        /// `SLACK_BOT_TOKEN`.
        bot_token_setting: String,
        /// The conversation that the bot posts to: `#incidents`.
        conversation: String,
    },
    /// `PagerDuty` Events API v2.
    Pagerduty {
        /// `PAGERDUTY_INTEGRATION_KEY`.
        routing_key_setting: String,
    },
    /// E-mail by an SNS topic.
    Email {
        /// Without the service's prefix: `notify-email`.
        topic: String,
    },
    /// SMS by an SNS topic.
    Sms {
        /// Without the service's prefix: `notify-sms`.
        topic: String,
    },
}

/// People who are called together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// `platform`.
    pub name: String,
    /// `Platform Engineering`.
    pub title: String,
    /// Where to write to them.
    pub contact: String,
    /// Names of the channels by which an `alert_team` tells it; whoever of it is on call has channels of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Name of the user whom critical action items that are overdue go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Name of the schedule that says who of them is on call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_call: Option<String>,
    /// Names of users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// For a kind of incident: what a person should do, and who is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runbook {
    /// `high-error-rate`.
    pub name: String,
    /// `High error rate response`.
    pub title: String,
    /// The team that owns it.
    pub team: String,
    /// The teams that are called for it, level by level, instead of those of the severity. None: those of the severity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// Human steps, in order. At least one.
    pub steps: Vec<String>,
    /// More to read.
    pub url: Option<String>,
    /// What is done by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automation: Option<Automation>,
    /// Names of the queries of the logs that help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<String>,
}

/// A Logs Insights query that helps to find out what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// `Error Analysis`.
    pub title: String,
    /// Log groups that it searches.
    pub log_groups: Vec<String>,
    /// The query, in Logs Insights' own language.
    pub query: String,
}

/// A log group whose retention the suite manages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// `/aws/lambda/ai-nutritionist-api`.
    pub name: String,
    /// One of the values that `CloudWatch` Logs accepts.
    pub retention_days: u32,
}

/// A `CloudWatch` alarm made from a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Unique in the account and region, without the environment's suffix.
    pub name: String,
    /// The rule it comes from.
    pub rule: String,
    /// Name of the level.
    pub level: String,
    /// Its set of dimensions.
    pub dimensions: Dimensions,
}

/// Why a resolved catalogue was refused.
#[derive(Debug)]
pub enum CatalogueError {
    /// Not JSON, or not of this shape.
    Malformed(serde_json::Error),
    /// Another [`SCHEMA`].
    Schema(u32),
    /// A name that nothing bears; the text says where.
    Unknown(String),
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => {
                write!(f, "the resolved catalogue cannot be read; make it anew with `monitorctl catalogue resolve`")
            }
            Self::Schema(found) => write!(
                f,
                "the resolved catalogue has schema {found}, this version reads {SCHEMA}; make it anew with `monitorctl catalogue resolve`"
            ),
            Self::Unknown(what) => write!(f, "the resolved catalogue names something that it does not have: {what}"),
        }
    }
}

impl std::error::Error for CatalogueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Schema(_) | Self::Unknown(_) => None,
        }
    }
}

impl Catalogue {
    /// Reads the resolved catalogue and checks that every name it uses exists.
    pub fn from_json(json: &[u8]) -> Result<Self, CatalogueError> {
        let value: serde_json::Value = serde_json::from_slice(json).map_err(CatalogueError::Malformed)?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if schema != u64::from(SCHEMA) {
            return Err(CatalogueError::Schema(u32::try_from(schema).unwrap_or(u32::MAX)));
        }
        let catalogue: Self = serde_json::from_value(value).map_err(CatalogueError::Malformed)?;
        catalogue.check_names()?;
        Ok(catalogue)
    }

    fn check_names(&self) -> Result<(), CatalogueError> {
        let unknown = |what: String| Err(CatalogueError::Unknown(what));
        for rule in self.rules.values() {
            if !self.metrics.contains_key(&rule.metric) {
                return unknown(format!("metric {} of rule {}", rule.metric, rule.name));
            }
            if let Some(runbook) = rule.runbook.as_ref().filter(|runbook| !self.runbooks.contains_key(*runbook)) {
                return unknown(format!("runbook {runbook} of rule {}", rule.name));
            }
            let named = rule.condition.composite().into_iter().flat_map(Expression::names);
            if let Some(named) = named.into_iter().find(|named| !self.rules.contains_key(*named)) {
                return unknown(format!("rule {named} of rule {}", rule.name));
            }
        }
        for severity in [Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4] {
            let Some(policy) = self.severities.get(&severity) else {
                return unknown(format!("severity {severity}"));
            };
            if policy.levels.is_empty() {
                return unknown(format!("an escalation level of {severity}"));
            }
            for channel in policy.levels.iter().flat_map(|level| &level.channels) {
                if !self.channels.contains_key(channel) {
                    return unknown(format!("channel {channel} of {severity}"));
                }
            }
        }
        if let Some(measure) = self.impact.measures.iter().find(|measure| !self.metrics.contains_key(&measure.metric)) {
            return unknown(format!("metric {} of impact", measure.metric));
        }
        for alarm in &self.alarms {
            if !self.rules.contains_key(&alarm.rule) {
                return unknown(format!("rule {} of alarm {}", alarm.rule, alarm.name));
            }
        }
        self.check_actions()?;
        self.check_people()
    }

    fn check_actions(&self) -> Result<(), CatalogueError> {
        let unknown = |what: String| Err(CatalogueError::Unknown(what));
        for runbook in self.runbooks.values() {
            let Some(automation) = &runbook.automation else { continue };
            for spec in &automation.actions {
                match &spec.action {
                    ActionKind::CircuitBreaker { service, .. } if !self.actions.services.contains(service) => {
                        return unknown(format!("service {service} of runbook {}", runbook.name));
                    }
                    ActionKind::AlertTeam { team } if !self.teams.contains_key(team) => {
                        return unknown(format!("team {team} of runbook {}", runbook.name));
                    }
                    _ => {}
                }
            }
            if let Some(approval) = automation.approval.as_ref().filter(|asks| !self.teams.contains_key(&asks.team)) {
                return unknown(format!("team {} of runbook {}", approval.team, runbook.name));
            }
        }
        Ok(())
    }

    fn check_people(&self) -> Result<(), CatalogueError> {
        let unknown = |what: String| Err(CatalogueError::Unknown(what));
        for team in self.teams.values() {
            if let Some(schedule) = team.on_call.as_ref().filter(|schedule| !self.schedules.contains_key(*schedule)) {
                return unknown(format!("schedule {schedule} of team {}", team.name));
            }
            if let Some(channel) = team.channels.iter().find(|channel| !self.channels.contains_key(*channel)) {
                return unknown(format!("channel {channel} of team {}", team.name));
            }
            if let Some(lead) = team.lead.as_ref().filter(|lead| !self.users.contains_key(*lead)) {
                return unknown(format!("lead {lead} of team {}", team.name));
            }
            if let Some(user) = team.members.iter().find(|user| !self.users.contains_key(*user)) {
                return unknown(format!("user {user} of team {}", team.name));
            }
        }
        for user in self.users.values() {
            if let Some(channel) = user.channels.iter().find(|channel| !self.channels.contains_key(*channel)) {
                return unknown(format!("channel {channel} of user {}", user.name));
            }
        }
        for schedule in self.schedules.values() {
            if TimeZone::get(&schedule.time_zone).is_err() {
                return unknown(format!("time zone {} of schedule {}", schedule.time_zone, schedule.name));
            }
            let rotating = schedule.rotations.iter().flat_map(|rotation| &rotation.users);
            let mut users = rotating.chain(schedule.overrides.iter().map(|exception| &exception.user));
            if let Some(user) = users.find(|user| !self.users.contains_key(*user)) {
                return unknown(format!("user {user} of schedule {}", schedule.name));
            }
        }
        Ok(())
    }

    /// The policy of a severity with the teams that a runbook calls. Times and channels are the severity's.
    pub fn policy_for(&self, severity: Severity, runbook: Option<&str>) -> Option<Cow<'_, SeverityPolicy>> {
        let policy = self.severities.get(&severity)?;
        let teams = runbook.and_then(|name| self.runbooks.get(name)).map(|runbook| runbook.levels.as_slice());
        let Some(teams) = teams.filter(|teams| !teams.is_empty()) else { return Some(Cow::Borrowed(policy)) };
        let mut policy = policy.clone();
        for (level, team) in policy.levels.iter_mut().zip(teams) {
            level.team.clone_from(team);
        }
        Some(Cow::Owned(policy))
    }

    /// The policy of a severity; every catalogue that was read has all four.
    pub fn policy(&self, severity: Severity) -> Option<&SeverityPolicy> {
        self.severities.get(&severity)
    }
}

/// `-staging` for environment `staging`, nothing for `production`, whose names are the seed's.
pub fn environment_suffix(environment: &str) -> String {
    if environment.is_empty() || environment == "production" { String::new() } else { format!("-{environment}") }
}
