//! What ends an incident, and what does not.

use monitoring_aws::monitoring::Engines;
use monitoring_aws::outside::AlarmState;
use monitoring_core::incident::Status;
use scenarios::{Kind, Options, ToSpan, World};

/// The error rate is 15 % from the start of the world on: two of three datapoints breach in the cycle of minute 3.
async fn an_incident_by_errors() -> World {
    let world = World::new().await;
    world.outside.reads("RequestCount", 100.0);
    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ErrorCount", 15.0);
    world.fast_forward(3.minutes()).await;
    assert_eq!(world.pages(), ["0:03 pagerduty SEV1", "0:03 slack SEV1"]);
    world
}

#[tokio::test]
async fn a_measured_recovery_resolves_it_and_tells_everybody_on_every_key() {
    let world = an_incident_by_errors().await;
    world.fast_forward(5.minutes()).await;
    let id = world.the_incident().await.id;
    assert_eq!(world.pagerduty.keys(Kind::Page).len(), 2, "level 2 was called at 0:08");

    // The periods of minutes 8 and 9 are good; the second one is complete at 0:11.
    world.outside.reads("ErrorCount", 1.0);
    world.fast_forward(2.minutes()).await;
    assert_eq!(world.incident(&id).await.status, Status::Detected);
    world.fast_forward(1.minute()).await;

    let incident = world.incident(&id).await;
    assert_eq!(incident.status, Status::Resolved);
    assert_eq!(incident.resolution.map(|resolution| resolution.by).as_deref(), Some("recovery"));
    assert_eq!(world.messages(Kind::Resolved), ["0:11 pagerduty", "0:11 pagerduty", "0:11 slack SEV1"]);
    let (mut opened, mut closed) = (world.pagerduty.keys(Kind::Page), world.pagerduty.keys(Kind::Resolved));
    opened.sort();
    closed.sort();
    assert_eq!(opened, closed);

    // And it is over.
    let told = world.told().len();
    world.fast_forward(10.minutes()).await;
    assert_eq!(world.told().len(), told);
}

/// An alert fires, something happens to its data for ten minutes, and the incident stays open all the time. Then it is
/// measured good, and that resolves it.
async fn stays_open(metric: &str, value: f64, good: f64, happens: impl Fn(&World), ends: impl Fn(&World)) {
    let world = World::new().await;
    world.outside.reads("RequestCount", 100.0);
    world.outside.reads(metric, good);
    world.outside.reads(metric, value);
    world.fast_forward(4.minutes()).await;
    let id = world.the_incident().await.id;
    world.acknowledge(&id, "alice").await;

    happens(&world);
    for _ in 0..10 {
        world.fast_forward(1.minute()).await;
        assert_eq!(world.incident(&id).await.status, Status::Acknowledged);
    }
    ends(&world);
    world.outside.reads(metric, good);
    world.fast_forward(8.minutes()).await;
    assert_eq!(world.incident(&id).await.status, Status::Resolved);
}

#[tokio::test]
async fn missing_data_resolves_nothing() {
    stays_open("ResponseTime", 6000.0, 200.0, |world| world.outside.is_silent("ResponseTime"), |_| {}).await;
}

#[tokio::test]
async fn missing_data_that_counts_as_good_resolves_nothing() {
    stays_open("LambdaThrottles", 100.0, 0.0, |world| world.outside.is_silent("LambdaThrottles"), |_| {}).await;
}

#[tokio::test]
async fn a_source_that_fails_resolves_nothing() {
    let happens = |world: &World| {
        // What it would say, if it could.
        world.outside.reads("ResponseTime", 200.0);
        world.outside.fails("ResponseTime", "CloudWatch refused: throttled");
    };
    stays_open("ResponseTime", 6000.0, 200.0, happens, |world| world.outside.works_again("ResponseTime")).await;
}

#[tokio::test]
async fn a_part_of_the_data_resolves_nothing() {
    // The volume behind the response time is not known, so neither is whether it means anything.
    let happens = |world: &World| {
        world.outside.reads("ResponseTime", 200.0);
        world.outside.fails("RequestCount", "CloudWatch gave a part of the data");
    };
    stays_open("ResponseTime", 6000.0, 200.0, happens, |world| world.outside.works_again("RequestCount")).await;
}

