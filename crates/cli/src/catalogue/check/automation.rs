//! Automated actions: what they name, and whether their limits can be kept.

use monitoring_core::action::is_own_parameter;
use monitoring_core::action::rails::is_allowed;

use super::super::document::{Action, Automation, CircuitBreaker, Duration, Rule, Team};
use super::super::resolve::{dimensions, resolved_actions};
use super::super::suggest::nearest;
use super::super::yaml::child;
use super::{Checker, entries, items};

/// The ledger of what was done forgets after a day.
const LONGEST_COOLDOWN_SECONDS: u32 = 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    for (at, service) in items("/actions/services", &document.actions.services) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if service.is_empty() || service.len() > 64 || !service.chars().all(plain) {
            let message = format!("\"{service}\" cannot be the name of a service");
            checker.error(at, message, "write lower-case letters, digits and hyphens, at most 64");
        }
    }
    for (pointer, name, runbook) in entries("runbooks", &document.runbooks) {
        if let Some(automation) = &runbook.automation {
            check_automation(checker, &child(&pointer, "automation"), name, automation);
        }
    }
}

fn check_automation(checker: &mut Checker<'_>, pointer: &str, name: &str, automation: &Automation) {
    if let Some(approval) = &automation.approval {
        let at = child(pointer, "approval");
        checker.known(child(&at, "team"), "teams", &approval.team, &format!("runbook {name} asks"));
        let what = format!("the time for consent of runbook {name}");
        limits(checker, &child(&at, "expires"), &what, approval.expires, 60, 86_400);
    }
    let what = format!("the cooldown of runbook {name}");
    limits(checker, &child(pointer, "cooldown"), &what, automation.cooldown, 60, LONGEST_COOLDOWN_SECONDS);
    for (at, action) in items(&child(pointer, "actions"), &automation.actions) {
        check_action(checker, &at, name, action);
    }
}

fn check_action(checker: &mut Checker<'_>, pointer: &str, name: &str, action: &Action) {
    let what = format!("the time in which an action of runbook {name} must help");
    limits(checker, &child(pointer, "verify"), &what, action.verify, 60, 86_400);
    if let Some(breaker) = &action.circuit_breaker {
        let at = child(pointer, "circuit_breaker");
        check_breaker(checker, &at, name, breaker);
    }
    if let Some(restart) = &action.restart {
        check_target(checker, &child(&child(pointer, "restart"), "function"), name, "lambda", &restart.function);
    }
    if let Some(scale_out) = &action.scale_out {
        let at = child(pointer, "scale_out");
        if let Some(function) = &scale_out.function {
            check_target(checker, &child(&at, "function"), name, "lambda", function);
        }
        if let Some(table) = &scale_out.table {
            check_target(checker, &child(&at, "table"), name, "table", table);
        }
    }
    if let Some(rollback) = &action.rollback {
        let at = child(pointer, "rollback");
        check_target(checker, &child(&at, "function"), name, "lambda", &rollback.function);
        let what = format!("the age of what runbook {name} rolls back");
        limits(checker, &child(&at, "within"), &what, rollback.within, 60, 7 * 86_400);
    }
    if let Some(team) = &action.alert_team {
        check_team(checker, &child(pointer, "alert_team"), name, team);
    }
    if let Some(failover) = &action.failover {
        check_failover(checker, &child(&child(pointer, "failover"), "parameter"), name, &failover.parameter);
    }
}

/// A team that can be told.
fn check_team(checker: &mut Checker<'_>, at: &str, name: &str, team: &str) {
    checker.known(at, "teams", team, &format!("runbook {name} alerts"));
    let reached = |team: &Team| !team.channels.is_empty() || team.on_call.is_some();
    if checker.document.teams.get(team).is_some_and(|team| !reached(team)) {
        let message = format!("runbook {name} alerts team {team}, which has no channel of its own");
        checker.error(at, message, format!("add `channels:` to team {team}"));
    }
}

/// A parameter of the application, never one of the suite's own.
fn check_failover(checker: &mut Checker<'_>, at: &str, name: &str, parameter: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !parameter.starts_with('/') || !parameter.chars().all(plain) {
        let message = format!("runbook {name} cannot write a parameter \"{parameter}\"");
        checker.error(at, message, "write its full name, such as \"/ai-nutritionist/active-region\"");
        return;
    }
    if is_own_parameter(parameter) {
        let message = format!("runbook {name} would write {parameter}, where the suite keeps its own parameters");
        checker.error(at, message, "name a parameter of the application");
        return;
    }
    check_allowed(checker, at, name, &format!("parameter{parameter}"));
}

fn check_breaker(checker: &mut Checker<'_>, at: &str, name: &str, breaker: &CircuitBreaker) {
    let services = &checker.document.actions.services;
    if !services.contains(&breaker.service) {
        let help = match nearest(&breaker.service, services.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "add it to `services:` under `actions:`".to_owned(),
        };
        let message = format!("runbook {name} opens the circuit breaker of an unknown service \"{}\"", breaker.service);
        checker.error(child(at, "service"), message, help);
        return;
    }
    let what = format!("the time after which runbook {name} probes");
    limits(checker, &child(at, "probe_after"), &what, breaker.probe_after, 60, 86_400);
    check_allowed(checker, &child(at, "service"), name, &format!("circuit-breaker/{}", breaker.service));
}

/// A function or a table, by its name or by a dimension in braces, which the rules of the runbook have to have.
fn check_target(checker: &mut Checker<'_>, at: &str, name: &str, kind: &str, pattern: &str) {
    let dimension = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(dimension) = dimension else {
        if pattern.contains(['{', '}', ' ']) {
            let message = format!("runbook {name} cannot act on \"{pattern}\"");
            checker.error(at, message, "write a name, or a single dimension in braces such as \"{FunctionName}\"");
        } else {
            check_allowed(checker, at, name, &format!("{kind}/{pattern}"));
        }
        return;
    };
    let document = checker.document;
    let rules = document.rules.values().filter(|rule| rule.runbook.as_deref() == Some(name));
    let has = |rule: &Rule| dimensions(document, &rule.metric).iter().any(|set| set.contains_key(dimension));
    if rules.clone().count() > 0 && !rules.into_iter().any(has) {
        let message = format!("no rule of runbook {name} has a dimension {dimension}");
        checker.error(at, message, "name a dimension of the metric that one of them watches, or write the name itself");
    }
}

/// What is not on the allow-list is refused at run time; better said before.
fn check_allowed(checker: &mut Checker<'_>, at: &str, name: &str, target: &str) {
    if !is_allowed(&resolved_actions(checker.document), target) {
        let message = format!("runbook {name} acts on {target}, which `actions: allow` does not have");
        checker.warning(at, message, format!("add \"{target}\" to `allow:`, or it is never done"));
    }
}

fn limits(checker: &mut Checker<'_>, pointer: &str, what: &str, duration: Duration, least: u32, most: u32) {
    if !(least..=most).contains(&duration.seconds) {
        let (shortest, longest) = (Duration { seconds: least }, Duration { seconds: most });
        checker.error(pointer, format!("{what} is {duration}"), format!("write {shortest} to {longest}"));
    }
}
