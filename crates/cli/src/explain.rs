//! `monitorctl explain`: why somebody was paged, or why not, from the recorded reasons.

mod incident;

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use monitoring_core::alert::{Alert, AlertState};
use monitoring_core::catalogue::{Catalogue, Condition, Engine, Rule};
use monitoring_core::incident::{Incident, IncidentId};
use monitoring_core::message::format_seconds;
use serde_json::json;

use crate::catalogue::{moment, nearest};
use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::incidents::resolve_id;
use crate::incidents::show::printable;
use crate::local::story::Form;

/// Tell why somebody was paged, or why not.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An incident (`INC-20261123-0f3a9c1d`), an alert or a rule (`error-rate`), or a metric (`ErrorRate`)
    what: String,
    /// How things stood then: `2026-12-24T18:00:00Z`
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    door: DoorArgs,
}

/// The most incidents that are explained for an alert or a metric, the newest.
const MAX_INCIDENTS: usize = 5;

/// Runs the command.
pub async fn run(args: ExplainArgs, json: bool) -> Result<u8, Exit> {
    args.door.must_exist()?;
    let at = match &args.at {
        None => None,
        Some(text) => Some(
            moment(text, &TimeZone::UTC)
                .ok_or_else(|| Exit::usage(anyhow!("--at {text} is no time; write it as 2026-12-24T18:00:00Z")))?,
        ),
    };
    let door = Door::open(&args.door, Form::Silent).await?;
    let explained = explain(&door, &args.what, at).await;
    door.close().await?;
    let sentences = explained?;
    if json {
        print(&pretty(&json!({ "about": args.what, "at": at, "sentences": sentences }))?);
    } else {
        let lines: Vec<String> = sentences.iter().map(|sentence| printable(sentence)).collect();
        print(&(lines.join("\n") + "\n"));
    }
    Ok(OK)
}

async fn explain(door: &Door, what: &str, at: Option<Timestamp>) -> Result<Vec<String>, Exit> {
    if what.starts_with("INC-") {
        let id = resolve_id(door, what).await?;
        return one(door, &id, at).await;
    }
    let catalogue = door.catalogue();
    let rules = rules_about(catalogue, what);
    if rules.is_empty() {
        return Err(nothing_known(catalogue, what));
    }
    let mut sentences = Vec::new();
    let (alerts, _) = door.store().alerts().await.map_err(anyhow::Error::from)?;
    for rule in &rules {
        sentences.push(about_rule(rule));
        let of_rule = alerts.iter().filter(|alert| alert.rule == rule.name && concerns(alert.key.as_str(), what));
        let before = sentences.len();
        sentences.extend(of_rule.map(|alert| about_alert(alert, at)));
        if sentences.len() == before {
            sentences.push(format!("  {}", never(rule)));
        }
    }
    let (incidents, _) = door.store().all_incidents().await.map_err(anyhow::Error::from)?;
    let named = |incident: &&Incident| {
        let concerned = |key: &str, rule: &str| concerns(key, what) && rules.iter().any(|known| known.name == rule);
        incident.alerts.keys().any(|key| concerned(key.as_str(), key.rule()))
    };
    let then = |incident: &&Incident| at.is_none_or(|at| incident.opened_at <= at);
    let found: Vec<&Incident> = incidents.iter().filter(named).filter(then).collect();
    if found.is_empty() {
        sentences.push("No incident had it.".to_owned());
    }
    for incident in found.iter().rev().take(MAX_INCIDENTS) {
        sentences.push(String::new());
        sentences.extend(one(door, &incident.id, at).await?);
    }
    Ok(sentences)
}

async fn one(door: &Door, id: &IncidentId, at: Option<Timestamp>) -> Result<Vec<String>, Exit> {
    let journal = door.store().journal(id).await.map_err(anyhow::Error::from)?;
    Ok(incident::sentences(id, &journal, door.catalogue(), at))
}

/// The rules that a word is about: a metric's, or the one that an alert's key begins with.
fn rules_about<'a>(catalogue: &'a Catalogue, what: &str) -> Vec<&'a Rule> {
    let name = what.split(['{', '/']).next().unwrap_or_default();
    if let Some(rule) = catalogue.rules.get(name) {
        return vec![rule];
    }
    catalogue.rules.values().filter(|rule| rule.metric == name).collect()
}

/// Whether an alert is meant: any of a rule or of a metric, or the very one.
fn concerns(key: &str, what: &str) -> bool {
    !what.contains(['{', '/']) || key == what || key.starts_with(&format!("{what}/"))
}

