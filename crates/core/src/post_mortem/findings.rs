//! What went well, what did not, and where it was luck: rules over the facts. A rule that finds nothing says nothing.

use super::causes::root_is_unknown;
use super::course::{Course, list, seconds_between};
use super::{Past, Phase, Priority, ProposedItem, Source, Statement, Timing, unknowns};
use crate::action::{RunEnd, Step};
use crate::alert::ChangeState;
use crate::catalogue::Severity;
use crate::incident::{Fact, Hold};
use crate::message::format_seconds;

/// Where a finding stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Well,
    Wrong,
    Lucky,
}

/// What a rule found.
pub(super) struct Finding {
    /// The rule's name; that of the item it asks for.
    rule: &'static str,
    side: Side,
    statement: Statement,
    /// What is learnt from it.
    lesson: Option<&'static str>,
    todo: Option<ToDo>,
}

/// What a finding asks for.
struct ToDo {
    title: String,
    done_when: String,
    priority: Priority,
}

impl Finding {
    fn new(rule: &'static str, side: Side, text: impl AsRef<str>, sources: impl IntoIterator<Item = Source>) -> Self {
        Self { rule, side, statement: Statement::known(text, sources), lesson: None, todo: None }
    }

    fn teaches(self, lesson: &'static str) -> Self {
        Self { lesson: Some(lesson), ..self }
    }

    fn asks(self, priority: Priority, title: impl Into<String>, done_when: impl Into<String>) -> Self {
        Self { todo: Some(ToDo { title: title.into(), done_when: done_when.into(), priority }), ..self }
    }
}

/// Every rule, in the order of the document.
pub(super) fn findings(course: &Course<'_>, timings: &[Timing], similar: &[Past]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(detection(timings));
    findings.extend(acknowledgement(course, timings));
    findings.extend(resolution(course, timings));
    findings.extend(measured_end(course));
    findings.extend(pages(course));
    findings.extend(unrecorded(course));
    findings.extend(silences(course));
    findings.extend(went_stale(course));
    findings.extend(reopened(course));
    findings.extend(actions(course));
    findings.push(runbook(course));
    findings.extend(repeats(similar));
    findings.extend(ended_alone(course));
    findings.extend(fallbacks(course));
    findings
}

pub(super) fn of_side(findings: &[Finding], side: Side) -> Vec<Statement> {
    findings.iter().filter(|finding| finding.side == side).map(|finding| finding.statement.clone()).collect()
}

/// What the findings teach, each lesson with the facts of its finding.
pub(super) fn lessons(findings: &[Finding]) -> Vec<Statement> {
    let lessons = findings.iter().filter_map(|finding| {
        let lesson = finding.lesson?;
        Some(Statement::known(lesson, finding.statement.sources().iter().cloned()))
    });
    lessons.collect()
}

/// What keeps it from happening again: the items that are urgent, as states of the world.
pub(super) fn prevention(items: &[ProposedItem]) -> Vec<Statement> {
    let urgent = items.iter().filter(|item| item.priority >= Priority::High);
    urgent
        .map(|item| {
            let sources = match item.why.sources() {
                [] => vec![Source::Document],
                sources => sources.to_vec(),
            };
            Statement::known(format!("{} Done when {}.", sentence(&item.title), item.done_when), sources)
        })
        .collect()
}

/// What is to be done: what findings ask for, and what would tell what is not known.
pub(super) fn items(
    findings: &[Finding],
    causes: &[Statement],
    course: &Course<'_>,
    timings: &[Timing],
) -> Vec<ProposedItem> {
    let owner = owner(course);
    let mut items: Vec<ProposedItem> = Vec::new();
    if let Some(why) =
        causes.iter().find(|cause| matches!(cause, Statement::NotKnown { .. })).filter(|_| root_is_unknown(causes))
    {
        let incident = course.evidence.incident;
        items.push(ProposedItem {
            rule: "root-cause".to_owned(),
            title: format!("Find the root cause of: {}", incident.title),
            why: why.clone(),
            done_when: format!("the post-mortem of {} says what it was, and what shows that", incident.id),
            priority: if incident.severity == Severity::Sev1 { Priority::Critical } else { Priority::High },
            owner: owner.clone(),
            due: None,
        });
    }
    items.extend(findings.iter().filter_map(|finding| {
        let ToDo { title, done_when, priority } = finding.todo.as_ref()?;
        Some(ProposedItem {
            rule: finding.rule.to_owned(),
            title: title.clone(),
            why: finding.statement.clone(),
            done_when: done_when.clone(),
            priority: *priority,
            owner: owner.clone(),
            due: None,
        })
    }));
    items.extend(unknowns::items(course, timings, &owner));
    items.sort_by_key(|item| std::cmp::Reverse(item.priority));
    items
}

