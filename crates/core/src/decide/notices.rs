//! What is said: to whom, and with which keys.

use super::{Deciding, EffectKind, MAX_REASON};
use crate::alert::{ChangeState, bounded};
use crate::catalogue::Via;
use crate::incident::{Incident, Member};
use crate::message::{AlertLine, MAX_ALERT_LINES, Notice, NoticeKind};
use crate::runbook;

impl Deciding<'_> {
    /// Tells every channel that was paged before. An update is spared where this decision pages.
    pub(super) fn tell(&mut self, kind: &NoticeKind, why: &str) -> Vec<u32> {
        let Some(incident) = &self.incident else { return Vec::new() };
        let spared = |channel: &str| *kind == NoticeKind::Update && self.paged.contains(channel);
        let mut keyed: Vec<(String, Vec<String>)> = incident
            .pages
            .iter()
            .filter(|(channel, _)| !spared(channel))
            .map(|(channel, _)| (channel.clone(), incident.keys(channel)))
            .collect();
        keyed.extend(self.unrecorded(incident));
        keyed.into_iter().filter_map(|(channel, keys)| self.notify(&channel, kind.clone(), why, keys)).collect()
    }

    /// The key that is perhaps open at `PagerDuty` although the incident has no page there: its alert was paged while
    /// nothing could be recorded, and held back when it was.
    fn unrecorded(&self, incident: &Incident) -> Option<(String, Vec<String>)> {
        let key = incident.unrecorded_key.clone()?;
        let catalogue = self.policy.catalogue;
        let is_keyed = |name: &str| {
            catalogue.channels.get(name).is_some_and(|channel| matches!(channel.via, Via::Pagerduty { .. }))
        };
        let level = catalogue.policy(incident.severity)?.levels.first()?;
        let channel = level.channels.iter().find(|name| is_keyed(name) && !incident.pages.contains_key(*name))?;
        Some((channel.clone(), vec![key]))
    }

    /// Plans a message, unless the channel has no use for its kind. Returns the number of the effect.
    pub(super) fn notify(
        &mut self,
        channel: &str,
        kind: NoticeKind,
        why: &str,
        dedup_keys: Vec<String>,
    ) -> Option<u32> {
        let via = &self.policy.catalogue.channels.get(channel)?.via;
        if !wants(via, &kind) {
            return None;
        }
        let notice = self.notice(kind, why, dedup_keys)?;
        self.effect(EffectKind::Notify { channel: channel.to_owned(), notice: Box::new(notice) })
    }

    fn notice(&self, kind: NoticeKind, why: &str, dedup_keys: Vec<String>) -> Option<Notice> {
        let incident = self.incident.as_ref()?;
        let mut members: Vec<&Member> = incident.alerts.values().collect();
        members.sort_by_key(|member| {
            (member.state != ChangeState::Firing, std::cmp::Reverse(member.severity), member.since)
        });
        let end = incident.resolution.as_ref().map(|end| end.at);
        let look = runbook::Look { region: self.policy.region, onset: incident.onset, end, now: self.now };
        let more = members.len().saturating_sub(MAX_ALERT_LINES) + incident.beyond.len();
        Some(Notice {
            incident: incident.id.clone(),
            on_call: self.on_call(&kind),
            kind,
            severity: incident.severity,
            status: incident.status,
            title: incident.title.clone(),
            why: bounded(why, MAX_REASON),
            service: self.policy.catalogue.title.clone(),
            environment: self.policy.environment.to_owned(),
            since: incident.onset,
            at: self.now,
            alerts: members.into_iter().take(MAX_ALERT_LINES).map(line_of).collect(),
            more_alerts: u32::try_from(more).unwrap_or(u32::MAX),
            runbook: incident.runbook.as_deref().and_then(|name| runbook::card(self.policy.catalogue, name, look)),
            dedup_keys,
        })
    }
}

/// Which messages a channel has a use for. SMS wakes people and is dear: pages only.
fn wants(via: &Via, kind: &NoticeKind) -> bool {
    match (via, kind) {
        (_, NoticeKind::Page { .. } | NoticeKind::Team { .. }) | (Via::Slack { .. }, _) => true,
        (Via::Pagerduty { .. }, kind) => {
            !matches!(kind, NoticeKind::Update | NoticeKind::Approval { .. } | NoticeKind::PostMortem { .. })
        }
        (Via::Email { .. }, kind) => {
            matches!(kind, NoticeKind::Resolved { .. } | NoticeKind::Approval { .. } | NoticeKind::PostMortem { .. })
        }
        (Via::Sms { .. }, _) => false,
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
        expected: member.expected,
    }
}
