//! Who is reminded of action items, when, and how often.

use std::collections::BTreeMap;

use jiff::Span;
use jiff::civil::date;
use monitoring_aws::action_item_reminder::{Outcome, Response, Sent};
use monitoring_core::action_item::{ActionItem, Change, HistoryEntry, Status};
use monitoring_core::catalogue::{Catalogue, Severity};
use monitoring_core::incident::IncidentId;
use monitoring_core::post_mortem::Priority;
use scenarios::{Fault, Kind, Options, ToSpan, World, after, before};
use serde_json::json;

/// ana lives in New York and leads Platform, ben lives in Berlin, chloe in Tokyo. Stories begin on Monday at noon in UTC, when it is
/// 07:00, 13:00 and 21:00 there.
fn catalogue() -> Catalogue {
    let mut catalogue = monitorctl::catalogue::shipped().unwrap();
    for (name, zone) in [("ana", "America/New_York"), ("ben", "Europe/Berlin"), ("chloe", "Asia/Tokyo")] {
        catalogue.users.get_mut(name).unwrap().time_zone = Some(zone.to_owned());
    }
    catalogue.users.get_mut("ben").unwrap().slack_user_id = Some("U024BE7LH".to_owned());
    catalogue
}

async fn world() -> World {
    World::with(Options { catalogue: catalogue(), ..Options::default() }).await
}

/// An item that is due so many days after Monday.
fn item(world: &World, name: &str, owner: Option<&str>, due: i64) -> ActionItem {
    let at = world.now();
    ActionItem {
        schema: 1,
        incident_id: IncidentId::parse("INC-20261101-0f3a9c1d").unwrap(),
        item: name.to_owned(),
        version: 1,
        title: format!("See to {name}"),
        why: "It was found.".to_owned(),
        done_when: format!("{name} is gone"),
        priority: Priority::Low,
        severity: Severity::Sev1,
        status: Status::Open,
        status_since: at,
        team: "platform".to_owned(),
        owner: owner.map(str::to_owned),
        due: date(2026, 11, 23).saturating_add(Span::new().days(due)),
        asked_at: at,
        history: vec![HistoryEntry { at, by: "post-mortem".to_owned(), change: Change::AskedFor, why: None }],
    }
}

async fn put(world: &World, items: &[ActionItem]) {
    for item in items {
        world.store().put_action_item(item).await.unwrap();
    }
}

/// What became of the digests of a run: `user/ben sent`.
fn outcomes(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|sent| format!("{} {}", sent.to, json!(sent.outcome).as_str().unwrap())).collect()
}

/// What Slack was told of action items, in order: the heads of the digests.
fn digests(world: &World) -> Vec<String> {
    let messages = world.slack.accepted(Kind::Said);
    let heads = messages.iter().map(|message| serde_json::from_str::<serde_json::Value>(&message.text).unwrap());
    let heads = heads.map(|body| body["text"].as_str().unwrap().to_owned());
    heads.filter(|head| head.contains("action items of")).collect()
}

