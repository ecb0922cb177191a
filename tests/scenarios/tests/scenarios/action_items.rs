//! What a post-mortem asks for is a thing of its own, which people take in hands.

use monitoring_aws::action_items::ChangeError;
use monitoring_core::action_item::{ActionItem, Status};
use monitoring_core::incident::IncidentId;
use scenarios::{ToSpan, World};
use serde_json::{Value, json};

/// A SEV1 that alice resolved by hand while it still fired, and its document.
async fn over() -> (World, IncidentId) {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.acknowledge(&id, "alice").await;
    world.wait(10.minutes()).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    (world, id)
}

/// Those of what happened. A story without telemetry has others besides, for what is not known of it.
fn of_what_happened(items: Vec<ActionItem>) -> Vec<ActionItem> {
    items.into_iter().filter(|item| !item.item.ends_with("-unknown")).collect()
}

async fn items(world: &World, id: &IncidentId) -> Vec<ActionItem> {
    of_what_happened(world.store().action_items_of(id).await.unwrap())
}

fn command(id: &IncidentId, item: &str, command: &str, more: &Value) -> Value {
    let mut event = json!({ "action_item": format!("{id}/{item}"), "command": command, "by": "ana" });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

#[tokio::test]
async fn a_sev1_that_ends_leaves_items_with_an_owner_and_a_day() {
    let (world, id) = over().await;
    let items = items(&world, &id).await;
    let told: Vec<_> = items
        .iter()
        .map(|item| (item.item.as_str(), item.priority.as_str(), item.owner.as_deref(), item.due.to_string()))
        .collect();
    // It is Monday, 23 November. Platform is on call with chloe until 09:00 in New York, two hours from then.
    let expected = [
        ("root-cause", "critical", Some("chloe"), "2026-11-26".to_owned()),
        ("unmeasured-end", "high", Some("chloe"), "2026-11-30".to_owned()),
    ];
    assert_eq!(told, expected);
    assert_eq!(items[0].done_when, format!("the post-mortem of {id} says what it was, and what shows that"));
    let (listed, errors) = world.store().action_items(world.now()).await.unwrap();
    assert!(errors.is_empty());
    assert_eq!(of_what_happened(listed), items);
}

#[tokio::test]
async fn a_document_written_anew_makes_none_twice_and_undoes_nothing() {
    let (world, id) = over().await;
    let first = items(&world, &id).await;
    world.post_mortem(&json!({ "incident_id": id })).await.unwrap();
    assert_eq!(items(&world, &id).await, first, "the same effect twice");

    world.wait(1.minutes()).await;
    let done = command(&id, "root-cause", "done", &json!({ "text": "an index was dropped" }));
    world.action_item(&done).await.unwrap();
    world.action_item(&command(&id, "unmeasured-end", "due", &json!({ "due": "2026-12-24" }))).await.unwrap();
    world.action_item(&command(&id, "unmeasured-end", "reassign", &json!({ "to": "ben" }))).await.unwrap();
    let changed = items(&world, &id).await;
    world.post_mortem(&json!({ "incident_id": id })).await.unwrap();
    assert_eq!(items(&world, &id).await, changed);
    let told: Vec<_> = changed.iter().map(|item| (item.status, item.owner.as_deref(), item.due.to_string())).collect();
    let expected =
        [(Status::Done, Some("chloe"), "2026-11-26".to_owned()), (Status::Open, Some("ben"), "2026-12-24".to_owned())];
    assert_eq!(told, expected);
    assert_eq!(changed[0].history.last().unwrap().why.as_deref(), Some("an index was dropped"));
}

#[tokio::test]
async fn an_end_that_was_measured_after_all_drops_what_nobody_has_in_hands() {
    let (world, id) = over().await;
    world.send(scenarios::messages::command("reopen", id.as_str(), "alice")).await.answered();
    world.wait(2.minutes()).await;
    world.alert(&world.recovers("error-rate", world.now())).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let items = items(&world, &id).await;
    let item = items.iter().find(|item| item.item == "unmeasured-end").unwrap();
    assert_eq!(item.status, Status::Dropped, "{items:#?}");
    assert!(items.iter().any(|item| item.item == "reopened" && item.status == Status::Open), "{items:#?}");
}

#[tokio::test]
async fn the_next_incident_of_a_kind_tells_what_was_left_undone() {
    let (world, first) = over().await;
    world.advance(1.hour());
    let second = world.breach("ErrorRate", 20.0).await;
    world.resolve(&second, "alice").await;
    world.run_functions().await;
    let left = items(&world, &second).await;
    let repeat = left.iter().find(|item| item.item == "repeat").expect("an item about the repeat");
    assert_eq!(repeat.title, format!("Finish what is left to do since {first}"));
    let document = world.store().post_mortem(&second).await.unwrap().unwrap();
    assert_eq!(document.similar[0].open_items, 5);

    // What is done afterwards does not change what had been left undone when it happened.
    world.action_item(&command(&first, "root-cause", "done", &json!({ "text": "found" }))).await.unwrap();
    assert!(!world.post_mortem(&json!({ "incident_id": second })).await.unwrap().changed);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_to_do() {
    let (world, id) = over().await;
    for (event, expected) in [
        (json!({ "action_item": "INC-1" }), "the command cannot be read"),
        (command(&id, "Root", "start", &json!({})), "is of the form INC-20261123-0f3a9c1d/root-cause"),
        (command(&id, "nothing", "start", &json!({})), "there is no action item"),
        (command(&id, "root-cause", "close", &json!({})), "there are start, done, drop, reassign and due"),
        (command(&id, "root-cause", "done", &json!({ "text": " " })), "say why"),
        (command(&id, "root-cause", "reassign", &json!({ "to": "eve" })), "there are ana, ben, chloe, business"),
        (command(&id, "root-cause", "due", &json!({ "due": "soon" })), "due is a day such as 2026-12-24"),
        (command(&id, "root-cause", "start", &json!({ "by": " " })), "by is empty"),
    ] {
        let error = world.action_item(&event).await.unwrap_err();
        assert!(matches!(error, ChangeError::Refused(_)) && error.to_string().contains(expected), "{event}: {error}");
    }
    let drop = command(&id, "root-cause", "drop", &json!({ "text": "known" }));
    world.action_item(&drop).await.unwrap();
    let again = world.action_item(&drop).await.unwrap_err();
    assert!(again.to_string().ends_with("/root-cause: it is dropped already"), "{again}");
    world.action_item(&command(&id, "root-cause", "start", &json!({}))).await.unwrap();
    assert_eq!(items(&world, &id).await[0].status, Status::InProgress);
}
