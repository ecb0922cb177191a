//! What an incident lives through. The deadlines are the seed's.

use super::*;
use Severity::{Sev1, Sev2, Sev3, Sev4};

fn thread(ts: &str) -> SlackThread {
    SlackThread { conversation: "C1".to_owned(), ts: ts.to_owned() }
}

#[test]
fn a_runbook_names_the_teams_that_are_called_for_it_and_the_severity_the_rest() {
    let mut story = Story::new();
    let runbook = story.catalogue.runbooks.keys().next().unwrap().clone();
    story.catalogue.runbooks.get_mut(&runbook).unwrap().levels = vec!["storage".to_owned()];
    let change = alert("a", ChangeState::Firing, Severity::Sev1, story.now);
    story.decide_all(&[Event::Alert(AlertChange { runbook: Some(runbook), ..change })]);
    let called = |story: &Story| match &story.effects.last().unwrap().notice().unwrap().1.kind {
        NoticeKind::Page { team, .. } => team.clone(),
        other => panic!("{other:?}"),
    };
    let title =
        |story: &Story, name: &str| story.catalogue.teams.get(name).map_or(name.to_owned(), |t| t.title.clone());
    assert_eq!(called(&story), title(&story, "storage"));
    story.pass(5);
    story.wakes();
    let second = story.catalogue.policy(Severity::Sev1).unwrap().levels[1].team.clone();
    assert_eq!(called(&story), title(&story, &second));
    assert_ne!(second, "storage");
}

#[test]
fn an_alert_opens_an_incident_and_pages_the_first_level_once() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    assert_eq!(story.why(), "high alert: 2 of the last 3 datapoints breach");
    let incident = story.incident();
    assert_eq!((incident.status, incident.severity, incident.version), (Status::Detected, Sev1, 1));
    assert_eq!(incident.wake_at, Some("2026-11-23T03:05:00Z".parse().unwrap()));
    let before = story.incident.clone();
    for _ in 0..3 {
        story.decide(&[Event::Alert(alert("a", ChangeState::Firing, Sev1, incident_at()))]);
        story.nothing("a duplicate");
    }
    story.fires("a", Sev1);
    story.nothing("a duplicate");
    story.fires("a", Sev3);
    story.nothing("a duplicate");
    assert_eq!(story.incident, before);
}

fn incident_at() -> Timestamp {
    "2026-11-23T03:00:00Z".parse().unwrap()
}

#[test]
fn sixteen_alerts_that_come_together_make_one_page_on_each_channel_at_the_worst_severity() {
    let mut story = Story::new();
    let severity = |index| if index == 9 { Sev1 } else { Sev3 };
    let events: Vec<Event> = (0..16)
        .map(|index| Event::Alert(alert(&format!("a{index}"), ChangeState::Firing, severity(index), story.now)))
        .collect();
    assert_eq!(story.decide(&events), 16);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    let incident = story.incident();
    assert_eq!((incident.alerts.len(), incident.beyond.len(), incident.severity), (16, 0, Sev1));
    assert_eq!((incident.title.as_str(), incident.version), ("a9 is high", 1));
    let (_, notice) = story.effects[0].notice().unwrap();
    assert_eq!((notice.alerts.len(), notice.more_alerts), (5, 11));
    assert_eq!(notice.alerts[0].title, "a9 is high", "the worst first");
}

#[test]
fn one_more_alert_is_an_update_and_pages_nobody() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.fires("b", Sev1);
    story.said(&["slack update INC"]);
    assert_eq!(story.why(), "b is high joined");
    story.fires("c", Sev3);
    story.said(&["slack update INC"]);
    assert_eq!(story.incident().severity, Sev1);
}

#[test]
fn many_alerts_make_one_bounded_update() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    let events: Vec<Event> =
        (0..9).map(|i| Event::Alert(alert(&format!("b{i}"), ChangeState::Firing, Sev2, story.now))).collect();
    story.decide(&events);
    story.said(&["slack update INC"]);
    assert!(story.why().ends_with("b4 is high joined; and 4 more"), "{}", story.why());
}

