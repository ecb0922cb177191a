//! Rules: thresholds and their order, datapoints, hours, groups, and what each engine can do.

mod composites;
mod outlooks;

use monitoring_core::alert::{STORM, SUITE, UNRECOGNISED};
use monitoring_core::catalogue::{Comparison, Engine, Severity};
use monitoring_core::metric::Unit;

use super::super::Finding;
use super::super::document::{Cost, Duration, Metric, OutOf, Rule, Tier};
use super::super::resolve::{self, alert_of, comparison, incident_of};
use super::super::yaml::child;
use super::{Checker, entries, items, metrics};

/// What a `CloudWatch` alarm on metric math may use
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html>).
const MAX_ALARM_METRICS: usize = 10;

/// The longest cycle on which a rule may raise a SEV1.
const SEV1_CYCLE_SECONDS: u32 = 60;

const COMPARISONS: [&str; 4] = ["above", "at_least", "below", "at_most"];

pub(super) fn check(checker: &mut Checker<'_>) {
    for (pointer, name, rule) in entries("rules", &checker.document.rules) {
        if checker.written(&child(&pointer, "composite")) {
            composites::check(checker, &pointer, name, rule);
        } else if checker.written(&child(&pointer, "metric")) {
            checker.known(child(&pointer, "metric"), "metrics", &rule.metric, &format!("rule {name} watches"));
        } else {
            let message = format!("rule {name} lacks the key `metric`");
            checker.push(Finding::error(&pointer, message, "add it; only a composite rule has no metric").on_key());
        }
        if let Some(runbook) = &rule.runbook {
            checker.known(child(&pointer, "runbook"), "runbooks", runbook, &format!("rule {name} names"));
        }
        if let Some(own) = rule.datapoints {
            datapoints(checker, &child(&pointer, "datapoints"), own);
        }
        check_condition(checker, &pointer, name, rule);
        check_min_volume(checker, &pointer, name, rule);
        check_hours(checker, &pointer, name, rule);
        check_group(checker, &pointer, name, rule);
        check_group_by(checker, &pointer, name, rule);
        match rule.engine.unwrap_or(checker.document.defaults.engine) {
            Engine::Alarm => check_alarm(checker, &pointer, name, rule),
            Engine::Service => check_pace(checker, &pointer, name, rule),
        }
    }
}

/// M of N.
pub(super) fn datapoints(checker: &mut Checker<'_>, pointer: &str, OutOf { datapoints, periods }: OutOf) {
    if datapoints == 0 {
        checker.error(
            pointer,
            format!("{datapoints} of {periods} datapoints always breach"),
            "write at least `1 of 1`",
        );
    } else if datapoints > periods {
        checker.error(
            pointer,
            format!("{datapoints} of {periods} datapoints can never breach"),
            format!("write `{periods} of {datapoints}`, or equal numbers"),
        );
    }
}

