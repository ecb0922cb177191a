//! Who is told: severities and their escalation, channels, teams, runbooks.

use std::collections::BTreeSet;
use std::iter;

use monitoring_core::catalogue::{Category, Severity};

use super::super::Finding;
use super::super::document::{Channel, ChannelKind, Duration, Level, SeverityPolicy};
use super::super::yaml::child;
use super::{Checker, entries, items, singular};

/// The topics that the suite listens to.
const OWN_TOPICS: [Category; 2] = [Category::Application, Category::Business];

/// Longer than this nobody waits for an answer.
const LONGEST_SECONDS: u32 = 30 * 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    for (severity, policy) in checker.document.severities.each() {
        check_severity(checker, severity, policy);
    }
    for (pointer, name, channel) in entries("channels", &checker.document.channels) {
        check_channel(checker, &pointer, name, channel);
    }
    for (pointer, name, runbook) in entries("runbooks", &checker.document.runbooks) {
        checker.known(child(&pointer, "team"), "teams", &runbook.team, &format!("runbook {name} belongs to"));
        for (at, team) in items(&child(&pointer, "levels"), runbook.levels.as_deref().unwrap_or_default()) {
            checker.known(at, "teams", team, &format!("runbook {name} calls"));
        }
        for (at, query) in items(&child(&pointer, "queries"), &runbook.queries) {
            checker.known(at, "queries", query, &format!("runbook {name} names"));
        }
        for (at, _) in
            items(&child(&pointer, "steps"), &runbook.steps).into_iter().filter(|(_, step)| step.trim().is_empty())
        {
            checker.error(at, format!("a step of runbook {name} is empty"), "write what a person does");
        }
    }
}

fn check_severity(checker: &mut Checker<'_>, severity: Severity, policy: &SeverityPolicy) {
    let pointer = format!("/severities/{severity}");
    for (key, duration) in [("response", policy.response), ("escalation", policy.escalation)] {
        if duration.seconds == 0 || duration.seconds > LONGEST_SECONDS {
            checker.error(
                child(&pointer, key),
                format!("the {key} time of {severity} is {duration}"),
                "write more than 0s and at most 30d",
            );
        }
    }
    if let Some(stale) = policy.stale.filter(|stale| stale.seconds < 60 || stale.seconds > LONGEST_SECONDS) {
        let message = format!("an acknowledgement of {severity} goes stale after {stale}");
        checker.error(child(&pointer, "stale"), message, "write 1m to 30d");
    }
    if policy.escalation <= policy.response {
        let message = format!(
            "{severity} escalates after {}, not after its response time of {}",
            policy.escalation, policy.response
        );
        checker.error(child(&pointer, "escalation"), message, format!("write more than {}", policy.response));
    }
    for (at, channel) in items(&child(&pointer, "channels"), &policy.channels) {
        checker.known(at, "channels", channel, &format!("{severity} uses"));
    }
    check_levels(checker, &pointer, severity, policy);
    if severity == Severity::Sev1 && !reaches_a_phone(checker, policy) {
        let message = "no level of SEV1 has a PagerDuty channel, so nobody's phone rings";
        checker.warning(child(&pointer, "channels"), message, "add a channel of kind `pagerduty`");
    }
}

fn reaches_a_phone(checker: &Checker<'_>, policy: &SeverityPolicy) -> bool {
    let document = checker.document;
    let own = policy.levels.iter().flatten().filter_map(|level| level.channels.as_ref()).flatten();
    policy.channels.iter().chain(own).any(|name| match document.channels.get(name) {
        Some(channel) => channel.kind == ChannelKind::Pagerduty,
        // A broken or unknown one has been reported.
        None => true,
    })
}

