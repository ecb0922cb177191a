//! How the suite notices that it does not work, and who hears of it.

use aws_sdk_dynamodb::types::AttributeValue;
use monitoring_core::incident::{Incident, IncidentId};
use scenarios::messages::by_hand;
use scenarios::receiver::Message;
use scenarios::{Answer, Fault, Invocation, Kind, Options, ToSpan, World, before, every};
use serde_json::json;

const INCIDENTS: &str = "ai-nutritionist-incidents";
const JOURNAL: &str = "ai-nutritionist-incident-journal";
const ALERTS: &str = "ai-nutritionist-monitoring-alerts";

const REFUSED: Fault =
    Fault::Answer(400, r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#);
const THROTTLED: Fault =
    Fault::Answer(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"no"}"#);

/// Changes an item past the suite.
async fn update(world: &World, table: &str, key: &[(&str, &str)], expression: &str) {
    let mut request = world.tables.update_item().table_name(table).update_expression(expression);
    for (name, value) in key {
        request = request.key(*name, AttributeValue::S((*value).to_owned()));
    }
    request.send().await.unwrap();
}

/// What is wrong with the suite, as far as it knows.
async fn about_the_suite(world: &World) -> Incident {
    let mut incidents = world.incidents().await;
    incidents.retain(|incident| incident.group.is_suite());
    incidents.pop().expect("the suite is not well")
}

#[tokio::test]
async fn an_incident_that_nothing_would_wake_is_woken_and_somebody_is_told() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    update(&world, INCIDENTS, &[("incident_id", id.as_str())], "REMOVE wake_at, due_shard, due_at").await;

    world.wait(1.minute()).await;
    assert_eq!(world.pages()[2..], ["0:01 pagerduty SEV2", "0:01 slack SEV2"]);
    let page = &world.pagerduty.accepted(Kind::Page)[1];
    assert!(page.text.contains(&format!("{id} had no next wake-up")), "{}", page.text);
    let audit = about_the_suite(&world).await;
    assert_eq!(audit.title, "Incidents are not attended to");

    // Level 2 is called in its time, and then all is well.
    world.wait(4.minutes()).await;
    assert_eq!(world.pages()[4..], ["0:05 pagerduty SEV1", "0:05 slack SEV1"]);
    world.wait(1.minute()).await;
    assert!(!world.incident(&audit.id).await.is_open());
}

#[tokio::test]
async fn an_incident_that_fell_out_of_the_index_is_woken_when_it_is_late() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    update(&world, INCIDENTS, &[("incident_id", id.as_str())], "REMOVE due_shard, due_at").await;
    // It was due at 0:05, and may be five minutes late.
    world.wait(10.minutes()).await;
    assert_eq!(world.pages().len(), 2);
    world.wait(1.minute()).await;
    let pages = ["0:11 pagerduty SEV1", "0:11 pagerduty SEV2", "0:11 slack SEV1", "0:11 slack SEV2"];
    assert_eq!(world.pages()[2..], pages);
    world.wait(1.minute()).await;
    assert!(!about_the_suite(&world).await.is_open());
}

#[tokio::test]
async fn a_message_that_fell_out_of_the_index_is_found_and_sent() {
    let world = World::new().await;
    world.slack.fail_with(500);
    let id = world.breach("ErrorRate", 15.0).await;
    let key = [("incident_id", id.as_str()), ("entry", "pending#000002")];
    update(&world, JOURNAL, &key, "REMOVE due_shard, due_at").await;
    world.slack.recover();

    world.wait(1.minute()).await;
    let page = world.pagerduty.accepted(Kind::Page).pop().unwrap();
    assert_eq!(page.severity, "SEV2");
    assert!(page.text.contains(&format!("message 2 of {id} for slack")), "{}", page.text);
    assert_eq!(world.effects(&id).await[1], "2 slack done after 2");
    world.wait(1.minute()).await;
    assert!(!about_the_suite(&world).await.is_open());
}

#[tokio::test]
async fn whoever_knows_of_one_trouble_of_the_suite_is_called_for_another() {
    let world = World::new().await;
    world.outside.topic_is_wrong("notify-email", &["no subscription is confirmed"]);
    world.daily().await;
    let email = about_the_suite(&world).await;
    world.acknowledge(&email.id, "alice").await;
    assert_eq!(world.pages().len(), 2);

    let id = world.breach("ErrorRate", 15.0).await;
    update(&world, INCIDENTS, &[("incident_id", id.as_str())], "REMOVE wake_at, due_shard, due_at").await;
    world.wait(1.minute()).await;
    assert_eq!(world.pages()[4..], ["0:01 pagerduty SEV2", "0:01 slack SEV2"]);
    let audit = about_the_suite(&world).await;
    assert_eq!(audit.title, "Incidents are not attended to");
    assert_ne!(audit.id, email.id);
}

