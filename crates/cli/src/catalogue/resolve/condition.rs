//! What is wrong with a metric.

use monitoring_core::catalogue::{self as resolved, AlertSeverity, Comparison, Condition, Severity};
use monitoring_core::composite::Expression;

use super::super::document::{Document, Rule, Tier};
use super::{burn_metric, slo::objective_of};

/// The metric of a rule; of a composite that of the first rule that it names.
pub(super) fn metric_of(document: &Document, rule: &Rule) -> String {
    let expression = rule.composite.as_ref().and_then(|composite| Expression::parse(&composite.when).ok());
    let Some(first) = expression.as_ref().and_then(|expression| expression.names().next()) else {
        return rule.metric.clone();
    };
    match document.rules.get(first) {
        Some(named) => named.metric.clone(),
        None => objective_of(document, first).map(|(slo, window)| burn_metric(slo, window)).unwrap_or_default(),
    }
}

/// A rule without a condition, which the check refuses, has one without tiers.
pub(super) fn condition(document: &Document, rule: &Rule) -> Condition {
    if let Some(absent) = &rule.absent {
        return Condition::Absence { level: level("absent", absent.severity, absent.incident) };
    }
    if let Some(anomaly) = &rule.anomaly {
        let detection = resolved::Detection {
            sensitivity: anomaly.sensitivity,
            direction: anomaly.direction,
            minimum_change: anomaly.minimum_change,
        };
        return Condition::Anomaly { level: level("anomaly", anomaly.severity, anomaly.incident), detection };
    }
    if let Some(trend) = &rule.trend {
        let level = level("trend", trend.severity, trend.incident);
        let trend_of = resolved::Trend { within_seconds: trend.within.seconds, over_seconds: trend.over.seconds };
        if let Some(tier) = one_sided(level, trend.above, trend.below, trend.clear) {
            return Condition::Trend { tier, trend: trend_of };
        }
    }
    if let Some(hour) = &rule.same_hour {
        let level = level("same_hour", hour.severity, hour.incident);
        let usual = resolved::SameHour {
            weeks: hour.weeks,
            minimum: hour.minimum,
            time_zone: document.defaults.time_zone.clone(),
        };
        if let Some(tier) = one_sided(level, hour.above, hour.below, hour.clear) {
            return Condition::SameHour { tier, usual };
        }
    }
    if let Some(composite) = &rule.composite
        && let Ok(when) = Expression::parse(&composite.when)
    {
        return Condition::Composite { level: level("composite", composite.severity, composite.incident), when };
    }
    let tiers = tiers(rule).into_iter().filter_map(|(name, tier)| resolve_tier(name, tier));
    Condition::Threshold { tiers: tiers.collect() }
}

fn level(name: &str, alert: AlertSeverity, incident: Option<Severity>) -> resolved::Level {
    resolved::Level { name: name.to_owned(), alert, incident: incident.unwrap_or_else(|| incident_of(alert)) }
}

fn one_sided(
    level: resolved::Level,
    above: Option<f64>,
    below: Option<f64>,
    clear: Option<f64>,
) -> Option<resolved::Tier> {
    let above = above.map(|threshold| (Comparison::Above, threshold));
    let (comparison, threshold) = above.or(below.map(|threshold| (Comparison::Below, threshold)))?;
    Some(resolved::Tier { level, comparison, threshold, clear: clear.unwrap_or(threshold) })
}

/// The tiers of a rule by severity, the mildest first; the check makes sure that the thresholds follow.
pub(crate) fn tiers(rule: &Rule) -> Vec<(&str, &Tier)> {
    let warning = rule.warning.iter().map(|tier| ("warning", tier));
    let critical = rule.critical.iter().map(|tier| ("critical", tier));
    let mut tiers: Vec<_> =
        warning.chain(rule.tiers.iter().map(|(name, tier)| (name.as_str(), tier))).chain(critical).collect();
    tiers.sort_by_key(|(name, tier)| alert_of(name, tier));
    tiers
}

/// The severity of a tier's alert: its own, or what its name means.
pub(crate) fn alert_of(name: &str, tier: &Tier) -> AlertSeverity {
    tier.severity.unwrap_or(if name == "critical" { AlertSeverity::Critical } else { AlertSeverity::Medium })
}

/// The severity of the incident that an alert opens, where the rule does not say.
pub(crate) fn incident_of(alert: AlertSeverity) -> Severity {
    match alert {
        AlertSeverity::Critical => Severity::Sev1,
        AlertSeverity::High => Severity::Sev2,
        AlertSeverity::Medium => Severity::Sev3,
        AlertSeverity::Low => Severity::Sev4,
    }
}

/// The comparison and the threshold of a tier; the first where it has several.
pub(crate) fn comparison(tier: &Tier) -> Option<(Comparison, f64)> {
    [
        (Comparison::Above, tier.above),
        (Comparison::AtLeast, tier.at_least),
        (Comparison::Below, tier.below),
        (Comparison::AtMost, tier.at_most),
    ]
    .into_iter()
    .find_map(|(comparison, threshold)| Some((comparison, threshold?)))
}

fn resolve_tier(name: &str, tier: &Tier) -> Option<resolved::Tier> {
    let (comparison, threshold) = comparison(tier)?;
    let alert = alert_of(name, tier);
    Some(resolved::Tier {
        level: resolved::Level {
            name: name.to_owned(),
            alert,
            incident: tier.incident.unwrap_or_else(|| incident_of(alert)),
        },
        comparison,
        threshold,
        clear: tier.clear.unwrap_or(threshold),
    })
}
