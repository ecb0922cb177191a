//! The store is down, or holds what this version does not know.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use scenarios::messages::{by_hand, from_sns};
use scenarios::{Fault, Invocation, Kind, Options, ToSpan, World, every};

/// The key at `PagerDuty` where there is no incident.
const UNRECORDED: &str = "ai-nutritionist/api";

#[tokio::test]
async fn the_store_is_down_and_people_are_paged_anyway() {
    let internal =
        Fault::Answer(500, r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"no"}"#);
    let throttled =
        Fault::Answer(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"no"}"#);
    let refused = Fault::Answer(400, r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#);
    for fault in [Fault::Drop, Fault::Stall, internal, throttled, refused] {
        let world = World::with(Options { patience: Duration::from_secs(1), ..Options::default() }).await;
        world.dynamodb.arm(every(), fault);
        world.publish(&by_hand("ErrorRate", 15.0));
        let response = world.deliver().await.remove(0).answered();
        assert_eq!(response.batch_item_failures.len(), 1, "{fault:?}");
        assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"], "{fault:?}");
        assert_eq!(world.pagerduty.keys(Kind::Page), [UNRECORDED]);
        for message in world.told() {
            assert!(message.text.contains("NOT RECORDED"), "{}", message.text);
        }

        // The queue hands it out again: PagerDuty folds it by its key, and Slack is not told twice.
        world.advance(3.minutes());
        world.deliver().await;
        assert_eq!(world.slack.received().len(), 1);
        assert_eq!(world.pagerduty.keys(Kind::Page), [UNRECORDED]);
        assert_eq!(world.outside.queued(), 1);

        world.dynamodb.up();
        world.dynamodb.break_stalled();
        world.advance(3.minutes());
        world.deliver().await;
        let incident = world.the_incident().await;
        assert_eq!(world.outside.queued(), 0);
        // Recorded at last, it joins the key that is open, which is closed with it.
        assert_eq!(world.pagerduty.keys(Kind::Page), [UNRECORDED]);
        world.resolve(&incident.id, "alice").await;
        assert_eq!(world.pagerduty.keys(Kind::Resolved), [UNRECORDED]);
        assert_eq!(world.pages().last().map(String::as_str), Some("0:06 slack SEV1"));
    }
}

#[tokio::test]
async fn without_a_queue_the_invocation_fails_so_that_its_sender_tries_again() {
    let world = World::new().await;
    world.dynamodb.down();
    let invocation = world.send(from_sns(&by_hand("ErrorRate", 15.0))).await;
    assert!(matches!(invocation, Invocation::Failed(_)), "{invocation:?}");
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
}

#[tokio::test]
async fn the_store_fails_while_an_incident_escalates_and_the_escalation_is_late_and_not_lost() {
    let world = World::new().await;
    world.breach("ErrorRate", 15.0).await;
    world.wait(4.minutes()).await;
    world.dynamodb.down();
    for _ in 0..3 {
        world.advance(1.minute());
        assert!(matches!(world.tick().await, Invocation::Failed(_)));
    }
    assert_eq!(world.pages().len(), 2);
    world.dynamodb.up();
    world.wait(1.minute()).await;
    assert_eq!(world.pages()[2..], ["0:08 pagerduty SEV1", "0:08 slack SEV1"]);
}

#[tokio::test]
async fn an_incident_of_a_newer_version_is_left_as_it_is_and_still_pages() {
    let world = World::new().await;
    let id = world.breach("ResponseTime", 4000.0).await;
    let key = AttributeValue::S(id.to_string());
    let item = async || {
        let answer = world.tables.get_item().table_name("ai-nutritionist-incidents").key("incident_id", key.clone());
        answer.send().await.unwrap().item.unwrap()
    };
    let written = world
        .tables
        .update_item()
        .table_name("ai-nutritionist-incidents")
        .key("incident_id", key.clone())
        .update_expression("SET #schema = :newer, mood = :mood")
        .expression_attribute_names("#schema", "schema")
        .expression_attribute_values(":newer", AttributeValue::N("99".to_owned()))
        .expression_attribute_values(":mood", AttributeValue::S("grim".to_owned()));
    written.send().await.unwrap();
    let before = item().await;

    // It gets worse, and the older version is what runs.
    world.advance(1.minute());
    let failing = world.publish(&by_hand("ErrorRate", 15.0));
    let response = world.deliver().await.remove(0).answered();
    assert_eq!(response.batch_item_failures[0].item_identifier, failing);
    assert_eq!(world.pages()[2..], ["0:01 pagerduty SEV1", "0:01 slack SEV1"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [UNRECORDED]);
    assert!(world.pagerduty.received()[0].text.contains("newer"));

    // Its time to escalate comes.
    world.advance(60.minutes());
    let response = world.tick().await.answered();
    assert_eq!(response.notes.len(), 1, "{:?}", response.notes);
    assert!(response.notes[0].contains("newer"), "{:?}", response.notes);
    assert_eq!(item().await, before);
    // Nobody can escalate it, so the auditor calls somebody.
    let incidents = world.incidents().await;
    assert_eq!(incidents[0].title, "Incidents are not attended to");
    assert_eq!(world.pages()[4..], ["1:01 pagerduty SEV2", "1:01 slack SEV2"]);
}

#[tokio::test]
async fn the_store_is_down_for_twenty_minutes_and_everything_catches_up() {
    let world = World::new().await;
    let api = world.breach("ErrorRate", 15.0).await;
    world.wait(1.minute()).await;

    world.dynamodb.down();
    // One of the same group, one of another, and one that would be held back if the table could be read.
    world.publish(&by_hand("ResponseTime", 6000.0));
    world.publish(&by_hand("LambdaThrottles", 60.0));
    world.publish(&by_hand("Revenue", 10.0));
    let command = scenarios::messages::command("acknowledge", api.as_str(), "alice");
    for _ in 0..20 {
        world.wait(1.minute()).await;
        assert!(matches!(world.send(command.clone()).await, Invocation::Failed(_)));
    }
    assert_eq!(world.outside.queued(), 3);
    let unrecorded = ["api", "business", "lambda"].map(|group| format!("ai-nutritionist/{group}"));
    let mut keys = world.pagerduty.keys(Kind::Page);
    keys.sort();
    assert_eq!(keys, [&[api.to_string()], &unrecorded[..]].concat());

    world.dynamodb.up();
    world.wait(3.minutes()).await;
    assert_eq!(world.outside.queued(), 0);
    let incidents = world.incidents().await;
    let groups: Vec<&str> = incidents.iter().map(|incident| incident.group.as_str()).collect();
    assert_eq!(groups.len(), 3, "{groups:?}");
    assert!(world.pagerduty.keys(Kind::Page).contains(&format!("{api}/2.0")), "the escalation is late, and not lost");
    for incident in &incidents {
        world.resolve(&incident.id, "alice").await;
        assert_eq!(world.store().pending_effects(&incident.id).await.unwrap().0, []);
    }
    let closed = world.pagerduty.keys(Kind::Resolved);
    let open: Vec<String> = world.pagerduty.keys(Kind::Page).into_iter().filter(|key| !closed.contains(key)).collect();
    assert_eq!(open, Vec::<String>::new(), "{closed:?}");
}
