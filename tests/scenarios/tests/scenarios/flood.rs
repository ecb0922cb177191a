//! Many records: the same one, several groups, and one that nobody can read.

use std::sync::Arc;

use monitoring_core::incident::Status;
use scenarios::messages::{by_hand, command, from_sns, tick};
use scenarios::{Fault, Invocation, Kind, ToSpan, World, every};

#[tokio::test]
async fn a_thousand_times_the_same_alert_is_one_incident_and_one_page_a_channel() {
    let world = Arc::new(World::new().await);
    for number in 0..1000 {
        // Half are word for word the same; the others were sent while it went on firing.
        let message = if number % 2 == 0 {
            world.fires("error-rate", "critical", world.clock.start())
        } else {
            by_hand("ErrorRate", 15.0)
        };
        world.publish(&message);
    }
    let functions: Vec<_> = (0..16)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.deliver().await.into_iter().map(Invocation::answered).collect::<Vec<_>>() })
        })
        .collect();
    let mut records = 0;
    for function in functions {
        for response in function.await.unwrap() {
            assert_eq!(response.batch_item_failures.len(), 0);
            records += response.incidents.iter().map(|incident| incident.reasons.len()).sum::<usize>();
        }
    }

    assert_eq!(records, 1000);
    assert_eq!(world.outside.queued(), 0);
    let incident = world.the_incident().await;
    assert_eq!(incident.alerts.len(), 1);
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    // What repeats is not written down a thousand times: it opened, it fires, somebody was called, it was investigated.
    assert_eq!(world.facts(&incident.id).await.len(), 4);
}

#[tokio::test]
async fn different_alerts_of_one_group_at_the_same_time_are_one_incident() {
    let world = Arc::new(World::new().await);
    let rules = [
        ("error-rate", "critical"),
        ("response-time", "critical"),
        ("response-time", "warning"),
        ("error-rate", "warning"),
    ];
    let functions: Vec<_> = (0..16)
        .map(|number| {
            let world = Arc::clone(&world);
            let (rule, level) = rules[number % rules.len()];
            let message = world.fires(rule, level, world.now());
            tokio::spawn(async move { world.send(scenarios::messages::from_sns(&message)).await.answered() })
        })
        .collect();
    for function in functions {
        function.await.unwrap();
    }
    let incident = world.the_incident().await;
    assert_eq!((incident.severity.as_str(), incident.alerts.len()), ("SEV1", 2));
    assert_eq!(
        world.pagerduty.keys(Kind::Page),
        [incident.id.as_str()],
        "whoever was called is not called for its rise"
    );
}

#[tokio::test]
async fn what_nobody_can_read_stops_nothing_and_is_kept() {
    let world = World::new().await;
    world.publish(&by_hand("ErrorRate", 15.0));
    world.outside.put("{{{ the cow jumped".to_owned());
    world.publish(r#"{"moon": "over"}"#);
    world.publish(&by_hand("LambdaThrottles", 60.0));
    let response = world.deliver().await.remove(0).answered();
    assert_eq!(response.batch_item_failures.len(), 0);
    assert_eq!(world.outside.queued(), 0);

    let incidents = world.incidents().await;
    let groups: Vec<&str> = incidents.iter().map(|incident| incident.group.as_str()).collect();
    assert_eq!(groups.len(), 3, "{groups:?}");
    let unread = incidents.iter().find(|incident| incident.group.as_str() == "unrecognised").unwrap();
    assert_eq!((unread.severity.as_str(), unread.alerts.len()), ("SEV3", 2));
    let quotes: Vec<&str> = unread.alerts.values().filter_map(|member| member.quote.as_deref()).collect();
    assert!(quotes.contains(&"{{{ the cow jumped"), "{quotes:?}");
    let email = world.told().into_iter().find(|message| message.channel == "email").unwrap();
    assert!(email.text.contains("{{{ the cow jumped"), "{}", email.text);
}

#[tokio::test]
async fn a_store_that_fails_one_group_gives_back_the_records_of_that_group_only() {
    let world = World::new().await;
    world.dynamodb.arm(every().about("group#cache"), Fault::Drop);
    world.publish(&by_hand("ErrorRate", 15.0));
    let failing = world.publish(&by_hand("CacheHitRate", 50.0));
    world.publish(&by_hand("LambdaThrottles", 60.0));
    let response = world.deliver().await.remove(0).answered();
    let failed: Vec<&str> = response.batch_item_failures.iter().map(|item| item.item_identifier.as_str()).collect();
    assert_eq!(failed, [failing.as_str()]);
    assert_eq!(world.incidents().await.len(), 2);

    world.dynamodb.up();
    world.wait(3.minutes()).await;
    assert_eq!(world.incidents().await.len(), 3);
    assert_eq!(world.outside.queued(), 0);
    assert!(world.incidents().await.iter().all(|incident| incident.status == Status::Detected));
}

#[tokio::test]
async fn sixteen_writers_on_one_incident_at_once_lose_nothing() {
    let world = Arc::new(World::new().await);
    let id = world.breach("ErrorRate", 15.0).await;
    world.advance(5.minutes());
    let functions: Vec<_> = (0..16)
        .map(|number| {
            let (world, id) = (Arc::clone(&world), id.clone());
            tokio::spawn(async move {
                let event = match number % 4 {
                    0 => {
                        let (rule, level) = [("response-time", "critical"), ("traffic-absent", "absent")][number / 8];
                        from_sns(&world.fires(rule, level, world.now()))
                    }
                    1 => tick(world.now()),
                    _ => {
                        let mut note = command("note", id.as_str(), "alice");
                        note["text"] = format!("note {number:02}").into();
                        note
                    }
                };
                world.send(event).await.answered()
            })
        })
        .collect();
    for function in functions {
        function.await.unwrap();
    }
    let incident = world.the_incident().await;
    assert_eq!(incident.alerts.len(), 3);
    let facts = format!("{:?}", world.facts(&id).await);
    for number in (0..16).filter(|number| number % 4 > 1) {
        let note = format!("note {number:02}");
        assert_eq!(facts.matches(&note).count(), 1, "{note}: {facts}");
    }
    assert_eq!(world.pages()[2..], ["0:05 pagerduty SEV1", "0:05 slack SEV1"]);
    // What one found in the hands of another is left to the tick.
    world.skip(1.minute()).await;
    assert_eq!(world.store().pending_effects(&id).await.unwrap().0, []);
}
