//! The decision: the state of an incident and what happened, to the new state, what to do, and why.
//!
//! Pure and total. The caller has loaded the latest incident of the group, and writes what comes out in one transaction.

mod actions;
mod alerts;
mod commands;
mod holds;
mod investigation;
mod notices;
mod pages;
mod post_mortem;
mod team;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Ledger, Look, Phase, PlannedCall};
use crate::alert::{AlertChange, GroupKey, bounded, fnv1a, given};
use crate::catalogue::{Catalogue, environment_suffix};
use crate::incident::{Entry, Fact, Incident, IncidentId, SlackThread, Status};
use crate::investigation::{Investigation, Question};
use crate::message::{Notice, NoticeKind};

pub use actions::{Looked, Obstacle, Ran, asked_with, needs_ledger};
pub use holds::{Around, Parent, concerned_by_others};

/// What a decision rests on beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The user's decisions.
    pub catalogue: &'a Catalogue,
    /// `production`.
    pub environment: &'a str,
    /// Where in AWS, for links into the console; `None` where there is no account.
    pub region: Option<&'a str>,
    /// How things stand around the incident.
    pub around: &'a Around,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An alert changed.
    Alert(AlertChange),
    /// An alert changed, and its record came before: it may have been paged without being recorded.
    AlertAgain(AlertChange),
    /// Somebody gave a command.
    Command(Command),
    /// The wake-up time may have come.
    Wake,
    /// A message was accepted, or given up.
    Delivery(DeliveryReport),
    /// The target of an action was looked at.
    Looked(Looked),
    /// The calls of an action were made, or not.
    Ran(Ran),
    /// The post-mortem function has written a document.
    PostMortemWritten(PostMortemWritten),
    /// The monitoring function has investigated the incident.
    Investigated(Investigation),
}

impl Event {
    /// The name under which it is carried out once.
    pub fn once(&self) -> Option<&str> {
        match self {
            Self::Command(command) => command.once.as_deref(),
            _ => None,
        }
    }

    /// Whether it can only be decided on with the ledger of actions at hand.
    pub fn is_about_actions(&self) -> bool {
        let by_hand = |command: &Command| matches!(command.action, Action::Approve(_) | Action::Undo(_));
        matches!(self, Self::Looked(_) | Self::Ran(_)) || matches!(self, Self::Command(command) if by_hand(command))
    }
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Of which incident.
    pub target: CommandTarget,
    /// What.
    pub action: Action,
    /// Who.
    pub by: String,
    /// Words that go with it.
    pub text: Option<String>,
    /// Names this very interaction, where it can be sent again by somebody who only overheard it: a command with the same
    /// name is carried out once.
    pub once: Option<String>,
}

/// Which incident a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandTarget {
    /// This one.
    Incident(IncidentId),
    /// The one that was paged under this key before it could be recorded.
    UnrecordedKey(String),
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// I am on it.
    Acknowledge,
    /// It is over.
    Resolve,
    /// It is not over after all.
    Reopen,
    /// Write this down.
    Note(String),
    /// It stands there now.
    Status(Status),
    /// Go on with the automated action of this number.
    Approve(u32),
    /// Undo the automated action of this number.
    Undo(u32),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Number of the effect.
    pub effect: u32,
    /// Name of the channel.
    pub channel: String,
    /// Whether it called somebody.
    pub is_page: bool,
    /// Whether it is not attempted again.
    pub given_up: bool,
    /// Where the message is, or why it was not accepted.
    pub result: Result<Option<SlackThread>, String>,
}

/// A post-mortem was written, or written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostMortemWritten {
    /// How many action items it asks for.
    pub action_items: u32,
    /// Titles of the teams that review it.
    pub reviewers: Vec<String>,
    /// Who has approved it as it is.
    #[serde(default)]
    pub approved_by: Option<String>,
    /// When more will be known of what it cost.
    #[serde(default)]
    pub again_at: Option<Timestamp>,
}

/// Something to be done outside, recorded before it is attempted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// From 1 within its incident; with the incident's id it is the idempotency key.
    pub number: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EffectKind,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "nearly every effect is a message")]
pub enum EffectKind {
    /// Tell people.
    Notify {
        /// Name of the channel.
        channel: String,
        /// What to say.
        notice: Box<Notice>,
    },
    /// Look at what an action would change.
    Look {
        /// Number of the run.
        run: u32,
        /// At what.
        look: Look,
    },
    /// Make the calls of an action.
    RunActions {
        /// Number of the run.
        run: u32,
        /// What they are for.
        phase: Phase,
        /// In this order; the first that fails is the last.
        calls: Vec<PlannedCall>,
    },
    /// Have the post-mortem function write a document.
    WritePostMortem {},
    /// Have the monitoring function find out what lies behind the incident.
    Investigate {
        /// What is to be found out.
        question: Question,
    },
}

