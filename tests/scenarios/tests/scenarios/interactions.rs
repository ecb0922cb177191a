//! What people do in Slack and `PagerDuty`.

use jiff::SignedDuration;
use monitoring_aws::interactions::Answer;
use monitoring_core::incident::{Fact, IncidentId, Status};
use scenarios::senders::{SLACK_SECRET, buttons, from_slack, happened, integration, person, press};
use scenarios::{Fault, Invocation, Kind, Options, ToSpan, World, after, before};
use serde_json::Value;

/// How often an incident was acknowledged.
async fn acknowledgements(world: &World, id: &IncidentId) -> usize {
    world.facts(id).await.iter().filter(|fact| matches!(fact, Fact::Acknowledged { .. })).count()
}

#[tokio::test]
async fn a_button_in_slack_acknowledges_a_page() {
    let world = World::with(Options { buttons: true, ..Options::default() }).await;
    let id = world.breach("ErrorRate", 15.0).await;
    let message: Value = serde_json::from_str(&world.slack.received()[0].text).unwrap();
    assert_eq!(buttons(&message, &id), ["acknowledge", "resolve", "silence_1h"]);

    world.advance(1.minute());
    let pressed = press("acknowledge", id.as_str(), "alice", world.now(), 1);
    let (answer, invocation) = world.interact(&pressed).await;
    assert_eq!(answer, Answer::Commanded);
    assert_eq!(invocation.unwrap().answered().incidents[0].reasons, ["acknowledged; nobody else is called"]);
    let incident = world.incident(&id).await;
    assert_eq!(incident.acknowledgement.unwrap().by, "alice");
    assert_eq!(world.pagerduty.keys(Kind::Acknowledged), [id.as_str()]);

    // Nobody else is called, and what is said now has no such button.
    world.wait(30.minutes()).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    let message: Value = serde_json::from_str(&world.slack.accepted(Kind::Acknowledged)[0].text).unwrap();
    assert_eq!(buttons(&message, &id), ["resolve", "silence_1h"]);
}

#[tokio::test]
async fn without_anybody_to_hear_them_there_are_no_buttons() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let message: Value = serde_json::from_str(&world.slack.received()[0].text).unwrap();
    assert_eq!(buttons(&message, &id), Vec::<String>::new());
}

#[tokio::test]
async fn a_button_in_slack_resolves() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.interact(&press("resolve", id.as_str(), "alice", world.now(), 1)).await.1.unwrap().answered();
    let incident = world.incident(&id).await;
    assert_eq!((incident.status, incident.resolution.unwrap().by.as_str()), (Status::Resolved, "alice"));
}

/// The page went out under a key of the group, and whoever answers it at `PagerDuty` answers for the incident.
#[tokio::test]
async fn what_was_paged_before_it_was_recorded_is_acknowledged_at_pagerduty() {
    let world = World::new().await;
    world.dynamodb.down();
    world.publish(&scenarios::messages::by_hand("ErrorRate", 15.0));
    world.deliver().await;
    let key = world.pagerduty.keys(Kind::Page).remove(0);
    assert_eq!(key, "ai-nutritionist/api");
    let acknowledges = |event| happened("incident.acknowledged", &key, &person("alice"), event);
    assert!(matches!(world.interact(&acknowledges("E1")).await.1, Some(Invocation::Failed(_))));

    world.dynamodb.up();
    let refused = world.interact(&acknowledges("E2")).await.1.unwrap();
    let Invocation::Failed(error) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("is not recorded yet"), "{error}");

    world.advance(3.minutes());
    world.deliver().await;
    let id = world.the_incident().await.id;
    world.interact(&acknowledges("E2")).await.1.unwrap().answered();
    assert_eq!(world.incident(&id).await.acknowledgement.unwrap().by, "alice");
    // Another suite's pages are none of ours.
    let foreign = happened("incident.acknowledged", "ai-nutritionist-staging/api", &person("alice"), "E3");
    assert_eq!(world.interact(&foreign).await.0, Answer::Ignored);
}

