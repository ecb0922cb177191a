//! Users, schedules and deadlines.

use jiff::Timestamp;
use monitoring_core::escalation::schedule::on_call;

use super::*;

/// [`SOUND`] with two people and a schedule; each test spoils one place of it.
const PEOPLE: &str = r#"
users:
  ana: {title: Ana Torres, contact: ana@example.com, slack_user_id: U024BE7LH, time_zone: Europe/Zurich, channels: [text]}
  ben: {title: Ben Okafor, contact: ben@example.com}
schedules:
  weekly:
    time_zone: Europe/Zurich
    rotations:
      - {users: [ana, ben], starts: 2026-01-05, every: 7d, hand_off: "09:00"}
      - {users: [ben], starts: 2026-01-05, every: 1d, hand_off: 09:00, only: {days: [fri, mon, mon], from: "08:00", to: "17:30"}}
    overrides:
      - {user: ana, from: 2026-03-29 02:30, to: 2026-03-30T06:00:00Z}
"#;

fn people() -> String {
    let team = "platform: {title: Platform, contact: \"#shop\", on_call: weekly, members: [ana, ben]}";
    let sound = SOUND
        .replace("platform: {title: Platform, contact: \"#shop\"}", team)
        .replace("  phone: {kind", "  text: {kind: sms}\n  phone: {kind");
    sound + PEOPLE
}

fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(people().matches(from).count(), 1, "{from}");
    check_text(&people().replacen(from, to, 1), to, expected);
}

#[test]
fn people_are_resolved() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), &people());
    assert_eq!(problems, []);
    let catalogue = catalogue.unwrap();
    insta::assert_json_snapshot!(serde_json::json!({
        "teams": catalogue.teams, "users": catalogue.users, "schedules": catalogue.schedules,
    }));
    let json = serde_json::to_vec(&catalogue).unwrap();
    assert_eq!(Catalogue::from_json(&json).unwrap(), catalogue);
    let at = |text: &str| on_call(&catalogue.schedules["weekly"], text.parse::<Timestamp>().unwrap()).unwrap().user;
    assert_eq!(at("2026-01-06T08:00:00Z"), "ana");
    assert_eq!(at("2026-01-12T07:30:00Z"), "ben");
    // 02:30 does not exist on that day: the override begins at 03:30, which is 01:30 in UTC.
    assert_eq!((at("2026-03-29T01:29:00Z"), at("2026-03-29T01:30:00Z")), ("ben", "ana"));
}

#[test]
fn a_catalogue_without_people_is_read_as_before() {
    let (catalogue, _) = parse(Path::new("c.yaml"), SOUND);
    let json = serde_json::to_value(catalogue.unwrap()).unwrap();
    assert!(json.get("users").is_none() && json.get("schedules").is_none());
    assert_eq!(json["teams"]["platform"].as_object().unwrap().len(), 3);
}