/// The team that owns the runbook, else the first that the severity calls.
fn owner(course: &Course<'_>) -> String {
    let (catalogue, incident) = (course.evidence.catalogue, course.evidence.incident);
    let runbook = incident.runbook.as_ref().and_then(|name| catalogue.runbooks.get(name));
    let level = catalogue.policy(incident.severity).and_then(|policy| policy.levels.first());
    let team = runbook.map(|runbook| &runbook.team).or(level.map(|level| &level.team));
    team.or(catalogue.teams.keys().next()).cloned().unwrap_or_default()
}

fn timing(timings: &[Timing], phase: Phase) -> Option<&Timing> {
    timings.iter().find(|timing| timing.phase == phase)
}

/// With the severity that sets the target beside the facts.
fn against_target(course: &Course<'_>, timing: &Timing) -> Vec<Source> {
    let mut sources = timing.basis.sources().to_vec();
    sources.push(Source::Catalogue(course.evidence.incident.severity.to_string()));
    sources
}

/// How long it showed in a metric before an alert fired.
fn detection(timings: &[Timing]) -> Option<Finding> {
    let timing = timing(timings, Phase::Detect)?;
    let (took, within) = (format_seconds(timing.seconds?), format_seconds(timing.target_seconds?));
    let sources = timing.basis.sources().to_vec();
    if !timing.is_late()? {
        let text = format!("It was detected within {took}; {within} are allowed.");
        return Some(Finding::new("detected-in-time", Side::Well, text, sources));
    }
    let text = format!("It showed for {took} before it was detected; {within} are allowed.");
    Some(
        Finding::new("late-detection", Side::Wrong, text, sources)
            .teaches("What users notice before an alert does is found by them.")
            .asks(
                Priority::High,
                format!("Detect an incident of this kind within {within}"),
                "`monitorctl backtest` over this incident shows an alert in time, by a lower threshold, fewer datapoints or a shorter period",
            ),
    )
}

/// What was done by itself: that it helped, that it did not, or that it failed.
fn actions(course: &Course<'_>) -> Vec<Finding> {
    let runbook = course.evidence.incident.runbook.as_deref().unwrap_or("the runbook");
    let finding = |rule, side, step: &dyn Fn(&Step) -> bool| {
        let entry = course.first(|fact| matches!(fact, Fact::Action { progress, .. } if step(progress)))?;
        let Fact::Action { run, .. } = &entry.fact else { return None };
        let text = format!("Automated action {run}: {}.", entry.reason);
        Some(Finding::new(rule, side, text, [Source::Journal(entry.number)]))
    };
    let no_help = finding("action-no-help", Side::Wrong, &|step| matches!(step, Step::NotHelped {})).map(|finding| {
        finding.teaches("An action that does not help costs the time in which a person would have looked.").asks(
            Priority::High,
            format!("Change what {runbook} does by itself"),
            "its action was seen to help, in an incident or a drill, or is no longer there",
        )
    });
    let failed = |step: &Step| matches!(step, Step::Ended { end: RunEnd::Failed });
    let failed = finding("action-failed", Side::Wrong, &failed).map(|finding| {
        finding.asks(
            Priority::High,
            format!("Repair what {runbook} does by itself"),
            "`monitorctl actions plan` shows its calls, and they were made once",
        )
    });
    let helped = finding("action-helped", Side::Well, &|step| matches!(step, Step::Helped {}));
    helped.into_iter().chain(no_help).chain(failed).collect()
}

fn acknowledgement(course: &Course<'_>, timings: &[Timing]) -> Option<Finding> {
    let timing = timing(timings, Phase::Acknowledge)?;
    let within = format_seconds(timing.target_seconds?);
    let severity = course.evidence.incident.severity;
    match timing.seconds {
        Some(seconds) if timing.is_late() == Some(true) => {
            let text =
                format!("It took {} until somebody acknowledged; {severity} allows {within}.", format_seconds(seconds));
            Some(
                Finding::new("late-acknowledgement", Side::Wrong, text, against_target(course, timing))
                    .teaches(
                        "A response time that is missed is found by whoever is called next, and users wait as long.",
                    )
                    .asks(
                        Priority::High,
                        format!("Have somebody acknowledge a {severity} within {within}"),
                        "the next incident of this severity, or a drill, was acknowledged in time",
                    ),
            )
        }
        Some(seconds) => {
            let text = format!("Somebody acknowledged within {}; {severity} allows {within}.", format_seconds(seconds));
            Some(Finding::new("acknowledged-in-time", Side::Well, text, against_target(course, timing)))
        }
        // It was over before anybody had to answer.
        None if course.pages.is_empty() || course.lasted() <= timing.target_seconds? => None,
        None => {
            let calls = course.pages.len();
            let text = format!(
                "Nobody acknowledged, although people were called {}.",
                if calls == 1 { "once".to_owned() } else { format!("{calls} times") }
            );
            let sources = course.pages.iter().take(8).map(|entry| Source::Journal(entry.number));
            Some(
                Finding::new("nobody-acknowledged", Side::Wrong, text, sources)
                    .teaches("An incident that ends without anybody on it was survived and not handled.")
                    .asks(
                        Priority::High,
                        "Find out why nobody acknowledged: schedule, channel, or a severity that is too high",
                        "whoever was on call has said why, and the schedule, the channel or the severity was changed",
                    ),
            )
        }
    }
}

