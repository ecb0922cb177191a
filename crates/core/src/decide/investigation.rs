//! What is found out about an incident while people are on their way to it.

use std::collections::BTreeSet;

use super::{Deciding, EffectKind};
use crate::alert::ChangeState;
use crate::incident::{Fact, Member};
use crate::investigation::{FUNCTION, Investigation, Question};

/// The most functions that a question names.
const MAX_FUNCTIONS: usize = 10;

impl Deciding<'_> {
    /// Asks what lies behind the incident, with the first call: whatever calls nobody, as the many of a storm, asks nothing.
    pub(super) fn ask_for_investigation(&mut self) {
        if !std::mem::take(&mut self.first_called) {
            return;
        }
        let Some(incident) = &self.incident else { return };
        let rules = &self.policy.catalogue.rules;
        let firing = incident.alerts.iter().filter(|(_, member)| member.state == ChangeState::Firing);
        let known = firing.filter(|(key, _)| rules.contains_key(key.rule()));
        let worst = known.max_by_key(|(_, member): &(_, &Member)| (member.severity, std::cmp::Reverse(member.since)));
        // Where no rule of the catalogue fires there is no metric to begin from.
        let Some((key, _)) = worst else { return };
        let named = incident.alerts.values().filter_map(|member| member.dimensions.get(FUNCTION).cloned());
        let mut functions: Vec<String> = named.collect::<BTreeSet<String>>().into_iter().collect();
        functions.truncate(MAX_FUNCTIONS);
        let (rule, group) = (key.rule().to_owned(), incident.group.clone());
        let question = Question { rule, group, onset: incident.onset, functions };
        let number = self.effect(EffectKind::Investigate { question });
        self.attach(number.into_iter().collect());
    }

    /// What was found out is kept once; a second answer changes nothing.
    pub(super) fn investigated(&mut self, found: &Investigation) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        if incident.investigated_at.is_some() {
            return "it was investigated already".to_owned();
        }
        let found = found.clone().bounded();
        let headline = found.headline.clone();
        if found.is_news {
            self.told.push(headline.clone());
        }
        self.record(Fact::Investigated { found: Box::new(found) }, &headline, Vec::new());
        "what was found out is in the journal".to_owned()
    }
}
