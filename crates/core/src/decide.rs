//! The decision: the state of an incident and what happened, to the new state, what to do, and why.
//!
//! Pure and total. The caller has loaded the latest incident of the group, and writes what comes out in one transaction.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{AlertChange, ChangeState, Origin};
use crate::catalogue::{Catalogue, Severity, SeverityPolicy, Via};
use crate::escalation::{self, NextPage};
use crate::incident::{Entry, Fact, Incident, IncidentId, Member, Page, SlackThread, Status};
use crate::message::{AlertLine, MAX_ALERT_LINES, Notice, NoticeKind, dedup_key, format_seconds};
use crate::runbook;

/// What a decision rests on beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The user's decisions.
    pub catalogue: &'a Catalogue,
    /// `production`.
    pub environment: &'a str,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An alert changed.
    Alert(AlertChange),
    /// Somebody gave a command.
    Command(Command),
    /// The wake-up time may have come.
    Wake,
    /// A message was accepted, or given up.
    Delivery(DeliveryReport),
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which incident.
    pub incident: IncidentId,
    /// What.
    pub action: Action,
    /// Who.
    pub by: String,
    /// Words that go with it.
    pub text: Option<String>,
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
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Number of the effect.
    pub effect: u32,
    /// Name of the channel.
    pub channel: String,
    /// Where the message is, or why it was given up.
    pub result: Result<Option<SlackThread>, String>,
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
pub enum EffectKind {
    /// Tell people.
    Notify {
        /// Name of the channel.
        channel: String,
        /// What to say.
        notice: Notice,
    },
}

impl Effect {
    /// The channel that this effect uses; effects of one channel go in order.
    pub fn channel(&self) -> &str {
        let EffectKind::Notify { channel, .. } = &self.kind;
        channel
    }

