//! From the document to the resolved catalogue: defaults filled in, alarms expanded.
//!
//! Total on what the check accepted. What else would be needed (a source that is not there) is left out here and reported by the check.

mod automation;
mod condition;
mod noise;
mod people;
mod slo;

use std::collections::{BTreeMap, BTreeSet};

use monitoring_core::catalogue::{
    self as resolved, Alarm, Catalogue, Engine, EscalationLevel, Evaluation, SCHEMA, Source, Via,
};
use monitoring_core::formula::Formula;
use monitoring_core::metric::Dimensions;
use monitoring_core::rule::alarm_name;

use super::document::{
    ActiveHours, Channel, ChannelKind, Cost, Count, Document, Duration, Metric, Rule, SeverityPolicy, Weekday,
};

pub(crate) use automation::actions as resolved_actions;
pub(crate) use condition::{alert_of, comparison, incident_of, tiers};
pub(crate) use noise::window;
pub(crate) use people::{moment, resolve_schedule};
pub(crate) use slo::{burn_metric, burn_rule, objective_of};

/// The resolved form of a document that has no mistakes.
pub(crate) fn resolve(document: &Document) -> Catalogue {
    let mut metrics: BTreeMap<_, _> = document
        .metrics
        .iter()
        .filter_map(|(name, metric)| Some((name.clone(), resolve_metric(document, name, metric)?)))
        .collect();
    let mut rules: BTreeMap<_, _> =
        document.rules.iter().map(|(name, rule)| (name.clone(), resolve_rule(document, name, rule))).collect();
    let slos = slo::slos(document);
    for slo in slos.values() {
        let Some(written) = document.slos.get(&slo.name) else { continue };
        for (metric, rule) in slo::burn_rates(document, slo, written) {
            metrics.insert(metric.name.clone(), metric);
            rules.insert(rule.name.clone(), rule);
        }
    }
    let alarms = alarms(&document.service.name, &metrics, &rules);
    Catalogue {
        schema: SCHEMA,
        service: document.service.name.clone(),
        title: document.service.title.clone(),
        cycle_seconds: document.service.cycle.seconds,
        ingestion_delay_seconds: document.service.ingestion_delay.seconds,
        cost_delay_seconds: resolved::COST_DELAY_SECONDS,
        metrics,
        rules,
        slos,
        severities: document
            .severities
            .each()
            .map(|(severity, policy)| (severity, resolve_severity(document, policy)))
            .collect(),
        channels: document
            .channels
            .iter()
            .map(|(name, channel)| (name.clone(), resolve_channel(name, channel)))
            .collect(),
        teams: people::teams(document),
        users: people::users(document),
        schedules: people::schedules(document),
        actions: automation::actions(document),
        noise: noise::noise(document),
        impact: impact(document),
        runbooks: document
            .runbooks
            .iter()
            .map(|(name, runbook)| {
                let resolved = resolved::Runbook {
                    name: name.clone(),
                    title: runbook.title.clone(),
                    team: runbook.team.clone(),
                    levels: runbook.levels.clone().unwrap_or_default(),
                    steps: runbook.steps.clone(),
                    url: runbook.url.clone(),
                    automation: runbook.automation.as_ref().map(automation::automation),
                    queries: runbook.queries.clone(),
                };
                (name.clone(), resolved)
            })
            .collect(),
        queries: queries(document),
        log_groups: document
            .log_groups
            .iter()
            .map(|(name, group)| resolved::LogGroup { name: name.clone(), retention_days: group.retention_days })
            .collect(),
        alarms,
    }
}

/// The queries that runbooks name. The others are for people who look for them.
fn queries(document: &Document) -> BTreeMap<String, resolved::LogQuery> {
    let named: BTreeSet<&String> = document.runbooks.values().flat_map(|runbook| &runbook.queries).collect();
    let queries = named.into_iter().filter_map(|name| Some((name, document.queries.get(name)?)));
    let resolved = queries.map(|(name, query)| {
        let query = resolved::LogQuery {
            title: query.title.clone(),
            log_groups: query.log_groups.clone(),
            query: query.query.trim_end().to_owned(),
        };
        (name.clone(), query)
    });
    resolved.collect()
}

