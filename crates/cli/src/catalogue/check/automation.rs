//! Automated actions: what they name, and whether their limits can be kept.

use monitoring_core::action::rails::is_allowed;

use super::super::document::{Action, Automation, Duration};
use super::super::resolve::resolved_actions;
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
    let Some(breaker) = &action.circuit_breaker else { return };
    let at = child(pointer, "circuit_breaker");
    let services = &checker.document.actions.services;
    if !services.contains(&breaker.service) {
        let help = match nearest(&breaker.service, services.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "add it to `services:` under `actions:`".to_owned(),
        };
        let message = format!("runbook {name} opens the circuit breaker of an unknown service \"{}\"", breaker.service);
        checker.error(child(&at, "service"), message, help);
        return;
    }
    let what = format!("the time after which runbook {name} probes");
    limits(checker, &child(&at, "probe_after"), &what, breaker.probe_after, 60, 86_400);
    let target = format!("circuit-breaker/{}", breaker.service);
    if !is_allowed(&resolved_actions(checker.document), &target) {
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
