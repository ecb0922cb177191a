use jiff::{SignedDuration, Timestamp};

use super::rails::{Asked, Verdict as Rail, check};
use serde_json::json;

use super::*;
use crate::catalogue::{Actions, Approval, Automation};

const PARAMETER: &str = "/ai-nutritionist/circuit-breaker/payment";

fn at(minute: i64) -> Timestamp {
    "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn breaker() -> (ActionKind, Target) {
    let action =
        ActionKind::CircuitBreaker { service: "payment".to_owned(), probe_after_seconds: 300, probe_percent: 10 };
    (action, Target::CircuitBreaker { service: "payment".to_owned(), parameter: PARAMETER.to_owned() })
}

fn plan_for(value: Option<&str>) -> Result<Plan, String> {
    let (action, target) = breaker();
    let observed = Observed::Parameter { value: value.map(str::to_owned) };
    plan(&action, &target, &observed, "INC-1/1", (at(0), at(0)))
}

fn put(value: &str) -> Call {
    Call::PutParameter { name: PARAMETER.to_owned(), value: value.to_owned() }
}

const OPEN: &str = r#"{"state":"open","since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;
const HALF_OPEN: &str = r#"{"state":"half-open","probe_percent":10,"since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;
const CLOSED: &str = r#"{"state":"closed","since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;

