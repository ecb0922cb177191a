//! Post-mortems: what happened to an incident, told from its facts and nothing else.
//!
//! A document is data; [`markdown`] and [`html`] are ways to write it. Each statement names the facts that it rests on. What is
//! not known says so, and what would have told it becomes an action item. What people wrote in place of a section stays when the
//! document is written anew.

mod causes;
mod course;
pub mod due;
mod findings;
pub mod html;
pub mod impact;
mod layout;
pub mod markdown;
pub mod narrative;
mod onset;
pub mod picture;
pub mod reading;
mod timeline;
mod timing;
pub mod traces;
mod unknowns;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::alert::{AlertKey, bounded};
use crate::catalogue::{Catalogue, Severity};
use crate::decide::Effect;
use crate::incident::{Entry, Incident, IncidentId};
use crate::investigation::ChangeSource;
use crate::message::QueryLink;
use course::Course;
use impact::Loss;
use narrative::Draft;
pub use onset::Onset;
use traces::Trace;

pub(crate) use timing::RESOLVE_SEV1_WITHIN;

/// The version of the stored form.
pub const SCHEMA: u32 = 1;

/// The most entries of a timeline; the first and the last are kept. An item of `DynamoDB` has 400 KB.
pub const MAX_TIMELINE: usize = 200;

/// The most bytes of one statement.
const MAX_STATEMENT: usize = 500;

/// The most bytes of what somebody writes in place of a section.
pub const MAX_EDIT: usize = 8_000;

/// The most similar incidents that are listed.
pub const MAX_SIMILAR: usize = 5;

/// What a post-mortem is written from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The incident; resolved.
    pub incident: &'a Incident,
    /// Its journal, in order.
    pub entries: &'a [Entry],
    /// What was to be done outside, and what became of it.
    pub effects: &'a [Performed],
    /// Earlier incidents, in any order.
    pub earlier: &'a [Past],
    /// What it cost, as far as that was measured.
    pub losses: &'a [Loss],
    /// The metrics of its alerts, as far as they were measured.
    pub traces: &'a [Trace],
    /// What a model wrote from these facts.
    pub draft: Option<&'a Draft>,
    /// The user's decisions.
    pub catalogue: &'a Catalogue,
    /// `production`.
    pub environment: &'a str,
}

/// An effect and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Performed {
    /// What was to be done.
    pub effect: Effect,
    /// Whether its receiver accepted it.
    pub accepted: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// An earlier incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which.
    pub incident_id: IncidentId,
    /// What was wrong.
    pub title: String,
    /// How bad it was.
    pub severity: Severity,
    /// When it began.
    pub opened_at: Timestamp,
    /// How long it lasted, in seconds; `None` while it is open.
    pub lasted_seconds: Option<i64>,
    /// Its group.
    pub group: String,
    /// The rules of its alerts.
    pub rules: Vec<String>,
    /// How many of its action items are not done.
    #[serde(default)]
    pub open_items: u32,
}

impl Past {
    /// What a later incident wants to know of this one.
    pub fn of(incident: &Incident, open_items: u32) -> Self {
        let mut rules: Vec<String> = incident.alerts.keys().map(|key| key.rule().to_owned()).collect();
        rules.dedup();
        Self {
            incident_id: incident.id.clone(),
            title: incident.title.clone(),
            severity: incident.severity,
            opened_at: incident.opened_at,
            lasted_seconds: incident.resolution.as_ref().map(|end| end.at.duration_since(incident.opened_at).as_secs()),
            group: incident.group.to_string(),
            rules,
            open_items,
        }
    }
}

/// What a statement rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An entry of the journal.
    Journal(u32),
    /// An effect of the journal.
    Message(u32),
    /// A part of the catalogue.
    Catalogue(String),
    /// What was measured of a metric.
    Metric(String),
    /// Another incident.
    Incident(IncidentId),
    /// Who told the suite's investigation of it, which is an entry of the journal.
    Told {
        /// Who.
        by: ChangeSource,
        /// Number of the entry.
        journal: u32,
    },
    /// When this document was first written.
    Document,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(number) => write!(f, "journal {number}"),
            Self::Message(number) => write!(f, "message {number}"),
            Self::Catalogue(part) => write!(f, "catalogue {part}"),
            Self::Metric(name) => write!(f, "metric {name}"),
            Self::Incident(id) => write!(f, "{id}"),
            Self::Told { by, journal } => write!(f, "{by}, journal {journal}"),
            Self::Document => f.write_str("this document"),
        }
    }
}

