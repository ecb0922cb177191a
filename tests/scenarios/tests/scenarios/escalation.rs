//! Who is called, when, and until when.

use scenarios::{Kind, Options, ToSpan, World};

#[tokio::test]
async fn somebody_acknowledges_in_time_and_nobody_else_is_called() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.as_str()]);

    world.wait(4.minutes()).await;
    world.acknowledge(&id, "alice").await;
    world.wait(30.minutes()).await;

    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    assert_eq!(world.messages(Kind::Acknowledged), ["0:04 pagerduty", "0:04 slack SEV1"]);
    assert_eq!(world.pagerduty.keys(Kind::Acknowledged), [id.as_str()]);
    let incident = world.incident(&id).await;
    assert_eq!(incident.acknowledgement.map(|acknowledgement| acknowledgement.by).as_deref(), Some("alice"));
    assert_eq!(incident.wake_at, Some(world.clock.start() + 64.minutes()), "when it counts as stale");
}

/// Nobody acknowledges an incident: these channels are called at these minutes, and none is called a minute early.
async fn nobody_answers(metric: &str, value: f64, severity: &str, calls: &[(i64, &[&str])]) -> World {
    let world = World::new().await;
    world.breach(metric, value).await;
    let mut expected = Vec::new();
    let mut passed = 0;
    for (minute, channels) in calls {
        if *minute > 0 {
            world.skip((minute - passed - 1).minutes()).await;
            assert_eq!(world.pages(), expected, "a minute before minute {minute}");
            world.skip(1.minute()).await;
        }
        passed = *minute;
        expected
            .extend(channels.iter().map(|channel| format!("{}:{:02} {channel} {severity}", minute / 60, minute % 60)));
        assert_eq!(world.pages(), expected);
    }
    world
}

#[tokio::test]
async fn sev1_goes_up_after_5_and_15_minutes_and_starts_over_after_20() {
    let (some, all): (&[&str], &[&str]) = (&["pagerduty", "slack"], &["email", "pagerduty", "slack", "sms"]);
    let calls = [(0, some), (5, some), (15, all), (20, some), (25, some), (35, all), (40, some)];
    let world = nobody_answers("ErrorRate", 15.0, "SEV1", &calls).await;
    let id = world.the_incident().await.id;

    // A trigger on a key that is open wakes nobody, so each page has a key of its own; the first is the incident's id.
    let keys = world.pagerduty.keys(Kind::Page);
    let later = ["2.0", "3.0", "1.1", "2.1", "3.1", "1.2"].map(|page| format!("{id}/{page}"));
    assert_eq!(keys, [&[id.to_string()], &later[..]].concat());

    let said = |page: usize| world.pagerduty.accepted(Kind::Page)[page].text.clone();
    assert!(
        said(1).contains("nobody acknowledged within the response time of 5 min, so it goes to level 2 of 3"),
        "{}",
        said(1)
    );
    assert!(
        said(2).contains("nobody acknowledged within the escalation time of 15 min, so it goes to level 3 of 3"),
        "{}",
        said(2)
    );
    assert!(
        said(3).contains("nobody acknowledged within 20 min at any of 3 levels, so it starts over at level 1"),
        "{}",
        said(3)
    );

    // Whoever ends it ends it on every key.
    world.resolve(&id, "alice").await;
    let mut resolved = world.pagerduty.keys(Kind::Resolved);
    resolved.sort();
    let mut opened = keys;
    opened.sort();
    assert_eq!(resolved, opened);
}

#[tokio::test]
async fn sev2_goes_up_after_15_and_30_minutes_and_starts_over_after_45() {
    let channels: &[&str] = &["pagerduty", "slack"];
    let calls = [(0, channels), (15, channels), (30, channels), (45, channels), (60, channels)];
    nobody_answers("ResponseTime", 6000.0, "SEV2", &calls).await;
}

#[tokio::test]
async fn sev3_goes_up_after_1_and_2_hours_and_starts_over_after_3() {
    let channels: &[&str] = &["email", "slack"];
    let calls = [(0, channels), (60, channels), (120, channels), (180, channels), (240, channels)];
    nobody_answers("ResponseTime", 4000.0, "SEV3", &calls).await;
}

#[tokio::test]
async fn sev4_goes_up_after_4_and_8_hours_and_starts_over_after_12() {
    let channels: &[&str] = &["email"];
    let calls = [(0, channels), (240, channels), (480, channels), (720, channels), (960, channels)];
    nobody_answers("CacheHitRate", 50.0, "SEV4", &calls).await;
}

#[tokio::test]
async fn the_tick_of_every_minute_pages_as_often_as_one_at_the_right_time() {
    let world = World::new().await;
    world.breach("ResponseTime", 6000.0).await;
    world.wait(31.minutes()).await;
    let expected = ["0:00", "0:15", "0:30"].map(|at| [format!("{at} pagerduty SEV2"), format!("{at} slack SEV2")]);
    assert_eq!(world.pages(), expected.concat());
}

#[tokio::test]
async fn the_seeds_message_pages_a_sev1_with_its_runbook() {
    let world = World::new().await;
    let message = r#"{"metric_name":"ErrorRate","current_value":15.0,"threshold":10.0}"#;
    let response = world.send(scenarios::messages::from_sns(message)).await.answered();
    assert_eq!(response.incidents.len(), 1);
    let touched = &response.incidents[0];
    assert_eq!((touched.severity.as_str(), touched.runbook.as_deref()), ("SEV1", Some("high-error-rate")));
    assert_eq!(world.pages(), ["0:00 pagerduty SEV1", "0:00 slack SEV1"]);
    assert!(world.slack.received()[0].text.contains("High error rate response"));
}

