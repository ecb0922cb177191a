use jiff::civil::date;

use super::*;
use crate::action_item::of_document;
use crate::action_item::tests::{at, document, with_schedule};
use crate::alert::GroupKey;
use crate::incident::{Acknowledgement, Fact, IncidentId, Resolution, Status as IncidentStatus};
use crate::post_mortem::Priority;

/// Tuesday, 24 November, 10:00 in New York.
const TUESDAY: &str = "2026-11-24T15:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One that began then, was acknowledged and resolved so many minutes later.
fn incident(id: &str, severity: Severity, opened: &str, acknowledged: Option<i64>, over: Option<i64>) -> Incident {
    let opened_at = time(opened);
    let fact = Fact::Opened {
        group: GroupKey::named("api"),
        title: format!("Errors {id}"),
        severity,
        runbook: None,
        onset: opened_at,
        earlier: crate::incident::Earlier::default(),
    };
    let mut incident = Incident::open(IncidentId::parse(id).unwrap(), &fact, opened_at).unwrap();
    let after = |minutes: i64| opened_at + jiff::SignedDuration::from_mins(minutes);
    incident.acknowledgement = acknowledged.map(|minutes| Acknowledgement { at: after(minutes), by: "ana".to_owned() });
    incident.resolution = over.map(|minutes| Resolution { at: after(minutes), by: "ana".to_owned() });
    if over.is_some() {
        incident.status = IncidentStatus::Resolved;
    }
    incident
}

fn last_week() -> Week {
    Week::due(&with_schedule(), time(TUESDAY)).unwrap()
}

#[test]
fn a_week_is_the_last_whole_one_where_the_suite_is_at_home() {
    let week = last_week();
    assert_eq!(week.monday, date(2026, 11, 16));
    assert_eq!((week.from, week.to), (time("2026-11-16T05:00:00Z"), time("2026-11-23T05:00:00Z")));
    for (now, expected) in [
        ("2026-11-22T15:00:00Z", None),
        ("2026-11-23T13:59:00Z", None),
        ("2026-11-23T14:00:00Z", Some(date(2026, 11, 16))),
        ("2026-11-27T22:59:00Z", Some(date(2026, 11, 16))),
        ("2026-11-30T14:00:00Z", Some(date(2026, 11, 23))),
    ] {
        assert_eq!(Week::due(&with_schedule(), time(now)).map(|week| week.monday), expected, "{now}");
    }
}

#[test]
fn response_times_are_held_against_the_targets_of_their_severity() {
    let incidents = [
        incident("INC-1", Severity::Sev1, "2026-11-16T05:00:00Z", Some(5), Some(61)),
        incident("INC-2", Severity::Sev1, "2026-11-17T12:00:00Z", Some(6), Some(60)),
        // Over before somebody had to be there; and one on which nobody was for a day.
        incident("INC-3", Severity::Sev1, "2026-11-18T12:00:00Z", None, Some(4)),
        incident("INC-4", Severity::Sev2, "2026-11-22T12:00:00Z", None, None),
        // Of other weeks.
        incident("INC-5", Severity::Sev1, "2026-11-16T04:59:00Z", None, None),
        incident("INC-6", Severity::Sev1, "2026-11-23T05:00:00Z", None, None),
    ];
    let report = report(last_week(), &incidents, &[], &with_schedule(), time(TUESDAY));
    let sev1 = Answered {
        incidents: 3,
        open: 0,
        acknowledged: 2,
        median_response_seconds: Some(330.0),
        late_responses: 1,
        response_target_seconds: 300,
        median_resolution_seconds: Some(3600.0),
        late_resolutions: Some(1),
    };
    assert_eq!(report.answered[0], (Severity::Sev1, sev1));
    let (severity, sev2) = &report.answered[1];
    assert_eq!((*severity, sev2.incidents, sev2.open, sev2.late_responses), (Severity::Sev2, 1, 1, 1));
    assert_eq!((sev2.median_resolution_seconds, sev2.late_resolutions), (None, None));
    assert_eq!(report.answered.len(), 2);
}

#[test]
fn a_report_reads_well() {
    let incidents: Vec<Incident> = (0..12)
        .map(|nth| incident(&format!("INC-{nth:02}"), Severity::Sev1, "2026-11-17T12:00:00Z", Some(4), Some(30)))
        .collect();
    // Asked for on Monday evening in New York, after the week.
    let rules = [("root-cause", Priority::Critical), ("no-runbook", Priority::Medium)];
    let items = of_document(&document(Severity::Sev1, &rules), &[], &with_schedule(), at(0));
    let catalogue = with_schedule();
    let report = report(last_week(), &incidents, &items, &catalogue, time(TUESDAY));
    assert_eq!(report.subject(&catalogue), "AI Nutritionist: the week from 2026-11-16");
    let lines = report.lines(&catalogue);
    assert_eq!(
        lines[0],
        "SEV1: 12 incidents. Acknowledged: 12, half within 4 min, 0 late (target 5 min). Over: 12, half within 30 min, 0 late \
         (target 1 h)."
    );
    assert_eq!(lines[1], "- INC-00 SEV1: Errors INC-00");
    assert_eq!(lines[11], "- and 2 more; see monitorctl incidents list");
    assert_eq!(
        lines[12..],
        [
            "Action items: 0 asked for, 0 done, 0 dropped.",
            "Open now: 2, half of them for 0.5 days or longer; 0 overdue.",
            "Of what was to be done, 0 % is done.",
        ]
    );
    let quiet = super::report(last_week(), &[], &[], &catalogue, time(TUESDAY));
    assert_eq!(quiet.lines(&catalogue)[0], "No incident began.");
}
