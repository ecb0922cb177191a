//! An incident in sentences: what was decided, and why.

use jiff::Timestamp;
use monitoring_aws::store::JournalItem;
use monitoring_core::catalogue::Catalogue;
use monitoring_core::escalation;
use monitoring_core::incident::{Entry, Fact, Incident, IncidentId};
use monitoring_core::message::{NoticeKind, format_seconds};

use crate::incidents::show::found_out;

/// Everything that was decided until `at`, and how things stood then.
pub(super) fn sentences(
    id: &IncidentId,
    journal: &[JournalItem],
    catalogue: &Catalogue,
    at: Option<Timestamp>,
) -> Vec<String> {
    let entries: Vec<&Entry> = journal
        .iter()
        .filter_map(|item| match item {
            JournalItem::Entry(entry) => Some(entry.as_ref()),
            JournalItem::Effect { .. } => None,
        })
        .filter(|entry| at.is_none_or(|at| entry.at <= at))
        .collect();
    let Some(first) = entries.first() else {
        return vec![format!("{id} did not exist yet.")];
    };
    let mut sentences = vec![format!("{id}")];
    let mut incident = Incident::open(id.clone(), &first.fact, first.at);
    for entry in &entries {
        if let Some(incident) = incident.as_mut() {
            incident.apply(entry);
        }
        sentences.extend(decided(entry).map(|sentence| format!("  {}  {sentence}", time(entry.at))));
        sentences.extend(entry.effects.iter().filter_map(|number| {
            let became = journal.iter().find_map(|item| became_of(item, *number, at))?;
            Some(format!("                       {became}"))
        }));
    }
    sentences.extend(incident.map(|incident| stands(&incident, catalogue, at)));
    sentences
}

/// What an entry says of who was called or not.
fn decided(entry: &Entry) -> Option<String> {
    let reason = &entry.reason;
    Some(match &entry.fact {
        Fact::Opened { severity, title, .. } => format!("It began as a {severity}, {title}: {reason}."),
        Fact::AlertFired { key, .. } => format!("Alert {key}: {reason}."),
        Fact::AlertRecovered { key, .. } => format!("Alert {key} was measured OK: {reason}."),
        Fact::SeverityRaised { to, .. } => format!("It became a {to}: {reason}."),
        Fact::Paged { level, round, channels, .. } => {
            let again = if *round == 0 { String::new() } else { format!(" of round {}", round + 1) };
            match channels.as_slice() {
                [] => format!(
                    "Level {level}{again} was reached, and had no channel that was not called already: {reason}."
                ),
                channels => format!("Level {level}{again} was called by {}: {reason}.", channels.join(" and ")),
            }
        }
        Fact::FellBack { from, page } => format!("{} was used in place of {from}: {reason}.", page.channel),
        Fact::CameAgain { key } => format!("Its first page has the key {key}: {reason}."),
        Fact::Held { .. } => format!("N{}.", reason.strip_prefix('n').unwrap_or(reason)),
        Fact::Released {} => format!("The page was no longer held back: {reason}."),
        Fact::Acknowledged { by, stale_at } => {
            format!(
                "{by} acknowledged it, so nobody else was called (until {}, unless they are heard of).",
                time(*stale_at)
            )
        }
        Fact::WentStale { .. } => format!("The acknowledgement was not relied on any longer: {reason}."),
        Fact::StatusChanged { to, by, .. } => format!("{by} set it to {to}."),
        Fact::Noted { by, text, .. } => format!("{by} wrote: {text}"),
        Fact::Resolved { by } if by == monitoring_core::incident::RECOVERY => format!("It ended by itself: {reason}."),
        Fact::Resolved { by } => format!("{by} resolved it."),
        Fact::Reopened { by } => format!("{by} reopened it."),
        Fact::DeliveryFailed { channel, .. } => format!("A message by {channel} was given up: {reason}."),
        Fact::Action { run, .. } => format!("Action {run}: {reason}."),
        Fact::PostMortemWritten { .. }
        | Fact::PostMortemAsked {}
        | Fact::ReviewReminded {}
        | Fact::PostMortemApproved { .. }
        | Fact::Delivered { .. } => return None,
        Fact::Investigated { found } => {
            format!("It was investigated: {}", found_out(found, "\n                       "))
        }
    })
}

/// What became of a page.
fn became_of(item: &JournalItem, number: u32, at: Option<Timestamp>) -> Option<String> {
    let JournalItem::Effect { effect, state, attempts, result, finished_at } = item else { return None };
    let (channel, notice) = effect.notice()?;
    if effect.number != number || !matches!(notice.kind, NoticeKind::Page { .. }) {
        return None;
    }
    let said = result.as_deref().filter(|said| *said != "accepted").map_or(String::new(), |said| format!(": {said}"));
    let tries = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
    let finished = finished_at.filter(|finished| at.is_none_or(|at| *finished <= at));
    Some(match (state.as_str(), finished) {
        ("done", Some(finished)) => format!("{channel} accepted the page at {}{tries}.", time(finished)),
        ("failed", Some(finished)) => {
            format!("{channel} did not take the page; it was given up at {}{tries}{said}.", time(finished))
        }
        ("superseded", Some(_)) => format!("The page by {channel} was replaced by a newer one."),
        _ if *attempts == 0 => format!("The page by {channel} was not attempted yet."),
        _ => format!("The page by {channel} was not accepted yet{tries}{said}."),
    })
}

/// Who is waited for, and what comes next.
fn stands(incident: &Incident, catalogue: &Catalogue, at: Option<Timestamp>) -> String {
    let when = at.map_or("Now".to_owned(), |at| format!("At {}", time(at)));
    if let Some(resolution) = &incident.resolution {
        let lasted = format_seconds(resolution.at.duration_since(incident.opened_at).as_secs());
        return format!("  {when} it is resolved, after {lasted}.");
    }
    if let Some(held) = &incident.held {
        return format!("  {when} its page is held back {}; each minute that is looked at again.", held.in_words());
    }
    if let Some(acknowledgement) = &incident.acknowledgement {
        return format!("  {when} {} is on it, so nobody is called.", acknowledgement.by);
    }
    let next = catalogue.policy(incident.severity).map(|policy| escalation::next(policy, &incident.escalation));
    match (next, incident.wake_at) {
        (Some(next), Some(at)) => {
            format!(
                "  {when} nobody has acknowledged it; level {} is called at {}, unless somebody does.",
                next.level,
                time(at)
            )
        }
        _ => format!("  {when} nobody has acknowledged it."),
    }
}

pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
