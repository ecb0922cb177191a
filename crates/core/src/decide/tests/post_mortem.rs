//! What follows the end of an incident.

use super::*;

fn asked(story: &Story) -> usize {
    story.effects.iter().filter(|effect| matches!(effect.kind, EffectKind::WritePostMortem {})).count()
}

fn written(story: &mut Story, action_items: u32) {
    let reviewers = vec!["Platform Engineering".to_owned()];
    story.decide_all(&[Event::PostMortemWritten(PostMortemWritten {
        action_items,
        reviewers,
        approved_by: None,
        again_at: None,
    })]);
}

#[test]
fn the_severities_that_the_catalogue_names_get_a_post_mortem() {
    for (severity, expected) in [(Severity::Sev1, 1), (Severity::Sev2, 1), (Severity::Sev3, 0), (Severity::Sev4, 0)] {
        let mut story = Story::new();
        story.fires("a", severity);
        assert_eq!(asked(&story), 0);
        story.recovers("a");
        assert_eq!(asked(&story), expected, "{severity}");
    }
}

#[test]
fn a_person_who_resolves_asks_for_it_too_and_a_second_end_asks_once_more() {
    let mut story = Story::new();
    story.fires("a", Severity::Sev2);
    story.command(Action::Resolve);
    assert_eq!(asked(&story), 1);
    story.command(Action::Reopen);
    story.command(Action::Resolve);
    let asks: Vec<&Effect> = story.effects.iter().filter(|effect| effect.notice().is_none()).collect();
    assert_eq!(asks.len(), 2);
    assert!(asks[0].is_superseded_by(asks[1]) && !asks[1].is_superseded_by(asks[0]));
    let request = asks[0].request(&story.incident().id).unwrap();
    assert_eq!(request, ("post-mortem", json!({ "incident_id": story.incident().id })));
}

#[test]
fn its_reviewers_are_told_once_where_people_were_called() {
    let mut story = Story::new();
    story.fires("a", Severity::Sev1);
    story.recovers("a");
    written(&mut story, 2);
    story.said(&["slack post-mortem Platform Engineering INC"]);
    assert_eq!(story.why(), "a draft is written, with 2 action items");
    written(&mut story, 3);
    story.nothing("know of the post-mortem already");
}

#[test]
fn one_that_is_open_again_is_told_of_when_it_has_ended_again() {
    let mut story = Story::new();
    story.fires("a", Severity::Sev1);
    story.command(Action::Resolve);
    written(&mut story, 1);
    story.command(Action::Reopen);
    written(&mut story, 1);
    story.nothing("it is open again");
    story.command(Action::Resolve);
    written(&mut story, 1);
    story.said(&["slack post-mortem Platform Engineering INC,INC/1.1"]);
}

#[test]
fn nobody_is_told_of_what_nobody_was_called_for() {
    let mut story = Story::new();
    let until = story.now + SignedDuration::from_hours(2);
    story.around.silences.push(crate::silence::Silence {
        schema: 1,
        id: "SIL-20261123-00000001".to_owned(),
        matcher: crate::catalogue::Matcher { group: Some("api".to_owned()), rule: None, dimensions: Dimensions::new() },
        alerts: std::collections::BTreeSet::new(),
        from: story.now,
        until,
        by: "alice".to_owned(),
        why: "known".to_owned(),
        sev1: false,
        every: None,
    });
    story.fires("a", Severity::Sev2);
    story.said(&[]);
    story.recovers("a");
    assert_eq!(asked(&story), 1, "what nobody was called for is written down all the same");
    written(&mut story, 1);
    story.said(&[]);
    assert!(story.incident().post_mortem_at.is_some());
}

