//! The monitoring handler: collect, compute, evaluate, store what changed, publish it, and compare with what is open.

mod investigation;
mod reconcile;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use monitoring_core::alert::incoming::canary;
use monitoring_core::alert::{Alert, AlertChange, AlertKey, ChangeState, step_because};
use monitoring_core::catalogue::{Catalogue, Category, Engine, Rule, environment_suffix};
use monitoring_core::composite::Expression;
use monitoring_core::cycle::{self, Evaluated, Pace, Watches, Windows};
use monitoring_core::metric::Unit;
use monitoring_core::rule::{Outcome, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

use crate::health::emf;
use crate::outside::{Outside, Publication, PublishError, SeriesRequest};
use crate::store::Store;
pub use investigation::{InvestigateError, is_asked};

/// How many alerts are written and published at the same time.
const CONCURRENCY: usize = 8;

/// Which rules this process evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// Those with engine `service`; the others are `CloudWatch` alarms.
    Service,
    /// Every rule, where there are no `CloudWatch` alarms: on a laptop.
    All,
}

/// The monitoring function, without Lambda around it.
#[derive(Debug)]
pub struct Monitor<O> {
    store: Store,
    outside: O,
    catalogue: Catalogue,
    engines: Engines,
    environment: String,
    /// What detectors have learnt, while the process lives.
    watches: Mutex<Watches>,
    /// Behind a lock because two cycles may run at once, in a test or on a laptop.
    pace: Mutex<Pace>,
}

/// What a cycle did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// Series that were read or computed.
    pub series: usize,
    /// Evaluations of a rule on a series.
    pub evaluations: usize,
    /// Alerts whose state changed, with the reason.
    pub changes: Vec<Changed>,
    /// How many changes were published.
    pub published: usize,
    /// Changes that could not be published and wait for the next cycle.
    pub unpublished: usize,
    /// Differences between alerts and incidents that were repaired.
    pub repaired: Vec<String>,
    /// How many alerts are firing.
    pub firing: usize,
    /// What failed; the rest went on.
    pub failures: Vec<String>,
    /// The newest value of each computed metric without dimensions.
    pub computed: BTreeMap<String, f64>,
}

/// An alert whose state changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// Which.
    pub alert: AlertKey,
    /// To what.
    pub state: monitoring_core::alert::AlertState,
    /// Why.
    pub reason: String,
}

impl<O: Outside> Monitor<O> {
    /// A monitor over these tables and this catalogue.
    pub fn new(store: Store, outside: O, catalogue: Catalogue, engines: Engines, environment: String) -> Self {
        Self { store, outside, catalogue, engines, environment, watches: Mutex::default(), pace: Mutex::default() }
    }

    /// What the cycle reads its series from and publishes to.
    pub fn outside(&self) -> &O {
        &self.outside
    }