fn check_condition(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let thresholds = checker.written_of(pointer, &["warning", "critical", "tiers"]);
    let others = checker.written_of(pointer, &["absent", "anomaly", "trend", "same_hour", "composite"]);
    match (thresholds.is_empty(), others.as_slice()) {
        (true, []) => {
            let help = "add `warning: {above: ...}`, `critical: {above: ...}`, or one of `absent`, `anomaly`, `trend`, `same_hour`, `composite`";
            checker.push(Finding::error(pointer, format!("rule {name} says nothing of what is wrong"), help).on_key());
        }
        (false, [other, ..]) => {
            let message = format!("rule {name} has a threshold and `{other}`");
            checker.push(Finding::error(child(pointer, other), message, "make two rules of it").on_key());
        }
        (true, [first, second, ..]) => {
            let message = format!("rule {name} has `{first}` and `{second}`");
            checker.push(Finding::error(child(pointer, second), message, "make two rules of it").on_key());
        }
        _ => {}
    }
    outlooks::check(checker, pointer, name, rule);
    for (tier_name, tier) in &rule.tiers {
        let at = child(&child(pointer, "tiers"), tier_name);
        if ["warning", "critical", "absent"].contains(&tier_name.as_str()) {
            let message = format!("the tier `{tier_name}` of rule {name} is under `tiers`");
            checker.push(
                Finding::error(at, message, format!("write `{tier_name}:` beside `tiers:`, or another name")).on_key(),
            );
        } else if tier.severity.is_none() && !checker.written(&child(&at, "severity")) {
            let message = format!("the tier `{tier_name}` of rule {name} has no severity");
            checker.push(Finding::error(at, message, "add `severity: low`, `medium`, `high` or `critical`").on_key());
        }
    }
    let tiers = resolve::tiers(rule);
    for (tier_name, tier) in &tiers {
        check_tier(checker, &tier_pointer(pointer, tier_name), name, tier_name, tier, &rule.metric);
    }
    // Without its severity a tier has no place in the order.
    if !tiers
        .iter()
        .any(|(name, tier)| checker.broken(&tier_pointer(pointer, name), "severity", tier.severity.as_ref()))
    {
        check_order(checker, pointer, name, &tiers);
    }
}

fn tier_pointer(rule: &str, tier: &str) -> String {
    match tier {
        "warning" | "critical" => child(rule, tier),
        other => child(&child(rule, "tiers"), other),
    }
}

fn check_tier(checker: &mut Checker<'_>, pointer: &str, rule: &str, name: &str, tier: &Tier, metric: &str) {
    match checker.written_of(pointer, &COMPARISONS).as_slice() {
        [] => {
            checker.push(
                Finding::error(
                    pointer,
                    format!("the tier `{name}` of rule {rule} has no threshold"),
                    "add one of `above`, `at_least`, `below`, `at_most`",
                )
                .on_key(),
            );
            return;
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("the tier `{name}` of rule {rule} has both `{first}` and `{second}`");
            checker.push(Finding::error(child(pointer, second), message, "keep one; a range is two rules").on_key());
            return;
        }
    }
    let Some((comparison, threshold)) = comparison(tier) else { return };
    let unit = checker.document.metrics.get(metric).map(|metric| metric.unit);
    if unit == Some(Unit::Percent) && !(0.0..=100.0).contains(&threshold) {
        let message = format!("{threshold} is no usual threshold for {metric}, which is in percent");
        checker.warning(child(pointer, key_of(comparison)), message, "write 0 to 100, not a fraction or another unit");
    }
    if let Some(clear) = tier.clear {
        let wrong = if comparison.is_upper() { clear > threshold } else { clear < threshold };
        if wrong {
            let side = if comparison.is_upper() { "at most" } else { "at least" };
            let message = format!("`clear: {clear}` is on the wrong side of `{}: {threshold}`", key_of(comparison));
            checker.error(
                child(pointer, "clear"),
                message,
                format!("write {side} {threshold}: a firing tier ends there"),
            );
        }
    }
}

/// From each tier to the next severe one the threshold gets worse, and the incident no milder.
fn check_order(checker: &mut Checker<'_>, pointer: &str, rule: &str, tiers: &[(&str, &Tier)]) {
    for (index, (name, tier)) in tiers.iter().enumerate().skip(1) {
        let Some((milder_name, milder)) = index.checked_sub(1).and_then(|index| tiers.get(index)) else { continue };
        let (Some((kind, threshold)), Some((milder_kind, milder_threshold))) = (comparison(tier), comparison(milder))
        else {
            continue;
        };
        let at = child(&tier_pointer(pointer, name), key_of(kind));
        if kind.is_upper() != milder_kind.is_upper() {
            let message = format!("`{milder_name}` and `{name}` of rule {rule} look in opposite directions");
            checker.error(at, message, "make two rules of it");
            continue;
        }
        let worse = if kind.is_upper() { threshold > milder_threshold } else { threshold < milder_threshold };
        if !worse {
            let direction = if kind.is_upper() { "more" } else { "less" };
            let message = format!(
                "`{name}` ({kind} {threshold}) of rule {rule} is not worse than `{milder_name}` ({milder_kind} {milder_threshold})"
            );
            checker.error(
                at,
                message,
                format!("write {direction} than {milder_threshold}, or exchange their severities"),
            );
        }
        let (Some(incident), Some(milder_incident)) =
            (incident(checker, pointer, name, tier), incident(checker, pointer, milder_name, milder))
        else {
            continue;
        };
        if incident < milder_incident {
            let message = format!("`{name}` of rule {rule} opens a {incident}, `{milder_name}` a {milder_incident}");
            checker.error(
                tier_pointer(pointer, name),
                message,
                format!("give `{name}` `incident: {milder_incident}` or a more urgent one"),
            );
        }
    }
}

