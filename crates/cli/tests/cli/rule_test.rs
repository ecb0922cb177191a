//! `monitorctl test`.

use std::path::Path;

use serde_json::Value;

use crate::catalogue::{monitorctl, repository, stderr, stdout};

/// Runs the tests of one file on the shipped catalogue.
fn test(content: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.test.yaml"), content).unwrap();
    let arguments = [&["test", "rules.test.yaml"], arguments].concat();
    let output = monitorctl(directory.path(), &arguments);
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn every_rule_of_the_shipped_catalogue_has_a_test_and_passes_it() {
    let output =
        monitorctl(&repository(), &["test", "--every-rule", "monitoring.test.yaml", "monitoring.anomalies.test.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(!stdout(&output).contains("without a test"), "{}", stdout(&output));
}

/// Values at 0m to 10m: 1 % errors, and from 5m on 12 %.
const ERRORS: &str = "
tests:
  - name: errors
    input_series:
      - {series: RequestCount, values: '1000x10'}
      - {series: ErrorCount, values: '10x4 120x5'}
    alert_rule_test:
      - {alertname: error-rate, eval_time: TIME, exp_alerts: [EXPECTED]}
";

#[test]
fn an_expectation_is_met_or_not() {
    for (time, expected, code, told) in [
        ("5m", "", 0, "1 of 1 cases passed"),
        ("6m", "{exp_labels: {severity: critical}}", 0, "1 of 1 cases passed"),
        // Between two evaluations it is as the earlier one left it.
        ("6m59s", "{exp_labels: {severity: critical}}", 0, "1 of 1 cases passed"),
        ("6m", "{exp_labels: {severity: critical, incident: SEV1, level: critical}}", 0, "1 of 1 cases passed"),
        ("6m", "{exp_annotations: {title: ErrorRate above 10 %}}", 0, "1 of 1 cases passed"),
        ("6m", "", 1, "unexpected {severity=critical, incident=SEV1, level=critical}"),
        ("6m", "{exp_labels: {severity: medium}}", 1, "expected {severity=medium}"),
        ("6m", "{exp_labels: {Host: a}}", 1, "expected {Host=a}"),
        ("6m", "{exp_annotations: {title: else}}", 1, "title=\"ErrorRate above 10 %\""),
        ("6m", "{}, {}", 1, "expected {}"),
        (
            "5m",
            "{exp_labels: {severity: critical}}",
            1,
            "error-rate is pending: 1 of the last 3 datapoints breach, 2 needed",
        ),
        ("1m", "{exp_labels: {severity: critical}}", 1, "nothing fires"),
    ] {
        let content = ERRORS.replace("TIME", time).replace("EXPECTED", expected);
        let (ended, out, err) = test(&content, &[]);
        assert_eq!(ended, Some(code), "{time} {expected}: {out}{err}");
        assert!(out.contains(told), "{time} {expected}: {out}");
    }
}

#[test]
fn what_failed_is_told_as_json() {
    let content = ERRORS.replace("TIME", "6m").replace("EXPECTED", "");
    let (code, out, _) = test(&content, &["--json"]);
    assert_eq!(code, Some(1));
    let results: Value = serde_json::from_str(&out).unwrap();
    let case = &results["cases"][0];
    assert_eq!((&results["passed"], &case["passed"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!((case["rule"].as_str(), case["line"].as_u64()), (Some("error-rate"), Some(8)), "{out}");
    assert_eq!(case["at"], "1970-01-01T00:06:00Z");
    assert!(results["untested"].as_array().unwrap().len() > 10, "{out}");
}

#[test]
fn a_rule_without_a_test_is_refused_when_asked() {
    let content = ERRORS.replace("TIME", "5m").replace("EXPECTED", "");
    let (code, out, _) = test(&content, &["--every-rule"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("without a test") && out.contains("traffic-absent"), "{out}");
    assert_eq!(test(&content, &[]).0, Some(0));
}

/// Whatever is missing, `_` or `stale` is missing to the rule, and values of a formula may be given themselves.
#[test]
fn missing_values_and_given_formulas_are_as_in_production() {
    let content = "
tests:
  - input_series:
      - {series: RequestCount, values: '_ stale 100 100'}
      - {series: ErrorRate, values: '50 50 50 50'}
    alert_rule_test:
      - {alertname: error-rate, eval_time: 2m}        # only one of the three minutes had requests
      - {alertname: error-rate, eval_time: 3m, exp_alerts: [{exp_labels: {severity: critical}}]}
";
    let (code, out, err) = test(content, &[]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_file_names_its_catalogue() {
    let directory = tempfile::tempdir().unwrap();
    let catalogue = repository().join("monitoring.yaml");
    let content =
        std::fs::read_to_string(catalogue).unwrap().replace("critical: {above: 10, clear: 8}", "critical: {above: 50}");
    std::fs::write(directory.path().join("other.yaml"), content).unwrap();
    let content = ERRORS.replace("TIME", "6m").replace("EXPECTED", "{exp_labels: {severity: medium}}");
    let file = directory.path().join("rules.test.yaml");
    std::fs::write(&file, format!("rule_files: [other.yaml]\n{content}")).unwrap();
    let output = monitorctl(Path::new("/"), &["test", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn every_mistake_of_a_file_says_where_it_is_and_what_to_do() {
    let content = "
evaluation_interval: 0
tests:
  - interval: soon
  - start_timestamp: yesterday
    input_series:
      - {series: 'RequestCount{', values: '1'}
      - {series: RequestCount, values: '1 two'}
      - {series: RequestCount}
    promql_expr_test: []
  - alert_rule_test:
      - {alertname: error-rate, eval_time: 5x}
      - {alert: error-rate, eval_time: 5m}
";
    let (code, _, err) = test(content, &[]);
    assert_eq!(code, Some(2), "{err}");
    for told in [
        "rules.test.yaml:2:22: time would stand still",
        "rules.test.yaml:4:5: \"soon\" is no duration: a duration has a number",
        "rules.test.yaml:10:23: `promql_expr_test` does not apply",
        "rules.test.yaml:12:9: \"5x\" is no duration",
        "rules.test.yaml:13:9: unknown field `alert`",
    ] {
        assert!(err.contains(told), "{told} in\n{err}");
    }
    let content = content.replace("    promql_expr_test: []\n", "");
    let (_, _, err) = test(&content, &[]);
    for told in [
        "5:22: \"yesterday\" is no time",
        "7:18: \"RequestCount{\" does not end in `}`",
        "8:40: \"two\" is no value",
        "9:9: missing field `values`",
    ] {
        assert!(err.contains(told), "{told} in\n{err}");
    }
}

#[test]
fn what_the_catalogue_does_not_have_is_named() {
    let content = "
tests:
  - interval: 1m
    start_timestamp: 1800
    input_series:
      - {series: ErrorCuont, values: '1'}
      - {series: Revenue, values: '1'}
      - {series: RequestCount, values: '1'}
      - {series: RequestCount, values: '2'}
    alert_rule_test:
      - {alertname: eror-rate, eval_time: 5m}
      - {alertname: error-rate, eval_time: 5m, exp_alerts: [{exp_annotations: {summary: a}}]}
      - {alertname: error-rate, eval_time: 36500d}
";
    let (code, _, err) = test(content, &[]);
    assert_eq!(code, Some(2), "{err}");
    for told in [
        "6: the catalogue has no metric \"ErrorCuont\"; did you mean \"ErrorCount\"?",
        "7: Revenue has a period of 3600s; write `interval: 3600s`",
        "no period of it ends at the start_timestamp 1970-01-01T00:30:00Z",
        "9: RequestCount is given twice",
        "11: the catalogue has no rule \"eror-rate\"; did you mean \"error-rate\"?",
        "12: an alert has no annotation \"summary\"; it has title, description, runbook",
        "13: an eval_time of 3153600000s takes more than",
    ] {
        assert!(err.contains(told), "{told} in\n{err}");
    }
}

/// A catalogue with a trend and a composite, and what each says when.
#[test]
fn trends_and_composites_are_tested_like_other_rules() {
    let directory = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(repository().join("monitoring.yaml")).unwrap();
    let rules = "rules:
  errors-rising:
    metric: ErrorRate
    description: Errors are going up.
    trend: {above: 50, within: 1h, over: 15m, severity: medium}
    datapoints: 1 of 1
    min_volume: {metric: RequestCount, at_least: 20}
  slow-without-errors:
    description: Slow, but not failing.
    composite: {when: response-time and not error-rate, severity: high}
";
    std::fs::write(directory.path().join("rules.yaml"), shipped.replacen("rules:\n", rules, 1)).unwrap();
    let tests = "
rule_files: [rules.yaml]
tests:
  - input_series:
      - {series: RequestCount, values: '1000x60'}
      - {series: ErrorCount, values: '10x19 10+10x20 10x19'}
    alert_rule_test:
      - {alertname: errors-rising, eval_time: 19m}
      - alertname: errors-rising
        eval_time: 30m
        exp_alerts: [{exp_labels: {severity: medium, incident: SEV3, level: trend}, exp_annotations: {title: ErrorRate will be above 50 % within 1 h}}]
      - {alertname: errors-rising, eval_time: 60m}
  - input_series:
      - {series: RequestCount, values: '1000x40'}
      - {series: ErrorCount, values: '10x19 200x20'}
      - {series: ResponseTime, values: '100x9 4000x20 100x9'}
    alert_rule_test:
      - {alertname: slow-without-errors, eval_time: 11m}
      - alertname: slow-without-errors
        eval_time: 13m
        exp_alerts: [{exp_labels: {severity: high, level: composite}, exp_annotations: {title: 'slow-without-errors: response-time and not error-rate'}}]
      # Errors as well are no end of being slow.
      - {alertname: slow-without-errors, eval_time: 22m, exp_alerts: [{}]}
      - {alertname: slow-without-errors, eval_time: 36m}
";
    std::fs::write(directory.path().join("rules.test.yaml"), tests).unwrap();
    let output = monitorctl(directory.path(), &["test", "rules.test.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("7 of 7 cases passed"), "{}", stdout(&output));
}
