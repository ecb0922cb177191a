//! Silences: for what nobody is called, until when, who said so and why.
//!
//! A silence holds pages back, all the time until it ends or only at times that recur until then; it hides nothing. What is silenced is recorded as an incident like anything else, and is
//! paged when the silence ends and it still fires.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{AlertKey, GroupKey, fnv1a};
use crate::catalogue::{Maintenance, Matcher, Severity, Weekly};
use crate::metric::Dimensions;

/// The newest version of the stored form.
pub const SCHEMA: u32 = 2;

/// The version of a silence that does not recur. One that does is of a newer version, so that what does not know of
/// recurring takes none for a silence without a break.
const SCHEMA_OF_ONCE: u32 = 1;

/// A silence that somebody made at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// [`Silence::schema_for`].
    pub schema: u32,
    /// `SIL-20261123-0f3a9c1d`.
    pub id: String,
    /// What it is about.
    pub matcher: Matcher,
    /// Only these alerts; all that the matcher fits when there are none.
    pub alerts: BTreeSet<AlertKey>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why.
    pub why: String,
    /// Whether it holds back a SEV1 too. Somebody must have said so.
    pub sev1: bool,
    /// Only at these times, from its begin to its end; without a break when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Weekly>,
}

impl Silence {
    /// The version of the stored form of a silence.
    pub const fn schema_for(every: Option<&Weekly>) -> u32 {
        if every.is_some() { SCHEMA } else { SCHEMA_OF_ONCE }
    }

    /// Until when it holds back what it is about; `None` when it does not hold anything back now.
    pub fn in_force_until(&self, now: Timestamp) -> Option<Timestamp> {
        if now < self.from || self.until <= now {
            return None;
        }
        match &self.every {
            None => Some(self.until),
            Some(weekly) => weekly.open_until(now).map(|end| end.min(self.until)),
        }
    }

    /// The id of a silence that somebody makes. The same request at the same time gives the same one.
    pub fn id_for(
        matcher: &Matcher,
        alerts: &BTreeSet<AlertKey>,
        every: Option<&Weekly>,
        by: &str,
        now: Timestamp,
    ) -> String {
        let hash = fnv1a(&[&format!("{matcher:?} {alerts:?} {every:?}"), by, &now.to_string()]);
        format!("SIL-{}-{:08x}", now.strftime("%Y%m%d"), (hash >> 32) ^ (hash & 0xffff_ffff))
    }

    /// The id of a silence that a command makes which is carried out once: the same whenever that is sent again. The date is
    /// that of the incident.
    pub fn id_once(once: &str, opened_at: Timestamp) -> String {
        let hash = fnv1a(&["once", once]);
        format!("SIL-{}-{:08x}", opened_at.strftime("%Y%m%d"), (hash >> 32) ^ (hash & 0xffff_ffff))
    }

    fn fits(&self, group: &GroupKey, key: &AlertKey, dimensions: &Dimensions) -> bool {
        let of_these = self.alerts.is_empty() || self.alerts.contains(key);
        let matched = self.matcher.is_empty() || self.matcher.fits(group.as_str(), key.rule(), dimensions);
        // One that names nothing at all would silence everything.
        of_these && matched && !(self.alerts.is_empty() && self.matcher.is_empty())
    }
}

/// A reason to call nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The silence's id, or `maintenance/` and its name.
    pub id: String,
    /// Until when.
    pub until: Timestamp,
    /// In words.
    pub reason: String,
}

/// What a silence may be about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The group of the incident.
    pub group: &'a GroupKey,
    /// How bad the incident is.
    pub severity: Severity,
    /// Every alert of it that fires and is known, with its dimensions.
    pub firing: &'a [(&'a AlertKey, &'a Dimensions)],
    /// Whether there are alerts that were counted and not kept: only what is about the whole group is about them, too.
    pub untracked: bool,
}

/// Why nobody is called: each of the firing alerts is silenced. `None` when somebody is to be called. A SEV1 is silenced
/// only by what was made for it.
pub fn quiet(subject: Subject<'_>, silences: &[Silence], maintenance: &[Maintenance], now: Timestamp) -> Option<Quiet> {
    let includes = |sev1: bool| sev1 || subject.severity < Severity::Sev1;
    let covers = |matcher: &Matcher| !subject.untracked || matcher.is_of_groups();
    let of_alert = |key: &AlertKey, dimensions: &Dimensions| {
        let made = silences
            .iter()
            .filter(|silence| includes(silence.sev1))
            .filter(|silence| covers(&silence.matcher) && (silence.alerts.is_empty() || !subject.untracked))
            .filter(|silence| silence.fits(subject.group, key, dimensions))
            .filter_map(|silence| quiet_by(silence, now));
        let windows = maintenance
            .iter()
            .filter(|maintenance| includes(maintenance.sev1) && covers(&maintenance.matcher))
            .filter(|maintenance| maintenance.matcher.fits(subject.group.as_str(), key.rule(), dimensions))
            .filter_map(|maintenance| quiet_for(maintenance, now));
        // Of several, the one that lasts longest decides.
        made.chain(windows).max_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)))
    };
    let quiets: Option<Vec<Quiet>> = subject.firing.iter().map(|(key, dimensions)| of_alert(key, dimensions)).collect();
    // Of all alerts, the first to be heard again decides.
    quiets?.into_iter().min_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)))
}

fn quiet_by(silence: &Silence, now: Timestamp) -> Option<Quiet> {
    let Silence { id, by, why, every, .. } = silence;
    let until = silence.in_force_until(now)?;
    let recurs = every.as_ref().map_or(String::new(), |weekly| format!(", {weekly}"));
    Some(Quiet { id: id.clone(), until, reason: format!("silenced by {by} until {} ({id}{recurs}): {why}", at(until)) })
}

fn quiet_for(maintenance: &Maintenance, now: Timestamp) -> Option<Quiet> {
    let Maintenance { name, by, why, window, .. } = maintenance;
    let until = window.open_until(now)?;
    let reason = format!("maintenance {name} by {by} until {}: {why}", at(until));
    Some(Quiet { id: format!("maintenance/{name}"), until, reason })
}

fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
