//! A team that a runbook tells beside those that the levels call.

use super::*;
use crate::action::{Ledger, RunEnd, RunState};
use crate::catalogue::people::User;
use crate::catalogue::{ActionKind, ActionSpec, Actions, Automation};
use Severity::Sev3;

const RUNBOOK: &str = "lambda-timeout";

/// A story whose runbook tells the database team by PagerDuty, and may act on nothing.
fn story() -> Story {
    let mut story = Story::new();
    story.catalogue.actions = Actions { dry_run: false, ..Actions::default() };
    story.catalogue.teams.get_mut("database").unwrap().channels = vec!["pagerduty".to_owned()];
    let action = ActionKind::AlertTeam { team: "database".to_owned() };
    story.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation = Some(Automation {
        dry_run: false,
        approval: None,
        cooldown_seconds: 1800,
        max_per_hour: 10,
        max_targets: 1,
        ask_after_failures: 2,
        actions: vec![ActionSpec { action, verify_seconds: 600 }],
    });
    story.around.ledger = Some(Ledger::default());
    story
}

fn fires(story: &mut Story) {
    fires_at(story, "duration", Sev3);
}

fn fires_at(story: &mut Story, key: &str, severity: Severity) {
    let change = alert(key, ChangeState::Firing, severity, story.now);
    story.decide_all(&[Event::Alert(AlertChange { runbook: Some(RUNBOOK.to_owned()), ..change })]);
}

fn automation(story: &mut Story) -> &mut Automation {
    story.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation.as_mut().unwrap()
}

fn ends(story: &Story) -> Vec<RunState> {
    story.incident().runs.iter().map(|run| run.state).collect()
}

#[test]
fn the_team_is_told_by_its_own_channels_once_the_levels_are_called() {
    let mut story = story();
    fires(&mut story);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC", "pagerduty team database INC"]);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Told }]);
    let told = story.journal.iter().find(|entry| entry.effects == [3]).unwrap();
    assert_eq!(told.reason, "Database is told by pagerduty: runbook lambda-timeout asks for it");
    // The escalation is where it was, and a page that comes by the same channel opens a key of its own.
    assert_eq!(story.incident().escalation.level, 1);
    story.pass(60);
    story.wakes();
    story.said(&["slack page 2.0 INC/2.0", "email page 2.0 INC/2.0"]);
}

#[test]
fn what_the_team_was_told_of_is_closed_with_the_incident() {
    let mut story = story();
    // By a channel that the level has, too.
    story.catalogue.teams.get_mut("database").unwrap().channels = vec!["slack".to_owned()];
    fires(&mut story);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC", "slack team database INC/0.1"]);
    story.pass(1);
    story.recovers("duration");
    story.said(&["email resolved recovery INC", "slack resolved recovery INC,INC/0.1"]);
}

#[test]
fn whoever_of_the_team_is_on_call_is_told_by_their_own_channels() {
    let mut story = story();
    let schedule = serde_json::from_value(json!({
        "name": "database", "time_zone": "UTC",
        "rotations": [{ "users": ["dora"], "starts": "2026-11-01", "every_days": 7, "hand_off": "09:00:00" }],
    }));
    story.catalogue.schedules.insert("database".to_owned(), schedule.unwrap());
    let dora: User = serde_json::from_value(json!({
        "name": "dora", "title": "Dora", "contact": "dora@example.com", "channels": ["sms", "pagerduty"],
    }))
    .unwrap();
    story.catalogue.users.insert("dora".to_owned(), dora);
    story.catalogue.teams.get_mut("database").unwrap().on_call = Some("database".to_owned());
    fires(&mut story);
    assert_eq!(story.said[2..], ["pagerduty team database INC", "sms team database INC"]);
    let (_, notice) = story.effects.last().and_then(Effect::notice).unwrap();
    assert_eq!(notice.on_call.as_ref().unwrap().title, "Dora");
}

