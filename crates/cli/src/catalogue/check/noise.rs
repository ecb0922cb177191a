//! Dependencies, maintenance, storms, flapping, silences.

use std::collections::{BTreeMap, BTreeSet};

use monitoring_core::alert::{STORM, SUITE, UNRECOGNISED};
use monitoring_core::catalogue::Window;

use super::super::Finding;
use super::super::document::{Document, Duration, Maintenance, Rule};
use super::super::resolve::window;
use super::super::suggest::nearest;
use super::super::yaml::child;
use super::{Checker, entries, items};

/// Who wants to be left alone for longer changes the rule.
const LONGEST_SILENCE_SECONDS: u32 = 7 * 86_400;

/// What recurs for longer is a maintenance, and belongs where everybody reads it.
const LONGEST_RECURRING_SECONDS: u32 = 366 * 86_400;

const LONGEST_WINDOW_SECONDS: u32 = 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    let noise = &checker.document.noise;
    for (key, duration, longest) in [
        ("storm/within", noise.storm.within, LONGEST_WINDOW_SECONDS),
        ("flapping/within", noise.flapping.within, LONGEST_WINDOW_SECONDS),
        ("flapping/settle", noise.flapping.settle, LONGEST_WINDOW_SECONDS),
        ("silences/longest", noise.silences.longest, LONGEST_SILENCE_SECONDS),
        ("silences/longest_recurring", noise.silences.longest_recurring, LONGEST_RECURRING_SECONDS),
    ] {
        if duration.seconds < 60 || duration.seconds > longest {
            let longest = Duration { seconds: longest };
            let message = format!("{} is {duration}", key.replace('/', ": "));
            checker.error(format!("/noise/{key}"), message, format!("write 1m to {longest}"));
        }
    }
    check_dependencies(checker);
    for (pointer, name, maintenance) in entries("noise/maintenance", &noise.maintenance) {
        check_maintenance(checker, &pointer, name, maintenance);
    }
}

fn check_dependencies(checker: &mut Checker<'_>) {
    let document = checker.document;
    let groups = groups(document);
    for (pointer, group, parents) in entries("noise/dependencies", &document.noise.dependencies) {
        check_group(checker, &pointer, group, &groups, true);
        for (at, parent) in items(&pointer, parents) {
            check_group(checker, &at, parent, &groups, false);
            let splits = groups.get(parent.as_str()).is_some_and(|rule| !rule.group_by.is_empty());
            if splits {
                let message = format!("group {parent} has an incident for each value of a dimension");
                checker.error(&at, message, "depend on a group without `group_by`");
            }
            if reaches(&document.noise.dependencies, parent, group) {
                let message = format!("group {group} depends on {parent}, which depends on {group}");
                checker.error(&at, message, "leave one of the two out: each would wait for the other");
            }
        }
    }
}

/// The groups of the rules; each with one of its rules.
fn groups(document: &Document) -> BTreeMap<&str, &Rule> {
    document.rules.iter().map(|(name, rule)| (rule.group.as_deref().unwrap_or(name), rule)).collect()
}

fn check_group(checker: &mut Checker<'_>, at: &str, group: &str, groups: &BTreeMap<&str, &Rule>, on_key: bool) {
    if groups.contains_key(group) {
        return;
    }
    let help = match nearest(group, groups.keys().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "name the `group` of a rule, or a rule that has none".to_owned(),
    };
    let finding = Finding::error(at, format!("no rule is of group \"{group}\""), help);
    checker.push(if on_key { finding.on_key() } else { finding });
}

/// Whether one group depends on another, directly or not.
fn reaches(dependencies: &BTreeMap<String, Vec<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(group) = next.pop() {
        if group == to {
            return true;
        }
        if seen.insert(group) {
            next.extend(dependencies.get(group).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

fn check_maintenance(checker: &mut Checker<'_>, pointer: &str, name: &str, maintenance: &Maintenance) {
    let document = checker.document;
    if let Some(group) = maintenance.matcher.group.as_ref().filter(|group| !group.ends_with('*')) {
        let base = group.split('/').next().unwrap_or_default();
        // What no rule has: alarms of somebody else, and what the suite says of itself.
        if !base.starts_with("alarm:") && ![SUITE, STORM, UNRECOGNISED].contains(&base) {
            check_group(checker, &format!("{pointer}/match/group"), base, &groups(document), false);
        }
    }
    if let Some(rule) = maintenance.matcher.rule.as_ref().filter(|rule| !rule.ends_with('*')) {
        checker.known(format!("{pointer}/match/rule"), "rules", rule, &format!("maintenance {name} is about"));
    }
    if let Some(weekly) = &maintenance.weekly
        && let Some(zone) = &weekly.time_zone
    {
        checker.time_zone(&format!("{pointer}/weekly/time_zone"), zone);
    }
    match (window(document, maintenance), &maintenance.once) {
        (Some(Window::Once { from, until }), Some(once)) if until <= from => {
            let message = format!("maintenance {name} ends at {}, not after it begins", once.to);
            checker.error(format!("{pointer}/once/to"), message, format!("write a time after {}", once.from));
        }
        (None, Some(_)) => {
            let message = format!("maintenance {name} has a time that cannot be");
            checker.error(child(pointer, "once"), message, "write times such as 2026-12-24 18:00");
        }
        _ => {}
    }
}
