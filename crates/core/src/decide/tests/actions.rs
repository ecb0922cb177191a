//! What is done by itself, and undone.

use super::*;
use crate::action::{Breaker, BreakerState, Call, Ledger, Observed, Phase, RunEnd, RunState};
use crate::catalogue::{ActionKind, ActionSpec, Actions, Approval, Automation};
use crate::decide::{Looked, Obstacle, Ran};
use Severity::{Sev2, Sev3};

const RUNBOOK: &str = "lambda-timeout";

/// A story whose runbook opens the breaker of a service, probes after 5 minutes, and must help within 10.
fn story() -> Story {
    let mut story = Story::new();
    let breaker = |service: &str| ActionSpec {
        action: ActionKind::CircuitBreaker { service: service.to_owned(), probe_after_seconds: 300, probe_percent: 10 },
        verify_seconds: 600,
    };
    story.catalogue.actions = Actions {
        dry_run: false,
        allow: vec!["circuit-breaker/*".to_owned()],
        services: vec!["model".to_owned(), "payment".to_owned()],
        max_per_hour: 10,
    };
    story.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation = Some(Automation {
        dry_run: false,
        approval: None,
        cooldown_seconds: 1800,
        max_per_hour: 10,
        max_targets: 1,
        ask_after_failures: 2,
        actions: vec![breaker("model")],
    });
    story.around.ledger = Some(Ledger::default());
    story
}

impl Story {
    fn automation(&mut self) -> &mut Automation {
        self.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation.as_mut().unwrap()
    }

    fn slow(&mut self, key: &str, severity: Severity) {
        let change =
            AlertChange { runbook: Some(RUNBOOK.to_owned()), ..alert(key, ChangeState::Firing, severity, self.now) };
        self.decide_all(&[Event::Alert(change)]);
    }

    fn looked(&mut self, result: Result<Option<&str>, Obstacle>) {
        let result = result.map(|value| Observed::Parameter { value: value.map(str::to_owned) });
        self.decide_all(&[Event::Looked(Looked { run: self.incident().runs.last().unwrap().number, result })]);
    }

    fn ran(&mut self, phase: Phase, result: Result<(), Obstacle>) {
        let run = self.incident().runs.last().unwrap().number;
        self.decide_all(&[Event::Ran(Ran { run, phase, result })]);
    }

    /// The breaker is open, and it is watched whether that helps.
    fn opened(&mut self) {
        self.slow("duration", Sev3);
        self.looked(Ok(None));
        self.ran(Phase::Do, Ok(()));
    }

    fn state(&self) -> RunState {
        self.incident().runs.last().unwrap().state
    }

    /// The state of a breaker that the last calls set.
    fn sets(&self) -> BreakerState {
        let calls = self.effects.iter().rev().find_map(|effect| match &effect.kind {
            EffectKind::RunActions { calls, .. } => Some(calls),
            _ => None,
        });
        let Call::PutParameter { value, .. } = &calls.expect("calls")[0].call else { panic!("no breaker") };
        serde_json::from_str::<Breaker>(value).unwrap().state
    }

    fn live_places(&self) -> usize {
        self.around.ledger.as_ref().unwrap().places.iter().filter(|place| place.ended_at.is_none()).count()
    }
}

fn ended(end: RunEnd) -> RunState {
    RunState::Ended { end }
}

fn denied(untouched: bool) -> Obstacle {
    Obstacle::Failed { reason: "the role may not call ssm:PutParameter".to_owned(), untouched }
}

#[test]
fn people_are_called_and_then_the_target_is_looked_at_and_the_calls_are_recorded() {
    let mut story = story();
    story.slow("duration", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC", "look 1"]);
    story.looked(Ok(None));
    story.said(&["do 1"]);
    assert_eq!((story.state(), story.sets()), (RunState::Acting, BreakerState::Open));
    story.ran(Phase::Do, Ok(()));
    story.said(&["slack update INC"]);
    assert_eq!((story.state(), story.live_places()), (RunState::Watching, 1));
    assert_eq!(story.incident().next_due(), Some(story.now + SignedDuration::from_mins(5)));
}

#[test]
fn what_helped_is_noted_and_undone_when_the_incident_is_over() {
    let mut story = story();
    story.opened();
    story.slow("throttles", Sev3);
    story.pass(2);
    story.recovers("duration");
    assert_eq!(story.state(), RunState::Watching, "one of the two still asks for it");
    story.recovers("throttles");
    assert_eq!(story.state(), RunState::Undoing);
    story.said(&["email resolved recovery INC", "slack resolved recovery INC", "undo 1"]);
    assert_eq!(story.sets(), BreakerState::Closed);
    story.ran(Phase::Undo, Ok(()));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::Undone), 0));
    assert!(story.around.ledger.as_ref().unwrap().failures.is_empty());
    assert_eq!(story.incident().next_due(), None);
}