#[tokio::test]
async fn what_is_forged_altered_or_late_changes_nothing() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let genuine = press("acknowledge", id.as_str(), "alice", world.now(), 1);
    let body = String::from_utf8(genuine.body.clone()).unwrap();

    let forged = from_slack("a guess", &body, world.now());
    let mut altered = genuine.clone();
    altered.body = body.replace("acknowledge", "resolve").into_bytes();
    let mut moved = genuine.clone();
    moved.headers.insert("x-slack-request-timestamp".to_owned(), (world.now().as_second() + 1).to_string());
    let mut unsigned = genuine.clone();
    unsigned.headers.clear();
    let early = from_slack(SLACK_SECRET, &body, world.now() + SignedDuration::from_secs(301));
    for (what, request) in
        [("forged", forged), ("altered", altered), ("moved", moved), ("unsigned", unsigned), ("early", early)]
    {
        let (answer, invocation) = world.interact(&request).await;
        assert_eq!((answer, invocation.is_some()), (Answer::Unsigned, false), "{what}");
    }

    world.advance(301.seconds());
    assert_eq!(world.interact(&genuine).await.0, Answer::Unsigned, "5 minutes and a second later");
    assert_eq!(acknowledgements(&world, &id).await, 0);
}

#[tokio::test]
async fn what_is_sent_again_is_carried_out_once() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let overheard = press("resolve", id.as_str(), "alice", world.now(), 1);
    world.interact(&overheard).await.1.unwrap().answered();
    assert_eq!(world.incident(&id).await.status, Status::Resolved);

    // It was not over after all. Who overheard the button cannot end it once more.
    world.send(scenarios::messages::command("reopen", id.as_str(), "alice")).await.answered();
    let before = world.incident(&id).await;
    let (answer, invocation) = world.interact(&overheard).await;
    assert_eq!(answer, Answer::Commanded, "interactions cannot know");
    let touched = invocation.unwrap().answered().incidents.remove(0);
    assert_eq!((touched.changed, touched.reasons), (false, vec!["this was carried out already".to_owned()]));
    assert_eq!(world.incident(&id).await, before);

    // Alice can, with another press.
    world.interact(&press("resolve", id.as_str(), "alice", world.now(), 2)).await.1.unwrap().answered();
    assert_eq!(world.incident(&id).await.status, Status::Resolved);
}

#[tokio::test]
async fn what_changed_nothing_cannot_be_sent_again_when_it_would() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.acknowledge(&id, "bob").await;
    let overheard = press("acknowledge", id.as_str(), "alice", world.now(), 1);
    let touched = world.interact(&overheard).await.1.unwrap().answered().incidents.remove(0);
    assert!(!touched.changed && touched.reasons[0].starts_with("bob acknowledged it"), "{touched:?}");

    world.resolve(&id, "bob").await;
    world.send(scenarios::messages::command("reopen", id.as_str(), "bob")).await.answered();
    let touched = world.interact(&overheard).await.1.unwrap().answered().incidents.remove(0);
    assert_eq!((touched.changed, touched.reasons), (false, vec!["this was carried out already".to_owned()]));
    assert_eq!(world.incident(&id).await.status, Status::Detected);
    // The messages, and what was asked of functions: an investigation and a post-mortem.
    let effects = world.effects(&id).await.len() + 2;
    assert_eq!(world.journal(&id).await.len(), world.facts(&id).await.len() + effects);
}

#[tokio::test]
async fn a_silence_that_is_sent_again_lasts_no_longer() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let overheard = press("silence_1h", id.as_str(), "alice", world.now(), 1);
    let until = world.now() + SignedDuration::from_hours(1);
    world.interact(&overheard).await.1.unwrap().answered();
    let silences = world.store().all_silences().await.unwrap();
    assert_eq!(
        silences.iter().map(|silence| (silence.by.as_str(), silence.until)).collect::<Vec<_>>(),
        [("alice", until)]
    );

    world.advance(4.minutes());
    let touched = world.interact(&overheard).await.1.unwrap().answered().incidents.remove(0);
    assert_eq!((touched.changed, touched.reasons), (false, vec!["this was carried out already".to_owned()]));
    assert_eq!(world.store().all_silences().await.unwrap(), silences);

    // Nor does it come back when it was ended.
    assert!(world.store().end_silence(&silences[0].id, "bob", world.now()).await.unwrap());
    world.interact(&overheard).await.1.unwrap().answered();
    assert_eq!(world.store().silences(world.now()).await.unwrap(), []);
}

