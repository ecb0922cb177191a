//! `monitorctl catalogue`, and the files that it makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use monitoring_core::catalogue::{Catalogue, Condition, Severity, Via};
use monitoring_core::rule::static_level;

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

pub(crate) fn repository() -> PathBuf {
    Path::new(MANIFEST).join("../..")
}

pub(crate) fn monitorctl(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_monitorctl"))
        .current_dir(directory)
        .env_remove("MONITORING_CATALOGUE")
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A committed file that a command makes is what the command makes now.
fn assert_fresh(file: &str, arguments: &[&str]) {
    let made = monitorctl(&repository(), arguments);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let committed = std::fs::read_to_string(repository().join(file)).unwrap();
    assert!(stdout(&made) == committed, "{file} is stale; run `monitorctl {} --out {file}`", arguments.join(" "));
}

#[test]
fn the_committed_schema_is_fresh() {
    assert_fresh("monitoring.schema.json", &["catalogue", "schema"]);
}

#[test]
fn the_committed_resolved_catalogues_are_fresh() {
    assert_fresh("monitoring.resolved.json", &["catalogue", "resolve"]);
    assert_fresh(
        "crates/cli/catalogues/aws.resolved.json",
        &["catalogue", "resolve", "crates/cli/catalogues/aws.yaml"],
    );
    assert_fresh("monitoring.deployment.json", &["catalogue", "resolve", "--deployment"]);
}

#[test]
fn every_key_is_documented() {
    let schema = std::fs::read_to_string(repository().join("monitoring.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let documentation = std::fs::read_to_string(repository().join("docs/catalogue.md")).unwrap();
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys: Vec<&String> =
        types.filter_map(|part| part["properties"].as_object()).flat_map(serde_json::Map::keys).collect();
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        assert!(documentation.contains(&format!("`{key}`")), "`{key}`");
    }
}

#[test]
fn the_shipped_catalogues_have_no_problems() {
    for file in ["monitoring.yaml", "crates/cli/catalogues/aws.yaml"] {
        let output = monitorctl(&repository(), &["catalogue", "check", file]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), format!("{file}: no errors, no warnings\n")));
    }
}

/// The Metrics Reference, the severity table and the runbooks of the description.
#[test]
fn the_shipped_catalogue_keeps_the_contract() {
    let catalogue = monitorctl::catalogue::shipped().unwrap();
    for (metric, warning, critical) in [
        ("ErrorRate", Some(5.0), Some(10.0)),
        ("ResponseTime", Some(3000.0), Some(5000.0)),
        ("CacheHitRate", Some(60.0), None),
        ("Revenue", Some(50.0), None),
        ("ConversionRate", Some(2.0), None),
        ("MealPlansGenerated", Some(100.0), None),
        ("LambdaDuration", Some(25_000.0), Some(28_000.0)),
        ("DynamoDBThrottles", Some(1.0), Some(5.0)),
        ("APIGatewayLatency", Some(3000.0), Some(5000.0)),
        ("ActiveUsers", None, None),
    ] {
        assert!(catalogue.metrics.contains_key(metric), "{metric}");
        let threshold = |level: &str| {
            catalogue.rules.values().filter(|rule| rule.metric == metric).find_map(|rule| match &rule.condition {
                Condition::Threshold { tiers } => {
                    tiers.iter().find(|tier| tier.level.name == level).map(|tier| tier.threshold)
                }
                _ => None,
            })
        };
        assert_eq!((threshold("warning"), threshold("critical")), (warning, critical), "{metric}");
    }
    assert!(matches!(&catalogue.rules["traffic-absent"].condition, Condition::Absence { .. }));
    assert_eq!(catalogue.rules["traffic-absent"].metric, "RequestCount");

    for (severity, response, escalation, channels, post_mortem) in [
        (Severity::Sev1, 300, 900, &["pagerduty", "slack"][..], true),
        (Severity::Sev2, 900, 1_800, &["pagerduty", "slack"], true),
        (Severity::Sev3, 3_600, 7_200, &["slack", "email"], false),
        (Severity::Sev4, 14_400, 28_800, &["email"], false),
    ] {
        let policy = catalogue.policy(severity).unwrap();
        assert_eq!((policy.response_seconds, policy.escalation_seconds), (response, escalation), "{severity}");
        assert_eq!(policy.levels[0].channels, channels, "{severity}");
        assert_eq!(
            policy.levels.iter().map(|level| level.after_seconds).collect::<Vec<_>>(),
            [0, response, escalation],
            "{severity}"
        );
        assert_eq!(policy.post_mortem, post_mortem, "{severity}");
    }
    assert_eq!(catalogue.severities[&Severity::Sev1].levels[2].channels, ["pagerduty", "slack", "sms", "email"]);

    let titles: Vec<&str> = catalogue.runbooks.values().map(|runbook| runbook.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Database performance issues",
            "High error rate response",
            "Lambda timeout handling",
            "Revenue drop investigation"
        ]
    );
}

