//! What follows the end of an incident.

use super::*;

fn asked(story: &Story) -> usize {
    story.effects.iter().filter(|effect| matches!(effect.kind, EffectKind::WritePostMortem {})).count()
}

fn written(story: &mut Story, action_items: u32) {
    let reviewers = vec!["Platform Engineering".to_owned()];
    story.decide_all(&[Event::PostMortemWritten(PostMortemWritten { action_items, reviewers })]);
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
