use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::date;

use super::*;
use crate::catalogue::people::{Rotation, Schedule, User};
use crate::example_catalogue::catalogue;
use crate::post_mortem::{PostMortem, ProposedItem, Statement};

/// A Monday, late in the evening in New York and Tuesday in UTC.
const WRITTEN: &str = "2026-11-24T03:00:00Z";

pub(crate) fn at(hours: i64) -> Timestamp {
    WRITTEN.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

pub(crate) fn document(severity: Severity, rules: &[(&str, Priority)]) -> PostMortem {
    let items = rules.iter().map(|(rule, priority)| ProposedItem {
        rule: (*rule).to_owned(),
        title: format!("See to {rule}"),
        why: Statement::Known { text: format!("{rule} was found."), sources: Vec::new() },
        done_when: format!("{rule} is gone"),
        priority: *priority,
        owner: "platform".to_owned(),
        due: None,
    });
    PostMortem {
        schema: crate::post_mortem::SCHEMA,
        incident_id: IncidentId::parse("INC-1").unwrap(),
        version: 1,
        title: "Errors".to_owned(),
        severity,
        group: "api".to_owned(),
        service: "AI Nutritionist".to_owned(),
        environment: "production".to_owned(),
        onset: at(-2),
        opened_at: at(-2),
        resolved_at: at(-1),
        written_at: at(0),
        sections: BTreeMap::new(),
        timeline: Vec::new(),
        queries: Vec::new(),
        left_out: 0,
        losses: Vec::new(),
        traces: Vec::new(),
        draft: None,
        acknowledged_at: None,
        timings: Vec::new(),
        similar: Vec::new(),
        items: items.collect(),
        reviewers: Vec::new(),
        edits: BTreeMap::new(),
        approval: None,
    }
}

/// With a schedule of ana's, in New York.
pub(crate) fn with_schedule() -> Catalogue {
    let mut catalogue = catalogue();
    let user = |name: &str, zone: Option<&str>| User {
        name: name.to_owned(),
        title: name.to_uppercase(),
        contact: "c".to_owned(),
        slack_user_id: None,
        time_zone: zone.map(str::to_owned),
        channels: Vec::new(),
    };
    catalogue.users =
        [("ana", None), ("ben", Some("Asia/Tokyo"))].map(|(name, zone)| (name.to_owned(), user(name, zone))).into();
    let rotation = Rotation {
        users: vec!["ana".to_owned()],
        starts: date(2024, 10, 7),
        every_days: 7,
        hand_off: jiff::civil::time(9, 0, 0, 0),
        only: None,
    };
    let schedule = Schedule {
        name: "platform".to_owned(),
        time_zone: "America/New_York".to_owned(),
        rotations: vec![rotation],
        overrides: Vec::new(),
    };
    catalogue.schedules.insert("platform".to_owned(), schedule);
    catalogue.teams.get_mut("platform").unwrap().on_call = Some("platform".to_owned());
    catalogue
}

fn one(rules: &[(&str, Priority)]) -> ActionItem {
    let items = of_document(&document(Severity::Sev1, rules), &[], &with_schedule(), at(0));
    items.into_iter().next().unwrap()
}

fn root_cause() -> ActionItem {
    one(&[("root-cause", Priority::Critical)])
}

#[test]
fn an_item_is_known_by_its_incident_and_rule() {
    for (text, expected) in [
        ("INC-1/root-cause", Some("root-cause")),
        ("INC-20261123-0f3a9c1d/repeat", Some("repeat")),
        ("INC-1", None),
        ("INC-1/", None),
        ("INC-1/Root", None),
        ("INC-1/a/b", None),
        ("group#api/root-cause", None),
    ] {
        assert_eq!(ItemId::parse(text).map(|id| id.item).as_deref(), expected, "{text}");
    }
    assert_eq!(root_cause().id().to_string(), "INC-1/root-cause");
    assert_eq!(ItemId::parse("INC-1/root-cause"), Some(root_cause().id()));
}

#[test]
fn a_new_item_belongs_to_whoever_was_on_call_and_is_due_in_a_week_where_they_live() {
    let rules = [("root-cause", Priority::Critical), ("no-runbook", Priority::Medium)];
    let items = of_document(&document(Severity::Sev1, &rules), &[], &with_schedule(), at(0));
    let told: Vec<_> =
        items.iter().map(|item| (item.item.as_str(), item.owner.as_deref(), item.due, item.status)).collect();
    let expected = [
        ("root-cause", Some("ana"), date(2026, 11, 26), Status::Open),
        ("no-runbook", Some("ana"), date(2026, 11, 30), Status::Open),
    ];
    assert_eq!(told, expected);
    assert_eq!((items[0].version, items[0].team.as_str()), (1, "platform"));
    assert_eq!(items[0].why, "root-cause was found.");
    assert_eq!(items[0].done_when, "root-cause is gone");

    // A team without a schedule owns it as a whole, and lives in UTC.
    let items = of_document(&document(Severity::Sev2, &rules), &[], &catalogue(), at(0));
    let told: Vec<_> = items.iter().map(|item| (item.owner.as_deref(), item.due)).collect();
    assert_eq!(told, [(None, date(2026, 12, 1)), (None, date(2026, 12, 1))]);
}

#[test]
fn the_same_document_asks_for_nothing_twice() {
    let document = document(Severity::Sev1, &[("root-cause", Priority::Critical), ("no-runbook", Priority::Medium)]);
    let items = of_document(&document, &[], &with_schedule(), at(0));
    assert_eq!(items.len(), 2);
    assert_eq!(of_document(&document, &items, &with_schedule(), at(48)), []);
}

#[test]
fn a_document_written_anew_changes_words_and_nothing_that_people_decided() {
    let reassigned = Command::Reassign { team: "database".to_owned(), owner: Some("ben".to_owned()) };
    let item = root_cause().apply(&reassigned, "ana", None, at(1)).unwrap();
    let item = item.apply(&Command::Due(date(2026, 12, 24)), "ana", Some("after the move"), at(2)).unwrap();
    let mut document = document(Severity::Sev1, &[("root-cause", Priority::High)]);
    document.items[0].title = "Find it".to_owned();
    let written = of_document(&document, std::slice::from_ref(&item), &with_schedule(), at(3));
    let expected = ActionItem { title: "Find it".to_owned(), version: item.version + 1, ..item.clone() };
    assert_eq!(written, [expected]);

    let done = item.apply(&Command::Done, "ben", Some("an index"), at(4)).unwrap();
    assert_eq!(of_document(&document, &[done], &with_schedule(), at(5)), [], "what is done stays as it is");
}

#[test]
fn what_is_asked_for_no_longer_is_dropped_unless_somebody_has_had_it_in_hands() {
    let item = root_cause();
    let (with, without) =
        (document(Severity::Sev1, &[("root-cause", Priority::Critical)]), document(Severity::Sev1, &[]));
    let dropped = of_document(&without, std::slice::from_ref(&item), &with_schedule(), at(1));
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].status, dropped[0].version), (Status::Dropped, 2));
    let last = dropped[0].history.last().unwrap();
    assert_eq!((last.by.as_str(), last.change.clone()), (WRITER, Change::Dropped));
    assert_eq!(of_document(&without, &dropped, &with_schedule(), at(2)), []);

    // Asked for again it is open, and due anew: in New York it is the 25th.
    let again = of_document(&with, &dropped, &with_schedule(), at(49));
    assert_eq!((again[0].status, again[0].due, again[0].version), (Status::Open, date(2026, 11, 28), 3));

    let moved = item.apply(&Command::Due(date(2026, 12, 24)), "ana", None, at(1)).unwrap();
    assert_eq!(of_document(&without, &[moved], &with_schedule(), at(2)), []);
    let started = item.apply(&Command::Start, "ana", None, at(1)).unwrap();
    assert_eq!(of_document(&without, &[started], &with_schedule(), at(2)), []);
    // Whoever dropped it meant it.
    let dropped = item.apply(&Command::Drop, "ana", Some("not worth it"), at(1)).unwrap();
    assert_eq!(of_document(&with, &[dropped], &with_schedule(), at(2)), []);
}