#[test]
fn names_of_people_and_schedules_are_checked() {
    for (from, to, expected) in [
        (
            "on_call: weekly",
            "on_call: weakly",
            &[r#"error: team platform has an unknown schedule "weakly"; did you mean "weekly"?"#][..],
        ),
        (
            "on_call: weekly, ",
            "on_call: weekly, lead: bne, ",
            &[r#"error: team platform has an unknown user "bne"; did you mean "ben"?"#],
        ),
        (
            "members: [ana, ben]",
            "members: [anna, ben]",
            &[r#"error: team platform has an unknown user "anna"; did you mean "ana"?"#],
        ),
        (
            "users: [ana, ben]",
            "users: [ana, bne]",
            &[r#"error: schedule weekly calls an unknown user "bne"; did you mean "ben"?"#],
        ),
        (
            "user: ana",
            "user: chloe",
            &[r#"error: an override of schedule weekly calls an unknown user "chloe"; the users are ana, ben"#],
        ),
        (
            "channels: [text]",
            "channels: [txt]",
            &[r#"error: user ana has an unknown channel "txt"; did you mean "text"?"#],
        ),
        (
            "  ben: {title",
            "  Dan: {title: Dan, contact: dan@example.com}\n  ben: {title",
            &[r#"error: "Dan" cannot be the name of a user; write lower-case letters, digits and hyphens, at most 64"#],
        ),
        (
            "  ben: {title",
            "  dan: {title: Dan, contact: dan@example.com}\n  ben: {title",
            &["warning: user dan is used nowhere; name them in a schedule or a team, or remove it"],
        ),
        (
            "on_call: weekly, ",
            "",
            &["warning: schedule weekly is used nowhere; name it as `on_call` of a team, or remove it"],
        ),
        (
            "slack_user_id: U024BE7LH",
            "slack_user_id: \"@ana\"",
            &[r#"error: `slack_user_id` cannot be "@ana"; write a member id such as U024BE7LH, not a name"#],
        ),
        ("contact: ben@example.com", "contact: ben", &[r#"error: `contact` cannot be "ben"; write an e-mail address"#]),
    ] {
        check(from, to, expected);
    }
}

#[test]
fn times_of_schedules_are_checked() {
    for (from, to, expected) in [
        ("users: [ana, ben]", "users: []", &["error: `users` is an empty list; write at least one item"][..]),
        (
            "hand_off: \"09:00\"",
            "hand_off: 9am",
            &[r#"error: `hand_off` cannot be "9am"; write a time of the day such as 09:00"#],
        ),
        (
            "hand_off: \"09:00\"",
            "hand_off: \"24:00\"",
            &[r#"error: `hand_off` cannot be "24:00"; write a time of the day such as 09:00"#],
        ),
        (
            "every: 7d, hand_off",
            "every: 12h, hand_off",
            &[
                "error: a shift of schedule weekly takes 12h, not whole days; write 1d to 366d; for parts of a day make a rotation for each, with `only: {from: ..., to: ...}`",
            ],
        ),
        (
            "[ana, ben], starts: 2026-01-05",
            "[ana, ben], starts: 2026-02-30",
            &[
                "error: a rotation of schedule weekly starts on 2026-02-30, which is no day; write a day such as 2026-01-05",
            ],
        ),
        (
            "    time_zone: Europe/Zurich",
            "    time_zone: Europe/Zürich",
            &[r#"error: unknown time zone "Europe/Zürich"; did you mean "Europe/Zurich"?"#],
        ),
        (
            "to: 2026-03-30T06:00:00Z",
            "to: 2026-03-29 03:30",
            &[
                // 02:30 is 03:30 on that day.
                "error: an override of schedule weekly ends at 2026-03-29 03:30, not after it starts; write a time after 2026-03-29 02:30",
            ],
        ),
        (
            "to: 2026-03-30T06:00:00Z",
            "to: 2026-03-32 03:30",
            &[
                "error: an override of schedule weekly has 2026-03-32 03:30, which is no time; write a time such as 2026-12-24 18:00",
            ],
        ),
        (
            "to: 2026-03-30T06:00:00Z",
            "to: tomorrow",
            &[r#"error: `to` cannot be "tomorrow"; write a time such as 2026-12-24 18:00, or 2026-12-24T18:00:00Z"#],
        ),
    ] {
        check(from, to, expected);
    }
}

#[test]
fn times_with_nobody_on_call_are_a_warning() {
    let first = "- {users: [ana, ben], starts: 2026-01-05, every: 7d, hand_off: \"09:00\"}\n";
    let weekdays = "- {users: [ana, ben], starts: 2026-01-05, every: 7d, hand_off: \"09:00\", only: {days: [mon, tue, wed, thu]}}\n";
    check(
        first,
        weekdays,
        &[
            "warning: nobody is on call in schedule weekly from Fri 2026-01-09 00:00 to Fri 2026-01-09 08:00, and at 7 more times in 4 weeks; let the first rotation be without `only`, or add one for the rest of the time",
        ],
    );
    // Another rotation has the other days.
    let whole = "- {users: [ana], starts: 2026-01-05, every: 7d, hand_off: \"00:00\", only: {days: [fri, sat, sun]}}\n";
    check(first, &format!("{weekdays}      {whole}"), &[]);
}

#[test]
fn at_each_of_the_two_deadlines_somebody_is_called() {
    for (levels, expected) in [
        ("[{}, {}, {}]", &[][..]),
        ("[{}]", &[]),
        ("[{}, {after: 30m}, {after: 1h}, {after: 2h}]", &[]),
        (
            "[{}, {}]",
            &[
                "warning: nobody is called when the escalation time of SEV3 is over, 2h: its last level comes after 1h; write `after: 2h` for the last level",
            ],
        ),
        (
            "[{}, {after: 90m}, {}]",
            &["warning: nobody is called when the response time of SEV3 is over, 1h; write `after: 1h` for level 2"],
        ),
    ] {
        let from = "escalation: 2h, channels: [chat]}";
        check_text(
            &SOUND.replacen(from, &format!("escalation: 2h, channels: [chat], levels: {levels}}}"), 1),
            levels,
            expected,
        );
    }
}
