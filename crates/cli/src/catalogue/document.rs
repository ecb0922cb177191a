//! The catalogue as a user writes it: the types of `monitoring.yaml`, from which its JSON Schema is made.
//!
//! What a key means is said here once; the doc comments become the descriptions that an editor shows.

mod automation;
mod condition;
mod dashboards;
mod impact;
mod noise;
mod people;
mod slo;

use std::borrow::Cow;
use std::collections::BTreeMap;

use monitoring_core::catalogue::{AlertSeverity, Category, Direction, Engine, MissingData, Sensitivity, Severity};
use monitoring_core::metric::Unit;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub(crate) use automation::{Action, Actions, Automation, CircuitBreaker, ScaleOut};
pub(crate) use condition::{Absent, Anomaly, Composite, SameHour, Tier, Trend};
pub(crate) use dashboards::{Chart, Dashboard, SavedQuery};
pub(crate) use impact::{Count, Measure};
pub(crate) use noise::{Maintenance, Noise};
pub(crate) use people::{Override, Rotation, Schedule, User};
pub(crate) use slo::Slo;

/// What is measured, what is wrong with it, who is told, and what to do.
//
// Here and in some parts the schema requires more than the types do, so that the check can go on with the rest when something is
// missing or broken; see `structure`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["service", "metrics", "rules", "severities", "channels", "teams"]))]
pub(crate) struct Document {
    /// The service that is watched.
    #[serde(default)]
    pub(crate) service: Service,
    /// What holds where a metric or a rule does not say otherwise.
    #[serde(default)]
    pub(crate) defaults: Defaults,
    /// Measurements, by name.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, Metric>,
    /// What is wrong with a measurement, by name.
    #[serde(default)]
    pub(crate) rules: BTreeMap<String, Rule>,
    /// Service level objectives, by name. Each makes three rules on how fast its error budget is spent.
    #[serde(default)]
    pub(crate) slos: BTreeMap<String, Slo>,
    /// What happens with an incident of each severity.
    #[serde(default)]
    pub(crate) severities: Severities,
    /// Ways to reach people, by name.
    #[serde(default)]
    pub(crate) channels: BTreeMap<String, Channel>,
    /// People who are called together, by name.
    #[serde(default)]
    pub(crate) teams: BTreeMap<String, Team>,
    /// People who can be on call, by name.
    #[serde(default)]
    pub(crate) users: BTreeMap<String, User>,
    /// Who is on call when, by name.
    #[serde(default)]
    pub(crate) schedules: BTreeMap<String, Schedule>,
    /// What to do for a kind of incident, by name.
    #[serde(default)]
    pub(crate) runbooks: BTreeMap<String, Runbook>,
    /// What keeps people from being called for what they know, expect, or cannot act on one by one.
    #[serde(default)]
    pub(crate) noise: Noise,
    /// What an incident costs, for its post-mortem: figures in this order.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub(crate) impact: Vec<Measure>,
    /// What holds for every automated action.
    #[serde(default)]
    pub(crate) actions: Actions,
    /// Log groups whose retention the suite manages, by name.
    #[serde(default)]
    pub(crate) log_groups: BTreeMap<String, LogGroup>,
    /// Logs Insights queries that are saved in the account, by name.
    #[serde(default)]
    pub(crate) queries: BTreeMap<String, SavedQuery>,
    /// CloudWatch dashboards, by the name that they have there.
    #[serde(default)]
    pub(crate) dashboards: BTreeMap<String, Dashboard>,
}

/// The service that is watched.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "title"]))]
pub(crate) struct Service {
    /// Prefix of every table, topic and alarm: `ai-nutritionist`.
    #[schemars(extend("pattern" = "^[a-z][a-z0-9-]{0,39}$", "patternErrorMessage" = "lower-case letters, digits and hyphens, at most 40"))]
    pub(crate) name: String,
    /// What messages call the service: `AI Nutritionist`.
    #[schemars(length(min = 1))]
    pub(crate) title: String,
    /// How often the monitoring function runs; whole minutes. A rule that can raise a SEV1 needs `1m`, or engine `alarm`. Default `1m`.
    pub(crate) cycle: Duration,
    /// How long CloudWatch may take until the data of a period is complete. Default `1m`.
    pub(crate) ingestion_delay: Duration,
}

