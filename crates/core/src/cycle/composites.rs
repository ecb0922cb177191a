//! Composite rules: judged by the alerts of other rules, as they are after this cycle.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Evaluated;
use crate::alert::{Alert, AlertKey, step_because};
use crate::catalogue::{Catalogue, Rule};
use crate::composite::Expression;
use crate::metric::Dimensions;
use crate::rule::{Outcome, Verdict};

/// The rules of which an alert fires once this cycle's verdicts are taken. One that fires goes on to while its data is missing: only a
/// measured OK ends it.
pub(super) fn firing(
    catalogue: &Catalogue,
    evaluated: &[Evaluated<'_>],
    known: &BTreeMap<AlertKey, Alert>,
    now: Timestamp,
) -> BTreeSet<String> {
    let stored = known.iter().filter(|(_, alert)| is_of_catalogue(catalogue, alert));
    let mut fires: BTreeMap<&AlertKey, (&str, bool)> =
        stored.map(|(key, alert)| (key, (alert.rule.as_str(), alert.firing.is_some()))).collect();
    for Evaluated { rule, dimensions, key, verdict, because } in evaluated {
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        let next = step_because(rule, metric, dimensions, known.get(key), (verdict, because.as_deref()), now).alert;
        if let Some(next) = next {
            fires.insert(key, (rule.name.as_str(), next.firing.is_some()));
        }
    }
    fires.into_values().filter(|(_, fires)| *fires).map(|(rule, _)| rule.to_owned()).collect()
}

/// Whether something of the alert's series can still be measured: what the catalogue does not name any more fires for ever. A composite
/// rule has no series.
pub fn is_of_catalogue(catalogue: &Catalogue, alert: &Alert) -> bool {
    let Some(rule) = catalogue.rules.get(&alert.rule) else { return false };
    catalogue.metrics.get(&rule.metric).is_some_and(|metric| {
        metric.dimensions.is_empty()
            || rule.condition.composite().is_some()
            || metric.dimensions.contains(&alert.dimensions)
    })
}

/// What a composite rule comes to while these rules fire; `None` for another rule.
pub(super) fn evaluate<'a>(rule: &'a Rule, fires: &dyn Fn(&str) -> bool) -> Option<Evaluated<'a>> {
    let (verdict, because) = judge(rule, fires)?;
    let dimensions = Dimensions::new();
    let key = AlertKey::new(&rule.name, &dimensions, None);
    Some(Evaluated { rule, dimensions, key, verdict, because })
}

/// The verdict on a composite rule while these rules fire, and why; `None` for another rule.
///
/// An OK is measured when what the expression asks to fire has ended, which only a measurement does. That a rule behind `not` begins to
/// fire is none: `error-rate and not traffic-absent` is not well again when there is no traffic at all.
pub fn judge(rule: &Rule, fires: &dyn Fn(&str) -> bool) -> Option<(Verdict, Option<String>)> {
    let when = rule.condition.composite()?;
    let holds = when.holds(fires);
    let outcome = if holds { Outcome::Alarm { level: 0 } } else { Outcome::Ok };
    let verdict = Verdict {
        outcome,
        value: None,
        breaching: u32::from(holds),
        measured: !when.holds_but_for_not(fires),
        expected: None,
    };
    Some((verdict, holds.then(|| when.standing(fires))))
}

