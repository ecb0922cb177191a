//! Rules on trends, earlier weeks, and other rules.

use monitoring_core::catalogue::{Comparison, Condition, Severity};

use super::*;

/// [`SOUND`] with a rule of each kind; each test spoils one place.
fn with_conditions() -> String {
    let rules = "rules:
  errors-rising:
    metric: Errors
    description: Errors are going up.
    trend: {above: 100, within: 2h, over: 30m, severity: high}
  spent-unlike-weeks:
    metric: Spent
    description: Far more money than on such days.
    same_hour: {above: 3, weeks: 5, minimum: 10, severity: medium}
  failing-for-real:
    description: Requests fail, and money is lost.
    composite: {when: error-rate and not (spent or errors-rising), severity: high}
";
    SOUND.replacen("rules:\n", rules, 1)
}

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert_eq!(with_conditions().matches(from).count(), 1, "{from}");
    let (_, problems) = parse(Path::new("c.yaml"), &with_conditions().replacen(from, to, 1));
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|problem| problem.contains(expected)), "{to}: {told:#?}");
}

#[test]
fn each_kind_is_resolved() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), &with_conditions());
    assert_eq!(problems, []);
    let catalogue = catalogue.unwrap();
    let Condition::Trend { tier, trend } = &catalogue.rules["errors-rising"].condition else { panic!() };
    assert_eq!((tier.comparison, tier.threshold, tier.clear), (Comparison::Above, 100.0, 100.0));
    assert_eq!((trend.within_seconds, trend.over_seconds), (7200, 1800));
    let Condition::SameHour { tier, usual } = &catalogue.rules["spent-unlike-weeks"].condition else { panic!() };
    assert_eq!((tier.threshold, tier.level.incident), (3.0, Severity::Sev3));
    assert_eq!((usual.weeks, usual.minimum, usual.time_zone.as_str()), (5, 10.0, "UTC"));
    let rule = &catalogue.rules["failing-for-real"];
    let Condition::Composite { when, .. } = &rule.condition else { panic!() };
    assert_eq!(when.as_str(), "error-rate and not (spent or errors-rising)");
    assert_eq!((rule.metric.as_str(), rule.group.as_str()), ("ErrorRate", "failing-for-real"));
}

#[test]
fn every_mistake_of_a_trend_is_reported() {
    check("above: 100, within", "above: 100, below: 5, within", "rule errors-rising has both `above` and `below`");
    check("{above: 100, within", "{within", "rule errors-rising has no threshold");
    check("over: 30m", "over: 7m", "looks 7m back, 7 periods of 1m; write 8m to 1d");
    check("over: 30m", "over: 2d", "looks 2d back, 2880 periods of 1m; write 8m to 1d");
    check("within: 2h", "within: 100d", "looks 100d ahead; write at most 90d");
    check(
        "severity: high}\n  spent",
        "severity: high, clear: 101}\n  spent",
        "`clear: 101` is on the wrong side of 100",
    );
    check("    trend:", "    warning: {above: 1}\n    trend:", "rule errors-rising has a threshold and `trend`");
    check("    trend:", "    engine: alarm\n    trend:", "is a CloudWatch alarm, which knows no `trend`");
    check("    metric: Errors\n", "", "rule errors-rising lacks the key `metric`");
    check("    metric: Errors\n", "    metric: Erors\n", "did you mean \"Errors\"?");
}

#[test]
fn every_mistake_of_a_comparison_with_weeks_is_reported() {
    check("above: 3", "above: 0.5", "rule spent-unlike-weeks fires above 0.5 times the usual; write more than 1");
    check("above: 3", "below: 50", "rule spent-unlike-weeks fires below 50 times the usual; write 0 to 1");
    check(
        "metric: Spent\n    description: Far",
        "metric: Errors\n    description: Far",
        "Errors has a period of 1m; give the metric `period: 5m` or longer",
    );
    check("weeks: 5", "weeks: 18", "compares 18 weeks of periods of 1d; write at most 17; older data is not kept");
}

#[test]
fn every_mistake_of_a_composite_is_reported() {
    check("and not (spent", "and nor (spent", "`when` of failing-for-real: \"(\" does not fit");
    check(
        "not (spent",
        "not (spant",
        "`when` of failing-for-real names an unknown rule \"spant\"; did you mean \"spent\"?",
    );
    check("not (spent or", "not (failing-for-real or", "which is a composite as well");
    check("error-rate and not (spent", "not (spent", "`when` of failing-for-real holds while no rule fires");
    check("    composite:", "    metric: Errors\n    composite:", "is a composite, which has no `metric`");
    check("    composite:", "    engine: alarm\n    composite:", "is a CloudWatch alarm, which knows no `composite`");
    check(
        "    runbook: errors\n",
        "    runbook: errors\n    engine: alarm\n",
        "names error-rate, which is a CloudWatch alarm; write `engine: service` for error-rate",
    );
}

#[test]
fn a_composite_may_name_the_rules_of_an_objective() {
    let slo = "\nslos:\n  checkout: {description: Requests succeed., objective: 99.9, total: Requests, bad: Errors}\n";
    let text = with_conditions().replacen("not (spent", "not (checkout-burn-fast", 1) + slo;
    let (catalogue, problems) = parse(Path::new("c.yaml"), &text);
    assert_eq!(problems, []);
    assert!(catalogue.unwrap().rules.contains_key("checkout-burn-fast"));
}

#[test]
fn logs_are_not_searched_for_days() {
    let logs = "logs: {log_groups: [/a], query: stats count() as value by bin(5m)}";
    for kind in [
        "anomaly: {severity: low}",
        "trend: {above: 1, within: 1h, over: 1h, severity: low}",
        "same_hour: {below: 0.5, severity: low}",
    ] {
        let text = with_conditions()
            .replacen("metrics:\n", &format!("metrics:\n  Lines:\n    category: application\n    description: Lines.\n    unit: Count\n    period: 5m\n    {logs}\n"), 1)
            .replacen("rules:\n", &format!("rules:\n  lines:\n    metric: Lines\n    description: Lines.\n    {kind}\n"), 1);
        let (_, problems) = parse(Path::new("c.yaml"), &text);
        let told = problems.iter().any(|problem| problem.message.contains("would search days of logs in every cycle"));
        assert!(told, "{kind}: {problems:#?}");
    }
}