    /// Runs one cycle. Whatever fails is in the report, and the rest goes on.
    ///
    /// What cannot be stored is published all the same when it fires, each cycle anew: its receiver knows a repetition.
    pub async fn cycle(&self, now: Timestamp) -> Report {
        let mut report = Report { at: now, ..Report::default() };
        let rules = self.due(now);
        let (mut watches, untouched) = self.take_watches(&rules, &mut report).await;
        let (windows, alerts) = futures_util::join!(self.read(&rules, &watches, now), self.store.alerts());
        let (stored, (alerts, unreadable)) = match alerts {
            Ok(alerts) => (true, alerts),
            Err(error) => {
                report.failures.push(error.to_string());
                (false, (Vec::new(), Vec::new()))
            }
        };
        // An alert that cannot be read is left as it is.
        report.failures.extend(unreadable.iter().map(|(_, error)| error.to_string()));
        let unreadable: BTreeSet<String> = unreadable.into_iter().map(|(key, _)| key).collect();
        report.failures.extend(windows.failures.iter().cloned());
        report.series = windows.series();
        report.computed = windows.computed(&self.catalogue);

        let mut known: BTreeMap<AlertKey, Alert> = alerts.into_iter().map(|alert| (alert.key.clone(), alert)).collect();
        let leftover: Vec<Alert> = known.values().filter(|alert| !alert.unpublished.is_empty()).cloned().collect();
        let mut evaluated = cycle::evaluate(&self.catalogue, &rules, &windows, &known, &mut watches, now);
        // Whether an alert fires that cannot be read is not known, and so neither is what rests on it.
        evaluated.retain(|one| !rests_on(one.rule, &unreadable));
        watches.retain(|key, _| !untouched.contains(key));
        self.put_watches(watches, now, &mut report).await;
        report.evaluations = evaluated.len();

        let mut stepped: BTreeSet<AlertKey> = BTreeSet::new();
        let mut to_write: Vec<(Alert, String)> = Vec::new();
        let mut unstored: Vec<Alert> = Vec::new();
        for Evaluated { rule, dimensions, key, verdict, because } in &evaluated {
            let Some(metric) = self.catalogue.metrics.get(&rule.metric) else { continue };
            let stepped_to = step_because(rule, metric, dimensions, known.get(key), (verdict, because.as_deref()), now);
            let Some(alert) = stepped_to.alert else { continue };
            if stored && !unreadable.contains(key.as_str()) {
                stepped.insert(key.clone());
                to_write.push((alert, stepped_to.reason));
            } else {
                unstored.push(alert);
            }
        }
        let outcomes = stream::iter(to_write)
            .map(|(alert, reason)| async move { (self.store.put_alert(&alert).await, alert, reason) })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        let mut to_publish: Vec<Alert> = leftover.into_iter().filter(|alert| !stepped.contains(&alert.key)).collect();
        for (outcome, alert, reason) in outcomes {
            match outcome {
                Ok(()) => {
                    tracing::info!(alert = %alert.key, state = ?alert.state, reason, "an alert changed");
                    report.changes.push(Changed { alert: alert.key.clone(), state: alert.state, reason });
                    to_publish.extend((!alert.unpublished.is_empty()).then(|| alert.clone()));
                    known.insert(alert.key.clone(), alert);
                }
                // Another cycle evaluated it at the same time, and goes on with it.
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    report.failures.push(format!("alert {}: {error}", alert.key));
                    unstored.push(alert);
                }
            }
        }
        self.publish_unstored(&unstored, &mut report).await;
        report.changes.sort_by(|a, b| a.alert.cmp(&b.alert));
        self.publish_all(to_publish, &mut report).await;
        if stored {
            self.reconcile(&evaluated, &known, now, &mut report).await;
        }
        self.publish_canary(now, &mut report).await;
        if report.failures.is_empty() {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            for rule in &rules {
                pace.note(&self.catalogue, rule, windows.is_complete(rule), now);
            }
        }
        report.firing = known.values().filter(|alert| alert.firing.is_some()).count();
        report
    }

    fn evaluates(&self, rule: &Rule) -> bool {
        self.engines == Engines::All || rule.engine == Engine::Service
    }

    /// The rules of this cycle: those of which there can be something new; all of them after a failure.
    fn due(&self, now: Timestamp) -> Vec<&Rule> {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |rule: &&Rule| pace.is_due(&self.catalogue, rule, now);
        self.catalogue.rules.values().filter(|rule| self.evaluates(rule)).filter(is_due).collect()
    }

    /// Reads the datapoints that the rules need.
    async fn read(&self, rules: &[&Rule], watches: &Watches, now: Timestamp) -> Windows {
        let length = |rule: &Rule| cycle::length(&self.catalogue, rule, watches, now);
        let needs = cycle::needs(&self.catalogue, rules, &length, now);
        let requests: Vec<SeriesRequest> = needs.iter().map(SeriesRequest::of).collect();
        let answers = if requests.is_empty() { Vec::new() } else { self.outside.series(&requests, now).await };
        Windows::new(&self.catalogue, rules, &length, &needs, answers)
    }

    /// Publishes the changes of alerts, those of one alert in order, and marks what was accepted.
    async fn publish_all(&self, alerts: Vec<Alert>, report: &mut Report) {
        let outcomes = stream::iter(alerts)
            .map(|alert| async move {
                for change in &alert.unpublished {
                    if let Err(error) = self.publish(change).await {
                        return (alert.unpublished.len(), Err(error.to_string()));
                    }
                }
                let marked = self.store.mark_published(&alert.key, alert.version).await;
                // Not marked: it is published again, and its receiver knows it as a duplicate.
                let marked = marked.or_else(|error| if error.is_conflict() { Ok(()) } else { Err(error.to_string()) });
                (alert.unpublished.len(), marked)
            })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        for (count, outcome) in outcomes {
            match outcome {
                Ok(()) => report.published += count,
                Err(reason) => {
                    report.unpublished += count;
                    report.failures.push(format!("publishing: {reason}"));
                }
            }
        }
    }

    /// Sends the message whose arrival shows that alerts would arrive.
    async fn publish_canary(&self, now: Timestamp, report: &mut Report) {
        let publication = Publication { body: canary(now).to_string(), ..Publication::default() };
        if let Err(error) = self.outside.publish(Category::Application.topic(), &publication).await {
            report.failures.push(format!("publishing the canary: {error}"));
        }
    }

    /// Publishes what fires although it could not be stored. That something is OK again waits: without the stored state
    /// nobody knows whether it is news, and nobody is called for it.
    async fn publish_unstored(&self, alerts: &[Alert], report: &mut Report) {
        let firing = alerts.iter().filter_map(|alert| alert.unpublished.last());
        for change in firing.filter(|change| change.state == ChangeState::Firing) {
            match self.publish(change).await {
                Ok(()) => report.published += 1,
                Err(error) => report.failures.push(format!("publishing: {error}")),
            }
        }
    }

    /// Publishes a change to the topic of its category.
    pub async fn publish(&self, change: &AlertChange) -> Result<(), PublishError> {
        let category = change
            .rule
            .as_ref()
            .and_then(|rule| self.catalogue.rules.get(rule))
            .and_then(|rule| self.catalogue.metrics.get(&rule.metric))
            .map_or("alerts", |metric| metric.category.topic());
        let body = serde_json::to_string(change).map_err(|error| PublishError {
            retryable: false,
            reason: format!("a change cannot be written: {error}"),
        })?;
        let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let attributes = BTreeMap::from([
            attribute("severity", change.level.as_str()),
            attribute("incident_severity", change.severity.as_str()),
            attribute("state", change.state.as_str()),
            attribute("environment", &self.environment),
        ]);
        let subject = format!("{} {}: {}", change.severity, change.state.as_str(), change.title);
        let subject: String = subject.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(99).collect();
        self.outside.publish(category, &Publication { subject: Some(subject), body, attributes }).await
    }
}