#[tokio::test]
async fn a_lost_alarm_is_found_by_comparing() {
    let world = World::new().await;
    world.outside.reads("RequestCount", 100.0);
    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ErrorCount", 15.0);
    world.outside.lose_messages();
    world.fast_forward(4.minutes()).await;
    assert_eq!(world.outside.published(), 1);
    world.outside.topics_up();

    // Published at 0:03. At 0:05 it may still be under way; at 0:10 it is lost.
    world.fast_forward(5.minutes()).await;
    assert_eq!(world.incidents().await, []);
    world.fast_forward(1.minute()).await;
    assert_eq!(world.pages(), ["0:10 pagerduty SEV1", "0:10 slack SEV1"]);
    world.fast_forward(10.minutes()).await;
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_lost_recovery_is_found_by_comparing() {
    let world = an_incident_by_errors().await;
    world.outside.lose_messages();
    world.outside.reads("ErrorCount", 1.0);
    world.fast_forward(5.minutes()).await;
    assert_eq!(world.outside.published(), 2);
    world.outside.topics_up();
    assert_eq!(world.the_incident().await.status, Status::Detected);

    world.fast_forward(2.minutes()).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    assert_eq!(world.messages(Kind::Resolved).last().map(String::as_str), Some("0:10 slack SEV1"));
}

/// An hour is evaluated once, when it is complete; what was lost of it is found by what is stored, at the comparisons after it.
#[tokio::test]
async fn what_was_lost_of_an_hourly_rule_is_found_both_ways() {
    let world = World::new().await;
    world.outside.reads("Revenue", 200.0);
    world.outside.reads("Revenue", 20.0);
    world.outside.lose_messages();
    world.fast_forward(61.minutes()).await;
    assert_eq!(world.outside.published(), 2, "by its threshold, and by what is usual");
    world.outside.topics_up();

    // Published at 1:01. At 1:05 it may still be under way.
    world.fast_forward(8.minutes()).await;
    assert_eq!(world.incidents().await, []);
    world.fast_forward(1.minute()).await;
    let id = world.the_incident().await.id;
    world.acknowledge(&id, "alice").await;

    // The hour from 2:00 on is good, and is evaluated at 3:01.
    world.fast_forward(50.minutes()).await;
    world.outside.reads("Revenue", 200.0);
    world.outside.lose_messages();
    world.fast_forward(61.minutes()).await;
    world.outside.topics_up();
    // The incident has heard nothing for long, so the next comparison, at 3:05, does not wait.
    world.fast_forward(3.minutes()).await;
    assert_eq!(world.incident(&id).await.status, Status::Acknowledged);
    world.fast_forward(1.minute()).await;
    assert_eq!(world.incident(&id).await.status, Status::Resolved);
}

#[tokio::test]
async fn what_somebody_ended_while_it_fires_stays_ended() {
    let world = an_incident_by_errors().await;
    world.fast_forward(1.minute()).await;
    world.resolve(&world.the_incident().await.id, "alice").await;
    world.fast_forward(16.minutes()).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    assert_eq!(world.pages().len(), 2);
}

#[tokio::test]
async fn cloudwatch_alarms_are_compared_with_incidents_both_ways() {
    let world = World::with(Options { engines: Engines::Service, ..Options::default() }).await;
    let name = "ai-nutritionist-dynamodb-throttles-critical-TableName=ai-nutritionist-users";
    let state = |in_alarm| {
        let since = world.now();
        vec![AlarmState { name: name.to_owned(), in_alarm, since, reason: "Threshold Crossed".to_owned() }]
    };
    // Nobody hears of it.
    world.outside.set_alarms(state(Some(true)));
    world.fast_forward(9.minutes()).await;
    assert_eq!(world.incidents().await, []);
    world.fast_forward(1.minute()).await;
    let incident = world.the_incident().await;
    assert_eq!((incident.group.as_str(), incident.severity.as_str()), ("database", "SEV2"));

    // Too little data is no recovery.
    world.outside.set_alarms(state(None));
    world.fast_forward(15.minutes()).await;
    assert_eq!(world.the_incident().await.status, Status::Detected);

    world.outside.set_alarms(state(Some(false)));
    world.fast_forward(10.minutes()).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
}