#[tokio::test]
async fn a_message_of_a_newer_version_is_not_sent_and_somebody_is_told() {
    let world = World::new().await;
    world.slack.fail_with(500);
    let id = world.breach("ErrorRate", 15.0).await;
    let request = world.tables.update_item().table_name(JOURNAL).update_expression("SET #schema = :schema");
    let request = request.expression_attribute_names("#schema", "schema");
    let request = request.expression_attribute_values(":schema", AttributeValue::N("99".to_owned()));
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let request = request.key("incident_id", key(id.as_str())).key("entry", key("pending#000002"));
    request.send().await.unwrap();
    world.slack.recover();

    world.wait(1.minute()).await;
    let page = world.pagerduty.accepted(Kind::Page).pop().unwrap();
    assert!(page.text.contains("pending#000002 of") && page.text.contains("99"), "{}", page.text);
    let store = world.store();
    assert_eq!(store.pending_effects(&id).await.unwrap().1.len(), 1, "it is left as it is");
}

fn heartbeats(world: &World) -> usize {
    world.heartbeat.received().len()
}

/// A world in which somebody waits for the heartbeat.
async fn awaited() -> World {
    World::with(Options { heartbeat: true, ..Options::default() }).await
}

#[tokio::test]
async fn a_heartbeat_is_sent_when_a_message_came_all_the_way() {
    let world = awaited().await;
    world.cycle().await;
    assert_eq!(heartbeats(&world), 0, "the queue has not delivered it");
    world.deliver().await.remove(0).answered();
    assert_eq!(heartbeats(&world), 1);
    world.fast_forward(3.minutes()).await;
    assert_eq!(heartbeats(&world), 4);
    assert_eq!(world.incidents().await, [], "it is about no incident");
}

#[tokio::test]
async fn there_is_no_heartbeat_while_messages_are_lost() {
    let world = awaited().await;
    world.outside.lose_messages();
    world.fast_forward(5.minutes()).await;
    assert_eq!(heartbeats(&world), 0);
    world.outside.topics_up();
    world.fast_forward(1.minute()).await;
    assert_eq!(heartbeats(&world), 1);
}

#[tokio::test]
async fn there_is_no_heartbeat_when_whoever_would_send_it_dies() {
    let world = awaited().await;
    world.cycle().await;
    world.publish(&by_hand("ErrorRate", 15.0));
    world.dynamodb.arm(before(1).of("TransactWriteItems"), Fault::Crash);
    assert!(world.deliver().await[0].crashed());
    assert_eq!(heartbeats(&world), 0);
    // The queue hands it out again, in time.
    world.advance(3.minutes());
    world.deliver().await;
    assert_eq!(heartbeats(&world), 1);
}

#[tokio::test]
async fn a_canary_that_is_late_is_no_sign_of_health() {
    let world = awaited().await;
    world.cycle().await;
    world.advance(10.minutes());
    world.cycle().await;
    world.advance(1.second());
    // Both at once: the newer one is what counts.
    world.deliver().await;
    assert_eq!(heartbeats(&world), 1);
    world.cycle().await;
    world.advance(601.seconds());
    let response = world.deliver().await.remove(0).answered();
    assert_eq!(heartbeats(&world), 1);
    assert!(response.notes[0].contains("came late"), "{:?}", response.notes);
}

#[tokio::test]
async fn a_heartbeat_that_is_not_accepted_stops_nothing() {
    let world = awaited().await;
    world.heartbeat.fail_with(500);
    world.cycle().await;
    world.publish(&by_hand("ErrorRate", 15.0));
    let response = world.deliver().await.remove(0).answered();
    assert_eq!(response.batch_item_failures.len(), 0);
    assert!(response.notes[0].starts_with("no heartbeat: "), "{:?}", response.notes);
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
}