#[test]
fn where_only_phones_rang_the_quiet_channels_are_told() {
    let mut story = Story::new();
    for level in &mut story.catalogue.severities.get_mut(&Severity::Sev1).unwrap().levels {
        level.channels = vec!["pagerduty".to_owned()];
    }
    story.fires("a", Severity::Sev1);
    story.recovers("a");
    written(&mut story, 0);
    story.said(&["slack post-mortem Platform Engineering INC", "email post-mortem Platform Engineering INC"]);
}

fn answers(story: &mut Story, approved_by: Option<&str>, again_in_minutes: Option<i64>) {
    let reviewers = vec!["Platform Engineering".to_owned()];
    let again_at = again_in_minutes.map(|minutes| story.now + SignedDuration::from_mins(minutes));
    let approved_by = approved_by.map(str::to_owned);
    story.decide_all(&[Event::PostMortemWritten(PostMortemWritten {
        action_items: 2,
        reviewers,
        approved_by,
        again_at,
    })]);
}

/// A SEV1 that is over and of which the reviewers were told.
fn told() -> Story {
    let mut story = Story::new();
    story.fires("a", Severity::Sev1);
    story.recovers("a");
    answers(&mut story, None, None);
    story
}

#[test]
fn reviewers_are_reminded_each_day_of_a_week_then_each_week_until_somebody_approves() {
    let mut story = told();
    for reminder in 1..=8 {
        let days = if reminder == 8 { 7 } else { 1 };
        assert_eq!(story.incident().next_due(), Some(story.now + SignedDuration::from_hours(24 * days)), "{reminder}");
        story.now += SignedDuration::from_hours(24 * days) - SignedDuration::from_mins(1);
        story.decide_all(&[Event::Wake]);
        story.nothing("nobody is waiting");
        story.now += SignedDuration::from_mins(1);
        let before = asked(&story);
        story.decide_all(&[Event::Wake]);
        assert_eq!(asked(&story), before + 1, "the function is asked whether it is approved");
        answers(&mut story, None, None);
        story.said(&["slack post-mortem Platform Engineering INC"]);
        assert_eq!(story.why(), format!("nobody has approved it yet; reminder {reminder}"));
    }
    answers(&mut story, Some("ben"), None);
    assert_eq!((story.incident().next_due(), &story.incident().review), (None, &None));
    story.now += SignedDuration::from_hours(24 * 30);
    story.decide_all(&[Event::Wake]);
    story.nothing("nobody is waiting");
    answers(&mut story, Some("ben"), None);
    story.nothing("its post-mortem is approved");
}

#[test]
fn the_document_is_asked_for_again_when_its_hours_are_over_and_nobody_is_reminded_of_that() {
    let mut story = Story::new();
    story.fires("a", Severity::Sev1);
    story.recovers("a");
    answers(&mut story, None, Some(40));
    let remind_at = story.now + SignedDuration::from_hours(24);
    story.now += SignedDuration::from_mins(40);
    let before = asked(&story);
    story.decide_all(&[Event::Wake]);
    assert_eq!((asked(&story), story.incident().next_due()), (before + 1, Some(remind_at)));
    answers(&mut story, None, None);
    story.nothing("know of the post-mortem already");
}

#[test]
fn a_function_that_does_not_answer_is_asked_again_the_next_day() {
    let mut story = told();
    for _ in 0..3 {
        story.now += SignedDuration::from_hours(24);
        story.decide_all(&[Event::Wake]);
        assert_eq!(story.incident().next_due(), Some(story.now + SignedDuration::from_hours(24)));
    }
}

#[test]
fn what_changes_after_it_was_approved_is_to_be_reviewed_again() {
    let mut story = told();
    answers(&mut story, Some("ben"), None);
    answers(&mut story, None, None);
    story.said(&["slack post-mortem Platform Engineering INC"]);
    assert_eq!(story.why(), "it has changed, and nobody has approved it as it is");
    assert_eq!(story.incident().next_due(), Some(story.now + SignedDuration::from_hours(24)));
    story.command(Action::Reopen);
    assert_eq!(story.incident().review, None);
}
