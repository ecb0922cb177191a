//! Incidents: facts folded to a state. The head is bounded; the journal keeps every fact with its reason.

mod fact;
mod hold;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::action::{MAX_RUNS, Run, Step, Target};
use crate::alert::{AlertChange, AlertKey, ChangeState, GroupKey, bounded, fnv1a};
use crate::catalogue::{AlertSeverity, Comparison, Severity};
use crate::metric::{Dimensions, Range, Unit};

pub use fact::{Entry, Fact, Page};
pub use hold::{Earlier, Hold};

/// The version of the stored form. A newer one is read as far as needed to page, and never overwritten.
pub const SCHEMA: u32 = 1;

/// The newest version of the stored form: that of an incident which has told a team, since versions before cannot read it. They say so
/// of a newer schema; what they merely could not read would look like damage.
pub const NEWEST_SCHEMA: u32 = 2;

/// The most alerts that a head carries, so that it stays under 20 KB; further ones are counted.
pub const MAX_MEMBERS: usize = 16;

/// The most alerts that are counted beyond those, each once; further ones are not even counted.
pub const MAX_BEYOND: usize = 48;

/// Who ends an incident of which every alert was measured OK.
pub const RECOVERY: &str = "recovery";

/// The most bytes of a member's title and quote, and of all its dimensions together as JSON.
const MAX_TITLE: usize = 100;
const MAX_QUOTE: usize = 110;
const MAX_DIMENSIONS: usize = 100;

/// `INC-20261123-0f3a9c1d`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