#[test]
fn a_rise_before_acknowledgement_pages_whom_nobody_has_woken_yet() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
    story.pass(10);
    story.fires("a", Sev1);
    story.said(&["pagerduty page 1.1 INC", "slack update INC"]);
    assert_eq!(story.incident().severity, Sev1);
    assert_eq!(story.incident().wake_at, Some("2026-11-23T03:15:00Z".parse().unwrap()));
    // It waits since the rise, not since it began.
    story.pass(5);
    story.wakes();
    story.said(&["pagerduty page 2.1 INC/2.1", "slack page 2.1 INC/2.1"]);
    assert_eq!(story.why(), "nobody acknowledged within the response time of 5 min, so it goes to level 2 of 3");
}

#[test]
fn a_rise_after_acknowledgement_pages_anew() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.command(Action::Acknowledge);
    story.said(&["slack acknowledged alice INC"]);
    story.pass(30);
    story.fires("b", Sev2);
    story.said(&["pagerduty page 1.1 INC", "slack page 1.1 INC/1.1"]);
    assert_eq!(story.why(), "b is high makes it SEV2 after it was acknowledged as SEV3, so it is paged anew");
    let incident = story.incident();
    assert_eq!((&incident.acknowledgement, incident.status), (&None, Status::Detected));
    story.fires("c", Sev3);
    assert_eq!(story.incident().severity, Sev2, "it only rises");
}

/// The seconds at which each severity pages while nobody answers, with the levels.
#[test]
fn nobody_answers() {
    let check = |severity: Severity, expected: &[(i64, &str)]| {
        let mut story = Story::new();
        story.fires("a", severity);
        let (mut paged, mut minute) = (Vec::new(), 0);
        while paged.len() < expected.len() {
            story.pass(1);
            minute += 1;
            story.wakes();
            if let Some(first) = story.said.first() {
                paged.push((minute, first.split(' ').nth(2).unwrap().to_owned()));
            }
        }
        let expected: Vec<_> = expected.iter().map(|(minute, level)| (*minute, (*level).to_owned())).collect();
        assert_eq!(paged, expected, "{severity}");
    };
    check(Sev1, &[(5, "2.0"), (15, "3.0"), (20, "1.1"), (25, "2.1"), (35, "3.1"), (40, "1.2")]);
    check(Sev2, &[(15, "2.0"), (30, "3.0"), (45, "1.1"), (60, "2.1")]);
    check(Sev3, &[(60, "2.0"), (120, "3.0"), (180, "1.1")]);
    check(Sev4, &[(240, "2.0"), (480, "3.0"), (720, "1.1")]);
}

#[test]
fn each_level_says_why_and_calls_its_own_channels() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.pass(4);
    story.wakes();
    story.nothing("not yet due");
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 2.0 INC/2.0", "slack page 2.0 INC/2.0"]);
    let (_, notice) = story.effects.last().unwrap().notice().unwrap();
    assert!(matches!(&notice.kind, NoticeKind::Page { team, .. } if team == "Database"));
    story.pass(10);
    story.wakes();
    story.said(&["pagerduty page 3.0 INC/3.0", "slack page 3.0 INC/3.0", "sms page 3.0 INC", "email page 3.0 INC"]);
    assert_eq!(story.why(), "nobody acknowledged within the escalation time of 15 min, so it goes to level 3 of 3");
    story.pass(5);
    story.wakes();
    story.said(&["pagerduty page 1.1 INC/1.1", "slack page 1.1 INC/1.1"]);
    assert_eq!(story.why(), "nobody acknowledged within 20 min at any of 3 levels, so it starts over at level 1");
    story.wakes();
    story.nothing("not yet due");
}

#[test]
fn a_late_wake_up_calls_each_level_that_was_missed() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.pass(17);
    story.wakes();
    let levels: Vec<&str> = story.said.iter().map(|said| said.split(' ').nth(2).unwrap()).collect();
    assert_eq!(levels, ["2.0", "2.0", "3.0", "3.0", "3.0", "3.0"]);
    assert_eq!(story.incident().wake_at, Some("2026-11-23T03:20:00Z".parse().unwrap()));
}

#[test]
fn an_acknowledgement_stops_the_escalation_and_tells_pagerduty_on_every_key() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.pass(15);
    story.wakes();
    story.command(Action::Acknowledge);
    story.said(&["pagerduty acknowledged alice INC,INC/2.0,INC/3.0", "slack acknowledged alice INC,INC/2.0,INC/3.0"]);
    story.pass(59);
    story.wakes();
    story.nothing("nobody is waiting");
    story.command(Action::Acknowledge);
    story.nothing("alice acknowledged it at");
    story.recovers("a");
    story.said(&[
        "email resolved recovery INC",
        "pagerduty resolved recovery INC,INC/2.0,INC/3.0",
        "slack resolved recovery INC,INC/2.0,INC/3.0",
    ]);
}

