//! What can happen to an incident, as its journal keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Earlier, Hold, Member, SlackThread, Status};
use crate::action::Step;
use crate::alert::{AlertKey, GroupKey};
use crate::catalogue::Severity;
use crate::investigation::Investigation;

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
        /// What its group went through before.
        #[serde(default)]
        earlier: Earlier,
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
        /// When. Named apart from the entry's own time, beside which it is stored.
        measured_at: Timestamp,
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
    /// The record of one of its alerts came a second time: people may have been paged while nothing could be recorded.
    CameAgain {
        /// The key of such a page.
        key: String,
    },
    /// Nobody is called, for this reason.
    Held {
        /// The reason.
        hold: Hold,
    },
    /// Nothing holds the page back any longer.
    Released {},
    /// Somebody is on it.
    Acknowledged {
        /// Who.
        by: String,
        /// When that is relied on no longer, if they say nothing more.
        stale_at: Timestamp,
    },
    /// Whoever was on it has said nothing for too long.
    WentStale {
        /// Who.
        by: String,
    },
    /// Somebody said where it stands.
    StatusChanged {
        /// Where.
        to: Status,
        /// Who.
        by: String,
        /// When that is relied on no longer, if they say nothing more.
        stale_at: Timestamp,
    },
    /// Somebody wrote something down.
    Noted {
        /// Who.
        by: String,
        /// What.
        text: String,
        /// When that is relied on no longer; `None` where nobody has acknowledged.
        #[serde(default)]
        stale_at: Option<Timestamp>,
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
    /// A post-mortem was written.
    PostMortemWritten {
        /// How many action items it asks for.
        action_items: u32,
        /// When more will be known of what it cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_at: Option<Timestamp>,
    },
    /// Its post-mortem was asked for once more: whether it is approved, and whether more is known.
    PostMortemAsked {},
    /// Whoever reviews its post-mortem was reminded.
    ReviewReminded {},
    /// Somebody approved its post-mortem.
    PostMortemApproved {
        /// Who.
        by: String,
    },
    /// It was investigated.
    Investigated {
        /// What came of it.
        found: Box<Investigation>,
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
    /// Something happened to an automated action.
    Action {
        /// Number of its run within the incident.
        run: u32,
        /// What.
        progress: Step,
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