fn check_levels(checker: &mut Checker<'_>, pointer: &str, severity: Severity, policy: &SeverityPolicy) {
    let default_team = checker.document.defaults.team.is_some() || checker.written("/defaults/team");
    let Some(levels) = &policy.levels else {
        if !default_team && !checker.written(&child(pointer, "levels")) {
            let message = format!("{severity} calls nobody: it has no levels, and `defaults` no team");
            checker.push(Finding::error(pointer, message, "add `team:` under `defaults`, or `levels:` here").on_key());
        }
        return;
    };
    let deadlines = [Duration { seconds: 0 }, policy.response, policy.escalation];
    let findings = checker.findings.len();
    let mut before: Option<Duration> = None;
    for (index, (at, level)) in items(&child(pointer, "levels"), levels).into_iter().enumerate() {
        let number = index + 1;
        match &level.team {
            Some(team) => {
                checker.known(child(&at, "team"), "teams", team, &format!("level {number} of {severity} calls"));
            }
            None if default_team || checker.written(&child(&at, "team")) => {}
            None => checker.error(
                &at,
                format!("level {number} of {severity} calls nobody"),
                "add `team:` here or under `defaults`",
            ),
        }
        for (at, channel) in items(&child(&at, "channels"), level.channels.as_deref().unwrap_or_default()) {
            checker.known(at, "channels", channel, &format!("level {number} of {severity} uses"));
        }
        let Some(after) = level.after.or_else(|| deadlines.get(index).copied()) else {
            checker.error(
                &at,
                format!("level {number} of {severity} does not say when it is called"),
                "add `after:`; only the first three have a default",
            );
            continue;
        };
        let place = if level.after.is_some() { child(&at, "after") } else { at };
        match before {
            None if after.seconds != 0 => {
                checker.error(
                    place,
                    format!("level 1 of {severity} waits {after}"),
                    "write 0s, or leave it out: the first page goes at once",
                );
            }
            Some(before) if after <= before => {
                let message =
                    format!("level {number} of {severity} comes after {after}, not after level {index} at {before}");
                checker.error(place, message, format!("write more than {before}"));
            }
            _ if after > policy.escalation => {
                let message = format!(
                    "level {number} of {severity} comes after {after}, but the last level is called after {}",
                    policy.escalation
                );
                checker.error(place, message, format!("write at most {}, or a longer `escalation`", policy.escalation));
            }
            _ if number < levels.len() && after >= policy.escalation => {
                let message = format!(
                    "level {number} of {severity} is never called: the last level comes at the same time, after {}",
                    policy.escalation
                );
                checker.error(place, message, format!("write less than {}", policy.escalation));
            }
            _ => {}
        }
        before = Some(after);
    }
    if checker.findings.len() == findings {
        check_deadlines(checker, pointer, severity, policy, levels);
    }
}

/// The two deadlines of a severity are two things: at each of them somebody is called. With a single level they are one, since it starts over.
fn check_deadlines(
    checker: &mut Checker<'_>,
    pointer: &str,
    severity: Severity,
    policy: &SeverityPolicy,
    levels: &[Level],
) {
    let deadlines = [Duration { seconds: 0 }, policy.response, policy.escalation];
    let times: Vec<Duration> = levels
        .iter()
        .enumerate()
        .filter_map(|(index, level)| level.after.or_else(|| deadlines.get(index).copied()))
        .collect();
    let [_, .., last] = times.as_slice() else { return };
    let pointer = child(pointer, "levels");
    if *last != policy.escalation {
        let message = format!(
            "nobody is called when the escalation time of {severity} is over, {}: its last level comes after {last}",
            policy.escalation
        );
        checker.warning(&pointer, message, format!("write `after: {}` for the last level", policy.escalation));
    }
    if !times.contains(&policy.response) {
        let message = format!("nobody is called when the response time of {severity} is over, {}", policy.response);
        checker.warning(&pointer, message, format!("write `after: {}` for level 2", policy.response));
    }
}

