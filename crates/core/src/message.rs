//! What people are told: a notice says it once, and each channel has its own way to write it.

pub mod pagerduty;
pub mod slack;
pub mod text;
mod wording;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{AlertSeverity, Comparison, Severity};
use crate::incident::{IncidentId, Status};
use crate::metric::{Dimensions, Range, Unit};

pub use crate::metric::format_seconds;

pub use wording::date_and_time;

/// The most alerts that a notice spells out; the rest are counted.
pub const MAX_ALERT_LINES: usize = 5;

/// The most links to queries in a notice, and the most bytes of one: a section of a message in Slack has 3,000 characters.
pub const MAX_QUERY_LINKS: usize = 4;
/// See [`MAX_QUERY_LINKS`].
pub const MAX_QUERY_LINK: usize = 2_500;

/// Everything that a message needs, whatever the channel. Stored with its effect, so the journal shows what was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Which incident.
    pub incident: IncidentId,
    /// What kind of message.
    pub kind: NoticeKind,
    /// How bad.
    pub severity: Severity,
    /// Where the incident stands.
    pub status: Status,
    /// What is wrong, in one line.
    pub title: String,
    /// Why this message is sent now, in a sentence.
    pub why: String,
    /// `AI Nutritionist`.
    pub service: String,
    /// `production`.
    pub environment: String,
    /// When the first alert fired.
    pub since: Timestamp,
    /// When this was decided.
    pub at: Timestamp,
    /// The worst alerts, worst first; at most [`MAX_ALERT_LINES`].
    pub alerts: Vec<AlertLine>,
    /// How many further alerts there are.
    pub more_alerts: u32,
    /// What to do.
    pub runbook: Option<RunbookCard>,
    /// For a page, or a word to a team: who is on call, where the team has a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_call: Option<OnCallPerson>,
    /// The keys at `PagerDuty` that this message is about: the one to open for a page, all that are open otherwise.
    pub dedup_keys: Vec<String>,
}

/// What kind of message a notice is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoticeKind {
    /// Somebody is asked to acknowledge.
    Page {
        /// 1 for the first level.
        level: u32,
        /// How often the escalation has started over; 0 at first.
        round: u32,
        /// Title of the team that is called.
        team: String,
    },
    /// A team is told that is not called by the levels: nobody waits for its answer.
    Team {
        /// Its name in the catalogue.
        name: String,
        /// Its title.
        title: String,
    },
    /// Something changed; nobody needs to be woken.
    Update,
    /// Somebody is asked to agree to an automated action.
    Approval {
        /// Number of the run within its incident.
        run: u32,
        /// What it would do, in a few words.
        what: String,
        /// When consent comes too late.
        expires_at: Timestamp,
    },
    /// Somebody acknowledged.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// It is over.
    Resolved {
        /// Who, or `recovery`.
        by: String,
    },
    /// Its post-mortem is there and wants to be reviewed.
    PostMortem {
        /// Titles of the teams that review it.
        reviewers: String,
    },
}

/// Who is on call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCallPerson {
    /// `Ana Torres`.
    pub title: String,
    /// Member id in Slack: `U024BE7LH`. From the catalogue, and looked at again before it becomes a mention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_user_id: Option<String>,
}

/// One alert in a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertLine {
    /// What is wrong.
    pub title: String,
    /// Whether it still is.
    pub firing: bool,
    /// How bad.
    pub severity: AlertSeverity,
    /// Which one of several.
    pub dimensions: Dimensions,
    /// The value that breached.
    pub value: Option<f64>,
    /// The side of the threshold that is bad.
    pub comparison: Option<Comparison>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// Unit of both.
    pub unit: Unit,
    /// Since when.
    pub since: Timestamp,
    /// For what could not be recognised: a quote of it. From outside, so never trusted as markup.
    pub quote: Option<String>,
    /// What was expected of the value, where a detector says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Range>,
}

/// What a person should do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookCard {
    /// `high-error-rate`.
    pub name: String,
    /// `High error rate response`.
    pub title: String,
    /// In order.
    pub steps: Vec<String>,
    /// More to read.
    pub url: Option<String>,
    /// Queries of the logs at the time of the incident.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryLink>,
}

/// A link that opens a Logs Insights query in the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLink {
    /// `Error Analysis`.
    pub title: String,
    /// Where it is.
    pub url: String,
}

#[cfg(test)]
mod tests;