/// The severity of the incident that a tier of the rule opens; `None` when what decides it is broken.
fn incident(checker: &Checker<'_>, rule: &str, name: &str, tier: &Tier) -> Option<Severity> {
    let at = tier_pointer(rule, name);
    let broken = checker.broken(&at, "severity", tier.severity.as_ref())
        || checker.broken(&at, "incident", tier.incident.as_ref());
    (!broken).then(|| tier.incident.unwrap_or_else(|| incident_of(alert_of(name, tier))))
}

fn key_of(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Above => "above",
        Comparison::AtLeast => "at_least",
        Comparison::Below => "below",
        Comparison::AtMost => "at_most",
    }
}

fn check_min_volume(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let document = checker.document;
    let at = child(pointer, "min_volume");
    if rule.min_volume.is_none() {
        let is_ratio = document.metrics.get(&rule.metric).is_some_and(is_ratio);
        if is_ratio && rule.absent.is_none() && rule.anomaly.is_none() && rule.trend.is_none() && !checker.written(&at)
        {
            let message = format!("rule {name} watches the ratio {} without a minimum volume", rule.metric);
            checker.push(
                Finding::warning(
                    pointer,
                    message,
                    "add `min_volume: {metric: ..., at_least: ...}`, or one failure of two is 50 %",
                )
                .on_key(),
            );
        }
        return;
    }
    let Some(volume) = &rule.min_volume else { return };
    let metric_at = child(&at, "metric");
    if !checker.known(&metric_at, "metrics", &volume.metric, &format!("the minimum volume of rule {name} counts")) {
        return;
    }
    let both = [&rule.metric, &volume.metric];
    if !both.iter().all(|metric| metrics::has_shape(checker, metric)) {
        return;
    }
    let [watched, counted] = both.map(|metric| resolve::period(document, metric));
    if watched != counted {
        let message = format!("{} has a period of {counted}, {} one of {watched}", volume.metric, rule.metric);
        checker.error(metric_at, message, "count with a metric of the same period");
    } else if resolve::dimensions(document, &rule.metric) != resolve::dimensions(document, &volume.metric) {
        let message = format!("{} and {} have different dimensions", volume.metric, rule.metric);
        checker.error(metric_at, message, "count with a metric of the same dimensions");
    }
}

/// A share of something: a formula in percent that divides by a metric rather than by a number.
fn is_ratio(metric: &Metric) -> bool {
    let divides = |formula: &String| {
        formula
            .split_once('/')
            .is_some_and(|(_, divisor)| divisor.trim_start().starts_with(|c: char| c.is_ascii_alphabetic() || c == '('))
    };
    metric.unit == Unit::Percent && metric.formula.as_ref().is_some_and(divides)
}

fn check_hours(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let Some(hours) = &rule.active_hours else { return };
    let at = child(pointer, "active_hours");
    if hours.from >= hours.to {
        let message =
            format!("the active hours of rule {name} end at {}, before they begin at {}", hours.to, hours.from);
        checker.error(
            child(&at, "to"),
            message,
            format!("write {} to 24; hours over midnight are two rules", hours.from.saturating_add(1)),
        );
    }
    if let Some(zone) = &hours.time_zone {
        checker.time_zone(&child(&at, "time_zone"), zone);
    }
}