fn impact(document: &Document) -> resolved::Impact {
    let measures = document.impact.iter().map(|measure| resolved::Measure {
        metric: measure.metric.clone(),
        title: measure.title.clone(),
        count: match measure.count {
            Count::Sum => resolved::Count::Sum,
            Count::Shortfall => resolved::Count::Shortfall,
        },
    });
    if document.impact.is_empty() {
        return resolved::Impact::default();
    }
    resolved::Impact { time_zone: document.defaults.time_zone.clone(), measures: measures.collect() }
}

fn resolve_metric(document: &Document, name: &str, metric: &Metric) -> Option<resolved::Metric> {
    let source = if let Some(cloudwatch) = &metric.cloudwatch {
        Source::Cloudwatch {
            namespace: cloudwatch.namespace.clone(),
            metric_name: cloudwatch.metric.clone().unwrap_or_else(|| name.to_owned()),
            statistic: cloudwatch.statistic.clone(),
        }
    } else if let Some(expression) = &metric.formula {
        Source::Formula { expression: expression.clone() }
    } else if let Some(logs) = &metric.logs {
        Source::Logs { log_groups: logs.log_groups.clone(), query: logs.query.clone(), value: logs.value.clone() }
    } else {
        Source::Cost { by_service: metric.cost? == Cost::ByService }
    };
    Some(resolved::Metric {
        name: name.to_owned(),
        category: metric.category,
        description: metric.description.clone(),
        unit: metric.unit,
        period_seconds: period(document, name).seconds,
        source,
        dimensions: dimensions(document, name),
        files: metric.files.iter().map(|pattern| pattern.0.clone()).collect(),
    })
}

/// The period of a metric: its own, or that of its formula's first input that has one, or the default. Cost Explorer
/// counts by the day.
pub(crate) fn period(document: &Document, name: &str) -> Duration {
    let day = Duration { seconds: 86_400 };
    inherited(document, name, &mut BTreeSet::new(), &|metric| metric.period.or(metric.cost.map(|_| day)))
        .unwrap_or(document.defaults.period)
}

/// The sets of dimensions of a metric; `[{}]` for one series without, `[]` where they are found when the data comes.
pub(crate) fn dimensions(document: &Document, name: &str) -> Vec<Dimensions> {
    inherited(document, name, &mut BTreeSet::new(), &|metric| {
        if let Some(values) = &metric.dimensions {
            return Some(combinations(values.iter().map(|(name, values)| (name, &values.0))));
        }
        (!metric.files.is_empty() || metric.cost == Some(Cost::ByService)).then(Vec::new)
    })
    .unwrap_or_else(|| vec![Dimensions::new()])
}

/// What the metric says itself, or else the first of its formula's inputs that says it. A cycle ends the search.
fn inherited<'a, T>(
    document: &'a Document,
    name: &'a str,
    seen: &mut BTreeSet<String>,
    own: &impl Fn(&'a Metric) -> Option<T>,
) -> Option<T> {
    let metric = document.metrics.get(name)?;
    if !seen.insert(name.to_owned()) {
        return None;
    }
    own(metric).or_else(|| {
        let formula = Formula::parse(metric.formula.as_deref()?).ok()?;
        let inputs: Vec<&str> = formula
            .inputs()
            .filter_map(|input| document.metrics.get_key_value(input).map(|(name, _)| name.as_str()))
            .collect();
        inputs.into_iter().find_map(|input| inherited(document, input, seen, own))
    })
}

fn combinations<'a>(dimensions: impl Iterator<Item = (&'a String, &'a Vec<String>)>) -> Vec<Dimensions> {
    dimensions.fold(vec![Dimensions::new()], |sets, (name, values)| {
        sets.iter()
            .flat_map(|set| {
                values.iter().map(|value| {
                    let mut set = set.clone();
                    set.insert(name.clone(), value.clone());
                    set
                })
            })
            .collect()
    })
}

