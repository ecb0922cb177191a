//! Objectives, and the metrics and rules that they make.

use std::collections::BTreeMap;

use monitoring_core::catalogue::{
    AlertSeverity, Category, Comparison, Condition, Counts, Engine, Evaluation, Level, Metric, MissingData, Rule, Slo,
    Source, Tier,
};
use monitoring_core::metric::Unit;
use monitoring_core::slo::{BurnWindow, burn_formula, burn_windows};

use super::super::document::{self, Document};
use super::{dimensions, incident_of, period};

/// The objectives that are complete.
pub(super) fn slos(document: &Document) -> BTreeMap<String, Slo> {
    let resolved = |(name, slo): (&String, &document::Slo)| {
        let good = slo.good.clone().map(|metric| (metric, Counts::Good));
        let (counted, counts) = good.or(slo.bad.clone().map(|metric| (metric, Counts::Bad)))?;
        let slo = Slo {
            name: name.clone(),
            description: slo.description.clone(),
            objective: slo.objective,
            period_seconds: slo.period.seconds,
            total: slo.total.clone(),
            counted,
            counts,
        };
        Some((name.clone(), slo))
    };
    document.slos.iter().filter_map(resolved).collect()
}

/// The burn rates of an objective, each with its rule.
pub(super) fn burn_rates(document: &Document, slo: &Slo, written: &document::Slo) -> Vec<(Metric, Rule)> {
    let period_seconds = period(document, &slo.total).seconds;
    let windows = burn_windows(slo.period_seconds, period_seconds);
    windows.iter().map(|window| burn_rate(document, slo, written, window, period_seconds)).collect()
}

fn burn_rate(
    document: &Document,
    slo: &Slo,
    written: &document::Slo,
    window: &BurnWindow,
    period_seconds: u32,
) -> (Metric, Rule) {
    let long = document::Duration { seconds: window.long.saturating_mul(period_seconds) };
    let short = document::Duration { seconds: window.short.saturating_mul(period_seconds) };
    let metric = Metric {
        name: burn_metric(&slo.name, window.name),
        category: document.metrics.get(&slo.total).map_or(Category::Application, |metric| metric.category),
        description: format!(
            "How many times faster than its error budget allows {} has failed, over both {long} and {short}.",
            slo.name
        ),
        unit: Unit::None,
        period_seconds,
        source: Source::Formula { expression: burn_formula(slo, window) },
        dimensions: dimensions(document, &slo.total),
        files: Vec::new(),
    };
    // The Workbook pages for the first two and makes a ticket of the third.
    let alert = if window.name == "creeping" { AlertSeverity::Medium } else { AlertSeverity::High };
    let rule = Rule {
        name: burn_rule(&slo.name, window.name),
        metric: metric.name.clone(),
        description: format!(
            "{} In {long}, {} % of the error budget of {} are spent.",
            slo.description,
            (window.spent * 100.0).round(),
            document::Duration { seconds: slo.period_seconds },
        ),
        engine: Engine::Service,
        condition: Condition::Threshold {
            tiers: vec![Tier {
                level: Level { name: window.name.to_owned(), alert, incident: incident_of(alert) },
                comparison: Comparison::Above,
                threshold: window.limit,
                clear: window.limit,
            }],
        },
        evaluation: Evaluation { periods: 1, datapoints: 1, missing: MissingData::Missing, clear_after: 1 },
        group: written.group.clone().unwrap_or_else(|| slo.name.clone()),
        group_by: Vec::new(),
        runbook: written.runbook.clone(),
        min_volume: None,
        active_hours: None,
    };
    (metric, rule)
}

/// The name of a burn rate's metric: `ApiAvailabilityBurnFast`.
pub(crate) fn burn_metric(slo: &str, window: &str) -> String {
    let words = slo.split('-').chain(["burn", window]);
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    words.map(capital).collect()
}

/// The name of a burn rate's rule: `api-availability-burn-fast`.
pub(crate) fn burn_rule(slo: &str, window: &str) -> String {
    format!("{slo}-burn-{window}")
}

/// The objective that makes a rule of this name, and the name of its windows.
pub(crate) fn objective_of<'d>(document: &'d Document, rule: &str) -> Option<(&'d str, &'static str)> {
    document.slos.iter().find_map(|(name, slo)| {
        let windows = burn_windows(slo.period.seconds, period(document, &slo.total).seconds);
        let window = windows.into_iter().find(|window| burn_rule(name, window.name) == rule)?;
        Some((name.as_str(), window.name))
    })
}
