//! What follows the end of an incident: its post-mortem is asked for, and whoever reviews it is told.

use super::{Deciding, EffectKind, PostMortemWritten};
use crate::alert::bounded;
use crate::catalogue::Severity;
use crate::incident::{Fact, Incident};
use crate::message::NoticeKind;

/// The most bytes of somebody's name.
const MAX_NAME: usize = 80;

impl Deciding<'_> {
    /// Asks for a post-mortem, where the severity has one. Returns the number of the effect.
    pub(super) fn ask_for_post_mortem(&mut self) -> Option<u32> {
        let severity = self.incident.as_ref()?.severity;
        let wanted = self.policy.catalogue.policy(severity).is_some_and(|policy| policy.post_mortem);
        if wanted { self.effect(EffectKind::WritePostMortem {}) } else { None }
    }

    /// The review of a resolved incident's document is due, or more of it may be known: the function that has it says which.
    pub(super) fn review_due(&mut self) -> String {
        let incident = self.incident.as_ref();
        let waits = incident.filter(|incident| incident.review.is_some()).and_then(|incident| incident.wake_at);
        if waits.is_none_or(|at| at > self.now) {
            return "resolved: nobody is waiting".to_owned();
        }
        let why = "its post-mortem is not approved, or was written before its hours were over";
        let effects = self.effect(EffectKind::WritePostMortem {}).into_iter().collect();
        self.record(Fact::PostMortemAsked {}, why, effects);
        why.to_owned()
    }

    /// The document is there: whoever reviews it is told once, however often it is written, and reminded until somebody
    /// has approved it.
    pub(super) fn post_mortem_written(&mut self, written: &PostMortemWritten) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if incident.is_open() {
            return "it is open again, and its post-mortem is written anew when it is resolved".to_owned();
        }
        if let Some(by) = &written.approved_by {
            return self.approved(by);
        }
        if incident.post_mortem_at.is_some() {
            return self.remind(&written.reviewers.join(", "));
        }
        let items = match written.action_items {
            0 => "no action items".to_owned(),
            1 => "1 action item".to_owned(),
            items => format!("{items} action items"),
        };
        let why = format!("a draft is written, with {items}");
        let fact = Fact::PostMortemWritten { action_items: written.action_items, again_at: written.again_at };
        self.record(fact, &why, Vec::new());
        self.tell_reviewers(&written.reviewers.join(", "), &why);
        "its reviewers are told of the post-mortem".to_owned()
    }

    fn approved(&mut self, by: &str) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if incident.post_mortem_at.is_some() && incident.review.is_none() {
            return "its post-mortem is approved".to_owned();
        }
        let by = bounded(by, MAX_NAME);
        let why = format!("{by} approved its post-mortem");
        self.record(Fact::PostMortemApproved { by }, &why, Vec::new());
        why
    }

    /// Nobody has approved the document that its reviewers know of.
    fn remind(&mut self, reviewers: &str) -> String {
        let review = self.incident.as_ref().and_then(|incident| incident.review.as_ref());
        let why = match review {
            Some(review) if review.remind_at > self.now => {
                return "its reviewers know of the post-mortem already".to_owned();
            }
            Some(review) => format!("nobody has approved it yet; reminder {}", review.reminders.saturating_add(1)),
            None => "it has changed, and nobody has approved it as it is".to_owned(),
        };
        self.record(Fact::ReviewReminded {}, &why, Vec::new());
        self.tell_reviewers(reviewers, &why);
        why
    }

    fn tell_reviewers(&mut self, reviewers: &str, why: &str) {
        let kind = NoticeKind::PostMortem { reviewers: reviewers.to_owned() };
        let mut numbers = self.tell(&kind, why);
        if numbers.is_empty() && self.incident.as_ref().is_some_and(was_paged) {
            numbers = self.tell_quietly(&kind, why);
        }
        self.attach(numbers);
    }

    /// Tells on the channels that a SEV3 begins with, where those that were paged are only for waking people.
    fn tell_quietly(&mut self, kind: &NoticeKind, why: &str) -> Vec<u32> {
        let level = self.policy.catalogue.policy(Severity::Sev3).and_then(|policy| policy.levels.first());
        let channels = level.map(|level| level.channels.clone()).unwrap_or_default();
        let key = self.incident.as_ref().map(|incident| incident.id.to_string());
        let keys: Vec<String> = key.into_iter().collect();
        channels.iter().filter_map(|channel| self.notify(channel, kind.clone(), why, keys.clone())).collect()
    }
}

fn was_paged(incident: &Incident) -> bool {
    incident.escalation.level > 0
}
