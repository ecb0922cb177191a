//! What `CloudWatch` alarms say.

use monitoring_core::incident::Status;
use scenarios::messages::alarm;
use scenarios::{Kind, ToSpan, World};

const CRITICAL: &str = "ai-nutritionist-dynamodb-throttles-critical-TableName=ai-nutritionist-users";
const WARNING: &str = "ai-nutritionist-dynamodb-throttles-warning-TableName=ai-nutritionist-users";
const CROSSED: &str = "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (23/11/26 11:58:00)] were greater than or equal to the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).";
const GOOD: &str = "Threshold Crossed: 2 out of the last 3 datapoints [0.0 (23/11/26 12:08:00)] were not greater than or equal to the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition).";

#[tokio::test]
async fn an_alarm_opens_an_incident_and_its_ok_ends_it() {
    let world = World::new().await;
    world.alert(&alarm(CRITICAL, "ALARM", CROSSED, world.now())).await;
    let incident = world.the_incident().await;
    assert_eq!((incident.group.as_str(), incident.severity.as_str()), ("database", "SEV2"));
    assert_eq!(incident.runbook.as_deref(), Some("database-performance"));
    assert_eq!(world.pages(), ["0:00 pagerduty SEV2", "0:00 slack SEV2"]);

    world.wait(10.minutes()).await;
    world.alert(&alarm(CRITICAL, "OK", GOOD, world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    assert_eq!(world.messages(Kind::Resolved), ["0:10 pagerduty", "0:10 slack SEV2"]);
}

#[tokio::test]
async fn two_alarms_of_one_rule_are_one_incident_that_ends_with_the_last() {
    let world = World::new().await;
    world.alert(&alarm(WARNING, "ALARM", CROSSED, world.now())).await;
    world.alert(&alarm(CRITICAL, "ALARM", CROSSED, world.now())).await;
    assert_eq!(world.the_incident().await.severity.as_str(), "SEV2");
    world.wait(5.minutes()).await;
    world.alert(&alarm(CRITICAL, "OK", GOOD, world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Detected);
    world.alert(&alarm(WARNING, "OK", GOOD, world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
}

#[tokio::test]
async fn too_little_data_ends_nothing() {
    let world = World::new().await;
    world.alert(&alarm(CRITICAL, "ALARM", CROSSED, world.now())).await;
    world.wait(1.minute()).await;
    world
        .alert(&alarm(CRITICAL, "INSUFFICIENT_DATA", "Insufficient Data: 3 datapoints were unknown.", world.now()))
        .await;
    let filled = "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [NonBreaching].";
    world.alert(&alarm(CRITICAL, "OK", filled, world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Detected);
}

#[tokio::test]
async fn an_alarm_of_somebody_else_has_an_incident_of_its_own() {
    let world = World::new().await;
    world.alert(&alarm("checkout-is-down", "ALARM", CROSSED, world.now())).await;
    let incident = world.the_incident().await;
    assert_eq!((incident.group.as_str(), incident.severity.as_str()), ("alarm:checkout-is-down", "SEV3"));
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:00 slack SEV3"]);
    world.wait(1.minute()).await;
    world.alert(&alarm("checkout-is-down", "OK", GOOD, world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
}