#[test]
fn the_breaker_is_half_open_after_its_time() {
    let mut story = story();
    story.opened();
    story.pass(4);
    story.wakes();
    story.said(&[]);
    story.pass(1);
    story.wakes();
    story.said(&["later 1"]);
    assert_eq!(story.sets(), BreakerState::HalfOpen);
    story.wakes();
    story.said(&[]);
    story.ran(Phase::Later, Ok(()));
    assert_eq!(story.state(), RunState::Watching);
}

#[test]
fn what_did_not_help_in_time_is_undone_and_the_next_level_is_called() {
    let mut story = story();
    story.opened();
    story.pass(5);
    story.wakes();
    story.ran(Phase::Later, Ok(()));
    story.pass(5);
    story.wakes();
    story.said(&["undo 1", "slack page 2.0 INC/2.0", "email page 2.0 INC/2.0"]);
    assert_eq!(
        story.why(),
        "circuit_breaker on circuit-breaker/model did not help within 10 min, so it goes to level 2 of 3 now"
    );
    story.ran(Phase::Undo, Ok(()));
    assert_eq!(story.state(), ended(RunEnd::Undone));
    assert_eq!(story.around.ledger.as_ref().unwrap().failures[RUNBOOK], 1);
}

#[test]
fn what_made_it_worse_is_undone_at_once() {
    let mut story = story();
    story.opened();
    story.pass(1);
    story.slow("duration", Sev2);
    assert_eq!((story.state(), story.sets()), (RunState::Undoing, BreakerState::Closed));
}

#[test]
fn whoever_is_on_it_is_told_and_not_called() {
    let mut story = story();
    story.opened();
    story.command(Action::Acknowledge);
    story.pass(10);
    story.wakes();
    assert!(!story.effects.last().unwrap().is_page());
    assert_eq!(story.state(), RunState::Undoing);
}

#[test]
fn the_next_action_is_tried_when_the_one_before_did_not_help() {
    let mut story = story();
    let mut second = story.automation().actions[0].clone();
    let ActionKind::CircuitBreaker { service, .. } = &mut second.action else { panic!("no breaker") };
    "payment".clone_into(service);
    story.automation().actions.push(second);
    story.opened();
    story.pass(10);
    story.wakes();
    story.said(&["undo 1", "slack page 2.0 INC/2.0", "email page 2.0 INC/2.0"]);
    story.ran(Phase::Undo, Ok(()));
    assert_eq!(story.incident().runs.len(), 2);
    assert_eq!(story.incident().runs[1].target.to_string(), "circuit-breaker/payment");
    assert!(matches!(story.state(), RunState::Looking { .. }));
}

#[test]
fn a_dry_run_records_the_calls_and_makes_none() {
    let mut story = story();
    story.automation().dry_run = true;
    story.slow("duration", Sev3);
    story.looked(Ok(None));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::DryRun), 0));
    story.said(&["slack update INC"]);
    assert!(story.why().starts_with(
        r#"dry-run: circuit_breaker on circuit-breaker/model would call ssm:PutParameter /ai-nutritionist/circuit-breaker/model = {"state":"open""#
    ));
    story.pass(30);
    story.wakes();
    assert!(!story.effects.iter().any(|effect| matches!(effect.kind, EffectKind::RunActions { .. })));
}

#[test]
fn a_page_that_is_held_back_holds_the_action_back() {
    let mut story = story();
    story.around.storm = Some(IncidentId::parse("INC-STORM").unwrap());
    story.slow("duration", Sev3);
    assert_eq!((story.incident().held.is_some(), story.incident().runs.len()), (true, 0));
    story.around.storm = None;
    story.pass(1);
    story.wakes();
    story.said(&["slack page 1.0 INC", "email page 1.0 INC", "look 1"]);
}