/// A channel stops to work, the daily check finds it, somebody is told; it works again, and the next one ends it.
async fn a_channel_fails(name: &str, fails: impl Fn(&World), recovers: impl Fn(&World), told_by: &[&str], said: &str) {
    let world = World::new().await;
    world.daily().await;
    assert_eq!(world.incidents().await, [], "all is well");

    fails(&world);
    world.skip(24.hours()).await;
    let notes = world.daily().await.notes;
    assert!(notes.iter().any(|note| note.starts_with(&format!("channel {name}: "))), "{notes:?}");
    let incident = about_the_suite(&world).await;
    assert_eq!(incident.title, format!("Channel {name} would not reach anybody"));
    // The two are told at the same time.
    let mut told: Vec<Message> = world.told().into_iter().filter(|message| message.kind == Kind::Page).collect();
    told.sort_by_key(|message| message.channel);
    let by: Vec<&str> = told.iter().map(|message| message.channel).collect();
    assert_eq!(by, told_by);
    assert!(told[0].text.contains(said), "{}", told[0].text);

    recovers(&world);
    world.acknowledge(&incident.id, "alice").await;
    world.advance(24.hours());
    world.daily().await;
    assert!(!world.incident(&incident.id).await.is_open());
}

#[tokio::test]
async fn a_topic_that_nobody_listens_to_is_found_within_a_day() {
    for (channel, topic) in [("email", "notify-email"), ("sms", "notify-sms")] {
        let fails = |world: &World| world.outside.topic_is_wrong(topic, &["no subscription is confirmed"]);
        let recovers = |world: &World| world.outside.topic_is_wrong(topic, &[]);
        a_channel_fails(channel, fails, recovers, &["pagerduty", "slack"], "no subscription is confirmed").await;
    }
}

#[tokio::test]
async fn a_webhook_that_was_withdrawn_is_found_within_a_day() {
    for refusal in [Answer::Refuse(404, "no_service"), Answer::Refuse(403, "action_prohibited")] {
        let fails = |world: &World| world.slack.answer_with(refusal);
        let recovers = |world: &World| world.slack.recover();
        a_channel_fails("slack", fails, recovers, &["pagerduty"], "Slack answered 40").await;
    }
}