/// Prints the cycle's health as Embedded Metric Format on standard output, and the newest value of each computed metric
/// under the namespace of its category, so that alarms, dashboards and `get-metric-statistics` find them.
#[expect(clippy::print_stdout, reason = "Embedded Metric Format is written to standard output")]
pub fn print_health(catalogue: &Catalogue, environment: &str, report: &Report) {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let metrics = [("Cycles", "Count", 1.0), ("AlertsFiring", "Count", count(report.firing))];
    let mut health = emf(&namespace_of_suite(catalogue, environment), &[], &metrics, report.at);
    // Nothing is drawn of these and no alarm is on them: a metric of each would cost thirty cents a month.
    let told = json!({
        "Series": report.series,
        "Evaluations": report.evaluations,
        "AlertChanges": report.changes.len(),
        "Unpublished": report.unpublished,
        "Failures": report.failures.len(),
    });
    if let (Some(health), Value::Object(told)) = (health.as_object_mut(), told) {
        health.extend(told);
    }
    println!("{health}");
    for (name, value) in &report.computed {
        let Some(metric) = catalogue.metrics.get(name) else { continue };
        let (category, unit) = match metric.category {
            Category::Application => ("Application", "Percent"),
            Category::Business => ("Business", "Percent"),
            Category::Infrastructure | Category::Security | Category::Cost | Category::Capacity => continue,
        };
        let unit = if metric.unit == Unit::Percent { unit } else { "None" };
        println!("{}", emf(&format!("{}/{category}", namespace(catalogue)), &[], &[(name, unit, *value)], report.at));
    }
}

/// `AI Nutritionist` to `AI-Nutritionist`.
pub(crate) fn namespace(catalogue: &Catalogue) -> String {
    catalogue.title.replace(' ', "-")
}

/// Of what the suite says of itself: `AI-Nutritionist/Monitoring`, and `AI-Nutritionist/Monitoring-staging` beside it in the
/// same account, whose heartbeat must not stand in for the other's.
pub(crate) fn namespace_of_suite(catalogue: &Catalogue, environment: &str) -> String {
    format!("{}/Monitoring{}", namespace(catalogue), environment_suffix(environment))
}

/// Whether a composite rule names the rule of one of these alerts.
fn rests_on(rule: &Rule, alerts: &BTreeSet<String>) -> bool {
    let named = rule.condition.composite().into_iter().flat_map(Expression::names);
    named.into_iter().any(|name| alerts.iter().any(|key| AlertKey::rule_of(key) == name))
}

/// Whether a verdict is a measured OK, the only thing that resolves.
fn is_measured_ok(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Ok && verdict.measured
}