impl IncidentId {
    /// The id of the incident that this change opens after `previous`, the latest of its group. The same change gives
    /// the same id, so a retry after a crash does not make a second incident; a change that comes once more after a
    /// later incident gives another.
    pub fn for_change(change: &AlertChange, previous: Option<&Self>, now: Timestamp) -> Self {
        let date = now.strftime("%Y%m%d");
        let previous = previous.map_or("", Self::as_str);
        let hash = fnv1a(&[change.group.as_str(), change.key.as_str(), &change.at.to_string(), previous]);
        Self(format!("INC-{date}-{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff)))
    }

    /// An id that somebody typed or that a store returned.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.starts_with("INC-") && (5..=40).contains(&text.len());
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
    /// [`SCHEMA`], or more where it has something that needs more.
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
    /// Hashes of the keys of alerts that came beyond those; at most [`MAX_BEYOND`]. They are in the journal, and keep the
    /// incident from resolving by itself.
    pub beyond: BTreeSet<u64>,
    /// Who is on it.
    pub acknowledgement: Option<Acknowledgement>,
    /// When and by whom it ended.
    pub resolution: Option<Resolution>,
    /// How far the escalation has come.
    pub escalation: Escalation,
    /// When somebody must look again; `None` only when resolved.
    pub wake_at: Option<Timestamp>,
    /// The pages that were asked for, by channel.
    pub pages: BTreeMap<String, Pages>,
    /// Why nobody is called for it.
    #[serde(default)]
    pub held: Option<Hold>,
    /// What the group went through before.
    #[serde(default)]
    pub earlier: Earlier,
    /// The key under which it may have been paged while it could not be recorded.
    #[serde(default)]
    pub unrecorded_key: Option<String>,
    /// Its automated actions since it was last opened; at most [`MAX_RUNS`].
    #[serde(default)]
    pub runs: Vec<Run>,
    /// Number of the next run.
    #[serde(default = "first")]
    pub next_run: u32,
    /// When its post-mortem was written, since it was last resolved.
    #[serde(default)]
    pub post_mortem_at: Option<Timestamp>,
    /// Its post-mortem waits for somebody who approves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// When what was found out about it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub investigated_at: Option<Timestamp>,
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
    /// What was expected of the value, where a detector says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Range>,
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

/// A post-mortem that nobody has approved yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// When its reviewers are reminded next.
    pub remind_at: Timestamp,
    /// How often they were.
    pub reminders: u32,
}

impl Review {
    /// How often reviewers are reminded in the first week; each week after that.
    const EVERY: SignedDuration = SignedDuration::from_hours(24);
    const LATER_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn remind(&mut self, now: Timestamp) {
        self.reminders = self.reminders.saturating_add(1);
        self.remind_at = later(now, if self.reminders < 7 { Self::EVERY } else { Self::LATER_EVERY });
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// How far the escalation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The last level that was paged, from 1; 0 before the first page.
    pub level: u32,
    /// How often it has started over, or been restarted by a rise or a reopening.
    pub round: u32,
    /// The round that the latest rise or reopening began: rounds grow longer from there.
    pub first_round: u32,
    /// When the round began.
    pub started_at: Timestamp,
}

/// The pages that were asked for on one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// The level of the last one, from 1.
    pub level: u32,
    /// The round of the last one, from 0.
    pub round: u32,
    /// Number of the last one's effect.
    pub effect: Option<u32>,
    /// Level and round of each, as `2.0`, oldest first; at most [`Pages::MAX`].
    pub asked: Vec<String>,
}

impl Pages {
    /// The most pages that are remembered: each is a key at `PagerDuty`, and one more call when the incident is
    /// acknowledged or resolved. Beyond them, after weeks without an answer, the oldest but the first is forgotten.
    pub const MAX: usize = 60;

    /// One more page.
    fn add(&mut self, level: u32, round: u32, effect: Option<u32>) {
        (self.level, self.round, self.effect) = (level, round, effect);
        self.asked.push(format!("{level}.{round}"));
        if self.asked.len() > Self::MAX {
            self.asked.remove(1);
        }
    }

    /// A page that was perhaps sent before there was an incident. It comes first when it was: the page that recording
    /// the incident asks for then joins its key.
    fn add_unrecorded(&mut self) {
        self.asked.push(Self::UNRECORDED.to_owned());
    }

    /// Stands for a page that was sent without a record.
    const UNRECORDED: &str = "unrecorded";
}

/// Where the incident's message is in Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackThread {
    /// Id of the conversation.
    pub conversation: String,
    /// Id of the message.
    pub ts: String,
}

impl Incident {
    /// The state of an incident that has just begun, before any fact but its opening.
    pub fn open(id: IncidentId, fact: &Fact, at: Timestamp) -> Option<Self> {
        let Fact::Opened { group, title, severity, runbook, onset, .. } = fact else {
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
            beyond: BTreeSet::new(),
            acknowledgement: None,
            resolution: None,
            escalation: Escalation { level: 0, round: 0, first_round: 0, started_at: at },
            wake_at: Some(at),
            pages: BTreeMap::new(),
            held: None,
            earlier: Earlier::default(),
            unrecorded_key: None,
            runs: Vec::new(),
            next_run: first(),
            post_mortem_at: None,
            review: None,
            investigated_at: None,
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
            Fact::Opened { earlier, .. } => self.earlier = earlier.clone(),
            Fact::DeliveryFailed { .. } => {}
            Fact::Noted { stale_at, .. } => {
                // Whoever writes something down is still on it.
                self.wake_at = stale_at.or(self.wake_at);
            }
            Fact::CameAgain { key } => {
                self.unrecorded_key = Some(key.clone());
                self.pages.values_mut().for_each(Pages::add_unrecorded);
            }
            Fact::AlertFired { key, member } => {
                if self.has_room_for(key) {
                    self.alerts.insert(key.clone(), member.clone());
                } else if self.beyond.len() < MAX_BEYOND {
                    self.beyond.insert(hash_of(key));
                }
            }
            Fact::AlertRecovered { key, measured_at } => {
                if let Some(member) = self.alerts.get_mut(key) {
                    member.state = ChangeState::Ok;
                    member.at = *measured_at;
                }
            }
            Fact::SeverityRaised { to, title, runbook } => {
                self.severity = *to;
                self.restart();
                self.title.clone_from(title);
                self.runbook = runbook.clone().or_else(|| self.runbook.take());
            }
            Fact::Held { hold } => {
                self.held = Some(hold.clone());
                self.forget_acknowledgement();
                self.wake_at = Some(entry.at);
            }
            Fact::Released {} => self.held = None,
            Fact::Paged { level, round, started_at, channels, next_at } => {
                let first_round = self.escalation.first_round;
                self.escalation = Escalation { level: *level, round: *round, first_round, started_at: *started_at };
                self.wake_at = Some(*next_at);
                self.held = None;
                self.forget_acknowledgement();
                // The effects of the pages come first, in the order of the channels.
                for (index, channel) in channels.iter().enumerate() {
                    self.paged(channel, *level, *round, entry.effects.get(index));
                }
            }
            Fact::FellBack { page, .. } => self.paged(&page.channel, page.level, page.round, entry.effects.first()),
            Fact::Acknowledged { by, stale_at } => {
                self.acknowledgement = Some(Acknowledgement { at: entry.at, by: by.clone() });
                self.held = None;
                self.wake_at = Some(*stale_at);
                if self.status == Status::Detected {
                    self.status = Status::Acknowledged;
                }
            }
            Fact::WentStale { .. } => {
                self.restart();
                self.forget_acknowledgement();
                self.wake_at = Some(entry.at);
            }
            Fact::StatusChanged { to, stale_at, .. } => {
                self.status = *to;
                self.wake_at = Some(*stale_at);
            }
            Fact::Resolved { by } => {
                self.status = Status::Resolved;
                self.resolution = Some(Resolution { at: entry.at, by: by.clone() });
                self.held = None;
                self.wake_at = None;
            }
            Fact::Reopened { .. } => {
                self.restart();
                self.status = Status::Detected;
                self.resolution = None;
                (self.post_mortem_at, self.review) = (None, None);
                self.acknowledgement = None;
                self.wake_at = Some(entry.at);
                // What was tried may be tried again.
                self.runs.retain(Run::is_live);
            }
            Fact::Action { run, progress } => self.acted(*run, progress),
            Fact::PostMortemWritten { .. }
            | Fact::PostMortemAsked {}
            | Fact::ReviewReminded {}
            | Fact::PostMortemApproved { .. } => self.reviewed(&entry.fact, entry.at),
            Fact::Investigated { .. } => self.investigated_at = Some(entry.at),
            Fact::Delivered { channel, thread, .. } => {
                if let Some(thread) = thread {
                    self.threads.insert(channel.clone(), thread.clone());
                }
            }
        }
    }

