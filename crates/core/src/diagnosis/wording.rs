//! What speaks for a cause, in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::MetricChange;
use super::cause::{Case, Scored};

/// The most metrics that are put into words.
const MOST_METRICS: usize = 3;

/// From which share on a node is said to explain another, and a node's excess to account for the target's.
const WORTH_SAYING: f64 = 0.3;

/// One sentence for each reason, without a full stop.
pub(super) fn evidence(case: &Case<'_>, scored: &Scored) -> Vec<String> {
    let name = case.changes.name(scored.node);
    let changes = case.changes.conspicuous(scored.node);
    let mut sentences: Vec<String> =
        changes.iter().take(MOST_METRICS).map(|change| left_normal_range(name, change)).collect();
    if sentences.is_empty() {
        sentences.push(format!("nothing of {name} is far out of its normal range"));
    }
    sentences.extend(load(case, scored));
    sentences.push(dependencies(case, scored, changes.iter().filter_map(|change| change.onset).min()));
    sentences.extend(accounts_for(case, scored));
    sentences
}

fn left_normal_range(name: &str, change: &MetricChange) -> String {
    let MetricChange { metric, from, to, spreads, onset } = change;
    let when = onset.map_or(String::new(), |at| format!(" at {}", clock(at)));
    format!(
        "{metric} of {name} left its normal range{when}: {} instead of {}, {} times its usual spread",
        short(*to),
        short(*from),
        short(*spreads)
    )
}

fn load(case: &Case<'_>, scored: &Scored) -> Option<String> {
    let load = case.changes.nodes.get(scored.node).and_then(|node| node.load)?;
    (scored.own_load >= WORTH_SAYING)
        .then(|| format!("it gets {} times its usual requests, more than its callers account for", short(load.times)))
}

fn dependencies(case: &Case<'_>, scored: &Scored, onset: Option<Timestamp>) -> String {
    if !case.graph.has_calls() {
        return "what it calls is not known".to_owned();
    }
    if let Some((by, share)) = scored.explained.filter(|(_, share)| *share >= WORTH_SAYING) {
        let first = case.changes.conspicuous(by).iter().filter_map(|change| change.onset).min();
        let before = match (first, onset) {
            (Some(first), Some(onset)) if first < onset => " and which changed before it,",
            _ => ",",
        };
        let call =
            if case.graph.below(scored.node).get(by) == Some(&true) { "which it calls" } else { "which it may call" };
        return format!("{}, {call}{before} explains {} % of it", case.changes.name(by), short(100.0 * share));
    }
    if !case.graph.calls_something(scored.node) {
        return "it calls nothing that is known".to_owned();
    }
    "none of what it calls changed enough to explain it".to_owned()
}

fn accounts_for(case: &Case<'_>, scored: &Scored) -> Option<String> {
    let target = case.target.filter(|target| *target != scored.node)?;
    let share = scored.share.filter(|share| *share >= WORTH_SAYING)?;
    let share = if share >= 1.0 { "all".to_owned() } else { format!("{} %", short(100.0 * share)) };
    let what = case.class.excess();
    Some(format!("it accounts for {share} of the {what} of {}", case.changes.name(target)))
}

/// `12:03 UTC`.
fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M UTC").to_string()
}

/// Two or three digits that count, as a person would say it.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = match magnitude {
        1e6.. => return format!("{value:.1e}"),
        100.0.. => 0,
        1.0.. => 1,
        0.1.. => 2,
        0.001.. => 4,
        0.0 => 0,
        _ => return format!("{value:.1e}"),
    };
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
}
