//! What all channels say in the same words. What comes from outside leaves here without control characters.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{AlertLine, Notice, NoticeKind, RunbookCard, format_seconds};
use crate::alert::bounded;
use crate::incident::Status;
use crate::metric::format_dimensions;

/// The most of a title, a reason or a step that is shown, in bytes.
const MAX_LINE: usize = 300;

/// The steps of a runbook that fit into a message; the rest are where the link leads.
const MAX_STEPS: usize = 3;

impl Notice {
    /// `SEV1`, `SEV1 acknowledged`, `SEV1 resolved`.
    pub(super) fn label(&self) -> String {
        match self.kind {
            NoticeKind::Page { .. } => self.severity.to_string(),
            NoticeKind::Update => format!("{} update", self.severity),
            NoticeKind::Acknowledged { .. } => format!("{} acknowledged", self.severity),
            NoticeKind::Resolved { .. } => format!("{} resolved", self.severity),
        }
    }

    /// What is wrong.
    pub(super) fn what(&self) -> String {
        bounded(self.title.trim(), MAX_LINE)
    }

    /// `AI Nutritionist production`.
    pub(super) fn place(&self) -> String {
        bounded(format!("{} {}", self.service, self.environment).trim(), 120)
    }

    /// How long it has lasted: `18 min`.
    pub(super) fn duration(&self) -> String {
        format_seconds(self.at.as_second() - self.since.as_second())
    }

    /// Why this message is sent, and to whom it goes or by whom it was caused.
    pub(super) fn reason(&self) -> String {
        let why = bounded(self.why.trim().trim_end_matches('.'), MAX_LINE);
        let by = |verb: &str, by: &str| format!("{verb} by {}", bounded(by, 80));
        let lead = match &self.kind {
            NoticeKind::Page { level, round, team } => {
                let again = if *round > 0 { format!(", round {}", round + 1) } else { String::new() };
                format!("Level {level}{again}, {}", bounded(team, 80))
            }
            NoticeKind::Update => String::new(),
            NoticeKind::Acknowledged { by: who } => by("Acknowledged", who),
            NoticeKind::Resolved { by: who } if who == "recovery" => {
                format!("Every alert is OK again, after {}", self.duration())
            }
            NoticeKind::Resolved { by: who } => format!("{}, after {}", by("Resolved", who), self.duration()),
        };
        match (lead.is_empty(), why.is_empty()) {
            (_, true) => lead,
            (true, false) => why,
            (false, false) => format!("{lead}: {why}"),
        }
    }

    /// What the reader does next, and the command for it; nothing when it is over.
    pub(super) fn next_step(&self) -> Option<(&'static str, String)> {
        match (&self.kind, self.status) {
            (NoticeKind::Resolved { .. }, _) | (_, Status::Resolved) => None,
            (NoticeKind::Page { .. }, _) | (_, Status::Detected) => {
                Some(("Acknowledge", format!("monitorctl incidents acknowledge {}", self.incident)))
            }
            _ => Some(("Resolve", format!("monitorctl incidents resolve {}", self.incident))),
        }
    }

    /// `3 more alerts`, if there are any.
    pub(super) fn more(&self) -> Option<String> {
        match self.more_alerts {
            0 => None,
            1 => Some("1 more alert".to_owned()),
            more => Some(format!("{more} more alerts")),
        }
    }
}

impl AlertLine {
    /// `ErrorRate above 10 %: 15 %`, `OK again: ErrorRate above 10 %`.
    pub(super) fn sentence(&self) -> String {
        let mut text = bounded(self.title.trim(), MAX_LINE);
        let dimensions = format_dimensions(&self.dimensions);
        if !text.contains(&dimensions) {
            text.push(' ');
            text.push_str(&bounded(&dimensions, 200));
        }
        if !self.firing {
            return format!("OK again: {text}");
        }
        match self.numbers(&text) {
            numbers if numbers.is_empty() => text,
            numbers => format!("{text}: {numbers}"),
        }
    }

    /// The value, and the threshold unless it has been said.
    fn numbers(&self, said: &str) -> String {
        let value = self.value.map(|value| self.unit.format(value));
        let limit = self
            .comparison
            .zip(self.threshold)
            .map(|(comparison, threshold)| format!("{comparison} {}", self.unit.format(threshold)))
            .filter(|limit| !said.contains(limit.as_str()));
        match (value, limit) {
            (Some(value), Some(limit)) => format!("{value} (threshold: {limit})"),
            (Some(value), None) => value,
            (None, Some(limit)) => format!("threshold: {limit}"),
            (None, None) => String::new(),
        }
    }

    /// What could not be recognised.
    pub(super) fn quotation(&self) -> Option<String> {
        self.quote.as_deref().map(|quote| bounded(quote.trim(), MAX_LINE)).filter(|quote| !quote.is_empty())
    }
}

impl RunbookCard {
    /// The first steps, numbered.
    pub(super) fn first_steps(&self) -> Vec<String> {
        let steps = self.steps.iter().take(MAX_STEPS).enumerate();
        steps.map(|(index, step)| format!("{}. {}", index + 1, bounded(step.trim(), MAX_LINE))).collect()
    }

    /// `2 more steps`, if there are any.
    pub(super) fn more_steps(&self) -> Option<String> {
        match self.steps.len().saturating_sub(MAX_STEPS) {
            0 => None,
            1 => Some("1 more step".to_owned()),
            more => Some(format!("{more} more steps")),
        }
    }

    /// The link, if it is one that a message may carry.
    pub(super) fn link(&self) -> Option<&str> {
        let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '<' | '>' | '|' | '"' | '`');
        let is_web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
        self.url.as_deref().filter(is_web).filter(|url| url.len() <= 1000 && url.chars().all(plain))
    }
}

/// `2026-11-23 03:12 UTC`.
pub(super) fn date_and_time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `03:12 UTC`.
pub(super) fn time_of_day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M UTC").to_string()
}
