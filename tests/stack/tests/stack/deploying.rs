//! The deploy script, from an empty account to an empty account.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use stack::{
    deployment::{Deployment, MONITORING},
    path_from_env,
};

#[tokio::test]
#[ignore = "needs the zips, a local AWS and Terraform; scripts/test.sh runs it"]
async fn terraform_deploys_by_one_command_and_only_what_is_ready_serves() {
    let suite = Deployment::prepare().await;
    let zips = path_from_env("STACK_ZIPS");

    let (succeeded, said) = suite.terraform().script(&zips, &["--plan-only"]);
    assert!(succeeded && said.contains("Nothing was changed."), "{said}");
    suite.nothing_is_left();

    // Somebody who lacks one right gets as far as that, and whoever has it completes what was begun.
    let limited = suite.user_without("cloudwatch:PutMetricAlarm");
    let (succeeded, said) = suite.terraform().script_as(&limited, &zips, &[]);
    assert!(!succeeded && said.contains("The deployment did not finish."), "{said}");
    assert!(said.contains("PutMetricAlarm") && said.contains("run this command again"), "{said}");

    // The secrets are not there yet, which it tells, and which keeps nothing from serving.
    let (succeeded, said) = suite.terraform().script(&zips, &[]);
    assert!(succeeded && said.contains("monitoring serves version 1"), "{said}");
    assert!(!said.contains("aws_dynamodb_table.this[\"incidents\"]: Creating"), "it was made anew: {said}");
    assert!(said.contains("--name /ai-nutritionist/production/monitoring/slack-webhook-url"), "{said}");
    suite.put_secrets();
    // What the shipped catalogue has of alarms and dashboards.
    let alarms =
        suite.aws.run(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", "ai-nutritionist-lambda-duration"]);
    assert!(
        alarms["MetricAlarms"][0]["AlarmActions"][0].as_str().is_some_and(|topic| topic.ends_with("-alerts")),
        "{alarms}"
    );
    let dashboards = suite.aws.run(&["cloudwatch", "list-dashboards", "--query", "DashboardEntries[].DashboardName"]);
    let names = ["Business", "Infrastructure", "Main"].map(|name| format!("AI-Nutritionist-{name}-Dashboard"));
    assert!(names.iter().all(|name| dashboards.to_string().contains(name)), "{dashboards}");

    let (succeeded, said) = suite.terraform().script(&zips, &[]);
    assert!(succeeded && said.contains("No changes."), "{said}");
    assert!(!said.contains("put-parameter"), "{said}");

    // Another environment beside it would have names of its own for all that it makes.
    let (succeeded, said) = suite.terraform().script(&zips, &["--environment", "staging", "--plan-only"]);
    assert!(succeeded && said.contains("ai-nutritionist-incident-response-staging"), "{said}");
    assert_eq!(names_without(&said, "-staging"), [""; 0], "{said}");

    // A version that cannot read its catalogue is made and tried, and does not serve.
    let broken = suite.aws.folder().join("broken");
    break_catalogue(&zips, &broken);
    let (succeeded, said) = suite.terraform().script(&broken, &[]);
    assert!(!succeeded && said.contains("monitoring, version 2: not ready"), "{said}");
    assert!(said.contains("catalogue.json"), "{said}");
    assert_eq!(serving(&suite), "1", "{said}");
    assert!(suite.outside.pagerduty_keys("trigger").await.is_empty(), "somebody was called: {said}");

    let (succeeded, said) = suite.terraform().script(&zips, &[]);
    assert!(succeeded && said.contains("monitoring serves version 3"), "{said}");
    assert_eq!(serving(&suite), "3", "{said}");

    let (succeeded, said) = suite.terraform().script(&zips, &["--destroy"]);
    assert!(succeeded, "{said}");
    suite.nothing_is_left();
}

/// The names in a plan, of what can be there once in an account, that lack the environment.
fn names_without<'a>(plan: &'a str, suffix: &str) -> Vec<&'a str> {
    let set = plan.lines().filter_map(|line| line.trim_start().strip_prefix("+ ")?.split_once('='));
    let names =
        set.filter(|(key, _)| key.trim_end().ends_with("name")).map(|(_, value)| value.trim().trim_matches('"'));
    names.filter(|name| name.to_lowercase().starts_with("ai-nutritionist") && !name.contains(suffix)).collect()
}

fn serving(suite: &Deployment) -> String {
    let alias = suite.aws.run(&["lambda", "get-alias", "--function-name", MONITORING, "--name", "live"]);
    alias.get("FunctionVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The same zips, but for the catalogue of monitoring.
fn break_catalogue(zips: &Path, broken: &Path) {
    fs::create_dir_all(broken).unwrap();
    for zip in fs::read_dir(zips).unwrap().flatten() {
        fs::copy(zip.path(), broken.join(zip.file_name())).unwrap();
    }
    let python = path_from_env("AWS_CLI").with_file_name("python");
    let script = "import sys, zipfile\n\
        old, new = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2], 'w')\n\
        new.writestr(old.getinfo('bootstrap'), old.read('bootstrap'), zipfile.ZIP_DEFLATED)\n\
        new.writestr('catalogue.json', '{}')\n\
        new.close()";
    let (from, to) = (zips.join("monitoring.zip"), broken.join("monitoring.zip"));
    let made = Command::new(python).args(["-c", script]).args([from, to]).status().unwrap();
    assert!(made.success());
}