impl Effect {
    /// Whether it calls somebody.
    pub fn is_page(&self) -> bool {
        self.notice().is_some_and(|(_, notice)| matches!(notice.kind, NoticeKind::Page { .. }))
    }

    /// The idempotency key: the same for every attempt.
    pub fn key(&self, incident: &IncidentId) -> String {
        format!("{incident}#{}", self.number)
    }

    /// The channel and what to say there, if it tells people.
    pub fn notice(&self) -> Option<(&str, &Notice)> {
        match &self.kind {
            EffectKind::Notify { channel, notice } => Some((channel, notice)),
            EffectKind::Look { .. }
            | EffectKind::RunActions { .. }
            | EffectKind::WritePostMortem {}
            | EffectKind::Investigate { .. } => None,
        }
    }

    /// The function that it asks for something, without the service's prefix, and the event for it.
    pub fn request(&self, incident: &IncidentId) -> Option<(&'static str, Value)> {
        match &self.kind {
            EffectKind::WritePostMortem {} => Some(("post-mortem", json!({ "incident_id": incident }))),
            EffectKind::Investigate { question } => {
                Some(("comprehensive-monitoring", json!({ "incident_id": incident, "investigate": question })))
            }
            EffectKind::Notify { .. } | EffectKind::Look { .. } | EffectKind::RunActions { .. } => None,
        }
    }

    /// What is done in order: the messages of one channel, the calls of one action, what one function is asked for.
    pub fn lane(&self) -> String {
        match &self.kind {
            EffectKind::Notify { channel, .. } => channel.clone(),
            // No channel's name has a slash.
            EffectKind::Look { run, .. } | EffectKind::RunActions { run, .. } => format!("action/{run}"),
            EffectKind::WritePostMortem {} => "function/post-mortem".to_owned(),
            EffectKind::Investigate { .. } => "function/monitoring".to_owned(),
        }
    }

    /// Whether a newer effect of the same lane makes this one pointless: an update that was never sent, or a document that
    /// is asked for once more.
    pub fn is_superseded_by(&self, newer: &Self) -> bool {
        let replaces = match (&self.kind, &newer.kind) {
            (EffectKind::Notify { notice, .. }, EffectKind::Notify { notice: newer, .. }) => {
                notice.kind == NoticeKind::Update
                    && matches!(newer.kind, NoticeKind::Update | NoticeKind::Resolved { .. })
            }
            (EffectKind::WritePostMortem {}, EffectKind::WritePostMortem {}) => true,
            _ => false,
        };
        replaces && newer.number > self.number && self.lane() == newer.lane()
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The new state; `None` when there is no incident and none is called for.
    pub incident: Option<Incident>,
    /// New journal entries. None: nothing changed, and nothing is to be written.
    pub entries: Vec<Entry>,
    /// New effects.
    pub effects: Vec<Effect>,
    /// What became of each event that was consumed.
    pub outcomes: Vec<Outcome>,
    /// The ledger of actions as it is to be; `None` where it stays as it is.
    pub ledger: Option<Ledger>,
}

impl Decision {
    /// Whether it calls somebody.
    pub fn calls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.fact, Fact::Paged { .. } | Fact::Released {}))
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it changed anything.
    pub changed: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Decides on some events of one group or one incident, in their order.
///
/// `latest` is the latest incident of the group, open or resolved. Stops early, with fewer outcomes than events, when
/// what follows would concern another incident; the caller writes this one and comes back with the rest.
pub fn decide(policy: Policy<'_>, latest: Option<&Incident>, events: &[Event], now: Timestamp) -> Decision {
    let mut deciding = Deciding {
        policy,
        now,
        incident: latest.cloned(),
        entries: Vec::new(),
        effects: Vec::new(),
        outcomes: Vec::new(),
        told: Vec::new(),
        first_page: None,
        first_called: false,
        fired: false,
        paged: BTreeSet::new(),
        ledger: policy.around.ledger.clone(),
        ledger_changed: false,
    };
    for event in events {
        let written = !deciding.entries.is_empty();
        let ended = deciding.incident.as_ref().is_some_and(|incident| !incident.is_open());
        if written && ended {
            // One incident a decision: whatever comes after its end is decided on what was stored.
            break;
        }
        let before = deciding.entries.len();
        let reason = deciding.event(event);
        deciding.outcomes.push(Outcome { changed: deciding.entries.len() > before, reason });
    }
    deciding.finish()
}

struct Deciding<'a> {
    policy: Policy<'a>,
    now: Timestamp,
    incident: Option<Incident>,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    outcomes: Vec<Outcome>,
    /// What to tell the channels that already know of the incident, once all events are folded.
    told: Vec<String>,
    /// Why the first page is sent, until it is: once for all alerts that come together, at the worst severity.
    first_page: Option<String>,
    /// Whether this decision is the first to call anybody for the incident.
    first_called: bool,
    /// Whether an alert of the incident fired anew, so that what holds its page back may not fit any longer.
    fired: bool,
    /// The channels that this decision pages. A page says how things stand, so no update follows it.
    paged: BTreeSet<String>,
    /// What was done lately; `None` where that is not known, and nothing about actions is decided.
    ledger: Option<Ledger>,
    ledger_changed: bool,
}

