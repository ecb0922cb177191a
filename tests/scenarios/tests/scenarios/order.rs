//! Events that are old, late, repeated, or in the wrong order.

use monitoring_aws::store::Commit;
use monitoring_core::incident::Status;
use scenarios::messages::by_hand;
use scenarios::{Fault, Kind, ToSpan, World, before};

#[tokio::test]
async fn what_is_older_than_the_last_change_changes_nothing() {
    let world = World::new().await;
    let start = world.clock.start();
    world.alert(&world.fires("error-rate", "critical", start)).await;
    world.wait(1.minute()).await;

    // Measured OK before it fired, and arrived after.
    let touched = world.alert(&world.recovers("error-rate", start - 1.minute())).await;
    assert!(!touched[0].changed);
    assert_eq!(world.the_incident().await.status, Status::Detected);

    // It recovers at minute 2, and what it said at minute 1 arrives after that.
    world.wait(1.minute()).await;
    world.alert(&world.recovers("error-rate", world.now())).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    let touched = world.alert(&world.fires("error-rate", "critical", start + 1.minute())).await;
    assert!(!touched[0].changed);
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    assert_eq!(world.pages().len(), 2);
}

#[tokio::test]
async fn a_firing_and_its_recovery_in_the_wrong_order_in_one_batch_are_taken_in_the_right_one() {
    let world = World::new().await;
    let start = world.clock.start();
    world.advance(5.minutes());
    world.publish(&world.recovers("error-rate", start + 4.minutes()));
    world.publish(&world.fires("error-rate", "critical", start + 1.minute()));
    world.deliver().await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
}

#[tokio::test]
async fn a_duplicate_after_the_end_opens_nothing_and_a_newer_alert_does() {
    let world = World::new().await;
    let first = world.fires("error-rate", "critical", world.now());
    world.alert(&first).await;
    world.wait(2.minutes()).await;
    let ended = world.recovers("error-rate", world.now());
    world.alert(&ended).await;
    let told = world.told().len();
    for message in [&first, &ended, &first] {
        world.alert(message).await;
    }
    assert_eq!(world.the_incident().await.status, Status::Resolved);
    assert_eq!(world.told().len(), told);

    world.wait(3.minutes()).await;
    world.alert(&world.fires("error-rate", "critical", world.now())).await;
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 2);
    assert_eq!(incidents.iter().filter(|incident| incident.is_open()).count(), 1);
    assert_eq!(world.pagerduty.keys(Kind::Page).len(), 2);
}

#[tokio::test]
async fn a_duplicate_after_somebody_ended_it_opens_nothing() {
    let world = World::new().await;
    let first = world.fires("error-rate", "critical", world.now());
    world.alert(&first).await;
    world.wait(2.minutes()).await;
    world.resolve(&world.the_incident().await.id, "alice").await;
    world.alert(&first).await;
    assert_eq!(world.the_incident().await.status, Status::Resolved);
}

#[tokio::test]
async fn a_message_without_a_time_of_its_own_is_as_old_as_it_is_at_the_queue() {
    // The function has done all its work and dies before the queue learns of it. Somebody ends the incident. The queue
    // hands the message out again.
    let message = [by_hand("ErrorRate", 15.0), "{{{ the cow jumped".to_owned()];
    for message in message {
        let world = World::new().await;
        world.slack.network.arm(before(1), Fault::Crash);
        world.publish(&message);
        assert!(world.deliver().await[0].crashed());
        world.wait(2.minutes()).await;
        world.resolve(&world.the_incident().await.id, "alice").await;
        world.wait(2.minutes()).await;
        assert_eq!(world.outside.queued(), 0);
        assert_eq!(world.the_incident().await.status, Status::Resolved, "{message}");
    }
}

/// The journal's keys would refuse a second entry of the same number; the head is to refuse by itself.
#[tokio::test]
async fn a_head_is_written_only_on_the_version_that_was_read() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let before = world.incident(&id).await;
    let mut after = before.clone();
    after.version += 1;
    let commit = Commit { before: Some(&before), after: &after, entries: &[], effects: &[], ledger: None, once: None };
    world.store().commit(commit).await.unwrap();
    let second = world.store().commit(commit).await.unwrap_err();
    assert!(second.is_conflict(), "{second}");
}