impl Default for Service {
    fn default() -> Self {
        Self { name: String::new(), title: String::new(), cycle: one_minute(), ingestion_delay: one_minute() }
    }
}

fn one_minute() -> Duration {
    Duration { seconds: 60 }
}

/// What holds where a metric or a rule does not say otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    /// Length of a metric's period. Default `1m`.
    pub(crate) period: Duration,
    /// Who evaluates a rule. Default `service`.
    #[schemars(schema_with = "engine")]
    pub(crate) engine: Engine,
    /// How many datapoints of how many must breach. Default `1 of 1`.
    pub(crate) datapoints: OutOf,
    /// What a period without a datapoint means. Default `missing`.
    pub(crate) missing: Treatment,
    /// The team that is called. Needed where a severity does not name its own.
    pub(crate) team: Option<String>,
    /// Time zone of active hours and schedules, an IANA name. Default `UTC`.
    pub(crate) time_zone: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            period: one_minute(),
            engine: Engine::Service,
            datapoints: OutOf { datapoints: 1, periods: 1 },
            missing: Treatment::Missing,
            team: None,
            time_zone: "UTC".to_owned(),
        }
    }
}

/// A measurement. It has one of `cloudwatch`, `formula`, `logs` and `cost`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["category", "description", "unit"]))]
pub(crate) struct Metric {
    /// What kind of thing it measures. Alerts on `business` and `cost` go to the topic `business-alerts`, all others to `alerts`.
    #[schemars(schema_with = "category")]
    pub(crate) category: Category,
    /// One sentence.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) description: String,
    /// Unit of every value.
    #[schemars(schema_with = "unit")]
    pub(crate) unit: Unit,
    /// Length of a period, whole minutes. Default: that of a formula's inputs, `1d` for a cost, else `defaults.period`.
    pub(crate) period: Option<Duration>,
    /// A CloudWatch metric.
    pub(crate) cloudwatch: Option<Cloudwatch>,
    /// Arithmetic over other metrics: `100 * ErrorCount / RequestCount`.
    #[schemars(length(min = 1))]
    pub(crate) formula: Option<String>,
    /// A Logs Insights query.
    pub(crate) logs: Option<Logs>,
    /// What AWS costs in a day, from Cost Explorer.
    pub(crate) cost: Option<Cost>,
    /// One series for each combination of these values. Default: one series without dimensions; for a formula, those
    /// of its inputs.
    pub(crate) dimensions: Option<BTreeMap<String, DimensionValues>>,
    /// Names of files that hold this metric when telemetry is replayed. What `*` stands for becomes the dimension `Source`.
    #[serde(default)]
    pub(crate) files: Vec<FilePattern>,
}

/// A CloudWatch metric.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cloudwatch {
    /// `AI-Nutritionist/Application`, `AWS/Lambda`.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) namespace: String,
    /// The metric's name in CloudWatch. Default: its name in this file.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) metric: Option<String>,
    /// How the values of a period become one: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p99`.
    #[schemars(extend(
        "pattern" = "^(Sum|Average|Minimum|Maximum|SampleCount|p([0-9]{1,2}(\\.[0-9]{1,10})?|100))$",
        "patternErrorMessage" = "Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p99"
    ))]
    pub(crate) statistic: String,
    /// How CloudWatch makes the metric out of log lines, where nothing else writes it.
    pub(crate) filter: Option<MetricFilter>,
}

