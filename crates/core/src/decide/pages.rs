//! Who is called, who next, and what when a message cannot be delivered.

use jiff::Timestamp;

use super::{Deciding, DeliveryReport};
use crate::alert::bounded;
use crate::catalogue::{Severity, SeverityPolicy};
use crate::escalation::schedule::{Duty, duty};
use crate::escalation::{self, Deadline, NextPage};
use crate::incident::{Fact, Incident, Page, SlackThread};
use crate::message::{NoticeKind, OnCallPerson, format_seconds};

/// The most bytes of an id that a receiver returns.
const MAX_RECEIPT: usize = 60;

impl Deciding<'_> {
    pub(super) fn wake(&mut self) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if !incident.is_open() {
            return self.review_due();
        }
        if let Some(acknowledgement) = &incident.acknowledgement {
            let by = acknowledgement.by.clone();
            let due = incident.wake_at.is_some_and(|at| at <= self.now);
            return if due { self.went_stale(&by) } else { "acknowledged: nobody is waiting".to_owned() };
        }
        let now = self.now;
        if incident.wake_at.is_some_and(|at| at > now) {
            return "not yet due".to_owned();
        }
        if self.hold_back() {
            return "held back".to_owned();
        }
        if let Some(why) = self.release() {
            self.page_released(&why);
            return why;
        }
        if self.page_due("") { "escalated".to_owned() } else { "nothing was due".to_owned() }
    }

    /// Somebody acknowledged and was not heard of again: they may have fallen asleep over it.
    fn went_stale(&mut self, by: &str) -> String {
        let why = format!("{by} acknowledged it, and was not heard of for too long");
        self.record(Fact::WentStale { by: by.to_owned() }, &why, Vec::new());
        if self.hold_back() {
            return why;
        }
        self.page_anew(&why);
        why
    }

    /// Calls the first level in a new round that begins now.
    pub(super) fn page_anew(&mut self, why: &str) {
        let Some(incident) = &self.incident else { return };
        let page = NextPage { level: 1, round: incident.escalation.round + 1, started_at: self.now, due_at: self.now };
        self.page(&page, why, &[]);
    }

    /// When an acknowledgement of now is relied on no longer, if nothing more is heard.
    pub(super) fn stale_at(&self) -> Timestamp {
        let policy = self.incident.as_ref().and_then(|incident| self.policy.catalogue.policy(incident.severity));
        policy.map_or(self.now, |policy| escalation::stale_at(policy, self.now))
    }

    pub(super) fn send_first_page(&mut self) {
        if let Some(why) = self.first_page.take()
            && !self.hold_back()
        {
            self.page_due(&why);
        }
    }

    /// Looks again at what is held back, after something has changed that may end the reason.
    pub(super) fn reconsider(&mut self) {
        let held = |incident: &Incident| incident.held.is_some() && incident.needs_acknowledgement();
        let concerned = self.fired && self.incident.as_ref().is_some_and(held);
        if concerned
            && !self.hold_back()
            && let Some(why) = self.release()
        {
            self.page_released(&why);
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
            return if first.is_empty() { "nobody was called yet".to_owned() } else { first.to_owned() };
        }
        // Since the round began: an earlier one may have been answered, before the incident got worse or was reopened.
        let waited = format_seconds(self.now.duration_since(incident.escalation.started_at).as_secs());
        let total = policy.levels.len();
        if page.level == 1 {
            format!("nobody acknowledged within {waited} at any of {total} levels, so it starts over at level 1")
        } else {
            let missed = match escalation::missed_deadline(policy, page.level) {
                Some(Deadline::Response(time)) => format!("the response time of {}", format_seconds(time.into())),
                Some(Deadline::Escalation(time)) => format!("the escalation time of {}", format_seconds(time.into())),
                None => waited,
            };
            format!("nobody acknowledged within {missed}, so it goes to level {} of {total}", page.level)
        }
    }

    /// Pages one level, but for the channels in `except`.
    pub(super) fn page(&mut self, page: &NextPage, why: &str, except: &[String]) {
        let Some(incident) = &self.incident else { return };
        let catalogue = self.policy.catalogue;
        let Some(policy) = catalogue.policy_for(incident.severity, incident.runbook.as_deref()) else { return };
        let Some(level) = escalation::level(&policy, page.level) else { return };
        let wanted = |channel: &&String| !except.contains(channel) && catalogue.channels.contains_key(*channel);
        let on_duty = duty(catalogue, &level.team, self.now);
        let why = &match on_duty {
            Duty::Nobody(schedule) => format!("{why}; nobody is on call in schedule {schedule}"),
            Duty::User(_) | Duty::Team => why.to_owned(),
        };
        let own = if let Duty::User(user) = on_duty { user.channels.as_slice() } else { &[] };
        let own = own.iter().filter(|channel| !level.channels.contains(channel));
        let channels: Vec<String> = level.channels.iter().chain(own).filter(wanted).cloned().collect();
        let mut position = incident.escalation.clone();
        self.first_called |= position.level == 0;
        (position.level, position.round, position.started_at) = (page.level, page.round, page.started_at);
        let next_at = escalation::next(&policy, &position).due_at;
        let effects =
            channels.iter().filter_map(|channel| self.page_channel(channel, page.level, page.round, why)).collect();
        let fact = Fact::Paged { level: page.level, round: page.round, started_at: page.started_at, channels, next_at };
        self.record(fact, why, effects);
    }

    fn page_channel(&mut self, channel: &str, level: u32, round: u32, why: &str) -> Option<u32> {
        let incident = self.incident.as_ref()?;
        let catalogue = self.policy.catalogue;
        let policy = catalogue.policy_for(incident.severity, incident.runbook.as_deref())?;
        let team = &escalation::level(&policy, level)?.team;
        let team = catalogue.teams.get(team).map_or(team, |team| &team.title).clone();
        let key = incident.next_key(channel, level, round);
        self.paged.insert(channel.to_owned());
        self.notify(channel, NoticeKind::Page { level, round, team }, why, vec![key])
    }

    /// Who is on call in the team that this message calls; nobody for a message that calls nobody.
    pub(super) fn on_call(&self, kind: &NoticeKind) -> Option<OnCallPerson> {
        let catalogue = self.policy.catalogue;
        let team = match kind {
            NoticeKind::Page { level, .. } => {
                let incident = self.incident.as_ref()?;
                let policy = catalogue.policy_for(incident.severity, incident.runbook.as_deref())?;
                escalation::level(&policy, *level)?.team.clone()
            }
            NoticeKind::Team { name, .. } => name.clone(),
            _ => return None,
        };
        let Duty::User(user) = duty(catalogue, &team, self.now) else { return None };
        Some(OnCallPerson { title: user.title.clone(), slack_user_id: user.slack_user_id.clone() })
    }

    pub(super) fn delivery(&mut self, report: &DeliveryReport) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        let (effect, channel) = (report.effect, report.channel.clone());
        match &report.result {
            Ok(None) => "delivered; the receiver did not say where the message is".to_owned(),
            Ok(Some(SlackThread { conversation, ts })) => {
                let thread =
                    SlackThread { conversation: bounded(conversation, MAX_RECEIPT), ts: bounded(ts, MAX_RECEIPT) };
                if incident.threads.get(&channel) == Some(&thread) {
                    return "delivered; where the incident's message is on the channel is known already".to_owned();
                }
                let fact = Fact::Delivered { effect, channel, thread: Some(thread) };
                self.record(fact, "the receiver said where the message is", Vec::new());
                "delivered".to_owned()
            }
            Err(reason) if !report.given_up => {
                // A SEV3 has time enough for the channel to recover.
                let urgent = incident.severity >= Severity::Sev2;
                if urgent { self.fall_back(&channel, "is late") } else { format!("{channel} is late: {reason}") }
            }
            Err(reason) => {
                self.record(Fact::DeliveryFailed { effect, channel: channel.clone() }, reason, Vec::new());
                if report.is_page {
                    self.fall_back(&channel, "failed")
                } else {
                    format!("{channel} failed, but called nobody, so no other channel is tried")
                }
            }
        }
    }

    /// A channel failed for good, or is late: whoever waits for an acknowledgement is tried elsewhere.
    fn fall_back(&mut self, failed: &str, how: &str) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        if !incident.needs_acknowledgement() {
            return format!("{failed} {how}; nobody is waited for, so no other channel is tried");
        }
        let (level, round) = (incident.escalation.level.max(1), incident.escalation.round);
        let used = |channel: &str| {
            incident.pages.get(channel).is_some_and(|pages| pages.level == level && pages.round == round)
        };
        let channels = &self.policy.catalogue.channels;
        let fallback = channels.get(failed).and_then(|channel| channel.fallback.clone());
        let Some(next) = fallback.filter(|name| channels.contains_key(name) && !used(name)) else {
            return format!(
                "{failed} {how} and has no other channel left at level {level}; the next level is called in its time"
            );
        };
        let why = format!("{failed} {how}, so this comes by {next}");
        let effects = self.page_channel(&next, level, round, &why).into_iter().collect();
        let page = Page { channel: next, level, round };
        self.record(Fact::FellBack { from: failed.to_owned(), page }, &why, effects);
        why
    }
}
