use super::*;
use crate::alert::AlertChange;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn change() -> AlertChange {
    AlertChange::about_the_suite("x", "x", "x", at("2026-11-23T03:14:05Z"))
}

#[test]
fn an_id_is_the_same_for_the_same_change_and_another_for_anything_else() {
    let now = at("2026-11-23T03:15:00Z");
    let id = |change: &AlertChange, previous: Option<&IncidentId>| IncidentId::for_change(change, previous, now);
    let first = id(&change(), None);
    assert_eq!(first, id(&change(), None));
    assert!(first.as_str().starts_with("INC-20261123-") && first.as_str().len() == 21, "{first}");
    assert_eq!(IncidentId::parse(first.as_str()), Some(first.clone()));
    let mut others = vec![first.clone(), id(&change(), Some(&first))];
    others.push(id(&AlertChange { key: AlertKey::new("y", &Dimensions::new(), None), ..change() }, None));
    others.push(id(&AlertChange { group: GroupKey::named("y"), ..change() }, None));
    others.push(id(&AlertChange { at: at("2026-11-23T03:14:05.001Z"), ..change() }, None));
    let unique: BTreeSet<&IncidentId> = others.iter().collect();
    assert_eq!(unique.len(), others.len());
}

#[test]
fn only_an_id_is_an_id() {
    for (text, valid) in [
        ("INC-20261123-0f3a9c1d", true),
        ("INC-1", true),
        ("INC-", false),
        ("inc-1", false),
        ("", false),
        ("INC-1 ", false),
        ("INC-1/2.0", false),
        ("INC-ä", false),
        ("group#api", false),
        ("INC-0123456789012345678901234567890123456", false),
    ] {
        assert_eq!(IncidentId::parse(text).is_some(), valid, "{text:?}");
    }
}

#[test]
fn every_page_has_a_key_of_its_own_and_the_first_has_the_incidents_id() {
    let mut incident = incident();
    let none: [&str; 0] = [];
    assert_eq!(incident.keys("phone"), none);
    assert_eq!(incident.next_key("phone", 1, 0), "INC-1");
    incident.paged("phone", 1, 0, Some(&1));
    assert_eq!(incident.keys("phone"), ["INC-1"]);
    assert_eq!(incident.next_key("phone", 2, 0), "INC-1/2.0");
    incident.paged("phone", 2, 0, Some(&2));
    assert_eq!(incident.keys("phone"), ["INC-1", "INC-1/2.0"]);
    for round in 1..1000 {
        incident.paged("phone", 1, round, None);
    }
    let keys = incident.keys("phone");
    assert_eq!((keys.len(), keys[0].as_str(), keys[59].as_str()), (Pages::MAX, "INC-1", "INC-1/1.999"));
    assert_eq!(incident.keys("slack"), none);
}

#[test]
fn the_first_page_joins_the_key_of_one_that_was_sent_without_a_record() {
    let came_again = |number| Entry {
        number,
        at: now(),
        fact: Fact::CameAgain { key: "s/api".to_owned() },
        reason: "again".to_owned(),
        effects: Vec::new(),
    };
    let mut before = incident();
    before.apply(&came_again(2));
    assert_eq!(before.next_key("phone", 1, 0), "s/api");
    before.paged("phone", 1, 0, Some(&1));
    assert_eq!(before.next_key("phone", 2, 0), "INC-1/2.0");
    before.paged("phone", 2, 0, Some(&2));
    assert_eq!(before.keys("phone"), ["s/api", "INC-1/2.0"]);
    // Paged with a record, and only then known to have been paged without one.
    let mut after = incident();
    after.paged("phone", 1, 0, Some(&1));
    after.apply(&came_again(2));
    after.paged("phone", 2, 0, Some(&2));
    assert_eq!(after.keys("phone"), ["INC-1", "s/api", "INC-1/2.0"]);
}

#[test]
fn what_a_group_went_through_is_handed_on_and_bounded() {
    let mut incident = incident();
    for minute in 1..=30 {
        let earlier = Earlier::after(&incident);
        incident = Incident { opened_at: Timestamp::from_second(minute * 60).unwrap(), earlier, ..incident };
    }
    let minutes: Vec<i64> = incident.earlier.opened.iter().map(|at| at.as_second() / 60).collect();
    assert_eq!(minutes, (20..30).collect::<Vec<_>>());
    assert_eq!(incident.earlier.paged, None);
    incident.escalation.level = 2;
    assert_eq!(Earlier::after(&incident).paged, Some(incident.escalation.started_at));
}

fn now() -> Timestamp {
    "2026-11-23T03:00:00Z".parse().unwrap()
}

fn incident() -> Incident {
    let opened = Fact::Opened {
        group: GroupKey::named("api"),
        title: "a is high".to_owned(),
        severity: Severity::Sev2,
        runbook: None,
        onset: now(),
        earlier: Earlier::default(),
    };
    Incident::open(IncidentId::parse("INC-1").unwrap(), &opened, now()).unwrap()
}

#[test]
fn a_member_keeps_as_many_dimensions_as_there_is_room_for() {
    let dimensions = |lengths: &[usize]| -> Dimensions {
        lengths.iter().enumerate().map(|(index, length)| (format!("n{index}"), "v".repeat(*length))).collect()
    };
    for (lengths, kept) in [(&[][..], 0), (&[3, 3], 2), (&[92], 1), (&[93], 0), (&[60, 60, 1], 1)] {
        let member = Member::of(&AlertChange { dimensions: dimensions(lengths), ..change() }, None);
        assert_eq!(member.dimensions.len(), kept, "{lengths:?}");
    }
}
