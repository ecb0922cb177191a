use jiff::Timestamp;

use super::*;
use crate::alert::{AlertChange, AlertKey};
use crate::catalogue::Severity;
use crate::example_catalogue::catalogue;
use crate::incident::{Entry, Fact, IncidentId, Member};
use crate::metric::Dimensions;

/// An incident with these alerts: severity, minute at which it fired, runbook.
fn check(alerts: &[(Severity, i64, Option<&str>)], expected: Option<&str>) {
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let change = |severity, minute, runbook: Option<&str>| AlertChange {
        severity,
        runbook: runbook.map(str::to_owned),
        ..AlertChange::about_the_suite("x", "x", "x", at(minute))
    };
    let first = change(Severity::Sev4, 0, None);
    let opened = Fact::Opened {
        group: first.group.clone(),
        title: first.title.clone(),
        severity: first.severity,
        runbook: None,
        earlier: crate::incident::Earlier::default(),
        onset: first.since,
    };
    let mut incident = Incident::open(IncidentId::parse("INC-1").unwrap(), &opened, at(0)).unwrap();
    for (index, (severity, minute, runbook)) in alerts.iter().enumerate() {
        let key = AlertKey::new(&format!("alert-{index}"), &Dimensions::new(), None);
        let fact = Fact::AlertFired { key, member: Member::of(&change(*severity, *minute, *runbook), None) };
        let number = u32::try_from(index).unwrap() + 1;
        incident.apply(&Entry { number, at: at(*minute), fact, reason: "r".to_owned(), effects: Vec::new() });
    }
    assert_eq!(choose(&incident), expected, "{alerts:?}");
}

#[test]
fn the_worst_alert_that_has_a_runbook_gives_it() {
    use Severity::{Sev1, Sev3};
    check(&[], None);
    check(&[(Sev1, 0, None)], None);
    check(&[(Sev3, 0, Some("a")), (Sev1, 1, Some("b"))], Some("b"));
    check(&[(Sev3, 0, Some("a")), (Sev1, 1, None)], Some("a"));
    check(&[(Sev3, 5, Some("late")), (Sev3, 1, Some("first"))], Some("first"));
}

#[test]
fn a_card_is_bounded() {
    let mut catalogue = catalogue();
    catalogue.runbooks.get_mut("high-error-rate").unwrap().steps = vec!["s".repeat(5000); 100];
    let card = card(&catalogue, "high-error-rate").unwrap();
    assert_eq!((card.steps.len(), card.steps[0].len()), (20, 500));
    assert_eq!(card.title, "High error rate response");
    assert_eq!(super::card(&catalogue, "none"), None);
}
