//! `monitorctl backtest`.

use std::path::Path;

use serde_json::Value;

use crate::catalogue::{monitorctl, repository, stderr, stdout};

/// Four hours of requests by the minute, of which one in five fails from 02:00 to 02:30.
fn record(directory: &Path) {
    let start: jiff::Timestamp = "2024-10-14T00:00:00Z".parse().unwrap();
    for (metric, well, ill) in [("RequestCount", 1000.0, 1000.0), ("ErrorCount", 5.0, 200.0)] {
        let lines = (0..240).map(|minute| {
            let at = start + jiff::SignedDuration::from_mins(minute);
            format!("{at},{}\n", if (120..150).contains(&minute) { ill } else { well })
        });
        let csv: String = std::iter::once("timestamp,value\n".to_owned()).chain(lines).collect();
        std::fs::write(directory.join(format!("{metric}.csv")), csv).unwrap();
    }
}

fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let catalogue = repository().join("monitoring.yaml");
    let arguments = [&["backtest", "--catalogue", catalogue.to_str().unwrap()], arguments].concat();
    let output = monitorctl(directory, &arguments);
    (output.status.code(), stdout(&output), stderr(&output))
}

/// The value of a line of figures.
fn figure(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(&format!("{name}  ")));
    assert!(line.is_some(), "{name} in\n{text}");
    line.unwrap().trim_start_matches(name).trim().to_owned()
}

#[test]
fn the_past_is_told_in_figures_with_precision_and_recall() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path());
    let labels = "from,until,what\n2024-10-14T02:00:00Z,2024-10-14T02:30:00Z,error-rate\n2024-10-14T01:00:00Z,2024-10-14T01:10:00Z\n";
    std::fs::write(directory.path().join("labels.txt"), labels).unwrap();
    let (code, out, err) = run(directory.path(), &["--from", ".", "--labels", "labels.txt", "--svg", "chart.svg"]);
    assert_eq!(code, Some(0), "{err}");
    // 20 %: two of three datapoints at 02:02, known a minute later; well again at 02:31 by the second good one.
    assert_eq!(figure(&out, "alerts"), "1", "{out}");
    assert_eq!(figure(&out, "incidents"), "1 (1 SEV1)");
    assert_eq!(figure(&out, "pages"), "1");
    assert_eq!(figure(&out, "longest alert"), "30 min");
    assert_eq!(figure(&out, "precision"), "100 % (1 of 1)");
    assert_eq!(figure(&out, "recall"), "50 % (1 of 2)");
    assert_eq!(figure(&out, "delay, on average"), "3 min");
    assert!(
        out.contains("2024-10-14 02:03 UTC      30 min  critical  error-rate: 2 of the last 3 datapoints breach"),
        "{out}"
    );
    let svg = std::fs::read_to_string(directory.path().join("chart.svg")).unwrap();
    assert!(
        svg.starts_with("<svg")
            && svg.contains("error-rate: ErrorRate, 1 alert")
            && svg.contains("critical above 10 %")
    );
    assert_eq!(svg.matches("stroke-opacity").count(), 3, "two labels and an alert");
}

#[test]
fn a_proposed_change_is_compared_with_today() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path());
    let today = std::fs::read_to_string(repository().join("monitoring.yaml")).unwrap();
    let proposed = today
        .replace("critical: {above: 10, clear: 8}", "critical: {above: 30}")
        .replace("warning: {above: 5}", "warning: {above: 25}");
    std::fs::write(directory.path().join("proposed.yaml"), proposed).unwrap();
    let today = repository().join("monitoring.yaml");
    let arguments =
        ["backtest", "error-rate", "--from", ".", "--catalogue", "proposed.yaml", "--against", today.to_str().unwrap()];
    let output = monitorctl(directory.path(), &arguments);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{err}");
    let alerts: Vec<String> = figure(&out, "alerts").split_whitespace().map(str::to_owned).collect();
    assert_eq!(alerts, ["1", "0"], "today's and proposed:\n{out}");
    assert!(out.contains("only with the proposed catalogue: none"), "{out}");
    assert!(out.contains("only with today's catalogue: 1\n  2024-10-14 02:03 UTC"), "{out}");

    let output = monitorctl(directory.path(), &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (json["today"]["summary"]["alerts"].as_u64(), json["proposed"]["summary"]["alerts"].as_u64()),
        (Some(1), Some(0))
    );
    assert_eq!(json["today"]["pages"][0]["at"], "2024-10-14T02:03:00Z");
    assert_eq!(json["today"]["incidents"][0]["severity"], "SEV1");
}

/// The four incidents of the simulation, one for each runbook, and nothing else.
#[test]
fn the_simulation_has_four_incidents() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, err) = run(directory.path(), &["--from", "simulation", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let incidents = json["played"]["incidents"].as_array().unwrap();
    let groups: Vec<&str> = incidents.iter().map(|incident| incident["group"].as_str().unwrap()).collect();
    assert_eq!(groups, ["api", "database", "lambda", "business"], "{out}");
    assert!(incidents.iter().all(|incident| !incident["resolved_at"].is_null()), "{out}");
}

#[test]
fn nobody_who_acknowledges_is_more_pages() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path());
    let pages = |patience| {
        let (_, out, _) = run(directory.path(), &["--from", ".", "--acknowledged-after", patience]);
        figure(&out, "pages").parse::<u32>().unwrap()
    };
    assert_eq!(pages("4m"), 1);
    assert!(pages("never") > 3);
}

#[test]
fn what_cannot_be_played_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    record(directory.path());
    std::fs::write(directory.path().join("bad.txt"), "from,until\nnow,then\n").unwrap();
    for (arguments, told) in [
        (&["eror-rate", "--from", "."][..], "did you mean \"error-rate\"?"),
        (&["--from", "nowhere"], "cannot replay nowhere"),
        (&["--from", empty.path().to_str().unwrap()], "no file in"),
        (&["--from", ".", "--labels", "bad.txt"], "bad.txt:2: \"now\" is no time"),
        (&["--from", ".", "--time-zone", "Mars/Base"], "unknown time zone \"Mars/Base\""),
        (&["--from", ".", "--acknowledged-after", "soon"], "write a time such as 5m, or never"),
        (&["--from", ".", "--days", "0"], "0"),
    ] {
        let (code, _, err) = run(directory.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
}
