//! What keeps people from being called, and what calls them after all.

use jiff::SignedDuration;
use monitoring_aws::incident_response::HandleError;
use monitoring_core::alert::{AlertChange, ChangeOf, ChangeState, GroupKey, change_for};
use monitoring_core::catalogue::{Maintenance, Matcher, Weekly, Window};
use monitoring_core::incident::{Hold, Incident, IncidentId};
use scenarios::messages::{catalogue_of, catalogue_of_groups, silence, unsilence};
use scenarios::{Fault, Invocation, Kind, Options, ToSpan, World, every};
use serde_json::json;

const NOBODY: [&str; 0] = [];

/// Says no to whoever asks the tables.
const REFUSED: Fault =
    Fault::Answer(400, r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#);

/// A rule fires, and its incident is this.
async fn fires(world: &World, rule: &str, level: &str) -> IncidentId {
    let touched = world.alert(&world.fires(rule, level, world.now())).await;
    IncidentId::parse(&touched[0].id).unwrap()
}

async fn recovers(world: &World, rule: &str) {
    world.alert(&world.recovers(rule, world.now())).await;
}

fn refusal(invocation: Invocation) -> String {
    match invocation {
        Invocation::Failed(HandleError::Refused(reason)) => reason,
        other => panic!("it was to be refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_silenced_is_paged_when_the_silence_ends() {
    let world = World::new().await;
    let silence = world.silence(&json!({ "group": "api" }), 30).await;
    let id = fires(&world, "response-time", "critical").await;
    fires(&world, "lambda-throttles", "critical").await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV2", "0:00 slack SEV2"], "of what nobody silenced");
    world.wait(29.minutes()).await;
    let of_api = || world.pagerduty.keys(Kind::Page).into_iter().filter(|key| key.starts_with(id.as_str())).count();
    assert_eq!(of_api(), 0);
    assert!(matches!(world.incident(&id).await.held, Some(Hold::Silence { .. })));

    world.wait(1.minute()).await;
    assert_eq!(of_api(), 1);
    let page = world.pagerduty.accepted(Kind::Page).into_iter().find(|page| page.key.as_deref() == Some(id.as_str()));
    let page = page.unwrap();
    assert_eq!(page.at, world.clock.start() + 30.minutes());
    assert!(page.text.contains(&format!("it was held back by {silence}, which is over")), "{}", page.text);
    // Whoever is called has the response time of a SEV2 from then on.
    world.wait(14.minutes()).await;
    assert_eq!(of_api(), 1);
    world.wait(1.minute()).await;
    assert_eq!(of_api(), 2);
}

#[tokio::test]
async fn a_silence_that_is_ended_early_holds_nothing_back_any_longer() {
    let world = World::new().await;
    let silence = world.silence(&json!({ "rule": "response-*" }), 600).await;
    fires(&world, "response-time", "critical").await;
    world.wait(10.minutes()).await;
    assert_eq!(world.pages(), NOBODY);
    world.send(unsilence(&silence)).await.answered();
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:11 pagerduty SEV2", "0:11 slack SEV2"]);
    let reason = refusal(world.send(unsilence(&silence)).await);
    assert!(reason.contains(&format!("no silence {silence} is in force")), "{reason}");
}

#[tokio::test]
async fn an_incident_is_silenced_and_what_joins_it_is_heard() {
    let world = World::new().await;
    let id = fires(&world, "response-time", "critical").await;
    world.wait(5.minutes()).await;
    let event = json!({ "command": "silence", "incident_id": id, "minutes": 60, "by": "alice" });
    world.send(event).await.answered();
    world.wait(30.minutes()).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV2", "0:00 slack SEV2"], "its next level was due after 15 minutes");

    fires(&world, "traffic-absent", "absent").await;
    let pages = world.pages();
    assert_eq!(pages[2..], ["0:35 pagerduty SEV1", "0:35 slack SEV1"]);
}

#[tokio::test]
async fn an_incident_that_was_paged_and_silenced_is_paged_anew_after_it() {
    let world = World::new().await;
    let id = fires(&world, "response-time", "critical").await;
    world.wait(5.minutes()).await;
    let event = json!({ "command": "silence", "incident_id": id, "minutes": 60, "by": "alice" });
    world.send(event).await.answered();
    world.wait(60.minutes()).await;
    assert_eq!(world.pages()[2..], ["1:05 pagerduty SEV2", "1:05 slack SEV2"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.to_string(), format!("{id}/1.1")]);
}

#[tokio::test]
async fn what_recovers_while_it_is_silenced_wakes_nobody() {
    let world = World::new().await;
    world.silence(&json!({ "group": "api" }), 30).await;
    let id = fires(&world, "response-time", "critical").await;
    world.wait(10.minutes()).await;
    recovers(&world, "response-time").await;
    world.wait(30.minutes()).await;
    assert_eq!(world.told(), []);
    assert!(!world.incident(&id).await.is_open());
}

#[tokio::test]
async fn a_sev1_is_held_back_only_by_a_silence_that_was_made_for_one() {
    for sev1 in [false, true] {
        let world = World::new().await;
        let mut event = silence(&json!({ "group": "api" }), 30);
        event["sev1"] = json!(sev1);
        world.send(event).await.answered();
        fires(&world, "error-rate", "critical").await;
        assert_eq!(world.pages().is_empty(), sev1);
    }
}

#[tokio::test]
async fn nobody_silences_anything_for_longer_than_a_day() {
    let world = World::new().await;
    let reason = refusal(world.send(silence(&json!({ "group": "api" }), 24 * 60 + 1)).await);
    assert!(reason.contains("from a minute to 1 d "), "{reason}");
    fires(&world, "response-time", "critical").await;
    assert_eq!(world.pages().len(), 2);
    world.silence(&json!({ "group": "api" }), 24 * 60).await;
}

/// A world in which work is done on the functions, at these times.
async fn maintained(window: Window) -> World {
    let mut options = Options::default();
    options.catalogue.noise.maintenance.push(Maintenance {
        name: "move".to_owned(),
        matcher: Matcher { group: Some("lambda".to_owned()), ..Matcher::default() },
        window,
        by: "platform".to_owned(),
        why: "the functions move".to_owned(),
        sev1: false,
    });
    World::with(options).await
}

#[tokio::test]
async fn what_fires_in_a_maintenance_is_paged_if_it_outlasts_it() {
    // 13:00 in Zurich is when the story begins.
    let (from_minute, time_zone) = (13 * 60, "Europe/Zurich".to_owned());
    let weekly = Window::Weekly(Weekly { weekdays: vec![1], from_minute, minutes: 20, time_zone });
    let at = |minute: i64| "2026-11-23T12:00:00Z".parse::<jiff::Timestamp>().unwrap() + minute.minutes();
    for window in [Window::Once { from: at(-5), until: at(20) }, weekly] {
        let world = maintained(window).await;
        fires(&world, "lambda-throttles", "critical").await;
        world.wait(19.minutes()).await;
        assert_eq!(world.pages(), NOBODY);
        world.wait(1.minute()).await;
        assert_eq!(world.pages(), ["0:20 pagerduty SEV2", "0:20 slack SEV2"]);
        let text = &world.pagerduty.accepted(Kind::Page)[0].text;
        assert!(text.contains("it was held back by maintenance/move, which is over"), "{text}");
    }
}

/// What a person sends who wants to hear nothing of the groups on Mondays, from 13:00 to 13:20 in Zurich, for two weeks: from
/// when a story begins.
fn on_mondays(minutes: u32, days: u32) -> serde_json::Value {
    let mut event = silence(&json!({ "group": "lambda" }), minutes);
    event["weekly"] = json!({ "days": ["mon"], "from": "13:00", "time_zone": "Europe/Zurich" });
    event["for_days"] = json!(days);
    event
}

#[tokio::test]
async fn a_silence_that_recurs_holds_back_each_week_until_it_is_over() {
    let world = World::new().await;
    let made = world.send(on_mondays(20, 14)).await.answered();
    let told = "is in force mon 13:00 for 20 min (Europe/Zurich) until 2026-12-07 12:00:00 UTC";
    assert!(made.notes[0].ends_with(told), "{:?}", made.notes);
    let id = made.notes[0].split_whitespace().next().unwrap().to_owned();
    let pages = || world.pagerduty.accepted(Kind::Page).len();

    fires(&world, "lambda-throttles", "critical").await;
    world.wait(19.minutes()).await;
    assert_eq!(pages(), 0);
    world.wait(1.minute()).await;
    assert_eq!(world.pages(), ["0:20 pagerduty SEV2", "0:20 slack SEV2"], "it outlasts the silence");
    recovers(&world, "lambda-throttles").await;

    world.skip(24.hours()).await;
    fires(&world, "lambda-throttles", "critical").await;
    assert_eq!(pages(), 2, "it is Tuesday");
    recovers(&world, "lambda-throttles").await;

    world.skip(140.hours()).await;
    world.daily().await;
    let said = format!("Silence {id} by alice is in force mon 13:00 for 20 min (Europe/Zurich)");
    let digest = world.told().into_iter().rfind(|message| message.kind == Kind::Said).unwrap().text;
    assert!(digest.contains(&said) && digest.contains("used once: known"), "{digest}");

    world.advance("2026-11-30T12:05:00Z".parse::<jiff::Timestamp>().unwrap().duration_since(world.now()));
    fires(&world, "lambda-throttles", "critical").await;
    assert_eq!(pages(), 2, "it is Monday again");
    recovers(&world, "lambda-throttles").await;

    world.advance("2026-12-07T12:05:00Z".parse::<jiff::Timestamp>().unwrap().duration_since(world.now()));
    fires(&world, "lambda-throttles", "critical").await;
    assert_eq!(pages(), 3, "the two weeks are over");
}

#[tokio::test]
async fn a_silence_that_recurs_is_capped_each_time_and_altogether() {
    let mut options = Options::default();
    options.catalogue.noise.silences.longest_seconds = 3600;
    let world = World::with(options).await;
    let reason = refusal(world.send(on_mondays(61, 14)).await);
    assert!(reason.contains("from a minute to 1 h "), "{reason}");
    let reason = refusal(world.send(on_mondays(60, 31)).await);
    assert!(reason.contains("recurs for 30 d at most"), "{reason}");
    assert_eq!(world.store().all_silences().await.unwrap(), []);
    world.send(on_mondays(60, 30)).await.answered();
    assert_eq!(world.store().all_silences().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_depends_on_a_paged_incident_is_paged_when_that_is_resolved() {
    let world = World::new().await;
    let api = fires(&world, "error-rate", "critical").await;
    let business = fires(&world, "revenue", "warning").await;
    world.wait(4.minutes()).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    assert!(matches!(world.incident(&business).await.held, Some(Hold::Parent { incident, .. }) if incident == api));

    world.resolve(&api, "alice").await;
    assert_eq!(world.pages().len(), 2);
    world.wait(1.minute()).await;
    assert_eq!(world.pages()[2..], ["0:05 pagerduty SEV2", "0:05 slack SEV2"]);
}

#[tokio::test]
async fn what_recovers_with_what_it_depends_on_wakes_nobody() {
    let world = World::new().await;
    fires(&world, "error-rate", "critical").await;
    let business = fires(&world, "revenue", "warning").await;
    world.wait(3.minutes()).await;
    recovers(&world, "revenue").await;
    recovers(&world, "error-rate").await;
    world.wait(10.minutes()).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    assert!(!world.incident(&business).await.is_open());
    assert!(world.incidents().await.iter().all(|incident| !incident.is_open()));
}

#[tokio::test]
async fn nothing_waits_for_an_incident_that_nobody_was_told_of() {
    let world = World::new().await;
    world.slack.fail_with(503);
    world.pagerduty.fail_with(503);
    fires(&world, "error-rate", "critical").await;
    let business = fires(&world, "revenue", "warning").await;
    assert_eq!(world.incident(&business).await.held, None);
    world.slack.recover();
    world.pagerduty.recover();
    world.wait(1.minute()).await;
    let mut pages = world.pages();
    pages.sort();
    assert_eq!(pages, ["0:01 pagerduty SEV1", "0:01 pagerduty SEV2", "0:01 slack SEV1", "0:01 slack SEV2"]);
}

/// Fires, and is good again a minute later; a minute passes before each.
async fn flaps(world: &World, rule: &str) {
    world.wait(1.minute()).await;
    fires(world, rule, "critical").await;
    world.wait(1.minute()).await;
    recovers(world, rule).await;
}

#[tokio::test]
async fn the_third_incident_in_an_hour_is_paged_only_if_it_lasts() {
    let world = World::new().await;
    flaps(&world, "response-time").await;
    flaps(&world, "response-time").await;
    assert_eq!(world.pages().len(), 4);
    flaps(&world, "response-time").await;
    assert_eq!(world.pages().len(), 4, "it did not last");
    assert_eq!(world.messages(Kind::Resolved).len(), 4, "of what nobody was told, nobody is told the end");

    world.wait(1.minute()).await;
    fires(&world, "response-time", "critical").await;
    world.wait(4.minutes()).await;
    assert_eq!(world.pages().len(), 4);
    world.wait(1.minute()).await;
    assert_eq!(world.pages()[4..], ["0:12 pagerduty SEV2", "0:12 slack SEV2"]);
}

#[tokio::test]
async fn a_sev1_that_flaps_is_paged_each_time() {
    let world = World::new().await;
    for _ in 0..4 {
        flaps(&world, "error-rate").await;
    }
    assert_eq!(world.pages().len(), 8);
}

/// So many groups have an incident at once.
async fn storm_of(groups: usize) -> World {
    let catalogue = catalogue_of_groups(Options::default().catalogue, groups);
    let world = World::with(Options { catalogue, ..Options::default() }).await;
    for number in 0..groups {
        world.publish(&world.fires(&format!("rule-{number:03}"), "critical", world.now()));
    }
    for invocation in world.deliver().await {
        invocation.answered();
    }
    world
}

/// How many incidents people were called for, and have not been folded.
fn first_pages(world: &World) -> usize {
    // The key of an incident's first page is its id; that of a later one has its level and round, too.
    world.pagerduty.keys(Kind::Page).iter().filter(|key| !key.contains('/')).count()
}

async fn folded(world: &World) -> Vec<Incident> {
    let mut incidents = world.incidents().await;
    incidents.retain(|incident| incident.is_open() && matches!(incident.held, Some(Hold::Storm { .. })));
    incidents
}

#[tokio::test]
async fn a_storm_is_twenty_pages_and_one_that_stands_for_the_rest() {
    let world = storm_of(30).await;
    assert_eq!(first_pages(&world), 21);
    let storm = world.latest("storm").await.unwrap();
    assert_eq!((storm.severity.as_str(), storm.is_open()), ("SEV2", true));
    assert_eq!(folded(&world).await.len(), 10);

    // It counts.
    world.wait(1.minute()).await;
    let mut updates = world.slack.accepted(Kind::Update);
    updates.retain(|update| update.text.contains(storm.id.as_str()));
    assert_eq!(updates.len(), 1, "{updates:#?}");
    assert!(updates[0].text.contains("Storm: 10 or more further incidents are open"), "{}", updates[0].text);

    // What is worst is not one of many.
    fires(&world, "error-rate", "critical").await;
    assert_eq!(first_pages(&world), 22);
    assert!(world.pages().contains(&"0:01 pagerduty SEV1".to_owned()));

    // All that it stood for is over, and so is it, when its ten minutes are.
    for incident in folded(&world).await {
        let rule = incident.alerts.keys().next().unwrap().rule().to_owned();
        recovers(&world, &rule).await;
    }
    world.wait(2.minutes()).await;
    assert!(world.incident(&storm.id).await.is_open());
    world.skip(8.minutes()).await;
    assert!(!world.incident(&storm.id).await.is_open());
    assert_eq!(first_pages(&world), 22);
    let open = world.incidents().await.into_iter().filter(Incident::is_open).count();
    assert_eq!(open, 21, "those that were paged by themselves go on by themselves");
}

#[tokio::test]
async fn what_a_storm_stood_for_is_paged_when_a_person_resolves_it_and_not_all_at_once() {
    let world = storm_of(45).await;
    assert_eq!(first_pages(&world), 21);
    world.skip(12.minutes()).await;
    assert_eq!(first_pages(&world), 21);
    let storm = world.latest("storm").await.unwrap();
    world.resolve(&storm.id, "alice").await;
    world.wait(1.minute()).await;
    assert_eq!(first_pages(&world), 21 + 20 + 1, "twenty, and a storm of the rest");
    assert_eq!(folded(&world).await.len(), 5);

    world.skip(8.minutes()).await;
    assert_eq!(folded(&world).await.len(), 5);
    let second = world.latest("storm").await.unwrap();
    assert_ne!(second.id, storm.id);
    world.resolve(&second.id, "alice").await;
    world.wait(1.minute()).await;
    assert_eq!(first_pages(&world), 42 + 5);
    assert_eq!(folded(&world).await.len(), 0);
}

#[tokio::test]
async fn what_a_silence_releases_counts_for_a_storm_and_what_it_holds_back_does_not() {
    let world =
        World::with(Options { catalogue: catalogue_of_groups(Options::default().catalogue, 30), ..Options::default() })
            .await;
    world.silence(&json!({ "group": "group-*" }), 30).await;
    for number in 0..30 {
        fires(&world, &format!("rule-{number:03}"), "critical").await;
    }
    fires(&world, "response-time", "critical").await;
    world.wait(29.minutes()).await;
    assert_eq!(folded(&world).await.len(), 0);
    assert_eq!(first_pages(&world), 1);
    assert!(world.latest("storm").await.is_none());

    world.wait(1.minute()).await;
    assert_eq!(first_pages(&world), 1 + 20 + 1, "twenty, and a storm of the rest");
    assert_eq!(folded(&world).await.len(), 10);
}

#[tokio::test]
async fn a_storm_is_not_silenced_and_neither_is_what_was_only_counted() {
    let world = storm_of(30).await;
    let storm = world.latest("storm").await.unwrap();
    let silence_of = |id: &IncidentId| json!({ "command": "silence", "incident_id": id, "minutes": 60, "by": "alice" });
    let said = refusal(world.send(silence_of(&storm.id)).await);
    assert!(said.contains("acknowledge it"), "{said}");

    let world =
        World::with(Options { catalogue: catalogue_of(Options::default().catalogue, 40), ..Options::default() }).await;
    let id = many_alerts(&world, 20).await;
    let said = refusal(world.send(silence_of(&id)).await);
    assert!(said.contains("silences add --group"), "{said}");
    world.silence(&json!({ "group": world.incident(&id).await.group }), 60).await;
    let pages = world.pages().len();
    world.wait(30.minutes()).await;
    assert_eq!(world.pages().len(), pages, "its whole group is silenced");
}

/// One incident of so many alerts.
async fn many_alerts(world: &World, count: usize) -> IncidentId {
    let rule = &world.catalogue.rules["lambda-throttles"];
    let metric = &world.catalogue.metrics[&rule.metric];
    let at = world.now();
    let change = |dimensions| {
        let change = ChangeOf { state: ChangeState::Firing, level: 0, value: Some(1.0), at, since: at };
        let change = change_for(rule, metric, dimensions, change, "it breaches");
        serde_json::to_string(&AlertChange { group: GroupKey::named("lambda"), ..change }).unwrap()
    };
    for dimensions in metric.dimensions.iter().take(count) {
        world.alert(&change(dimensions)).await;
    }
    world.the_incident().await.id
}

#[tokio::test]
async fn nothing_waits_for_a_parent_that_only_a_topic_has_accepted() {
    let world = World::new().await;
    world.slack.fail_with(503);
    world.pagerduty.fail_with(503);
    // A SEV3 is told by Slack and e-mail, and SNS accepts whatever it is given.
    fires(&world, "error-rate", "warning").await;
    let business = fires(&world, "conversion-rate", "warning").await;
    assert_eq!(world.incident(&business).await.held, None);
}

#[tokio::test]
async fn silences_that_cannot_be_read_hold_nothing_back() {
    let world = World::new().await;
    world.silence(&json!({ "group": "api" }), 30).await;
    world.dynamodb.arm(every().of("Query").about("\"silences\""), REFUSED);
    fires(&world, "response-time", "critical").await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV2", "0:00 slack SEV2"]);
}

#[tokio::test]
async fn what_was_held_back_is_paged_while_silences_cannot_be_read() {
    let world = World::new().await;
    world.silence(&json!({ "group": "api" }), 30).await;
    fires(&world, "response-time", "critical").await;
    assert_eq!(world.pages(), NOBODY);
    world.dynamodb.arm(every().of("Query").about("\"silences\""), REFUSED);
    world.skip(SignedDuration::from_mins(1)).await;
    assert_eq!(world.pages(), ["0:01 pagerduty SEV2", "0:01 slack SEV2"]);
}