#[tokio::test]
async fn what_gets_worse_after_it_was_acknowledged_is_paged_anew() {
    let world = World::new().await;
    let id = world.breach("ResponseTime", 6000.0).await;
    world.wait(3.minutes()).await;
    world.acknowledge(&id, "alice").await;
    world.wait(7.minutes()).await;

    // The same again is no reason to call anybody; an error rate above 10 % is.
    assert_eq!(world.breach("ResponseTime", 7000.0).await, id);
    assert_eq!(world.pages().len(), 2);
    assert_eq!(world.breach("ErrorRate", 15.0).await, id);
    assert_eq!(world.pages()[2..], ["0:10 pagerduty SEV1", "0:10 slack SEV1"]);
    assert_eq!(world.incident(&id).await.acknowledgement, None);
    assert_eq!(world.pagerduty.keys(Kind::Page).len(), 2, "an open key would wake nobody");

    // From here on it escalates as a SEV1.
    world.wait(5.minutes()).await;
    assert_eq!(world.pages()[4..], ["0:15 pagerduty SEV1", "0:15 slack SEV1"]);
}

#[tokio::test]
async fn what_gets_worse_before_anybody_answers_is_an_update_to_those_who_were_called() {
    let world = World::new().await;
    let id = world.breach("ResponseTime", 6000.0).await;
    world.wait(3.minutes()).await;
    world.breach("ErrorRate", 15.0).await;
    assert_eq!(world.pages(), ["0:00 pagerduty SEV2", "0:00 slack SEV2"]);
    assert_eq!(world.messages(Kind::Update), ["0:03 slack SEV1"]);

    // Its clock runs as a SEV1's from the rise.
    world.wait(5.minutes()).await;
    assert_eq!(world.pages()[2..], ["0:08 pagerduty SEV1", "0:08 slack SEV1"]);
    assert_eq!(world.incident(&id).await.severity.as_str(), "SEV1");
}

#[tokio::test]
async fn who_acknowledges_while_the_next_level_is_called_is_not_forgotten() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.advance(5.minutes());
    tokio::join!(world.tick(), world.acknowledge(&id, "alice"), world.tick());
    let called = world.pages().len();
    assert!([2, 4].contains(&called), "level 2 was called or it was not: {:?}", world.pages());
    assert_eq!(world.incident(&id).await.acknowledgement.map(|who| who.by).as_deref(), Some("alice"));
    world.skip(59.minutes()).await;
    assert_eq!(world.pages().len(), called);
    let (mut pages, mut acknowledged) = (world.pagerduty.keys(Kind::Page), world.pagerduty.keys(Kind::Acknowledged));
    pages.sort();
    acknowledged.sort();
    assert_eq!(acknowledged, pages, "PagerDuty calls for nothing any more");
}

/// The shipped schedule hands off on Mondays at 09:00 in New York: two hours after the story begins, from chloe to ana.
#[tokio::test]
async fn a_hand_off_between_two_levels_calls_the_next_person() {
    let mut options = Options::default();
    let ana = options.catalogue.users.get_mut("ana").unwrap();
    ana.slack_user_id = Some("U024BE7LH".to_owned());
    ana.channels = vec!["sms".to_owned(), "slack".to_owned()];
    let world = World::with(options).await;
    world.skip(117.minutes()).await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.skip(5.minutes()).await;

    let at_first = ["1:57 pagerduty SEV1", "1:57 slack SEV1"];
    let later = ["2:02 pagerduty SEV1", "2:02 slack SEV1", "2:02 sms SEV1"];
    assert_eq!(world.pages(), [&at_first[..], &later].concat());
    let slack: Vec<String> = world.slack.accepted(Kind::Page).into_iter().map(|message| message.text).collect();
    assert!(slack[0].contains("On call: Chloe Martin") && !slack[0].contains("<@"), "{}", slack[0]);
    assert!(slack[1].contains("On call: <@U024BE7LH>"), "{}", slack[1]);
    let pagerduty = world.pagerduty.accepted(Kind::Page);
    assert!(pagerduty[1].text.contains(r#""on_call":"Ana Torres""#), "{}", pagerduty[1].text);

    world.acknowledge(&id, "ana").await;
    world.skip(59.minutes()).await;
    assert_eq!(world.pages().len(), 5);
}

/// A SEV1's acknowledgement is relied on for four times its escalation time of 15 minutes.
#[tokio::test]
async fn an_acknowledgement_that_nothing_follows_goes_stale_and_is_paged_anew() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(1.minute()).await;
    world.acknowledge(&id, "alice").await;
    world.skip(30.minutes()).await;
    let note = serde_json::json!({ "command": "note", "incident_id": id, "by": "alice", "text": "still looking" });
    world.send(note).await.answered();

    // An hour from the note, and not from the acknowledgement.
    world.skip(59.minutes()).await;
    assert_eq!(world.pages().len(), 2);
    world.skip(1.minute()).await;
    assert_eq!(world.pages()[2..], ["1:31 pagerduty SEV1", "1:31 slack SEV1"]);
    let page = &world.pagerduty.accepted(Kind::Page)[1];
    assert_eq!(page.key, Some(format!("{id}/1.1")));
    assert!(page.text.contains("alice acknowledged it, and was not heard of for too long"), "{}", page.text);
    // Nobody is on it, so the next level is called in its time.
    world.skip(5.minutes()).await;
    assert_eq!(world.pages()[4..], ["1:36 pagerduty SEV1", "1:36 slack SEV1"]);
}
