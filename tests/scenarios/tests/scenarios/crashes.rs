//! What happens when a function dies half-way.

use monitoring_aws::store::Store;
use monitoring_core::incident::IncidentId;
use scenarios::proxy::Point;
use scenarios::{Fault, Kind, ToSpan, World, after, before, messages};

#[tokio::test]
async fn what_was_committed_and_not_sent_is_sent_by_the_next_tick() {
    let world = World::new().await;
    world.dynamodb.arm(after(1).of("TransactWriteItems"), Fault::Crash);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    assert!(world.deliver().await[0].crashed());
    assert_eq!(world.incidents().await.len(), 1);
    assert_eq!(world.pages(), Vec::<String>::new());

    world.skip(1.minute()).await;
    assert_eq!(world.pages(), ["0:01 pagerduty SEV1", "0:01 slack SEV1"]);
}

#[tokio::test]
async fn what_was_claimed_and_not_sent_is_sent_when_the_claim_has_run_out_and_not_before() {
    let world = World::new().await;
    world.pagerduty.network.arm(before(1), Fault::Crash);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    assert!(world.deliver().await[0].crashed());

    world.skip(59.seconds()).await;
    assert_eq!(world.pagerduty.received(), []);
    world.skip(1.second()).await;
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), 1);
    assert_eq!(world.pagerduty.keys(Kind::Page), [world.the_incident().await.id.as_str()]);
}

#[tokio::test]
async fn what_was_sent_and_not_noted_is_sent_again_with_the_same_key() {
    let world = World::new().await;
    world.pagerduty.network.arm(after(1), Fault::Crash);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    assert!(world.deliver().await[0].crashed());
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), 1);

    world.wait(4.minutes()).await;
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), 2);
    assert_eq!(world.pagerduty.keys(Kind::Page), [world.the_incident().await.id.as_str()]);
}

/// The key of a page of group `api` that could not be recorded.
const GROUP_KEY: &str = "ai-nutritionist/api";

/// Everything that may be asked of a story in which one alert fires and something dies: an incident, a page on each
/// channel, and nothing left to do.
async fn all_is_well(world: &World, what: &str) {
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 1, "{what}: {incidents:#?}");
    let id: &IncidentId = &incidents[0].id;
    // A record that came again joins the key of a page that may have gone out without a record.
    let came_again = incidents[0].unrecorded_key.is_some();
    let keys = world.pagerduty.keys(Kind::Page);
    assert!(keys == [id.as_str()] || came_again && keys == [GROUP_KEY], "{what}: {keys:?}");
    // Slack has no key by which it could tell a repetition.
    let slack = world.slack.accepted(Kind::Page).len();
    assert!((1..=2).contains(&slack), "{what}: {slack} messages at Slack");
    let store: Store = world.store();
    assert_eq!(store.pending_effects(id).await.unwrap(), [], "{what}");
    assert_eq!(world.outside.queued(), 0, "{what}");
}

/// Each request that this many are, and each moment at it.
fn points(requests: usize) -> impl Iterator<Item = (Point, String)> {
    (1..=requests).flat_map(|number| {
        [(before(number), format!("before request {number}")), (after(number), format!("after request {number}"))]
    })
}

#[tokio::test]
async fn wherever_incident_response_dies_an_alert_is_paged_once() {
    let world = World::new().await;
    world.publish(&world.fires("error-rate", "critical", world.now()));
    world.deliver().await;
    all_is_well(&world, "undisturbed").await;
    let requests = world.dynamodb.count();

    for (point, what) in points(requests) {
        let world = World::new().await;
        world.publish(&world.fires("error-rate", "critical", world.now()));
        world.dynamodb.arm(point, Fault::Crash);
        assert!(world.deliver().await[0].crashed(), "{what}");
        // The queue hands it out again after three minutes; a claim has run out before.
        world.skip(1.minute()).await;
        world.advance(2.minutes());
        world.deliver().await;
        world.tick().await;
        all_is_well(&world, &what).await;
    }
}

#[tokio::test]
async fn wherever_a_connection_to_the_tables_breaks_an_alert_is_paged_once() {
    let world = World::new().await;
    world.publish(&world.fires("error-rate", "critical", world.now()));
    world.deliver().await;
    let requests = world.dynamodb.count();

    for (point, what) in points(requests) {
        let world = World::new().await;
        world.publish(&world.fires("error-rate", "critical", world.now()));
        world.dynamodb.arm(point, Fault::Drop);
        world.deliver().await;
        world.skip(1.minute()).await;
        world.advance(2.minutes());
        world.deliver().await;
        world.tick().await;
        // What could not be recorded was paged without a record, by a key that is not an incident's.
        let incidents = world.incidents().await;
        assert_eq!(incidents.len(), 1, "{what}: {incidents:#?}");
        let id = &incidents[0].id;
        let mut keys = world.pagerduty.keys(Kind::Page);
        keys.sort();
        assert!(keys.iter().all(|key| key == GROUP_KEY || key == id.as_str()), "{what}: {keys:?}");
        // Somebody was paged, and whatever was opened is closed with the incident.
        world.resolve(id, "alice").await;
        let mut closed = world.pagerduty.keys(Kind::Resolved);
        closed.sort();
        assert!(!keys.is_empty() && keys.iter().all(|key| closed.contains(key)), "{what}: {keys:?} {closed:?}");
        assert_eq!(world.store().pending_effects(id).await.unwrap(), [], "{what}");
        assert_eq!(world.outside.queued(), 0, "{what}");
    }
}

