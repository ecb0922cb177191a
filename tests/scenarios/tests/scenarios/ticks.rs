//! Ticks that come twice, late, in a bunch, by a clock that goes back, or by an index that is behind.

use monitoring_core::incident::{IncidentId, Status};
use scenarios::messages::command;
use scenarios::{Fault, Kind, ToSpan, World, before, every};

#[tokio::test]
async fn two_ticks_at_once_call_the_second_level_once() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    for (minute, pages) in [(5, 4), (15, 8), (20, 10)] {
        let now = world.now().duration_since(world.clock.start());
        world.advance(jiff::SignedDuration::from_mins(minute) - now);
        let (first, second) = tokio::join!(world.tick(), world.tick());
        first.answered();
        second.answered();
        assert_eq!(world.pages().len(), pages, "at minute {minute}: {:?}", world.pages());
    }
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), world.pagerduty.keys(Kind::Page).len());
    assert_eq!(world.store().pending_effects(&id).await.unwrap().0, []);
}

/// A SEV1 that nobody has looked at for 20 minutes, since no tick came.
async fn without_ticks_for_twenty_minutes() -> World {
    let world = World::new().await;
    world.breach("ErrorRate", 15.0).await;
    world.advance(20.minutes());
    world
}

#[tokio::test]
async fn ticks_that_come_late_in_a_bunch_are_one() {
    let alone = without_ticks_for_twenty_minutes().await;
    alone.tick().await.answered();
    let expected = alone.pages();
    // Levels 2 and 3, and the first of the next round; e-mail and SMS are of level 3.
    let (pagerduty, slack) = ("0:20 pagerduty SEV1", "0:20 slack SEV1");
    assert_eq!(
        expected[2..],
        ["0:20 email SEV1", pagerduty, pagerduty, pagerduty, slack, slack, slack, "0:20 sms SEV1"]
    );

    let world = without_ticks_for_twenty_minutes().await;
    tokio::join!(
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
        world.tick(),
    );
    assert_eq!(world.pages(), expected, "at the same time");

    let world = without_ticks_for_twenty_minutes().await;
    for _ in 0..10 {
        world.tick().await.answered();
    }
    assert_eq!(world.pages(), expected, "one after the other");
}

#[tokio::test]
async fn a_clock_that_goes_back_pages_nobody_twice_and_forgets_nobody() {
    let world = World::new().await;
    world.advance(20.minutes());
    let id = world.breach("ErrorRate", 15.0).await;
    world.wait(1.minute()).await;

    // The next function runs where it is ten minutes earlier.
    world.advance((-10).minutes());
    assert_eq!(world.breach("ErrorRate", 15.0).await, id);
    world.tick().await.answered();
    assert_eq!(world.the_incident().await.status, Status::Detected);
    assert_eq!(world.pages().len(), 2);

    world.wait(13.minutes()).await;
    assert_eq!(world.pages().len(), 2, "0:24");
    world.wait(1.minute()).await;
    assert_eq!(world.pages()[2..], ["0:25 pagerduty SEV1", "0:25 slack SEV1"]);

    // Somebody acknowledges before it happened, and that counts all the same.
    world.advance((-30).minutes());
    world.acknowledge(&id, "alice").await;
    world.wait(50.minutes()).await;
    assert_eq!(world.pages().len(), 4);
    let mut acknowledged = world.pagerduty.keys(Kind::Acknowledged);
    acknowledged.sort();
    assert_eq!(acknowledged, [id.to_string(), format!("{id}/2.0")]);
    assert_eq!(world.store().pending_effects(&id).await.unwrap().0, []);
}

#[tokio::test]
async fn a_claim_outlasts_a_clock_that_goes_back() {
    let world = World::new().await;
    world.advance(20.minutes());
    world.pagerduty.network.arm(before(1), Fault::Crash);
    world.publish(&world.fires("error-rate", "critical", world.now()));
    assert!(world.deliver().await[0].crashed());

    world.advance((-5).minutes());
    world.tick().await.answered();
    assert_eq!(world.pagerduty.received(), []);
    world.wait(6.minutes()).await;
    assert_eq!(world.pagerduty.accepted(Kind::Page).len(), 1);
    assert_eq!(world.pagerduty.keys(Kind::Page), [world.the_incident().await.id.as_str()]);
}