/// One sentence of a post-mortem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Statement {
    /// The facts say so.
    Known {
        /// The sentence.
        text: String,
        /// At least one.
        sources: Vec<Source>,
    },
    /// The facts do not say.
    NotKnown {
        /// What is not known: `the root cause`.
        what: String,
        /// What would have told it.
        would_tell: String,
    },
}

impl Statement {
    fn known(text: impl AsRef<str>, sources: impl IntoIterator<Item = Source>) -> Self {
        Self::Known { text: bounded(text.as_ref(), MAX_STATEMENT), sources: sources.into_iter().collect() }
    }

    fn not_known(what: &str, would_tell: &str) -> Self {
        Self::NotKnown { what: what.to_owned(), would_tell: would_tell.to_owned() }
    }

    /// As it is written, without its sources.
    pub fn text(&self) -> String {
        match self {
            Self::Known { text, .. } => text.clone(),
            Self::NotKnown { what, would_tell } => format!("Not known: {what}. It takes {would_tell}."),
        }
    }

    /// What it rests on; empty for what is not known.
    pub fn sources(&self) -> &[Source] {
        match self {
            Self::Known { sources, .. } => sources,
            Self::NotKnown { .. } => &[],
        }
    }
}

/// Who or what an entry of the timeline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// What was measured.
    Metric,
    /// An alert.
    Alert,
    /// A deployment, or a change of configuration.
    Change,
    /// A decision of the suite.
    Suite,
    /// A channel's answer.
    Channel,
    /// A person.
    Person,
}

impl Origin {
    /// As a table shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Alert => "alert",
            Self::Change => "change",
            Self::Suite => "suite",
            Self::Channel => "channel",
            Self::Person => "person",
        }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When it happened.
    pub at: Timestamp,
    /// Who or what says so.
    pub origin: Origin,
    /// What happened.
    pub text: String,
    /// Where that is recorded.
    pub source: Source,
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Which.
    pub phase: Phase,
    /// In seconds; `None` where it did not come to its end, or where that is not known.
    pub seconds: Option<i64>,
    /// What it should take at most, in seconds.
    pub target_seconds: Option<i64>,
    /// From when to when.
    pub basis: Statement,
}

impl Timing {
    /// Whether the target was missed; `None` where there is none, or nothing to compare with it.
    pub fn is_late(&self) -> Option<bool> {
        self.seconds.zip(self.target_seconds).map(|(seconds, target)| seconds > target)
    }
}

/// A phase of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From when it began to show in a metric until it was recorded.
    Detect,
    /// Until somebody said that they were on it.
    Acknowledge,
    /// Until it was well again for users.
    Mitigate,
    /// Until it was over.
    Resolve,
    /// From its end until this document was there.
    Document,
    /// From its end until what was agreed after it was done.
    Items,
}

impl Phase {
    /// As a table shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "to detect",
            Self::Acknowledge => "to acknowledge",
            Self::Mitigate => "to mitigate",
            Self::Resolve => "to resolve",
            Self::Document => "to this document",
            Self::Items => "to the action items",
        }
    }
}

/// How soon something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Worth doing.
    Low,
    /// Should be done.
    Medium,
    /// The next incident is worse without it.
    High,
    /// The same happens again without it.
    Critical,
}

impl Priority {
    /// Lower case, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Something to be done, so that it does not happen again or goes better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedItem {
    /// The rule that asks for it; one item of a rule in a document: `late-acknowledgement`.
    pub rule: String,
    /// What to do, in one line.
    pub title: String,
    /// Why.
    pub why: Statement,
    /// How to know that it is done.
    pub done_when: String,
    /// How soon.
    pub priority: Priority,
    /// Who: a team of the catalogue.
    pub owner: String,
    /// The last day on which it is in time; `None` in a document from before that was written down.
    #[serde(default)]
    pub due: Option<Date>,
}

/// A part of the document that people can write in their own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What happened, in short.
    Summary,
    /// What it meant for users.
    Impact,
    /// Why it happened.
    RootCause,
    /// What went well.
    WentWell,
    /// What did not.
    WentWrong,
    /// Where it was luck.
    Lucky,
    /// What is learnt.
    Lessons,
    /// What keeps it from happening again.
    Prevention,
}

impl Section {
    /// In the order of the document.
    pub const ALL: [Self; 8] = [
        Self::Summary,
        Self::Impact,
        Self::RootCause,
        Self::WentWell,
        Self::WentWrong,
        Self::Lucky,
        Self::Lessons,
        Self::Prevention,
    ];