#[test]
fn a_closed_breaker_is_opened_probed_and_closed() {
    for before in [None, Some(r#"{"state":"closed","since":"2026-11-01T00:00:00Z","by":"ana"}"#)] {
        let plan = plan_for(before).unwrap();
        let condition = |values: &[Option<&str>]| Condition::Parameter {
            values: values.iter().map(|value| value.map(str::to_owned)).collect(),
        };
        assert_eq!(plan.calls, [PlannedCall { call: put(OPEN), condition: condition(&[before]) }]);
        let later = plan.later.unwrap();
        assert_eq!(later.after_seconds, 300);
        assert_eq!(later.calls, [PlannedCall { call: put(HALF_OPEN), condition: condition(&[Some(OPEN)]) }]);
        let inverse = condition(&[Some(OPEN), Some(HALF_OPEN)]);
        assert_eq!(plan.inverse, [PlannedCall { call: put(CLOSED), condition: inverse }]);
    }
}

#[test]
fn a_breaker_that_is_not_closed_is_left_to_whoever_set_it() {
    let open = r#"{"state":"open","since":"2026-11-01T00:00:00Z","by":"ana"}"#;
    assert_eq!(plan_for(Some(open)).unwrap_err(), "the breaker of payment is not closed: ana has set it already");
    for strange in ["", "open", "{}", r#"{"state":"ajar","since":"2026-11-01T00:00:00Z","by":"ana"}"#] {
        let why = plan_for(Some(strange)).unwrap_err();
        assert_eq!(why, format!("{PARAMETER} holds what is no state of a breaker, so it is left alone"));
    }
}

#[test]
fn the_request_is_as_the_api_takes_it() {
    let expected = json!({ "Name": PARAMETER, "Value": "v", "Type": "String", "Overwrite": true });
    assert_eq!(put("v").request(), ("ssm:PutParameter", expected));
}

#[test]
fn a_call_applies_only_to_what_was_seen() {
    let planned = PlannedCall {
        call: put("new"),
        condition: Condition::Parameter { values: vec![None, Some("old".to_owned())] },
    };
    let seen = |value: Option<&str>| planned.judge(&Observed::Parameter { value: value.map(str::to_owned) });
    assert_eq!(seen(None), Verdict::Call);
    assert_eq!(seen(Some("old")), Verdict::Call);
    assert_eq!(seen(Some("new")), Verdict::Already);
    assert!(matches!(seen(Some("other")), Verdict::Changed(why) if why.contains("it is other")));
}

/// A runbook of the widest limits.
fn automation() -> Automation {
    Automation {
        dry_run: false,
        approval: None,
        cooldown_seconds: 1800,
        max_per_hour: 100,
        max_targets: 100,
        ask_after_failures: 0,
        actions: Vec::new(),
    }
}

fn place(target: &str, runbook: &str, began: i64, ended: Option<i64>) -> Place {
    let (incident, target, runbook) = ("INC-9".to_owned(), target.to_owned(), runbook.to_owned());
    Place { incident, run: 1, runbook, target, began_at: at(began), ended_at: ended.map(at) }
}

/// Asks at minute 60 for the breaker of payments, for runbook `errors`.
#[track_caller]
fn rail(change: impl FnOnce(&mut Actions, &mut Automation, &mut Ledger), approved: bool) -> Rail {
    let mut actions = Actions { dry_run: false, allow: vec!["circuit-breaker/*".to_owned()], ..Actions::default() };
    let (mut automation, mut ledger) = (automation(), Ledger::default());
    change(&mut actions, &mut automation, &mut ledger);
    let target = breaker().1;
    let asked = Asked { actions: &actions, runbook: "errors", automation: &automation, target: &target, approved };
    check(asked, &ledger, at(60))
}

const GO: Rail = Rail::Go { dry_run: false };

#[track_caller]
fn refused(verdict: &Rail, because: &str) {
    assert!(matches!(verdict, Rail::No(why) if why.contains(because)), "{verdict:?}");
}

#[test]
fn nothing_in_the_way_lets_it_go() {
    assert_eq!(rail(|_, _, _| {}, false), GO);
}

#[test]
fn what_is_not_on_the_allow_list_is_refused_also_in_dry_run() {
    for allow in [vec![], vec!["circuit-breaker/pay"], vec!["lambda/*"]] {
        let allow: Vec<String> = allow.into_iter().map(str::to_owned).collect();
        refused(&rail(|actions, _, _| (actions.allow, actions.dry_run) = (allow, true), true), "allow-list");
    }
}

#[test]
fn a_target_is_in_one_hand_at_a_time() {
    let held = place("circuit-breaker/payment", "other", 0, None);
    refused(&rail(|_, _, ledger| ledger.places.push(held), true), "has circuit-breaker/payment to itself");
    let elsewhere = place("circuit-breaker/model", "other", 0, None);
    assert_eq!(rail(|_, _, ledger| ledger.places.push(elsewhere), false), GO);
}

#[test]
fn a_runbook_changes_so_many_targets_at_a_time() {
    let one = |_: &mut Actions, automation: &mut Automation, ledger: &mut Ledger| {
        automation.max_targets = 1;
        ledger.places.push(place("circuit-breaker/model", "errors", 0, None));
    };
    refused(&rail(one, true), "of at most 1 at a time");
}

#[test]
fn a_target_cools_down() {
    let ended = |minute| {
        move |_: &mut Actions, _: &mut Automation, ledger: &mut Ledger| {
            ledger.places.push(place("circuit-breaker/payment", "errors", 0, Some(minute)));
        }
    };
    refused(&rail(ended(31), false), "until 29 min ago, and leaves it alone for 30 min");
    assert_eq!(rail(ended(30), false), GO);
}

#[test]
fn so_many_begin_within_an_hour() {
    let begun = |own: u32, all: u32| {
        move |actions: &mut Actions, automation: &mut Automation, ledger: &mut Ledger| {
            (automation.max_per_hour, actions.max_per_hour) = (own, all);
            // Two within the hour, of which one is of another runbook; one is older.
            ledger.places.push(place("circuit-breaker/a", "errors", 0, Some(1)));
            ledger.places.push(place("circuit-breaker/b", "errors", 1, Some(2)));
            ledger.places.push(place("circuit-breaker/c", "other", 2, Some(3)));
        }
    };
    refused(&rail(begun(1, 10), true), "runbook errors has begun 1 actions within an hour");
    refused(&rail(begun(10, 2), true), "2 actions were begun within an hour");
    assert_eq!(rail(begun(2, 3), false), GO);
}

#[test]
fn who_must_agree_is_asked_unless_nothing_would_be_changed() {
    let approval = Approval { team: "database".to_owned(), expires_seconds: 60 };
    let asks =
        |_: &mut Actions, automation: &mut Automation, _: &mut Ledger| automation.approval = Some(approval.clone());
    assert!(matches!(rail(asks, false), Rail::Ask { approval: asked, .. } if asked == approval));
    assert_eq!(rail(asks, true), GO);
    let dry = |actions: &mut Actions, automation: &mut Automation, ledger: &mut Ledger| {
        asks(actions, automation, ledger);
        automation.dry_run = true;
    };
    assert_eq!(rail(dry, false), Rail::Go { dry_run: true });
    assert_eq!(rail(|actions, _, _| actions.dry_run = true, false), Rail::Go { dry_run: true });
}

#[test]
fn a_runbook_that_failed_too_often_asks_again() {
    let failed = |times: u32| {
        move |_: &mut Actions, automation: &mut Automation, ledger: &mut Ledger| {
            automation.ask_after_failures = 2;
            ledger.failures.insert("errors".to_owned(), times);
        }
    };
    assert_eq!(rail(failed(1), false), GO);
    assert!(matches!(rail(failed(2), false), Rail::Ask { why, .. } if why.contains("the last 2 runs")));
    assert_eq!(rail(failed(2), true), GO);
}

#[test]
fn the_ledger_forgets_what_is_a_day_old_and_counts_failures_in_a_row() {
    let mut ledger = Ledger::default();
    ledger.begin(place("circuit-breaker/a", "errors", 0, None));
    ledger.begin(Place { run: 2, ..place("circuit-breaker/b", "errors", 0, None) });
    ledger.end("INC-9", 1, at(1));
    ledger.begin(place("circuit-breaker/c", "errors", 24 * 60 + 1, None));
    let targets: Vec<&str> = ledger.places.iter().map(|place| place.target.as_str()).collect();
    assert_eq!(targets, ["circuit-breaker/b", "circuit-breaker/c"], "what goes on is not forgotten");
    ledger.count("errors", false);
    ledger.count("errors", false);
    assert_eq!(ledger.failures["errors"], 2);
    ledger.count("errors", true);
    assert!(ledger.failures.is_empty());
}

const KEY: &str = "sha256:ba7816bf";

fn function(revision: &str, restarted: Option<&str>) -> Observed {
    Observed::Function {
        revision: revision.to_owned(),
        updating: false,
        aliases: Vec::new(),
        restarted: restarted.map(str::to_owned),
        variables: [("KEY".to_owned(), KEY.to_owned())].into(),
    }
}

fn on_function(action: &ActionKind, observed: &Observed) -> Result<Plan, String> {
    plan(action, &Target::Function { name: "api".to_owned() }, observed, "INC-1/1", (at(0), at(0)))
}

fn restart() -> ActionKind {
    ActionKind::Restart { function: "api".to_owned() }
}

#[test]
fn a_restart_sends_every_variable_and_prints_none() {
    let plan = on_function(&restart(), &function("7", None)).unwrap();
    assert!(plan.inverse.is_empty() && plan.later.is_none());
    let value = "INC-1/1 2026-11-23T12:00:00Z";
    let request = json!({
        "FunctionName": "api",
        "RevisionId": "7",
        "Environment": { "Variables": { "KEY": KEY, "MONITORING_RESTARTED": value } },
    });
    let planned = &plan.calls[0];
    assert_eq!(planned.call.request(), ("lambda:UpdateFunctionConfiguration", request));
    assert_eq!(planned.judge(&function("7", None)), Verdict::Call);
    assert_eq!(planned.judge(&function("8", Some(value))), Verdict::Already);
    assert!(matches!(planned.judge(&function("8", None)), Verdict::Changed(_)));
    let mut other = function("7", None);
    let Observed::Function { variables, .. } = &mut other else { panic!() };
    variables.insert("NEW".to_owned(), KEY.to_owned());
    assert!(matches!(planned.judge(&other), Verdict::Changed(_)));
}

#[test]
fn what_a_touch_would_not_restart_is_refused() {
    let mut aliased = function("7", None);
    let Observed::Function { aliases, .. } = &mut aliased else { panic!() };
    aliases.push("live".to_owned());
    assert!(on_function(&restart(), &aliased).unwrap_err().contains("api has the alias live"));
    let mut updating = function("7", None);
    let Observed::Function { updating: under_way, .. } = &mut updating else { panic!() };
    *under_way = true;
    assert!(on_function(&restart(), &updating).unwrap_err().contains("under way"));
}

fn scale(scaled: Scaled, factor_percent: u32, cap: u32) -> ActionKind {
    ActionKind::ScaleOut { scaled, name: "api".to_owned(), factor_percent, cap }
}

/// What the reserved concurrency of a function becomes, and what it is set back to.
#[track_caller]
fn reserves(reserved: Option<u32>, unreserved: u32, cap: u32, expected: Result<u32, &str>) {
    let observed = Observed::Concurrency { reserved, unreserved };
    let planned = on_function(&scale(Scaled::Function, 200, cap), &observed);
    match (planned, expected) {
        (Ok(plan), Ok(expected)) => {
            let set = |reserved| Call::ReserveConcurrency { function: "api".to_owned(), reserved };
            assert_eq!((&plan.calls[0].call, &plan.inverse[0].call), (&set(expected), &set(reserved.unwrap())));
            let after = Observed::Concurrency { reserved: Some(expected), unreserved: 100 };
            assert_eq!(plan.calls[0].judge(&observed), Verdict::Call);
            assert_eq!(plan.calls[0].judge(&after), Verdict::Already);
            assert_eq!(plan.inverse[0].judge(&after), Verdict::Call);
            let other = Observed::Concurrency { reserved: Some(9999), unreserved: 0 };
            assert!(matches!(plan.inverse[0].judge(&other), Verdict::Changed(_)));
        }
        (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
        (planned, expected) => panic!("{planned:?}, not {expected:?}"),
    }
}

#[test]
fn reserved_concurrency_grows_only_where_there_is_some_and_leaves_a_hundred() {
    reserves(Some(50), 950, 500, Ok(100));
    reserves(Some(50), 950, 80, Ok(80));
    reserves(Some(50), 130, 500, Ok(80));
    reserves(Some(50), 100, 500, Err("of which 100 stay"));
    reserves(Some(80), 950, 80, Err("80 of at most 80"));
    reserves(None, 950, 500, Err("would cap it"));
    reserves(Some(0), 950, 500, Err("switched off"));
}

/// What the capacity of a table becomes.
#[track_caller]
fn grows(before: Capacity, cap: u32, expected: Result<Capacity, &str>) {
    let target = Target::Table { name: "users".to_owned() };
    let observed = Observed::Table { active: true, capacity: before };
    match (plan(&scale(Scaled::Table, 150, cap), &target, &observed, "INC-1/1", (at(0), at(0))), expected) {
        (Ok(plan), Ok(expected)) => {
            let set = |capacity| Call::SetCapacity { table: "users".to_owned(), capacity };
            assert_eq!((&plan.calls[0].call, &plan.inverse[0].call), (&set(expected), &set(before)));
            assert_eq!(plan.calls[0].judge(&observed), Verdict::Call);
            assert_eq!(plan.calls[0].judge(&Observed::Table { active: true, capacity: expected }), Verdict::Already);
            let busy = Observed::Table { active: false, capacity: before };
            assert!(matches!(plan.calls[0].judge(&busy), Verdict::Busy(_)));
        }
        (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
        (planned, expected) => panic!("{planned:?}, not {expected:?}"),
    }
}

#[test]
fn a_table_grows_in_its_own_mode() {
    let provisioned = |read, write| Capacity::Provisioned { read, write };
    grows(provisioned(100, 51), 1000, Ok(provisioned(150, 77)));
    grows(provisioned(100, 900), 1000, Ok(provisioned(150, 1000)));
    // What is above the cap already stays.
    grows(provisioned(100, 2000), 1000, Ok(provisioned(150, 2000)));
    grows(provisioned(1000, 2000), 1000, Err("the most is 1000"));
    let on_demand = |max_read, max_write| Capacity::OnDemand { max_read, max_write };
    grows(on_demand(Some(100), None), 1000, Ok(on_demand(Some(150), None)));
    grows(on_demand(None, None), 1000, Err("grows by itself"));
    let request = Call::SetCapacity { table: "users".to_owned(), capacity: on_demand(Some(150), None) }.request();
    let limits = json!({ "MaxReadRequestUnits": 150, "MaxWriteRequestUnits": -1 });
    assert_eq!(request, ("dynamodb:UpdateTable", json!({ "TableName": "users", "OnDemandThroughput": limits })));
}

#[test]
fn what_was_seen_of_something_else_plans_nothing() {
    let seen = Observed::Parameter { value: None };
    assert!(on_function(&restart(), &seen).unwrap_err().contains("says nothing about restart"));
}

fn rollback(observed: &Observed, onset: Timestamp) -> Result<Plan, String> {
    let action = ActionKind::Rollback { function: "api".to_owned(), alias: "live".to_owned(), within_seconds: 30 * 60 };
    plan(&action, &Target::Function { name: "api".to_owned() }, observed, "INC-1/1", (at(0), onset))
}

fn alias(version: &str, made_at: Option<Timestamp>, previous: Option<&str>, split: bool) -> Observed {
    let previous_made_at = previous.map(|_| at(-72 * 60));
    Observed::Alias {
        version: version.to_owned(),
        made_at,
        previous: previous.map(str::to_owned),
        previous_made_at,
        split,
    }
}

#[test]
fn a_fresh_version_makes_way_for_the_one_before() {
    let plan = rollback(&alias("7", Some(at(0)), Some("5"), false), at(0)).unwrap();
    let set = |version: &str| Call::SetAlias {
        function: "api".to_owned(),
        alias: "live".to_owned(),
        version: version.to_owned(),
    };
    let request = json!({ "FunctionName": "api", "Name": "live", "FunctionVersion": "5" });
    assert_eq!(plan.calls[0].call.request(), ("lambda:UpdateAlias", request));
    assert_eq!((&plan.calls[0].call, &plan.inverse[0].call), (&set("5"), &set("7")));
    assert!(plan.stays);

    let judge = |planned: &PlannedCall, version: &str, split| planned.judge(&alias(version, None, None, split));
    assert_eq!(judge(&plan.calls[0], "7", false), Verdict::Call);
    assert_eq!(judge(&plan.calls[0], "5", false), Verdict::Already);
    for (version, split) in [("8", false), ("7", true), ("5", true)] {
        assert!(matches!(judge(&plan.calls[0], version, split), Verdict::Changed(_)), "{version} {split}");
    }
    assert_eq!(judge(&plan.inverse[0], "5", false), Verdict::Call);
    assert!(matches!(judge(&plan.inverse[0], "6", false), Verdict::Changed(_)));
}

#[test]
fn what_a_rollback_would_not_help_is_refused() {
    let minutes = |minutes: i64| at(0) + SignedDuration::from_mins(minutes);
    for (observed, onset, why) in [
        (alias("7", Some(at(0)), Some("5"), false), minutes(31), "made 31 min before it began"),
        (alias("7", Some(minutes(1)), Some("5"), false), at(0), "made after it began"),
        (alias("7", Some(at(0)), None, false), at(0), "no version before 7"),
        (alias("7", Some(at(0)), Some("5"), true), at(0), "somebody is rolling out"),
        (alias("$LATEST", None, None, false), at(0), "not known when version $LATEST"),
    ] {
        let refused = rollback(&observed, onset).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(rollback(&alias("7", Some(at(0)), Some("5"), false), minutes(30)).is_ok());
}

#[test]
fn a_version_that_is_as_young_is_not_gone_back_to() {
    // Version 6 was the deployment, 7 the fix that failed. It may have been made 30 minutes before.
    let after_a_fix = |previous_made_at| Observed::Alias {
        version: "7".to_owned(),
        made_at: Some(at(-5)),
        previous: Some("6".to_owned()),
        previous_made_at,
        split: false,
    };
    for minute in [-30, -12, -5] {
        let why = rollback(&after_a_fix(Some(at(minute))), at(0)).unwrap_err();
        assert!(why.contains("version 6 of api, which came before 7, was made"), "{why}");
        assert!(why.contains("only one that is older than 30 min is gone back to"), "{why}");
    }
    let unknown = rollback(&after_a_fix(None), at(0)).unwrap_err();
    assert_eq!(unknown, "it is not known when version 6 of api was made");
    assert!(rollback(&after_a_fix(Some(at(-31))), at(0)).is_ok());
}

#[test]
fn a_failover_names_the_standby_and_back_is_what_was() {
    let name = "/ai-nutritionist/active-region";
    let action = ActionKind::Failover { parameter: name.to_owned(), standby: "us-west-2".to_owned() };
    let target = Target::Parameter { name: name.to_owned() };
    assert_eq!(target.to_string(), "parameter/ai-nutritionist/active-region");
    assert_eq!(look_for(&action, &target), Some(Look::Parameter { name: name.to_owned() }));
    let found = |value: Option<&str>| Observed::Parameter { value: value.map(str::to_owned) };
    let planned = |value| plan(&action, &target, &found(value), "INC-1/1", (at(0), at(0)));
    let plan = planned(Some("us-east-1")).unwrap();
    let request = json!({ "Name": name, "Value": "us-west-2", "Type": "String", "Overwrite": true });
    assert_eq!(plan.calls[0].call.request(), ("ssm:PutParameter", request));
    assert_eq!(plan.calls[0].judge(&found(Some("us-east-1"))), Verdict::Call);
    assert!(matches!(plan.calls[0].judge(&found(Some("eu-west-1"))), Verdict::Changed(_)));
    let request = json!({ "Name": name, "Value": "us-east-1", "Type": "String", "Overwrite": true });
    assert_eq!(plan.inverse[0].call.request(), ("ssm:PutParameter", request));
    assert_eq!(plan.inverse[0].judge(&found(Some("us-west-2"))), Verdict::Call);
    assert!(plan.stays);
    assert!(planned(Some("us-west-2")).unwrap_err().contains("names us-west-2 already"));
    assert!(planned(None).unwrap_err().contains("there is no parameter"));
}
