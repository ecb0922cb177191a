//! `monitorctl action-items`, over the folder of a local run.

use serde_json::Value;
use tempfile::TempDir;

use crate::catalogue::{monitorctl, stderr, stdout};

/// What its document asks for whatever the metrics say.
const KEPT: [&str; 2] = ["root-cause", "unmeasured-end"];

/// A folder with an incident that was resolved by hand, and its document.
fn resolved() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let payload = r#"{"Records":[{"Sns":{"Message":"{\"metric_name\":\"ErrorRate\",\"current_value\":15.0}"}}]}"#;
    let answer = run(&directory, &["--json", "invoke", "incident-response", "--terminal", "--payload", payload], 0);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let id = answer["incidents"][0]["id"].as_str().unwrap().to_owned();
    for command in ["acknowledge", "resolve"] {
        run(&directory, &["--json", "incidents", command, &id, "--by", "ana", "--terminal"], 0);
    }
    // What the metrics of this minute say of its beginning differs, and is not what these tests are about.
    for (item, _) in items(&directory, &[]) {
        if !KEPT.contains(&item.as_str()) {
            run(&directory, &["action-items", "drop", &format!("{id}/{item}"), "an alert by hand"], 0);
        }
    }
    (directory, id)
}

/// What a command answers; it must end with this code.
#[track_caller]
fn run(directory: &TempDir, arguments: &[&str], code: i32) -> String {
    let output = monitorctl(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    if code == 0 { stdout(&output) } else { stderr(&output) }
}

fn items(directory: &TempDir, more: &[&str]) -> Vec<(String, String)> {
    let listed = run(directory, &[&["--json", "action-items", "list"], more].concat(), 0);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    listed.iter().map(|item| (text(item, "item"), text(item, "status"))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(item, status)| ((*item).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn an_item_is_taken_up_given_away_moved_and_done() {
    let (directory, id) = resolved();
    assert_eq!(items(&directory, &[]), pairs(&[("root-cause", "open"), ("unmeasured-end", "open")]));
    let table = run(&directory, &["action-items", "list"], 0);
    let line = format!("{id}/root-cause     critical open ");
    assert!(table.starts_with("ID ") && table.contains(&line), "{table}");

    let root = format!("{id}/root-cause");
    let said = run(&directory, &["action-items", "start", &root, "--by", "ana"], 0);
    assert!(said.starts_with(&format!("{root} is in progress: ")), "{said}");
    let said = run(&directory, &["action-items", "reassign", &root, "database", "their index"], 0);
    assert!(said.contains(": database has it, due "), "{said}");
    run(&directory, &["action-items", "due", &root, "2099-12-24"], 0);
    assert_eq!(items(&directory, &["--team", "database"]), pairs(&[("root-cause", "in_progress")]));
    assert_eq!(items(&directory, &["--team", "database", "--priority", "high"]), []);
    assert_eq!(items(&directory, &["--overdue"]), []);
    run(&directory, &["action-items", "done", &root, "migration 118", "--by", "ana"], 0);
    run(&directory, &["action-items", "drop", &format!("{id}/unm"), "it recovered a minute later"], 0);

    assert_eq!(items(&directory, &[]), []);
    assert_eq!(run(&directory, &["action-items", "list"], 0), "no action items\n");
    let mut listed = items(&directory, &["--all", "--incident", &id]);
    listed.retain(|(item, _)| KEPT.contains(&item.as_str()));
    listed.sort();
    assert_eq!(listed, pairs(&[("root-cause", "done"), ("unmeasured-end", "dropped")]));
    let shown = run(&directory, &["action-items", "show", &root], 0);
    for expected in [
        "root-cause  critical  done\n",
        "due       2099-12-24\n",
        "post-mortem asked for it\n",
        "  ana started\n",
        " gave it to team database: their index\n",
        " moved it to 2099-12-24\n",
        "  ana said that it is done: migration 118\n",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in {shown}");
    }
    let shown: Value = serde_json::from_str(&run(&directory, &["--json", "action-items", "show", &root], 0)).unwrap();
    assert_eq!((shown["id"].as_str(), shown["version"].as_u64()), (Some(root.as_str()), Some(5)));
}

#[test]
fn whoever_owes_something_is_named_by_the_reminder() {
    let (directory, id) = resolved();
    run(&directory, &["action-items", "due", &format!("{id}/root-cause"), "2020-01-01"], 0);
    run(&directory, &["action-items", "reassign", &format!("{id}/root-cause"), "database"], 0);
    let dry = ["invoke", "action-item-reminder", "--payload", r#"{"dry_run":true}"#, "--terminal"];
    let answer: Value = serde_json::from_str(&run(&directory, &dry, 0)).unwrap();
    assert_eq!((&answer["figures"]["open"], &answer["figures"]["overdue"]), (&2.into(), &1.into()));
    // At this hour of this day it would be sent, or it would not.
    let digest = &answer["digests"][0];
    let would_send = digest["to"] == "team/database" && digest["items"][0] == format!("{id}/root-cause").as_str();
    assert!(would_send || answer["quiet"]["team/database"].is_string(), "{answer}");
    let said = run(&directory, &["invoke", "action-item-reminder", "--payload", r#"{"dry_run":1}"#], 1);
    assert!(said.contains("dry_run is true or false, and not 1"), "{said}");
}

#[test]
fn what_cannot_be_done_says_why() {
    let (directory, id) = resolved();
    let root = format!("{id}/root-cause");
    for (arguments, code, expected) in [
        (&["action-items", "done", &root][..], 2, "<WHY>"),
        (&["action-items", "done", &root, " "], 1, "say why"),
        (&["action-items", "drop", &root], 2, "<WHY>"),
        (&["action-items", "reassign", &root, "eve"], 1, "there is no user or team \"eve\""),
        (&["action-items", "due", &root, "soon"], 2, "a day is written as year, month and day, such as 2026-12-24"),
        (&["action-items", "show", "INC-9"], 1, "there is no action item INC-9; see `monitorctl action-items list`"),
        (&["action-items", "start", &id], 1, "give more of it"),
        (&["action-items", "list", "--data", "gone"], 2, "there is no run in gone"),
    ] {
        let said = run(&directory, arguments, code);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(items(&directory, &[]), pairs(&[("root-cause", "open"), ("unmeasured-end", "open")]));
}
