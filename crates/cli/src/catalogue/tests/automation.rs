//! What a runbook does by itself.

use monitoring_core::catalogue::ActionKind;

use super::*;

const SOUND_RUNBOOK: &str = r#"  errors:
    title: Errors
    team: platform
    steps: [Look at the log.]
    automation:
      actions:
        - {circuit_breaker: {service: payment}}
        - {rollback: {function: shop-api, within: 90m}}
        - {failover: {parameter: /shop/active-region, standby: us-west-2}}
        - {alert_team: sales}
actions:
  services: [payment, model]
  allow: ["circuit-breaker/*", lambda/shop-api, parameter/shop/active-region]
"#;

fn automated() -> String {
    let plain = "  errors: {title: Errors, team: platform, steps: [Look at the log.]}\n";
    assert_eq!(SOUND.matches(plain).count(), 1);
    let team = "  platform: {title: Platform, contact: \"#shop\"}\n";
    assert_eq!(SOUND.matches(team).count(), 1);
    let sales = format!("{team}  sales: {{title: Sales, contact: \"#sales\", channels: [chat]}}\n");
    SOUND.replace(plain, SOUND_RUNBOOK).replace(team, &sales)
}

#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(automated().matches(from).count(), 1, "{from}");
    check_text(&automated().replacen(from, to, 1), to, expected);
}

#[test]
fn actions_are_resolved_in_their_order() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), &automated());
    assert_eq!(problems, []);
    let catalogue = catalogue.unwrap();
    let automation = catalogue.runbooks["errors"].automation.as_ref().unwrap();
    let kinds: Vec<&ActionKind> = automation.actions.iter().map(|spec| &spec.action).collect();
    let [function, alias, parameter, standby] =
        ["shop-api", "live", "/shop/active-region", "us-west-2"].map(str::to_owned);
    let breaker =
        ActionKind::CircuitBreaker { service: "payment".to_owned(), probe_after_seconds: 300, probe_percent: 10 };
    let rollback = ActionKind::Rollback { function, alias, within_seconds: 5400 };
    let (failover, sales) =
        (ActionKind::Failover { parameter, standby }, ActionKind::AlertTeam { team: "sales".to_owned() });
    assert_eq!(kinds, [&breaker, &rollback, &failover, &sales]);
    assert_eq!(catalogue.teams["sales"].channels, ["chat"]);
    assert!(catalogue.actions.dry_run, "a new catalogue changes nothing");
}

#[test]
fn a_service_that_is_not_known_is_refused() {
    check(
        "service: payment",
        "service: paymnet",
        &[
            r#"error: runbook errors opens the circuit breaker of an unknown service "paymnet"; did you mean "payment"?"#,
        ],
    );
}

#[test]
fn what_a_rollback_or_a_failover_cannot_do_is_refused() {
    check("within: 90m", "within: 30d", &["error: the age of what runbook errors rolls back is 30d; write 1m to 7d"]);
    for own in ["/shop/actions/stop", "/shop-staging/circuit-breaker/payment"] {
        let expected = format!(
            "error: runbook errors would write {own}, where the suite keeps its own parameters; name a parameter of the application"
        );
        check("parameter: /shop/active-region", &format!("parameter: {own}"), &[&expected]);
    }
    check(
        "parameter: /shop/active-region",
        "parameter: active-region",
        &[
            r#"error: runbook errors cannot write a parameter "active-region"; write its full name, such as "/ai-nutritionist/active-region""#,
        ],
    );
}

#[test]
fn a_team_that_nobody_can_tell_is_refused() {
    check(
        "alert_team: sales",
        "alert_team: sale",
        &[r#"error: runbook errors alerts an unknown team "sale"; did you mean "sales"?"#],
    );
    check(
        r##""#sales", channels: [chat]}"##,
        r##""#sales"}"##,
        &["error: runbook errors alerts team sales, which has no channel of its own; add `channels:` to team sales"],
    );
    check(
        r##""#sales", channels: [chat]}"##,
        r##""#sales", channels: [chta]}"##,
        &[r#"error: team sales has an unknown channel "chta"; did you mean "chat"?"#],
    );
}

#[test]
fn what_the_allow_list_does_not_have_is_warned_of() {
    check(
        ", parameter/shop/active-region]",
        "]",
        &[
            r#"warning: runbook errors acts on parameter/shop/active-region, which `actions: allow` does not have; add "parameter/shop/active-region" to `allow:`, or it is never done"#,
        ],
    );
}

#[test]
fn an_action_is_of_one_kind() {
    let text = automated().replace("{rollback: {", "{restart: {function: shop-api}, rollback: {");
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    assert_eq!(problems.len(), 1, "{problems:?}");
}