#[test]
fn nobody_answers_for_days_and_the_head_stays_small() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    for _ in 0..2000 {
        story.pass(5);
        story.wakes();
    }
    // Three rounds of 20 minutes, then 40, 80 ... and from the tenth on one a day: it never stops.
    let incident = story.incident();
    assert!(incident.escalation.round >= 12, "{:?}", incident.escalation);
    assert!(serde_json::to_string(incident).unwrap().len() < 4096);
    story.command(Action::Acknowledge);
    let keys = story.said[1].split(' ').next_back().unwrap().split(',').count();
    assert!((30..=60).contains(&keys), "{keys}: {:?}", story.said);
}

#[test]
fn only_measured_oks_of_all_alerts_resolve() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.fires("b", Sev3);
    story.pass(1);
    story.recovers("a");
    story.said(&["slack update INC"]);
    assert_eq!(story.why(), "a is high: measured OK; still firing: 1");
    story.recovers("a");
    story.nothing("already recorded as OK");
    story.recovers("unknown");
    story.nothing("does not know this alert");
    story.recovers("b");
    story.said(&["pagerduty resolved recovery INC", "slack resolved recovery INC"]);
    let incident = story.incident();
    assert_eq!((incident.status, incident.resolution.as_ref().unwrap().by.as_str()), (Status::Resolved, "recovery"));
    story.recovers("b");
    story.nothing("no incident is open");
}

#[test]
fn an_ok_without_an_incident_is_nothing() {
    let mut story = Story::new();
    story.recovers("a");
    story.nothing("no incident is open");
    story.wakes();
    story.nothing("no such incident");
    story.command(Action::Acknowledge);
    story.nothing("no such incident");
    story.delivery("slack", Ok(None));
    story.nothing("no such incident");
    assert_eq!(story.incident, None);
}

#[test]
fn an_older_event_never_changes_anything() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    let before = story.now;
    story.pass(10);
    story.recovers("a");
    assert!(!story.incident().is_open());
    for state in [ChangeState::Firing, ChangeState::Ok] {
        let older = alert("a", state, Sev1, before + SignedDuration::from_mins(5));
        story.decide(&[Event::Alert(older)]);
        story.nothing("older than the alert's last change");
    }
    // The same again as it was, and the same time as the OK.
    for at in [before, before + SignedDuration::from_mins(10)] {
        story.decide(&[Event::Alert(alert("a", ChangeState::Firing, Sev3, at))]);
        story.nothing("");
    }
    // Newer: another incident.
    let first = story.incident().id.clone();
    story.pass(1);
    story.fires("a", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
    assert!(story.incident().id != first && story.incident().is_open());
}

#[test]
fn an_alert_that_fires_again_is_an_update() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.fires("b", Sev3);
    story.pass(1);
    story.recovers("a");
    story.pass(1);
    story.fires("a", Sev3);
    story.said(&["slack update INC"]);
    assert_eq!(story.why(), "a is high fires again");
}

#[test]
fn a_late_event_of_an_alert_that_the_latest_incident_does_not_know_opens_one_with_its_own_id() {
    let mut story = Story::new();
    let event = Event::Alert(alert("a", ChangeState::Firing, Sev3, story.now));
    story.decide(std::slice::from_ref(&event));
    let first = story.incident().id.clone();
    story.pass(1);
    story.recovers("a");
    story.fires("b", Sev3);
    story.pass(1);
    story.recovers("b");
    // The queue hands out the first event once more.
    story.decide(&[event]);
    assert!(story.incident().is_open());
    assert_ne!(story.incident().id, first);
}

#[test]
fn what_comes_after_the_end_of_an_incident_is_decided_later() {
    let mut story = Story::new();
    let second = |seconds| story.now + SignedDuration::from_secs(seconds);
    let events = [
        Event::Alert(alert("a", ChangeState::Firing, Sev2, second(0))),
        Event::Alert(alert("a", ChangeState::Ok, Sev2, second(1))),
        Event::Alert(alert("a", ChangeState::Firing, Sev2, second(2))),
        Event::Wake,
    ];
    assert_eq!(story.decide(&events), 2);
    story.said(&[
        "pagerduty page 1.0 INC",
        "slack page 1.0 INC",
        "pagerduty resolved recovery INC",
        "slack resolved recovery INC",
    ]);
    let first = story.incident().id.clone();
    assert_eq!(story.decide(&events[2..]), 2);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    assert_ne!(story.incident().id, first);
}

