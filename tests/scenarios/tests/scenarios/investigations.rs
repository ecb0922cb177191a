//! What the suite finds out by itself while people are on their way.

use monitoring_core::incident::{Fact, IncidentId};
use monitoring_core::investigation::{Found, Investigation};
use scenarios::{Kind, Remembers, ToSpan, World};

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

/// The lines of the only investigation.
async fn lines(world: &World, id: &IncidentId) -> Vec<String> {
    let kept = kept(world, id).await;
    assert_eq!(kept.len(), 1);
    kept[0].lines().into_iter().map(|(_, line)| line).collect()
}

const API: &str = "ai-nutritionist-api";

#[tokio::test]
async fn a_deployment_shortly_before_is_named_first_and_in_the_post_mortem() {
    let world = World::new().await;
    // It begins to fail after a minute.
    let deployed = world.now() - 3.minutes();
    let history = world.history().await;
    history.has_versions(&[("$LATEST", deployed), ("41", world.now() - 48.hours()), ("42", deployed)]);
    history.was_published(API, "42", "alice", deployed);
    history.logged("Task timed out after <*> seconds", 312);
    world.outside.reads("RequestCount", 1000.0);
    world.outside.reads("ErrorCount", 10.0);
    world.advance(1.minute());
    world.outside.reads("ErrorCount", 150.0);
    world.advance(10.minutes());
    let id = world.breach("ErrorRate", 15.0).await;

    assert_eq!(world.pages(), ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    let first = "ai-nutritionist-api got version 42 by alice 4 min before it began; likely cause api";
    let told = world.slack.accepted(Kind::Update);
    assert!(told[0].text.contains(first), "{}", told[0].text);
    let lines = lines(&world, &id).await;
    assert!(
        lines.contains(&"changed: ai-nutritionist-api got version 42 by alice (CloudTrail)".to_owned()),
        "{lines:?}"
    );
    assert!(lines.contains(&"log: 312 lines: Task timed out after <*> seconds".to_owned()), "{lines:?}");
    // Calls that change something, of the three hours before the alert until now.
    let asked = history.asked("LookupEvents").await;
    assert_eq!(asked[0]["LookupAttributes"][0]["AttributeKey"], "ReadOnly");
    assert_eq!(asked[0]["LookupAttributes"][0]["AttributeValue"], "false");
    let onset = world.incident(&id).await.onset;
    let from = asked[0]["StartTime"].as_f64().map(|second| format!("{second:.0}"));
    assert_eq!(from, Some((onset - 3.hours()).as_second().to_string()));
    // What is searched costs money: a quarter of an hour before it, and no more.
    let asked = history.asked("StartQuery").await;
    assert_eq!(asked[0]["startTime"].as_i64(), Some((onset - 15.minutes()).as_second()));
    assert_eq!(asked[0]["logGroupNames"][0], "/aws/lambda/ai-nutritionist-api");

    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let document = world.store().post_mortem(&id).await.unwrap().unwrap();
    let page = monitoring_core::post_mortem::markdown::markdown(&document);
    assert!(page.contains("| change | ai-nutritionist-api got version 42 by alice. | CloudTrail, journal "), "{page}");
    assert!(
        page.contains(
            "A change just before the onset may have contributed: ai-nutritionist-api got version 42 by alice 4 min"
        ),
        "{page}"
    );
    assert!(
        page.contains(
            "[Error Analysis](<https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:"
        ),
        "{page}"
    );
}

#[tokio::test]
async fn who_refuses_is_named_and_what_others_tell_is_kept() {
    let world = failing().await;
    let history = world.history().await;
    history.remembers("ListVersionsByFunction", Remembers::Denied);
    history.remembers("StartQuery", Remembers::Denied);
    history.was_published(API, "42", "alice", world.now() - 14.minutes());
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    let lines = lines(&world, &id).await;
    let changed = "changed: ai-nutritionist-api got version 42 by alice (CloudTrail)".to_owned();
    assert!(lines[0].starts_with("cause ") && lines.contains(&changed), "{lines:?}");
    let refused = |what: &str, call: &str| {
        let end = format!("not available: the role may not call {call} (AccessDeniedException)");
        lines.iter().any(|line| line.starts_with(&format!("not known: {what}")) && line.ends_with(&end))
    };
    assert!(refused("versions of ai-nutritionist-api, ", "lambda:ListVersionsByFunction"), "{lines:?}");
    assert!(refused("patterns of the logs", "logs:StartQuery"), "{lines:?}");
}

#[tokio::test]
async fn who_throttles_or_never_answers_delays_no_page_and_costs_the_rest_nothing() {
    let world = failing().await;
    let history = world.history().await;
    history.remembers("LookupEvents", Remembers::Throttled);
    history.remembers("GetQueryResults", Remembers::Nothing);
    history.has_versions(&[("42", world.now() - 14.minutes())]);
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:11 pagerduty SEV1", "0:11 slack SEV1"]);
    let lines = lines(&world, &id).await;
    let changed = "changed: ai-nutritionist-api got version 42 (served by live) (Lambda)".to_owned();
    assert!(lines.contains(&changed), "{lines:?}");
    let throttled = "not known: CloudTrail is not available: cloudtrail:LookupEvents is throttled (ThrottlingException); ask for less, or for a higher quota";
    assert!(lines.contains(&throttled.to_owned()), "{lines:?}");
    assert_eq!(history.asked("LookupEvents").await.len(), 3);
    assert!(
        lines.iter().any(|line| line.contains("patterns of the logs are not available: the query took too long")),
        "{lines:?}"
    );
    // Left alone it would run on, at the account's cost.
    assert_eq!(history.asked("StopQuery").await.len(), 1);
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_post_mortem_says_that_changes_are_not_known() {
    let world = failing().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let document = world.store().post_mortem(&id).await.unwrap().unwrap();
    let page = monitoring_core::post_mortem::markdown::markdown(&document);
    assert!(page.contains("Not known: whether something was deployed or changed just before."), "{page}");
    assert!(document.items.iter().any(|item| item.rule == "changes-unknown"));
}
