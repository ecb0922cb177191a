//! The guard rails, all of them in this one place. An action begins only if [`check`] lets it.

use jiff::{SignedDuration, Timestamp};

use super::Target;
use super::ledger::{Ledger, MAX_PLACES};
use crate::catalogue::{Actions, Approval, Automation, is_like};
use crate::message::format_seconds;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What holds for every action.
    pub actions: &'a Actions,
    /// Name of the runbook.
    pub runbook: &'a str,
    /// What holds for this runbook.
    pub automation: &'a Automation,
    /// What it would change.
    pub target: &'a Target,
    /// Whether somebody has agreed to it.
    pub approved: bool,
}

impl Asked<'_> {
    /// Whether it changes nothing, so that only the rails count that keep it from being done too often.
    fn only_tells(&self) -> bool {
        matches!(self.target, Target::Team { .. })
    }
}

/// What the guard rails say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may begin. With `dry_run` its calls are planned and recorded, and not made.
    Go {
        /// Whether nothing is changed.
        dry_run: bool,
    },
    /// Somebody must agree first.
    Ask {
        /// Who, and until when.
        approval: Approval,
        /// Why.
        why: String,
    },
    /// It may not.
    No(String),
}

/// How long a runbook that asks only because it failed waits for an answer, in seconds.
const ASKED_FOR_SECONDS: u32 = 900;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whether an action may begin now. `ledger` is what was done lately.
pub fn check(asked: Asked<'_>, ledger: &Ledger, now: Timestamp) -> Verdict {
    match obstacle(asked, ledger, now) {
        Some(why) => Verdict::No(why),
        // What changes nothing needs nobody's consent.
        None if asked.actions.dry_run || asked.automation.dry_run => Verdict::Go { dry_run: true },
        None if asked.approved || asked.only_tells() => Verdict::Go { dry_run: false },
        None => consent(asked, ledger).unwrap_or(Verdict::Go { dry_run: false }),
    }
}

/// Whether the allow-list has the target, by its name.
pub fn is_allowed(actions: &Actions, target: &str) -> bool {
    actions.allow.iter().any(|pattern| is_like(pattern, target))
}

fn obstacle(asked: Asked<'_>, ledger: &Ledger, now: Timestamp) -> Option<String> {
    let Asked { actions, runbook, automation, target, .. } = asked;
    let name = target.to_string();
    if let Target::Missing { dimension } = target {
        return Some(format!("no alert that asks for it has a dimension {dimension}"));
    }
    if !asked.only_tells()
        && let Some(why) = not_to_be_changed(asked, ledger, &name)
    {
        return Some(why);
    }
    let cooldown = SignedDuration::from_secs(i64::from(automation.cooldown_seconds));
    let ended = ledger.places.iter().filter(|place| place.runbook == runbook && place.target == name);
    if let Some(last) = ended.filter_map(|place| place.ended_at).max().filter(|at| now.duration_since(*at) < cooldown) {
        let ago = format_seconds(now.duration_since(last).as_secs());
        let pause = format_seconds(i64::from(automation.cooldown_seconds));
        return Some(format!("runbook {runbook} acted on {name} until {ago} ago, and leaves it alone for {pause}"));
    }
    let recent = |of: Option<&str>| {
        let counts = ledger.places.iter().filter(|place| of.is_none_or(|runbook| place.runbook == runbook));
        counts.filter(|place| now.duration_since(place.began_at) < HOUR).count()
    };
    let (own, all) = (recent(Some(runbook)), recent(None));
    if own >= count(automation.max_per_hour) {
        return Some(format!("runbook {runbook} has begun {own} actions within an hour, which is its limit"));
    }
    if all >= count(actions.max_per_hour) {
        return Some(format!("{all} actions were begun within an hour, which is the limit of all runbooks"));
    }
    (ledger.places.len() >= MAX_PLACES).then(|| format!("{MAX_PLACES} actions are remembered, and no more can be"))
}

/// Why a target may not be changed now, whatever was done to it before.
fn not_to_be_changed(asked: Asked<'_>, ledger: &Ledger, name: &str) -> Option<String> {
    let Asked { actions, runbook, automation, .. } = asked;
    if !is_allowed(actions, name) {
        return Some(format!("{name} is not on the allow-list (`actions: allow` in the catalogue)"));
    }
    if let Some(place) = ledger.holder(name) {
        return Some(format!("action {} of {} has {name} to itself", place.run, place.incident));
    }
    let mine = ledger.live().filter(|place| place.runbook == runbook).count();
    (mine >= count(automation.max_targets))
        .then(|| format!("runbook {runbook} has changed {mine} targets already, of at most {mine} at a time"))
}

fn consent(asked: Asked<'_>, ledger: &Ledger) -> Option<Verdict> {
    let Asked { runbook, automation, .. } = asked;
    let failures = ledger.failures.get(runbook).copied().unwrap_or_default();
    let falls_back = automation.ask_after_failures > 0 && failures >= automation.ask_after_failures;
    let why = match &automation.approval {
        _ if falls_back => {
            format!("the last {failures} runs of runbook {runbook} failed or did not help, so it asks first")
        }
        Some(approval) => format!("runbook {runbook} needs the consent of team {}", approval.team),
        None => return None,
    };
    let asks = Approval { team: String::new(), expires_seconds: ASKED_FOR_SECONDS };
    Some(Verdict::Ask { approval: automation.approval.clone().unwrap_or(asks), why })
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