fn resolve_rule(document: &Document, name: &str, rule: &Rule) -> resolved::Rule {
    let datapoints = rule.datapoints.unwrap_or(document.defaults.datapoints);
    resolved::Rule {
        name: name.to_owned(),
        metric: condition::metric_of(document, rule),
        description: rule.description.clone(),
        engine: rule.engine.unwrap_or(document.defaults.engine),
        condition: condition::condition(document, rule),
        evaluation: Evaluation {
            periods: datapoints.periods,
            datapoints: datapoints.datapoints,
            missing: rule.missing.unwrap_or(document.defaults.missing).into(),
            clear_after: rule.clear_after.unwrap_or(1),
        },
        group: rule.group.clone().unwrap_or_else(|| name.to_owned()),
        group_by: rule.group_by.clone(),
        runbook: rule.runbook.clone(),
        min_volume: rule
            .min_volume
            .as_ref()
            .map(|volume| resolved::MinVolume { metric: volume.metric.clone(), at_least: volume.at_least }),
        active_hours: rule.active_hours.as_ref().map(|hours| resolve_hours(document, hours)),
    }
}

fn resolve_hours(document: &Document, hours: &ActiveHours) -> resolved::ActiveHours {
    resolved::ActiveHours {
        from_hour: hours.from,
        to_hour: hours.to,
        weekdays: weekdays(hours.days.as_deref()),
        time_zone: hours.time_zone.clone().unwrap_or_else(|| document.defaults.time_zone.clone()),
    }
}

/// The days of the week as numbers, each once: 1 (Monday) to 7; all where none are named.
fn weekdays(days: Option<&[Weekday]>) -> Vec<u8> {
    let all = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    let days: BTreeSet<Weekday> = days.unwrap_or(&all).iter().copied().collect();
    days.into_iter().map(|day| day as u8).collect()
}

fn resolve_severity(document: &Document, policy: &SeverityPolicy) -> resolved::SeverityPolicy {
    let deadlines = [0, policy.response.seconds, policy.escalation.seconds];
    let team = |team: Option<&String>| team.or(document.defaults.team.as_ref()).cloned().unwrap_or_default();
    let levels = match &policy.levels {
        Some(levels) => levels
            .iter()
            .enumerate()
            .map(|(index, level)| EscalationLevel {
                team: team(level.team.as_ref()),
                channels: level.channels.as_ref().unwrap_or(&policy.channels).clone(),
                after_seconds: level.after.map_or_else(
                    || deadlines.get(index).copied().unwrap_or(policy.escalation.seconds),
                    |after| after.seconds,
                ),
            })
            .collect(),
        None => deadlines
            .into_iter()
            .map(|after_seconds| EscalationLevel { team: team(None), channels: policy.channels.clone(), after_seconds })
            .collect(),
    };
    resolved::SeverityPolicy {
        description: policy.description.clone(),
        response_seconds: policy.response.seconds,
        escalation_seconds: policy.escalation.seconds,
        stale_seconds: policy.stale.map_or(policy.escalation.seconds.saturating_mul(4), |stale| stale.seconds),
        levels,
        post_mortem: policy.post_mortem,
    }
}

fn resolve_channel(name: &str, channel: &Channel) -> resolved::Channel {
    let setting = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    let via = match channel.kind {
        ChannelKind::Slack => Via::Slack {
            webhook_setting: setting(&channel.webhook_setting, "SLACK_WEBHOOK_URL"),
            bot_token_setting: setting(&channel.bot_token_setting, "SLACK_BOT_TOKEN"),
            conversation: channel.conversation.clone().unwrap_or_default(),
        },
        ChannelKind::Pagerduty => {
            Via::Pagerduty { routing_key_setting: setting(&channel.routing_key_setting, "PAGERDUTY_INTEGRATION_KEY") }
        }
        ChannelKind::Email => Via::Email { topic: setting(&channel.topic, "notify-email") },
        ChannelKind::Sms => Via::Sms { topic: setting(&channel.topic, "notify-sms") },
    };
    resolved::Channel { name: name.to_owned(), via, fallback: channel.fallback.clone() }
}

fn alarms(
    service: &str,
    metrics: &BTreeMap<String, resolved::Metric>,
    rules: &BTreeMap<String, resolved::Rule>,
) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for rule in rules.values().filter(|rule| rule.engine == Engine::Alarm) {
        let sets = metrics.get(&rule.metric).map(|metric| metric.dimensions.as_slice()).unwrap_or_default();
        for level in rule.condition.levels() {
            for dimensions in sets {
                alarms.push(Alarm {
                    name: alarm_name(service, &rule.name, &level.name, dimensions),
                    rule: rule.name.clone(),
                    level: level.name.clone(),
                    dimensions: dimensions.clone(),
                });
            }
        }
    }
    alarms
}