    /// As a person types it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Impact => "impact",
            Self::RootCause => "root-cause",
            Self::WentWell => "went-well",
            Self::WentWrong => "went-wrong",
            Self::Lucky => "lucky",
            Self::Lessons => "lessons",
            Self::Prevention => "prevention",
        }
    }

    /// The section with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }

    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Impact => "Impact",
            Self::RootCause => "Root cause and contributing factors",
            Self::WentWell => "What went well",
            Self::WentWrong => "What did not go well",
            Self::Lucky => "Where we were lucky",
            Self::Lessons => "Lessons",
            Self::Prevention => "Prevention",
        }
    }
}

/// What somebody wrote in place of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Paragraphs of plain text.
    pub text: String,
}

/// Somebody has read it and agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub text: Option<String>,
}

/// A post-mortem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostMortem {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of which incident.
    pub incident_id: IncidentId,
    /// Grows by one with every write.
    pub version: u64,
    /// What was wrong, in one line.
    pub title: String,
    /// How bad it was.
    pub severity: Severity,
    /// What it was about.
    pub group: String,
    /// `AI Nutritionist`.
    pub service: String,
    /// `production`.
    pub environment: String,
    /// When the first alert fired.
    pub onset: Timestamp,
    /// When it was recorded.
    pub opened_at: Timestamp,
    /// When somebody first acknowledged it.
    #[serde(default)]
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Timestamp,
    /// When this was first written.
    pub written_at: Timestamp,
    /// What each section says by the facts.
    pub sections: BTreeMap<Section, Vec<Statement>>,
    /// What happened, in order; at most [`MAX_TIMELINE`].
    pub timeline: Vec<TimelineEntry>,
    /// How many entries are left out in the middle.
    #[serde(default)]
    pub left_out: u32,
    /// The runbook's queries of the logs, at the time of the incident.
    #[serde(default)]
    pub queries: Vec<QueryLink>,
    /// How long it took, against the targets.
    pub timings: Vec<Timing>,
    /// What it cost, by the measures of the catalogue.
    #[serde(default)]
    pub losses: Vec<Loss>,
    /// The metrics of its alerts; at most [`traces::MAX_TRACES`].
    #[serde(default)]
    pub traces: Vec<Trace>,
    /// What a model wrote, which nobody has checked.
    #[serde(default)]
    pub draft: Option<Draft>,
    /// Earlier incidents that were like this one, likest first; at most [`MAX_SIMILAR`].
    pub similar: Vec<Past>,
    /// What is to be done.
    pub items: Vec<ProposedItem>,
    /// Titles of the teams that review it.
    pub reviewers: Vec<String>,
    /// What people wrote in place of a section.
    #[serde(default)]
    pub edits: BTreeMap<Section, Edit>,
    /// Who has approved it as it is.
    #[serde(default)]
    pub approval: Option<Approval>,
}

/// Writes the post-mortem of an incident that is over; `None` for one that is open. What `previous` has from people is kept: what
/// they wrote, and their approval as long as nothing else changes. The same facts give the same document, and then its version
/// stays as it was.
pub fn write(evidence: &Evidence<'_>, previous: Option<&PostMortem>, now: Timestamp) -> Option<PostMortem> {
    let incident = evidence.incident;
    let resolved_at = incident.resolution.as_ref()?.at;
    // What was reopened and has ended once more has a document since then.
    let since_this_end = previous.filter(|previous| previous.resolved_at == resolved_at);
    let written_at = since_this_end.map_or(now, |previous| previous.written_at);
    let course = Course::new(evidence, resolved_at);
    let timings = timing::timings(&course, written_at);
    let similar = similar(evidence);
    let findings = findings::findings(&course, &timings, &similar);
    let causes = causes::statements(&course);
    let items = findings::items(&findings, &causes, &course, &timings);
    let items = due::dated(items, previous, evidence.catalogue, (incident.severity, resolved_at), now);
    let (timeline, left_out) = timeline::timeline(evidence);
    let sections = BTreeMap::from([
        (Section::Summary, course.summary()),
        (Section::Impact, course.impact()),
        (Section::RootCause, causes),
        (Section::WentWell, findings::of_side(&findings, findings::Side::Well)),
        (Section::WentWrong, findings::of_side(&findings, findings::Side::Wrong)),
        (Section::Lucky, findings::of_side(&findings, findings::Side::Lucky)),
        (Section::Lessons, findings::lessons(&findings)),
        (Section::Prevention, findings::prevention(&items)),
    ]);
    let written = PostMortem {
        schema: SCHEMA,
        incident_id: incident.id.clone(),
        version: previous.map_or(0, |previous| previous.version),
        title: incident.title.clone(),
        severity: incident.severity,
        group: incident.group.to_string(),
        service: evidence.catalogue.title.clone(),
        environment: evidence.environment.to_owned(),
        onset: incident.onset,
        opened_at: incident.opened_at,
        acknowledged_at: course.acknowledged.map(|entry| entry.at),
        resolved_at,
        written_at,
        sections,
        timeline,
        left_out,
        queries: queries(evidence),
        timings,
        losses: evidence.losses.to_vec(),
        traces: evidence.traces.to_vec(),
        draft: evidence.draft.cloned(),
        similar,
        items,
        reviewers: reviewers(evidence),
        edits: previous.map(|previous| previous.edits.clone()).unwrap_or_default(),
        approval: previous.and_then(|previous| previous.approval.clone()),
    };
    if previous == Some(&written) {
        return Some(written);
    }
    // Whoever approved it has not seen this.
    Some(PostMortem { version: written.version + 1, approval: None, ..written })
}

