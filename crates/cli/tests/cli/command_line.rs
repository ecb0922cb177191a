//! What holds for every command: how it ends, and what it makes of a careless environment.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use crate::catalogue::{monitorctl, stderr};

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_is_told() {
    let ends = |stdout: File| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monitorctl"));
        command.args(["catalogue", "schema"]).stdout(Stdio::from(stdout)).output().unwrap()
    };
    let output = ends(OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("monitorctl: cannot write to standard output: "), "{said}");
    assert_eq!(ends(OpenOptions::new().write(true).open("/dev/null").unwrap()).status.code(), Some(0));
}

#[test]
fn an_error_that_quotes_moves_no_cursor() {
    let directory = tempfile::tempdir().unwrap();
    let output = monitorctl(directory.path(), &["explain", "x", "--data", "a\u{1b}[2Jb\u{7}"]);
    let said = stderr(&output);
    assert!(said.contains("a [2Jb") && !said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
}

#[test]
fn an_environment_that_no_table_can_have_is_refused_and_an_empty_one_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let list = |environment: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monitorctl"));
        let payload = r#"{"task":"none of the suite's"}"#;
        command.args(["invoke", "incident-response", "--terminal", "--payload", payload]);
        command.current_dir(directory.path()).env("ENVIRONMENT", environment).output().unwrap()
    };
    for environment in ["Über", "a b", "-x", "a-name-that-is-far-too-long"] {
        let output = list(environment);
        assert_eq!(output.status.code(), Some(2), "{environment}");
        assert!(stderr(&output).contains("an environment is at most 20 of a-z, 0-9 and -"), "{}", stderr(&output));
    }
    assert_eq!(list("").status.code(), Some(0));
    let output = monitorctl(directory.path(), &["incidents", "list", "--environment", "local"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("Unrecognised alert"), "an empty one is `local`");
}

#[test]
fn a_folder_without_a_run_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let output = monitorctl(directory.path(), &["incidents", "list", "--data", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no run in ."), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