#[test]
fn each_status_allows_what_makes_sense() {
    use Command::{Done, Drop, Due, Start};
    let reassign = || Command::Reassign { team: "database".to_owned(), owner: None };
    let due = || Due(date(2027, 1, 1));
    let why = Some("because");
    let open = root_cause();
    let started = open.apply(&Start, "ana", None, at(1)).unwrap();
    let done = started.apply(&Done, "ana", why, at(2)).unwrap();
    let dropped = open.apply(&Drop, "ana", why, at(1)).unwrap();
    for (item, command, expected) in [
        (&open, Start, Ok(Status::InProgress)),
        (&open, Done, Ok(Status::Done)),
        (&open, Drop, Ok(Status::Dropped)),
        (&open, reassign(), Ok(Status::Open)),
        (&started, Start, Err(Refusal::Already(Status::InProgress))),
        (&started, Drop, Ok(Status::Dropped)),
        (&started, due(), Ok(Status::InProgress)),
        (&done, Start, Ok(Status::InProgress)),
        (&done, Done, Err(Refusal::Already(Status::Done))),
        (&done, Drop, Ok(Status::Dropped)),
        (&done, reassign(), Err(Refusal::Closed(Status::Done))),
        (&dropped, due(), Err(Refusal::Closed(Status::Dropped))),
        (&dropped, Done, Ok(Status::Done)),
    ] {
        let status = item.apply(&command, "ben", why, at(3)).map(|item| item.status);
        assert_eq!(status, expected, "{:?} {command:?}", item.status);
    }
    for command in [Done, Drop] {
        assert_eq!(open.apply(&command, "ana", Some("  "), at(1)), Err(Refusal::NoReason));
    }
    let same = Command::Reassign { team: "platform".to_owned(), owner: Some("ana".to_owned()) };
    assert_eq!(open.apply(&same, "ana", None, at(1)), Err(Refusal::Unchanged));
    assert_eq!(open.apply(&Due(open.due), "ana", None, at(1)), Err(Refusal::Unchanged));
    assert_eq!((done.status_since, done.version), (at(2), 3));
    let told: Vec<_> = done.history.iter().map(|entry| (entry.by.as_str(), entry.why.as_deref())).collect();
    assert_eq!(told, [(WRITER, None), ("ana", None), ("ana", Some("because"))]);
}

