//! What follows the end of an incident: its post-mortem is asked for, and whoever reviews it is told.

use super::{Deciding, EffectKind, PostMortemWritten};
use crate::catalogue::Severity;
use crate::incident::{Fact, Incident};
use crate::message::NoticeKind;

impl Deciding<'_> {
    /// Asks for a post-mortem, where the severity has one. Returns the number of the effect.
    pub(super) fn ask_for_post_mortem(&mut self) -> Option<u32> {
        let severity = self.incident.as_ref()?.severity;
        let wanted = self.policy.catalogue.policy(severity).is_some_and(|policy| policy.post_mortem);
        if wanted { self.effect(EffectKind::WritePostMortem {}) } else { None }
    }

    /// The document is there: whoever reviews it is told once, however often it is written.
    pub(super) fn post_mortem_written(&mut self, written: &PostMortemWritten) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if incident.is_open() {
            return "it is open again, and its post-mortem is written anew when it is resolved".to_owned();
        }
        if incident.post_mortem_at.is_some() {
            return "its reviewers know of the post-mortem already".to_owned();
        }
        let items = match written.action_items {
            0 => "no action items".to_owned(),
            1 => "1 action item".to_owned(),
            items => format!("{items} action items"),
        };
        let why = format!("a draft is written, with {items}");
        self.record(Fact::PostMortemWritten { action_items: written.action_items }, &why, Vec::new());
        let kind = NoticeKind::PostMortem { reviewers: written.reviewers.join(", ") };
        let mut numbers = self.tell(&kind, &why);
        if numbers.is_empty() && self.incident.as_ref().is_some_and(was_paged) {
            numbers = self.tell_quietly(&kind, &why);
        }
        self.attach(numbers);
        "its reviewers are told of the post-mortem".to_owned()
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