    /// What happened to its post-mortem, and when to look at that again.
    fn reviewed(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::PostMortemWritten { again_at, .. } => {
                self.post_mortem_at = Some(at);
                let review = Review { remind_at: later(at, Review::EVERY), reminders: 0 };
                self.wake_at = Some(again_at.map_or(review.remind_at, |again| again.min(review.remind_at)));
                self.review = Some(review);
            }
            Fact::PostMortemAsked {} => {
                // Asked again in a day, should no answer come.
                let remind_at = self.review.as_ref().map(|review| review.remind_at).filter(|remind_at| *remind_at > at);
                self.wake_at = remind_at.or(Some(later(at, Review::EVERY)));
            }
            Fact::ReviewReminded {} => {
                let review = self.review.get_or_insert(Review { remind_at: at, reminders: 0 });
                review.remind(at);
                self.wake_at = Some(review.remind_at);
            }
            Fact::PostMortemApproved { .. } => {
                self.post_mortem_at.get_or_insert(at);
                (self.review, self.wake_at) = (None, None);
            }
            _ => {}
        }
    }

    fn acted(&mut self, number: u32, progress: &Step) {
        if let Step::Considered { run } = progress {
            self.next_run = self.next_run.max(number + 1);
            if matches!(run.target, Target::Team { .. }) {
                self.schema = NEWEST_SCHEMA;
            }
            if self.runs.len() < MAX_RUNS {
                self.runs.push((**run).clone());
            }
            return;
        }
        if let Step::Told { channels } = progress {
            for channel in channels {
                self.told(channel, number);
            }
        }
        if let Some(run) = self.runs.iter_mut().find(|known| known.number == number) {
            run.apply(progress);
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
        let recovered = |member: &Member| member.state == ChangeState::Ok;
        self.beyond.is_empty() && !self.alerts.is_empty() && self.alerts.values().all(recovered)
    }

    /// Whether the alert is, or can be, one of those that the head carries.
    pub fn has_room_for(&self, key: &AlertKey) -> bool {
        self.alerts.contains_key(key) || self.alerts.len() < MAX_MEMBERS
    }

    /// Whether the alert is beyond those that the head carries, and either known or one too many to be counted.
    pub fn is_beyond(&self, key: &AlertKey) -> bool {
        !self.has_room_for(key) && (self.beyond.len() >= MAX_BEYOND || self.beyond.contains(&hash_of(key)))
    }

    /// The channels that have been paged.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.pages.keys().map(String::as_str)
    }

    /// The highest level that was called, in whatever round; 0 before the first page.
    pub fn highest_level(&self) -> u32 {
        let asked = self.pages.values().flat_map(|pages| &pages.asked);
        let levels = asked.filter_map(|page| page.split_once('.')?.0.parse::<u32>().ok());
        levels.max().unwrap_or_default().max(self.escalation.level)
    }