/// The message of the description: `{"metric_name":"ErrorRate","current_value":15.0,"threshold":10.0}`.
#[test]
fn an_error_rate_of_15_is_a_sev1() {
    let catalogue = monitorctl::catalogue::shipped().unwrap();
    let rule = &catalogue.rules["error-rate"];
    let level = static_level(&rule.condition, 15.0).and_then(|index| rule.condition.levels().nth(index)).unwrap();
    assert_eq!((level.name.as_str(), level.incident), ("critical", Severity::Sev1));
    assert_eq!(rule.runbook.as_deref(), Some("high-error-rate"));
}

#[test]
fn no_notification_goes_to_a_topic_that_the_suite_listens_to() {
    for catalogue in [monitorctl::catalogue::shipped().unwrap(), monitorctl::catalogue::shipped_aws().unwrap()] {
        for channel in catalogue.channels.values() {
            if let Via::Email { topic } | Via::Sms { topic } = &channel.via {
                assert!(!["alerts", "business-alerts"].contains(&topic.as_str()), "{}", channel.name);
            }
        }
    }
}

#[test]
fn every_mistake_is_reported_in_one_run() {
    let directory = Path::new(MANIFEST).join("tests/fixtures/catalogue");
    let output = monitorctl(&directory, &["catalogue", "check", "broken.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn mistakes_come_as_json_too() {
    let directory = Path::new(MANIFEST).join("tests/fixtures/catalogue");
    let output = monitorctl(&directory, &["--json", "catalogue", "check", "broken.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let problems: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        problems[0],
        serde_json::json!({
            "file": "broken.yaml",
            "line": 2,
            "column": 9,
            "severity": "error",
            "message": "`name` cannot be \"AI Nutritionist\"",
            "help": "write lower-case letters, digits and hyphens, at most 40",
        })
    );
    let text = stdout(&monitorctl(&directory, &["catalogue", "check", "broken.yaml"]));
    assert_eq!(problems.len(), text.lines().count() - 1);
}

#[test]
fn a_broken_catalogue_is_not_resolved() {
    let directory = tempfile::tempdir().unwrap();
    let broken = Path::new(MANIFEST).join("tests/fixtures/catalogue/broken.yaml");
    let output =
        monitorctl(directory.path(), &["catalogue", "resolve", broken.to_str().unwrap(), "--out", "resolved.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("broken.yaml:2:9: error: "), "{}", stderr(&output));
    assert!(!directory.path().join("resolved.json").exists());
}

#[test]
fn a_catalogue_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let output = monitorctl(directory.path(), &["catalogue", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot read the catalogue monitoring.yaml: "), "{}", stderr(&output));
}

#[test]
fn the_environment_names_another_catalogue() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_monitorctl"))
        .current_dir(directory.path())
        .env("MONITORING_CATALOGUE", repository().join("crates/cli/catalogues/aws.yaml"))
        .args(["catalogue", "resolve", "--out", "resolved.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let resolved = Catalogue::from_json(&std::fs::read(directory.path().join("resolved.json")).unwrap()).unwrap();
    assert_eq!(resolved, monitorctl::catalogue::shipped_aws().unwrap());
}
