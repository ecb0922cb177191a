//! What is left of an incident when it is over: a document, and somebody who reads it.

use monitoring_aws::post_mortem::WriteError;
use monitoring_core::incident::IncidentId;
use monitoring_core::post_mortem::{PostMortem, Section, Source, Statement};
use scenarios::{Kind, Remembers, ToSpan, World};
use serde_json::{Value, json};

async fn document(world: &World, id: &IncidentId) -> Option<PostMortem> {
    world.store().post_mortem(id).await.unwrap()
}

fn says(document: &PostMortem, section: Section) -> String {
    let statements: Vec<String> = document.statements(section).iter().map(Statement::text).collect();
    statements.join(" ")
}

fn about(id: &IncidentId) -> Value {
    json!({ "incident_id": id })
}

/// A SEV1 that alice acknowledged after three minutes and resolved after ten.
async fn over() -> (World, IncidentId) {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(3.minutes()).await;
    world.acknowledge(&id, "alice").await;
    world.wait(7.minutes()).await;
    world.resolve(&id, "alice").await;
    (world, id)
}

#[tokio::test]
async fn a_sev1_that_ends_has_a_document_and_its_reviewers_are_told() {
    let (world, id) = over().await;
    assert_eq!(document(&world, &id).await, None, "nobody has waited for it");
    world.run_functions().await;

    let document = document(&world, &id).await.unwrap();
    assert_eq!((document.version, document.is_draft()), (1, true));
    assert!(says(&document, Section::Summary).contains("alice acknowledged it after 3 min."));
    assert!(says(&document, Section::WentWell).contains("All 2 pages were accepted at their first attempt."));
    assert!(says(&document, Section::WentWrong).contains("It was resolved by hand while this still fired: ErrorRate"));
    let rules: Vec<&str> = document.items.iter().map(|item| item.rule.as_str()).collect();
    assert_eq!(rules, ["root-cause", "unmeasured-end", "impact-unknown", "onset-unknown", "changes-unknown"]);

    assert_eq!(world.messages(Kind::PostMortem), ["0:10 slack SEV1"]);
    let told = &world.slack.accepted(Kind::PostMortem)[0].text;
    assert!(told.contains("To be reviewed by Platform Engineering: a draft is written, with 5 action items"), "{told}");
    assert!(told.contains(&format!("monitorctl post-mortems show {id}")), "{told}");
    let (listed, _) = world.store().post_mortems().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].incident_id, listed[0].title.as_str()), (&id, document.title.as_str()));
}

#[tokio::test]
async fn one_that_is_asked_for_twice_is_one_document_and_one_message() {
    let (world, id) = over().await;
    world.run_functions().await;
    let first = document(&world, &id).await;
    world.wait(5.minutes()).await;
    let again = world.post_mortem(&about(&id)).await.unwrap();
    world.run_functions().await;
    assert!(!again.changed);
    assert_eq!(document(&world, &id).await, first);
    assert_eq!(world.messages(Kind::PostMortem).len(), 1);
}

#[tokio::test]
async fn what_it_cost_is_counted_as_far_as_the_data_goes_and_further_when_it_is_written_again() {
    let world = World::new().await;
    world.outside.reads("ErrorCount", 2.0);
    world.outside.reads("Revenue", 200.0);
    let id = world.breach("ErrorRate", 15.0).await;
    world.outside.reads("ErrorCount", 50.0);
    world.outside.reads("Revenue", 20.0);
    world.wait(10.minutes()).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let early = says(&document(&world, &id).await.unwrap(), Section::Impact);
    assert!(early.contains("Requests failed: 50 from 2026-11-23 12:00 UTC to 2026-11-23 12:05 UTC; "), "{early}");
    assert!(early.contains("What came until 2026-11-23 12:10 UTC is not counted yet."), "{early}");
    assert!(early.contains("Not known: revenue lost from 2026-11-23 12:00 UTC to 2026-11-23 13:00 UTC."), "{early}");

    world.wait(51.minutes()).await;
    assert!(world.post_mortem(&about(&id)).await.unwrap().changed);
    let late = says(&document(&world, &id).await.unwrap(), Section::Impact);
    assert!(
        late.contains("Requests failed: 100 from 2026-11-23 12:00 UTC to 2026-11-23 12:10 UTC; the same hours of 4 earlier weeks had 4"),
        "{late}"
    );
    assert!(late.contains("Revenue lost: about $180: there was $20 from"), "{late}");
    let unmeasured = "Not known: meal plans not made from 2026-11-23 12:00 UTC to 2026-11-23 13:00 UTC. It takes data that was not \
                      available (there is no data of MealPlansGenerated in these hours";
    assert!(late.contains(unmeasured), "{late}");
    assert!(!world.post_mortem(&about(&id)).await.unwrap().changed, "it is known now");
}