fn resolution(course: &Course<'_>, timings: &[Timing]) -> Option<Finding> {
    let timing = timing(timings, Phase::Resolve)?;
    let (took, within) = (format_seconds(timing.seconds?), format_seconds(timing.target_seconds?));
    let severity = course.evidence.incident.severity;
    let sources = against_target(course, timing);
    if timing.is_late()? {
        let text = format!("It took {took} until it was over; a {severity} should be over within {within}.");
        return Some(Finding::new("late-resolution", Side::Wrong, text, sources).asks(
            Priority::High,
            format!("Shorten the way to mitigation: it took {took}"),
            "the longest step of the timeline has a runbook step or an automated action",
        ));
    }
    let text = format!("It was over after {took}; a {severity} should be over within {within}.");
    Some(Finding::new("resolved-in-time", Side::Well, text, sources))
}

/// Whether it was measured that it is over.
fn measured_end(course: &Course<'_>) -> Option<Finding> {
    if course.ended_by_recovery() {
        let text = "Every alert was measured OK before the incident was resolved.";
        return Some(Finding::new("measured-end", Side::Well, text, [course.ending()]));
    }
    let incident = course.evidence.incident;
    let firing: Vec<&str> = incident
        .alerts
        .values()
        .filter(|member| member.state == ChangeState::Firing)
        .map(|member| member.title.as_str())
        .take(3)
        .collect();
    if firing.is_empty() {
        return None;
    }
    let text = format!("It was resolved by hand while this still fired: {}.", firing.join("; "));
    Some(
        Finding::new("unmeasured-end", Side::Wrong, text, [course.ending()])
            .teaches("Over is what is measured to be over; a person's word ends the calls and not the fault.")
            .asks(
                Priority::High,
                format!("Show that it is over: {}", firing.join("; ")),
                "each of these alerts was measured OK, or its rule was changed",
            ),
    )
}

/// Whether the messages that call people arrived.
fn pages(course: &Course<'_>) -> Option<Finding> {
    let failed = course.all(|fact| matches!(fact, Fact::DeliveryFailed { channel, .. } if !channel.contains('/')));
    if !failed.is_empty() {
        let mut channels: Vec<&str> = failed
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::DeliveryFailed { channel, .. } => Some(channel.as_str()),
                _ => None,
            })
            .collect();
        channels.sort_unstable();
        channels.dedup();
        let reason = failed.first().map_or("", |entry| entry.reason.as_str());
        let channels = list(&channels);
        let text = format!("Messages by {channels} were given up: {reason}.");
        let sources = failed.iter().take(8).map(|entry| Source::Journal(entry.number));
        return Some(
            Finding::new("message-given-up", Side::Wrong, text, sources)
                .teaches("A channel that fails during an incident had failed before it; only nobody had looked.")
                .asks(
                    Priority::High,
                    format!("Repair {channels}"),
                    format!("the daily check finds nothing wrong with {channels}"),
                ),
        );
    }
    let accepted: Vec<_> = course.page_messages().filter(|page| page.accepted).collect();
    if accepted.is_empty() || course.page_messages().any(|page| !page.accepted || page.attempts > 1) {
        return None;
    }
    let text = match accepted.len() {
        1 => "The page was accepted at its first attempt.".to_owned(),
        count => format!("All {count} pages were accepted at their first attempt."),
    };
    let sources = accepted.iter().take(8).map(|page| Source::Message(page.effect.number));
    Some(Finding::new("pages-arrived", Side::Well, text, sources))
}

fn unrecorded(course: &Course<'_>) -> Option<Finding> {
    let entry = course.first(|fact| matches!(fact, Fact::CameAgain { .. }))?;
    let text = "The suite could not record it at first, and may have called people without an incident to acknowledge.";
    Some(
        Finding::new("unrecorded", Side::Wrong, text, [Source::Journal(entry.number)])
            .teaches("What watches a system should not fail together with it.")
            .asks(
                Priority::Medium,
                "Find out why the suite's tables could not be written when it began",
                "the cause is known, and was removed or accepted",
            ),
    )
}

