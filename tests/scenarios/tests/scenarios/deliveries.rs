//! What happens when a receiver does not take a message.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use monitoring_core::incident::{Fact, IncidentId};
use scenarios::{Answer, Fault, Kind, Options, ToSpan, World, after, before, every};
use tokio::task::JoinHandle;

#[tokio::test]
async fn slack_is_down_and_pagerduty_gets_the_page_all_the_same() {
    let world = World::new().await;
    world.slack.fail_with(500);
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1"]);
    assert_eq!(world.effects(&id).await, ["1 pagerduty done after 1", "2 slack pending after 1"]);
    assert_eq!(world.said(&id, 2).await, "Slack answered 500");

    world.wait(2.minutes()).await;
    world.slack.recover();
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:03 slack SEV1"]);
    assert_eq!(world.effects(&id).await[1], "2 slack done after 4");
}

#[tokio::test]
async fn what_cannot_be_delivered_in_five_minutes_goes_by_the_fallback() {
    let world = World::new().await;
    world.slack.fail_with(500);
    let id = world.breach("ResponseTime", 4000.0).await;
    world.wait(4.minutes()).await;
    assert_eq!(world.pages(), ["0:00 email SEV3"], "PagerDuty is not called for a SEV3, as long as Slack may recover");

    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:05 pagerduty SEV3"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.as_str()]);
    assert!(world.pagerduty.received()[0].text.contains("slack failed, so this comes by pagerduty"));

    let facts = world.facts(&id).await;
    assert!(facts.iter().any(|fact| matches!(fact, Fact::DeliveryFailed { channel, .. } if channel == "slack")));
    assert!(
        facts.iter().any(
            |fact| matches!(fact, Fact::FellBack { from, page } if from == "slack" && page.channel == "pagerduty")
        )
    );
}

#[tokio::test]
async fn what_is_refused_for_good_goes_by_the_fallback_at_once() {
    for refusal in [
        Answer::Refuse(403, "invalid_token"),
        Answer::Refuse(404, "no_service"),
        Answer::Refuse(400, "invalid_payload"),
    ] {
        let world = World::new().await;
        world.slack.answer_with(refusal);
        world.breach("ResponseTime", 4000.0).await;
        assert_eq!(world.pages(), ["0:00 email SEV3", "0:00 pagerduty SEV3"], "{refusal:?}");
    }
}

#[tokio::test]
async fn no_secret_of_a_refused_webhook_reaches_the_journal() {
    let world = World::new().await;
    world
        .slack
        .answer_with(Answer::Refuse(404, "no_service at /services/T024BE7LD/B024BE91L/XXXXXXXXXXXXXXXXXXXXXXXX"));
    let id = world.breach("ResponseTime", 4000.0).await;
    let journal = format!("{:?}", world.journal(&id).await);
    assert!(journal.contains("no_service"));
    assert!(!journal.contains("XXXXXXXXXXXXXXXXXXXXXXXX"));
}