#[tokio::test]
async fn figures_that_cloudwatch_refuses_are_said_to_be_not_available_and_everything_else_is_there() {
    let (world, id) = over().await;
    let refusal = "cloudwatch:GetMetricData is refused (AccessDenied)";
    for metric in ["ErrorCount", "Revenue", "MealPlansGenerated"] {
        world.outside.fails(metric, refusal);
    }
    world.wait(1.hour()).await;
    world.post_mortem(&about(&id)).await.unwrap();
    let document = document(&world, &id).await.unwrap();
    let impact = says(&document, Section::Impact);
    assert_eq!(impact.matches(&format!("It takes data that was not available ({refusal}).")).count(), 3, "{impact}");
    assert!(impact.contains("Duration: 10 min"), "{impact}");
    assert!(document.timeline.iter().any(|line| line.text == "alice acknowledged"));
}

#[tokio::test]
async fn what_cloudtrail_and_the_logs_refuse_stands_with_what_was_found_without_them() {
    let world = World::new().await;
    let history = world.history().await;
    history.remembers("LookupEvents", Remembers::Denied);
    history.remembers("StartQuery", Remembers::Denied);
    history.has_versions(&[("41", world.now() - 48.hours())]);
    world.outside.reads("RequestCount", 1000.0);
    world.outside.reads("ErrorCount", 10.0);
    world.advance(1.minute());
    world.outside.reads("ErrorCount", 150.0);
    world.advance(10.minutes());
    let id = world.breach("ErrorRate", 15.0).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let document = document(&world, &id).await.unwrap();
    let causes = says(&document, Section::RootCause);
    for refused in [
        "CloudTrail is not available: the role may not call cloudtrail:LookupEvents (AccessDeniedException).",
        "patterns of the logs are not available: the role may not call logs:StartQuery (AccessDeniedException).",
    ] {
        assert!(causes.contains(&format!("this could not be looked at: {refused}")), "{causes}");
    }
    assert!(causes.contains("Lambda knew of no deployment or change of configuration"), "{causes}");
}

#[tokio::test]
async fn reviewers_are_reminded_each_day_until_somebody_approves() {
    let (world, id) = over().await;
    world.run_functions().await;
    for reminder in 1..=2 {
        world.skip(24.hours()).await;
        world.run_functions().await;
        let told = world.slack.accepted(Kind::PostMortem);
        assert_eq!(told.len(), reminder + 1);
        let expected = format!("nobody has approved it yet; reminder {reminder}");
        assert!(told[reminder].text.contains(&expected), "{}", told[reminder].text);
    }
    world.post_mortem(&json!({ "incident_id": id, "approve": { "by": "ben" } })).await.unwrap();
    world.run_functions().await;
    world.skip(48.hours()).await;
    world.run_functions().await;
    assert_eq!(world.messages(Kind::PostMortem).len(), 3);
    assert!(world.outside.take_invocations().is_empty());
    assert!(document(&world, &id).await.unwrap().approval.is_some());
}