#[test]
fn a_recovery_that_comes_with_the_first_page_makes_no_update() {
    let mut story = Story::new();
    let events = [("a", ChangeState::Firing), ("b", ChangeState::Firing), ("b", ChangeState::Ok)];
    story.decide(&events.map(|(key, state)| Event::Alert(alert(key, state, Sev3, story.now))));
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
}

#[test]
fn commands_on_an_open_incident() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.command(Action::Reopen);
    story.nothing("it is open already");
    story.command(Action::Note("db is slow".to_owned()));
    story.said(&["slack update INC"]);
    assert_eq!(story.why(), "alice: db is slow");
    story.command(Action::Status(Status::Investigating));
    story.said(&["slack acknowledged alice INC", "slack update INC"]);
    assert_eq!((story.incident().status, story.incident().acknowledgement.is_some()), (Status::Investigating, true));
    story.command(Action::Status(Status::Investigating));
    story.nothing("it is investigating already");
    for status in [Status::Detected, Status::Acknowledged, Status::Resolved] {
        story.command(Action::Status(status));
        story.nothing("not set by hand");
    }
    story.command(Action::Status(Status::Monitoring));
    story.said(&["slack update INC"]);
    story.command(Action::Resolve);
    story.said(&["email resolved alice INC", "slack resolved alice INC"]);
    assert_eq!(story.incident().resolution.as_ref().unwrap().by, "alice");
}

#[test]
fn commands_on_a_resolved_incident() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.command(Action::Resolve);
    for action in [Action::Acknowledge, Action::Resolve, Action::Status(Status::Identified)] {
        story.command(action);
        story.nothing("it is resolved already; reopen it first");
    }
    story.command(Action::Note("it was the cache".to_owned()));
    story.said(&[]);
    assert!(matches!(story.journal.last().unwrap().fact, Fact::Noted { .. }));
    story.wakes();
    story.nothing("nobody is waiting");
    // Somebody ended it although it fires: the same event again changes nothing.
    story.decide(&[Event::Alert(alert("a", ChangeState::Firing, Sev2, story.now))]);
    story.nothing("already recorded in INC-");
    story.pass(60);
    story.command(Action::Reopen);
    story.said(&["pagerduty page 1.1 INC/1.1", "slack page 1.1 INC/1.1"]);
    assert_eq!(story.why(), "reopened by alice");
    story.pass(15);
    story.wakes();
    assert_eq!(story.why(), "nobody acknowledged within the response time of 15 min, so it goes to level 2 of 3");
}

#[test]
fn a_page_goes_to_who_is_on_call_and_to_their_own_channels() {
    let mut story = Story::new();
    let people = serde_json::json!({
        "ana": {"name": "ana", "title": "Ana Torres", "contact": "ana@example.com", "slack_user_id": "U024BE7LH",
                "channels": ["sms", "slack", "gone"]},
        "ben": {"name": "ben", "title": "Ben Okafor", "contact": "ben@example.com"},
    });
    story.catalogue.users = serde_json::from_value(people).unwrap();
    // Ana's week ends on Monday, November 23, at 03:03, when nobody follows until ben has the night.
    let schedule = serde_json::json!({
        "name": "nights", "time_zone": "UTC",
        "rotations": [{"users": ["ben"], "starts": "2026-11-23", "every_days": 7, "hand_off": "03:15:00"}],
        "overrides": [{"user": "ana", "from": "2026-11-16T00:00:00Z", "to": "2026-11-23T03:03:00Z"}],
    });
    story.catalogue.schedules.insert("nights".to_owned(), serde_json::from_value(schedule).unwrap());
    story.catalogue.teams.values_mut().for_each(|team| team.on_call = Some("nights".to_owned()));
    let on_call = |story: &Story| {
        let (_, notice) = story.effects.last().unwrap().notice().unwrap();
        notice.on_call.as_ref().map(|person| person.title.clone())
    };

    story.fires("a", Sev1);
    // `slack` is the level's already, and `gone` does not exist.
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC", "sms page 1.0 INC"]);
    assert_eq!(on_call(&story).as_deref(), Some("Ana Torres"));
    story.pass(5);
    story.wakes();
    story.said(&["pagerduty page 2.0 INC/2.0", "slack page 2.0 INC/2.0"]);
    assert_eq!(on_call(&story), None);
    assert_eq!(
        story.why(),
        "nobody acknowledged within the response time of 5 min, so it goes to level 2 of 3; nobody is on call in schedule nights"
    );
    story.pass(10);
    story.wakes();
    assert_eq!(on_call(&story).as_deref(), Some("Ben Okafor"));
    // Only a page calls somebody.
    story.command(Action::Acknowledge);
    assert_eq!(on_call(&story), None);
}

