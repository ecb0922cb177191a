//! What people want.

use super::{Action, Command, Deciding, MAX_REASON};
use crate::alert::bounded;
use crate::incident::{Fact, Status};
use crate::message::NoticeKind;

/// The most bytes of who gives a command, and of a note. A command that is read is shorter already.
const MAX_BY: usize = 80;
const MAX_NOTE: usize = 2000;

impl Deciding<'_> {
    pub(super) fn command(&mut self, command: &Command) -> String {
        let Some(incident) = &self.incident else { return "no such incident".to_owned() };
        let (open, by) = (incident.is_open(), &bounded(&command.by, MAX_BY));
        let said = command.text.as_deref().map_or(String::new(), |text| format!(": {}", bounded(text, MAX_REASON)));
        let reason = format!("{by} said so{said}");
        match &command.action {
            Action::Note(text) => {
                let stale_at = incident.acknowledgement.as_ref().filter(|_| open).map(|_| self.stale_at());
                self.record(
                    Fact::Noted { by: by.to_owned(), text: bounded(text, MAX_NOTE), stale_at },
                    &format!("{by} wrote it down"),
                    Vec::new(),
                );
                if open {
                    self.told.push(format!("{by}: {}", bounded(text, MAX_REASON)));
                }
                "noted".to_owned()
            }
            Action::Reopen if open => "it is open already".to_owned(),
            Action::Reopen => self.reopen(by, &reason),
            Action::Undo(run) => self.undo_by_hand(*run, by),
            _ if !open => "it is resolved already; reopen it first".to_owned(),
            Action::Acknowledge => {
                if let Some(known) = &incident.acknowledgement {
                    return format!("{} acknowledged it at {} already", known.by, known.at);
                }
                self.acknowledge(by, &reason);
                "acknowledged; nobody else is called".to_owned()
            }
            Action::Approve(run) => self.approve(*run, by),
            Action::Resolve => {
                self.resolve(by, &reason);
                "resolved".to_owned()
            }
            Action::Status(to) if !matches!(to, Status::Investigating | Status::Identified | Status::Monitoring) => {
                format!("{to} is not set by hand; there is a command for it")
            }
            Action::Status(to) if incident.status == *to && incident.acknowledgement.is_some() => {
                format!("it is {to} already")
            }
            Action::Status(to) => {
                if incident.acknowledgement.is_none() {
                    self.acknowledge(by, &reason);
                }
                let stale_at = self.stale_at();
                self.record(Fact::StatusChanged { to: *to, by: by.to_owned(), stale_at }, &reason, Vec::new());
                self.told.push(format!("{by} set it to {to}{said}"));
                format!("{to}")
            }
        }
    }

    fn acknowledge(&mut self, by: &str, reason: &str) {
        self.send_first_page();
        let stale_at = self.stale_at();
        self.record(Fact::Acknowledged { by: by.to_owned(), stale_at }, reason, Vec::new());
        let numbers = self.tell(&NoticeKind::Acknowledged { by: by.to_owned() }, reason);
        self.attach(numbers);
    }

    pub(super) fn resolve(&mut self, by: &str, reason: &str) {
        self.send_first_page();
        self.record(Fact::Resolved { by: by.to_owned() }, reason, Vec::new());
        let mut numbers = self.tell(&NoticeKind::Resolved { by: by.to_owned() }, reason);
        numbers.extend(self.ask_for_post_mortem());
        self.attach(numbers);
    }

    fn reopen(&mut self, by: &str, reason: &str) -> String {
        self.record(Fact::Reopened { by: by.to_owned() }, reason, Vec::new());
        if self.hold_back() {
            let why = self.entries.last().map(|entry| entry.reason.clone()).unwrap_or_default();
            return format!("reopened; {why}");
        }
        self.page_anew(&format!("reopened by {by}"));
        "reopened and paged".to_owned()
    }
}