/// What a query of the index of due work answers from now on.
fn due_index_answers(world: &World, id: Option<&IncidentId>) {
    let items = id.map(|id| format!(r#"{{"incident_id":{{"S":"{id}"}},"due_at":{{"N":"1"}}}}"#)).unwrap_or_default();
    let count = usize::from(id.is_some());
    let answer = format!(r#"{{"Items":[{items}],"Count":{count},"ScannedCount":{count}}}"#);
    let old = every().of("Query").about(r#""IndexName":"due""#);
    world.dynamodb.arm(old, Fault::Answer(200, answer.leak()));
}

#[tokio::test]
async fn an_index_that_still_names_what_is_not_due_any_more_calls_nobody() {
    for ended in ["acknowledge", "resolve"] {
        let world = World::new().await;
        let id = world.breach("ErrorRate", 15.0).await;
        world.wait(4.minutes()).await;
        world.send(command(ended, id.as_str(), "alice")).await.answered();
        // A SEV1 that ends has a post-mortem, of which people are told.
        world.run_functions().await;
        let (told, incident) = (world.told().len(), world.incident(&id).await);

        due_index_answers(&world, Some(&id));
        world.wait(10.minutes()).await;
        assert_eq!(world.told().len(), told, "{ended}");
        assert_eq!(world.incident(&id).await, incident, "{ended}");
    }
}

#[tokio::test]
async fn an_index_that_does_not_name_what_is_due_is_found_out() {
    let world = World::new().await;
    let id = world.breach("ErrorRate", 15.0).await;
    due_index_answers(&world, None);
    world.wait(10.minutes()).await;
    assert_eq!(world.pages().len(), 2, "the second level was due at 0:05, and is not in the index");
    world.wait(1.minute()).await;
    let pages = world.pages();
    assert!(pages.contains(&"0:11 pagerduty SEV1".to_owned()) && pages.contains(&"0:11 slack SEV1".to_owned()));
    assert!(world.pagerduty.keys(Kind::Page).contains(&format!("{id}/2.0")));
    let incidents = world.incidents().await;
    assert_eq!(incidents.iter().filter(|incident| incident.title == "Incidents are not attended to").count(), 1);
}

#[tokio::test]
async fn an_index_that_names_what_does_not_exist_stops_nothing() {
    let world = World::new().await;
    world.breach("ErrorRate", 15.0).await;
    let nobody = IncidentId::parse("INC-20261123-00000000").unwrap();
    due_index_answers(&world, Some(&nobody));
    world.advance(1.minute());
    let response = world.tick().await.answered();
    assert_eq!(response.notes, [format!("{nobody} is in the index of due work, and does not exist")]);
    world.dynamodb.up();
    world.skip(4.minutes()).await;
    assert_eq!(world.pages().len(), 4);
}

/// What the main dashboard begins with.
#[tokio::test]
async fn a_tick_tells_what_is_open_and_what_fires_in_it() {
    let world = World::new().await;
    let nothing = world.tick().await.answered().overview.unwrap();
    assert_eq!((nothing.open, nothing.firing.as_slice()), (0, &[][..]));

    world.breach("Revenue", 12.0).await;
    let id = world.breach("ErrorRate", 15.0).await;
    let overview = world.tick().await.answered().overview.unwrap();
    assert_eq!(overview.open, 2);
    let firing: Vec<(&str, Option<&str>)> =
        overview.firing.iter().map(|firing| (firing.severity.as_str(), firing.value.as_deref())).collect();
    assert_eq!(firing, [("SEV1", Some("15 %")), ("SEV2", Some("$12/h"))]);
    assert_eq!((overview.firing[0].event, overview.firing[0].incident.as_str()), ("firing", id.as_str()));

    world.resolve(&id, "alice").await;
    let overview = world.tick().await.answered().overview.unwrap();
    assert_eq!((overview.open, overview.firing.len()), (1, 1));
}