#[test]
fn a_failed_page_is_sent_on_the_other_channel_once() {
    let mut story = Story::new();
    story.fires("a", Sev4);
    story.said(&["email page 1.0 INC"]);
    let failed = || Err("mailbox is full".to_owned());
    story.delivery("email", failed());
    story.said(&["slack page 1.0 INC"]);
    assert_eq!(story.why(), "email failed, so this comes by slack");
    let (_, notice) = story.effects.last().unwrap().notice().unwrap();
    assert!(matches!(&notice.kind, NoticeKind::Page { team, .. } if team == "Platform Engineering"));
    story.delivery("slack", failed());
    story.said(&["pagerduty page 1.0 INC"]);
    story.delivery("pagerduty", failed());
    story.said(&[]);
    assert!(story.outcomes[0].reason.contains("has no other channel left at level 1"));
    // At the next level everything may be tried again, with keys that are new.
    story.pass(240);
    story.wakes();
    story.delivery("email", failed());
    story.said(&["slack page 2.0 INC/2.0"]);
    story.command(Action::Acknowledge);
    story.said(&["pagerduty acknowledged alice INC", "slack acknowledged alice INC,INC/2.0"]);
    story.delivery("slack", failed());
    story.said(&[]);
}

#[test]
fn a_channel_that_was_paged_at_the_same_level_is_no_fallback() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    for channel in ["pagerduty", "slack"] {
        story.delivery(channel, Err("down".to_owned()));
        story.said(&[]);
    }
    let failures = story.journal.iter().filter(|entry| matches!(entry.fact, Fact::DeliveryFailed { .. })).count();
    assert_eq!(failures, 2);
}

#[test]
fn a_failed_update_wakes_nobody() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.fires("b", Sev3);
    let update = story.effects.last().unwrap().number;
    let report = DeliveryReport {
        effect: update,
        channel: "slack".to_owned(),
        is_page: false,
        given_up: true,
        result: Err("down".to_owned()),
    };
    story.decide(&[Event::Delivery(report)]);
    story.said(&[]);
    assert!(story.outcomes[0].reason.contains("called nobody"));
}

#[test]
fn a_receipt_is_stored_and_a_newer_one_replaces_it() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.delivery("pagerduty", Ok(None));
    story.nothing("delivered");
    story.delivery("slack", Ok(Some(thread("1.1"))));
    assert_eq!(story.incident().threads["slack"], thread("1.1"));
    story.delivery("slack", Ok(Some(thread("1.1"))));
    story.nothing("known already");
    // Somebody deleted the message, so it was posted anew.
    story.delivery("slack", Ok(Some(thread("2.2"))));
    assert_eq!(story.incident().threads["slack"], thread("2.2"));
}

/// Lets nobody answer for two days, and returns the minutes from the next page to the start of the next round.
fn minutes_until_it_starts_over(story: &mut Story, begin: impl FnOnce(&mut Story)) -> i64 {
    for _ in 0..2 * 24 * 60 {
        story.pass(1);
        story.wakes();
    }
    begin(story);
    let (began, round) = (story.now, story.incident().escalation.round);
    while story.incident().escalation.round == round {
        story.now = story.incident().wake_at.unwrap();
        story.wakes();
    }
    story.now.duration_since(began).as_secs() / 60
}

#[test]
fn a_rise_or_a_reopening_calls_at_the_plain_pace_again() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    assert_eq!(minutes_until_it_starts_over(&mut story, |story| story.fires("b", Sev1)), 20);
    let reopen = |story: &mut Story| {
        story.command(Action::Resolve);
        story.command(Action::Reopen);
    };
    assert_eq!(minutes_until_it_starts_over(&mut story, reopen), 20);
}