#[tokio::test]
async fn a_routing_key_that_is_not_known_is_found_within_a_day() {
    let refusal = Answer::Refuse(400, r#"{"status":"invalid event","errors":["invalid routing_key"]}"#);
    let fails = |world: &World| world.pagerduty.answer_with(refusal);
    let recovers = |world: &World| world.pagerduty.recover();
    a_channel_fails("pagerduty", fails, recovers, &["slack"], "invalid routing_key").await;
}

#[tokio::test]
async fn the_check_of_a_channel_is_seen_by_nobody() {
    for slack_bot in [false, true] {
        let world = World::with(Options { slack_bot, ..Options::default() }).await;
        world.daily().await;
        let kinds: Vec<Kind> = world.slack.received().iter().map(|message| message.kind).collect();
        assert_eq!(kinds, [Kind::Said], "the daily message, and nothing else");
        assert!(world.pagerduty.received().iter().all(|message| message.kind == Kind::Resolved));
        assert_eq!(world.pages(), [""; 0]);
    }
}

/// The daily messages, by channel.
fn digests(world: &World, channel: &str) -> Vec<String> {
    let said = world.told().into_iter().filter(|message| message.kind == Kind::Said && message.channel == channel);
    said.map(|message| message.text).collect()
}

#[tokio::test]
async fn the_daily_message_says_how_things_stand_once_a_day() {
    let world = World::new().await;
    let unused = world.silence(&json!({ "group": "cost*" }), 24 * 60).await;
    let over = world.silence(&json!({ "rule": "response-time" }), 60).await;
    let open = world.breach("ResponseTime", 6000.0).await;
    assert_eq!(world.pages(), [""; 0]);
    world.skip(2.hours()).await;
    world.daily().await;
    let notes = world.daily().await.notes;
    assert!(notes.iter().any(|note| note.contains("sent already")), "{notes:?}");
    for channel in ["slack", "email"] {
        let said = digests(&world, channel);
        assert_eq!(said.len(), 1, "{channel}");
        for expected in [
            "Open incidents: 1".to_owned(),
            format!("{open} SEV2"),
            "ResponseTime".to_owned(),
            "(for 2 h".to_owned(),
            format!("Silence {unused} by alice is in force"),
            "never used: known".to_owned(),
            format!("Silence {over} by alice has ended"),
            "used once: known".to_owned(),
            "set HEARTBEAT_URL".to_owned(),
        ] {
            assert!(said[0].contains(&expected), "{channel} does not say {expected:?}: {}", said[0]);
        }
    }

    // The next day, the silences are history.
    world.resolve(&open, "alice").await;
    world.advance(48.hours());
    world.daily().await;
    let said = digests(&world, "slack");
    assert_eq!(said.len(), 2);
    assert!(said[1].contains("No incident is open.") && !said[1].contains("SIL-"), "{}", said[1]);
}

#[tokio::test]
async fn the_daily_message_does_not_warn_when_somebody_waits_for_the_heartbeat() {
    let world = awaited().await;
    world.daily().await;
    assert!(!digests(&world, "slack")[0].contains("HEARTBEAT_URL"));
}

/// The error rate is 15 % from now on: two of three datapoints breach in the cycle of minute 3.
fn errors(world: &World) {
    world.outside.reads("RequestCount", 100.0);
    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ErrorCount", 15.0);
}

#[tokio::test]
async fn what_fires_is_paged_while_the_state_of_alerts_is_not_at_hand() {
    for (operation, fault) in [("Query", REFUSED), ("PutItem", THROTTLED)] {
        let world = World::new().await;
        errors(&world);
        world.dynamodb.arm(every().of(operation).about(ALERTS), fault);
        world.fast_forward(4.minutes()).await;
        assert_eq!(world.pages(), ["0:03 pagerduty SEV1", "0:03 slack SEV1"], "{operation} {fault:?}");
        assert_eq!(world.store().alerts().await.unwrap().0, [], "nothing of it could be stored");
        let id = world.the_incident().await.id;

        // It is published each minute, and known each time.
        world.acknowledge(&id, "alice").await;
        world.fast_forward(3.minutes()).await;
        assert_eq!(world.pages().len(), 2);

        // The tables are well again, and so is the error rate.
        world.dynamodb.up();
        world.fast_forward(1.minute()).await;
        world.outside.reads("ErrorCount", 1.0);
        world.fast_forward(15.minutes()).await;
        assert!(!world.incident(&id).await.is_open(), "{operation} {fault:?}");
        assert_eq!(world.pages().len(), 2);
    }
}

#[tokio::test]
async fn an_alert_of_a_newer_version_is_left_as_it_is_and_still_pages() {
    let world = World::new().await;
    errors(&world);
    let mut minutes = 0;
    let alert = loop {
        world.fast_forward(1.minute()).await;
        minutes += 1;
        if let Some(alert) = world.store().alerts().await.unwrap().0.pop() {
            break alert;
        }
        assert!(minutes < 3, "it is pending before it fires");
    };
    let key = [("scope", "alerts"), ("fingerprint", alert.key.as_str())];
    let item = async || {
        let mut request = world.tables.get_item().table_name(ALERTS);
        for (name, value) in key {
            request = request.key(name, AttributeValue::S(value.to_owned()));
        }
        request.send().await.unwrap().item.unwrap()
    };
    let mut newer = item().await;
    newer.insert("schema".to_owned(), AttributeValue::N("2".to_owned()));
    newer.insert("mood".to_owned(), AttributeValue::S("grim".to_owned()));
    world.tables.put_item().table_name(ALERTS).set_item(Some(newer.clone())).send().await.unwrap();

    world.fast_forward((4 - minutes).minutes()).await;
    assert_eq!(world.pages(), ["0:03 pagerduty SEV1", "0:03 slack SEV1"]);
    assert_eq!(item().await, newer);
    world.advance(1.minute());
    let report = world.cycle().await;
    assert!(report.failures.iter().any(|failure| failure.contains("newer")), "{:?}", report.failures);
}

#[tokio::test]
async fn the_auditor_that_cannot_read_says_so_and_the_tick_goes_on() {
    let world = World::new().await;
    let id: IncidentId = world.breach("ErrorRate", 15.0).await;
    world.dynamodb.arm(every().of("Query").about("state_shard"), THROTTLED);
    world.advance(5.minutes());
    let Invocation::Answered(response) = world.tick().await else { panic!("the tick goes on") };
    assert!(response.notes.iter().any(|note| note.contains("nothing was audited")), "{:?}", response.notes);
    assert_eq!(response.incidents[0].id, id.as_str());
    assert_eq!(world.pages()[2..], ["0:05 pagerduty SEV1", "0:05 slack SEV1"]);
}
