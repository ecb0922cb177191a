//! What the suite finds out by itself while people are on their way.

use monitoring_core::incident::{Fact, IncidentId};
use monitoring_core::investigation::{Found, Investigation};
use scenarios::{Kind, ToSpan, World};

async fn kept(world: &World, id: &IncidentId) -> Vec<Investigation> {
    let facts = world.facts(id).await.into_iter().filter_map(|fact| match fact {
        Fact::Investigated { found } => Some(*found),
        _ => None,
    });
    facts.collect()
}

/// One request in a hundred fails, then 15: a while before they are an incident.
async fn failing() -> World {
    let world = World::new().await;
    world.outside.reads("RequestCount", 1000.0);
    world.outside.reads("ErrorCount", 10.0);
    world.advance(1.minute());
    world.outside.reads("ErrorCount", 150.0);
    world.advance(10.minutes());
    world
}

#[tokio::test]
async fn the_answer_comes_into_the_journal_and_the_thread_and_the_pages_are_there_before() {
    let world = failing().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let kept = kept(&world, &id).await;
    assert_eq!(kept.len(), 1);
    assert!(kept[0].is_news, "{kept:?}");
    assert_eq!(world.pages(), ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    let told = world.slack.accepted(Kind::Update);
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("likely cause api"), "{}", told[0].text);
    assert!(world.pagerduty.accepted(Kind::Update).is_empty());
}

#[tokio::test]
async fn a_function_that_takes_nothing_delays_no_page_and_is_asked_again() {
    let world = failing().await;
    world.outside.functions_down(true);
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    assert!(kept(&world, &id).await.is_empty());
    world.outside.functions_up();
    world.wait(2.minutes()).await;
    assert_eq!(kept(&world, &id).await.len(), 1);
}

#[tokio::test]
async fn one_that_is_refused_for_good_harms_nothing() {
    let world = failing().await;
    world.outside.functions_down(false);
    let id = world.breach("ErrorRate", 15.0).await;
    world.outside.functions_up();
    world.wait(6.minutes()).await;
    assert!(kept(&world, &id).await.is_empty());
    assert_eq!(world.pages()[..2], ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    world.resolve(&id, "alice").await;
}

#[tokio::test]
async fn a_second_answer_changes_nothing() {
    let world = failing().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let before = world.incident(&id).await;
    let question = serde_json::json!({ "rule": "error-rate", "group": "api", "onset": world.now() });
    let event = serde_json::json!({ "incident_id": id, "investigate": question });
    world.investigate(&event).await.unwrap();
    world.run_functions().await;
    assert_eq!(world.incident(&id).await, before);
    assert_eq!(world.slack.accepted(Kind::Update).len(), 1);
}

#[tokio::test]
async fn a_source_that_fails_is_among_what_was_found() {
    let world = failing().await;
    world.outside.fails("ResponseTime", "it is throttled");
    let id = world.breach("ErrorRate", 15.0).await;
    let lines: Vec<String> = kept(&world, &id).await[0].findings.iter().map(Found::line).collect();
    assert!(lines.contains(&"not known: ResponseTime: it is throttled".to_owned()), "{lines:?}");
}
