//! From a document to its items.

use jiff::Timestamp;

use super::{ActionItem, Change, HistoryEntry, SCHEMA, Status, WRITER};
use crate::alert::bounded;
use crate::catalogue::Catalogue;
use crate::post_mortem::due::{due_date, on_call, zone};
use crate::post_mortem::{PostMortem, ProposedItem};

/// The most bytes of a title, and of how to know that it is done.
const MAX_TITLE: usize = 300;
const MAX_SENTENCE: usize = 500;

/// What is to be written so that the items of an incident are those of its document; nothing when they are. `existing` are all of
/// that incident.
///
/// A new one belongs to whoever was on call for its team when the incident ended, and to the team where it has no schedule. What the document
/// asks for no longer is dropped, unless somebody has had it in hands.
pub fn of_document(
    document: &PostMortem,
    existing: &[ActionItem],
    catalogue: &Catalogue,
    now: Timestamp,
) -> Vec<ActionItem> {
    let mut writes: Vec<ActionItem> = Vec::new();
    for proposed in &document.items {
        match existing.iter().find(|item| item.item == proposed.rule) {
            None => writes.push(made(document, proposed, catalogue, now)),
            Some(item) => writes.extend(followed(item, document, proposed, catalogue, now)),
        }
    }
    let asked_for = |item: &ActionItem| document.items.iter().any(|proposed| proposed.rule == item.item);
    let forgotten =
        existing.iter().filter(|item| item.status == Status::Open && !asked_for(item) && item.is_untouched());
    writes.extend(forgotten.map(|item| {
        let dropped = ActionItem { status: Status::Dropped, status_since: now, ..item.clone() };
        dropped.changed(Change::Dropped, WRITER, Some("the post-mortem does not ask for it any more"), now)
    }));
    writes
}

impl ActionItem {
    /// Whether nobody but the suite has changed it.
    fn is_untouched(&self) -> bool {
        self.history.iter().all(|entry| entry.by == WRITER)
    }
}

fn made(document: &PostMortem, proposed: &ProposedItem, catalogue: &Catalogue, now: Timestamp) -> ActionItem {
    let owner = on_call(catalogue, &proposed.owner, document.resolved_at);
    let asked = now.to_zoned(zone(catalogue, &proposed.owner, owner)).date();
    let item = ActionItem {
        schema: SCHEMA,
        incident_id: document.incident_id.clone(),
        item: proposed.rule.clone(),
        version: 1,
        title: String::new(),
        why: String::new(),
        done_when: String::new(),
        priority: proposed.priority,
        severity: document.severity,
        status: Status::Open,
        status_since: now,
        team: proposed.owner.clone(),
        owner: owner.map(str::to_owned),
        due: proposed.due.unwrap_or_else(|| due_date(proposed.priority, document.severity, asked)),
        asked_at: now,
        history: vec![HistoryEntry { at: now, by: WRITER.to_owned(), change: Change::AskedFor, why: None }],
    };
    worded(item, proposed)
}

/// The item as it is to be, if it is another. One that somebody closed stays as it is.
fn followed(
    item: &ActionItem,
    document: &PostMortem,
    proposed: &ProposedItem,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Option<ActionItem> {
    if item.is_open() {
        let worded = worded(item.clone(), proposed);
        return (worded != *item).then(|| ActionItem { version: item.version + 1, ..worded });
    }
    if !item.is_untouched() {
        return None;
    }
    let asked = super::today(catalogue, item, now);
    let due = due_date(item.priority, document.severity, asked);
    let open = ActionItem { status: Status::Open, status_since: now, due, ..worded(item.clone(), proposed) };
    Some(open.changed(Change::AskedFor, WRITER, None, now))
}

/// In the words of the document.
fn worded(item: ActionItem, proposed: &ProposedItem) -> ActionItem {
    ActionItem {
        title: bounded(&proposed.title, MAX_TITLE),
        why: bounded(&proposed.why.text(), MAX_SENTENCE),
        done_when: bounded(&proposed.done_when, MAX_SENTENCE),
        ..item
    }
}