/// A metric filter: each line of a log group that fits the pattern becomes a value of the metric, as it arrives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricFilter {
    /// Log groups whose lines it looks at; they must exist.
    #[schemars(length(min = 1, max = 50))]
    pub(crate) log_groups: Vec<String>,
    /// What a line must be like: `{ $.level = "ERROR" }`, `"Task timed out"`.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) pattern: String,
    /// What a line counts: a number, or a field of it (`$.amount`). Default `1`.
    #[serde(default = "one")]
    #[schemars(extend("pattern" = "^([0-9]+(\\.[0-9]+)?|\\$[^ ]+)$", "patternErrorMessage" = "a number, or a field such as $.amount"))]
    pub(crate) value: String,
    /// What is written for a minute in which lines arrive and none fits: with `0`, no match is measured as none. Default: nothing.
    pub(crate) default: Option<f64>,
    /// The field of a line that each dimension of the metric is taken from: `{Operation: $.operation}`.
    #[serde(default)]
    pub(crate) dimensions: BTreeMap<String, String>,
}

fn one() -> String {
    "1".to_owned()
}

/// A Logs Insights query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logs {
    /// Log groups to search.
    #[schemars(length(min = 1, max = 50))]
    pub(crate) log_groups: Vec<String>,
    /// A query that ends in `stats ... as value by bin(...)`.
    #[schemars(length(min = 1, max = 10000))]
    pub(crate) query: String,
    /// The column that holds the value. Default `value`.
    #[serde(default = "value_column")]
    pub(crate) value: String,
}

fn value_column() -> String {
    "value".to_owned()
}

/// What AWS costs in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cost {
    /// One series for everything.
    Total,
    /// One series for each AWS service, with the dimension `Service`.
    ByService,
}

/// What is wrong with a metric: at least one of `warning`, `critical` and `tiers`, or else one of `absent`, `anomaly`, `trend`,
/// `same_hour` and `composite`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["description"]))]
pub(crate) struct Rule {
    /// The metric it watches. Every rule has one, but for a composite.
    #[serde(default)]
    pub(crate) metric: String,
    /// One sentence: what a person should understand when it fires.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) description: String,
    /// Who evaluates it. Default `defaults.engine`.
    #[schemars(schema_with = "engine")]
    #[serde(default)]
    pub(crate) engine: Option<Engine>,
    /// The milder threshold. Its severity is `medium` unless it says otherwise.
    pub(crate) warning: Option<Tier>,
    /// The worse threshold. Its severity is `critical` unless it says otherwise.
    pub(crate) critical: Option<Tier>,
    /// Further thresholds, by name. Each says its severity.
    #[serde(default)]
    pub(crate) tiers: BTreeMap<String, Tier>,
    /// The rule fires when there is no data, instead of on a threshold.
    pub(crate) absent: Option<Absent>,
    /// The rule fires when a value is unlike what the series usually does, instead of on a threshold.
    pub(crate) anomaly: Option<Anomaly>,
    /// The rule fires when a value will be beyond a threshold before long, if it goes on as it does.
    pub(crate) trend: Option<Trend>,
    /// The rule fires when a value is far from that of the same hour in the weeks before.
    pub(crate) same_hour: Option<SameHour>,
    /// The rule fires while other rules do, or one without another.
    pub(crate) composite: Option<Composite>,
    /// How many datapoints of how many must breach: `2 of 3`. Default `defaults.datapoints`.
    pub(crate) datapoints: Option<OutOf>,
    /// What a period without a datapoint means. Default `defaults.missing`.
    pub(crate) missing: Option<Treatment>,
    /// How many datapoints in a row must be good before a firing rule is OK. Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) clear_after: Option<u32>,
    /// For ratios: a datapoint with too little behind it counts as missing.
    pub(crate) min_volume: Option<MinVolume>,
    /// When the rule is evaluated. Default: always.
    pub(crate) active_hours: Option<ActiveHours>,
    /// Alerts of one group make one incident. Default: the rule's name.
    #[schemars(extend("pattern" = "^[a-z0-9][a-z0-9-]{0,63}$", "patternErrorMessage" = "lower-case letters, digits and hyphens, at most 64"))]
    pub(crate) group: Option<String>,
    /// Dimensions whose values split the group: an incident for each.
    #[serde(default)]
    pub(crate) group_by: Vec<String>,
    /// What to do about it.
    pub(crate) runbook: Option<String>,
}