/// A silence that kept people from being called.
fn silences(course: &Course<'_>) -> Option<Finding> {
    let held = course.first(|fact| matches!(fact, Fact::Held { hold: Hold::Silence { .. } }))?;
    let Fact::Held { hold: Hold::Silence { id, .. } } = &held.fact else { return None };
    let called = course.pages.iter().find(|page| page.number > held.number);
    let until = called.map_or("nobody was called for it".to_owned(), |page| {
        format!("people were called {} later", format_seconds(seconds_between(held.at, page.at)))
    });
    let mut sources = vec![Source::Journal(held.number)];
    sources.extend(called.map(|page| Source::Journal(page.number)));
    Some(
        Finding::new("silenced", Side::Wrong, format!("It was held back by {id}; {until}."), sources)
            .teaches("A silence is as wide as what it matches; a narrow one hides only what is known.")
            .asks(
                Priority::High,
                format!("Narrow {id}, so that it does not hide an incident of this kind"),
                format!("{id} has ended or matches less, and `monitorctl explain` shows that this incident would call somebody"),
            ),
    )
}

fn went_stale(course: &Course<'_>) -> Option<Finding> {
    let entry = course.first(|fact| matches!(fact, Fact::WentStale { .. }))?;
    let Fact::WentStale { by } = &entry.fact else { return None };
    let text = format!("{by} acknowledged and was not heard of again, so people were called anew.");
    Some(Finding::new("went-stale", Side::Wrong, text, [Source::Journal(entry.number)]).asks(
        Priority::Medium,
        "Agree how work on an incident is handed over",
        "the runbook says who takes over, and how often whoever is on it reports",
    ))
}

fn reopened(course: &Course<'_>) -> Option<Finding> {
    let entries = course.all(|fact| matches!(fact, Fact::Reopened { .. }));
    let first = entries.first()?;
    let times = if entries.len() == 1 { "once".to_owned() } else { format!("{} times", entries.len()) };
    let text = format!("It was said to be over too early: it was reopened {times}.");
    Some(
        Finding::new("reopened", Side::Wrong, text, [Source::Journal(first.number)])
            .teaches("Over is what stays over; watch it for a while before it is called resolved.")
            .asks(
                Priority::Medium,
                "Find out why it was taken for over when it was not",
                "the runbook says what to watch, and for how long, before it is resolved",
            ),
    )
}

fn runbook(course: &Course<'_>) -> Finding {
    let incident = course.evidence.incident;
    if let Some(name) = &incident.runbook {
        let text = format!("There was a runbook for it: {name}.");
        return Finding::new("runbook", Side::Well, text, [course.beginning()]);
    }
    let text = "There was no runbook for it.";
    Finding::new("no-runbook", Side::Wrong, text, [course.beginning()])
        .teaches("What was found out once at night should be read and not found out the next time.")
        .asks(
            Priority::Medium,
            format!("Write a runbook for group {}", incident.group),
            "the catalogue's rules of this group name it",
        )
}

/// The same happened before, and what was to be done about it is not done.
fn repeats(similar: &[Past]) -> Option<Finding> {
    let past = similar.iter().find(|past| past.open_items > 0)?;
    let (id, open) = (&past.incident_id, past.open_items);
    let items = if open == 1 { "1 action item".to_owned() } else { format!("{open} action items") };
    let text = format!("It is like {id} ({}), of which {items} were not done.", past.title);
    Some(
        Finding::new("repeat", Side::Wrong, text, [Source::Incident(id.clone())])
            .teaches("What was agreed after the last time and not done is paid for with the next time.")
            .asks(
                Priority::Critical,
                format!("Finish what is left to do since {id}"),
                format!("`monitorctl action-items list --incident {id}` shows nothing open"),
            ),
    )
}

/// It ended before anybody was on it.
fn ended_alone(course: &Course<'_>) -> Option<Finding> {
    let helped = |fact: &Fact| matches!(fact, Fact::Action { progress: Step::Helped {}, .. });
    if !course.ended_by_recovery() || course.acknowledged.is_some() || course.first(helped).is_some() {
        return None;
    }
    let text = if course.pages.is_empty() {
        "It ended by itself before anybody was called."
    } else {
        "It ended by itself; nobody was on it."
    };
    Some(Finding::new("ended-alone", Side::Lucky, text, [course.ending()]))
}

/// A channel failed, and another was there.
fn fallbacks(course: &Course<'_>) -> Option<Finding> {
    let entry = course.first(|fact| matches!(fact, Fact::FellBack { .. }))?;
    let Fact::FellBack { from, page } = &entry.fact else { return None };
    let acknowledged = course.acknowledged.filter(|acknowledged| acknowledged.number > entry.number)?;
    let text = format!("{from} failed, and {} was there: somebody acknowledged after it.", page.channel);
    Some(Finding::new(
        "fallback",
        Side::Lucky,
        text,
        [Source::Journal(entry.number), Source::Journal(acknowledged.number)],
    ))
}

fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    format!("{text}.")
}