#[tokio::test]
async fn everything_is_down_for_a_while_and_nothing_is_forgotten() {
    let world = World::new().await;
    world.slack.fail_with(503);
    world.pagerduty.fail_with(503);
    world.breach("ErrorRate", 15.0).await;
    world.wait(8.minutes()).await;
    assert_eq!(world.pages(), Vec::<String>::new());

    world.slack.recover();
    world.pagerduty.recover();
    world.wait(2.minutes()).await;
    let pages = world.pages();
    assert!(pages.iter().any(|page| page.ends_with("pagerduty SEV1")), "{pages:?}");
    assert!(pages.iter().any(|page| page.ends_with("slack SEV1")), "{pages:?}");
    assert_eq!(world.store().pending_effects(&world.the_incident().await.id).await.unwrap().0, []);
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_given_that_time() {
    let world = World::new().await;
    world.pagerduty.answer_with(Answer::Throttle(120));
    world.breach("ErrorRate", 15.0).await;
    world.pagerduty.recover();

    world.skip(119.seconds()).await;
    assert_eq!(world.pagerduty.received().len(), 1);
    world.skip(1.second()).await;
    assert_eq!(world.pages()[1..], ["0:02 pagerduty SEV1"]);
}

#[tokio::test]
async fn a_receiver_that_asks_for_too_long_is_not_waited_for() {
    let world = World::new().await;
    world.slack.answer_with(Answer::Throttle(900));
    world.breach("ResponseTime", 4000.0).await;
    world.wait(5.minutes()).await;
    assert_eq!(world.slack.received().len(), 2, "at once, and when it is given up");
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:05 pagerduty SEV3"]);
}

/// When the one message of an incident that is not done may be tried again.
async fn next_attempt(world: &World, id: &IncidentId) -> Option<SignedDuration> {
    let pending = world.store().pending_effects(id).await.unwrap().0;
    pending.first().map(|effect| effect.due_at.duration_since(world.clock.start()))
}

#[tokio::test]
async fn retries_back_off_and_end_after_five_minutes() {
    let world = World::new().await;
    world.pagerduty.fail_with(503);
    let id = world.breach("ResponseTime", 6000.0).await;
    let mut attempts = vec![SignedDuration::ZERO];
    while let Some(due) = next_attempt(&world, &id).await {
        // Not a moment early.
        let now = world.now().duration_since(world.clock.start());
        world.skip(due - now - SignedDuration::from_millis(1)).await;
        assert_eq!(world.pagerduty.received().len(), attempts.len(), "nothing is due before {due:?}");
        world.skip(1.millisecond()).await;
        assert_eq!(world.pagerduty.received().len(), attempts.len() + 1, "due at {due:?}");
        attempts.push(due);
    }
    let gaps: Vec<f64> = attempts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let (last, backing_off) = gaps.split_last().unwrap();
    assert!(backing_off.len() >= 6, "{gaps:?}");
    for (gap, base) in backing_off.iter().zip([5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]) {
        assert!((base..=base * 1.25).contains(gap), "{gap} s where {base} s and up to a quarter is to be: {gaps:?}");
    }
    assert!(*last <= 75.0, "{gaps:?}");
    assert_eq!(attempts.last(), Some(&SignedDuration::from_mins(5)), "the last attempt is when it is given up");
    let facts = world.facts(&id).await;
    assert!(facts.iter().any(|fact| matches!(fact, Fact::DeliveryFailed { channel, .. } if channel == "pagerduty")));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_retry_and_one_page() {
    let world = World::with(Options { patience: Duration::from_millis(300), ..Options::default() }).await;
    world.pagerduty.network.arm(after(1), Fault::Stall);
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.effects(&id).await[0], "1 pagerduty pending after 1");
    assert!(world.said(&id, 1).await.contains("no answer in time"));

    // PagerDuty has it, and nobody knows. It gets it once more, on the same key.
    world.wait(1.minute()).await;
    assert_eq!(world.effects(&id).await[0], "1 pagerduty done after 2");
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), 2);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.as_str()]);
    world.pagerduty.network.release();
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_holds_no_other_up() {
    let world = World::new().await;
    world.pagerduty.network.arm(every(), Fault::Drop);
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:00 slack SEV1"]);
    world.pagerduty.network.up();
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:00 slack SEV1", "0:01 pagerduty SEV1"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.as_str()]);
}

#[tokio::test]
async fn ticks_at_the_same_time_send_one_page() {
    let world = World::new().await;
    world.dynamodb.arm(after(1).of("TransactWriteItems"), Fault::Crash);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    assert!(world.deliver().await[0].crashed());
    assert_eq!(world.pages(), Vec::<String>::new());

    world.advance(1.minute());
    tokio::join!(world.tick(), world.tick(), world.tick(), world.tick());
    assert_eq!(world.pages(), ["0:01 pagerduty SEV1", "0:01 slack SEV1"]);
}

/// The error rate fires, and the function that pages stalls on its way to PagerDuty; it has told Slack.
async fn a_function_that_stalls() -> (Arc<World>, JoinHandle<()>) {
    let world = Arc::new(World::new().await);
    world.pagerduty.network.arm(before(1), Fault::Stall);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    let stalling = Arc::clone(&world);
    let function = tokio::spawn(async move { drop(stalling.deliver().await) });
    world.pagerduty.network.stalled().await;
    let id = world.the_incident().await.id;
    while world.effects(&id).await[1] != "2 slack done after 1" {
        tokio::task::yield_now().await;
    }
    (world, function)
}

#[tokio::test]
async fn a_claim_is_taken_over_when_it_has_run_out_and_not_before() {
    let (world, first) = a_function_that_stalls().await;
    world.skip(59.seconds()).await;
    assert_eq!(world.pages(), ["0:00 slack SEV1"], "the first still has it");
    world.skip(1.second()).await;
    assert_eq!(world.pages(), ["0:00 slack SEV1", "0:01 pagerduty SEV1"]);

    // The first learns that it failed, and would try again; but it has no say any more.
    world.pagerduty.network.break_stalled();
    first.await.unwrap();
    let id = world.the_incident().await.id;
    assert_eq!(world.effects(&id).await, ["1 pagerduty done after 2", "2 slack done after 1"]);
    world.wait(3.minutes()).await;
    assert_eq!(world.pagerduty.received().len(), 1);
}

#[tokio::test]
async fn whoever_lost_a_claim_does_not_open_that_of_its_successor() {
    let (world, first) = a_function_that_stalls().await;
    world.advance(1.minute());
    world.dynamodb.arm(after(1).of("UpdateItem"), Fault::Stall);
    let ticking = Arc::clone(&world);
    let second = tokio::spawn(async move { ticking.tick().await });
    world.dynamodb.stalled().await;

    // The second has the claim and has not sent yet. Now the first says that it failed and that anybody may try.
    world.pagerduty.network.break_stalled();
    first.await.unwrap();
    world.skip(10.seconds()).await;
    assert_eq!(world.pagerduty.received(), []);

    world.dynamodb.release();
    second.await.unwrap().answered();
    world.wait(2.minutes()).await;
    assert_eq!(world.pagerduty.received().len(), 1);
    assert_eq!(world.effects(&world.the_incident().await.id).await[0], "1 pagerduty done after 2");
}