/// The least volume behind a ratio.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MinVolume {
    /// The metric that counts; of the same period and dimensions.
    pub(crate) metric: String,
    /// A period with less than this counts as missing.
    #[schemars(range(min = 0))]
    pub(crate) at_least: f64,
}

/// When a rule is evaluated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActiveHours {
    /// First hour of the day, 0 to 23.
    #[schemars(range(min = 0, max = 23))]
    pub(crate) from: u8,
    /// The hour after the last, 1 to 24.
    #[schemars(range(min = 1, max = 24))]
    pub(crate) to: u8,
    /// Days of the week. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) days: Option<Vec<Weekday>>,
    /// An IANA name. Default `defaults.time_zone`.
    pub(crate) time_zone: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weekday {
    Mon = 1,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What happens with an incident of each severity.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["SEV1", "SEV2", "SEV3", "SEV4"]))]
pub(crate) struct Severities {
    /// The most urgent: the service is down.
    #[serde(rename = "SEV1")]
    pub(crate) sev1: Option<SeverityPolicy>,
    /// Significant functionality impacted.
    #[serde(rename = "SEV2")]
    pub(crate) sev2: Option<SeverityPolicy>,
    /// Minor functionality impacted.
    #[serde(rename = "SEV3")]
    pub(crate) sev3: Option<SeverityPolicy>,
    /// The least urgent: cosmetic issues.
    #[serde(rename = "SEV4")]
    pub(crate) sev4: Option<SeverityPolicy>,
}

impl Severities {
    /// Those that are there, most urgent first.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Severity, &SeverityPolicy)> {
        [
            (Severity::Sev1, &self.sev1),
            (Severity::Sev2, &self.sev2),
            (Severity::Sev3, &self.sev3),
            (Severity::Sev4, &self.sev4),
        ]
        .into_iter()
        .filter_map(|(severity, policy)| Some((severity, policy.as_ref()?)))
    }
}

/// What happens with an incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["description", "response", "escalation", "channels"]))]
pub(crate) struct SeverityPolicy {
    /// One sentence.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) description: String,
    /// Somebody must acknowledge within this time. Then the second level is called.
    pub(crate) response: Duration,
    /// Unacknowledged for this time, the incident goes to the last level. Counted from its detection, as the response time is.
    pub(crate) escalation: Duration,
    /// Somebody who acknowledged and says nothing more for this time is not relied on any longer: people are called anew.
    /// Default: four times `escalation`.
    pub(crate) stale: Option<Duration>,
    /// Channels of every level that does not name its own.
    #[serde(default)]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) channels: Vec<String>,
    /// Whether a post-mortem is due when the incident resolves. Default false.
    #[serde(default)]
    pub(crate) post_mortem: bool,
    /// Who is told, in this order. Default: `defaults.team` at once, again when the response time is over, and again when the escalation
    /// time is over.
    #[schemars(length(min = 1))]
    pub(crate) levels: Option<Vec<Level>>,
}

/// One step of an escalation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Level {
    /// The team that is called. Default `defaults.team`.
    pub(crate) team: Option<String>,
    /// Default: the severity's channels.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) channels: Option<Vec<String>>,
    /// Since the detection of the incident. Default: `0s` for the first level, the response time for the second, the escalation time for the
    /// third; a fourth says it.
    pub(crate) after: Option<Duration>,
}

