//! `monitorctl slo`, and objectives in tests and backtests of rules.

use std::path::Path;

use serde_json::Value;

use crate::catalogue::{monitorctl, repository, stderr, stdout};

/// The shipped catalogue with these objectives instead of its own.
fn write_catalogue(directory: &Path, slos: &str) {
    let shipped = std::fs::read_to_string(repository().join("monitoring.yaml")).unwrap();
    let own = shipped.find("\nslos:\n").unwrap();
    let rest = own + shipped[own..].find("\n# `response`").unwrap();
    std::fs::write(directory.join("c.yaml"), format!("{}\n{slos}{}", &shipped[..own], &shipped[rest..])).unwrap();
}

const REQUESTS: &str = "slos:
  api:
    description: Requests succeed.
    objective: 99.9
    total: RequestCount
    bad: ErrorCount
";

/// Four hours of 1,000 requests a minute; from 02:00 to 02:10 one in ten fails.
fn record(directory: &Path) {
    let start: jiff::Timestamp = "2024-10-14T00:00:00Z".parse().unwrap();
    for (metric, well, ill) in [("RequestCount", 1000, 1000), ("ErrorCount", 0, 100)] {
        let lines = (0..240).map(|minute| {
            let at = start + jiff::SignedDuration::from_mins(minute);
            format!("{at},{}\n", if (120..130).contains(&minute) { ill } else { well })
        });
        let csv: String = std::iter::once("timestamp,value\n".to_owned()).chain(lines).collect();
        std::fs::write(directory.join(format!("{metric}.csv")), csv).unwrap();
    }
}

#[test]
fn what_is_left_of_a_budget_is_told() {
    let directory = tempfile::tempdir().unwrap();
    write_catalogue(directory.path(), REQUESTS);
    record(directory.path());
    let arguments = ["slo", "--catalogue", "c.yaml", "--from", ".", "--json"];
    let output = monitorctl(directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let slo = &told["slos"][0];
    // 1,000 of 240,000 failed; 240 may.
    assert_eq!(
        (slo["name"].as_str(), slo["events"].as_f64(), slo["bad"].as_f64()),
        (Some("api"), Some(240e3), Some(1e3))
    );
    assert_eq!(slo["allowed"], 240.0);
    assert!((slo["budget_left_percent"].as_f64().unwrap() + 316.667).abs() < 0.001, "{slo}");
    // The last hour was good; the newest burn rate of an hour is none.
    assert_eq!(slo["burn_rates"]["fast"], 0.0);
    let output = monitorctl(directory.path(), &arguments[..5]);
    let text = stdout(&output);
    assert!(text.contains("api: 99.9 % in 30d. Requests succeed."), "{text}");
    assert!(text.contains("budget left    -316.7 %   1000 bad of 240000 events, 240 may be; 99.5833 % good"), "{text}");
    assert!(text.contains("fires above 14.4"), "{text}");
}

#[test]
fn a_catalogue_without_objectives_says_how_to_add_one() {
    let directory = tempfile::tempdir().unwrap();
    write_catalogue(directory.path(), "");
    let output = monitorctl(directory.path(), &["slo", "--catalogue", "c.yaml", "--from", "simulation"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no objective; add one under `slos:`"), "{}", stderr(&output));
}

#[test]
fn burn_rates_are_played_by_backtest_and_by_test() {
    let directory = tempfile::tempdir().unwrap();
    write_catalogue(directory.path(), REQUESTS);
    record(directory.path());
    let output =
        monitorctl(directory.path(), &["backtest", "api-burn-fast", "--catalogue", "c.yaml", "--from", ".", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let alerts = told["played"]["alerts"].as_array().unwrap();
    // 14.4 budgets of 60,000 requests are 864 failures: with the ninth bad minute, which ends at 02:09 and is known at 02:10. The five
    // minutes to 02:14 have one bad one, 20 budgets; those to 02:15, known at 02:16, none.
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(
        (alerts[0]["from"].as_str(), alerts[0]["until"].as_str()),
        (Some("2024-10-14T02:10:00Z"), Some("2024-10-14T02:16:00Z"))
    );

    let test = "
rule_files: [c.yaml]
tests:
  - input_series:
      - {series: RequestCount, values: '1000x200'}
      - {series: ErrorCount, values: '0x119 100x10 0x60'}
    alert_rule_test:
      - {alertname: api-burn-fast, eval_time: 2h7m}
      - {alertname: api-burn-fast, eval_time: 2h8m, exp_alerts: [{exp_labels: {level: fast, severity: high, incident: SEV2}}]}
      - {alertname: api-burn-fast, eval_time: 2h20m}
";
    std::fs::write(directory.path().join("slo.test.yaml"), test).unwrap();
    let output = monitorctl(directory.path(), &["test", "slo.test.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}
