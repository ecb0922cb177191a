//! Incidents: facts folded to a state. The head is bounded; the journal keeps every fact with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{AlertChange, AlertKey, ChangeState, GroupKey};
use crate::catalogue::{AlertSeverity, Comparison, Severity};
use crate::metric::{Dimensions, Unit};

/// The version of the stored form. A newer one is read as far as needed to page, and never overwritten.
pub const SCHEMA: u32 = 1;

/// The most alerts that a head carries, so that it stays under 20 KB; further ones are counted.
pub const MAX_MEMBERS: usize = 32;

/// `INC-20261123-0f3a9c1d`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

impl IncidentId {
    /// The id of the incident that this change opens. The same change gives the same id, so a retry after a crash
    /// does not make a second incident.
    pub fn for_change(change: &AlertChange, now: Timestamp) -> Self {
        let date = now.strftime("%Y%m%d");
        let hash = crate::alert::fnv1a(&[change.group.as_str(), change.key.as_str(), &change.at.to_string()]);
        Self(format!("INC-{date}-{:08x}", (hash >> 32) as u32 ^ hash as u32))
    }

    /// An id that somebody typed or that a store returned.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.starts_with("INC-") && text.len() <= 40;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (fits && plain).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has said that they are on it.
    Detected,
    /// Somebody is on it.
    Acknowledged,
    /// The cause is looked for.
    Investigating,
    /// The cause is known.
    Identified,
    /// A fix is in place and watched.
    Monitoring,
    /// Over.
    Resolved,
}

impl Status {
    /// Lower case, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Acknowledged => "acknowledged",
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The head of an incident: its state now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its name.
    #[serde(rename = "incident_id")]
    pub id: IncidentId,
    /// Grows by one with every write.
    pub version: u64,
    /// What it is about; at most one incident of a group is open.
    pub group: GroupKey,
    /// What is wrong, in one line.
    pub title: String,
    /// Only rises by itself.
    pub severity: Severity,
    /// Where it stands.
    pub status: Status,
    /// What to do about it.
    pub runbook: Option<String>,
    /// When the first alert fired.
    pub onset: Timestamp,
    /// When it was recorded.
    pub opened_at: Timestamp,
    /// Last write.
    pub updated_at: Timestamp,
    /// The alerts that belong to it; at most [`MAX_MEMBERS`].
    pub alerts: BTreeMap<AlertKey, Member>,
    /// How many alerts came beyond those. They are in the journal, and keep the incident from resolving by itself.
    pub alerts_beyond: u32,
    /// Who is on it.
    pub acknowledgement: Option<Acknowledgement>,
    /// When and by whom it ended.
    pub resolution: Option<Resolution>,
    /// How far the escalation has come.
    pub escalation: Escalation,
    /// When somebody must look again; `None` only when acknowledged or resolved.
    pub wake_at: Option<Timestamp>,
    /// Every page that was asked for, oldest first.
    pub pages: Vec<Page>,
    /// Where the incident's message is, for each Slack channel that gave a receipt.
    pub threads: BTreeMap<String, SlackThread>,
    /// Number of the next journal entry.
    pub next_entry: u32,
    /// Number of the next effect.
    pub next_effect: u32,
}

/// An alert within an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Whether it fires.
    pub state: ChangeState,
    /// When that was last said. What is older changes nothing.
    pub at: Timestamp,
    /// When it first fired in this incident.
    pub since: Timestamp,
    /// What is wrong.
    pub title: String,
    /// How bad the alert is.
    pub level: AlertSeverity,
    /// How bad that makes the incident.
    pub severity: Severity,
    /// Its set of dimensions.
    pub dimensions: Dimensions,
    /// The value that breached.
    pub value: Option<f64>,
    /// The bad side of the threshold.
    pub comparison: Option<Comparison>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// Unit of both.
    pub unit: Unit,
    /// What it asks to do.
    pub runbook: Option<String>,
    /// A quote of what was not recognised.
    pub quote: Option<String>,
}

/// Somebody is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// When.
    pub at: Timestamp,
    /// Who, or `recovery` for all alerts measured OK.
    pub by: String,
}

/// How far the escalation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The last level that was paged, from 1; 0 before the first page.
    pub level: u32,
    /// How often it has started over, or been restarted by a rise.
    pub round: u32,
    /// When the round began.
    pub started_at: Timestamp,
}

/// A page that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Name of the channel.
    pub channel: String,
    /// From 1.
    pub level: u32,
    /// From 0.
    pub round: u32,
}

/// Where the incident's message is in Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackThread {
    /// Id of the conversation.
    pub conversation: String,
    /// Id of the message.
    pub ts: String,
}

