//! Objectives and the rules that they make.

use monitoring_core::catalogue::{Condition, Counts, Engine, Severity, Source};

use super::*;

/// [`SOUND`] with an objective; each test spoils one place.
fn with_slo() -> String {
    SOUND.to_owned()
        + "
slos:
  checkout:
    description: Requests succeed.
    objective: 99.9
    total: Requests
    bad: Errors
    runbook: errors
"
}

fn check(from: &str, to: &str, expected: &str) {
    assert_eq!(with_slo().matches(from).count(), 1, "{from}");
    let (catalogue, problems) = parse(Path::new("c.yaml"), &with_slo().replacen(from, to, 1));
    assert!(catalogue.is_none(), "{to}");
    assert!(problems.iter().any(|problem| problem.message.contains(expected)), "{to}: {problems:#?}");
}

#[test]
fn an_objective_makes_the_three_rules_of_the_workbook() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), &with_slo());
    assert_eq!(problems, []);
    let catalogue = catalogue.unwrap();
    let slo = &catalogue.slos["checkout"];
    assert_eq!((slo.period_seconds, slo.counts, slo.counted.as_str()), (30 * 86_400, Counts::Bad, "Errors"));
    let rules =
        ["checkout-burn-fast", "checkout-burn-slow", "checkout-burn-creeping"].map(|name| &catalogue.rules[name]);
    let limits = rules.map(|rule| {
        let Condition::Threshold { tiers } = &rule.condition else { panic!("{rule:?}") };
        (tiers[0].threshold, tiers[0].level.incident)
    });
    assert_eq!(limits, [(14.4, Severity::Sev2), (6.0, Severity::Sev2), (1.0, Severity::Sev3)]);
    for rule in rules {
        assert_eq!(
            (rule.group.as_str(), rule.runbook.as_deref(), rule.engine),
            ("checkout", Some("errors"), Engine::Service)
        );
    }
    let Source::Formula { expression } = &catalogue.metrics["CheckoutBurnFast"].source else { panic!() };
    assert_eq!(
        expression,
        "IF(ROLLING_SUM(Errors, 5) / ROLLING_SUM(Requests, 5) >= ROLLING_SUM(Errors, 60) / ROLLING_SUM(Requests, 60), \
         ROLLING_SUM(Errors, 60) / ROLLING_SUM(Requests, 60), ROLLING_SUM(Errors, 5) / ROLLING_SUM(Requests, 5)) / 0.001"
    );
    assert!(catalogue.alarms.is_empty());
}

#[test]
fn every_mistake_of_an_objective_is_reported() {
    check("objective: 99.9", "objective: 100", "100");
    check("    bad: Errors\n", "", "objective checkout counts neither good nor bad events");
    check("    bad: Errors\n", "    bad: Errors\n    good: Errors\n", "counts both good and bad events");
    check("total: Requests", "total: Request", "objective checkout counts an unknown metric \"Request\"");
    check("bad: Errors", "bad: Spent", "Spent has a period of 1d, Requests one of 1m");
    check("total: Requests\n", "total: Requests\n    period: 1d\n", "the objective checkout is for 1d");
}

#[test]
fn what_does_not_add_up_is_not_counted() {
    let text = with_slo().replacen("statistic: Sum", "statistic: Average", 1);
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    let message = "objective checkout counts Requests, but Requests has the statistic Average, which does not add up";
    assert!(problems.iter().any(|problem| problem.message == message), "{problems:#?}");
}

#[test]
fn windows_must_hold_more_than_one_period() {
    let text = with_slo().replace("statistic: Sum}", "statistic: Sum}\n    period: 1h");
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    let message = "objective checkout is judged over 1h, but Requests has a period of 1h";
    assert!(problems.iter().any(|problem| problem.message == message), "{problems:#?}");
}

#[test]
fn a_name_is_used_once() {
    let text = with_slo().replacen("  error-rate:\n", "  checkout-burn-slow:\n", 1);
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    let message = "objective checkout makes a rule checkout-burn-slow, which there is already";
    assert!(problems.iter().any(|problem| problem.message == message), "{problems:#?}");
}

#[test]
fn no_alarm_computes_a_rolling_sum() {
    let text =
        SOUND.replacen("formula: 100 * Errors / Requests", "formula: 100 * ROLLING_SUM(Errors, 5) / Requests", 1);
    let text = text.replacen("    min_volume: {metric: Requests, at_least: 20}\n", "    engine: alarm\n", 1);
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    let message = "rule error-rate is a CloudWatch alarm, which cannot compute ErrorRate: it has ROLLING_SUM";
    assert!(problems.iter().any(|problem| problem.message == message), "{problems:#?}");
}

#[test]
fn an_objective_asks_for_no_action() {
    let acting = "errors: {title: Errors, team: platform, steps: [Look at the log.], automation: {actions: [{circuit_breaker: {service: pay}}]}}";
    let text = with_slo().replacen("errors: {title: Errors, team: platform, steps: [Look at the log.]}", acting, 1);
    let (_, problems) = parse(Path::new("c.yaml"), &text);
    let message = "objective checkout names errors, which acts by itself";
    assert!(problems.iter().any(|problem| problem.message == message), "{problems:#?}");
}
