//! `monitorctl explain` and `monitorctl silences`, over the folder of a local run.

use tempfile::TempDir;

use crate::catalogue::{monitorctl, stderr, stdout};

/// A folder in which the error rate is 15 %, and its incident.
fn an_incident() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(".monitorctl")).unwrap();
    let payload = r#"{"Records":[{"Sns":{"Message":"{\"metric_name\":\"ErrorRate\",\"current_value\":15.0}"}}]}"#;
    let answer = run(&directory, &["--json", "invoke", "incident-response", "--terminal", "--payload", payload], 0);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let id = answer["incidents"][0]["id"].as_str().unwrap().to_owned();
    (directory, id)
}

/// What a command answers; it must end with this code.
#[track_caller]
fn run(directory: &TempDir, arguments: &[&str], code: i32) -> String {
    let output = monitorctl(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    if code == 0 { stdout(&output) } else { stderr(&output) }
}

#[test]
fn an_incident_is_explained_by_its_id_its_alert_and_its_metric() {
    let (directory, id) = an_incident();
    for what in [id.as_str(), "error-rate", "ErrorRate"] {
        let said = run(&directory, &["explain", what], 0);
        for expected in [
            id.as_str(),
            "It began as a SEV1",
            "Level 1 was called by pagerduty and slack",
            "pagerduty accepted the page at",
            "Now nobody has acknowledged it; level 2 is called at",
        ] {
            assert!(said.contains(expected), "{what} does not say {expected:?}: {said}");
        }
        assert_eq!(said.contains("Rule error-rate watches ErrorRate"), what != id, "{said}");
    }
    // The key of the alert, as a message by hand has it.
    let said = run(&directory, &["explain", "error-rate/critical"], 0);
    assert!(said.contains("Rule error-rate watches ErrorRate") && said.contains("No incident had it."), "{said}");
    let before = run(&directory, &["explain", &id, "--at", "2024-10-14T00:00:00Z"], 0);
    assert_eq!(before, format!("{id} did not exist yet.\n"));
    let before = run(&directory, &["explain", "ErrorRate", "--at", "2024-10-14T00:00:00Z"], 0);
    assert!(before.contains("No incident had it."), "{before}");
}

#[test]
fn an_alert_is_explained_by_its_whole_key() {
    let (directory, _) = an_incident();
    let message =
        r#"{"metric_name":"LambdaDuration","current_value":29000,"dimensions":{"FunctionName":"ai-nutritionist-api"}}"#;
    let answer = run(&directory, &["--json", "invoke", "incident-response", "--terminal", "--payload", message], 0);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let id = answer["incidents"][0]["id"].as_str().unwrap();
    for (key, known) in [
        ("lambda-duration{FunctionName=ai-nutritionist-api}", true),
        ("lambda-duration", true),
        ("lambda-duration{FunctionName=ai-nutritionist-ap}", false),
        ("lambda-duration{FunctionName=ai-nutritionist-api}/critical", false),
    ] {
        let said = run(&directory, &["explain", key], 0);
        assert_eq!(said.contains(id), known, "{key}: {said}");
    }
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let (directory, _) = an_incident();
    for (arguments, code, expected) in [
        (&["explain", "ErorRate"][..], 1, "ErorRate is no incident, no rule and no metric; did you mean ErrorRate?"),
        (&["explain", "CacheLookups"], 1, "no rule watches CacheLookups, so nobody is ever paged for it"),
        (&["explain", "ErrorRate", "--at", "noon"], 2, "--at noon is no time"),
        (&["explain", "ErrorRate", "--data", "gone"], 2, "there is no run in gone"),
    ] {
        let said = run(&directory, arguments, code);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_silence_is_made_listed_and_ended() {
    let (directory, _) = an_incident();
    assert_eq!(run(&directory, &["silences", "list"], 0), "no silences\n");
    let add = ["silences", "add", "--group", "cost*", "--minutes", "60", "--why", "known", "--by", "alice"];
    let added = run(&directory, &add, 0);
    let id = added.split_whitespace().next().unwrap();
    assert!(added.starts_with("SIL-") && added.contains("is in force until"), "{added}");
    let listed = run(&directory, &["silences", "list"], 0);
    assert!(listed.starts_with(id) && listed.contains("never used"), "{listed}");
    assert!(listed.contains("\n  group cost*\n  by alice: known\n"), "{listed}");

    let ended = run(&directory, &["silences", "end", id, "--by", "alice", "--terminal"], 0);
    assert_eq!(ended, format!("{id} has ended\n"));
    assert_eq!(run(&directory, &["silences", "list"], 0), "no silences\n");
    let all = run(&directory, &["silences", "list", "--all"], 0);
    assert!(all.contains("over, never used") && all.contains("by alice: known (ended by alice)"), "{all}");
    let again = run(&directory, &["silences", "end", id, "--by", "alice"], 1);
    assert!(again.contains(&format!("no silence {id} is in force")), "{again}");

    let without = run(&directory, &["silences", "add", "--group", "api"], 2);
    assert!(without.contains("say why"), "{without}");
    let long = [&add[..5], &["1441", "--why", "known"]].concat();
    assert!(run(&directory, &long, 1).contains("from a minute to 1 d"));
}

#[test]
fn a_silence_that_recurs_is_made_and_listed() {
    let (directory, _) = an_incident();
    let add = |arguments: &[&str], code: i32| {
        let first = ["silences", "add", "--group", "cost*", "--why", "back-up", "--by", "alice"];
        run(&directory, &[&first, arguments].concat(), code)
    };
    let zurich = ["--every", "sun,wed", "--from", "02:00", "--time-zone", "Europe/Zurich", "--minutes", "90"];
    let added = add(&zurich, 0);
    assert!(added.contains(" is in force wed, sun 02:00 for 90 min (Europe/Zurich) until 20"), "{added}");
    let listed = run(&directory, &["silences", "list"], 0);
    assert!(listed.contains(" left, never used\n  group cost*\n  wed, sun 02:00 for 90 min"), "{listed}");
    assert!(listed.contains("in force now\n  by alice: back-up\n"), "{listed}");
    let every_day = add(&["--every", "day", "--from", "23:30", "--for-days", "7"], 0);
    assert!(every_day.contains("every day 23:30 for 60 min (UTC)"), "{every_day}");

    for (arguments, code, expected) in [
        (&["--every", "sun"][..], 2, "--from"),
        (&["--from", "02:00"], 2, "--every"),
        (&["--every", "sunday", "--from", "02:00"], 1, "a list of mon, tue"),
        (&["--every", "sun", "--from", "2:00"], 1, "a time of day such as 02:00"),
        (&["--every", "sun", "--from", "02:00", "--time-zone", "Nowhere"], 1, "an IANA name"),
        (&["--every", "sun", "--from", "02:00", "--for-days", "31"], 1, "recurs for 30 d at most"),
    ] {
        let said = add(arguments, code);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn what_would_silence_nothing_is_refused() {
    let (directory, id) = an_incident();
    let add = |arguments: &[&str], code: i32| {
        run(&directory, &[&["silences", "add", "--why", "x"], arguments].concat(), code)
    };
    for (arguments, code, expected) in [
        (
            &["--rule", "eror-rate"][..],
            1,
            "no alert has the rule eror-rate, so it would silence nothing; did you mean error-rate?",
        ),
        (&["--group", "apo"], 1, "no alert has the group apo, so it would silence nothing; did you mean api?"),
        (&["--dimension", "a=1", "--dimension", "a=2"], 2, "--dimension a is given twice"),
        (&["--dimension", "a"], 2, "not of the form NAME=VALUE"),
        (&["--group", "api", "--minutes", "0"], 2, "0 is not in 1.."),
        (&["--group", "api", "--minutes", "4294967295"], 1, "from a minute to 1 d"),
    ] {
        let said = add(arguments, code);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    for group in ["api", "ap*", "cost/AWS Lambda", "alarm:foreign", "monitoring-suite/audit", "storm"] {
        assert!(add(&["--group", group], 0).starts_with("SIL-"), "{group}");
    }
    let made = run(&directory, &["silences", "add", "--incident", &id, "--terminal"], 0);
    assert!(made.starts_with("SIL-") && made.contains(" is in force until 20") && made.ends_with(" UTC\n"), "{made}");
    let several = run(&directory, &["silences", "end", "SIL-", "--terminal"], 1);
    assert!(several.contains("\"SIL-\" could be SIL-"), "{several}");
    let whole = made.split_whitespace().next().unwrap();
    let ended = run(&directory, &["silences", "end", &whole[..whole.len() - 1], "--terminal"], 0);
    assert_eq!(ended, format!("{whole} has ended\n"));
}

#[test]
fn what_is_silenced_is_reopened_and_nobody_is_called() {
    let (directory, id) = an_incident();
    run(&directory, &["incidents", "resolve", &id, "--terminal"], 0);
    run(&directory, &["silences", "add", "--group", "api", "--why", "known", "--sev1"], 0);
    let said = run(&directory, &["incidents", "reopen", &id, "--terminal"], 0);
    assert!(said.contains("reopened; nobody is called: silenced by"), "{said}");
}