/// Something that happened to an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// It began.
    Opened {
        /// What it is about.
        group: GroupKey,
        /// In one line.
        title: String,
        /// How bad.
        severity: Severity,
        /// What to do.
        runbook: Option<String>,
        /// When the alert fired.
        onset: Timestamp,
    },
    /// An alert fires, for the first time, again, or worse.
    AlertFired {
        /// Which.
        key: AlertKey,
        /// Its state.
        member: Member,
    },
    /// An alert was measured OK.
    AlertRecovered {
        /// Which.
        key: AlertKey,
        /// When.
        at: Timestamp,
    },
    /// It got worse.
    SeverityRaised {
        /// Now.
        to: Severity,
        /// The title of what made it worse.
        title: String,
        /// What to do now.
        runbook: Option<String>,
    },
    /// People were called; the effects are numbered beside it.
    Paged {
        /// From 1.
        level: u32,
        /// From 0.
        round: u32,
        /// When the round began.
        started_at: Timestamp,
        /// Which channels.
        channels: Vec<String>,
        /// When the next step is due.
        next_at: Timestamp,
    },
    /// A page on one more channel, since another failed.
    FellBack {
        /// The one that failed.
        from: String,
        /// The page on the other.
        page: Page,
    },
    /// Somebody is on it.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// Somebody said where it stands.
    StatusChanged {
        /// Where.
        to: Status,
        /// Who.
        by: String,
    },
    /// Somebody wrote something down.
    Noted {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// It is over.
    Resolved {
        /// Who, or `recovery`.
        by: String,
    },
    /// It is not over after all.
    Reopened {
        /// Who.
        by: String,
    },
    /// A message was accepted by its receiver.
    Delivered {
        /// Number of the effect.
        effect: u32,
        /// Name of the channel.
        channel: String,
        /// Where the message is.
        thread: Option<SlackThread>,
    },
    /// A message was given up.
    DeliveryFailed {
        /// Number of the effect.
        effect: u32,
        /// Name of the channel.
        channel: String,
    },
}

/// A fact in the journal, with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub number: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
    /// Why.
    pub reason: String,
    /// Numbers of the effects that it caused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<u32>,
}

impl Incident {
    /// The state of an incident that has just begun, before any fact but its opening.
    pub fn open(id: IncidentId, fact: &Fact, at: Timestamp) -> Option<Self> {
        let Fact::Opened { group, title, severity, runbook, onset } = fact else {
            return None;
        };
        Some(Self {
            schema: SCHEMA,
            id,
            version: 0,
            group: group.clone(),
            title: title.clone(),
            severity: *severity,
            status: Status::Detected,
            runbook: runbook.clone(),
            onset: *onset,
            opened_at: at,
            updated_at: at,
            alerts: BTreeMap::new(),
            alerts_beyond: 0,
            acknowledgement: None,
            resolution: None,
            escalation: Escalation { level: 0, round: 0, started_at: at },
            wake_at: Some(at),
            pages: Vec::new(),
            threads: BTreeMap::new(),
            next_entry: 1,
            next_effect: 1,
        })
    }

    /// Folds one journal entry into the state.
    pub fn apply(&mut self, entry: &Entry) {
        self.updated_at = entry.at;
        self.next_entry = entry.number + 1;
        if let Some(last) = entry.effects.iter().max() {
            self.next_effect = self.next_effect.max(last + 1);
        }
        match &entry.fact {
            Fact::Opened { .. } | Fact::Noted { .. } | Fact::DeliveryFailed { .. } => {}
            Fact::AlertFired { key, member } => {
                if self.alerts.contains_key(key) || self.alerts.len() < MAX_MEMBERS {
                    self.alerts.insert(key.clone(), member.clone());
                } else {
                    self.alerts_beyond += 1;
                }
            }
            Fact::AlertRecovered { key, at } => {
                if let Some(member) = self.alerts.get_mut(key) {
                    member.state = ChangeState::Ok;
                    member.at = *at;
                }
            }
            Fact::SeverityRaised { to, title, runbook } => {
                self.severity = *to;
                self.title.clone_from(title);
                self.runbook = runbook.clone().or_else(|| self.runbook.take());
            }
            Fact::Paged { level, round, started_at, channels, next_at } => {
                self.escalation = Escalation { level: *level, round: *round, started_at: *started_at };
                self.wake_at = Some(*next_at);
                if self.acknowledgement.take().is_some() && self.status == Status::Acknowledged {
                    self.status = Status::Detected;
                }
                let pages = channels.iter().map(|channel| Page { channel: channel.clone(), level: *level, round: *round });
                self.pages.extend(pages);
            }
            Fact::FellBack { page, .. } => self.pages.push(page.clone()),
            Fact::Acknowledged { by } => {
                self.acknowledgement = Some(Acknowledgement { at: entry.at, by: by.clone() });
                self.wake_at = None;
                if self.status == Status::Detected {
                    self.status = Status::Acknowledged;
                }
            }
            Fact::StatusChanged { to, .. } => self.status = *to,
            Fact::Resolved { by } => {
                self.status = Status::Resolved;
                self.resolution = Some(Resolution { at: entry.at, by: by.clone() });
                self.wake_at = None;
            }
            Fact::Reopened { .. } => {
                self.status = Status::Detected;
                self.resolution = None;
                self.acknowledgement = None;
                self.wake_at = Some(entry.at);
            }
            Fact::Delivered { channel, thread, .. } => {
                if let Some(thread) = thread {
                    self.threads.entry(channel.clone()).or_insert_with(|| thread.clone());
                }
            }
        }
    }

    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.status != Status::Resolved
    }

    /// Whether somebody must still say that they are on it.
    pub fn needs_acknowledgement(&self) -> bool {
        self.is_open() && self.acknowledgement.is_none()
    }

    /// Whether every alert has been measured OK, and none went untracked.
    pub fn has_recovered(&self) -> bool {
        self.alerts_beyond == 0 && !self.alerts.is_empty() && self.alerts.values().all(|member| member.state == ChangeState::Ok)
    }

    /// The channels that have been paged, each once.
    pub fn channels(&self) -> BTreeSet<&str> {
        self.pages.iter().map(|page| page.channel.as_str()).collect()
    }
}
