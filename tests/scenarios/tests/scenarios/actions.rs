//! What is done by itself: from a breach to an action that is verified and undone, and every rail in its way.

use monitorctl::local::targets::Table;
use monitoring_core::action::RunState;
use monitoring_core::catalogue::{ActionKind, ActionSpec, Approval, Automation, Scaled};
use monitoring_core::incident::IncidentId;
use scenarios::senders::{buttons, press};
use scenarios::sweep::Step::{At, Command, Fires, Meanwhile, Recovers, Tick};
use scenarios::sweep::{Step, Story, sweep};
use scenarios::{Fault, Invocation, Kind, Options, ToSpan, World, after, before, every, messages};
use serde_json::{Value, json};

const BREAKER: &str = "/ai-nutritionist/circuit-breaker/model";
const STOP: &str = "/ai-nutritionist/actions/stop";
const RUNBOOK: &str = "lambda-timeout";

/// What the breaker of the model is, as the application sees it.
fn breaker(world: &World) -> Value {
    let value = world.targets.parameter(BREAKER).unwrap();
    value.map_or(Value::Null, |value| serde_json::from_str(&value).unwrap())
}

fn state(world: &World) -> Value {
    breaker(world)["state"].clone()
}

/// A function comes close to its time limit.
async fn slow(world: &World) -> IncidentId {
    let touched = world.alert(&world.fires("lambda-throttles", "warning", world.now())).await;
    IncidentId::parse(&touched[0].id).unwrap()
}

async fn recovered(world: &World) {
    world.alert(&world.recovers("lambda-throttles", world.now())).await;
}

/// How the runs of an incident stand: `1 Kept`.
async fn runs(world: &World, id: &IncidentId) -> Vec<String> {
    world.incident(id).await.runs.iter().map(|run| format!("{} {:?}", run.number, run.state)).collect()
}

async fn the_run(world: &World, id: &IncidentId) -> RunState {
    world.incident(id).await.runs[0].state
}

/// The calls that have changed something, in order.
fn changes(world: &World) -> Vec<(String, Value)> {
    world.targets.carried_out()
}

fn with(change: impl FnOnce(&mut Automation)) -> Options {
    let mut options = Options::default();
    let runbook = options.catalogue.runbooks.get_mut(RUNBOOK).unwrap();
    let automation = runbook.automation.as_mut().expect("the runbook acts");
    // The second action of the runbook would begin where the first comes to nothing.
    automation.actions.truncate(1);
    change(automation);
    options
}

fn breaker_alone() -> Options {
    with(|_| {})
}