/// The groups that are the suite's own are nobody else's.
fn check_group(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let group = rule.group.as_deref().unwrap_or(name);
    if [SUITE, STORM, UNRECOGNISED].contains(&group.split('/').next().unwrap_or_default()) {
        let message = format!("group {group} of rule {name} is the suite's own");
        checker.error(child(pointer, "group"), message, "write another name");
    }
}

fn check_group_by(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let document = checker.document;
    if rule.group_by.is_empty() || !metrics::has_shape(checker, &rule.metric) {
        return;
    }
    let mut known: Vec<String> =
        resolve::dimensions(document, &rule.metric).iter().flat_map(|set| set.keys().cloned()).collect();
    for (_, metric) in metrics::measured(document, &rule.metric) {
        if !metric.files.is_empty() {
            known.push("Source".to_owned());
        }
        if metric.cost == Some(Cost::ByService) {
            known.push("Service".to_owned());
        }
    }
    known.sort();
    known.dedup();
    for (at, dimension) in items(&child(pointer, "group_by"), &rule.group_by) {
        if !known.contains(dimension) {
            let help = if known.is_empty() {
                "remove it; the metric has none".to_owned()
            } else {
                format!("its dimensions are {}", known.join(", "))
            };
            checker.error(
                at,
                format!("rule {name} groups by \"{dimension}\", which {} does not have", rule.metric),
                help,
            );
        }
    }
}

fn check_alarm(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let at = if rule.engine.is_some() { child(pointer, "engine") } else { pointer.to_owned() };
    let cannot: [(&str, bool); 8] = [
        ("anomaly", rule.anomaly.is_some()),
        ("trend", rule.trend.is_some()),
        ("same_hour", rule.same_hour.is_some()),
        ("composite", rule.composite.is_some()),
        ("clear_after", rule.clear_after.is_some_and(|count| count > 1)),
        ("active_hours", rule.active_hours.is_some()),
        ("warning/clear", rule.warning.as_ref().is_some_and(|tier| tier.clear.is_some())),
        ("critical/clear", rule.critical.as_ref().is_some_and(|tier| tier.clear.is_some())),
    ];
    for (key, _) in cannot.iter().filter(|(_, used)| *used) {
        let shown = key.rsplit('/').next().unwrap_or(key);
        let message = format!("rule {name} is a CloudWatch alarm, which knows no `{shown}`");
        checker.push(
            Finding::error(
                format!("{pointer}/{key}"),
                message,
                format!("remove `{shown}`, or write `engine: service`"),
            )
            .on_key(),
        );
    }
    for (tier_name, _) in rule.tiers.iter().filter(|(_, tier)| tier.clear.is_some()) {
        let message = format!("rule {name} is a CloudWatch alarm, which knows no `clear`");
        checker.push(
            Finding::error(
                child(&tier_pointer(pointer, tier_name), "clear"),
                message,
                "remove `clear`, or write `engine: service`",
            )
            .on_key(),
        );
    }

    let document = checker.document;
    if !metrics::has_shape(checker, &rule.metric) {
        return;
    }
    let mut measured = metrics::measured(document, &rule.metric);
    if let Some(volume) = &rule.min_volume {
        measured.extend(metrics::measured(document, &volume.metric));
        measured.sort_by_key(|(name, _)| *name);
        measured.dedup_by_key(|(name, _)| *name);
    }
    if let Some((other, _)) = measured.iter().find(|(_, metric)| metric.logs.is_some() || metric.cost.is_some()) {
        checker.error(
            &at,
            format!("rule {name} is a CloudWatch alarm, but {other} does not come from CloudWatch"),
            "write `engine: service`",
        );
    } else if let Some(ours) = metrics::beyond_metric_math(document, &rule.metric) {
        let message = format!("rule {name} is a CloudWatch alarm, which cannot compute {ours}: it has ROLLING_SUM");
        checker.error(&at, message, "write `engine: service`");
    } else if measured.len() > MAX_ALARM_METRICS {
        let message = format!("rule {name} is a CloudWatch alarm on {} metrics", measured.len());
        checker.error(&at, message, format!("use at most {MAX_ALARM_METRICS}, or write `engine: service`"));
    } else if resolve::dimensions(document, &rule.metric).is_empty() {
        let message = format!(
            "rule {name} is a CloudWatch alarm, but the series of {} are not known before they come",
            rule.metric
        );
        checker.error(&at, message, "give the metric `dimensions`, or write `engine: service`");
    }
    let period = resolve::period(document, &rule.metric);
    let OutOf { periods, .. } = rule.datapoints.unwrap_or(document.defaults.datapoints);
    let longest = metrics::longest_evaluation(period);
    if period.seconds.saturating_mul(periods) > longest.seconds {
        let at = if rule.datapoints.is_some() { child(pointer, "datapoints") } else { at };
        let message = format!("rule {name} looks back over {periods} periods of {period}");
        let most = longest.seconds / period.seconds.max(1);
        checker.error(
            at,
            message,
            format!(
                "a CloudWatch alarm looks back {longest} at most, {most} periods; write fewer, or `engine: service`"
            ),
        );
    }
}

