//! `monitorctl actions`, over the folder of a local run.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::catalogue::{monitorctl, stderr, stdout};

fn run(directory: &TempDir, arguments: &[&str]) -> Value {
    let output = monitorctl(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// Tells incident-response of a measured value, and gives the id of its incident.
fn measured(directory: &TempDir, message: &Value) -> String {
    let payload = message.to_string();
    let answer = run(directory, &["--json", "invoke", "incident-response", "--terminal", "--payload", &payload]);
    answer["incidents"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_plan_is_about_the_alert_that_names_a_target() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(".monitorctl")).unwrap();
    // The first is worse, and does not say which function it is.
    let id = measured(&directory, &json!({ "metric_name": "LambdaThrottles", "current_value": 1000 }));
    let function = json!({ "FunctionName": "ai-nutritionist-api" });
    let slow = json!({ "metric_name": "LambdaDuration", "current_value": 26000, "dimensions": function });
    assert_eq!(measured(&directory, &slow), id);

    let planned = run(&directory, &["--json", "actions", "plan", "lambda-timeout", "--incident", &id]);
    let restart = planned.as_array().unwrap().iter().find(|planned| planned["action"] == "restart").unwrap();
    assert_eq!(restart["target"], "lambda/ai-nutritionist-api");
}