#[tokio::test]
async fn the_document_is_written_again_by_itself_when_its_hours_are_over() {
    let world = World::new().await;
    world.outside.reads("Revenue", 200.0);
    let id = world.breach("ErrorRate", 15.0).await;
    world.outside.reads("Revenue", 20.0);
    world.wait(10.minutes()).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    // Over at 12:10; the hour is counted at 13:01.
    world.skip(50.minutes()).await;
    world.run_functions().await;
    assert!(says(&document(&world, &id).await.unwrap(), Section::Impact).contains("Not known: revenue lost"));
    world.skip(1.minute()).await;
    world.run_functions().await;
    let impact = says(&document(&world, &id).await.unwrap(), Section::Impact);
    assert!(impact.contains("Revenue lost: about $180"), "{impact}");
    assert_eq!(world.messages(Kind::PostMortem).len(), 1, "that is no reason to remind anybody");
}

#[tokio::test]
async fn a_metric_that_showed_it_before_its_alert_begins_the_timeline() {
    let world = World::new().await;
    world.outside.reads("RequestCount", 400.0);
    world.outside.reads("ErrorCount", 2.0);
    world.wait(5.minutes()).await;
    world.outside.reads("ErrorCount", 100.0);
    world.fast_forward(8.minutes()).await;
    let incident = world.latest("api").await.expect("every fourth request fails");
    world.resolve(&incident.id, "alice").await;
    world.run_functions().await;
    let document = document(&world, &incident.id).await.unwrap();
    assert_eq!(document.timeline[0].text, "ErrorRate left what was usual, 0.45 % to 0.55 %: 25 %.");
    assert_eq!(document.timeline[0].at, "2026-11-23T12:05:00Z".parse().unwrap());
    let detect = &document.timings[0];
    assert_eq!(detect.seconds, Some(incident.opened_at.duration_since(document.timeline[0].at).as_secs()));
    assert!(detect.is_late().is_some());
}

#[tokio::test]
async fn a_metric_that_cloudwatch_refuses_is_no_beginning_and_asks_for_the_right_to_read_it() {
    let world = World::new().await;
    let refusal = "cloudwatch:GetMetricData is refused (AccessDenied)";
    world.outside.fails("ErrorCount", refusal);
    let touched = world.alert(&world.fires("error-rate", "critical", world.now())).await;
    let id = IncidentId::parse(&touched[0].id).unwrap();
    world.wait(3.minutes()).await;
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    let document = document(&world, &id).await.unwrap();
    let basis = document.timings[0].basis.text();
    assert_eq!(basis, format!("Not known: when it began to show. It takes data that was not available ({refusal})."));
    let item = document.items.iter().find(|item| item.rule == "onset-unknown").unwrap();
    assert_eq!(item.why.text(), basis);
    assert!(document.timeline.iter().all(|line| line.source != Source::Metric("ErrorRate".to_owned())));
}

#[tokio::test]
async fn what_lambda_does_not_take_is_asked_again() {
    let (world, id) = over().await;
    assert_eq!(world.outside.take_invocations().len(), 1);
    world.send(scenarios::messages::command("reopen", id.as_str(), "alice")).await.answered();
    world.outside.functions_down(true);
    world.resolve(&id, "alice").await;
    world.wait(2.minutes()).await;
    assert_eq!(document(&world, &id).await, None);
    world.outside.functions_up();
    world.wait(2.minutes()).await;
    let document = document(&world, &id).await.unwrap();
    assert!(says(&document, Section::WentWrong).contains("it was reopened once"));
    assert_eq!(world.messages(Kind::PostMortem).len(), 1);
}

#[tokio::test]
async fn a_document_whose_reviewers_could_not_be_told_is_told_of_when_it_is_asked_for_again() {
    let (world, id) = over().await;
    let asked = world.outside.take_invocations();
    world.outside.functions_down(true);
    let failed = world.post_mortem(&asked[0].1).await.unwrap_err();
    assert!(matches!(failed, WriteError::Untold { .. }), "{failed}");
    assert!(document(&world, &id).await.is_some() && world.messages(Kind::PostMortem).is_empty());
    world.outside.functions_up();
    assert!(!world.post_mortem(&asked[0].1).await.unwrap().changed);
    world.run_functions().await;
    assert_eq!(world.messages(Kind::PostMortem).len(), 1);
}

