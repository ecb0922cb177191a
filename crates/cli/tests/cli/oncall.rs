//! `monitorctl oncall`.

use crate::catalogue::{monitorctl, repository, stderr, stdout};

/// What the command answers about the shipped catalogue; it must end with this code.
#[track_caller]
fn oncall(arguments: &[&str], code: i32) -> String {
    let output = monitorctl(&repository(), &[&["oncall"], arguments].concat());
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    if code == 0 { stdout(&output) } else { stderr(&output) }
}

#[test]
fn each_team_says_who_is_on_call() {
    assert_eq!(
        oncall(&["who", "--at", "2026-11-01T12:00:00Z"], 0),
        "business: the whole team, #platform-support (it has no schedule)
database: the whole team, #platform-support (it has no schedule)
platform: Chloe Martin (chloe.martin@ai-nutritionist.com)
  since Mon 2026-10-26 09:00 -04:00, until Mon 2026-11-02 09:00 -05:00, by rotation 1, in schedule platform (America/New_York)
  next: Ana Torres
"
    );
    assert_eq!(
        oncall(&["who", "--at", "2024-10-07 08:59", "--team", "platform"], 0),
        "platform: nobody is on call; the team is #platform-support, platform@ai-nutritionist.com
  always, until Mon 2024-10-07 09:00 -04:00, in schedule platform (America/New_York)
  next: Ana Torres
"
    );
    // A time without an offset is one of the schedule's zone: 18:00 in New York is 23:00 in UTC.
    let local = oncall(&["who", "--at", "2024-12-24 18:00", "--team", "platform"], 0);
    assert!(local.contains("by override 1") && local.starts_with("platform: Ana Torres"), "{local}");
    assert_eq!(local, oncall(&["who", "--at", "2024-12-24T23:00:00Z", "--team", "platform"], 0));
    assert!(!oncall(&["who"], 0).is_empty());
}

#[test]
fn somebody_who_lives_elsewhere_sees_their_own_time() {
    let directory = tempfile::tempdir().unwrap();
    let catalogue = std::fs::read_to_string(repository().join("monitoring.yaml")).unwrap();
    let abroad = catalogue.replace("{title: Ben Okafor,", "{title: Ben Okafor, time_zone: Africa/Lagos,");
    std::fs::write(directory.path().join("monitoring.yaml"), abroad).unwrap();
    let output = monitorctl(directory.path(), &["oncall", "who", "--team", "platform", "--at", "2026-07-06T18:00:00Z"]);
    assert_eq!(
        stdout(&output),
        "platform: Ben Okafor (ben.okafor@ai-nutritionist.com)
  since Mon 2026-07-06 09:00 -04:00, until Mon 2026-07-13 09:00 -04:00, by rotation 1, in schedule platform (America/New_York)
  for Ben Okafor until Mon 2026-07-13 14:00 +01:00 (Africa/Lagos)
  next: Chloe Martin
"
    );
}

#[test]
fn who_is_on_call_comes_as_json_too() {
    let json = oncall(&["who", "--at", "2026-11-01T12:00:00Z", "--team", "platform", "--json"], 0);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        serde_json::json!([{
            "team": "platform",
            "title": "Platform Engineering",
            "contact": "#platform-support, platform@ai-nutritionist.com",
            "members": ["ana", "ben", "chloe"],
            "schedule": "platform",
            "time_zone": "America/New_York",
            "now": {
                "user": "chloe",
                "title": "Chloe Martin",
                "contact": "chloe.martin@ai-nutritionist.com",
                "slack_user_id": null,
                "since": "2026-10-26T13:00:00Z",
                "until": "2026-11-02T14:00:00Z",
                "why": "by rotation 1",
            },
            "next": {
                "user": "ana",
                "title": "Ana Torres",
                "contact": "ana.torres@ai-nutritionist.com",
                "slack_user_id": null,
                "since": "2026-11-02T14:00:00Z",
                "until": "2026-11-09T14:00:00Z",
                "why": "by rotation 1",
            },
        }])
    );
}

#[test]
fn a_schedule_lists_its_hand_offs() {
    assert_eq!(
        oncall(&["schedule", "platform", "--at", "2024-12-20 12:00", "--days", "14"], 0),
        "platform, times of America/New_York
Mon 2024-12-16 09:00 -05:00 Ben Okafor   by rotation 1
Mon 2024-12-23 09:00 -05:00 Chloe Martin by rotation 1
Tue 2024-12-24 18:00 -05:00 Ana Torres   by override 1
Thu 2024-12-26 09:00 -05:00 Chloe Martin by rotation 1
Mon 2024-12-30 09:00 -05:00 Ana Torres   by rotation 1
The last of them until Mon 2025-01-06 09:00 -05:00.
"
    );
    let json = oncall(&["schedule", "platform", "--at", "2024-12-20 12:00", "--days", "14", "--json"], 0);
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap().len(), 5);
}

#[test]
fn what_is_not_there_is_refused_with_the_nearest_name() {
    for (arguments, code, expected) in [
        (&["who", "--team", "plattform"][..], 1, "the catalogue has no team plattform; did you mean platform?"),
        (&["who", "--team", "nobody"], 1, "the catalogue has no team nobody; it has business, database, platform"),
        (&["schedule", "platfrm"], 1, "the catalogue has no schedule platfrm; did you mean platform?"),
        (&["who", "--at", "noon"], 2, "noon is no time; write 2026-12-24T18:00:00Z, or '2026-12-24 18:00'"),
        (&["who", "--catalogue", "gone.yaml"], 2, "cannot read the catalogue gone.yaml"),
        (&["schedule", "platform", "--days", "0"], 2, "0 is not in 1..=366"),
        (
            &["who", "--catalogue", "crates/cli/tests/fixtures/catalogue/broken.yaml"],
            1,
            "the catalogue has mistakes:\ncrates/cli/tests/fixtures/catalogue/broken.yaml:2:9: error: ",
        ),
    ] {
        let said = oncall(arguments, code);
        assert!(said.contains(expected), "{said}");
    }
    // A catalogue that knows no schedule.
    let output =
        monitorctl(&repository(), &["oncall", "schedule", "x", "--catalogue", "crates/cli/catalogues/aws.yaml"]);
    assert!(stderr(&output).contains("the catalogue has no schedule x; it has none"), "{}", stderr(&output));
}
