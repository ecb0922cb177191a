//! Compares what fires with what is open, and repairs both ways: a message that was lost between two systems that both
//! did their part is found here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::incoming::rests_on_no_data;
use monitoring_core::alert::{
    Alert, AlertChange, AlertKey, AlertState, ChangeOf, ChangeState, GroupKey, Origin, change_for,
};
use monitoring_core::catalogue::{Rule, environment_suffix};
use monitoring_core::cycle::{Evaluated, is_of_catalogue};
use monitoring_core::incident::Incident;
use monitoring_core::metric::Dimensions;
use monitoring_core::rule::is_active;

use super::{Engines, Monitor, Report, is_measured_ok};
use crate::outside::Outside;

/// How long a message may be under way before it counts as lost.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// Comparing is done on every fifth minute: a lost message is rare, and the price is a list of the open incidents.
const EVERY_MINUTES: i64 = 5;

/// Whether a cycle compares: the first one of each five minutes, whichever minute that is for a slower pace.
fn is_time(now: Timestamp, cycle_seconds: u32) -> bool {
    let cycle_minutes = i64::from(cycle_seconds).div_euclid(60).max(1);
    now.as_second().div_euclid(60) % EVERY_MINUTES < cycle_minutes
}

/// An alert, as a comparison takes it.
struct Stands<'a> {
    rule: &'a Rule,
    dimensions: &'a Dimensions,
    key: &'a AlertKey,
    /// Of the newest datapoint, where it was just read.
    value: Option<f64>,
    /// Since when it is known to be OK by measurement.
    ok_since: Option<Timestamp>,
}