#[tokio::test]
async fn a_silence_that_lambda_repeats_because_its_function_died_is_one() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let pressed = press("silence_1h", id.as_str(), "alice", world.now(), 1);
    world.dynamodb.arm(before(1).of("TransactWriteItems"), Fault::Crash);
    assert!(world.interact(&pressed).await.1.unwrap().crashed());

    world.advance(2.minutes());
    let touched = world.interact(&pressed).await.1.unwrap().answered().incidents.remove(0);
    assert!(touched.changed, "{touched:?}");
    assert_eq!(world.store().all_silences().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_button_twice_at_a_time_is_one_change() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let pressed = press("acknowledge", id.as_str(), "alice", world.now(), 1);
    let (first, second) = tokio::join!(world.interact(&pressed), world.interact(&pressed));
    let changed: Vec<bool> = [first, second]
        .into_iter()
        .map(|(_, invocation)| invocation.unwrap().answered().incidents[0].changed)
        .collect();
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "{changed:?}");
    assert_eq!(acknowledgements(&world, &id).await, 1);
}

#[tokio::test]
async fn a_command_that_lambda_repeats_because_its_function_died_is_carried_out_once() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    let pressed = press("acknowledge", id.as_str(), "alice", world.now(), 1);
    world.dynamodb.arm(after(1).of("TransactWriteItems"), Fault::Crash);
    assert!(world.interact(&pressed).await.1.unwrap().crashed());
    assert_eq!(world.pagerduty.keys(Kind::Acknowledged), Vec::<String>::new());

    world.interact(&pressed).await.1.unwrap().answered();
    world.skip(1.minute()).await;
    assert_eq!(acknowledgements(&world, &id).await, 1);
    assert_eq!(world.pagerduty.accepted(Kind::Acknowledged).len(), 1);
}

#[tokio::test]
async fn a_button_of_an_incident_that_nobody_knows_changes_nothing() {
    let world = World::new().await;
    let pressed = press("acknowledge", "INC-20261123-00000000", "alice", world.now(), 1);
    let (answer, invocation) = world.interact(&pressed).await;
    assert_eq!(answer, Answer::Commanded);
    assert!(format!("{invocation:?}").contains("there is no incident INC-20261123-00000000"));
    assert_eq!(world.incidents().await, []);
}

#[tokio::test]
async fn an_acknowledgement_at_pagerduty_comes_back() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(5.minutes()).await;
    let keys = world.pagerduty.keys(Kind::Page);
    let second = &keys[1];
    assert_eq!(*second, format!("{id}/2.0"));

    // Whoever is called second says so on the phone.
    let event = happened("incident.acknowledged", second, &person("Bob Barr"), "01BRB6ZP4M6T8ZG4X6BP63ZB9O");
    world.interact(&event).await.1.unwrap().answered();
    assert_eq!(world.incident(&id).await.acknowledgement.unwrap().by, "Bob Barr");
    world.wait(30.minutes()).await;
    assert_eq!(world.pagerduty.keys(Kind::Page), keys);

    // PagerDuty tries again when an answer is lost.
    world.interact(&event).await.1.unwrap().answered();
    assert_eq!(acknowledgements(&world, &id).await, 1);
}

#[tokio::test]
async fn what_the_suite_did_at_pagerduty_does_not_go_in_circles() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    for (number, kind) in ["incident.triggered", "incident.acknowledged", "incident.resolved"].into_iter().enumerate() {
        let event = happened(kind, id.as_str(), &integration(), &format!("01BRB6ZP4M{number}"));
        let (answer, invocation) = world.interact(&event).await;
        assert_eq!((answer, invocation.is_some()), (Answer::Ignored, false), "{kind}");
    }
    assert_eq!(world.incident(&id).await.status, Status::Detected);
}
