//! What did not go well: a story for each rule that says so, from its first alert to the action item that it asks for.

use monitoring_core::incident::IncidentId;
use monitoring_core::post_mortem::{PostMortem, Section};
use scenarios::{Answer, Fault, ToSpan, World, every, messages};
use serde_json::json;

/// Its document, when alice has ended it.
async fn ended(world: &World, id: &IncidentId) -> PostMortem {
    world.resolve(id, "alice").await;
    world.run_functions().await;
    // A mild one has a document where somebody asks for it.
    world.post_mortem(&json!({ "incident_id": id })).await.unwrap();
    world.store().post_mortem(id).await.unwrap().unwrap()
}

/// That it did not go well is said with its facts, and an action item of this rule is there for the same reason.
#[track_caller]
fn check(document: &PostMortem, rule: &str, said: &str) {
    let wrong = document.statements(Section::WentWrong);
    let finding = wrong.iter().find(|statement| statement.text().contains(said));
    let finding = finding.unwrap_or_else(|| panic!("{said}: {wrong:#?}"));
    assert!(!finding.sources().is_empty(), "{finding:?}");
    let item = document.items.iter().find(|item| item.rule == rule);
    let item = item.unwrap_or_else(|| panic!("{rule}: {:#?}", document.items));
    assert_eq!(&item.why, finding);
}

async fn fires(world: &World, rule: &str, level: &str) -> IncidentId {
    let touched = world.alert(&world.fires(rule, level, world.now())).await;
    IncidentId::parse(&touched[0].id).unwrap()
}

#[tokio::test]
async fn late_detection() {
    let world = World::new().await;
    world.outside.reads("RequestCount", 400.0);
    world.outside.reads("ErrorCount", 2.0);
    world.wait(5.minutes()).await;
    // Every fourth request fails, and nobody looks for ten minutes.
    world.outside.reads("ErrorCount", 100.0);
    world.wait(10.minutes()).await;
    let id = fires(&world, "error-rate", "critical").await;
    check(
        &ended(&world, &id).await,
        "late-detection",
        "It showed for 10 min before it was detected; 5 min are allowed.",
    );
}

#[tokio::test]
async fn late_acknowledgement() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(6.minutes()).await;
    world.acknowledge(&id, "alice").await;
    let document = ended(&world, &id).await;
    check(&document, "late-acknowledgement", "It took 6 min until somebody acknowledged; SEV1 allows 5 min.");
}

#[tokio::test]
async fn nobody_acknowledged() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(6.minutes()).await;
    let document = ended(&world, &id).await;
    check(&document, "nobody-acknowledged", "Nobody acknowledged, although people were called 2 times.");
}

#[tokio::test]
async fn late_resolution() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(1.minute()).await;
    world.acknowledge(&id, "alice").await;
    world.skip(61.minutes()).await;
    let document = ended(&world, &id).await;
    check(&document, "late-resolution", "It took 1 h 2 min until it was over; a SEV1 should be over within 1 h.");
}

#[tokio::test]
async fn an_end_that_nothing_has_measured() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    check(&ended(&world, &id).await, "unmeasured-end", "It was resolved by hand while this still fired: ErrorRate");
}

#[tokio::test]
async fn a_message_that_was_given_up() {
    let world = World::new().await;
    world.slack.answer_with(Answer::Refuse(404, "no_service"));
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(1.minute()).await;
    check(&ended(&world, &id).await, "message-given-up", "Messages by slack were given up: ");
}

#[tokio::test]
async fn what_could_not_be_recorded_at_first() {
    let world = World::new().await;
    world.dynamodb.down();
    world.publish(&messages::by_hand("ErrorRate", 15.0));
    world.deliver().await;
    world.dynamodb.up();
    world.advance(3.minutes());
    world.deliver().await;
    let id = world.the_incident().await.id;
    check(&ended(&world, &id).await, "unrecorded", "The suite could not record it at first");
}

#[tokio::test]
async fn a_silence_that_hid_it() {
    let world = World::new().await;
    let silence = world.silence(&json!({ "group": "api" }), 30).await;
    let id = fires(&world, "response-time", "critical").await;
    world.wait(31.minutes()).await;
    let said = format!("It was held back by {silence}; people were called 30 min later.");
    check(&ended(&world, &id).await, "silenced", &said);
}

#[tokio::test]
async fn whoever_was_not_heard_of_again() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.acknowledge(&id, "bob").await;
    world.skip(61.minutes()).await;
    let said = "bob acknowledged and was not heard of again, so people were called anew.";
    check(&ended(&world, &id).await, "went-stale", said);
}

#[tokio::test]
async fn what_was_over_too_early() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.resolve(&id, "alice").await;
    world.send(messages::command("reopen", id.as_str(), "alice")).await.answered();
    check(&ended(&world, &id).await, "reopened", "It was said to be over too early: it was reopened once.");
}

#[tokio::test]
async fn what_has_no_runbook() {
    let world = World::new().await;
    let id = world.breach("QueueAge", 900.0).await;
    check(&ended(&world, &id).await, "no-runbook", "There was no runbook for it.");
}

#[tokio::test]
async fn a_repeat_of_what_was_never_finished() {
    let world = World::new().await;
    let first = world.breach("ErrorRate", 15.0).await;
    let left = ended(&world, &first).await.items.len();
    world.advance(1.hour());
    let second = world.breach("ErrorRate", 20.0).await;
    let said = format!("It is like {first} (ErrorRate");
    let document = ended(&world, &second).await;
    check(&document, "repeat", &said);
    check(&document, "repeat", &format!("of which {left} action items were not done."));
}

#[tokio::test]
async fn an_action_that_did_not_help() {
    let world = World::new().await;
    let id = fires(&world, "lambda-throttles", "warning").await;
    world.wait(11.minutes()).await;
    check(&ended(&world, &id).await, "action-no-help", "Automated action 1: ");
}

#[tokio::test]
async fn an_action_that_failed() {
    let world = World::new().await;
    // The one who changes things may not.
    world.aws.arm(every().of("PutParameter"), Fault::Answer(400, r#"{"__type":"AccessDeniedException"}"#));
    let id = fires(&world, "lambda-throttles", "warning").await;
    world.wait(6.minutes()).await;
    check(&ended(&world, &id).await, "action-failed", "Automated action 1: ");
}
