//! What the suite does by itself, on real targets: from the breach to the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stack::deployment::Deployment;
use stack::shop::{FUNCTION, Shop, TABLE};

/// A minute until it is measured, a minute for late data, and the pace of the schedules.
const WITHIN: Duration = Duration::from_mins(5);
/// How often what the schedules measure is put again: more than once in each period of a minute.
const METRIC_PACE: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "needs the zips, a local AWS and Terraform; scripts/test.sh runs it"]
async fn terraform_made_actions_call_what_their_plan_prints_and_undo_it() {
    let suite = Deployment::start().await;
    let shop = suite.shop();
    assert_eq!(shop.capacity(), [4, 10, 5]);

    // Both are refused what they need, and somebody is asked for consent to give them more.
    shop.refuses(20, &[5, 4, 3, 2, 1]);
    let asking = |runs: &[Value]| runs.len() == 2 && runs.iter().all(|run| run["state"] == "asks");
    let runs = until(&suite, &shop, "two actions that ask for consent", 20, asking).await;
    assert_eq!(shop.capacity(), [4, 10, 5], "nothing is done before somebody agrees");

    let mut printed = Vec::new();
    for (target, request, undo) in [
        (format!("lambda/{FUNCTION}"), concurrency(8), concurrency(4)),
        (format!("table/{TABLE}"), units(20, 10), units(10, 5)),
    ] {
        let run = runs.iter().find(|run| run["target"] == target.as_str()).expect("a run for each target");
        let [incident, runbook] = ["incident_id", "runbook"].map(|name| run[name].as_str().expect("a name"));
        let planned = shop.monitorctl(&["actions", "plan", runbook, "--incident", incident]);
        let [calls, back] = ["calls", "undo"].map(|which| planned[0][which][0]["request"].clone());
        assert_eq!((&calls, &back), (&request, &undo), "{planned}");
        printed.push([calls, back]);
        let answer = shop.monitorctl(&["actions", "approve", incident, "1", "--by", "alice"]);
        assert_eq!(answer["incidents"][0]["changed"], true, "{answer}");
    }
    let watched = |runs: &[Value]| runs.iter().all(|run| run["state"] == "watched");
    until(&suite, &shop, "both actions to be done", 20, watched).await;
    assert_eq!(shop.capacity(), [8, 20, 10]);

    // It helps, and is undone with the incident.
    let undone = |runs: &[Value]| runs.iter().all(|run| run["state"] == "undone");
    let runs = until(&suite, &shop, "both actions to be undone", 0, undone).await;
    assert_eq!(shop.capacity(), [4, 10, 5]);
    for run in &runs {
        let incident = run["incident_id"].as_str().expect("an id");
        let journal = shop.monitorctl(&["incidents", "show", incident]).to_string();
        assert!(journal.contains("helped: what asked for it was measured OK"), "{journal}");
    }

    // What AWS was asked for is what the plan had printed, and nothing else.
    let [function, table] = printed.try_into().expect("two plans");
    assert_eq!(shop.recorded_of_function(), function);
    assert_eq!(shop.recorded_of_table(), table);
    shop.close();
    suite.end();
}

/// The API reference of `PutFunctionConcurrency`.
fn concurrency(reserved: u32) -> Value {
    json!({"FunctionName": FUNCTION, "ReservedConcurrentExecutions": reserved})
}

/// The API reference of `UpdateTable`.
fn units(read: u32, write: u32) -> Value {
    json!({"TableName": TABLE, "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}})
}

/// Waits until the actions stand like that, while so much is refused each minute.
async fn until(
    suite: &Deployment,
    shop: &Shop<'_>,
    what: &str,
    refused: u32,
    is_so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let started = Instant::now();
    let mut put: Option<Instant> = None;
    loop {
        if put.is_none_or(|put| put.elapsed() >= METRIC_PACE) {
            shop.refuses(refused, &[0]);
            put = Some(Instant::now());
        }
        let listed = shop.monitorctl(&["actions", "list"]);
        let runs = listed["actions"].as_array().cloned().unwrap_or_default();
        if is_so(&runs) {
            return runs;
        }
        assert!(started.elapsed() < WITHIN, "waited {WITHIN:?} for {what}: {listed}{}", suite.evidence().await);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
