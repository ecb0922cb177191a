//! An incident with its journal, in the order in which things happened.

use std::fmt::Write;

use jiff::Timestamp;
use monitoring_aws::store::JournalItem;
use monitoring_core::action::{Phase, Step};
use monitoring_core::alert::ChangeState;
use monitoring_core::catalogue::Runbook;
use monitoring_core::decide::EffectKind;
use monitoring_core::incident::{Fact, Incident};
use monitoring_core::investigation::Investigation;
use monitoring_core::message::{NoticeKind, QueryLink, format_seconds};
use serde_json::{Value, json};

/// For people.
pub(super) fn text(incident: &Incident, journal: &[JournalItem], runbook: Option<&Runbook>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}  {}  {}", incident.id, incident.severity, incident.status);
    let _ = writeln!(text, "{}", printable(&incident.title));
    let _ = writeln!(text, "group     {}", printable(incident.group.as_str()));
    let _ = writeln!(text, "runbook   {}", incident.runbook.as_deref().unwrap_or("none"));
    let _ = writeln!(text, "since     {}", time(incident.onset));
    if let Some(held) = &incident.held {
        let _ = writeln!(text, "held back {}", printable(&held.in_words()));
    }
    if let Some(acknowledgement) = &incident.acknowledgement {
        let _ = writeln!(text, "with      {} since {}", printable(&acknowledgement.by), time(acknowledgement.at));
    }
    if let Some(resolution) = &incident.resolution {
        let lasted = format_seconds(resolution.at.duration_since(incident.opened_at).as_secs());
        let _ = writeln!(text, "ended     {} by {}, after {lasted}", time(resolution.at), printable(&resolution.by));
    } else if let Some(wake_at) = incident.wake_at {
        let _ = writeln!(text, "next step {}", time(wake_at));
    }
    text.push_str("\nalerts\n");
    for (key, member) in &incident.alerts {
        let state = if member.state == ChangeState::Firing { "firing" } else { "ok" };
        let value = member.value.map_or(String::new(), |value| format!(", was {}", member.unit.format(value)));
        let _ = writeln!(text, "  {state:<6} {}: {}{value}", printable(key.as_str()), printable(&member.title));
        if let Some(quote) = &member.quote {
            let _ = writeln!(text, "         {}", printable(quote));
        }
    }
    if !incident.beyond.is_empty() {
        let _ = writeln!(text, "  and {} more, which are only in the journal", incident.beyond.len());
    }
    if let Some(runbook) = runbook.filter(|_| incident.is_open()) {
        let _ = writeln!(text, "\nwhat to do: {}", printable(&runbook.title));
        for (index, step) in runbook.steps.iter().enumerate() {
            let _ = writeln!(text, "  {}. {}", index + 1, printable(step));
        }
        if let Some(url) = &runbook.url {
            let _ = writeln!(text, "  {}", printable(url));
        }
    }
    let queries = queries(journal);
    if !queries.is_empty() {
        text.push_str("\nlogs of that time\n");
    }
    for query in queries {
        let _ = writeln!(text, "  {}: {}", printable(&query.title), printable(&query.url));
    }
    text.push_str("\njournal (UTC)\n");
    let mut lines: Vec<(Timestamp, u8, u32, String)> = journal.iter().map(line).collect();
    // Effects are timed to the millisecond.
    lines.sort_by_key(|(at, kind, number, _)| (at.as_millisecond(), *kind, *number));
    for (at, _, _, line) in lines {
        // What is told on several lines was made of printable parts.
        let line: Vec<String> = line.lines().map(printable).collect();
        let _ = writeln!(text, "  {}  {}", time(at), line.join("\n"));
    }
    text
}

/// The links to queries of the logs that the latest message had.
fn queries(journal: &[JournalItem]) -> &[QueryLink] {
    let notices = journal.iter().filter_map(|item| match item {
        JournalItem::Effect { effect, .. } => Some((effect.number, effect.notice()?.1)),
        JournalItem::Entry(_) => None,
    });
    let cards = notices.filter_map(|(number, notice)| Some((number, notice.runbook.as_ref()?.queries.as_slice())));
    let latest = cards.filter(|(_, queries)| !queries.is_empty()).max_by_key(|(number, _)| *number);
    latest.map(|(_, queries)| queries).unwrap_or_default()
}

/// For programs: entries and effects as they are stored.
pub(super) fn journal_json(journal: &[JournalItem]) -> Value {
    let items = journal.iter().map(|item| match item {
        JournalItem::Entry(entry) => json!(entry),
        JournalItem::Effect { effect, state, attempts, result, finished_at } => {
            let mut value = json!(effect);
            if let Some(value) = value.as_object_mut() {
                value.insert("state".to_owned(), json!(state));
                value.insert("attempts".to_owned(), json!(attempts));
                value.insert("result".to_owned(), json!(result));
                value.insert("finished_at".to_owned(), json!(finished_at));
            }
            value
        }
    });
    Value::Array(items.collect())
}

