//! The simulation against the rules that the shipped catalogue has, through the evaluator that runs in production.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use monitoring_core::alert::{Alert, AlertKey, step};
use monitoring_core::catalogue::{Catalogue, Condition, Rule, Severity, Source};
use monitoring_core::cycle::is_told;
use monitoring_core::formula::Formula;
use monitoring_core::rule::{evaluate, evaluation_range, is_active, mask_low_volume};

use super::*;
use crate::catalogue::shipped;

fn midnight() -> Timestamp {
    "2024-10-14T00:00:00Z".parse().unwrap()
}

/// An incident as the rules see it: from the first alert of a group until none of them fires.
#[derive(Debug)]
struct Episode {
    group: String,
    runbooks: BTreeSet<Option<String>>,
    severity: Severity,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// Runs every rule over a simulation. Away from the incidents, only each fifth minute.
fn play(catalogue: &Catalogue, simulation: Simulation, start: Timestamp) -> Vec<Episode> {
    let story = simulation.story();
    let near = |now: Timestamp| {
        let margin = SignedDuration::from_mins(20);
        story.iter().any(|(from, to, _)| (*from - margin..*to + margin).contains(&now))
    };
    let mut watcher = Watcher { catalogue, simulation, answers: BTreeMap::new() };
    let mut alerts: BTreeMap<AlertKey, Alert> = BTreeMap::new();
    let mut episodes: Vec<Episode> = Vec::new();
    for minute in 0..3 * DAY {
        let now = start + SignedDuration::from_mins(minute);
        if minute % 5 != 0 && !near(now) {
            continue;
        }
        let mut firing: BTreeMap<&str, (&Rule, Severity)> = BTreeMap::new();
        // What is unusual is learnt; the anomalies of these days are told by `monitorctl backtest`.
        // So are burn rates, which rest on days.
        let looks_back = |rule: &&Rule| {
            let metric = &catalogue.metrics[&rule.metric];
            let burns = matches!(metric.source, Source::Formula { .. }) && !is_told(metric);
            burns || matches!(rule.condition, Condition::Anomaly { .. })
        };
        for rule in catalogue.rules.values().filter(|rule| !looks_back(rule)) {
            watcher.watch(rule, &mut alerts, now);
            for alert in alerts.values().filter(|alert| alert.rule == rule.name) {
                let Some(episode) = &alert.firing else { continue };
                let level = rule.condition.levels().find(|level| level.name == episode.level).unwrap();
                let worst = firing.entry(&rule.group).or_insert((rule, level.incident));
                worst.1 = worst.1.max(level.incident);
                match episodes.iter_mut().rfind(|open| open.group == rule.group && open.to.is_none()) {
                    Some(open) => {
                        open.runbooks.insert(rule.runbook.clone());
                        open.severity = open.severity.max(level.incident);
                    }
                    None => episodes.push(Episode {
                        group: rule.group.clone(),
                        runbooks: BTreeSet::from([rule.runbook.clone()]),
                        severity: level.incident,
                        from: now,
                        to: None,
                    }),
                }
            }
        }
        for episode in episodes.iter_mut().filter(|episode| episode.to.is_none()) {
            if !firing.contains_key(episode.group.as_str()) {
                episode.to = Some(now);
            }
        }
    }
    episodes
}

/// Asks the simulation as the monitoring handler does, and remembers the answers while their periods are the newest.
struct Watcher<'a> {
    catalogue: &'a Catalogue,
    simulation: Simulation,
    answers: BTreeMap<(String, Dimensions), (Timestamp, usize, Vec<Series>)>,
}

