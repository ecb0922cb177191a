//! What happens when a function dies half-way.

use monitoring_core::catalogue::Storm;
use scenarios::sweep::Step::{At, Command, Cycle, Daily, Fires, Meanwhile, Press, Recovers, Silence, Tick};
use scenarios::sweep::{Step, Story, sweep, sweep_broken};
use scenarios::{Answer, Fault, Kind, Options, ToSpan, World, after, before};

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

fn bot() -> Options {
    Options { slack_bot: true, ..Options::default() }
}

/// A story in a world as it is shipped.
fn story(name: &'static str, steps: &'static [Step]) -> Story {
    Story { name, options: Options::default, steps }
}

/// A SEV1: its second level is called after 5 minutes.
const ERRORS: Step = Fires("error-rate", "critical");

/// A SEV2 of the same group: its second level is called after 15 minutes.
const SLOW: Step = Fires("response-time", "critical");

/// A SEV3: its second level is called after an hour.
const SLUGGISH: Step = Fires("response-time", "warning");

const DETECTED: &[Step] = &[ERRORS];
const NOBODY_ANSWERS: &[Step] = &[ERRORS, At(9), Tick];
const ACKNOWLEDGED: &[Step] = &[ERRORS, At(4), Command("acknowledge", "api")];
const RESOLVED: &[Step] = &[ERRORS, At(4), Command("resolve", "api")];

#[tokio::test]
async fn wherever_it_dies_an_alert_is_paged() {
    sweep(story("detect and page", DETECTED)).await;
}

#[tokio::test]
async fn wherever_it_dies_the_second_level_is_called() {
    sweep(story("nobody acknowledges", NOBODY_ANSWERS)).await;
}

#[tokio::test]
async fn wherever_it_dies_an_acknowledgement_counts() {
    sweep(story("acknowledge", ACKNOWLEDGED)).await;
}

#[tokio::test]
async fn wherever_it_dies_a_command_resolves() {
    sweep(story("resolve by command", RESOLVED)).await;
}

#[tokio::test]
async fn wherever_it_dies_a_recovery_resolves() {
    sweep(story("recovery resolves", &[SLOW, At(4), Recovers("response-time")])).await;
}

#[tokio::test]
async fn wherever_it_dies_what_gets_worse_is_paged_anew() {
    sweep(story("severity rises after acknowledgement", &[SLOW, At(4), Command("acknowledge", "api"), At(8), ERRORS]))
        .await;
}

#[tokio::test]
async fn wherever_it_dies_a_silence_holds_back_and_releases() {
    sweep(story("a held-back page is released", &[Silence("response-time", 10), At(4), SLUGGISH, At(12), Tick])).await;
}

#[tokio::test]
async fn wherever_it_dies_a_dependency_holds_back_and_releases() {
    let steps = &[SLOW, At(4), Fires("revenue", "warning"), At(8), Command("resolve", "api"), At(12), Tick];
    sweep(story("a dependency holds and releases", steps)).await;
}

#[tokio::test]
async fn wherever_it_dies_a_stale_acknowledgement_calls_again() {
    let steps = &[ERRORS, At(4), Command("acknowledge", "api"), At(66), Tick];
    sweep(story("a stale acknowledgement", steps)).await;
}

#[tokio::test]
async fn wherever_it_dies_the_fallback_is_paged() {
    const STEPS: &[Step] = &[Meanwhile(slack_is_gone), SLUGGISH];
    sweep(story("a channel fails and the fallback is paged", STEPS)).await;
}

fn slack_is_gone(world: &World) {
    world.slack.answer_with(Answer::Refuse(404, "no_service"));
}

#[tokio::test]
async fn wherever_it_dies_a_bots_receipt_comes_back() {
    sweep(Story { options: bot, ..story("a bot's receipt comes back", ACKNOWLEDGED) }).await;
}

#[tokio::test]
async fn wherever_it_dies_a_signed_button_is_carried_out_once() {
    let options = || Options { buttons: true, ..Options::default() };
    sweep(Story { options, ..story("a signed acknowledgement", &[ERRORS, At(4), Press("acknowledge", "api")]) }).await;
    sweep(Story { options, ..story("a signed silence", &[SLUGGISH, At(4), Press("silence_1h", "api")]) }).await;
}

/// More than one incident in ten minutes are a storm.
fn small_cap() -> Options {
    let mut options = Options::default();
    options.catalogue.noise.storm = Storm { incidents: 1, within_seconds: 600 };
    options
}

#[tokio::test]
async fn wherever_it_dies_a_storm_is_one_page() {
    const STEPS: &[Step] = &[
        SLUGGISH,
        // Early enough that a record which comes again is still of the same window.
        At(2),
        Fires("lambda-throttles", "warning"),
        At(4),
        Fires("cache-hit-rate", "warning"),
        At(10),
        Command("resolve", "lambda"),
        // The storm's ten minutes are over, and its second level is not due yet.
        At(12),
        Command("resolve", "cache"),
        Tick,
    ];
    sweep(Story { options: small_cap, ..story("a storm", STEPS) }).await;
}

#[tokio::test]
async fn wherever_it_dies_a_cycle_publishes() {
    const STEPS: &[Step] = &[Meanwhile(errors_begin), At(1), Cycle, At(2), Cycle, At(3), Cycle];
    sweep(story("a cycle publishes", STEPS)).await;
}

#[tokio::test]
async fn wherever_it_dies_the_daily_task_tells_of_a_channel() {
    const STEPS: &[Step] = &[Meanwhile(email_is_wrong), Daily, At(4), Tick];
    sweep(Story { options: bot, ..story("the daily task", STEPS) }).await;
}

fn email_is_wrong(world: &World) {
    world.outside.topic_is_wrong("notify-email", &["nobody has subscribed"]);
}

#[tokio::test]
async fn wherever_a_connection_breaks_nobody_is_left_waiting() {
    sweep_broken(story("detect and page", DETECTED)).await;
    sweep_broken(story("nobody acknowledges", NOBODY_ANSWERS)).await;
    sweep_broken(story("acknowledge", ACKNOWLEDGED)).await;
    sweep_broken(story("resolve by command", RESOLVED)).await;
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