/// A queue may hand out what happened in another order.
#[test]
fn a_late_ok_does_not_end_what_began_after_it() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    let recovered = story.now + SignedDuration::from_mins(1);
    story.pass(2);
    story.fires("a", Sev3);
    story.said(&[]);
    assert!(story.outcomes[0].changed && story.outcomes[0].reason.contains("still firing"), "{:?}", story.outcomes);
    story.fires("a", Sev3);
    story.nothing("a duplicate");
    story.decide(&[Event::Alert(alert("a", ChangeState::Ok, Sev3, recovered))]);
    story.nothing("older than the alert's last change");
    assert!(story.incident().is_open());
    // What is sent by hand or was not recognised begins whenever it comes: it repeats, and is not written again.
    for origin in [Origin::Manual, Origin::Unrecognised] {
        story.pass(1);
        let change = AlertChange { origin, ..alert("a", ChangeState::Firing, Sev3, story.now) };
        story.decide(&[Event::Alert(change)]);
        story.nothing("a duplicate");
    }
}

#[test]
fn who_gives_a_command_is_data() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    let incident = story.incident().id.clone();
    let (by, text) = ("\u{202e}x".repeat(5000), Some("y\u{0}".repeat(5000)));
    story.decide_all(&[Event::Command(Command {
        target: CommandTarget::Incident(incident),
        action: Action::Acknowledge,
        by,
        text,
        once: None,
    })]);
    let by = &story.incident().acknowledgement.as_ref().unwrap().by;
    assert!(by.starts_with(" x x") && by.len() <= 80, "{by:?}");
}

#[test]
fn more_alerts_than_the_head_carries() {
    let mut story = Story::new();
    for index in 0..100 {
        story.fires(&format!("a{index}"), Sev3);
        story.pass(1);
    }
    let incident = story.incident();
    assert_eq!((incident.alerts.len(), incident.beyond.len()), (16, 48));
    // Each is counted once, and those that cannot be counted write nothing.
    for key in ["a16", "a63", "a64", "a99"] {
        story.fires(key, Sev3);
        story.nothing("more than 16 alerts have joined");
    }
    // It still gets worse, and says what to do.
    let worse =
        AlertChange { runbook: Some("high-error-rate".to_owned()), ..alert("z", ChangeState::Firing, Sev1, story.now) };
    story.decide(&[Event::Alert(worse)]);
    assert_eq!((story.incident().severity, story.incident().runbook.as_deref()), (Sev1, Some("high-error-rate")));
    story.said(&["pagerduty page 1.1 INC", "slack update INC"]);
    for index in 0..16 {
        story.recovers(&format!("a{index}"));
    }
    assert!(story.incident().is_open());
    assert_eq!(
        story.outcomes[0].reason,
        "measured OK, but 48 further alerts were not tracked: somebody must resolve it"
    );
    story.command(Action::Resolve);
    assert!(!story.incident().is_open());
}

/// As many alerts as are counted, with the longest texts that JSON makes longer still, and months without an answer.
#[test]
fn a_full_head_is_bounded_whatever_the_text() {
    let quotes = |length: usize| "\"".repeat(length);
    for quote in [None, Some(quotes(600))] {
        let mut story = Story::new();
        for index in 0..100_i64 {
            let at = story.now + SignedDuration::from_nanos(index * 100 + 1);
            let change = AlertChange {
                key: AlertKey::new(&format!("{index}{}", quotes(200)), &Dimensions::new(), None),
                group: GroupKey::named(&quotes(500)),
                title: quotes(160),
                reason: quotes(400),
                quote: quote.clone(),
                dimensions: (0..10).map(|i| (format!("{i}{}", quotes(4)), quotes(5))).collect(),
                value: Some(-1.234_567_890_123_456_7e-100),
                threshold: Some(-1.234_567_890_123_456_7e-100),
                expected: crate::alert::storable_range(crate::metric::Range {
                    low: -1.234_567_890_123_456_7e-100,
                    high: 1.234_567_890_123_456_7e-100,
                }),
                comparison: Some(crate::catalogue::Comparison::AtLeast),
                unit: Unit::Milliseconds,
                runbook: Some("high-error-rate".to_owned()),
                ..alert("x", ChangeState::Firing, Sev1, at)
            };
            story.decide(&[Event::Alert(change)]);
        }
        for channel in ["slack", "email"] {
            let receipt = SlackThread { conversation: quotes(5000), ts: quotes(5000) };
            story.delivery(channel, Ok(Some(receipt)));
        }
        for _ in 0..200 {
            story.now = story.incident().wake_at.unwrap();
            story.wakes();
        }
        let size = serde_json::to_string(story.incident()).unwrap().len();
        assert!(size > 15_000, "the worst case is not bad enough: {size}");
    }
}

