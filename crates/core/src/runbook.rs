//! Which runbook an incident follows, and what of it goes into a message.

mod log_query;

use crate::alert::bounded;
use crate::catalogue::Catalogue;
use crate::incident::Incident;
use crate::message::RunbookCard;

pub use log_query::Look;

/// The most steps of a runbook in a message, and the most bytes of one. A message is stored once for each channel.
const MAX_STEPS: usize = 20;
const MAX_STEP: usize = 500;

/// The runbook of the worst alert that has one; among equals that of the alert that fired first.
pub fn choose(incident: &Incident) -> Option<&str> {
    let mut best: Option<(&str, _)> = None;
    for member in incident.alerts.values() {
        let Some(runbook) = member.runbook.as_deref() else { continue };
        let rank = (member.severity, std::cmp::Reverse(member.since));
        if best.is_none_or(|(_, known)| rank > known) {
            best = Some((runbook, rank));
        }
    }
    best.map(|(runbook, _)| runbook)
}

/// The card of a runbook by name, with links to its queries.
pub fn card(catalogue: &Catalogue, name: &str, look: Look<'_>) -> Option<RunbookCard> {
    let runbook = catalogue.runbooks.get(name)?;
    Some(RunbookCard {
        name: runbook.name.clone(),
        title: runbook.title.clone(),
        steps: runbook.steps.iter().take(MAX_STEPS).map(|step| bounded(step, MAX_STEP)).collect(),
        url: runbook.url.clone(),
        queries: log_query::links(catalogue, name, look),
    })
}

#[cfg(test)]
mod tests;
