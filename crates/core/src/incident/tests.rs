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
    let id = IncidentId::parse("INC-1").unwrap();
    let mut pages = Pages::default();
    assert_eq!((pages.next_key(&id, 1, 0), pages.keys(&id)), ("INC-1".to_owned(), vec![]));
    pages.add(1, 0, Some(1));
    assert_eq!((pages.next_key(&id, 2, 0), pages.keys(&id)), ("INC-1/2.0".to_owned(), vec!["INC-1".to_owned()]));
    pages.add(2, 0, Some(2));
    assert_eq!(pages.keys(&id), ["INC-1", "INC-1/2.0"]);
    for round in 1..1000 {
        pages.add(1, round, None);
    }
    let keys = pages.keys(&id);
    assert_eq!((keys.len(), keys[0].as_str(), keys[59].as_str()), (Pages::MAX, "INC-1", "INC-1/1.999"));
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