fn nothing_known(catalogue: &Catalogue, what: &str) -> Exit {
    if catalogue.metrics.contains_key(what) {
        return Exit::refused(format!(
            "no rule watches {what}, so nobody is ever paged for it; add one under `rules:`"
        ));
    }
    let names = catalogue.rules.keys().chain(catalogue.metrics.keys()).map(String::as_str);
    let help = nearest(what, names).map_or_else(
        || "see `monitorctl incidents list` and the catalogue".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Exit::refused(format!("{what} is no incident, no rule and no metric; {help}"))
}

fn about_rule(rule: &Rule) -> String {
    let condition = match &rule.condition {
        Condition::Absence { level } => format!("no data is {}", level.incident),
        Condition::Anomaly { level, .. } => format!("what is unusual is {}", level.incident),
        Condition::Trend { tier, trend } => {
            let (within, over) =
                (format_seconds(trend.within_seconds.into()), format_seconds(trend.over_seconds.into()));
            let (comparison, threshold, incident) = (tier.comparison, tier.threshold, tier.level.incident);
            format!("{comparison} {threshold} within {within}, by the trend of the last {over}, is {incident}")
        }
        Condition::SameHour { tier, usual } => format!(
            "{} {} times the same hour of {} earlier weeks is {}",
            tier.comparison, tier.threshold, usual.weeks, tier.level.incident
        ),
        Condition::Composite { level, when } => {
            return format!(
                "Rule {} watches other rules: {when} is {}, evaluated by the monitoring function.",
                rule.name, level.incident
            );
        }
        Condition::Threshold { tiers } => {
            let tiers: Vec<String> = tiers
                .iter()
                .map(|tier| format!("{} {} is {}", tier.comparison, tier.threshold, tier.level.incident))
                .collect();
            tiers.join(", ")
        }
    };
    let evaluation = rule.evaluation;
    let engine = match rule.engine {
        Engine::Alarm => "a CloudWatch alarm",
        Engine::Service => "the monitoring function",
    };
    format!(
        "Rule {} watches {}: {condition}, when {} of {} datapoints breach, evaluated by {engine}.",
        rule.name, rule.metric, evaluation.datapoints, evaluation.periods
    )
}

fn about_alert(alert: &Alert, at: Option<Timestamp>) -> String {
    let state = match alert.state {
        AlertState::Ok => "OK",
        AlertState::Pending => "pending: it breaches, but not often enough yet",
        AlertState::Firing => "firing",
        AlertState::NoData => "without enough data",
    };
    let reason = if alert.reason.is_empty() { String::new() } else { format!(" ({})", alert.reason) };
    let episode = alert.firing.as_ref().map_or(String::new(), |episode| {
        format!(" It counts as firing since {}: only a measured OK ends that.", incident::time(episode.since))
    });
    let waiting = match alert.unpublished.len() {
        0 => String::new(),
        count => format!(" {count} changes of it are not published yet."),
    };
    // Only incidents keep what was: of an alert there is its state of now.
    let now = if at.is_some() { "Now, and not at the time that you ask for, " } else { "" };
    format!("  {now}{} is {state}{reason} since {}.{episode}{waiting}", alert.key, incident::time(alert.since))
}

fn never(rule: &Rule) -> String {
    match rule.engine {
        Engine::Alarm => {
            "The monitoring function has nothing on it: CloudWatch evaluates it where the suite is deployed.".to_owned()
        }
        Engine::Service => "The monitoring function has never found it anything but OK.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use monitoring_core::catalogue::{Comparison, SameHour, Tier, Trend};
    use monitoring_core::composite::Expression;

    use super::*;

    #[track_caller]
    fn check(condition: impl FnOnce(Tier) -> Condition, expected: &str) {
        let mut rule = crate::catalogue::shipped().unwrap().rules["error-rate"].clone();
        let level = rule.condition.levels().next().unwrap().clone();
        rule.condition = condition(Tier { level, comparison: Comparison::Above, threshold: 90.0, clear: 90.0 });
        assert_eq!(about_rule(&rule), expected);
    }

    #[test]
    fn a_trend_is_explained() {
        check(
            |tier| Condition::Trend { tier, trend: Trend { within_seconds: 86_400, over_seconds: 21_600 } },
            "Rule error-rate watches ErrorRate: above 90 within 1 d, by the trend of the last 6 h, is SEV3, when 2 of 3 datapoints breach, \
             evaluated by the monitoring function.",
        );
    }

    #[test]
    fn a_comparison_with_weeks_is_explained() {
        let usual = SameHour { weeks: 4, minimum: 0.0, time_zone: "UTC".to_owned() };
        check(
            |tier| Condition::SameHour { tier: Tier { threshold: 2.0, ..tier }, usual },
            "Rule error-rate watches ErrorRate: above 2 times the same hour of 4 earlier weeks is SEV3, when 2 of 3 datapoints breach, \
             evaluated by the monitoring function.",
        );
    }

    #[test]
    fn a_composite_is_explained() {
        let when = Expression::parse("response-time and not traffic-absent").unwrap();
        check(
            |tier| Condition::Composite { level: tier.level, when },
            "Rule error-rate watches other rules: response-time and not traffic-absent is SEV3, evaluated by the monitoring function.",
        );
    }
}
