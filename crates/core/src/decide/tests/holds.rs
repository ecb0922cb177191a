//! What holds a page back, and when it comes after all.

use super::*;
use crate::catalogue::{Matcher, Severity};
use crate::incident::Hold;
use crate::silence::Silence;
use Severity::{Sev1, Sev2, Sev3};

fn silence(story: &Story, rule: &str, minutes: i64) -> Silence {
    Silence {
        schema: 1,
        id: "SIL-1".to_owned(),
        matcher: Matcher { rule: Some(rule.to_owned()), ..Matcher::default() },
        alerts: BTreeSet::new(),
        from: story.now,
        until: story.now + SignedDuration::from_mins(minutes),
        by: "alice".to_owned(),
        why: "known".to_owned(),
        sev1: false,
        every: None,
    }
}

fn parent(paged: bool) -> Parent {
    let incident = IncidentId::parse("INC-9").unwrap();
    Parent { incident, group: GroupKey::named("database"), severity: Sev1, paged }
}

#[test]
fn what_is_silenced_is_recorded_and_paged_when_the_silence_ends() {
    let mut story = Story::new();
    story.around.silences = vec![silence(&story, "a", 60)];
    story.fires("a", Sev2);
    story.said(&[]);
    let last = story.journal.last().unwrap();
    assert_eq!(last.reason, "nobody is called: silenced by alice until 2026-11-23 04:00 UTC (SIL-1): known");
    story.pass(59);
    story.wakes();
    story.nothing("held back");
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    assert_eq!(story.why(), "it was held back by SIL-1, which is over");
    // The deadlines count from the page.
    assert_eq!(story.incident().wake_at, Some(story.now + SignedDuration::from_mins(15)));
}

#[test]
fn what_recovers_while_it_is_silenced_wakes_nobody() {
    let mut story = Story::new();
    story.around.silences = vec![silence(&story, "a", 60)];
    story.fires("a", Sev2);
    story.pass(10);
    story.recovers("a");
    story.said(&[]);
    assert!(!story.incident().is_open());
    assert_eq!(story.incident().held, None);
}