/// A way to reach people. A setting is the name of an environment variable of the functions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Channel {
    /// How.
    pub(crate) kind: ChannelKind,
    /// The channel that is used when this one fails for good.
    pub(crate) fallback: Option<String>,
    /// For `slack`: the conversation that the bot posts to, in quotes: `"#incidents"`.
    #[schemars(length(min = 1))]
    pub(crate) conversation: Option<String>,
    /// For `slack`: the setting that holds the address of the incoming webhook. Default `SLACK_WEBHOOK_URL`.
    #[schemars(schema_with = "setting")]
    #[serde(default)]
    pub(crate) webhook_setting: Option<String>,
    /// For `slack`: the setting that holds the bot's token. Default `SLACK_BOT_TOKEN`.
    #[schemars(schema_with = "setting")]
    #[serde(default)]
    pub(crate) bot_token_setting: Option<String>,
    /// For `pagerduty`: the setting that holds the integration key. Default `PAGERDUTY_INTEGRATION_KEY`.
    #[schemars(schema_with = "setting")]
    #[serde(default)]
    pub(crate) routing_key_setting: Option<String>,
    /// For `email` and `sms`: the SNS topic, without the service's prefix. Default `notify-` and the kind.
    #[schemars(extend("pattern" = "^[A-Za-z0-9_-]{1,128}$", "patternErrorMessage" = "letters, digits, hyphens and underscores, at most 128"))]
    pub(crate) topic: Option<String>,
}

/// How a channel reaches people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChannelKind {
    /// A Slack incoming webhook, or a bot.
    Slack,
    /// PagerDuty Events API v2.
    Pagerduty,
    /// E-mail by an SNS topic.
    Email,
    /// SMS by an SNS topic.
    Sms,
}

/// People who are called together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["title", "contact"]))]
pub(crate) struct Team {
    /// `Platform Engineering`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) title: String,
    /// Where to write to them.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) contact: String,
    /// The channels by which a runbook's `alert_team` tells it, beside those of whoever of it is on call.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) channels: Vec<String>,
    /// The user whom critical action items that are overdue go to. Default: the whole team.
    pub(crate) lead: Option<String>,
    /// The schedule that says who of them is on call. Default: everybody is called together.
    pub(crate) on_call: Option<String>,
    /// Users who belong to it.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) members: Vec<String>,
}

/// What to do for a kind of incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["title", "team", "steps"]))]
pub(crate) struct Runbook {
    /// `High error rate response`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) title: String,
    /// The team that owns it.
    pub(crate) team: String,
    /// The teams that are called for it, level by level; times and channels are the severity's. Default: the teams of the severity,
    /// as they are for the levels beyond those named.
    #[schemars(length(min = 1))]
    pub(crate) levels: Option<Vec<String>>,
    /// What a person does, in order.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) steps: Vec<String>,
    /// More to read.
    #[schemars(extend("pattern" = "^https?://", "patternErrorMessage" = "an address that begins with https://"))]
    pub(crate) url: Option<String>,
    /// What is done by itself, when people were called.
    pub(crate) automation: Option<Automation>,
    /// Saved queries that help: dashboards name them beside the steps, messages link them at the time of the incident, and an
    /// investigation searches their log groups for errors.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) queries: Vec<String>,
}

/// A log group whose retention the suite manages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogGroup {
    /// Days after which CloudWatch Logs deletes an entry.
    #[schemars(schema_with = "retention_days")]
    pub(crate) retention_days: u32,
}

/// What a period without a datapoint means; `TreatMissingData` of a CloudWatch alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Treatment {
    /// No data is no answer.
    Missing,
    /// Keep the state.
    Ignore,
    /// As if it breached.
    Breaching,
    /// As if it did not.
    NotBreaching,
}

impl From<Treatment> for MissingData {
    fn from(missing: Treatment) -> Self {
        match missing {
            Treatment::Missing => Self::Missing,
            Treatment::Ignore => Self::Ignore,
            Treatment::Breaching => Self::Breaching,
            Treatment::NotBreaching => Self::NotBreaching,
        }
    }
}

/// A time: `30s`, `5m`, `1h`, `1d`, `1h30m`. One that is too long for an `u32` is the greatest `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Duration {
    pub(crate) seconds: u32,
}

