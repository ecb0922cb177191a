//! Why it happened, as far as anybody or anything says so.

use super::course::{Course, said, seconds_between};
use super::{Source, Statement};
use crate::alert::bounded;
use crate::incident::{Entry, Fact, RECOVERY, Status};
use crate::investigation::{Investigation, Kind};
use crate::message::{date_and_time, format_seconds};

/// The most notes that are quoted, and the most alerts whose order is told.
const MAX_NOTES: usize = 8;
const MAX_ALERTS: usize = 6;

/// What is not known where nobody said it.
const ROOT_CAUSE: &str = "the root cause";

/// What people said of the cause, or that nobody did; then what bears on it.
pub(super) fn statements(course: &Course<'_>) -> Vec<Statement> {
    let mut statements = told(course);
    if statements.is_empty() {
        statements.push(Statement::not_known(
            ROOT_CAUSE,
            &format!(
                "somebody who found it and writes it down with `monitorctl post-mortems edit {} root-cause TEXT`",
                course.evidence.incident.id
            ),
        ));
    }
    statements.extend(changed(course));
    statements.extend(investigated(course));
    statements.extend(logged(course));
    statements.extend(unseen(course));
    statements.extend(order_of_alerts(course));
    statements.extend(notes(course));
    statements
}

/// Whether nobody said what it was.
pub(super) fn root_is_unknown(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| matches!(statement, Statement::NotKnown { what, .. } if what == ROOT_CAUSE))
}

/// What is not known of changes, if that is not.
pub(super) fn changes_unknown(course: &Course<'_>) -> Option<Statement> {
    changed(course).filter(|statement| matches!(statement, Statement::NotKnown { .. }))
}

/// The investigation, if there was one.
fn investigation<'a>(course: &Course<'a>) -> Option<(&'a Entry, &'a Investigation)> {
    let entry = course.all(|fact| matches!(fact, Fact::Investigated { .. })).into_iter().next()?;
    let Fact::Investigated { found } = &entry.fact else { return None };
    Some((entry, found))
}

/// A deployment or a change of configuration just before it began: that it came before is a fact, that it is the cause is not.
fn changed(course: &Course<'_>) -> Option<Statement> {
    let (entry, found) = investigation(course)?;
    if let Some((change, began)) = found.suspect().zip(found.began) {
        let text = format!("A change just before the onset may have contributed: {}.", change.before(began));
        return Some(Statement::known(text, [Source::Told { by: change.source, journal: entry.number }]));
    }
    if found.told_by.is_empty() {
        let would_tell = "`monitoring` reading the versions of the functions (lambda:ListVersionsByFunction, \
             lambda:ListAliases) and CloudTrail (cloudtrail:LookupEvents)";
        return Some(Statement::not_known("whether something was deployed or changed just before", would_tell));
    }
    let told_by: Vec<String> = found.told_by.iter().map(ToString::to_string).collect();
    let text = format!(
        "Asked at {}, {} knew of no deployment or change of configuration just before it began.",
        date_and_time(entry.at),
        told_by.join(" and ")
    );
    Some(Statement::known(text, [Source::Journal(entry.number)]))
}

/// What was said when the cause was identified, and when it was resolved.
fn told(course: &Course<'_>) -> Vec<Statement> {
    let identified = course.all(|fact| matches!(fact, Fact::StatusChanged { to: Status::Identified, .. }));
    let told = identified.into_iter().chain(course.end).filter_map(|entry| {
        let (by, when) = match &entry.fact {
            Fact::StatusChanged { by, .. } => (by, "when the cause was identified"),
            Fact::Resolved { by } if by != RECOVERY => (by, "when it was resolved"),
            _ => return None,
        };
        let text = format!("{by} wrote {when}: {}", said(entry, by)?);
        Some(Statement::known(text, [Source::Journal(entry.number)]))
    });
    told.collect()
}

/// What the suite itself found when people were called. It ranks, and nobody has confirmed it: so it is no root cause.
fn investigated(course: &Course<'_>) -> Option<Statement> {
    let (entry, found) = investigation(course)?;
    let mut causes = found.findings.iter().filter(|found| found.kind == Kind::Cause);
    // The headline names the first: what is left of it is why.
    let why = causes.next().and_then(|first| first.text.split_once(": ")).map(|(_, why)| format!("; {why}"));
    let others: String = causes.map(|cause| format!(" {}.", bounded(&cause.line(), 300))).collect();
    let why = bounded(&why.unwrap_or_default(), 300);
    let text = format!("When people were called, the suite found: {}{why}.{others}", found.headline);
    Some(Statement::known(text, [Source::Journal(entry.number)]))
}

/// What the logs said most.
fn logged(course: &Course<'_>) -> Option<Statement> {
    let (entry, found) = investigation(course)?;
    let patterns: Vec<String> = found.patterns.iter().map(|pattern| bounded(&pattern.line(), 140)).collect();
    let text = format!("Of failures the logs said most: {}.", patterns.join("; "));
    (!patterns.is_empty()).then(|| Statement::known(text, [Source::Journal(entry.number)]))
}

/// What could not be looked at, and why: what is said above was found without it.
fn unseen(course: &Course<'_>) -> Vec<Statement> {
    let Some((entry, found)) = investigation(course) else { return Vec::new() };
    let unseen = found.findings.iter().filter(|found| found.kind == Kind::Unavailable);
    unseen
        .map(|unseen| {
            let text = format!("When people were called, this could not be looked at: {}.", unseen.text);
            Statement::known(text, [Source::Journal(entry.number)])
        })
        .collect()
}

/// What fired first is nearer to the cause than what followed.
fn order_of_alerts(course: &Course<'_>) -> Option<Statement> {
    let mut seen: Vec<(&str, &str, jiff::Timestamp, u32)> = Vec::new();
    for entry in course.all(|fact| matches!(fact, Fact::AlertFired { .. })) {
        if let Fact::AlertFired { key, member } = &entry.fact
            && !seen.iter().any(|(known, ..)| *known == key.as_str())
        {
            seen.push((key.as_str(), &member.title, member.since, entry.number));
        }
    }
    seen.sort_by_key(|(_, _, since, number)| (*since, *number));
    let (_, first, since, number) = *seen.first()?;
    let later = seen.get(1..MAX_ALERTS.min(seen.len())).unwrap_or_default();
    if later.is_empty() {
        return None;
    }
    let followed: Vec<String> = later
        .iter()
        .map(|(_, title, at, _)| match seconds_between(since, *at) {
            0 => format!("{title} (at the same time)"),
            seconds => format!("{title} ({} later)", format_seconds(seconds)),
        })
        .collect();
    let sources = [number].into_iter().chain(later.iter().map(|(.., number)| *number)).map(Source::Journal);
    Some(Statement::known(format!("{first} fired first; then {}.", followed.join(", ")), sources))
}

fn notes(course: &Course<'_>) -> Vec<Statement> {
    let notes = course.all(|fact| matches!(fact, Fact::Noted { .. }));
    let quoted = notes.into_iter().take(MAX_NOTES).filter_map(|entry| {
        let Fact::Noted { by, text, .. } = &entry.fact else { return None };
        let text = format!("{by} noted at {}: {}", date_and_time(entry.at), bounded(text, 400));
        Some(Statement::known(text, [Source::Journal(entry.number)]))
    });
    quoted.collect()
}