impl Watcher<'_> {
    fn watch(&mut self, rule: &Rule, alerts: &mut BTreeMap<AlertKey, Alert>, now: Timestamp) {
        let metric = &self.catalogue.metrics[&rule.metric];
        let period = SignedDuration::from_secs(i64::from(metric.period_seconds));
        let newest = self.end_of(metric.period_seconds, now) - period;
        if rule.active_hours.as_ref().is_some_and(|hours| !is_active(hours, newest)) {
            return;
        }
        let count = evaluation_range(&rule.evaluation);
        let asked = if metric.dimensions.is_empty() { vec![Dimensions::new()] } else { metric.dimensions.clone() };
        let series: Vec<_> = asked.iter().flat_map(|asked| self.windows(&rule.metric, asked, count, now)).collect();
        for (dimensions, mut points) in series {
            if let Some(volume) = &rule.min_volume {
                let counts = self.windows(&volume.metric, &Dimensions::new(), count, now);
                mask_low_volume(&mut points, &counts[0].1, volume.at_least);
            }
            let key = AlertKey::new(&rule.name, &dimensions, None);
            let episode = alerts.get(&key).and_then(|alert| alert.firing.as_ref());
            let firing = episode.and_then(|open| rule.condition.levels().position(|level| level.name == open.level));
            let verdict = evaluate(&rule.condition, &rule.evaluation, &points, firing);
            let stepped = step(rule, metric, &dimensions, alerts.get(&key), &verdict, now);
            alerts.extend(stepped.alert.map(|alert| (key, alert)));
        }
    }

    fn end_of(&self, period_seconds: u32, now: Timestamp) -> Timestamp {
        let settled = now.as_second() - i64::from(self.catalogue.ingestion_delay_seconds);
        let period = i64::from(period_seconds);
        Timestamp::from_second(settled.div_euclid(period) * period).unwrap()
    }

    fn windows(
        &mut self,
        name: &str,
        dimensions: &Dimensions,
        count: usize,
        now: Timestamp,
    ) -> Vec<(Dimensions, Vec<Option<f64>>)> {
        let metric = &self.catalogue.metrics[name];
        let end = self.end_of(metric.period_seconds, now);
        if let Source::Formula { expression } = &metric.source {
            let formula = Formula::parse(expression).unwrap();
            let mut inputs: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
            for input in formula.inputs() {
                let (_, window) = self.windows(input, dimensions, count, now).remove(0);
                inputs.insert(input, window);
            }
            let values = formula.evaluate(&|input| inputs.get(input).map(Vec::as_slice), count);
            return vec![(dimensions.clone(), values)];
        }
        let key = (name.to_owned(), dimensions.clone());
        let known = self.answers.get(&key).filter(|(until, length, _)| *until == end && *length >= count);
        if known.is_none() {
            let length = i64::from(metric.period_seconds) * i64::try_from(count).unwrap();
            let request = SeriesRequest {
                metric: name.to_owned(),
                source: metric.source.clone(),
                dimensions: dimensions.clone(),
                period_seconds: metric.period_seconds,
                start: end - SignedDuration::from_secs(length),
                end,
            };
            self.answers.insert(key.clone(), (end, count, self.simulation.series(&request).unwrap()));
        }
        let (_, _, series) = &self.answers[&key];
        let window = |series: &Series| series.window(end, metric.period_seconds, count);
        series.iter().map(|series| (series.dimensions.clone(), window(series))).collect()
    }
}

#[test]
fn three_days_have_four_incidents_and_nothing_else() {
    let catalogue = shipped().unwrap();
    for seed in [1, 2] {
        let simulation = Simulation::new(midnight(), seed);
        let episodes = play(&catalogue, simulation, midnight());
        let expected = [
            ("api", "high-error-rate", Severity::Sev1),
            ("database", "database-performance", Severity::Sev2),
            ("lambda", "lambda-timeout", Severity::Sev2),
            ("business", "revenue-drop", Severity::Sev2),
        ];
        assert_eq!(episodes.len(), expected.len(), "seed {seed}: {episodes:#?}");
        for ((episode, (group, runbook, severity)), (from, to, title)) in
            episodes.iter().zip(expected).zip(simulation.story())
        {
            assert_eq!(episode.group, group, "{title}");
            assert_eq!(episode.runbooks, BTreeSet::from([Some(runbook.to_owned())]), "{title}");
            assert_eq!(episode.severity, severity, "{title}");
            // Business rules look at whole hours, and conversion at two of three.
            let slack =
                if group == "business" { SignedDuration::from_mins(125) } else { SignedDuration::from_mins(15) };
            assert!(episode.from >= from && episode.from <= from + slack, "{title}: {episode:?}");
            let end = episode.to.unwrap_or_else(|| panic!("{title} does not end"));
            assert!(end >= to - SignedDuration::from_mins(5) && end <= to + slack, "{title}: {episode:?}");
        }
    }
}

#[test]
fn every_metric_that_is_not_computed_has_a_value_in_every_period() {
    let catalogue = shipped().unwrap();
    let simulation = Simulation::new(midnight(), 7);
    for metric in catalogue.metrics.values().filter(|metric| !matches!(metric.source, Source::Formula { .. })) {
        let request = SeriesRequest {
            metric: metric.name.clone(),
            source: metric.source.clone(),
            dimensions: metric.dimensions.first().cloned().unwrap_or_default(),
            period_seconds: metric.period_seconds,
            start: midnight() - SignedDuration::from_hours(24),
            end: midnight() + SignedDuration::from_hours(4 * 24),
        };
        let answer = simulation.series(&request).unwrap();
        assert!(!answer.is_empty(), "{}", metric.name);
        for series in &answer {
            let periods = 5 * 86_400 / usize::try_from(metric.period_seconds).unwrap();
            assert_eq!(series.samples.len(), periods, "{}", metric.name);
            assert!(
                series.samples.iter().all(|sample| sample.value.is_finite() && sample.value >= 0.0),
                "{}",
                metric.name
            );
        }
    }
}