/// The links that the latest message about it had.
fn queries(evidence: &Evidence<'_>) -> Vec<QueryLink> {
    let notices =
        evidence.effects.iter().filter_map(|performed| Some((performed.effect.number, performed.effect.notice()?.1)));
    let cards = notices.filter_map(|(number, notice)| Some((number, &notice.runbook.as_ref()?.queries)));
    let latest = cards.filter(|(_, queries)| !queries.is_empty()).max_by_key(|(number, _)| *number);
    latest.map(|(_, queries)| queries.clone()).unwrap_or_default()
}

impl PostMortem {
    /// Puts somebody's words in place of a section; `None` gives the section back to the facts. Whoever approved it has not
    /// seen this, so it is a draft again.
    #[must_use]
    pub fn edited(&self, section: Section, text: Option<&str>, by: &str, now: Timestamp) -> Self {
        let mut edited = Self { version: self.version + 1, approval: None, ..self.clone() };
        match text {
            Some(text) => {
                let text: Vec<String> = text.lines().map(|line| bounded(line, MAX_EDIT)).collect();
                let mut text = text.join("\n");
                text.truncate(text.floor_char_boundary(MAX_EDIT));
                edited.edits.insert(section, Edit { by: bounded(by, 80), at: now, text });
            }
            None => {
                edited.edits.remove(&section);
            }
        }
        edited
    }

    /// Approves it as it is.
    #[must_use]
    pub fn approved(&self, by: &str, text: Option<&str>, now: Timestamp) -> Self {
        let approval = Approval { by: bounded(by, 80), at: now, text: text.map(|text| bounded(text, MAX_STATEMENT)) };
        Self { version: self.version + 1, approval: Some(approval), ..self.clone() }
    }

    /// Whether somebody has yet to approve it.
    pub fn is_draft(&self) -> bool {
        self.approval.is_none()
    }

    /// What a section says by the facts.
    pub fn statements(&self, section: Section) -> &[Statement] {
        self.sections.get(&section).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Earlier incidents of the same group or rules, likest first, among equals the latest first.
fn similar(evidence: &Evidence<'_>) -> Vec<Past> {
    let incident = evidence.incident;
    let rules: Vec<&str> = incident.alerts.keys().map(AlertKey::rule).collect();
    let mut ranked: Vec<(usize, &Past)> = evidence
        .earlier
        .iter()
        .filter(|past| past.incident_id != incident.id && past.opened_at < incident.opened_at)
        .map(|past| {
            let shared = past.rules.iter().filter(|rule| rules.contains(&rule.as_str())).count();
            (2 * shared + usize::from(past.group == incident.group.as_str()), past)
        })
        .filter(|(likeness, _)| *likeness > 0)
        .collect();
    ranked.sort_by(|(a, past), (b, other)| b.cmp(a).then(other.opened_at.cmp(&past.opened_at)));
    ranked.into_iter().take(MAX_SIMILAR).map(|(_, past)| past.clone()).collect()
}

/// Titles of the teams that the severity calls, and of the one that owns the runbook.
fn reviewers(evidence: &Evidence<'_>) -> Vec<String> {
    let catalogue = evidence.catalogue;
    let levels =
        catalogue.policy(evidence.incident.severity).map(|policy| policy.levels.as_slice()).unwrap_or_default();
    let runbook = evidence.incident.runbook.as_ref().and_then(|name| catalogue.runbooks.get(name));
    let mut titles: Vec<String> = Vec::new();
    for team in levels.iter().map(|level| &level.team).chain(runbook.map(|runbook| &runbook.team)) {
        let title = catalogue.teams.get(team).map_or(team, |team| &team.title);
        if !titles.contains(title) {
            titles.push(title.clone());
        }
    }
    titles
}

#[cfg(test)]
mod tests;