#[tokio::test]
async fn two_hundred_items_in_every_state_and_three_time_zones_are_one_digest_for_each_owner_and_day() {
    let world = world().await;
    let owners = [Some("ana"), Some("ben"), Some("chloe"), None];
    let statuses = [Status::Open, Status::InProgress, Status::Done, Status::Dropped];
    let mut items = Vec::new();
    // Every owner in every status, due from ten days ago to twelve days ahead.
    for nth in 0..200_usize {
        let due = i64::try_from(nth / 16).unwrap() * 2 - 10;
        let mut item = item(&world, &format!("item-{nth:03}"), owners[nth % 4], due);
        item.status = statuses[(nth / 4) % 4];
        items.push(item);
    }
    put(&world, &items).await;

    // Each hour of a day, as the schedule has it. The team lives with its schedule, in New York.
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    let mut first = None;
    for _ in 0..24 {
        let response = world.remind().await;
        for sent in &response.digests {
            assert_eq!(sent.outcome, Outcome::Sent, "{sent:?}");
            *told.entry(format!("{} at {}", sent.to, world.clock.since_start(world.now()))).or_default() += 1;
        }
        first.get_or_insert(response);
        world.advance(1.hour());
    }
    // 09:00 in New York and in Tokyo are 14:00 and 00:00 in UTC; in Berlin the day began before the story, and the next one at 08:00.
    let expected =
        ["team/platform at 2:00", "user/ana at 2:00", "user/ben at 0:00", "user/ben at 20:00", "user/chloe at 12:00"];
    assert_eq!(told.into_iter().collect::<Vec<_>>(), expected.map(|told| (told.to_owned(), 1)));

    let first = first.unwrap();
    let quiet: Vec<&str> = first.quiet.keys().map(String::as_str).collect();
    assert_eq!(quiet, ["team/platform", "user/ana", "user/chloe"]);
    // 12 times all sixteen pairs of owner and status, and once those of open and in progress. Of ben's open ones two are due every
    // other day, and those until Wednesday are told.
    assert_eq!((first.figures.all.open, first.figures.all.done, first.figures.all.dropped), (104, 48, 48));
    assert_eq!(first.figures.all.completion_percent.map(f64::round), Some(32.0));
    assert_eq!(first.digests[0].items.len(), 14);
    let heads = digests(&world);
    assert_eq!(heads.len(), 5);
    assert_eq!(heads[0], "AI Nutritionist: action items of Ben Okafor, 10 overdue, 2 due today, 2 due soon");
    let text = &world.slack.accepted(Kind::Said)[0].text;
    assert!(text.contains("<@U024BE7LH> "), "ben is mentioned: {text}");
}

#[tokio::test]
async fn a_day_that_was_told_is_not_told_again() {
    let world = world().await;
    put(&world, &[item(&world, "late", Some("ben"), -1)]).await;
    let (one, other) = tokio::join!(world.remind(), world.remind());
    // The other one found the claim, or the digest sent already.
    let sent = [outcomes(&one.digests), outcomes(&other.digests)].concat();
    assert_eq!(sent.iter().filter(|sent| *sent == "user/ben sent").count(), 1, "{sent:?}");
    let again = world.remind().await;
    assert_eq!(again.digests, []);
    assert_eq!(again.quiet["user/ben"], "had the digest of this day");
    assert_eq!(digests(&world).len(), 1);
    let published = [&one, &other, &again].into_iter().filter(|response| response.publishes).count();
    assert_eq!(published, 1, "the figures go out once a day");
}

#[tokio::test]
async fn what_slack_does_not_take_is_sent_when_it_does() {
    let world = world().await;
    put(&world, &[item(&world, "late", Some("ben"), -1), item(&world, "late-too", Some("ben"), -2)]).await;
    world.slack.fail_with(503);
    assert_eq!(outcomes(&world.remind().await.digests), ["user/ben failed"]);
    world.advance(1.hour());
    world.slack.recover();
    let sent = world.remind().await.digests;
    assert_eq!((sent[0].outcome, sent[0].said.as_str()), (Outcome::Sent, "slack"));
    assert_eq!(sent[0].items.len(), 2, "nothing of it is lost");
    world.advance(1.hour());
    assert_eq!(world.remind().await.digests, []);
    assert_eq!(digests(&world).len(), 1);
}

#[tokio::test]
async fn what_slack_does_not_take_for_long_or_for_good_goes_by_email() {
    let world = world().await;
    put(&world, &[item(&world, "late", Some("ben"), -1)]).await;
    world.slack.fail_with(503);
    for expected in ["failed", "failed", "sent"] {
        let response = world.remind().await;
        assert_eq!(outcomes(&response.digests), [format!("user/ben {expected}")], "{response:?}");
        world.advance(1.hour());
    }
    let emails: Vec<_> = world.told().into_iter().filter(|message| message.channel == "email").collect();
    assert!(
        emails[0].text.starts_with("AI Nutritionist: action items of Ben Okafor, 1 overdue\nOverdue: 1\n"),
        "{emails:?}"
    );

    let world = self::world().await;
    put(&world, &[item(&world, "late", Some("ben"), -1)]).await;
    world.slack.fail_with(400);
    let sent = world.remind().await.digests;
    assert_eq!((sent[0].outcome, sent[0].said.as_str()), (Outcome::Sent, "email"));
}