fn check_channel(checker: &mut Checker<'_>, pointer: &str, name: &str, channel: &Channel) {
    if let Some(fallback) = &channel.fallback {
        let at = child(pointer, "fallback");
        if fallback == name {
            checker.error(at, format!("channel {name} falls back to itself"), "name another channel, or leave it out");
        } else {
            checker.known(at, "channels", fallback, &format!("channel {name} falls back to"));
        }
    }
    let belonging: &[&str] = match channel.kind {
        ChannelKind::Slack => &["conversation", "webhook_setting", "bot_token_setting"],
        ChannelKind::Pagerduty => &["routing_key_setting"],
        ChannelKind::Email | ChannelKind::Sms => &["topic"],
    };
    let kind =
        serde_json::to_value(channel.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    for key in checker
        .written_of(pointer, &["conversation", "webhook_setting", "bot_token_setting", "routing_key_setting", "topic"])
    {
        if !belonging.contains(&key) {
            let message = format!("channel {name} is of kind {kind}, which has no `{key}`");
            checker.push(
                Finding::error(child(pointer, key), message, format!("remove it; {kind} has {}", belonging.join(", ")))
                    .on_key(),
            );
        }
    }
    if channel.kind == ChannelKind::Slack && !checker.written(&child(pointer, "conversation")) {
        let message = format!("channel {name} does not say where in Slack");
        checker.push(Finding::error(pointer, message, "add `conversation: \"#incidents\"`, in quotes").on_key());
    }
    if let Some(topic) = &channel.topic {
        check_topic(checker, &child(pointer, "topic"), name, topic);
    }
}

/// A notification on a topic that the suite listens to would come back as an alert.
fn check_topic(checker: &mut Checker<'_>, at: &str, name: &str, topic: &str) {
    let service = &checker.document.service.name;
    let bare = topic.strip_prefix(service.as_str()).and_then(|rest| rest.strip_prefix('-')).unwrap_or(topic);
    if OWN_TOPICS.iter().any(|category| category.topic() == bare) {
        let message = format!("channel {name} sends to the topic `{bare}`, which the suite itself listens to");
        checker.error(
            at,
            message,
            "name another topic, such as notify-email: each message would come back as an alert",
        );
    } else if bare != topic {
        let message = format!("the topic of channel {name} has the prefix {service}, which is added anyway");
        checker.error(at, message, format!("write {bare}"));
    }
}

/// What nothing refers to.
pub(super) fn check_unused(checker: &mut Checker<'_>) {
    let document = checker.document;
    let severities: Vec<_> = document.severities.each().collect();
    let levels = || severities.iter().flat_map(|(_, policy)| policy.levels.iter().flatten());
    let channels: BTreeSet<&String> = severities
        .iter()
        .flat_map(|(_, policy)| &policy.channels)
        .chain(levels().filter_map(|level| level.channels.as_ref()).flatten())
        .chain(document.channels.values().filter_map(|channel| channel.fallback.as_ref()))
        .chain(document.users.values().flat_map(|user| &user.channels))
        .chain(document.teams.values().flat_map(|team| &team.channels))
        .collect();
    let schedules: BTreeSet<&String> = document.teams.values().filter_map(|team| team.on_call.as_ref()).collect();
    let rotating = document.schedules.values().flat_map(|schedule| &schedule.rotations);
    let users: BTreeSet<&String> = rotating
        .flat_map(|rotation| &rotation.users)
        .chain(document.schedules.values().flat_map(|schedule| &schedule.overrides).map(|exception| &exception.user))
        .chain(document.teams.values().flat_map(|team| team.members.iter().chain(&team.lead)))
        .collect();
    let automated = document.runbooks.values().filter_map(|runbook| runbook.automation.as_ref());
    let told = automated.flat_map(|automation| &automation.actions).filter_map(|action| action.alert_team.as_ref());
    let teams: BTreeSet<&String> = levels()
        .filter_map(|level| level.team.as_ref())
        .chain(
            document
                .runbooks
                .values()
                .flat_map(|runbook| iter::once(&runbook.team).chain(runbook.levels.iter().flatten())),
        )
        .chain(
            document
                .runbooks
                .values()
                .filter_map(|runbook| Some(&runbook.automation.as_ref()?.approval.as_ref()?.team)),
        )
        .chain(told)
        .chain(&document.defaults.team)
        .collect();
    let runbooks: BTreeSet<&String> = document
        .rules
        .values()
        .filter_map(|rule| rule.runbook.as_ref())
        .chain(document.slos.values().filter_map(|slo| slo.runbook.as_ref()))
        .collect();
    let sections = [
        ("channels", document.channels.keys().collect::<Vec<_>>(), channels, "name it in a severity"),
        ("teams", document.teams.keys().collect(), teams, "name it in a level or a runbook"),
        ("users", document.users.keys().collect(), users, "name them in a schedule or a team"),
        ("schedules", document.schedules.keys().collect(), schedules, "name it as `on_call` of a team"),
        ("runbooks", document.runbooks.keys().collect(), runbooks, "name it in a rule or an objective"),
    ];
    for (section, names, used, help) in sections {
        for name in names.into_iter().filter(|name| !used.contains(name)) {
            let message = format!("{} {name} is used nowhere", singular(section));
            checker.push(
                Finding::warning(child(&format!("/{section}"), name), message, format!("{help}, or remove it"))
                    .on_key(),
            );
        }
    }
}