#[test]
fn an_unsent_update_is_superseded_by_what_says_more() {
    let story = {
        let mut story = Story::new();
        story.fires("a", Sev3);
        for key in ["b", "c"] {
            story.fires(key, Sev3);
        }
        story.fires("d", Sev1);
        story.command(Action::Resolve);
        story
    };
    let slack: Vec<&Effect> = story.effects.iter().filter(|effect| effect.lane() == "slack").collect();
    let kinds: Vec<String> = slack.iter().map(|effect| in_short(effect)).collect();
    assert_eq!(
        kinds,
        ["slack page 1.0 INC", "slack update INC", "slack update INC", "slack update INC", "slack resolved alice INC"]
    );
    let superseded = |older: usize, newer: usize| slack[older].is_superseded_by(slack[newer]);
    assert!(superseded(1, 2) && superseded(1, 4) && superseded(3, 4));
    assert!(!superseded(0, 4), "a page is always sent");
    assert!(!superseded(2, 1), "by something older");
    assert!(!superseded(1, 1), "by itself");
    let pagerduty = story.effects.iter().find(|effect| effect.lane() == "pagerduty").unwrap();
    assert!(!slack[1].is_superseded_by(pagerduty));
}

#[test]
fn retries_come_later_and_later_and_not_all_at_once() {
    let seconds = |attempt, asked: Option<i64>| {
        retry_after(attempt, asked.map(SignedDuration::from_secs), "INC-1#1").as_secs_f64()
    };
    for (attempt, least) in
        [(0, 5.0), (1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (6, 60.0), (u32::MAX, 60.0)]
    {
        let wait = seconds(attempt, None);
        assert!((least..=least * 1.25).contains(&wait), "attempt {attempt}: {wait}");
    }
    for (asked, expected) in [(30, 30.0), (0, 1.0), (-5, 1.0), (86_400, 900.0)] {
        assert!((seconds(1, Some(asked)) - expected).abs() < 1e-9, "asked {asked}");
    }
    let spread: std::collections::BTreeSet<_> = (0..50).map(|i| retry_after(1, None, &format!("INC-{i}#1"))).collect();
    assert!(spread.len() > 40);
}

#[test]
fn a_late_page_of_a_sev1_goes_by_another_channel_once_while_the_first_may_recover() {
    for (severity, expected) in [(Sev1, &["sms page 1.0 INC"][..]), (Sev3, &[])] {
        let mut story = Story::new();
        // A channel of its own to fall back to.
        let mut sms = story.catalogue.channels["email"].clone();
        sms.name = "sms".to_owned();
        story.catalogue.channels.insert("sms".to_owned(), sms);
        story.catalogue.channels.get_mut("slack").unwrap().fallback = Some("sms".to_owned());
        story.fires("a", severity);
        let late = |story: &mut Story| {
            let (channel, result) = ("slack".to_owned(), Err("503".to_owned()));
            let report = DeliveryReport { effect: 2, channel, is_page: true, given_up: false, result };
            story.decide(&[Event::Delivery(report)]);
        };
        late(&mut story);
        story.said(expected);
        late(&mut story);
        story.said(&[]);
        assert!(!story.journal.iter().any(|entry| matches!(entry.fact, Fact::DeliveryFailed { .. })));
    }
}

#[test]
fn what_is_worse_at_the_very_time_of_its_recovery_is_no_duplicate() {
    let mut story = Story::new();
    story.fires("a", Sev3);
    story.fires("b", Sev3);
    story.pass(1);
    story.recovers("a");
    story.fires("a", Sev3);
    story.nothing("a duplicate");
    story.fires("a", Sev2);
    assert_eq!(story.incident().severity, Sev2);
}