impl<O: Outside> Monitor<O> {
    pub(super) async fn reconcile(
        &self,
        evaluated: &[Evaluated<'_>],
        known: &BTreeMap<AlertKey, Alert>,
        now: Timestamp,
        report: &mut Report,
    ) {
        if !is_time(now, self.catalogue.cycle_seconds) {
            return;
        }
        let open = match self.store.open_incidents().await {
            Ok((open, unreadable)) => {
                report.failures.extend(unreadable.iter().map(ToString::to_string));
                open
            }
            Err(error) => return report.failures.push(format!("comparing alerts with incidents: {error}")),
        };
        let mut lost = self.lost_from_rules(evaluated, known, &open, now);
        if self.engines == Engines::Service && !self.catalogue.alarms.is_empty() {
            match self.lost_from_alarms(&open, now).await {
                Ok(changes) => lost.extend(changes),
                Err(reason) => report.failures.push(format!("comparing alarms with incidents: {reason}")),
            }
        }
        let groups: BTreeSet<GroupKey> = lost.iter().map(|change| change.group.clone()).collect();
        let mut ended = BTreeMap::new();
        for group in groups {
            match self.store.latest(&group).await {
                Ok(latest) => ended.extend(latest.and_then(|incident| ended_by_hand(&incident)).map(|at| (group, at))),
                Err(error) => report.failures.push(format!("comparing alerts with incidents: {error}")),
            }
        }
        for change in lost {
            // Somebody ended the incident although this was firing: that was their decision.
            let decided =
                ended.get(&change.group).is_some_and(|at| change.state == ChangeState::Firing && change.since <= *at);
            if decided {
                continue;
            }
            let what = format!("{} {}", change.key, change.state.as_str());
            match self.publish(&change).await {
                Ok(()) => {
                    tracing::warn!(alert = %change.key, state = ?change.state, "a lost change was published again");
                    report.repaired.push(what);
                }
                Err(error) => report.failures.push(format!("publishing: {error}")),
            }
        }
    }

    /// How each alert stands: by what was just evaluated, else as it is stored, since a rule of which there is nothing new is
    /// not read again only to compare.
    fn standing<'a>(
        &'a self,
        evaluated: &'a [Evaluated<'_>],
        known: &'a BTreeMap<AlertKey, Alert>,
        now: Timestamp,
    ) -> Vec<Stands<'a>> {
        let of_now = evaluated.iter().map(|Evaluated { rule, dimensions, key, verdict, .. }| Stands {
            rule,
            dimensions,
            key,
            value: verdict.value,
            ok_since: is_measured_ok(verdict).then_some(now),
        });
        let evaluated_now: BTreeSet<&AlertKey> = evaluated.iter().map(|evaluated| &evaluated.key).collect();
        let before = known.values().filter(|alert| !evaluated_now.contains(&alert.key)).filter_map(|alert| {
            let rule = self.catalogue.rules.get(&alert.rule).filter(|rule| self.evaluates(rule))?;
            if !is_of_catalogue(&self.catalogue, alert) {
                return None;
            }
            // An episode that ended was measured OK, and this is when.
            let ok_since = (alert.state == AlertState::Ok).then_some(alert.since);
            Some(Stands { rule, dimensions: &alert.dimensions, key: &alert.key, value: None, ok_since })
        });
        of_now.chain(before).collect()
    }

    /// Rules that fire without an open incident that knows of it, and the other way round.
    fn lost_from_rules(
        &self,
        evaluated: &[Evaluated<'_>],
        known: &BTreeMap<AlertKey, Alert>,
        open: &[Incident],
        now: Timestamp,
    ) -> Vec<AlertChange> {
        let mut lost = Vec::new();
        for Stands { rule, dimensions, key, value, ok_since } in self.standing(evaluated, known, now) {
            let alert = known.get(key);
            if alert.is_some_and(|alert| !alert.unpublished.is_empty()) {
                continue;
            }
            let member = open.iter().find_map(|incident| incident.alerts.get(key));
            let fires_there = member.is_some_and(|member| member.state == ChangeState::Firing);
            let episode = alert.and_then(|alert| alert.firing.as_ref());
            let levels: Vec<&str> = rule.condition.levels().map(|level| level.name.as_str()).collect();
            // Outside of its hours a rule calls nobody.
            let calls = rule.active_hours.as_ref().is_none_or(|hours| is_active(hours, now));
            let change = match episode {
                Some(episode) if calls && !fires_there && now.duration_since(episode.since) > PATIENCE => {
                    let level = levels.iter().position(|level| *level == episode.level).unwrap_or_default();
                    let change = ChangeOf { state: ChangeState::Firing, level, value, at: now, since: episode.since };
                    Some((change, "it fires, and no open incident knew of it"))
                }
                None => {
                    let is_stale =
                        |at: Timestamp| now.duration_since(at) > PATIENCE && ok_since.is_some_and(|ok| ok > at);
                    let stale = member.filter(|member| fires_there && is_stale(member.at));
                    stale.map(|member| {
                        let change = ChangeOf { state: ChangeState::Ok, level: 0, value, at: now, since: member.since };
                        (change, "measured OK, and an open incident still had it as firing")
                    })
                }
                Some(_) => None,
            };
            lost.extend(change.and_then(|(change, reason)| self.change_of(rule, dimensions, change, reason)));
        }
        lost
    }

    async fn lost_from_alarms(&self, open: &[Incident], now: Timestamp) -> Result<Vec<AlertChange>, String> {
        let suffix = environment_suffix(&self.environment);
        let states = self.outside.alarms(&format!("{}-", self.catalogue.service)).await?;
        let states: BTreeMap<&str, _> =
            states.iter().filter_map(|state| Some((state.name.strip_suffix(suffix.as_str())?, state))).collect();
        let mut lost = Vec::new();
        for alarm in &self.catalogue.alarms {
            let Some(state) = states.get(alarm.name.as_str()) else { continue };
            let Some(rule) = self.catalogue.rules.get(&alarm.rule) else { continue };
            if now.duration_since(state.since) <= PATIENCE {
                continue;
            }
            let key = AlertKey::new(&rule.name, &alarm.dimensions, Some(&alarm.level));
            let member = open.iter().find_map(|incident| incident.alerts.get(&key));
            let fires_there = member.is_some_and(|member| member.state == ChangeState::Firing);
            let to = match state.in_alarm {
                Some(true) if !fires_there => ChangeState::Firing,
                Some(false) if fires_there && !rests_on_no_data(&state.reason) => ChangeState::Ok,
                _ => continue,
            };
            let level = rule.condition.levels().position(|level| level.name == alarm.level).unwrap_or_default();
            let change = ChangeOf { state: to, level, value: None, at: now, since: state.since };
            let change = self.change_of(rule, &alarm.dimensions, change, &state.reason);
            lost.extend(change.map(|change| AlertChange { key, origin: Origin::Alarm, ..change }));
        }
        Ok(lost)
    }

    fn change_of(&self, rule: &Rule, dimensions: &Dimensions, change: ChangeOf, reason: &str) -> Option<AlertChange> {
        let metric = self.catalogue.metrics.get(&rule.metric)?;
        Some(change_for(rule, metric, dimensions, change, reason))
    }
}

/// When a person ended the incident; `None` when it is open or ended by itself.
fn ended_by_hand(incident: &Incident) -> Option<Timestamp> {
    incident.resolution.as_ref().filter(|resolution| resolution.by != "recovery").map(|resolution| resolution.at)
}
