//! What happened, in order, from every source.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::course::{list, said};
use super::traces::Trace;
use super::{Evidence, MAX_TIMELINE, Origin, Performed, Source, TimelineEntry};
use crate::alert::{AlertKey, ChangeState, bounded};
use crate::catalogue::Severity;
use crate::incident::{Entry, Fact, RECOVERY};
use crate::message::NoticeKind;

/// The most bytes of an entry's text.
const MAX_TEXT: usize = 300;

/// The timeline, and how many entries in its middle are left out of it.
pub(super) fn timeline(evidence: &Evidence<'_>) -> (Vec<TimelineEntry>, u32) {
    let mut known: BTreeMap<&AlertKey, (ChangeState, Severity)> = BTreeMap::new();
    let mut timeline: Vec<TimelineEntry> = Vec::new();
    for entry in evidence.entries {
        if let Fact::AlertFired { key, member } = &entry.fact {
            let now = (member.state, member.severity);
            // That it still fires is recorded, and is no news.
            if known.insert(key, now) == Some(now) {
                continue;
            }
        }
        if let Fact::AlertRecovered { key, .. } = &entry.fact
            && let Some((state, _)) = known.get_mut(key)
        {
            *state = ChangeState::Ok;
        }
        timeline
            .extend(of_entry(entry).map(|(at, origin, text)| line(at, origin, &text, Source::Journal(entry.number))));
    }
    timeline.extend(evidence.entries.iter().flat_map(of_changes));
    timeline.extend(evidence.effects.iter().filter_map(of_page));
    timeline.extend(evidence.traces.iter().filter_map(of_trace));
    timeline.sort_by_key(|line| (line.at.as_second(), line.origin, number(&line.source)));
    let left_out = timeline.len().saturating_sub(MAX_TIMELINE);
    if left_out > 0 {
        // How it began matters most, then how it ended.
        let begin = MAX_TIMELINE * 3 / 5;
        timeline.drain(begin..begin + left_out);
    }
    (timeline, u32::try_from(left_out).unwrap_or(u32::MAX))
}

fn line(at: Timestamp, origin: Origin, text: &str, source: Source) -> TimelineEntry {
    TimelineEntry { at, origin, text: bounded(text, MAX_TEXT), source }
}

fn number(source: &Source) -> u32 {
    match source {
        Source::Journal(number) | Source::Message(number) | Source::Told { journal: number, .. } => *number,
        Source::Catalogue(_) | Source::Metric(_) | Source::Incident(_) | Source::Document => 0,
    }
}

fn of_entry(entry: &Entry) -> Option<(Timestamp, Origin, String)> {
    let reason = &entry.reason;
    let suite = |text: String| Some((entry.at, Origin::Suite, text));
    let person = |text: String| Some((entry.at, Origin::Person, text));
    let with_words = |text: String, by: &str| match said(entry, by) {
        Some(said) => format!("{text}: {said}"),
        None => text,
    };
    match &entry.fact {
        Fact::Opened { severity, .. } => suite(format!("Incident opened as {severity}.")),
        Fact::AlertFired { member, .. } => {
            let value = member.value.map_or(String::new(), |value| format!(", measured {}", member.unit.format(value)));
            Some((member.at.min(entry.at), Origin::Alert, format!("{}{value} ({reason}).", member.title)))
        }
        Fact::AlertRecovered { key, measured_at } => {
            // The reason of a rule without datapoints says the same.
            let why = if reason == "measured OK" { String::new() } else { format!(" ({reason})") };
            Some(((*measured_at).min(entry.at), Origin::Alert, format!("{key} was measured OK{why}.")))
        }
        Fact::SeverityRaised { to, .. } => suite(format!("Raised to {to}: {reason}.")),
        Fact::Paged { level, channels, .. } if channels.is_empty() => {
            suite(format!("Level {level} was reached, and had no further channel: {reason}."))
        }
        Fact::Paged { level, channels, .. } => suite(format!("Level {level} called by {}: {reason}.", list(channels))),
        Fact::Action { run, .. } => suite(format!("Automated action {run}: {reason}.")),
        Fact::FellBack { from, page } => suite(format!("Called by {} in place of {from}: {reason}.", page.channel)),
        Fact::CameAgain { .. } => suite(format!("People may have been called without a record: {reason}.")),
        Fact::Held { .. } => suite(format!("Held back, {reason}.")),
        Fact::Released {} => suite(format!("No longer held back: {reason}.")),
        Fact::Acknowledged { by, .. } => person(with_words(format!("{by} acknowledged"), by)),
        Fact::WentStale { .. } => suite(format!("The acknowledgement is not relied on any longer: {reason}.")),
        Fact::StatusChanged { to, by, .. } => person(with_words(format!("{by} set the status to {to}"), by)),
        Fact::Investigated { found } => suite(format!("Investigated: {}.", found.headline)),
        Fact::Noted { by, text, .. } => person(format!("{by} noted: {text}")),
        Fact::Resolved { by } if by == RECOVERY => suite(format!("Resolved: {reason}.")),
        Fact::Resolved { by } => person(with_words(format!("{by} resolved it"), by)),
        Fact::Reopened { by } => person(with_words(format!("{by} reopened it"), by)),
        Fact::DeliveryFailed { channel, .. } if !channel.contains('/') => {
            Some((entry.at, Origin::Channel, format!("A message by {channel} was given up: {reason}.")))
        }
        Fact::DeliveryFailed { .. }
        | Fact::Delivered { .. }
        | Fact::PostMortemWritten { .. }
        | Fact::PostMortemAsked {}
        | Fact::ReviewReminded {}
        | Fact::PostMortemApproved { .. } => None,
    }
}

/// What the investigation was told of deployments and changes. One long before, which nobody suspects, is in it all the same.
fn of_changes(entry: &Entry) -> Vec<TimelineEntry> {
    let Fact::Investigated { found } = &entry.fact else { return Vec::new() };
    let told = found.changes.iter().map(|change| {
        let source = Source::Told { by: change.source, journal: entry.number };
        line(change.at, Origin::Change, &format!("{}.", change.sentence()), source)
    });
    told.collect()
}

/// That a metric began to be bad, which is before its alert.
fn of_trace(trace: &Trace) -> Option<TimelineEntry> {
    let onset = trace.onset()?;
    let (label, format) = (trace.label(), |value| trace.unit.format(value));
    let text = match (onset.value, onset.usual) {
        (None, _) => format!("{label} has no more data."),
        (Some(value), Some((least, most))) => {
            format!("{label} left what was usual, {} to {}: {}.", format(least), format(most), format(value))
        }
        (Some(value), None) => format!("{label} crossed its threshold: {}.", format(value)),
    };
    Some(line(onset.at, Origin::Metric, &text, Source::Metric(trace.metric.clone())))
}

/// A page that a receiver accepted. What was given up is in the journal with its reason.
fn of_page(performed: &Performed) -> Option<TimelineEntry> {
    let at = performed.ended_at.filter(|_| performed.accepted)?;
    let NoticeKind::Page { level, .. } = performed.effect.notice()?.1.kind else { return None };
    let tries = if performed.attempts > 1 { format!(" at attempt {}", performed.attempts) } else { String::new() };
    let text = format!("{} accepted the page of level {level}{tries}.", performed.effect.lane());
    Some(line(at, Origin::Channel, &text, Source::Message(performed.effect.number)))
}