    /// Whether a newer effect on the same channel makes this one pointless: an update that was never sent.
    pub fn is_superseded_by(&self, newer: &Self) -> bool {
        let EffectKind::Notify { channel, notice } = &self.kind;
        let EffectKind::Notify { channel: newer_channel, notice: newer_notice } = &newer.kind;
        let replaces = matches!(newer_notice.kind, NoticeKind::Update | NoticeKind::Resolved { .. });
        channel == newer_channel && newer.number > self.number && notice.kind == NoticeKind::Update && replaces
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
}

impl Deciding<'_> {
    fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Alert(change) => self.alert(change),
            Event::Command(command) => self.command(command),
            Event::Wake => self.wake(),
            Event::Delivery(report) => self.delivery(report),
        }
    }

    fn finish(mut self) -> Decision {
        self.send_first_page();
        if !self.told.is_empty() && self.incident.as_ref().is_some_and(Incident::is_open) {
            let why = std::mem::take(&mut self.told).join("; ");
            let numbers = self.tell(&NoticeKind::Update, &why);
            if let (Some(entry), Some(incident)) = (self.entries.last_mut(), self.incident.as_mut()) {
                incident.next_effect = numbers.iter().max().map_or(incident.next_effect, |last| last + 1);
                entry.effects.extend(numbers);
            }
        }
        if let Some(incident) = self.incident.as_mut().filter(|_| !self.entries.is_empty()) {
            incident.version += 1;
        }
        Decision { incident: self.incident, entries: self.entries, effects: self.effects, outcomes: self.outcomes }
    }

    // Alerts.

    fn alert(&mut self, change: &AlertChange) -> String {
        let known = self.incident.as_ref().and_then(|incident| incident.alerts.get(&change.key));
        if let Some(member) = known.filter(|member| change.at < member.at) {
            return format!("older than the alert's last change at {}, so it changes nothing", member.at);
        }
        let open = self.incident.as_ref().is_some_and(Incident::is_open);
        match change.state {
            ChangeState::Firing if open => self.fired(change),
            ChangeState::Firing => self.opened(change),
            ChangeState::Ok if open => self.recovered(change),
            ChangeState::Ok => "measured OK, and no incident is open: nothing to do".to_owned(),
        }
    }

    fn opened(&mut self, change: &AlertChange) -> String {
        if let Some(last) = &self.incident {
            let repeated = last.alerts.get(&change.key).is_some_and(|member| change.at <= member.at);
            if repeated {
                return format!("already recorded in {}, which is resolved", last.id);
            }
        }
        let id = IncidentId::for_change(change, self.now);
        let fact = Fact::Opened {
            group: change.group.clone(),
            title: change.title.clone(),
            severity: change.severity,
            runbook: change.runbook.clone(),
            onset: change.since,
        };
        let Some(incident) = Incident::open(id, &fact, self.now) else {
            return "an incident can only begin with its opening".to_owned();
        };
        self.incident = Some(incident);
        let reason = match change.origin {
            Origin::Unrecognised => format!("an alert that was not recognised: {}", change.reason),
            _ => format!("{}: no incident of group {} was open", change.reason, change.group),
        };
        self.record(fact, &reason, Vec::new());
        self.record(Fact::AlertFired { key: change.key.clone(), member: member_of(change, None) }, &change.reason, Vec::new());
        self.first_page = Some(format!("{} alert: {}", change.level.as_str(), change.reason));
        reason
    }

    fn fired(&mut self, change: &AlertChange) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        let known = incident.alerts.get(&change.key);
        if let Some(member) = known {
            let worse = change.severity > member.severity;
            if member.state == ChangeState::Firing && !worse {
                return format!("already recorded as firing in {}: a duplicate", incident.id);
            }
            if change.at == member.at && !worse {
                return format!("already recorded in {}: a duplicate", incident.id);
            }
        }
        let (severity, acknowledged) = (incident.severity, incident.acknowledgement.is_some());
        let again = known.is_some();
        let member = member_of(change, known);
        let key = change.key.clone();
        self.record(Fact::AlertFired { key, member }, &change.reason, Vec::new());
        if change.severity > severity {
            return self.raised(change, severity, acknowledged);
        }
        let what = if again { "fires again" } else { "joined" };
        if self.first_page.is_some() {
            return format!("{what}, and is in the first page");
        }
        self.told.push(format!("{} {what}", change.title));
        format!("{what}; {severity} already covers it, so nobody is paged anew")
    }

    fn raised(&mut self, change: &AlertChange, from: Severity, acknowledged: bool) -> String {
        let chosen = self.incident.as_ref().and_then(runbook::choose).map(str::to_owned);
        let fact = Fact::SeverityRaised { to: change.severity, title: change.title.clone(), runbook: chosen };
        let reason = if acknowledged {
            format!("{} makes it {} after it was acknowledged as {from}, so it is paged anew", change.title, change.severity)
        } else {
            format!("{} makes it {} instead of {from}", change.title, change.severity)
        };
        self.record(fact, &reason, Vec::new());
        if self.first_page.is_some() {
            self.first_page = Some(format!("{} alert: {}", change.level.as_str(), change.reason));
            return reason;
        }
        let Some(incident) = &self.incident else { return reason };
        let round = incident.escalation.round + 1;
        let page = NextPage { level: 1, round, started_at: self.now, due_at: self.now };
        // Whoever was woken for this incident and has not answered is not woken again by its rise: they get an update.
        let already: Vec<String> = if acknowledged { Vec::new() } else { incident.channels().into_iter().map(str::to_owned).collect() };
        self.page(&page, &reason, &already);
        if !acknowledged {
            self.told.push(reason.clone());
        }
        reason
    }

    fn recovered(&mut self, change: &AlertChange) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        match incident.alerts.get(&change.key) {
            None => return "measured OK, and the open incident does not know this alert: nothing to do".to_owned(),
            Some(member) if member.state == ChangeState::Ok => {
                return format!("already recorded as OK in {}: a duplicate", incident.id);
            }
            Some(_) => {}
        }
        let fact = Fact::AlertRecovered { key: change.key.clone(), at: change.at };
        self.record(fact, &change.reason, Vec::new());
        let Some(incident) = &self.incident else { return String::new() };
        if incident.has_recovered() {
            let reason = "every alert was measured OK".to_owned();
            self.resolve("recovery", &reason);
            return reason;
        }
        let firing = incident.alerts.values().filter(|member| member.state == ChangeState::Firing).count();
        let reason = if firing == 0 {
            format!("measured OK, but {} further alerts were not tracked: somebody must resolve it", incident.alerts_beyond)
        } else {
            format!("measured OK; still firing: {firing}")
        };
        self.told.push(format!("{}: {reason}", change.title));
        reason
    }

    // Escalation.

    fn wake(&mut self) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if !incident.needs_acknowledgement() {
            return "acknowledged or resolved: nobody is waiting".to_owned();
        }
        let now = self.now;
        if incident.wake_at.is_some_and(|at| at > now) {
            return "not yet due".to_owned();
        }
        if self.page_due("") { "escalated".to_owned() } else { "nothing was due".to_owned() }
    }

    fn send_first_page(&mut self) {
        if let Some(why) = self.first_page.take() {
            self.page_due(&why);
        }
    }

    /// Pages every level that is due. `first` says why the first page is sent.
    fn page_due(&mut self, first: &str) -> bool {
        let Some(incident) = &self.incident else { return false };
        let Some(policy) = self.policy.catalogue.policy(incident.severity) else { return false };
        let pages = escalation::due(policy, &incident.escalation, self.now);
        for page in &pages {
            let why = self.why(policy, page, first);
            self.page(page, &why, &[]);
        }
        !pages.is_empty()
    }

    fn why(&self, policy: &SeverityPolicy, page: &NextPage, first: &str) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        if page.level == 1 && page.round == 0 {
            return first.to_owned();
        }
        let waited = format_seconds(self.now.duration_since(incident.opened_at).as_secs());
        let total = policy.levels.len();
        if page.level == 1 {
            format!("nobody acknowledged within {waited} at any of {total} levels, so it starts over at level 1")
        } else {
            format!("nobody acknowledged within {waited}, so it goes to level {} of {total}", page.level)
        }
    }

    fn page(&mut self, page: &NextPage, why: &str, except: &[String]) {
        let Some(incident) = &self.incident else { return };
        let Some(policy) = self.policy.catalogue.policy(incident.severity) else { return };
        let Some(level) = escalation::level(policy, page.level) else { return };
        let team = self.policy.catalogue.teams.get(&level.team).map_or(&level.team, |team| &team.title).clone();
        let channels: Vec<String> = level.channels.iter().filter(|channel| !except.contains(channel)).cloned().collect();
        let mut position = incident.escalation.clone();
        (position.level, position.round, position.started_at) = (page.level, page.round, page.started_at);
        let next_at = escalation::next(policy, &position).due_at;
        let kind = NoticeKind::Page { level: page.level, round: page.round, team };
        let keyed: Vec<(String, String)> =
            channels.iter().map(|channel| (channel.clone(), next_key(incident, channel, page.level, page.round))).collect();
        let effects =
            keyed.into_iter().filter_map(|(channel, key)| self.notify(&channel, kind.clone(), why, vec![key])).collect();
        let fact = Fact::Paged { level: page.level, round: page.round, started_at: page.started_at, channels, next_at };
        self.record(fact, why, effects);
    }

    // Commands.

    fn command(&mut self, command: &Command) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        let (open, by) = (incident.is_open(), command.by.as_str());
        let said = command.text.as_deref().map_or(String::new(), |text| format!(": {text}"));
        let reason = format!("{by} said so{said}");
        match &command.action {
            Action::Note(text) => {
                self.record(Fact::Noted { by: by.to_owned(), text: text.clone() }, &format!("{by} wrote it down"), Vec::new());
                if open {
                    self.told.push(format!("{by}: {text}"));
                }
                "noted".to_owned()
            }
            Action::Reopen if open => "it is open already".to_owned(),
            Action::Reopen => self.reopen(by, &reason),
            _ if !open => "it is resolved already; reopen it first".to_owned(),
            Action::Acknowledge => match &incident.acknowledgement {
                Some(known) => format!("{} acknowledged it at {} already", known.by, known.at),
                None => {
                    self.acknowledge(by, &reason);
                    "acknowledged; nobody else is called".to_owned()
                }
            },
            Action::Resolve => {
                self.resolve(by, &reason);
                "resolved".to_owned()
            }
            Action::Status(to) if incident.status == *to => format!("it is {to} already"),
            Action::Status(to) => {
                if incident.acknowledgement.is_none() {
                    self.acknowledge(by, &reason);
                }
                self.record(Fact::StatusChanged { to: *to, by: by.to_owned() }, &reason, Vec::new());
                self.told.push(format!("{by} set it to {to}{said}"));
                format!("{to}")
            }
        }
    }

    fn acknowledge(&mut self, by: &str, reason: &str) {
        self.send_first_page();
        self.record(Fact::Acknowledged { by: by.to_owned() }, reason, Vec::new());
        let numbers = self.tell(&NoticeKind::Acknowledged { by: by.to_owned() }, reason);
        self.attach(numbers);
    }

    fn resolve(&mut self, by: &str, reason: &str) {
        self.send_first_page();
        self.record(Fact::Resolved { by: by.to_owned() }, reason, Vec::new());
        let numbers = self.tell(&NoticeKind::Resolved { by: by.to_owned() }, reason);
        self.attach(numbers);
    }

    fn reopen(&mut self, by: &str, reason: &str) -> String {
        self.record(Fact::Reopened { by: by.to_owned() }, reason, Vec::new());
        let Some(incident) = &self.incident else { return String::new() };
        let page = NextPage { level: 1, round: incident.escalation.round + 1, started_at: self.now, due_at: self.now };
        self.page(&page, &format!("reopened by {by}"), &[]);
        "reopened and paged".to_owned()
    }

    // Deliveries.

    fn delivery(&mut self, report: &DeliveryReport) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        let (effect, channel) = (report.effect, report.channel.clone());
        match &report.result {
            Ok(thread) => {
                let known = incident.threads.contains_key(&channel);
                if thread.is_none() || known {
                    return "delivered; its message is known already".to_owned();
                }
                let fact = Fact::Delivered { effect, channel, thread: thread.clone() };
                self.record(fact, "the receiver said where the message is", Vec::new());
                "delivered".to_owned()
            }
            Err(reason) => {
                self.record(Fact::DeliveryFailed { effect, channel: channel.clone() }, reason, Vec::new());
                self.fall_back(&channel)
            }
        }
    }

    /// A channel failed for good: whoever waits for an acknowledgement is tried elsewhere.
    fn fall_back(&mut self, failed: &str) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        if !incident.needs_acknowledgement() {
            return format!("{failed} failed; nobody is waited for, so no other channel is tried");
        }
        let (level, round) = (incident.escalation.level.max(1), incident.escalation.round);
        let used = |channel: &str| {
            incident.pages.iter().any(|page| page.channel == channel && page.level == level && page.round == round)
        };
        let channels = &self.policy.catalogue.channels;
        let fallback = channels.get(failed).and_then(|channel| channel.fallback.clone());
        let Some(next) = fallback.filter(|name| channels.contains_key(name) && !used(name)) else {
            return format!("{failed} failed and has no other channel left at level {level}; the next level is called in its time");
        };
        let policy = self.policy.catalogue.policy(incident.severity);
        let team = policy.and_then(|policy| escalation::level(policy, level)).map_or(String::new(), |level| level.team.clone());
        let key = next_key(incident, &next, level, round);
        let why = format!("{failed} failed, so this comes by {next}");
        let kind = NoticeKind::Page { level, round, team };
        let effects = self.notify(&next, kind, &why, vec![key]).into_iter().collect();
        let page = Page { channel: next, level, round };
        self.record(Fact::FellBack { from: failed.to_owned(), page }, &why, effects);
        why
    }

    // Building blocks.

    fn record(&mut self, fact: Fact, reason: &str, effects: Vec<u32>) {
        let Some(incident) = self.incident.as_mut() else { return };
        let entry = Entry { number: incident.next_entry, at: self.now, fact, reason: reason.to_owned(), effects };
        incident.apply(&entry);
        self.entries.push(entry);
    }

    fn attach(&mut self, numbers: Vec<u32>) {
        if let Some(entry) = self.entries.last_mut() {
            entry.effects.extend(numbers);
        }
    }

    /// Tells every channel that was paged before.
    fn tell(&mut self, kind: &NoticeKind, why: &str) -> Vec<u32> {
        let Some(incident) = &self.incident else { return Vec::new() };
        let channels: Vec<String> = incident.channels().into_iter().map(str::to_owned).collect();
        let planned: Vec<(String, Vec<String>)> =
            channels.into_iter().map(|channel| (channel.clone(), open_keys(incident, &channel))).collect();
        planned.into_iter().filter_map(|(channel, keys)| self.notify(&channel, kind.clone(), why, keys)).collect()
    }

    /// Plans a message, unless the channel has no use for its kind. Returns the number of the effect.
    fn notify(&mut self, channel: &str, kind: NoticeKind, why: &str, dedup_keys: Vec<String>) -> Option<u32> {
        let via = &self.policy.catalogue.channels.get(channel)?.via;
        if !wants(via, &kind) {
            return None;
        }
        let notice = self.notice(kind, why, dedup_keys)?;
        let incident = self.incident.as_mut()?;
        let number = incident.next_effect;
        incident.next_effect += 1;
        let kind = EffectKind::Notify { channel: channel.to_owned(), notice };
        self.effects.push(Effect { number, created_at: self.now, kind });
        Some(number)
    }

    fn notice(&self, kind: NoticeKind, why: &str, dedup_keys: Vec<String>) -> Option<Notice> {
        let incident = self.incident.as_ref()?;
        let mut members: Vec<&Member> = incident.alerts.values().collect();
        members.sort_by_key(|member| (member.state != ChangeState::Firing, std::cmp::Reverse(member.severity), member.since));
        let more = members.len().saturating_sub(MAX_ALERT_LINES) + usize::try_from(incident.alerts_beyond).unwrap_or(0);
        Some(Notice {
            incident: incident.id.clone(),
            kind,
            severity: incident.severity,
            status: incident.status,
            title: incident.title.clone(),
            why: why.to_owned(),
            service: self.policy.catalogue.title.clone(),
            environment: self.policy.environment.to_owned(),
            since: incident.onset,
            at: self.now,
            alerts: members.into_iter().take(MAX_ALERT_LINES).map(line_of).collect(),
            more_alerts: u32::try_from(more).unwrap_or(u32::MAX),
            runbook: incident.runbook.as_deref().and_then(|name| runbook::card(self.policy.catalogue, name)),
            dedup_keys,
        })
    }
}

