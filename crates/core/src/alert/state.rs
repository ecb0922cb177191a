//! The state machine of one alert: what an evaluation does to it, and what of that is to be published.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AlertChange, AlertKey, ChangeOf, ChangeState, SCHEMA, change_for, storable_range};
use crate::catalogue::{Condition, Metric, Rule};
use crate::metric::Dimensions;
use crate::rule::{Outcome, Verdict};

/// How many changes of one alert wait for publication at most; beyond it the oldest are dropped, since what counts is
/// where the alert stands.
pub const MAX_UNPUBLISHED: usize = 8;

/// What the data says about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Nothing wrong.
    Ok,
    /// Some datapoints breach, not yet enough.
    Pending,
    /// Enough datapoints breach.
    Firing,
    /// Too little data to tell.
    NoData,
}

/// An alert as it is stored. One that was never anything but OK is not stored at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which.
    #[serde(rename = "fingerprint")]
    pub key: AlertKey,
    /// The rule.
    pub rule: String,
    /// Its set of dimensions.
    pub dimensions: Dimensions,
    /// What the data says.
    pub state: AlertState,
    /// Since when it says so.
    pub since: Timestamp,
    /// Why it says so.
    #[serde(default)]
    pub reason: String,
    /// The episode that is open. It outlasts missing data: only a measured OK closes it.
    pub firing: Option<Episode>,
    /// Grows by one with every write.
    pub version: u64,
    /// Changes that are not yet known to be published, oldest first; at most [`MAX_UNPUBLISHED`]. Written together with
    /// the state.
    pub unpublished: Vec<AlertChange>,
}

/// A time in which an alert fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Name of the worst level that it reached.
    pub level: String,
    /// When it began.
    pub since: Timestamp,
}

/// What an evaluation did to an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The new state, to be stored with `version` as it was read plus one; `None` when nothing changed.
    pub alert: Option<Alert>,
    /// Why it changed, or why not.
    pub reason: String,
}

/// Moves an alert on by one evaluation.
///
/// `before` is what is stored, `None` for an alert that was never anything but OK.
pub fn step(
    rule: &Rule,
    metric: &Metric,
    dimensions: &Dimensions,
    before: Option<&Alert>,
    verdict: &Verdict,
    now: Timestamp,
) -> Step {
    step_because(rule, metric, dimensions, before, (verdict, None), now)
}

/// Moves an alert on by one evaluation that came with words why it fires.
pub fn step_because(
    rule: &Rule,
    metric: &Metric,
    dimensions: &Dimensions,
    before: Option<&Alert>,
    (verdict, because): (&Verdict, Option<&str>),
    now: Timestamp,
) -> Step {
    let episode = before.and_then(|alert| alert.firing.as_ref());
    let Next { state, firing, publish, reason } = match next(rule, episode, verdict, because, now) {
        Ok(next) => next,
        Err(reason) => return Step { alert: None, reason },
    };
    let unchanged = match before {
        None => state == AlertState::Ok,
        Some(alert) => alert.state == state && alert.firing == firing,
    };
    if unchanged && publish.is_none() {
        return Step { alert: None, reason };
    }
    let mut unpublished = before.map(|alert| alert.unpublished.clone()).unwrap_or_default();
    unpublished.extend(publish.map(|change| {
        let told = firing.as_ref().or(episode);
        let level = told.and_then(|episode| rank(rule, &episode.level)).unwrap_or_default();
        let since = told.map_or(now, |episode| episode.since);
        let change = ChangeOf { state: change, level, value: verdict.value, at: now, since };
        let expected = verdict.expected.filter(|_| change.state == ChangeState::Firing).and_then(storable_range);
        AlertChange { expected, ..change_for(rule, metric, dimensions, change, &reason) }
    }));
    let surplus = unpublished.len().saturating_sub(MAX_UNPUBLISHED);
    unpublished.drain(..surplus);
    let alert = Alert {
        schema: SCHEMA,
        key: AlertKey::new(&rule.name, dimensions, None),
        rule: rule.name.clone(),
        dimensions: dimensions.clone(),
        state,
        since: before.filter(|alert| alert.state == state).map_or(now, |alert| alert.since),
        reason: reason.clone(),
        firing,
        version: before.map_or(1, |alert| alert.version + 1),
        unpublished,
    };
    Step { alert: Some(alert), reason }
}

/// Where an evaluation leads.
struct Next {
    state: AlertState,
    firing: Option<Episode>,
    publish: Option<ChangeState>,
    reason: String,
}

/// `Err` says why everything stays as it is.
fn next(
    rule: &Rule,
    episode: Option<&Episode>,
    verdict: &Verdict,
    because: Option<&str>,
    now: Timestamp,
) -> Result<Next, String> {
    let count = format!("{} of the last {} datapoints", verdict.breaching, rule.evaluation.periods);
    let stays =
        |state, reason: &str| Next { state, firing: episode.cloned(), publish: None, reason: reason.to_owned() };
    // Whether it closes an episode is what decides if a good outcome is news.
    let good = |state, reason| Next { state, firing: None, publish: episode.map(|_| ChangeState::Ok), reason };
    Ok(match verdict.outcome {
        Outcome::Retain if verdict.measured => return Err("not yet good for long enough".to_owned()),
        Outcome::Retain => return Err("missing data keeps the state".to_owned()),
        Outcome::Alarm { level } => {
            let reached = rule.condition.levels().nth(level).ok_or_else(|| format!("the rule has no level {level}"))?;
            let worse = episode.is_none_or(|episode| rank(rule, &episode.level).is_none_or(|before| before < level));
            if !worse {
                return Ok(stays(AlertState::Firing, "still firing"));
            }
            let since = episode.map_or(now, |episode| episode.since);
            let reason = match rule.condition {
                Condition::Absence { .. } => format!("no data in {count}"),
                Condition::Threshold { .. } => format!("{count} breach"),
                Condition::Anomaly { .. } => because.unwrap_or("unlike what is usual").to_owned(),
                Condition::Trend { .. } | Condition::SameHour { .. } | Condition::Composite { .. } => {
                    because.map_or_else(|| format!("{count} breach"), str::to_owned)
                }
            };
            let episode = Episode { level: reached.name.clone(), since };
            Next { state: AlertState::Firing, firing: Some(episode), publish: Some(ChangeState::Firing), reason }
        }
        Outcome::InsufficientData if episode.is_some() => {
            stays(AlertState::NoData, "no data; only a measured OK resolves")
        }
        Outcome::InsufficientData => stays(AlertState::NoData, "no data"),
        Outcome::Ok | Outcome::Pending if episode.is_some() && !verdict.measured => {
            stays(AlertState::NoData, "OK only by filled-in data; only a measured OK resolves")
        }
        Outcome::Ok => good(AlertState::Ok, "measured OK".to_owned()),
        Outcome::Pending => good(AlertState::Pending, format!("{count} breach, {} needed", rule.evaluation.datapoints)),
    })
}

fn rank(rule: &Rule, level: &str) -> Option<usize> {
    rule.condition.levels().position(|known| known.name == level)
}

#[cfg(test)]
mod tests;