/// When, entries before effects, number, what.
fn line(item: &JournalItem) -> (Timestamp, u8, u32, String) {
    match item {
        JournalItem::Entry(entry) => {
            let text = format!("{:<12} {}", what(&entry.fact), detail(&entry.fact, &entry.reason));
            (entry.at, 0, entry.number, text)
        }
        JournalItem::Effect { effect, state, attempts, result, finished_at } => {
            let (channel, kind) = match &effect.kind {
                EffectKind::Notify { channel, notice } => (channel.clone(), message(&notice.kind)),
                EffectKind::Look { run, .. } => (format!("action {run}"), "look at the target".to_owned()),
                EffectKind::RunActions { run, phase, .. } => (format!("action {run}"), calls(*phase).to_owned()),
                EffectKind::WritePostMortem {} => (effect.lane(), "request for the post-mortem".to_owned()),
                EffectKind::Investigate { .. } => (effect.lane(), "request for an investigation".to_owned()),
            };
            let tries = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
            let said = result
                .as_ref()
                .filter(|result| *result != "accepted")
                .map_or(String::new(), |result| format!(" ({result})"));
            let text = format!("{channel:<12} {kind}: {state}{tries}{said}");
            (finished_at.unwrap_or(effect.created_at), 1, effect.number, text)
        }
    }
}

fn message(kind: &NoticeKind) -> String {
    match kind {
        NoticeKind::Page { level, round: 0, team } => format!("page of level {level} to {team}"),
        NoticeKind::Page { level, round, team } => format!("page of level {level} to {team}, round {}", round + 1),
        NoticeKind::Team { title, .. } => format!("word to {title}"),
        NoticeKind::Update => "update".to_owned(),
        NoticeKind::Approval { run, .. } => format!("asks for consent to action {run}"),
        NoticeKind::Acknowledged { .. } => "word of the acknowledgement".to_owned(),
        NoticeKind::Resolved { .. } => "word of the end".to_owned(),
        NoticeKind::PostMortem { .. } => "word of the post-mortem".to_owned(),
    }
}

fn calls(phase: Phase) -> &'static str {
    match phase {
        Phase::Do => "calls",
        Phase::Later => "calls of the second part",
        Phase::Undo => "calls that undo it",
    }
}

fn what(fact: &Fact) -> &'static str {
    match fact {
        Fact::Opened { .. } => "opened",
        Fact::AlertFired { .. } => "alert",
        Fact::AlertRecovered { .. } => "recovered",
        Fact::SeverityRaised { .. } => "raised",
        Fact::Paged { .. } => "paged",
        Fact::FellBack { .. } => "fell back",
        Fact::CameAgain { .. } => "came again",
        Fact::Held { .. } => "held back",
        Fact::Released {} => "released",
        Fact::WentStale { .. } => "went stale",
        Fact::Acknowledged { .. } => "acknowledged",
        Fact::StatusChanged { .. } => "status",
        Fact::Noted { .. } => "note",
        Fact::Resolved { .. } => "resolved",
        Fact::Reopened { .. } => "reopened",
        Fact::PostMortemWritten { .. } | Fact::PostMortemAsked {} => "post-mortem",
        Fact::ReviewReminded {} => "reminded",
        Fact::PostMortemApproved { .. } => "approved",
        Fact::Investigated { .. } => "investigated",
        Fact::Delivered { .. } => "delivered",
        Fact::DeliveryFailed { .. } => "failed",
        Fact::Action { .. } => "action",
    }
}

fn detail(fact: &Fact, reason: &str) -> String {
    match fact {
        Fact::Opened { severity, title, .. } => format!("{severity} {title} ({reason})"),
        Fact::AlertFired { member, .. } => {
            let value = member.value.map_or(String::new(), |value| format!(", is {}", member.unit.format(value)));
            format!("{}{value} ({reason})", member.title)
        }
        Fact::AlertRecovered { key, .. } => format!("{key} ({reason})"),
        Fact::Paged { level, channels, next_at, .. } => {
            let channels = if channels.is_empty() { "no further channel".to_owned() } else { channels.join(", ") };
            format!("level {level} by {channels} ({reason}); next step {}", time(*next_at))
        }
        Fact::Noted { by, text, .. } => format!("{by}: {text}"),
        Fact::Investigated { found } => found_out(found, "\n      "),
        Fact::StatusChanged { to, .. } => format!("{to} ({reason})"),
        Fact::Acknowledged { by, .. } | Fact::Resolved { by } | Fact::Reopened { by } => format!("by {by} ({reason})"),
        Fact::DeliveryFailed { effect, channel } => format!("message {effect} by {channel} was given up ({reason})"),
        Fact::Action { run, progress: Step::Done { verify_at, .. } } => {
            format!("{run}: {reason}; judged at {}", time(*verify_at))
        }
        Fact::Action { run, .. } => format!("{run}: {reason}"),
        Fact::SeverityRaised { .. }
        | Fact::FellBack { .. }
        | Fact::CameAgain { .. }
        | Fact::Held { .. }
        | Fact::Released {}
        | Fact::WentStale { .. }
        | Fact::PostMortemWritten { .. }
        | Fact::PostMortemAsked {}
        | Fact::ReviewReminded {}
        | Fact::PostMortemApproved { .. }
        | Fact::Delivered { .. } => reason.to_owned(),
    }
}

/// The headline, and each finding on a line of its own.
pub(crate) fn found_out(found: &Investigation, indent: &str) -> String {
    let line = |(at, text): (Option<Timestamp>, String)| {
        let at = at.map_or(String::new(), |at| format!("{} ", at.strftime("%H:%M")));
        format!("{indent}{at}{}", printable(&text))
    };
    let lines: String = found.lines().into_iter().map(line).collect();
    format!("{}{lines}", printable(&found.headline))
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The text without what could move a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