/// The key of a page that is about to be sent on a channel. The first page on a channel has the incident's id, each
/// later one a key of its own, since a trigger on an open key notifies nobody.
fn next_key(incident: &Incident, channel: &str, level: u32, round: u32) -> String {
    let first = incident.pages.iter().all(|page| page.channel != channel);
    if first { incident.id.to_string() } else { dedup_key(&incident.id, level, round) }
}

/// Every key that pages on a channel have opened.
fn open_keys(incident: &Incident, channel: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for page in incident.pages.iter().filter(|page| page.channel == channel) {
        let key = if keys.is_empty() { incident.id.to_string() } else { dedup_key(&incident.id, page.level, page.round) };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Which messages a channel has a use for. SMS wakes people and is dear: pages only.
fn wants(via: &Via, kind: &NoticeKind) -> bool {
    match (via, kind) {
        (_, NoticeKind::Page { .. }) | (Via::Slack { .. }, _) => true,
        (Via::Pagerduty { .. }, kind) => !matches!(kind, NoticeKind::Update),
        (Via::Email { .. }, kind) => matches!(kind, NoticeKind::Resolved { .. }),
        (Via::Sms { .. }, _) => false,
    }
}

fn member_of(change: &AlertChange, known: Option<&Member>) -> Member {
    Member {
        state: change.state,
        at: change.at,
        since: known.filter(|member| member.state == ChangeState::Firing).map_or(change.since, |member| member.since),
        title: change.title.clone(),
        level: change.level,
        severity: change.severity,
        dimensions: change.dimensions.clone(),
        value: change.value,
        comparison: change.comparison,
        threshold: change.threshold,
        unit: change.unit,
        runbook: change.runbook.clone(),
        quote: change.quote.clone(),
    }
}

fn line_of(member: &Member) -> AlertLine {
    AlertLine {
        title: member.title.clone(),
        firing: member.state == ChangeState::Firing,
        severity: member.level,
        dimensions: member.dimensions.clone(),
        value: member.value,
        comparison: member.comparison,
        threshold: member.threshold,
        unit: member.unit,
        since: member.since,
        quote: member.quote.clone(),
    }
}

/// How long a message is retried before it is given up and another channel is tried.
pub const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// When to try again after the `attempt`th failure, from 1: 5 s, 10 s, 20 s ... at most 60 s, spread by up to a quarter
/// by the key, so that many messages do not come back at once; or what the receiver asked for.
pub fn retry_after(attempt: u32, asked: Option<SignedDuration>, key: &str) -> SignedDuration {
    if let Some(asked) = asked {
        return asked.max(SignedDuration::from_secs(1)).min(SignedDuration::from_mins(15));
    }
    let base = 5000_i64 << attempt.saturating_sub(1).min(4);
    let base = base.min(60_000);
    let jitter = i64::try_from(crate::alert::fnv1a(&[key, &attempt.to_string()]) % 1000).unwrap_or(0);
    SignedDuration::from_millis(base + base * jitter / 4000)
}