#[test]
fn an_alert_that_nobody_silenced_is_paged_with_what_was_silenced() {
    let mut story = Story::new();
    story.around.silences = vec![silence(&story, "a", 60)];
    story.fires("a", Sev2);
    story.pass(1);
    story.fires("b", Sev3);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn a_silenced_incident_that_becomes_a_sev1_is_paged() {
    let mut story = Story::new();
    story.around.silences = vec![silence(&story, "*", 60)];
    story.fires("a", Sev2);
    story.said(&[]);
    story.pass(1);
    story.fires("a", Sev1);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn a_sev1_is_held_back_by_a_silence_only_if_it_was_made_for_one() {
    for sev1 in [false, true] {
        let mut story = Story::new();
        story.around.silences = vec![Silence { sev1, ..silence(&story, "a", 60) }];
        story.fires("a", Sev1);
        assert_eq!(story.said.is_empty(), sev1);
    }
}

#[test]
fn a_silence_stops_an_escalation_and_its_end_begins_a_new_round() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.pass(10);
    story.around.silences = vec![silence(&story, "a", 60)];
    story.pass(5);
    story.wakes();
    story.said(&[]);
    assert!(matches!(story.incident().held, Some(Hold::Silence { .. })));
    story.pass(55);
    story.wakes();
    story.said(&["pagerduty page 1.1 INC/1.1", "slack page 1.1 INC/1.1"]);
}

#[test]
fn what_depends_on_a_paged_incident_waits_until_that_is_resolved() {
    let mut story = Story::new();
    story.around.parents = vec![parent(true)];
    story.fires("a", Sev1);
    story.said(&[]);
    assert_eq!(
        story.journal.last().unwrap().reason,
        "nobody is called: database, which it depends on, has INC-9, which was paged and is open"
    );
    story.pass(90);
    story.wakes();
    story.nothing("held back");
    story.around.parents.clear();
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    assert_eq!(story.why(), "it was held back while database, which it depends on, had INC-9, which is over");
}

#[test]
fn a_parent_whose_page_nobody_accepted_holds_nothing_back() {
    let mut story = Story::new();
    story.around.parents = vec![parent(false)];
    story.fires("a", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
}

#[test]
fn a_milder_parent_holds_nothing_back() {
    let mut story = Story::new();
    story.around.parents = vec![Parent { severity: Sev3, ..parent(true) }];
    story.fires("a", Sev2);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn one_reason_may_follow_another() {
    let mut story = Story::new();
    story.around.parents = vec![parent(true)];
    story.fires("a", Sev2);
    story.around.silences = vec![silence(&story, "a", 60)];
    story.around.parents.clear();
    story.pass(1);
    story.wakes();
    story.said(&[]);
    assert!(matches!(story.incident().held, Some(Hold::Silence { .. })));
}

/// Fires and recovers a minute later.
fn flap(story: &mut Story, severity: Severity) {
    story.pass(1);
    story.fires("a", severity);
    let paged = !story.said.is_empty();
    story.pass(1);
    story.recovers("a");
    assert!(paged || story.said.is_empty(), "of what was held back nobody is told: {:?}", story.said);
}

#[test]
fn the_third_incident_of_a_group_in_an_hour_is_paged_only_if_it_lasts() {
    let mut story = Story::new();
    flap(&mut story, Sev2);
    flap(&mut story, Sev2);
    assert!(!story.said.is_empty());
    flap(&mut story, Sev2);
    assert!(story.said.is_empty());
    story.pass(1);
    story.fires("a", Sev2);
    assert_eq!(
        story.journal.last().unwrap().reason,
        "nobody is called: incident 4 of api within 1 h: it is flapping, and paged if it lasts 5 min"
    );
    story.pass(4);
    story.wakes();
    story.nothing("held back");
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn what_flaps_all_day_is_paged_once_in_an_hour() {
    let mut story = Story::new();
    let mut pages = 0;
    for _ in 0..180 {
        story.pass(1);
        story.fires("a", Sev2);
        pages += usize::from(!story.said.is_empty());
        story.pass(1);
        story.recovers("a");
    }
    // Six hours: two at first, and one each hour after.
    assert!((6..=8).contains(&pages), "{pages} pages");
}

#[test]
fn a_sev1_that_flaps_is_paged_each_time() {
    let mut story = Story::new();
    for _ in 0..5 {
        flap(&mut story, Sev1);
        assert!(!story.said.is_empty());
    }
}

#[test]
fn one_too_many_in_a_storm_is_held_back_but_for_a_sev1_and_paged_when_the_storm_is_over() {
    let storm = IncidentId::parse("INC-5").unwrap();
    let around = Around { storm: Some(storm), ..Around::default() };
    let mut story = Story { around: around.clone(), ..Story::new() };
    story.fires("a", Sev1);
    assert!(!story.said.is_empty());

    let mut story = Story { around: around.clone(), ..Story::new() };
    story.fires("a", Sev2);
    story.said(&[]);
    story.pass(1);
    story.wakes();
    story.nothing("held back");
    story.around.storm = None;
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn an_incident_that_was_paged_before_the_storm_goes_on_by_itself() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.around.storm = IncidentId::parse("INC-5");
    story.pass(15);
    story.wakes();
    story.said(&["pagerduty page 2.0 INC/2.0", "slack page 2.0 INC/2.0"]);
}

#[test]
fn what_was_paged_and_silenced_is_one_of_many_when_the_silence_ends_in_a_storm() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.around.silences = vec![silence(&story, "a", 60)];
    story.pass(15);
    story.wakes();
    story.said(&[]);
    story.around.storm = IncidentId::parse("INC-5");
    story.pass(60);
    story.wakes();
    assert!(matches!(story.incident().held, Some(Hold::Storm { .. })));
    story.around.storm = None;
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.1 INC/1.1", "slack page 1.1 INC/1.1"]);
}

#[test]
fn the_page_that_stands_for_many_is_held_back_by_nothing() {
    let mut story = Story::new();
    let everything = Matcher { group: Some("*".to_owned()), ..Matcher::default() };
    story.around.silences = vec![Silence { matcher: everything, sev1: true, ..silence(&story, "a", 60) }];
    let change = AlertChange { group: GroupKey::storm(), ..alert("a", ChangeState::Firing, Sev2, story.now) };
    story.decide_all(&[Event::Alert(change)]);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn what_a_parent_holds_back_is_not_released_while_the_parent_is_paged_once_more() {
    let mut story = Story::new();
    story.around.parents = vec![parent(true)];
    story.fires("a", Sev2);
    story.said(&[]);
    // Its next level was asked for, and no receiver has accepted that yet.
    story.around.parents = vec![parent(false)];
    story.pass(1);
    story.wakes();
    story.nothing("held back");
    let another = Parent { incident: IncidentId::parse("INC-10").unwrap(), ..parent(false) };
    story.around.parents = vec![another];
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
}

#[test]
fn whoever_acknowledges_and_then_says_nothing_is_not_relied_on() {
    let mut story = Story::new();
    story.fires("a", Sev1);
    story.command(Action::Acknowledge);
    // Four times the escalation time of 15 minutes.
    story.pass(59);
    story.wakes();
    story.nothing("acknowledged");
    story.command(Action::Note("still looking".to_owned()));
    story.pass(59);
    story.wakes();
    story.nothing("acknowledged");
    story.command(Action::Status(Status::Identified));
    story.pass(60);
    story.wakes();
    story.said(&["pagerduty page 1.1 INC/1.1", "slack page 1.1 INC/1.1"]);
    assert_eq!(story.why(), "alice acknowledged it, and was not heard of for too long");
    assert_eq!(story.incident().status, Status::Identified);
    // Unacknowledged again, so it escalates like any other.
    story.pass(5);
    story.wakes();
    story.said(&["pagerduty page 2.1 INC/2.1", "slack page 2.1 INC/2.1"]);
    story.command(Action::Acknowledge);
    assert!(story.incident().acknowledgement.is_some());
}

#[test]
fn a_rise_before_anybody_answered_does_not_put_the_next_call_off() {
    let mut story = Story::new();
    story.fires("a", Sev2);
    story.pass(14);
    story.fires("a", Sev1);
    story.said(&["slack update INC"]);
    // As a SEV2 its second level was due in a minute.
    story.pass(1);
    story.wakes();
    story.said(&["pagerduty page 2.1 INC/2.1", "slack page 2.1 INC/2.1"]);
}

#[test]
fn a_record_that_comes_again_closes_what_was_paged_without_one() {
    let mut story = Story::new();
    let change = alert("a", ChangeState::Firing, Sev1, story.now);
    story.decide_all(&[Event::AlertAgain(change.clone())]);
    story.said(&["pagerduty page 1.0 ai-nutritionist/api", "slack page 1.0 ai-nutritionist/api"]);
    story.decide_all(&[Event::AlertAgain(change)]);
    story.nothing("a duplicate");
    story.command(Action::Acknowledge);
    story.said(&["pagerduty acknowledged alice ai-nutritionist/api", "slack acknowledged alice ai-nutritionist/api"]);
}
