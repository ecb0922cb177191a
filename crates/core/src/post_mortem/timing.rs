//! How long each phase took, against the targets.

use jiff::Timestamp;

use super::course::{Course, seconds_between};
use super::traces::{Measured, first_onset};
use super::{Phase, Source, Statement, Timing};
use crate::catalogue::Severity;
use crate::incident::{Fact, Status};
use crate::message::date_and_time;

/// An incident is recorded so soon after it began to show.
const DETECT_WITHIN: i64 = 5 * 60;

/// A SEV1 is over within an hour, in seconds.
pub(crate) const RESOLVE_SEV1_WITHIN: i64 = 3600;

/// The document is there within a day.
const DOCUMENT_WITHIN: i64 = 24 * 3600;

/// What was agreed is done within a week.
const ITEMS_WITHIN: i64 = 7 * 24 * 3600;

pub(super) fn timings(course: &Course<'_>, written_at: Timestamp) -> Vec<Timing> {
    vec![
        detect(course),
        acknowledge(course),
        mitigate(course),
        resolve(course),
        document(course, written_at),
        items(course),
    ]
}

fn detect(course: &Course<'_>) -> Timing {
    let (traces, opened_at) = (course.evidence.traces, course.evidence.incident.opened_at);
    let (seconds, basis) = match first_onset(traces) {
        Some((trace, onset)) => (
            Some(seconds_between(onset.at, opened_at).max(0)),
            Statement::known(
                format!("From {}, by {}, to {}.", date_and_time(onset.at), trace.label(), date_and_time(opened_at)),
                [Source::Metric(trace.metric.clone()), course.beginning()],
            ),
        ),
        None => {
            let refused = traces.iter().find_map(|trace| match &trace.outcome {
                Measured::Unavailable { reason } => Some(format!("data that was not available ({reason})")),
                Measured::Known { .. } => None,
            });
            let would_tell =
                refused.unwrap_or_else(|| "an alert whose metric the catalogue has and whose data shows it".to_owned());
            (None, Statement::not_known("when it began to show", &would_tell))
        }
    };
    Timing { phase: Phase::Detect, seconds, target_seconds: Some(DETECT_WITHIN), basis }
}

fn acknowledge(course: &Course<'_>) -> Timing {
    let incident = course.evidence.incident;
    let policy = course.evidence.catalogue.policy(incident.severity);
    let target_seconds = policy.map(|policy| i64::from(policy.response_seconds));
    let (seconds, basis) = match course.acknowledged {
        Some(entry) => (
            Some(seconds_between(incident.opened_at, entry.at)),
            Statement::known(
                format!("From {} to {}.", date_and_time(incident.opened_at), date_and_time(entry.at)),
                [course.beginning(), Source::Journal(entry.number)],
            ),
        ),
        None => (None, Statement::known("Nobody acknowledged it.", [course.ending()])),
    };
    Timing { phase: Phase::Acknowledge, seconds, target_seconds, basis }
}

/// It was well again when somebody had a fix in place, or else when the last alert was measured OK.
fn mitigate(course: &Course<'_>) -> Timing {
    let opened_at = course.evidence.incident.opened_at;
    let monitoring = course.first(|fact| matches!(fact, Fact::StatusChanged { to: Status::Monitoring, .. }));
    let recovered = course.all(|fact| matches!(fact, Fact::AlertRecovered { .. }));
    let measured = recovered.iter().filter(|_| course.ended_by_recovery()).filter_map(|entry| match &entry.fact {
        Fact::AlertRecovered { measured_at, .. } => Some((*measured_at, entry.number)),
        _ => None,
    });
    let mitigated = monitoring.map(|entry| (entry.at, entry.number)).or(measured.max());
    let (seconds, basis) = match mitigated {
        Some((at, number)) => (
            Some(seconds_between(opened_at, at).max(0)),
            Statement::known(
                format!("From {} to {}.", date_and_time(opened_at), date_and_time(at)),
                [course.beginning(), Source::Journal(number)],
            ),
        ),
        None => (
            None,
            Statement::not_known(
                "when it was well again for users",
                "an alert that is measured OK, or somebody who sets the status to monitoring",
            ),
        ),
    };
    Timing { phase: Phase::Mitigate, seconds, target_seconds: None, basis }
}

fn resolve(course: &Course<'_>) -> Timing {
    let incident = course.evidence.incident;
    let text = format!("From {} to {}.", date_and_time(incident.opened_at), date_and_time(course.resolved_at));
    Timing {
        phase: Phase::Resolve,
        seconds: Some(seconds_between(incident.opened_at, course.resolved_at)),
        target_seconds: (incident.severity == Severity::Sev1).then_some(RESOLVE_SEV1_WITHIN),
        basis: Statement::known(text, [course.beginning(), course.ending()]),
    }
}

fn document(course: &Course<'_>, written_at: Timestamp) -> Timing {
    let text = format!("From {} to {}.", date_and_time(course.resolved_at), date_and_time(written_at));
    Timing {
        phase: Phase::Document,
        seconds: Some(seconds_between(course.resolved_at, written_at)),
        target_seconds: Some(DOCUMENT_WITHIN),
        basis: Statement::known(text, [course.ending(), Source::Document]),
    }
}

/// Whether they are done is not in an incident's facts.
fn items(course: &Course<'_>) -> Timing {
    let list = format!("`monitorctl action-items list --incident {}`, where each is done", course.evidence.incident.id);
    Timing {
        phase: Phase::Items,
        seconds: None,
        target_seconds: Some(ITEMS_WITHIN),
        basis: Statement::not_known("when the action items were done", &list),
    }
}
