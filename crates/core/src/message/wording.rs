//! What all channels say in the same words. What comes from outside leaves here without control characters.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{
    AlertLine, MAX_QUERY_LINK, MAX_QUERY_LINKS, Notice, NoticeKind, OnCallPerson, QueryLink, RunbookCard,
    format_seconds,
};
use crate::alert::bounded;
use crate::incident::Status;
use crate::metric::{Range, format_dimensions};

/// The most of a title, a reason or a step that is shown, in bytes.
const MAX_LINE: usize = 300;

/// The longest link, in bytes.
const MAX_LINK: usize = 500;

/// The steps of a runbook that fit into a message; the rest are where the link leads.
const MAX_STEPS: usize = 3;

impl Notice {
    /// `SEV1`, `SEV1 acknowledged`, `SEV1 resolved`.
    pub(super) fn label(&self) -> String {
        match self.kind {
            NoticeKind::Page { .. } | NoticeKind::Team { .. } => self.severity.to_string(),
            NoticeKind::Update => format!("{} update", self.severity),
            NoticeKind::Approval { .. } => format!("{} asks for consent", self.severity),
            NoticeKind::Acknowledged { .. } => format!("{} acknowledged", self.severity),
            NoticeKind::Resolved { .. } => format!("{} resolved", self.severity),
            NoticeKind::PostMortem { .. } => format!("{} post-mortem", self.severity),
        }
    }

    /// Where the incident stands, whatever the message says: `SEV1`, `SEV1 investigating`.
    pub(super) fn standing(&self) -> String {
        match (&self.kind, self.status) {
            (NoticeKind::Update | NoticeKind::Approval { .. } | NoticeKind::Team { .. }, status) => match status {
                Status::Detected => self.severity.to_string(),
                status => format!("{} {status}", self.severity),
            },
            _ => self.label(),
        }
    }

    /// What is wrong.
    pub(super) fn what(&self) -> String {
        bounded(self.title.trim(), MAX_LINE)
    }

    /// What is wrong, and the value of the worst alert: `ErrorRate above 10 %, 15 %`.
    pub(super) fn what_and_value(&self) -> String {
        format!("{}{}", self.what(), self.value())
    }

    /// `, 15 %`, if the alert that gave the title fires and has a value. Another alert's value behind it would mislead.
    pub(super) fn value(&self) -> String {
        let worst = self.alerts.first().filter(|alert| alert.firing && alert.title == self.title);
        let value = worst.and_then(|alert| alert.value.map(|value| alert.unit.format(value)));
        value.map(|value| format!(", {value}")).unwrap_or_default()
    }

    /// `AI Nutritionist production`.
    pub(super) fn place(&self) -> String {
        bounded(format!("{} {}", self.service, self.environment).trim(), 120)
    }

    /// How long it has lasted: `18 min`.
    pub(super) fn duration(&self) -> String {
        format_seconds(self.at.as_second() - self.since.as_second())
    }

