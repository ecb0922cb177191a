//! A team that a runbook tells beside those that the levels call.
//!
//! It is a message like any other, so it needs neither the actions function nor leave to change anything. Nobody waits for its answer:
//! the levels go on as they would.

use super::Deciding;
use crate::action::{RunEnd, Step};
use crate::catalogue::Via;
use crate::escalation::schedule::channels_of;
use crate::message::NoticeKind;

impl Deciding<'_> {
    /// Tells the team, or says why not. Its run is over either way.
    pub(super) fn alert_team(&mut self, run: u32, name: &str, dry_run: bool) {
        let catalogue = self.policy.catalogue;
        let title = catalogue.teams.get(name).map_or(name, |team| team.title.as_str());
        if let Some(level) = self.level_of(name) {
            let why = format!("{title} is not told once more: it was called at level {level}");
            return self.end(run, RunEnd::Nothing, &why);
        }
        let (called, channels): (Vec<String>, Vec<String>) =
            channels_of(catalogue, name, self.now).into_iter().partition(|channel| self.has_called(channel));
        if channels.is_empty() {
            let why = match called.as_slice() {
                [] => format!("{title} is not told: neither the team nor anybody of it who is on call has a channel"),
                called => format!("{title} is not told once more: {} called already", called.join(" and ")),
            };
            self.end(run, RunEnd::Nothing, &why);
            return self.told.push(why);
        }
        let by = channels.join(" and ");
        if dry_run {
            let why = format!("dry-run: would tell {title} by {by}");
            self.end(run, RunEnd::DryRun, &why);
            return self.told.push(why);
        }
        let runbook = self.incident.as_ref().and_then(|incident| incident.runbook.clone()).unwrap_or_default();
        let why = format!("runbook {runbook} asks for it");
        let kind = NoticeKind::Team { name: name.to_owned(), title: title.to_owned() };
        let mut effects = Vec::with_capacity(channels.len());
        for channel in &channels {
            let Some(incident) = &self.incident else { return };
            let key = incident.team_key(channel, run);
            effects.extend(self.notify(channel, kind.clone(), &why, vec![key]));
            self.paged.insert(channel.clone());
        }
        self.step(run, Step::Told { channels }, &format!("{title} is told by {by}: {why}"), effects);
        self.release_target(run);
    }

    /// Whether the incident has called by this channel whomever a word by it would reach: a telephone or a mailbox is the same for each
    /// team. In Slack the message itself says whom it is for.
    fn has_called(&self, channel: &str) -> bool {
        let via = self.policy.catalogue.channels.get(channel).map(|channel| &channel.via);
        let names_its_reader = matches!(via, Some(Via::Slack { .. }));
        !names_its_reader && self.incident.as_ref().is_some_and(|incident| incident.pages.contains_key(channel))
    }

    /// The level at which a team was called, from 1, in whatever round.
    fn level_of(&self, team: &str) -> Option<u32> {
        let incident = self.incident.as_ref()?;
        let policy = self.policy.catalogue.policy_for(incident.severity, incident.runbook.as_deref())?;
        let called = (1..=incident.highest_level()).zip(&policy.levels);
        called.into_iter().find(|(_, level)| level.team == team).map(|(number, _)| number)
    }
}