/// The rules, and those that composite ones among them name, each once.
pub fn with_named<'a>(catalogue: &'a Catalogue, rules: &[&'a Rule]) -> Vec<&'a Rule> {
    let expressions = rules.iter().filter_map(|rule| rule.condition.composite());
    let named = expressions.flat_map(Expression::names).filter_map(|name| catalogue.rules.get(name));
    let all: BTreeMap<&str, &Rule> =
        rules.iter().copied().chain(named).map(|rule| (rule.name.as_str(), rule)).collect();
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{AlertSeverity, Condition, Level, Severity};
    use crate::cycle::{Windows, needs};
    use crate::example_catalogue::catalogue;
    use crate::metric::{Sample, Series};
    use crate::rule::Outcome;

    /// The example with `both: error-rate and not response-time`, each judged by 1 of 1.
    fn with_composite() -> Catalogue {
        let mut catalogue = catalogue();
        let mut both = catalogue.rules["error-rate"].clone();
        both.name = "both".to_owned();
        both.condition = Condition::Composite {
            level: Level { name: "composite".to_owned(), alert: AlertSeverity::High, incident: Severity::Sev2 },
            when: Expression::parse("error-rate and not response-time").unwrap(),
        };
        catalogue.rules.insert("both".to_owned(), both);
        for rule in catalogue.rules.values_mut() {
            (rule.evaluation.periods, rule.evaluation.datapoints, rule.min_volume) = (1, 1, None);
            rule.evaluation.clear_after = 1;
        }
        (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (60, 0);
        catalogue
    }

    /// Cycles by the minute with an error rate and a response time each, and whether the composite fires after each.
    fn run(minutes: &[(Option<f64>, Option<f64>)]) -> Vec<(bool, String)> {
        let catalogue = with_composite();
        let rules = with_named(&catalogue, &[&catalogue.rules["both"]]);
        assert_eq!(
            rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(),
            ["both", "error-rate", "response-time"]
        );
        let mut known = BTreeMap::new();
        let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let mut fired = Vec::new();
        for minute in 1..=minutes.len() {
            let now = start + jiff::SignedDuration::from_mins(i64::try_from(minute).unwrap());
            let needs = needs(&catalogue, &rules, &super::super::evaluated_length, now);
            let answers = needs.iter().map(|need| {
                let of = |values: &(Option<f64>, Option<f64>)| {
                    if need.metric.name == "ErrorRate" { values.0 } else { values.1 }
                };
                let samples = minutes[..minute].iter().enumerate().filter_map(|(index, values)| {
                    let at = start + jiff::SignedDuration::from_mins(i64::try_from(index).unwrap());
                    Some(Sample { at, value: of(values)? })
                });
                Ok(vec![Series::new(Dimensions::new(), samples.collect())])
            });
            let windows = Windows::new(&catalogue, &rules, &super::super::evaluated_length, &needs, answers);
            let evaluated =
                super::super::evaluate(&catalogue, &rules, &windows, &known, &mut super::super::Watches::new(), now);
            let last = evaluated.last().unwrap();
            assert_eq!(last.rule.name, "both");
            fired.push((last.verdict.outcome == Outcome::Alarm { level: 0 }, last.because.clone().unwrap_or_default()));
            for one in &evaluated {
                let metric = &catalogue.metrics[&one.rule.metric];
                let said = (&one.verdict, one.because.as_deref());
                let next = step_because(one.rule, metric, &one.dimensions, known.get(&one.key), said, now).alert;
                known.extend(next.map(|alert| (one.key.clone(), alert)));
            }
        }
        fired
    }

    #[test]
    fn it_follows_the_verdicts_of_its_own_cycle() {
        let fired = run(&[
            (Some(1.0), Some(100.0)),
            (Some(20.0), Some(100.0)),
            (Some(20.0), Some(9000.0)),
            (Some(20.0), Some(100.0)),
            (Some(1.0), Some(100.0)),
        ]);
        assert_eq!(fired.iter().map(|(fires, _)| *fires).collect::<Vec<_>>(), [false, true, false, true, false]);
        assert_eq!(fired[1].1, "error-rate fires, response-time does not");
    }

    #[test]
    fn what_the_catalogue_does_not_name_any_more_fires_for_nobody() {
        let catalogue = with_composite();
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let (rule, metric) = (&catalogue.rules["error-rate"], &catalogue.metrics["ErrorRate"]);
        let alarm = Verdict {
            outcome: Outcome::Alarm { level: 0 },
            value: None,
            breaching: 1,
            measured: false,
            expected: None,
        };
        for (dimensions, expected) in
            [(Dimensions::new(), true), (Dimensions::from([("Host".to_owned(), "gone".to_owned())]), false)]
        {
            let alert = step_because(rule, metric, &dimensions, None, (&alarm, None), now).alert.unwrap();
            let known = BTreeMap::from([(alert.key.clone(), alert)]);
            assert_eq!(firing(&catalogue, &[], &known, now).contains("error-rate"), expected, "{dimensions:?}");
        }
    }

    /// As in `CloudWatch`, a rule without data does not fire, so that `not` holds of it. Unlike there, one that fires goes on to:
    /// missing data is no recovery.
    #[test]
    fn a_rule_without_data_does_not_fire_but_does_not_end_either() {
        let fired =
            run(&[(Some(20.0), None), (None, None), (None, None), (None, None), (None, None), (Some(1.0), None)]);
        assert_eq!(fired.iter().map(|(fires, _)| *fires).collect::<Vec<_>>(), [true, true, true, true, true, false]);
    }
}