    /// `since`, or `began` when it is over.
    pub(super) fn since_word(&self) -> &'static str {
        let is_over = matches!(self.kind, NoticeKind::Resolved { .. } | NoticeKind::PostMortem { .. });
        if is_over { "began" } else { "since" }
    }

    /// Who is called or who did it, and why.
    pub(super) fn reason(&self) -> String {
        let why = bounded(self.why.trim().trim_end_matches('.'), MAX_LINE);
        let lead = match &self.kind {
            NoticeKind::Page { team, .. } => format!("{} is called", bounded(team, 80)),
            NoticeKind::Team { title, .. } => format!("{} is told", bounded(title, 80)),
            NoticeKind::Update | NoticeKind::Approval { .. } => return why,
            NoticeKind::Acknowledged { by } => format!("Acknowledged by {}", bounded(by, 80)),
            NoticeKind::Resolved { by } if by == "recovery" => format!("Over after {}", self.duration()),
            NoticeKind::Resolved { by } => format!("Resolved by {} after {}", bounded(by, 80), self.duration()),
            NoticeKind::PostMortem { reviewers } => format!("To be reviewed by {}", bounded(reviewers, 160)),
        };
        // Of a command's reason, only what the person added is news.
        let why = match &self.kind {
            NoticeKind::Acknowledged { by } | NoticeKind::Resolved { by } => why
                .strip_prefix(&format!("{by} said so"))
                .map_or(why.as_str(), |said| said.trim_start_matches([':', ' '])),
            _ => why.as_str(),
        };
        if why.is_empty() { lead } else { format!("{lead}: {why}") }
    }

    /// `On call: Ana Torres`, on a page of a team with a schedule.
    pub(super) fn on_call_line(&self) -> Option<String> {
        self.on_call.as_ref().map(|person| format!("On call: {}", person.name()))
    }

    /// What the reader does next, and the command for it; nothing when it is over.
    pub(super) fn next_step(&self) -> Option<(&'static str, String)> {
        match (&self.kind, self.status) {
            (NoticeKind::PostMortem { .. }, _) => {
                Some(("Read", format!("monitorctl post-mortems show {}", self.incident)))
            }
            (NoticeKind::Resolved { .. }, _) | (_, Status::Resolved) => None,
            (NoticeKind::Approval { run, .. }, _) => {
                Some(("Agree", format!("monitorctl actions approve {} {run}", self.incident)))
            }
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

impl OnCallPerson {
    /// As messages write it.
    pub(super) fn name(&self) -> String {
        bounded(self.title.trim(), 80)
    }

    /// The member id, if it is one: `U` or `W`, then capitals and digits. Nothing else may stand in a mention.
    pub(super) fn slack_member(&self) -> Option<&str> {
        let plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let is_member = |id: &&str| id.starts_with(['U', 'W']) && (3..=20).contains(&id.len());
        self.slack_user_id.as_deref().filter(is_member).filter(plain)
    }
}

impl AlertLine {
    /// `critical: ErrorRate above 10 %, measured 15 %`, `OK again: ErrorRate above 10 %`.
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
        format!("{}: {text}{}", self.severity.as_str(), self.numbers(&text))
    }

    /// The value, and the threshold unless it has been said, or what was expected.
    fn numbers(&self, said: &str) -> String {
        let value = self.value.map(|value| self.unit.format(value));
        let limit = self
            .comparison
            .zip(self.threshold)
            .map(|(comparison, threshold)| format!("{comparison} {}", self.unit.format(threshold)))
            .filter(|limit| !said.contains(limit.as_str()));
        let expected = self
            .expected
            .map(|Range { low, high }| format!(" (expected: {} to {})", self.unit.format(low), self.unit.format(high)));
        match (value, limit) {
            (Some(value), None) if expected.is_some() => format!(", measured {value}{}", expected.unwrap_or_default()),
            (Some(value), Some(limit)) => format!(", measured {value} (threshold: {limit})"),
            (Some(value), None) => format!(", measured {value}"),
            (None, Some(limit)) => format!(" (threshold: {limit})"),
            (None, None) => String::new(),
        }
    }

    /// What could not be recognised.
    pub(super) fn quotation(&self) -> Option<String> {
        self.quote.as_deref().map(|quote| bounded(quote.trim(), MAX_LINE)).filter(|quote| !quote.is_empty())
    }
}

impl RunbookCard {
    /// The title.
    pub(super) fn heading(&self) -> String {
        bounded(self.title.trim(), 150)
    }

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
        self.url.as_deref().filter(|url| is_link(url, MAX_LINK))
    }

    /// Titles and links of the queries that a message may carry.
    pub(super) fn query_links(&self) -> impl Iterator<Item = (String, &str)> {
        let links = self.queries.iter().filter(|query| query.is_safe());
        links.take(MAX_QUERY_LINKS).map(|query| (bounded(query.title.trim(), 100), query.url.as_str()))
    }
}

impl QueryLink {
    /// Whether a message or a document may carry it.
    pub(crate) fn is_safe(&self) -> bool {
        is_link(&self.url, MAX_QUERY_LINK)
    }
}

/// Whether it is the address of a page, and nothing in it can end the markup around it.
fn is_link(url: &str, longest: usize) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '<' | '>' | '|' | '"' | '`');
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web && url.len() <= longest && url.chars().all(plain)
}

/// `2026-11-23 03:12 UTC`.
pub fn date_and_time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `03:12 UTC`.
pub(super) fn time_of_day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M UTC").to_string()
}