#[tokio::test]
async fn a_bot_keeps_one_message_of_an_incident_up_to_date() {
    let world = World::with(Options { slack_bot: true, ..Options::default() }).await;
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.incident(&id).await.threads["slack"].conversation, "C024BE91L");
    world.wait(1.minute()).await;
    world.acknowledge(&id, "alice").await;
    let methods: Vec<String> = world.slack.network.seen().into_iter().map(|request| request.operation).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.update", "chat.postMessage"]);
    assert!(world.slack.network.seen()[2].body.contains("thread_ts"));
}

/// A page by Slack's bot meets this once, and is told by the minute.
async fn a_bot_meets(answer: Answer) -> World {
    let world = World::with(Options { slack_bot: true, ..Options::default() }).await;
    world.slack.answer_with(answer);
    world.breach("ResponseTime", 4000.0).await;
    world.slack.recover();
    world.wait(1.minute()).await;
    world
}

#[tokio::test]
async fn an_error_inside_a_200_is_an_error() {
    let world = a_bot_meets(Answer::Refuse(200, r#"{"ok":false,"error":"internal_error"}"#)).await;
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:01 slack SEV3"], "it may work later, and does");
    let world = a_bot_meets(Answer::Refuse(200, r#"{"ok":false,"error":"channel_not_found"}"#)).await;
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:00 pagerduty SEV3"], "it never will");
}

#[tokio::test]
async fn a_bot_waits_when_it_is_asked_to_and_tries_again_after_an_error() {
    for answer in [Answer::Throttle(30), Answer::Refuse(500, "")] {
        let world = a_bot_meets(answer).await;
        assert_eq!(world.pages(), ["0:00 email SEV3", "0:01 slack SEV3"], "{answer:?}");
    }
}

#[tokio::test]
async fn a_bot_that_gets_no_answer_is_tried_again() {
    let patience = std::time::Duration::from_secs(1);
    let world = World::with(Options { slack_bot: true, patience, ..Options::default() }).await;
    world.slack.network.arm(before(1), Fault::Stall);
    world.breach("ResponseTime", 4000.0).await;
    world.slack.network.break_stalled();
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:01 slack SEV3"]);
}

#[tokio::test]
async fn a_webhook_that_is_reset_is_tried_again() {
    let world = World::new().await;
    world.slack.network.arm(before(1), Fault::Drop);
    world.breach("ResponseTime", 4000.0).await;
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:01 slack SEV3"]);
}

#[tokio::test]
async fn topics_that_are_not_well_are_tried_again_or_passed_by() {
    for (retryable, expected) in [(true, ["0:01 email SEV4"]), (false, ["0:00 slack SEV4"])] {
        let world = World::new().await;
        world.outside.topics_down(retryable);
        world.send(scenarios::messages::from_sns(&scenarios::messages::by_hand("CacheHitRate", 50.0))).await.answered();
        world.outside.topics_up();
        world.wait(1.minute()).await;
        assert_eq!(world.pages(), expected);
    }
}

/// A secret was changed; whoever comes with the old one is answered so, and the new one is read at once.
#[tokio::test]
async fn a_secret_that_is_refused_is_read_anew() {
    for (slack_bot, setting, new, refusal) in [
        (false, "PAGERDUTY_INTEGRATION_KEY", "fedcba9876543210fedcba9876543210", Answer::Refuse(403, "")),
        (true, "SLACK_BOT_TOKEN", "xoxb-fedcba9876543210", Answer::Refuse(401, "")),
        // Slack answers a token that it does not know with 200.
        (
            true,
            "SLACK_BOT_TOKEN",
            "xoxb-fedcba9876543210",
            Answer::Refuse(200, r#"{"ok":false,"error":"invalid_auth"}"#),
        ),
    ] {
        let world = World::with(Options { slack_bot, parameters: true, ..Options::default() }).await;
        let id = world.breach("ResponseTime", 6000.0).await;
        world.resolve(&id, "alice").await;
        let receiver = if slack_bot { &world.slack } else { &world.pagerduty };
        receiver.knows(new, refusal);
        world.parameters.put(setting, new);
        let reads = world.parameters.reads().await;

        world.advance(1.minute());
        world.breach("ResponseTime", 6000.0).await;
        assert_eq!(world.pages()[2..], ["0:01 pagerduty SEV2", "0:01 slack SEV2"], "{setting}");
        assert_eq!(world.parameters.reads().await, reads + 1, "{setting}: once");
    }
}
