//! The course of an incident: its facts, found once, and what they say in short.

use jiff::Timestamp;

use super::traces::first_onset;
use super::{Evidence, Performed, Source, Statement, impact};
use crate::alert::ChangeState;
use crate::incident::{Entry, Fact, RECOVERY};
use crate::message::{date_and_time, format_seconds};

/// The facts of an incident that several parts of the document ask for.
pub(super) struct Course<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) resolved_at: Timestamp,
    /// The entry that ended it, the last where it was reopened.
    pub(super) end: Option<&'a Entry>,
    pub(super) acknowledged: Option<&'a Entry>,
    /// When people were called.
    pub(super) pages: Vec<&'a Entry>,
}

impl<'a> Course<'a> {
    pub(super) fn new(evidence: &'a Evidence<'a>, resolved_at: Timestamp) -> Self {
        let entries = evidence.entries;
        Self {
            evidence,
            resolved_at,
            end: entries.iter().rev().find(|entry| matches!(entry.fact, Fact::Resolved { .. })),
            acknowledged: entries.iter().find(|entry| matches!(entry.fact, Fact::Acknowledged { .. })),
            pages: entries.iter().filter(|entry| matches!(entry.fact, Fact::Paged { .. })).collect(),
        }
    }

    /// The first entry whose fact fits.
    pub(super) fn first(&self, fits: impl Fn(&Fact) -> bool) -> Option<&'a Entry> {
        self.evidence.entries.iter().find(|entry| fits(&entry.fact))
    }

    /// Every entry whose fact fits.
    pub(super) fn all(&self, fits: impl Fn(&Fact) -> bool) -> Vec<&'a Entry> {
        self.evidence.entries.iter().filter(|entry| fits(&entry.fact)).collect()
    }

    /// The source of the beginning; the journal begins with it.
    pub(super) fn beginning(&self) -> Source {
        Source::Journal(self.evidence.entries.first().map_or(1, |entry| entry.number))
    }

    /// The source of the end.
    pub(super) fn ending(&self) -> Source {
        self.end.map_or_else(|| self.beginning(), |entry| Source::Journal(entry.number))
    }

    /// The messages that called people.
    pub(super) fn page_messages(&self) -> impl Iterator<Item = &'a Performed> {
        self.evidence.effects.iter().filter(|performed| performed.effect.is_page())
    }

    /// Whether it ended because every alert was measured OK.
    pub(super) fn ended_by_recovery(&self) -> bool {
        self.end.is_some_and(|entry| matches!(&entry.fact, Fact::Resolved { by } if by == RECOVERY))
    }

    /// From when it was recorded to its end, in seconds.
    pub(super) fn lasted(&self) -> i64 {
        seconds_between(self.evidence.incident.opened_at, self.resolved_at)
    }

    /// Whether an alert of it still fires.
    pub(super) fn fires_still(&self) -> bool {
        self.evidence.incident.alerts.values().any(|member| member.state == ChangeState::Firing)
    }

    /// What happened, in short.
    pub(super) fn summary(&self) -> Vec<Statement> {
        let incident = self.evidence.incident;
        let mut statements = vec![Statement::known(
            format!(
                "{} of group {} began at {}: {}.",
                incident.severity,
                incident.group,
                date_and_time(incident.opened_at),
                incident.title
            ),
            [self.beginning()],
        )];
        statements.extend(self.alerts_in_short());
        statements.push(self.acknowledgement());
        statements.push(self.end_in_short());
        statements
    }

    fn alerts_in_short(&self) -> Option<Statement> {
        let fired = self.all(|fact| matches!(fact, Fact::AlertFired { .. }));
        let mut keys: Vec<(&str, u32, Timestamp)> = Vec::new();
        for entry in &fired {
            if let Fact::AlertFired { key, .. } = &entry.fact
                && !keys.iter().any(|(known, ..)| *known == key.as_str())
            {
                keys.push((key.as_str(), entry.number, entry.at));
            }
        }
        let (first, _, since) = *keys.first()?;
        let sources = keys.iter().take(8).map(|(_, number, _)| Source::Journal(*number));
        let text = match keys.as_slice() {
            [_] => format!("One alert fired: {first}."),
            [_, (second, _, at)] => {
                format!(
                    "Two alerts fired: {first}, and {second} {} later.",
                    format_seconds(seconds_between(since, *at))
                )
            }
            [.., (last, _, at)] => format!(
                "{} alerts fired, from {first} to {last} within {}.",
                keys.len(),
                format_seconds(seconds_between(since, *at))
            ),
            [] => return None,
        };
        Some(Statement::known(text, sources))
    }

    fn acknowledgement(&self) -> Statement {
        let opened_at = self.evidence.incident.opened_at;
        match self.acknowledged.map(|entry| (entry, &entry.fact)) {
            Some((entry, Fact::Acknowledged { by, .. })) => Statement::known(
                format!("{by} acknowledged it after {}.", format_seconds(seconds_between(opened_at, entry.at))),
                [Source::Journal(entry.number)],
            ),
            _ if self.pages.is_empty() => Statement::known("Nobody was called for it.", [self.ending()]),
            _ => Statement::known("Nobody acknowledged it.", [self.ending()]),
        }
    }

    fn end_in_short(&self) -> Statement {
        let lasted = format_seconds(seconds_between(self.evidence.incident.opened_at, self.resolved_at));
        let at = date_and_time(self.resolved_at);
        let text = match self.end.map(|entry| (&entry.fact, entry)) {
            Some((Fact::Resolved { by }, entry)) if by != RECOVERY => {
                let said = said(entry, by).map_or(String::new(), |said| format!(": {said}"));
                format!("{by} resolved it at {at}, after {lasted}{said}.")
            }
            _ => format!("It ended at {at}, after {lasted}: every alert was measured OK."),
        };
        Statement::known(text, [self.ending()])
    }

    /// How long it lasted: from when it began to show, or from the first alert where that is not known.
    fn duration(&self) -> Statement {
        let onset = self.evidence.incident.onset;
        match first_onset(self.evidence.traces).filter(|(_, first)| first.at < onset) {
            Some((trace, first)) => {
                let lasted = format_seconds(seconds_between(first.at, self.resolved_at));
                let since =
                    format!("from {}, when {} began to be bad, to the end", date_and_time(first.at), trace.label());
                let sources = [Source::Metric(trace.metric.clone()), self.ending()];
                Statement::known(format!("Duration: {lasted}, {since}."), sources)
            }
            None => {
                let lasted = format_seconds(seconds_between(onset, self.resolved_at));
                let text = format!("Duration: {lasted}, from the first alert at {} to the end.", date_and_time(onset));
                Statement::known(text, [self.beginning(), self.ending()])
            }
        }
    }

    /// What it meant, as far as the journal and the metrics tell.
    pub(super) fn impact(&self) -> Vec<Statement> {
        let mut statements = vec![self.duration()];
        let mut channels: Vec<String> = self.page_messages().map(|performed| performed.effect.lane()).collect();
        let pages = channels.len();
        channels.sort_unstable();
        channels.dedup();
        if pages > 0 {
            let times = if pages == 1 { "once".to_owned() } else { format!("{pages} times") };
            let sources = self.page_messages().take(8).map(|performed| Source::Message(performed.effect.number));
            statements.push(Statement::known(format!("People were called {times}, by {}.", list(&channels)), sources));
        }
        statements.extend(impact::statements(self.evidence.losses));
        statements
    }
}

/// What a person added to a command, of the entry that it made.
pub(super) fn said<'a>(entry: &'a Entry, by: &str) -> Option<&'a str> {
    let said = entry.reason.strip_prefix(by)?.strip_prefix(" said so")?.trim_start_matches([':', ' ']).trim();
    (!said.is_empty()).then(|| said.trim_end_matches('.'))
}

pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// `slack`, `pagerduty and slack`, `email, pagerduty and slack`.
pub(super) fn list(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}