#[test]
fn consent_is_asked_for_and_begins_the_action_once() {
    let mut story = story();
    story.automation().approval = Some(Approval { team: "platform".to_owned(), expires_seconds: 900 });
    story.slow("duration", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC", "email approval 1 INC", "slack approval 1 INC"]);
    assert_eq!((story.state(), story.live_places()), (RunState::Proposed, 0));
    story.pass(14);
    story.command(Action::Approve(1));
    assert!(story.said.contains(&"look 1".to_owned()), "{:?}", story.said);
    assert_eq!(story.live_places(), 1);
    story.command(Action::Approve(1));
    assert_eq!(story.outcomes[0].reason, "action 1 waits for nobody's consent");
    story.command(Action::Approve(7));
    assert_eq!(story.outcomes[0].reason, "it has no action 7");
}

#[test]
fn consent_that_comes_too_late_begins_nothing() {
    let mut story = story();
    story.automation().approval = Some(Approval { team: "platform".to_owned(), expires_seconds: 900 });
    story.slow("duration", Sev3);
    story.pass(15);
    story.command(Action::Approve(1));
    assert_eq!(story.outcomes[0].reason, "the consent to action 1 comes too late");
    assert_eq!(story.state(), ended(RunEnd::Expired));
    assert!(!story.effects.iter().any(|effect| matches!(effect.kind, EffectKind::Look { .. })));
}

#[test]
fn after_failed_runs_the_runbook_asks() {
    let mut story = story();
    story.around.ledger.as_mut().unwrap().failures.insert(RUNBOOK.to_owned(), 2);
    story.slow("duration", Sev3);
    assert_eq!(story.state(), RunState::Proposed);
}

#[test]
fn what_the_rails_refuse_is_in_the_journal_with_the_reason() {
    let mut story = story();
    story.catalogue.actions.allow.clear();
    story.slow("duration", Sev3);
    assert_eq!(story.state(), ended(RunEnd::Refused));
    let last = story.journal.last().unwrap();
    assert!(last.reason.contains("not on the allow-list"), "{last:?}");
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
}

#[test]
fn what_the_kill_switch_stops_ends() {
    let mut story = story();
    story.slow("duration", Sev3);
    story.looked(Err(Obstacle::Stopped("all actions were stopped by ana".to_owned())));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::Stopped), 0));

    let mut story = self::story();
    story.slow("duration", Sev3);
    story.looked(Ok(None));
    story.ran(Phase::Do, Err(Obstacle::Stopped("all actions were stopped by ana".to_owned())));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::Stopped), 0));
}

#[test]
fn what_is_certain_not_to_have_been_done_just_failed_and_the_rest_is_undone() {
    for (untouched, expected) in [(true, ended(RunEnd::Failed)), (false, RunState::Undoing)] {
        let mut story = story();
        story.slow("duration", Sev3);
        story.looked(Ok(None));
        story.ran(Phase::Do, Err(denied(untouched)));
        assert_eq!(story.state(), expected);
        assert_eq!(story.around.ledger.as_ref().unwrap().failures[RUNBOOK], 1);
    }
}

#[test]
fn what_cannot_be_undone_is_told_also_when_the_incident_is_over() {
    let mut story = story();
    story.opened();
    story.command(Action::Resolve);
    assert_eq!(story.state(), RunState::Undoing);
    story.ran(Phase::Undo, Err(denied(true)));
    assert_eq!(story.state(), ended(RunEnd::Failed));
    story.said(&["slack update INC"]);
    assert!(story.why().contains("was not undone: the role may not call ssm:PutParameter"));
}

#[test]
fn what_somebody_else_has_changed_since_is_left_as_it_is() {
    let mut story = story();
    story.opened();
    story.command(Action::Undo(1));
    assert_eq!(story.state(), RunState::Undoing);
    story.ran(Phase::Undo, Err(Obstacle::Changed("it is closed by ana".to_owned())));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::Left), 0));
    story.command(Action::Undo(1));
    assert_eq!(story.outcomes[0].reason, "action 1 has nothing to undo now");
}

#[test]
fn an_answer_that_comes_twice_changes_nothing() {
    let mut story = story();
    story.opened();
    let before = story.incident().clone();
    story.ran(Phase::Do, Ok(()));
    story.looked(Ok(None));
    story.ran(Phase::Undo, Ok(()));
    assert_eq!(*story.incident(), before);
}

#[test]
fn what_is_over_before_it_was_looked_at_is_left_alone() {
    let mut story = story();
    story.slow("duration", Sev3);
    story.recovers("duration");
    story.looked(Ok(None));
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::Nothing), 0));
}