    /// When it must be looked at again: for whoever waits, or for one of its actions.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.wake_at.into_iter().chain(self.runs.iter().filter_map(Run::due_at)).min()
    }

    fn forget_acknowledgement(&mut self) {
        if self.acknowledgement.take().is_some() && self.status == Status::Acknowledged {
            self.status = Status::Detected;
        }
    }

    /// What comes now is news to whoever did not answer before, so the rounds have their plain length again.
    fn restart(&mut self) {
        if self.escalation.level > 0 {
            self.escalation.first_round = self.escalation.round + 1;
        }
    }

    /// The keys at `PagerDuty` that the pages on a channel have opened.
    pub fn keys(&self, channel: &str) -> Vec<String> {
        let asked = self.pages.get(channel).map(|pages| pages.asked.as_slice()).unwrap_or_default();
        let key = |(index, page): (usize, &String)| match (&self.unrecorded_key, index) {
            (Some(key), _) if page == Pages::UNRECORDED => key.clone(),
            (_, 0) => self.id.to_string(),
            _ => format!("{}/{page}", self.id),
        };
        asked.iter().enumerate().map(key).collect()
    }

    /// The key that the next page on a channel opens: the incident's id for the first one, `INC-.../2.0` for a later one
    /// of level 2 in round 0. Each has its own, since one more trigger on an open key notifies nobody. So the first page
    /// of an incident that was perhaps paged already, when it could not be recorded, joins that key.
    pub fn next_key(&self, channel: &str, level: u32, round: u32) -> String {
        match (self.pages.get(channel), &self.unrecorded_key) {
            (Some(_), _) => format!("{}/{level}.{round}", self.id),
            (None, Some(key)) => key.clone(),
            (None, None) => self.id.to_string(),
        }
    }

    /// The key of the message by which action `run` tells a team: level 0 stands for whoever is not called by a level.
    pub fn team_key(&self, channel: &str, run: u32) -> String {
        self.next_key(channel, 0, run)
    }

    /// What tells a team opens a key as well, and is no step of the escalation.
    fn told(&mut self, channel: &str, run: u32) {
        let place = self.pages.get(channel).map(|pages| (pages.level, pages.round, pages.effect));
        self.paged(channel, 0, run, None);
        if let Some(pages) = self.pages.get_mut(channel) {
            (pages.level, pages.round, pages.effect) = place.unwrap_or_default();
        }
    }

    fn paged(&mut self, channel: &str, level: u32, round: u32, effect: Option<&u32>) {
        let joins = self.unrecorded_key.is_some() && !self.pages.contains_key(channel);
        let pages = self.pages.entry(channel.to_owned()).or_default();
        pages.add(level, round, effect.copied());
        if joins {
            pages.asked.clear();
            pages.add_unrecorded();
        }
    }
}

impl Member {
    /// What the head keeps of a change; `known` is what it kept before.
    pub fn of(change: &AlertChange, known: Option<&Self>) -> Self {
        // What is quoted was not understood, and has no dimensions that mean anything.
        let mut room = if change.quote.is_some() { 0 } else { MAX_DIMENSIONS };
        let fits = |(name, value): &(&String, &String)| {
            let size = name.len() + value.len() + r#""":"","#.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        };
        Self {
            state: change.state,
            at: change.at,
            since: known
                .filter(|member| member.state == ChangeState::Firing)
                .map_or(change.since, |member| member.since),
            title: bounded(&change.title, MAX_TITLE),
            level: change.level,
            severity: change.severity,
            dimensions: change.dimensions.iter().take_while(fits).map(|(n, v)| (n.clone(), v.clone())).collect(),
            value: change.value,
            comparison: change.comparison,
            threshold: change.threshold,
            unit: change.unit,
            runbook: change.runbook.clone(),
            quote: change.quote.as_deref().map(|quote| bounded(quote, MAX_QUOTE)),
            // Of an alert that ended, what it fired on is still what matters. What is quoted was not understood, and no detector said it.
            expected: change.expected.or(known.and_then(|member| member.expected)).filter(|_| change.quote.is_none()),
        }
    }
}

/// Numbers count from 1.
fn first() -> u32 {
    1
}

fn hash_of(key: &AlertKey) -> u64 {
    fnv1a(&[key.as_str()])
}

#[cfg(test)]
mod tests;