#[test]
fn a_team_that_a_level_has_called_is_not_told_once_more() {
    let mut story = story();
    story.catalogue.runbooks.get_mut(RUNBOOK).unwrap().levels = vec!["database".to_owned()];
    fires(&mut story);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Nothing }]);
    assert_eq!(story.journal.last().unwrap().reason, "Database is not told once more: it was called at level 1");
}

#[test]
fn a_telephone_that_rang_for_the_incident_does_not_ring_for_the_team() {
    let mut story = story();
    story.catalogue.teams.get_mut("database").unwrap().channels = vec!["pagerduty".to_owned(), "slack".to_owned()];
    fires_at(&mut story, "duration", Severity::Sev2);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC", "slack team database INC/0.1"]);

    let mut story = self::story();
    fires_at(&mut story, "duration", Severity::Sev2);
    story.said(&["pagerduty page 1.0 INC", "slack page 1.0 INC"]);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Nothing }]);
    assert_eq!(story.journal.last().unwrap().reason, "Database is not told once more: pagerduty called already");
}

#[test]
fn a_team_that_was_called_in_an_earlier_round_is_not_told_once_more() {
    let mut story = story();
    let automation = automation(&mut story).clone();
    let runbook = story.catalogue.runbooks.get_mut(RUNBOOK).unwrap();
    runbook.automation = None;
    runbook.levels = ["platform", "database", "platform"].map(str::to_owned).to_vec();
    fires(&mut story);
    for _ in 0..3 {
        story.pass(60);
        story.wakes();
    }
    assert_eq!((story.incident().escalation.level, story.incident().escalation.round), (1, 1));
    story.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation = Some(automation);
    story.pass(1);
    fires_at(&mut story, "throttles", Sev3);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Nothing }]);
    assert_eq!(story.journal.last().unwrap().reason, "Database is not told once more: it was called at level 2");
}

#[test]
fn an_incident_that_told_a_team_has_a_form_that_versions_before_call_newer() {
    let mut story = story();
    automation(&mut story).actions.clear();
    fires(&mut story);
    assert_eq!(story.incident().schema, 1);
    let mut story = self::story();
    fires(&mut story);
    assert_eq!(story.incident().schema, 2);
}

#[test]
fn a_team_that_cannot_be_reached_is_said_to_be() {
    let mut story = story();
    story.catalogue.teams.get_mut("database").unwrap().channels.clear();
    fires(&mut story);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Nothing }]);
    assert!(story.journal.last().unwrap().reason.contains("neither the team nor anybody of it"));
}

#[test]
fn a_dry_run_tells_nobody_and_says_so() {
    let mut story = story();
    automation(&mut story).dry_run = true;
    fires(&mut story);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::DryRun }]);
    assert_eq!(story.journal.last().unwrap().reason, "dry-run: would tell Database by pagerduty");
}

#[test]
fn the_team_is_not_told_again_within_the_cooldown() {
    let mut story = story();
    fires(&mut story);
    for (minutes, end) in [(10, RunEnd::Refused), (70, RunEnd::Told)] {
        story.pass(1);
        story.recovers("duration");
        story.pass(minutes);
        fires(&mut story);
        assert_eq!(ends(&story), [RunState::Ended { end }], "after {minutes} min");
    }
}

#[test]
fn the_next_action_does_not_wait_for_the_team() {
    let mut story = story();
    story.catalogue.actions.allow = vec!["lambda/*".to_owned()];
    let action = ActionKind::Restart { function: "ai-nutritionist-api".to_owned() };
    automation(&mut story).actions.push(ActionSpec { action, verify_seconds: 600 });
    // Neither does a word to a team need anybody's consent.
    automation(&mut story).approval =
        Some(crate::catalogue::Approval { team: "platform".to_owned(), expires_seconds: 900 });
    fires(&mut story);
    assert_eq!(ends(&story), [RunState::Ended { end: RunEnd::Told }, RunState::Proposed]);
}