#[tokio::test]
async fn a_run_that_dies_is_made_up_for() {
    for (point, expected) in [(before(1), 1), (after(1), 2)] {
        let world = world().await;
        put(&world, &[item(&world, "late", Some("ben"), -1)]).await;
        world.slack.network.arm(point, Fault::Crash);
        assert_eq!(world.try_remind(&json!({})).await, None);
        assert_eq!(outcomes(&world.remind().await.digests), ["user/ben elsewhere"], "the claim lasts");
        world.advance(1.hour());
        assert_eq!(outcomes(&world.remind().await.digests), ["user/ben sent"]);
        // What was accepted and not noted shows twice: Slack cannot be asked.
        assert_eq!(digests(&world).len(), expected);
    }
}

#[tokio::test]
async fn a_dry_run_says_what_a_run_would_do() {
    let world = world().await;
    put(&world, &[item(&world, "late", Some("ben"), -1)]).await;
    world.advance(3.hours());
    let dry: Response = world.try_remind(&json!({ "dry_run": true })).await.unwrap();
    assert_eq!(outcomes(&dry.digests), ["user/ben would_send"]);
    assert_eq!(outcomes(&dry.report), ["report/slack would_send", "report/email would_send"]);
    assert!(dry.dry_run && !dry.publishes && world.told().is_empty());
    assert_eq!(outcomes(&world.remind().await.digests), ["user/ben sent"]);
}

#[tokio::test]
async fn what_is_critical_and_overdue_reaches_the_lead_and_then_the_team() {
    let world = world().await;
    let mut late = item(&world, "root-cause", Some("ben"), -1);
    late.priority = Priority::Critical;
    put(&world, &[late]).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        world.advance(3.hours());
        let response = world.remind().await;
        told.push(outcomes(&response.digests).join(", "));
        world.advance(21.hours());
    }
    let lead = "user/ana sent, user/ben sent";
    assert_eq!(told, [lead.to_owned(), lead.to_owned(), format!("{lead}, team/platform sent")]);
    let text = &world.slack.accepted(Kind::Said)[0].text;
    assert!(text.contains("Critical and overdue, of others: 1") && text.contains("1 d overdue, of ben"), "{text}");
}

#[tokio::test]
async fn the_week_is_told_on_monday_by_slack_and_by_email() {
    let world = world().await;
    // Of the week before, answered in 10 minutes and over after 20; and then a whole week passes.
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(10.minutes()).await;
    world.acknowledge(&id, "ana").await;
    world.wait(10.minutes()).await;
    world.resolve(&id, "ana").await;
    world.run_functions().await;
    world.advance((7 * 24 - 1).hours());
    assert_eq!(world.remind().await.report, [], "it is 06:20 on Monday in New York");

    world.advance(3.hours());
    world.slack.fail_with(503);
    assert_eq!(outcomes(&world.remind().await.report), ["report/slack failed", "report/email sent"]);
    world.slack.recover();
    assert_eq!(outcomes(&world.remind().await.report), ["report/slack sent"]);
    assert_eq!(world.remind().await.report, []);
    let told = world.told();
    let email =
        told.iter().find(|message| message.channel == "email" && message.text.contains("the week from")).unwrap();
    for expected in [
        "AI Nutritionist: the week from 2026-11-23\n",
        "SEV1: 1 incident. Acknowledged: 1, half within 10 min, 1 late (target 5 min). Over: 1, half within 20 min, 0 late (target 1 h).\n",
        &format!("- {id} SEV1: ErrorRate above 10 %\n"),
        " asked for, 0 done, 0 dropped.\n",
    ] {
        assert!(email.text.contains(expected), "no {expected:?} in {}", email.text);
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused() {
    let world = world().await;
    let store = world.store();
    let reminder = monitoring_aws::action_item_reminder::Reminder::new(
        store,
        world.channels(),
        world.outside.clone(),
        world.catalogue.clone(),
    );
    let refused = reminder.handle(&json!({ "dry_run": "yes" }), world.now()).await.unwrap_err();
    assert_eq!(refused.to_string(), "dry_run is true or false, and not \"yes\"");
}