#[tokio::test]
async fn a_mild_one_has_a_document_only_where_somebody_asks() {
    let world = World::new().await;
    let id = world.breach("ResponseTime", 4000.0).await;
    let refused = world.post_mortem(&about(&id)).await.unwrap_err();
    assert!(refused.to_string().contains("is detected; its post-mortem is written when it is resolved"), "{refused}");
    world.resolve(&id, "alice").await;
    world.run_functions().await;
    assert_eq!(document(&world, &id).await, None);
    assert!(world.post_mortem(&about(&id)).await.unwrap().changed);
    world.run_functions().await;
    assert_eq!(world.messages(Kind::PostMortem), ["0:00 email SEV3", "0:00 slack SEV3"]);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_what_to_do() {
    let (world, id) = over().await;
    for (event, expected) in [
        (json!({}), "needs incident_id"),
        (json!({ "incident_id": "group#api" }), "is of the form"),
        (json!({ "incident_id": "INC-1" }), "there is no incident INC-1"),
        (json!({ "incident_id": id, "approve": { "by": "ben" } }), "there is no post-mortem of"),
        (json!({ "incident_id": id, "approve": {} }), "approve cannot be read"),
        (json!({ "incident_id": id, "edit": { "section": "x", "by": " " } }), "by is empty"),
        (json!({ "incident_id": id, "edit": { "section": "x", "by": "b" }, "approve": { "by": "b" } }), "not both"),
    ] {
        let error = world.post_mortem(&event).await.unwrap_err();
        assert!(matches!(error, WriteError::Refused(_)) && error.to_string().contains(expected), "{event}: {error}");
    }
    world.run_functions().await;
    for (event, expected) in [
        (json!({ "incident_id": id, "edit": { "section": "x", "by": "b" } }), "there is no section \"x\""),
        (json!({ "incident_id": id, "edit": { "section": "summary", "by": "b" } }), "give it a text"),
    ] {
        let error = world.post_mortem(&event).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{event}: {error}");
    }
}

#[tokio::test]
async fn what_people_write_and_approve_stays_until_the_facts_change() {
    let (world, id) = over().await;
    world.run_functions().await;
    let edit = json!({ "section": "root-cause", "text": "An index was dropped.", "by": "ana" });
    world.post_mortem(&json!({ "incident_id": id, "edit": edit })).await.unwrap();
    let approved = world.post_mortem(&json!({ "incident_id": id, "approve": { "by": "ben" } })).await.unwrap();
    assert_eq!((approved.state, approved.version), ("approved", 3));
    let twice = world.post_mortem(&json!({ "incident_id": id, "approve": { "by": "eve" } })).await.unwrap_err();
    assert!(twice.to_string().contains("ben has approved it already"), "{twice}");
    assert!(!world.post_mortem(&about(&id)).await.unwrap().changed, "the facts are the same");

    let mut note = scenarios::messages::command("note", id.as_str(), "alice");
    note["text"] = json!("it was the index on users");
    world.send(note).await.answered();
    let again = world.post_mortem(&about(&id)).await.unwrap();
    assert_eq!((again.changed, again.state, again.version), (true, "draft", 4));
    let document = document(&world, &id).await.unwrap();
    assert_eq!(document.edits[&Section::RootCause].text, "An index was dropped.");
    assert!(document.timeline.iter().any(|line| line.text == "alice noted: it was the index on users"));
}

#[tokio::test]
async fn the_next_incident_of_a_kind_names_the_ones_before() {
    let (world, first) = over().await;
    world.run_functions().await;
    world.advance(1.hour());
    let second = world.breach("ErrorRate", 20.0).await;
    assert_ne!(first, second);
    world.resolve(&second, "alice").await;
    world.run_functions().await;
    let document = document(&world, &second).await.unwrap();
    let similar: Vec<&IncidentId> = document.similar.iter().map(|past| &past.incident_id).collect();
    assert_eq!(similar, [&first]);
}