/// A SEV1 is answered within minutes, so it must be noticed within minutes.
fn check_pace(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let Some(at) = raises_sev1(checker, pointer, rule) else { return };
    let document = checker.document;
    let cycle = document.service.cycle;
    if cycle.seconds > SEV1_CYCLE_SECONDS {
        let message = format!("rule {name} can raise a SEV1, but is evaluated every {cycle} only");
        checker.push(
            Finding::error(at, message, "write `engine: alarm`, `cycle: 1m` under `service`, or `incident: SEV2`")
                .on_key(),
        );
        return;
    }
    let Some(policy) = &document.severities.sev1 else { return };
    if !metrics::has_shape(checker, &rule.metric) || checker.broken(pointer, "datapoints", rule.datapoints.as_ref()) {
        return;
    }
    let period = resolve::period(document, &rule.metric);
    let OutOf { datapoints, .. } = rule.datapoints.unwrap_or(document.defaults.datapoints);
    let seconds = period.seconds.saturating_mul(datapoints).saturating_add(document.service.ingestion_delay.seconds);
    let response = policy.response;
    if seconds > response.seconds {
        let message = format!(
            "rule {name} notices a SEV1 after {} at the earliest; its response time is {response}",
            Duration { seconds }
        );
        checker
            .push(Finding::warning(at, message, "shorten the metric's period, or ask for fewer datapoints").on_key());
    }
}

/// The pointer of the level that opens a SEV1.
fn raises_sev1(checker: &Checker<'_>, pointer: &str, rule: &Rule) -> Option<String> {
    let levels = [
        ("absent", rule.absent.as_ref().map(|level| (level.severity, level.incident))),
        ("anomaly", rule.anomaly.as_ref().map(|level| (level.severity, level.incident))),
        ("trend", rule.trend.as_ref().map(|level| (level.severity, level.incident))),
        ("same_hour", rule.same_hour.as_ref().map(|level| (level.severity, level.incident))),
        ("composite", rule.composite.as_ref().map(|level| (level.severity, level.incident))),
    ];
    if let Some((key, (alert, incident))) = levels.into_iter().find_map(|(key, level)| Some((key, level?))) {
        let incident = incident.unwrap_or_else(|| incident_of(alert));
        return (incident == Severity::Sev1).then(|| child(pointer, key));
    }
    let tiers = resolve::tiers(rule);
    let (name, _) = tiers.iter().find(|(name, tier)| incident(checker, pointer, name, tier) == Some(Severity::Sev1))?;
    Some(tier_pointer(pointer, name))
}