/// The most bytes of a reason in the journal, and of why a message is sent.
const MAX_REASON: usize = 600;

/// The most news that one update spells out.
const MAX_NEWS: usize = 5;

impl Deciding<'_> {
    fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Alert(change) => self.alert(change),
            Event::AlertAgain(change) => self.alert_again(change),
            Event::Command(command) => self.command(command),
            Event::Wake => self.wake(),
            Event::Delivery(report) => self.delivery(report),
            Event::Looked(looked) => self.looked(looked),
            Event::Ran(ran) => self.ran(ran),
            Event::PostMortemWritten(written) => self.post_mortem_written(written),
            Event::Investigated(found) => self.investigated(found),
        }
    }

    fn finish(mut self) -> Decision {
        self.send_first_page();
        self.reconsider();
        self.ask_for_investigation();
        let before = self.entries.len();
        self.attend_actions();
        if let Some(last) = self.outcomes.last_mut().filter(|_| self.entries.len() > before) {
            last.changed = true;
        }
        if !self.told.is_empty() && self.incident.as_ref().is_some_and(Incident::is_open) {
            let more = self.told.len().saturating_sub(MAX_NEWS);
            self.told.truncate(MAX_NEWS);
            let mut why = std::mem::take(&mut self.told).join("; ");
            if more > 0 {
                why = format!("{}; and {more} more", bounded(&why, MAX_REASON));
            }
            let numbers = self.tell(&NoticeKind::Update, &why);
            self.attach(numbers);
        }
        if let Some(incident) = self.incident.as_mut().filter(|_| !self.entries.is_empty()) {
            incident.version += 1;
        }
        let ledger = self.ledger.filter(|_| self.ledger_changed).map(|mut ledger| {
            ledger.version += 1;
            ledger
        });
        Decision {
            incident: self.incident,
            entries: self.entries,
            effects: self.effects,
            outcomes: self.outcomes,
            ledger,
        }
    }

    /// Adds a fact to the journal and folds it into the state.
    fn record(&mut self, fact: Fact, reason: &str, effects: Vec<u32>) {
        let Some(incident) = self.incident.as_mut() else { return };
        let reason = given(&bounded(reason, MAX_REASON));
        let entry = Entry { number: incident.next_entry, at: self.now, fact, reason, effects };
        incident.apply(&entry);
        self.entries.push(entry);
    }

    /// Notes effects with the entry that caused them, which is the last.
    fn attach(&mut self, numbers: Vec<u32>) {
        if let Some(entry) = self.entries.last_mut() {
            entry.effects.extend(numbers);
        }
    }
}

/// The key of a page that is sent while nothing can be recorded: of the group, since there is no incident yet.
pub fn unrecorded_key(policy: Policy<'_>, group: &GroupKey) -> String {
    bounded(&format!("{}{group}", unrecorded_prefix(policy.catalogue, policy.environment)), MAX_KEY)
}

/// What every such key of a suite begins with: `ai-nutritionist/`, `ai-nutritionist-staging/`.
pub fn unrecorded_prefix(catalogue: &Catalogue, environment: &str) -> String {
    format!("{}{}/", catalogue.service, environment_suffix(environment))
}

/// The most bytes of a key; `PagerDuty` takes 255 characters.
const MAX_KEY: usize = 200;

/// A page that is not accepted after this time is late: where somebody must be woken, another channel is tried while
/// this one may still recover.
pub const LATE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// How long a page is retried before it is given up, and how long the calls of an action are: what they were for may be
/// over by then.
const GIVE_UP_PAGE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long any other message is retried: nobody waits for it, but a key that is not resolved stays open.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_mins(60);

/// How long a message is retried before it is given up.
pub fn give_up_after(effect: &Effect) -> SignedDuration {
    let waits_for_nobody = effect.notice().is_some() && !effect.is_page();
    if waits_for_nobody { GIVE_UP_AFTER } else { GIVE_UP_PAGE_AFTER }
}

/// When to try again after the `attempt`th failure, from 1: 5 s, 10 s, 20 s ... at most 60 s, spread by up to a quarter
/// by the key, so that many messages do not come back at once; or what the receiver asked for.
pub fn retry_after(attempt: u32, asked: Option<SignedDuration>, key: &str) -> SignedDuration {
    if let Some(asked) = asked {
        return asked.max(SignedDuration::from_secs(1)).min(SignedDuration::from_mins(15));
    }
    let base = 5000_i64 << attempt.saturating_sub(1).min(4);
    let base = base.min(60_000);
    let jitter = i64::try_from(fnv1a(&[key, &attempt.to_string()]) % 1000).unwrap_or(0);
    SignedDuration::from_millis(base + base * jitter / 4000)
}

#[cfg(test)]
mod tests;