#[tokio::test]
async fn a_breaker_is_opened_probed_verified_and_closed() {
    let world = World::with(breaker_alone()).await;
    let id = slow(&world).await;
    assert_eq!(state(&world), "open");
    assert_eq!(breaker(&world)["by"], json!(format!("{id}/1")));
    assert_eq!(runs(&world, &id).await, ["1 Watching"]);

    world.wait(4.minutes()).await;
    assert_eq!(state(&world), "open");
    world.wait(1.minute()).await;
    assert_eq!((state(&world), breaker(&world)["probe_percent"].clone()), (json!("half-open"), json!(10)));

    world.advance(1.minute());
    recovered(&world).await;
    assert_eq!(state(&world), "closed");
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Undone }"]);
    // As Parameter Store takes them: the API reference of `PutParameter`.
    let put = |value: &str| {
        let request = json!({ "Name": BREAKER, "Value": value, "Type": "String", "Overwrite": true });
        ("PutParameter".to_owned(), request)
    };
    let set = |rest: &str| put(&format!(r#"{{{rest},"since":"2026-11-23T12:00:00Z","by":"{id}/1"}}"#));
    let expected =
        [set(r#""state":"open""#), set(r#""state":"half-open","probe_percent":10"#), set(r#""state":"closed""#)];
    assert_eq!(changes(&world), expected);
}

#[tokio::test]
async fn pages_go_out_before_anything_is_done() {
    let world = World::with(breaker_alone()).await;
    slow(&world).await;
    let calls: Vec<String> = world.calls.seen().into_iter().map(|call| call.operation).collect();
    let page = calls.iter().position(|call| call == "notify-email").unwrap();
    let look = calls.iter().position(|call| call == "actions/look").unwrap();
    assert!(page < look, "{calls:?}");
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:00 slack SEV3"]);
}

#[tokio::test]
async fn a_page_that_no_receiver_takes_does_not_keep_the_action_waiting() {
    let world = World::with(breaker_alone()).await;
    world.slack.network.down();
    slow(&world).await;
    assert_eq!(state(&world), "open");
}

#[tokio::test]
async fn what_does_not_help_is_undone_and_escalated() {
    let world = World::with(breaker_alone()).await;
    let id = slow(&world).await;
    world.wait(9.minutes()).await;
    assert_eq!((state(&world), world.pages().len()), (json!("half-open"), 2));
    world.wait(1.minute()).await;
    assert_eq!(state(&world), "closed");
    assert_eq!(world.pages()[2..], ["0:10 email SEV3", "0:10 slack SEV3"]);
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Undone }"]);
}

#[tokio::test]
async fn a_dry_run_says_exactly_what_it_would_call() {
    let mut options = breaker_alone();
    options.catalogue.actions.dry_run = true;
    let world = World::with(options).await;
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: DryRun }"]);
    assert_eq!(changes(&world), []);
    let would = format!(
        r#"would call ssm:PutParameter {BREAKER} = {{"state":"open","since":"2026-11-23T12:00:00Z","by":"{id}/1"}}"#
    );
    let journal = serde_json::to_string(&world.facts(&id).await).unwrap();
    assert!(journal.contains(r#"{\"state\":\"open\""#), "{journal}");
    let told = world.slack.received();
    let quoted = serde_json::to_string(&would).unwrap();
    assert!(told.iter().any(|message| message.text.contains("dry-run")), "{quoted}: {told:?}");
}

#[tokio::test]
async fn whoever_agrees_in_time_begins_it() {
    let approval = Approval { team: "database".to_owned(), expires_seconds: 900 };
    let world = World::with(with(|automation| automation.approval = Some(approval))).await;
    let id = slow(&world).await;
    assert_eq!((state(&world), runs(&world, &id).await), (Value::Null, vec!["1 Proposed".to_owned()]));
    world.advance(14.minutes());
    let agree = json!({ "command": "approve", "incident_id": id, "run": 1, "by": "bob", "once": "slack:0f3a" });
    world.send(agree.clone()).await.answered();
    assert_eq!(state(&world), "open");

    // The same press, overheard and sent again after it was undone.
    world.send(json!({ "command": "undo", "incident_id": id, "run": 1, "by": "bob" })).await.answered();
    assert_eq!(state(&world), "closed");
    world.send(agree).await.answered();
    assert_eq!(state(&world), "closed");
}

#[tokio::test]
async fn consent_by_a_button_is_signed_and_counts_once() {
    let approval = Approval { team: "database".to_owned(), expires_seconds: 900 };
    let options = Options { buttons: true, ..with(|automation| automation.approval = Some(approval)) };
    let world = World::with(options).await;
    let id = slow(&world).await;
    let asked = world.slack.accepted(Kind::Update);
    let message: Value = serde_json::from_str(&asked.last().unwrap().text).unwrap();
    assert_eq!(buttons(&message, &id), ["approve_1", "acknowledge", "resolve", "silence_1h"]);

    let mut forged = press("approve_1", id.as_str(), "mallory", world.now(), 1);
    forged.body.extend(b"&x=y");
    assert!(world.interact(&forged).await.1.is_none());
    let late = press("approve_1", id.as_str(), "bob", world.now() - 6.minutes(), 1);
    assert!(world.interact(&late).await.1.is_none());
    assert_eq!(state(&world), Value::Null);

    let pressed = press("approve_1", id.as_str(), "bob", world.now(), 1);
    world.interact(&pressed).await.1.unwrap().answered();
    assert_eq!(state(&world), "open");
    let agreed = world.facts(&id).await;
    assert!(format!("{agreed:?}").contains(r#"Approved { by: "bob""#), "{agreed:?}");
}

#[tokio::test]
async fn consent_expires() {
    let approval = Approval { team: "database".to_owned(), expires_seconds: 900 };
    let world = World::with(with(|automation| automation.approval = Some(approval))).await;
    let id = slow(&world).await;
    world.wait(15.minutes()).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Expired }"]);
    let answer = world.send(json!({ "command": "approve", "incident_id": id, "run": 1, "by": "bob" })).await.answered();
    assert_eq!(answer.incidents[0].reasons, ["action 1 waits for nobody's consent"]);
    assert_eq!(changes(&world), []);
}

#[tokio::test]
async fn a_kill_switch_that_is_set_between_plan_and_call_stops_it() {
    let world = World::with(breaker_alone()).await;
    world.outside.before_run(|targets| {
        targets.put_parameter(STOP, r#"{"by":"ana","why":"it does harm"}"#).unwrap();
    });
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Stopped }"]);
    assert_eq!((state(&world), changes(&world)), (Value::Null, vec![]));
    let effects = world.effects(&id).await;
    assert!(world.said(&id, 5).await.contains("stopped by ana: it does harm"), "{effects:?}");
}

#[tokio::test]
async fn a_kill_switch_that_cannot_be_read_stops_it_too() {
    let world = World::with(breaker_alone()).await;
    world.aws.arm(every().about("actions/stop"), Fault::Answer(400, r#"{"__type":"AccessDeniedException"}"#));
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Failed }"]);
    assert_eq!(changes(&world), []);
}

#[tokio::test]
async fn a_target_that_was_changed_between_plan_and_call_is_left_alone() {
    let world = World::with(breaker_alone()).await;
    let theirs = r#"{"state":"half-open","probe_percent":50,"since":"2026-11-23T11:59:00Z","by":"ana"}"#;
    world.outside.before_run(move |targets| targets.put_parameter(BREAKER, theirs).unwrap());
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Left }"]);
    assert_eq!((changes(&world), breaker(&world)["by"].clone()), (vec![], json!("ana")));
}

#[tokio::test]
async fn what_somebody_changed_since_is_not_undone() {
    let world = World::with(breaker_alone()).await;
    let id = slow(&world).await;
    let theirs = r#"{"state":"open","since":"2026-11-23T12:01:00Z","by":"ana"}"#;
    world.targets.put_parameter(BREAKER, theirs).unwrap();
    recovered(&world).await;
    assert_eq!(breaker(&world)["by"], "ana");
    assert_eq!(the_run(&world, &id).await, RunState::Ended { end: monitoring_core::action::RunEnd::Left });
}

#[tokio::test]
async fn a_refusal_ends_it_and_throttling_is_waited_out() {
    let world = World::with(breaker_alone()).await;
    world.aws.arm(every().of("PutParameter"), Fault::Answer(400, r#"{"__type":"AccessDeniedException"}"#));
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Failed }"]);

    let world = World::with(breaker_alone()).await;
    world.aws.arm(before(1).of("PutParameter"), Fault::Answer(400, r#"{"__type":"ThrottlingException"}"#));
    let id = slow(&world).await;
    assert_eq!((state(&world), runs(&world, &id).await), (Value::Null, vec!["1 Acting".to_owned()]));
    world.wait(1.minute()).await;
    assert_eq!((state(&world), runs(&world, &id).await), (json!("open"), vec!["1 Watching".to_owned()]));
}

#[tokio::test]
async fn an_action_that_could_not_be_done_for_five_minutes_is_not_done_any_more() {
    let world = World::with(breaker_alone()).await;
    world.aws.arm(every().of("PutParameter"), Fault::Drop);
    let id = slow(&world).await;
    world.wait(7.minutes()).await;
    let before_up = changes(&world).len();
    world.aws.up();
    world.wait(3.minutes()).await;
    assert!(matches!(the_run(&world, &id).await, RunState::Ended { .. }));
    // It may have been done: what is looked at to undo it says that it was not.
    assert_eq!((state(&world), changes(&world).len()), (Value::Null, before_up));
}

#[tokio::test]
async fn an_action_that_is_asked_for_fifty_times_in_a_minute_is_done_once() {
    let mut options = breaker_alone();
    options.catalogue = messages::catalogue_of_groups(options.catalogue, 50);
    options.catalogue.noise.storm.incidents = 1000;
    let world = World::with(options).await;
    for number in 0..50 {
        world.publish(&world.fires(&format!("rule-{number:03}"), "warning", world.now()));
    }
    for invocation in world.deliver().await {
        assert!(matches!(invocation, Invocation::Answered(_)), "{invocation:?}");
    }
    world.tick().await;
    assert_eq!(changes(&world).len(), 1);
    let incidents = world.incidents().await;
    let begun = incidents.iter().flat_map(|incident| &incident.runs).filter(|run| run.is_live()).count();
    assert_eq!((incidents.len(), begun), (50, 1));
}

#[tokio::test]
async fn an_action_is_not_repeated_within_its_cooldown() {
    let world = World::with(breaker_alone()).await;
    slow(&world).await;
    world.advance(2.minutes());
    recovered(&world).await;
    world.wait(5.minutes()).await;
    let again = slow(&world).await;
    assert_eq!(runs(&world, &again).await, ["1 Ended { end: Refused }"]);
    // Over an hour later, when the group does not count as flapping.
    world.advance(70.minutes());
    recovered(&world).await;
    world.wait(1.minute()).await;
    let third = slow(&world).await;
    assert_eq!((state(&world), runs(&world, &third).await), (json!("open"), vec!["1 Watching".to_owned()]));
}

#[tokio::test]
async fn after_two_runs_without_help_it_asks() {
    let world = World::with(breaker_alone()).await;
    for _ in 0..2 {
        slow(&world).await;
        world.wait(11.minutes()).await;
        recovered(&world).await;
        world.wait(35.minutes()).await;
    }
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Proposed"]);
}

#[tokio::test]
async fn what_died_after_the_call_is_found_done_and_called_once() {
    let world = World::with(breaker_alone()).await;
    world.calls.arm(after(1).of("actions/run"), Fault::Crash);
    world.publish(&world.fires("lambda-throttles", "warning", world.now()));
    assert!(world.deliver().await.iter().any(Invocation::crashed));
    let id = world.the_incident().await.id;
    assert_eq!((state(&world), runs(&world, &id).await), (json!("open"), vec!["1 Acting".to_owned()]));
    world.wait(4.minutes()).await;
    assert_eq!(runs(&world, &id).await, ["1 Watching"]);
    assert_eq!(changes(&world).len(), 1);
}

#[tokio::test]
async fn nobody_can_have_it_call_what_is_not_allowed() {
    let world = World::with(breaker_alone()).await;
    let actor = world.actor();
    let call = |name: &str| {
        let call = json!({ "operation": "ssm:PutParameter", "name": name, "value": "x" });
        let condition = json!({ "only_if": "parameter", "values": [null] });
        json!({ "request": "run", "key": "k", "calls": [{ "call": call, "condition": condition }] })
    };
    for name in ["/ai-nutritionist/SLACK_BOT_TOKEN", "/ai-nutritionist/circuit-breaker/unknown", STOP] {
        let answer = serde_json::to_value(actor.handle_event(call(name)).await).unwrap();
        assert_eq!((answer["answer"].clone(), answer["untouched"].clone()), (json!("failed"), json!(true)), "{name}");
    }
    let answer = serde_json::to_value(actor.handle_event(json!({ "request": "reboot" })).await).unwrap();
    assert_eq!(answer["answer"], "failed");
    assert_eq!(changes(&world), []);
}

const API: &str = "ai-nutritionist-api";
const USERS: &str = "ai-nutritionist-users";

fn acts(action: ActionKind) -> Options {
    let mut options = with(|automation| automation.actions = vec![ActionSpec { action, verify_seconds: 600 }]);
    options.catalogue.actions.allow = vec!["lambda/ai-nutritionist-*".to_owned(), "table/ai-nutritionist-*".to_owned()];
    options
}

fn restart() -> Options {
    acts(ActionKind::Restart { function: "{FunctionName}".to_owned() })
}

fn scale(scaled: Scaled, name: &str, cap: u32) -> Options {
    acts(ActionKind::ScaleOut { scaled, name: name.to_owned(), factor_percent: 200, cap })
}

#[tokio::test]
async fn a_restart_keeps_every_other_variable() {
    let world = World::with(restart()).await;
    let secrets = [("STRIPE_KEY", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"), ("STAGE", "production")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.targets.change(|account| account.functions.get_mut(API).unwrap().variables = secrets.clone().into()).unwrap();
    let id = slow(&world).await;
    let function = world.targets.account().unwrap().functions[API].clone();
    let mut variables = function.variables;
    assert_eq!(variables.remove("MONITORING_RESTARTED").unwrap(), format!("{id}/1 2026-11-23T12:00:00Z"));
    assert_eq!(variables, secrets.into());
    assert_eq!((function.revision, runs(&world, &id).await), (2, vec!["1 Watching".to_owned()]));

    // The secret is nowhere but in the request itself.
    let tables = world.dynamodb.seen();
    let kept = format!("{:?} {:?} {:?}", tables, world.told(), world.facts(&id).await);
    assert!(!kept.contains("sk_live"), "a secret was written down");
    assert!(kept.contains("sha256:"), "its hash is in the plan");
}

/// A function whose alias `live` names version 7, which is five minutes old; version 5 came before.
async fn deployed() -> World {
    let rollback =
        ActionKind::Rollback { function: "{FunctionName}".to_owned(), alias: "live".to_owned(), within_seconds: 3600 };
    let world = World::with(acts(rollback)).await;
    let now = world.now();
    world
        .targets
        .change(|account| {
            let api = account.functions.get_mut(API).unwrap();
            api.versions = [(5, now - 72.hours()), (7, now - 5.minutes())].into();
            api.aliases.insert("live".to_owned(), 7);
        })
        .unwrap();
    world
}

#[tokio::test]
async fn a_version_that_followed_another_within_the_hour_is_not_rolled_back() {
    let world = deployed().await;
    let now = world.now();
    world
        .targets
        .change(|account| {
            account.functions.get_mut(API).unwrap().versions.insert(6, now - 40.minutes());
        })
        .unwrap();
    let id = slow(&world).await;
    assert_eq!((live(&world), runs(&world, &id).await), (7, vec!["1 Ended { end: Nothing }".to_owned()]));
    let journal = format!("{:?}", world.facts(&id).await);
    assert_eq!(changes(&world), [], "{journal}");
}

#[tokio::test]
async fn the_shipped_runbooks_roll_the_api_back_and_tell_platform_of_fallen_revenue() {
    let catalogue = monitorctl::catalogue::shipped().unwrap();
    let world = World::with(Options { catalogue, ..Options::default() }).await;
    world.targets.deploy(API, [(5, world.now() - 72.hours()), (7, world.now() - 5.minutes())].into()).unwrap();
    let errors = world.alert(&world.fires("error-rate", "critical", world.now())).await;
    let errors = IncidentId::parse(&errors[0].id).unwrap();
    assert_eq!((live(&world), runs(&world, &errors).await), (5, vec!["1 Watching".to_owned()]));

    world.alert(&world.recovers("error-rate", world.now())).await;
    world.wait(30.minutes()).await;
    let revenue = world.alert(&world.fires("revenue", "warning", world.now())).await;
    let revenue = IncidentId::parse(&revenue[0].id).unwrap();
    assert_eq!(runs(&world, &revenue).await, ["1 Ended { end: Told }"]);
    let told = world.slack.received();
    assert!(told.iter().any(|message| message.text.contains("Platform Engineering is told")), "{told:?}");
    assert_eq!(changes(&world).len(), 1, "the rollback, and nothing for the revenue");
}

fn live(world: &World) -> u32 {
    world.targets.account().unwrap().functions[API].aliases["live"]
}

#[tokio::test]
async fn a_fresh_version_is_rolled_back_and_stays_so_until_somebody_undoes_it() {
    let world = deployed().await;
    let id = slow(&world).await;
    assert_eq!((live(&world), runs(&world, &id).await), (5, vec!["1 Watching".to_owned()]));
    let call = format!("PUT /2015-03-31/functions/{API}/aliases/live");
    assert_eq!(changes(&world), [(call, json!({ "FunctionVersion": "5" }))]);
    world.advance(3.minutes());
    recovered(&world).await;
    world.wait(5.minutes()).await;
    assert_eq!((live(&world), runs(&world, &id).await), (5, vec!["1 Ended { end: Helped }".to_owned()]));

    world.send(json!({ "command": "undo", "incident_id": id, "run": 1, "by": "bob" })).await.answered();
    assert_eq!((live(&world), runs(&world, &id).await), (7, vec!["1 Ended { end: Undone }".to_owned()]));
}

#[tokio::test]
async fn a_rollback_that_does_not_help_is_undone() {
    let world = deployed().await;
    let id = slow(&world).await;
    world.wait(10.minutes()).await;
    assert_eq!((live(&world), runs(&world, &id).await), (7, vec!["1 Ended { end: Undone }".to_owned()]));
}

#[tokio::test]
async fn what_was_deployed_in_between_is_not_rolled_back() {
    let world = deployed().await;
    world.outside.before_run(|targets| {
        let deploy = |account: &mut monitorctl::local::targets::Account| {
            account.functions.get_mut(API).unwrap().aliases.insert("live".to_owned(), 8);
        };
        targets.change(deploy).unwrap();
    });
    let id = slow(&world).await;
    assert_eq!((live(&world), runs(&world, &id).await), (8, vec!["1 Ended { end: Left }".to_owned()]));
    assert_eq!(changes(&world), []);
}

const REGION: &str = "/ai-nutritionist/active-region";

#[tokio::test]
async fn an_alias_that_is_busy_is_waited_for_and_one_that_may_not_be_moved_is_not() {
    let (busy, denied) = (r#"{"__type":"ResourceConflictException"}"#, r#"{"__type":"AccessDeniedException"}"#);
    let world = deployed().await;
    world.aws.arm(before(1).about("FunctionVersion"), Fault::Answer(409, busy));
    let id = slow(&world).await;
    assert_eq!((live(&world), runs(&world, &id).await), (7, vec!["1 Acting".to_owned()]));
    world.wait(1.minute()).await;
    assert_eq!((live(&world), runs(&world, &id).await), (5, vec!["1 Watching".to_owned()]));

    let world = deployed().await;
    world.aws.arm(every().about("FunctionVersion"), Fault::Answer(403, denied));
    let id = slow(&world).await;
    assert_eq!((live(&world), runs(&world, &id).await), (7, vec!["1 Ended { end: Failed }".to_owned()]));
}

fn failover() -> Options {
    let mut options = acts(ActionKind::Failover { parameter: REGION.to_owned(), standby: "us-west-2".to_owned() });
    options.catalogue.actions.allow = vec![format!("parameter{REGION}")];
    options
}

#[tokio::test]
async fn a_standby_that_does_not_help_gives_way_again() {
    let world = World::with(failover()).await;
    in_the_primary(&world);
    let id = slow(&world).await;
    world.wait(10.minutes()).await;
    assert_eq!(world.targets.parameter(REGION).unwrap().unwrap(), "us-east-1");
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Undone }"]);
}

#[tokio::test]
async fn wherever_it_dies_the_standby_takes_over_once() {
    const STEPS: &[Step] = &[
        Meanwhile(in_the_primary),
        THROTTLED,
        At(5),
        Tick,
        Recovers("lambda-throttles"),
        At(9),
        Tick,
        Meanwhile(in_the_standby),
    ];
    sweep(Story { options: failover, ..story("a failover", STEPS) }).await;
}

fn in_the_primary(world: &World) {
    world.targets.put_parameter(REGION, "us-east-1").unwrap();
}

fn in_the_standby(world: &World) {
    let standby = json!({ "Name": REGION, "Value": "us-west-2", "Type": "String", "Overwrite": true });
    assert_eq!(changes(world), [("PutParameter".to_owned(), standby)]);
}

#[tokio::test]
async fn the_standby_takes_over_and_keeps_it() {
    let world = World::with(failover()).await;
    world.targets.put_parameter(REGION, "us-east-1").unwrap();
    let id = slow(&world).await;
    let active = || world.targets.parameter(REGION).unwrap().unwrap();
    assert_eq!((active(), runs(&world, &id).await), ("us-west-2".to_owned(), vec!["1 Watching".to_owned()]));
    world.advance(3.minutes());
    recovered(&world).await;
    world.wait(5.minutes()).await;
    assert_eq!(
        (active(), runs(&world, &id).await),
        ("us-west-2".to_owned(), vec!["1 Ended { end: Helped }".to_owned()])
    );
}

#[tokio::test]
async fn a_failover_is_undone_after_its_runbook_has_lost_it() {
    let mut world = World::with(failover()).await;
    in_the_primary(&world);
    let id = slow(&world).await;
    world.advance(3.minutes());
    recovered(&world).await;
    world.wait(5.minutes()).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Helped }"]);

    // What the new catalogue lets the function write is what its allow-list names whole.
    let plan = world.store().incident(&id).await.unwrap().unwrap().runs[0].plan.clone().unwrap();
    let undo = json!({ "request": "run", "key": "k", "calls": plan.inverse });
    world.catalogue.runbooks.get_mut(RUNBOOK).unwrap().automation = None;
    for (allow, answer) in [("parameter/*", "failed"), (&format!("parameter{REGION}"), "ran")] {
        world.catalogue.actions.allow = vec![allow.to_owned()];
        let said = serde_json::to_value(world.actor().handle_event(undo.clone()).await).unwrap();
        assert_eq!(said["answer"], answer, "{allow}: {said}");
    }
    assert_eq!(world.targets.parameter(REGION).unwrap().unwrap(), "us-east-1");

    // Its own it may write under no name.
    world.catalogue.actions.allow = vec![format!("parameter{STOP}")];
    let call = json!({ "operation": "ssm:PutParameter", "name": STOP, "value": "x" });
    let condition = json!({ "only_if": "parameter", "values": [null] });
    let forged = json!({ "request": "run", "key": "k", "calls": [{ "call": call, "condition": condition }] });
    let said = serde_json::to_value(world.actor().handle_event(forged).await).unwrap();
    assert_eq!(said["answer"], "failed");
}

#[tokio::test]
async fn a_function_behind_an_alias_is_not_restarted() {
    let world = World::with(restart()).await;
    world
        .targets
        .change(|account| {
            account.functions.get_mut(API).unwrap().aliases.insert("live".to_owned(), 1);
        })
        .unwrap();
    let id = slow(&world).await;
    assert_eq!((runs(&world, &id).await, changes(&world)), (vec!["1 Ended { end: Nothing }".to_owned()], vec![]));
}

#[tokio::test]
async fn a_function_that_is_deployed_meanwhile_is_left_alone() {
    let world = World::with(restart()).await;
    world.outside.before_run(|targets| {
        targets.change(|account| account.functions.get_mut(API).unwrap().revision += 1).unwrap();
    });
    let id = slow(&world).await;
    assert_eq!((runs(&world, &id).await, changes(&world)), (vec!["1 Ended { end: Left }".to_owned()], vec![]));
}

#[tokio::test]
async fn an_update_that_is_under_way_is_waited_for() {
    let world = World::with(restart()).await;
    world.outside.before_run(|targets| {
        targets.change(|account| account.functions.get_mut(API).unwrap().updating = true).unwrap();
    });
    let id = slow(&world).await;
    assert_eq!((runs(&world, &id).await, changes(&world)), (vec!["1 Acting".to_owned()], vec![]));
    world.targets.change(|account| account.functions.get_mut(API).unwrap().updating = false).unwrap();
    world.wait(1.minute()).await;
    assert_eq!((runs(&world, &id).await, changes(&world).len()), (vec!["1 Watching".to_owned()], 1));
}

#[tokio::test]
async fn a_target_that_is_gone_ends_it() {
    let world = World::with(restart()).await;
    world.targets.change(|account| account.functions.clear()).unwrap();
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Failed }"]);
    assert!(world.said(&id, 4).await.contains("ResourceNotFoundException"), "{}", world.said(&id, 4).await);
}

#[tokio::test]
async fn a_table_gets_more_capacity_and_gives_it_back() {
    let world = World::with(scale(Scaled::Table, USERS, 150)).await;
    let capacity = |world: &World| world.targets.account().unwrap().tables[USERS];
    let id = slow(&world).await;
    assert_eq!(capacity(&world), Table { read: 150, write: 100 });
    world.advance(2.minutes());
    recovered(&world).await;
    assert_eq!(capacity(&world), Table { read: 100, write: 50 });
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Undone }"]);
    // The API reference of `UpdateTable`.
    let update = |read: u32, write: u32| {
        let units = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write });
        ("UpdateTable".to_owned(), json!({ "TableName": USERS, "ProvisionedThroughput": units }))
    };
    assert_eq!(changes(&world), [update(150, 100), update(100, 50)]);
}

#[tokio::test]
async fn reserved_concurrency_grows_and_shrinks_and_a_hundred_stay() {
    const PLANNER: &str = "ai-nutritionist-meal-planner";
    let world = World::with(scale(Scaled::Function, PLANNER, 500)).await;
    world.targets.change(|account| account.unreserved = 130).unwrap();
    let reserved = |world: &World| world.targets.account().unwrap().functions[PLANNER].reserved;
    let id = slow(&world).await;
    assert_eq!(reserved(&world), Some(80));
    world.resolve(&id, "bob").await;
    assert_eq!(reserved(&world), Some(50));
    assert_eq!(world.targets.account().unwrap().unreserved, 130);
}

#[tokio::test]
async fn a_function_without_a_reservation_gets_none() {
    let world = World::with(scale(Scaled::Function, API, 500)).await;
    let id = slow(&world).await;
    assert_eq!((runs(&world, &id).await, changes(&world)), (vec!["1 Ended { end: Nothing }".to_owned()], vec![]));
}

#[tokio::test]
async fn wherever_it_dies_a_function_is_restarted_once() {
    const STEPS: &[Step] = &[THROTTLED, At(5), Tick, Recovers("lambda-throttles"), At(9), Tick, Meanwhile(restarted)];
    sweep(Story { options: restart, ..story("a restart", STEPS) }).await;
}

fn restarted(world: &World) {
    assert_eq!(world.targets.account().unwrap().functions[API].revision, 2, "{:?}", changes(world));
}

const THROTTLED: Step = Fires("lambda-throttles", "warning");

fn story(name: &'static str, steps: &'static [Step]) -> Story {
    Story { name, options: breaker_alone, steps }
}

#[tokio::test]
async fn wherever_it_dies_the_breaker_is_opened_and_closed() {
    const STEPS: &[Step] =
        &[THROTTLED, At(5), Tick, At(9), Recovers("lambda-throttles"), At(14), Tick, Meanwhile(closed)];
    // Whoever dies is late, and must not be too late to have helped.
    let options = || with(|automation| automation.actions[0].verify_seconds = 3600);
    sweep(Story { options, ..story("an action helps", STEPS) }).await;
}

#[tokio::test]
async fn wherever_it_dies_what_did_not_help_is_undone() {
    const STEPS: &[Step] =
        &[THROTTLED, At(11), Tick, At(16), Tick, Command("acknowledge", "lambda"), Meanwhile(closed)];
    sweep(story("an action does not help", STEPS)).await;
}

/// At the end the breaker is as it was, and no call was made that changes nothing.
fn closed(world: &World) {
    assert_eq!(state(world), "closed");
    let mut states: Vec<String> = changes(world)
        .iter()
        .map(|(_, request)| {
            serde_json::from_str::<Value>(request["Value"].as_str().unwrap()).unwrap()["state"].to_string()
        })
        .collect();
    let count = states.len();
    states.dedup();
    assert_eq!(states.len(), count, "no call was made twice: {states:?}");
}

#[tokio::test]
async fn people_hear_what_was_done_and_what_came_of_it() {
    let world = World::with(breaker_alone()).await;
    slow(&world).await;
    recovered(&world).await;
    let updates: Vec<String> = world.slack.accepted(Kind::Update).into_iter().map(|message| message.text).collect();
    assert!(updates[0].contains("circuit_breaker on circuit-breaker/model was done"), "{updates:?}");
}

#[tokio::test]
async fn a_team_is_told_by_its_own_channel_and_nothing_is_called() {
    let mut options = acts(ActionKind::AlertTeam { team: "database".to_owned() });
    options.catalogue.actions.allow.clear();
    options.catalogue.teams.get_mut("database").unwrap().channels = vec!["pagerduty".to_owned()];
    let world = World::with(options).await;
    let id = slow(&world).await;
    assert_eq!(runs(&world, &id).await, ["1 Ended { end: Told }"]);
    assert!(!world.calls.seen().iter().any(|call| call.operation.starts_with("actions/")));
    assert_eq!(world.pages(), ["0:00 email SEV3", "0:00 pagerduty SEV3", "0:00 slack SEV3"]);
    assert_eq!(world.pagerduty.keys(Kind::Page), [id.to_string()]);
    world.advance(2.minutes());
    recovered(&world).await;
    assert_eq!(world.pagerduty.keys(Kind::Resolved), [id.to_string()]);
}

#[tokio::test]
async fn wherever_it_dies_the_team_is_told() {
    const STEPS: &[Step] = &[THROTTLED, At(5), Tick, Recovers("lambda-throttles"), At(9), Tick, At(14), Tick];
    let options = || {
        let mut options = acts(ActionKind::AlertTeam { team: "database".to_owned() });
        options.catalogue.teams.get_mut("database").unwrap().channels = vec!["pagerduty".to_owned()];
        options
    };
    sweep(Story { options, ..story("a team is told", STEPS) }).await;
}