impl TryFrom<String> for Duration {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut seconds = 0_u32;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let split = rest.find(|c: char| !c.is_ascii_digit()).ok_or("a duration has a unit")?;
            let (digits, tail) = rest.split_at(split);
            let mut letters = tail.chars();
            let unit = match letters.next() {
                Some('s') => 1,
                Some('m') => 60,
                Some('h') => 3_600,
                Some('d') => 86_400,
                _ => return Err("the unit of a duration is s, m, h or d"),
            };
            let count: u32 = if digits.is_empty() {
                return Err("a duration has a number");
            } else {
                digits.parse().unwrap_or(u32::MAX)
            };
            seconds = seconds.saturating_add(count.saturating_mul(unit));
            rest = letters.as_str();
        }
        if text.is_empty() { Err("a duration has a number and a unit") } else { Ok(Self { seconds }) }
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, unit) = match self.seconds {
            0 => (0, 's'),
            s if s.is_multiple_of(86_400) => (s / 86_400, 'd'),
            s if s.is_multiple_of(3_600) => (s / 3_600, 'h'),
            s if s.is_multiple_of(60) => (s / 60, 'm'),
            s => (s, 's'),
        };
        write!(f, "{count}{unit}")
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9]+[smhd])+$", "patternErrorMessage": "a duration such as 30s, 5m, 1h or 1d"})
    }
}

/// M of N: `2 of 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct OutOf {
    pub(crate) datapoints: u32,
    pub(crate) periods: u32,
}

impl TryFrom<String> for OutOf {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (datapoints, periods) = text.split_once(" of ").ok_or("datapoints are written `2 of 3`")?;
        let number = |text: &str| text.parse().map_err(|_| "datapoints are written `2 of 3`");
        Ok(Self { datapoints: number(datapoints)?, periods: number(periods)? })
    }
}

impl JsonSchema for OutOf {
    fn schema_name() -> Cow<'static, str> {
        "OutOf".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,4} of [0-9]{1,4}$", "patternErrorMessage": "`2 of 3`: how many datapoints of how many"})
    }
}

/// The values of a dimension.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct DimensionValues(pub(crate) Vec<String>);

impl JsonSchema for DimensionValues {
    fn schema_name() -> Cow<'static, str> {
        "DimensionValues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": true})
    }
}

/// The name of a file, `*` for any characters.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct FilePattern(pub(crate) String);

impl JsonSchema for FilePattern {
    fn schema_name() -> Cow<'static, str> {
        "FilePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[^/\\\\]+$", "patternErrorMessage": "the name of a file without folders, * for any characters"})
    }
}

/// An `enum` of the names that the core's types have in JSON.
fn names_of<T: Serialize>(values: &[T]) -> Schema {
    let names: Vec<serde_json::Value> = values.iter().filter_map(|value| serde_json::to_value(value).ok()).collect();
    json_schema!({"type": "string", "enum": names})
}

fn engine(_: &mut SchemaGenerator) -> Schema {
    names_of(&[Engine::Service, Engine::Alarm])
}

fn category(_: &mut SchemaGenerator) -> Schema {
    names_of(&[
        Category::Application,
        Category::Business,
        Category::Infrastructure,
        Category::Security,
        Category::Cost,
        Category::Capacity,
    ])
}

fn unit(_: &mut SchemaGenerator) -> Schema {
    names_of(&[
        Unit::Percent,
        Unit::Milliseconds,
        Unit::Seconds,
        Unit::Count,
        Unit::CountPerHour,
        Unit::Usd,
        Unit::UsdPerHour,
        Unit::Bytes,
        Unit::None,
    ])
}

fn sensitivity(_: &mut SchemaGenerator) -> Schema {
    names_of(&[Sensitivity::Lowest, Sensitivity::Low, Sensitivity::Medium, Sensitivity::High])
}

fn direction(_: &mut SchemaGenerator) -> Schema {
    names_of(&[Direction::Both, Direction::Above, Direction::Below])
}

fn alert_severity(_: &mut SchemaGenerator) -> Schema {
    names_of(&[AlertSeverity::Low, AlertSeverity::Medium, AlertSeverity::High, AlertSeverity::Critical])
}

fn incident_severity(_: &mut SchemaGenerator) -> Schema {
    names_of(&[Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4])
}

fn setting(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[A-Z][A-Z0-9_]*$",
        "patternErrorMessage": "the name of an environment variable such as SLACK_WEBHOOK_URL, not its value"
    })
}

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
fn retention_days(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "enum": [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
    })
}
