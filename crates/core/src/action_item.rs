//! Action items: what a post-mortem asks for, from the day on which it is asked for until it is done or dropped.
//!
//! A document names at most one item of each rule, so an item is known by its incident and its rule, and writing the document
//! again makes none twice. What people decide (status, owner, due date) stays; the words follow the document while the item is
//! open.

pub mod figures;
mod made;
pub mod reminder;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::alert::bounded;
use crate::catalogue::{Catalogue, Severity};
use crate::incident::IncidentId;
use crate::post_mortem::Priority;
use crate::post_mortem::due::zone;

pub use made::of_document;

/// The version of the stored form.
pub const SCHEMA: u32 = 1;

/// The most changes that an item keeps: the first, and the latest.
pub const MAX_HISTORY: usize = 50;

/// The most bytes of a reason.
pub const MAX_WHY: usize = 500;

/// The most bytes of a name.
const MAX_NAME: usize = 80;

/// Who makes items, and drops those that the facts ask for no longer.
pub const WRITER: &str = "post-mortem";

/// `INC-20261123-0f3a9c1d/root-cause`: the incident, and the rule that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId {
    /// Of which incident.
    pub incident: IncidentId,
    /// Which of its items.
    pub item: String,
}

impl ItemId {
    /// An id that somebody typed.
    pub fn parse(text: &str) -> Option<Self> {
        let (incident, item) = text.split_once('/')?;
        let plain = item.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let fits = plain && (1..=60).contains(&item.len());
        let incident = IncidentId::parse(incident).filter(|_| fits)?;
        Some(Self { incident, item: item.to_owned() })
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.incident, self.item)
    }
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has begun.
    Open,
    /// Somebody is on it.
    InProgress,
    /// It is done.
    Done,
    /// It will not be done.
    Dropped,
}

impl Status {
    /// As a table shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in progress",
            Self::Done => "done",
            Self::Dropped => "dropped",
        }
    }
}

/// Something that happened to an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A post-mortem asked for it, for the first time or after the suite had dropped it.
    AskedFor,
    /// Somebody began, or began anew.
    Started,
    /// It is done.
    Done,
    /// It will not be done.
    Dropped,
    /// It went to somebody else.
    Reassigned {
        /// The team.
        team: String,
        /// The person.
        owner: Option<String>,
    },
    /// It is due on another day.
    Moved {
        /// Which.
        due: Date,
    },
}

/// A change: who, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub change: Change,
    /// Why, where somebody said so.
    #[serde(default)]
    pub why: Option<String>,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionItem {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of which incident.
    pub incident_id: IncidentId,
    /// The rule that asked for it; with the incident, the item's id.
    pub item: String,
    /// Grows by one with every write.
    pub version: u64,
    /// What to do, in one line.
    pub title: String,
    /// Why, by the facts of the incident.
    pub why: String,
    /// How to know that it is done.
    pub done_when: String,
    /// How soon.
    pub priority: Priority,
    /// How bad the incident was.
    pub severity: Severity,
    /// Where it stands.
    pub status: Status,
    /// Since when.
    pub status_since: Timestamp,
    /// Name of the team that it belongs to.
    pub team: String,
    /// Name of the person who does it; `None` for the team as a whole.
    #[serde(default)]
    pub owner: Option<String>,
    /// The last day on which it is in time, where its owner lives.
    pub due: Date,
    /// When it was first asked for.
    pub asked_at: Timestamp,
    /// What happened to it, in order; at most [`MAX_HISTORY`].
    pub history: Vec<HistoryEntry>,
}

/// What somebody does with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin, also anew with one that was done or dropped.
    Start,
    /// Say that it is done. Needs a reason: what shows it.
    Done,
    /// Say that it will not be done. Needs a reason.
    Drop,
    /// Give it to somebody.
    Reassign {
        /// Name of a team.
        team: String,
        /// Name of a person; `None` for the team as a whole.
        owner: Option<String>,
    },
    /// Move the day on which it is due.
    Due(Date),
}

/// Why a command does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is in that status already.
    Already(Status),
    /// It is done or dropped, so nobody owes it.
    Closed(Status),
    /// Done and dropped ask for a reason.
    NoReason,
    /// Nothing would be another than it is.
    Unchanged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Already(status) => write!(f, "it is {} already", status.as_str()),
            Self::Closed(status) => write!(f, "it is {}; start it first", status.as_str()),
            Self::NoReason => f.write_str("say why, so that the next incident's reader knows"),
            Self::Unchanged => f.write_str("it is so already"),
        }
    }
}

impl ActionItem {
    /// What people call it by.
    pub fn id(&self) -> ItemId {
        ItemId { incident: self.incident_id.clone(), item: self.item.clone() }
    }

    /// Whether it is still to be done.
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::Open | Status::InProgress)
    }

    /// Whether it should have been done before this day.
    pub fn is_overdue(&self, today: Date) -> bool {
        self.is_open() && self.due < today
    }

    /// What it becomes when somebody does this. Its version grows by one.
    ///
    /// # Errors
    /// A [`Refusal`] when the command would change nothing, or its status does not allow it.
    pub fn apply(&self, command: &Command, by: &str, why: Option<&str>, now: Timestamp) -> Result<Self, Refusal> {
        let why = why.map(str::trim).filter(|why| !why.is_empty());
        let mut item = self.clone();
        let change = match command {
            Command::Start => {
                item.enter(Status::InProgress, now)?;
                Change::Started
            }
            Command::Done | Command::Drop => {
                let (status, change) = match command {
                    Command::Done => (Status::Done, Change::Done),
                    _ => (Status::Dropped, Change::Dropped),
                };
                item.enter(status, now)?;
                why.ok_or(Refusal::NoReason)?;
                change
            }
            Command::Reassign { team, owner } => {
                item.must_be_open()?;
                let (team, owner) = (bounded(team, MAX_NAME), owner.as_ref().map(|owner| bounded(owner, MAX_NAME)));
                if (&item.team, &item.owner) == (&team, &owner) {
                    return Err(Refusal::Unchanged);
                }
                (item.team, item.owner) = (team.clone(), owner.clone());
                Change::Reassigned { team, owner }
            }
            Command::Due(due) => {
                item.must_be_open()?;
                if item.due == *due {
                    return Err(Refusal::Unchanged);
                }
                item.due = *due;
                Change::Moved { due: *due }
            }
        };
        Ok(item.changed(change, by, why, now))
    }

    fn must_be_open(&self) -> Result<(), Refusal> {
        if self.is_open() { Ok(()) } else { Err(Refusal::Closed(self.status)) }
    }

    fn enter(&mut self, status: Status, now: Timestamp) -> Result<(), Refusal> {
        if self.status == status {
            return Err(Refusal::Already(status));
        }
        (self.status, self.status_since) = (status, now);
        Ok(())
    }

    /// With one more change in its history, as its next version.
    fn changed(mut self, change: Change, by: &str, why: Option<&str>, now: Timestamp) -> Self {
        let (by, why) = (bounded(by.trim(), MAX_NAME), why.map(|why| bounded(why, MAX_WHY)));
        self.history.push(HistoryEntry { at: now, by, change, why });
        if self.history.len() > MAX_HISTORY {
            // Who asked for it stays.
            self.history.remove(1);
        }
        self.version += 1;
        self
    }
}

/// The day that it is for whoever owns an item.
pub fn today(catalogue: &Catalogue, item: &ActionItem, now: Timestamp) -> Date {
    now.to_zoned(zone(catalogue, &item.team, item.owner.as_deref())).date()
}

#[cfg(test)]
pub(crate) mod tests;