fn request(metric: &str, from_minute: i64, to_minute: i64) -> SeriesRequest {
    SeriesRequest {
        metric: metric.to_owned(),
        source: Source::Cost { by_service: false },
        dimensions: Dimensions::new(),
        period_seconds: 60,
        start: midnight() + SignedDuration::from_mins(from_minute),
        end: midnight() + SignedDuration::from_mins(to_minute),
    }
}

#[test]
fn a_window_has_the_same_values_whenever_it_is_asked_for() {
    let simulation = Simulation::new(midnight(), 1);
    let samples = |request| simulation.series(&request).unwrap().remove(0).samples;
    let whole = samples(request("RequestCount", 0, 3 * DAY));
    assert_eq!(samples(request("RequestCount", 1000, 1010)), whole[1000..1010]);
    assert_eq!(Simulation::new(midnight() + SignedDuration::from_hours(5), 1).story(), simulation.story());
    let other = Simulation::new(midnight(), 2).series(&request("RequestCount", 0, 3 * DAY)).unwrap();
    assert_ne!(other[0].samples, whole, "another seed is another run");
}

#[test]
fn the_numbers_agree_with_each_other() {
    let simulation = Simulation::new(midnight(), 1);
    let samples = |metric| simulation.series(&request(metric, 0, 3 * DAY)).unwrap().remove(0).samples;
    let fewer = |few: &'static str, many: &'static str| {
        for (few_sample, many_sample) in samples(few).iter().zip(samples(many)) {
            assert!(few_sample.value <= many_sample.value, "{few} above {many} at {}", few_sample.at);
        }
    };
    fewer("ErrorCount", "RequestCount");
    fewer("CacheHits", "CacheLookups");
    fewer("CacheLookups", "RequestCount");
    fewer("ResponseTime", "APIGatewayLatency");
}

#[test]
fn the_model_recovers_when_it_is_left_alone_and_nothing_else_does() {
    let simulation = Simulation::new(midnight(), 1);
    let slow = |minute: i64, simulation: Simulation| {
        let mut request = request("LambdaDuration", minute, minute + 1);
        request.dimensions.insert("FunctionName".to_owned(), "ai-nutritionist-meal-planner".to_owned());
        simulation.series(&request).unwrap()[0].samples[0].value > 25_000.0
    };
    let began = DAY + 17 * 60 + 41;
    let at = |minute: i64| midnight() + SignedDuration::from_mins(minute);
    let rested = |minute| simulation.with_relief(Relief { model_rested: Some(at(minute)), ..Relief::default() });
    let since_before = rested(began - 60);
    let rested = rested(began + 3);
    assert!(slow(began + 3, rested) && slow(began + 10, simulation));
    assert!(!slow(began + 5, rested) && !slow(began + 30, rested));
    // A breaker that was opened for another reason, before.
    assert!(slow(began + 10, since_before));
    let errors = |simulation: Simulation| simulation.series(&request("ErrorCount", 0, 3 * DAY)).unwrap();
    assert_eq!(errors(rested), errors(simulation));
}

#[test]
fn the_errors_come_with_a_deployment_and_go_with_it() {
    let simulation = Simulation::new(midnight(), 1);
    let began = midnight() + SignedDuration::from_mins(14 * 60 + 7);
    let made: Vec<Timestamp> = simulation.versions().into_values().collect();
    assert!(made[0] < began - SignedDuration::from_hours(24));
    assert!(made[1] < began && began - SignedDuration::from_mins(10) < made[1]);
    let errors = |simulation: Simulation, minute: i64| {
        let answer = simulation.series(&request("ErrorCount", 14 * 60 + minute, 14 * 60 + minute + 1)).unwrap();
        answer[0].samples[0].value > 20.0
    };
    let rolled_back = simulation
        .with_relief(Relief { api_rolled_back: Some(began + SignedDuration::from_mins(3)), ..Relief::default() });
    assert!(errors(rolled_back, 9) && errors(simulation, 20));
    assert!(!errors(rolled_back, 12) && !errors(rolled_back, 20));
}

#[test]
fn a_metric_that_is_not_simulated_has_no_series() {
    let simulation = Simulation::new(midnight(), 1);
    let answer = simulation.series(&request("Unheard", 0, 60)).unwrap();
    assert_eq!(answer, []);
}
