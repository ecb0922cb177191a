//! What speaks for a cause, in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::MetricChange;
use super::cause::{Case, Scored};

/// The most metrics that are put into words.
const MOST_METRICS: usize = 3;

/// From which share on a node is said to explain another, and a node's excess to account for the target's.
const WORTH_SAYING: f64 = 0.3;

/// From how many times its usual spread on a metric had not moved at all: how many times is no figure then.
const STILL: f64 = 1000.0;

/// One sentence for each reason, without a full stop: its own metrics, then [`reasons`].
pub(super) fn evidence(case: &Case<'_>, scored: &Scored) -> Vec<String> {
    let changes = case.changes.conspicuous(scored.node);
    let mut sentences: Vec<String> = changes.iter().take(MOST_METRICS).map(with_spread).collect();
    if sentences.is_empty() {
        sentences.push(format!("nothing of {} is far out of its normal range", case.changes.name(scored.node)));
    }
    sentences.extend(reasons(case, scored));
    sentences
}

/// What of its place among the others speaks for it.
pub(super) fn reasons(case: &Case<'_>, scored: &Scored) -> Vec<String> {
    let onset = case.changes.conspicuous(scored.node).iter().filter_map(|change| change.onset).min();
    let mut sentences: Vec<String> = load(case, scored).into_iter().collect();
    sentences.push(dependencies(case, scored, onset));
    sentences.extend(accounts_for(case, scored));
    sentences
}

impl MetricChange {
    /// `ResponseTime 3.94 s instead of 504 ms since 12:03 UTC`.
    pub fn in_words(&self) -> String {
        let since = self.onset.map_or(String::new(), |at| format!(" since {}", clock(at)));
        let level = |value: f64| self.unit.map_or_else(|| short(value), |unit| unit.format(value));
        format!("{} {} instead of {}{since}", self.metric, level(self.to), level(self.from))
    }
}

fn with_spread(change: &MetricChange) -> String {
    let spread = match change.spreads {
        STILL.. => "where it had been constant".to_owned(),
        spreads => format!("{} times its usual spread", short(spreads)),
    };
    format!("{}, {spread}", change.in_words())
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
