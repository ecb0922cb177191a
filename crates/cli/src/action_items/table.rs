//! Action items for a terminal.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use monitoring_core::action_item::{ActionItem, Change, HistoryEntry, today};
use monitoring_core::catalogue::Catalogue;

use crate::incidents::show::printable;

/// A line each.
pub(crate) fn of_items(items: &[ActionItem], catalogue: &Catalogue, now: Timestamp) -> String {
    let ids: Vec<String> = items.iter().map(|item| item.id().to_string()).collect();
    let width = ids.iter().map(String::len).max().unwrap_or_default();
    let mut text = String::new();
    let _ = writeln!(text, "{:<width$} {:<8} {:<11} {:<10} {:<18} TITLE", "ID", "PRIORITY", "STATUS", "OWNER", "DUE");
    for (id, item) in ids.iter().zip(items) {
        let _ = writeln!(
            text,
            "{id:<width$} {:<8} {:<11} {:<10} {:<18} {}",
            item.priority.as_str(),
            item.status.as_str(),
            printable(owner(item)),
            due(item, today(catalogue, item, now)),
            printable(&item.title),
        );
    }
    text
}

/// One with its history.
pub(crate) fn of_item(item: &ActionItem, catalogue: &Catalogue, now: Timestamp) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}  {}  {}", item.id(), item.priority.as_str(), item.status.as_str());
    let _ = writeln!(text, "{}", printable(&item.title));
    let _ = writeln!(text, "why       {}", printable(&item.why));
    let _ = writeln!(text, "done when {}", printable(&item.done_when));
    let _ = writeln!(
        text,
        "owner     {}, team {}",
        item.owner.as_deref().map_or("nobody".into(), printable),
        printable(&item.team)
    );
    let _ = writeln!(text, "due       {}", due(item, today(catalogue, item, now)));
    text.push_str("\nhistory (UTC)\n");
    for entry in &item.history {
        let why = entry.why.as_deref().map_or(String::new(), |why| format!(": {}", printable(why)));
        let _ =
            writeln!(text, "  {}  {} {}{why}", entry.at.strftime("%Y-%m-%d %H:%M"), printable(&entry.by), what(entry));
    }
    text
}

fn owner(item: &ActionItem) -> &str {
    item.owner.as_deref().unwrap_or(&item.team)
}

/// The day, and how many days it is overdue.
fn due(item: &ActionItem, today: Date) -> String {
    if !item.is_overdue(today) {
        return item.due.to_string();
    }
    let days = today.since(item.due).map_or(0, |late| late.get_days());
    format!("{} ({days} d late)", item.due)
}

fn what(entry: &HistoryEntry) -> String {
    match &entry.change {
        Change::AskedFor => "asked for it".to_owned(),
        Change::Started => "started".to_owned(),
        Change::Done => "said that it is done".to_owned(),
        Change::Dropped => "dropped it".to_owned(),
        Change::Reassigned { team, owner } => {
            let to = owner.as_ref().map_or_else(|| format!("team {team}"), |owner| format!("{owner}, team {team}"));
            format!("gave it to {}", printable(&to))
        }
        Change::Moved { due } => format!("moved it to {due}"),
    }
}