/// An incident of a SEV1, a minute before its second level is called.
async fn four_minutes_into_a_sev1() -> (World, IncidentId) {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.advance(4.minutes());
    (world, id)
}

/// Runs two more ticks, by which every claim has run out.
async fn the_rest(world: &World) {
    world.skip(1.minute()).await;
    world.skip(1.minute()).await;
}

#[tokio::test]
async fn wherever_the_tick_dies_the_second_level_is_called() {
    let (world, _) = four_minutes_into_a_sev1().await;
    world.advance(1.minute());
    let passed = world.dynamodb.count();
    world.tick().await.answered();
    let requests = world.dynamodb.count() - passed;

    for (point, what) in points(requests) {
        let (world, id) = four_minutes_into_a_sev1().await;
        world.advance(1.minute());
        world.dynamodb.arm(point, Fault::Crash);
        assert!(world.tick().await.crashed(), "{what}");
        the_rest(&world).await;
        assert_eq!(world.pagerduty.keys(Kind::Page), [id.to_string(), format!("{id}/2.0")], "{what}");
        assert!((2..=3).contains(&world.slack.accepted(Kind::Page).len()), "{what}");
        assert_eq!(world.store().pending_effects(&id).await.unwrap(), [], "{what}");
    }
}

#[tokio::test]
async fn wherever_a_command_dies_it_is_carried_out_whole_or_not_at_all() {
    for (command, kind) in [("acknowledge", Kind::Acknowledged), ("resolve", Kind::Resolved)] {
        let (world, id) = four_minutes_into_a_sev1().await;
        let passed = world.dynamodb.count();
        world.send(messages::command(command, id.as_str(), "alice")).await.answered();
        let requests = world.dynamodb.count() - passed;

        for (point, what) in points(requests) {
            let (world, id) = four_minutes_into_a_sev1().await;
            world.dynamodb.arm(point, Fault::Crash);
            assert!(world.send(messages::command(command, id.as_str(), "alice")).await.crashed(), "{command} {what}");
            the_rest(&world).await;
            let carried_out = !world.incident(&id).await.needs_acknowledgement();
            let (told, pages) = (world.pagerduty.keys(kind), world.pagerduty.keys(Kind::Page));
            if carried_out {
                assert_eq!((told, pages.len()), (vec![id.to_string()], 1), "{command} {what}");
                assert!(!world.slack.accepted(kind).is_empty(), "{command} {what}");
            } else {
                assert_eq!((told, pages.len()), (vec![], 2), "{command} {what}");
            }
            assert_eq!(world.store().pending_effects(&id).await.unwrap(), [], "{command} {what}");
        }
    }
}

/// The error rate rises at the start of the world, so that it fires in the cycle of minute 3.
fn errors_begin(world: &World) {
    world.outside.reads("RequestCount", 100.0);
    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ErrorCount", 15.0);
}

#[tokio::test]
async fn an_alert_that_changed_and_was_not_published_is_published_by_the_next_cycle() {
    let world = World::new().await;
    errors_begin(&world);
    world.fast_forward(2.minutes()).await;
    world.advance(1.minute());
    world.dynamodb.arm(after(1).of("PutItem"), Fault::Crash);
    assert!(world.try_cycle().await.is_none());
    assert_eq!(world.outside.published(), 0);
    assert_eq!(world.incidents().await, []);

    world.fast_forward(1.minute()).await;
    assert_eq!(world.pages(), ["0:04 pagerduty SEV1", "0:04 slack SEV1"]);
}

#[tokio::test]
async fn a_topic_that_is_down_gets_the_change_when_it_is_up_again() {
    let world = World::new().await;
    errors_begin(&world);
    world.fast_forward(2.minutes()).await;
    world.outside.topics_down(true);
    world.advance(1.minute());
    let report = world.cycle().await;
    assert_eq!((report.published, report.unpublished), (0, 1));
    assert_eq!(report.failures, ["publishing: the topic is not well", "publishing the canary: the topic is not well"]);

    world.fast_forward(1.minute()).await;
    assert_eq!(world.pages(), Vec::<String>::new());
    world.outside.topics_up();
    world.fast_forward(1.minute()).await;
    assert_eq!(world.pages(), ["0:05 pagerduty SEV1", "0:05 slack SEV1"]);
}

#[tokio::test]
async fn wherever_the_cycle_dies_an_alert_is_paged_once() {
    let world = World::new().await;
    errors_begin(&world);
    world.fast_forward(2.minutes()).await;
    world.advance(1.minute());
    let passed = world.dynamodb.count();
    world.cycle().await;
    let requests = world.dynamodb.count() - passed;
    assert_eq!(requests, 3, "alerts are read, one is written, and marked as published");

    for (point, what) in points(requests) {
        let world = World::new().await;
        errors_begin(&world);
        world.fast_forward(2.minutes()).await;
        world.advance(1.minute());
        world.dynamodb.arm(point, Fault::Crash);
        assert!(world.try_cycle().await.is_none(), "{what}");
        world.fast_forward(1.minute()).await;
        all_is_well(&world, &what).await;
    }
}