#[test]
fn a_reopened_incident_may_be_acted_on_again_after_the_cooldown() {
    let mut story = story();
    story.opened();
    story.command(Action::Resolve);
    story.ran(Phase::Undo, Ok(()));
    story.pass(31);
    story.command(Action::Reopen);
    assert!(matches!(story.state(), RunState::Looking { .. }));
    assert_eq!(story.incident().runs.last().unwrap().number, 2);
}

#[test]
fn without_the_ledger_nothing_is_done_and_people_are_called() {
    let mut story = story();
    story.around.ledger = None;
    story.slow("duration", Sev3);
    story.said(&["slack page 1.0 INC", "email page 1.0 INC"]);
    assert_eq!(story.incident().runs.len(), 0);
    assert!(needs_ledger(&story.catalogue, &[Event::Wake], None, story.incident.as_ref()));
}

#[test]
fn a_restart_is_of_the_function_that_the_alert_names_and_leaves_nothing_to_undo() {
    let mut story = story();
    story.catalogue.actions.allow = vec!["lambda/ai-*".to_owned()];
    story.automation().actions[0].action = ActionKind::Restart { function: "{FunctionName}".to_owned() };
    let named = |name: &str, story: &Story| AlertChange {
        runbook: Some(RUNBOOK.to_owned()),
        dimensions: Dimensions::from([("FunctionName".to_owned(), name.to_owned())]),
        ..alert("duration", ChangeState::Firing, Sev3, story.now)
    };
    let change = named("ai-planner", &story);
    story.decide_all(&[Event::Alert(change)]);
    assert_eq!(story.incident().runs[0].target.to_string(), "lambda/ai-planner");
    let observed = Observed::Function {
        revision: "7".to_owned(),
        updating: false,
        aliases: Vec::new(),
        restarted: None,
        variables: [("KEY".to_owned(), "sha256:ba7816bf".to_owned())].into(),
    };
    story.decide_all(&[Event::Looked(Looked { run: 1, result: Ok(observed) })]);
    story.ran(Phase::Do, Ok(()));
    story.pass(10);
    story.wakes();
    assert_eq!((story.state(), story.live_places()), (ended(RunEnd::NoHelp), 0));
    story.said(&["slack page 2.0 INC/2.0", "email page 2.0 INC/2.0"]);
}

#[test]
fn an_alert_without_the_dimension_names_no_target() {
    let mut story = story();
    story.automation().actions[0].action = ActionKind::Restart { function: "{FunctionName}".to_owned() };
    story.slow("duration", Sev3);
    assert_eq!(story.state(), ended(RunEnd::Refused));
    assert!(story.journal.last().unwrap().reason.contains("no alert that asks for it has a dimension FunctionName"));
}

#[test]
fn an_action_is_judged_by_the_alerts_of_its_own_target() {
    let mut story = story();
    story.catalogue.actions.allow = vec!["lambda/ai-*".to_owned()];
    story.automation().actions[0].action = ActionKind::Restart { function: "{FunctionName}".to_owned() };
    let named = |rule: &str, name: Option<&str>, state, story: &Story| {
        let dimensions = name.map(|name| ("FunctionName".to_owned(), name.to_owned())).into_iter().collect();
        AlertChange { runbook: Some(RUNBOOK.to_owned()), dimensions, ..alert(rule, state, Sev3, story.now) }
    };
    let firing = ChangeState::Firing;
    // The first names no function; what the second names is acted on, and the third is no part of it.
    let changes = [
        named("concurrency", None, firing, &story),
        named("duration", Some("ai-planner"), firing, &story),
        named("throttles", Some("ai-api"), firing, &story),
    ];
    story.decide_all(&changes.map(Event::Alert));
    assert_eq!(story.incident().runs[0].target.to_string(), "lambda/ai-planner", "the first that names one");
    let observed = Observed::Function {
        revision: "7".to_owned(),
        updating: false,
        aliases: Vec::new(),
        restarted: None,
        variables: std::collections::BTreeMap::new(),
    };
    story.decide_all(&[Event::Looked(Looked { run: 1, result: Ok(observed) })]);
    story.ran(Phase::Do, Ok(()));
    let recovered = named("duration", Some("ai-planner"), ChangeState::Ok, &story);
    story.decide_all(&[Event::Alert(recovered)]);
    assert_eq!(story.state(), ended(RunEnd::Helped), "the others still fire");
}