#[test]
fn a_history_keeps_its_beginning_and_its_latest_changes() {
    let mut item = root_cause();
    for day in 1..=120 {
        let due = date(2027, 1, 1).saturating_add(jiff::Span::new().days(day));
        item = item.apply(&Command::Due(due), &"n".repeat(500), Some(&"why ".repeat(500)), at(day)).unwrap();
    }
    assert_eq!((item.history.len(), item.version), (MAX_HISTORY, 121));
    assert_eq!(item.history[0].change, Change::AskedFor);
    assert_eq!(item.history[1].at, at(72));
    assert_eq!(item.history[49].at, at(120));
    assert!(serde_json::to_string(&item).unwrap().len() < 60_000);
}

#[test]
fn it_is_overdue_from_the_day_after_where_its_owner_lives() {
    let item = root_cause();
    // Midnight in New York is 05:00 UTC; the item is due on the 26th.
    for (time, expected) in [("2026-11-27T04:59:00Z", false), ("2026-11-27T05:00:00Z", true)] {
        let today = today(&with_schedule(), &item, time.parse().unwrap());
        assert_eq!(item.is_overdue(today), expected, "{time}");
    }
    let given =
        item.apply(&Command::Reassign { team: "platform".into(), owner: Some("ben".into()) }, "ana", None, at(0));
    // And midnight in Tokyo is 15:00 UTC.
    for (time, expected) in [("2026-11-26T14:59:00Z", false), ("2026-11-26T15:00:00Z", true)] {
        let given = given.as_ref().unwrap();
        assert_eq!(given.is_overdue(today(&with_schedule(), given, time.parse().unwrap())), expected, "{time}");
    }
    let done = item.apply(&Command::Done, "ana", Some("found"), at(1)).unwrap();
    assert!(!done.is_overdue(date(2030, 1, 1)));
}

#[test]
fn what_is_stored_is_read_again() {
    let item = root_cause().apply(&Command::Due(date(2026, 12, 24)), "ana", Some("later"), at(1)).unwrap();
    let stored = serde_json::to_value(&item).unwrap();
    assert_eq!(stored["due"], "2026-12-24");
    assert_eq!(stored["history"][1]["change"], "moved");
    assert_eq!(serde_json::from_value::<ActionItem>(stored).unwrap(), item);
}
