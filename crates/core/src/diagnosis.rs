//! Diagnosis: which of many services an incident comes from, how sure that is, and what it rests on.
//!
//! What is known of cause and effect in calls decides:
//! - Time and failures travel up: who calls something slow is slow. A node whose excess is found in one of the nodes
//!   that it calls is explained by it; the cause is what nothing explains.
//! - They add up: a node's excess time is its extra time a request times its requests, its excess failures likewise.
//!   What cannot account for the excess of the node that raised the alarm is not its cause, however odd it looks.
//! - They thin out on the way up: of two nodes with the same excess, the one that changed more is nearer to the cause.
//! - Load travels down: what is slow because its callers send more is explained by the caller that nobody sends more.
//! - One cause is likelier than two: a node several of whose callees are each a little slow is a better answer than
//!   each of them. The same holds for a call that the graph lacks: an abnormal node that the alarm's node does not
//!   reach is rather called by an abnormal node that it does reach than abnormal on its own.
//!
//! Without a graph only the second and third are left. [`diagnose`] then still answers, less surely, and says so.
//!
//! A metric is compared with its level just before the incident and with its spread over the normal period. Of a few
//! samples neither is well known, so both are shrunk: the level towards that of the normal period (James and Stein
//! 1961), the spread towards what is usual for metrics of that name (an inverse-gamma prior).

mod cause;
mod change;
mod graph;
mod wording;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::metric::{Sample, Unit};
use cause::{Case, Scored};
use change::{Changes, Class};
use graph::Graph;

/// The most causes in an answer: nobody reads further, and an incident is a bounded item.
pub const MAX_CAUSES: usize = 10;

/// How much less sure an answer is that rests on no call graph.
const WITHOUT_GRAPH: f64 = 0.7;

/// How many standard errors the most conspicuous metric has to be off before anything counts as abnormal. Among many
/// metrics one is that far off by chance, so it grows with their number: see [`stands_out`].
const ABNORMAL: f64 = 3.0;

/// How surely the likeliest cause has to be abnormal; and with a target how surely that is, times how surely the cause
/// is: the target shows only what is left of its cause's change. Both from no-issue data, see docs/quality.md.
const SURE_CAUSE: f64 = 0.5;
const SURE_TARGET_AND_CAUSE: f64 = 0.04;

/// What is known at the time of an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// What was measured, by the service or resource that it was measured at. Nodes of one name are one node.
    pub nodes: Vec<Node>,
    /// Who calls whom, as far as known; `None` where nothing is known. A node that is not among `nodes` connects its
    /// callers with its callees. A node's call of itself says nothing.
    #[serde(default)]
    pub calls: Option<Vec<Call>>,
    /// Where the incident showed.
    #[serde(default)]
    pub target: Option<Target>,
    /// When the incident was noticed. What is known to be normal ends there at the latest. Without it the best dividing
    /// line in the series is looked for.
    #[serde(default)]
    pub noticed_at: Option<Timestamp>,
}

/// A service or resource with its metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name, as in [`Call`].
    pub name: String,
    /// At most one of each name.
    pub metrics: Vec<Measured>,
}

/// A metric of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its name, the same at every node: `latency p99`.
    pub name: String,
    /// What it means.
    pub kind: Kind,
    /// Unit of its samples, for the sentences; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// A period without incident, however long ago; may be empty. In any order; what is not finite is ignored.
    #[serde(default)]
    pub normal: Vec<Sample>,
    /// From some time before the incident until now. In any order; what is not finite is ignored.
    pub around: Vec<Sample>,
}

/// What a metric means, which is how it is linked between a caller and what it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Mean time of a request, in any unit, the same at every node.
    Latency,
    /// A percentile of the time of a request. It shows a change, but does not add up.
    LatencyPercentile,
    /// Share of the requests that succeed, 0 to 100.
    Availability,
    /// Share of the requests that fail, 0 to 100.
    ErrorRate,
    /// Number of requests in a period.
    Requests,
    /// Anything else that is bad when it rises: a queue's length, a processor's load.
    HigherIsWorse,
    /// Anything else that is bad when it falls.
    LowerIsWorse,
    /// Anything else that is bad when it changes.
    ChangeIsWorse,
}

/// One node calls another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Call {
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub callee: String,
}

/// Where an incident showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The node that raised the alarm.
    pub node: String,
    /// What was wrong with it; without it, what changed most at the node.
    #[serde(default)]
    pub kind: Option<Kind>,
}

/// What the series and the graph say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The answer.
    pub finding: Finding,
    /// Whether it rests on a call graph. Without one it is less sure.
    pub graph_known: bool,
    /// How many metrics had samples to compare.
    pub compared: usize,
    /// When the first of the causes' metrics left its normal range: the start of the sample's period.
    pub since: Option<Timestamp>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The causes, likeliest first; at least one and at most [`MAX_CAUSES`].
    Causes(Vec<Cause>),
    /// Every metric is as usual.
    NothingAbnormal,
    /// No metric has both a sample of the incident and one to compare it with.
    NothingToCompare,
}

/// A node that may be the cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Its name.
    pub node: String,
    /// How sure, 0 to 1. Those of all causes add up to 1 at most.
    pub certainty: f64,
    /// What changed there, most conspicuous first.
    pub changes: Vec<MetricChange>,
    /// Why it is ranked where it is, one sentence each, for a person.
    pub evidence: Vec<String>,
    /// The part of `evidence` that is about its place among the others, not its own metrics.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// How a metric of a node changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// The metric's name.
    pub metric: String,
    /// Its unit, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Its level before, in its unit.
    pub from: f64,
    /// Its level since: the mean of the worse half of the samples, in its unit.
    pub to: f64,
    /// How many times its usual spread lies between, at least 0.
    pub spreads: f64,
    /// When it left its normal range: the start of the sample's period. `None` where no single sample is out of it.
    pub onset: Option<Timestamp>,
}

impl Diagnosis {
    /// The causes, likeliest first; empty when nothing was found.
    pub fn causes(&self) -> &[Cause] {
        match &self.finding {
            Finding::Causes(causes) => causes,
            Finding::NothingAbnormal | Finding::NothingToCompare => &[],
        }
    }
}

/// Ranks the causes of an incident.
///
/// Total and deterministic: what cannot be used is left out, and nodes that nothing tells apart are ordered by name.
/// Work grows with the samples, with nodes times calls, and not otherwise.
pub fn diagnose(input: &Input) -> Diagnosis {
    let changes = Changes::of(input);
    let graph_known = input.calls.as_ref().is_some_and(|calls| calls.iter().any(|call| call.caller != call.callee));
    let diagnosis = |finding, since| Diagnosis { finding, graph_known, compared: changes.compared, since };
    if changes.compared == 0 {
        return diagnosis(Finding::NothingToCompare, None);
    }
    let graph = Graph::of(&changes.names, if graph_known { input.calls.as_deref() } else { None });
    let target = input.target.as_ref().and_then(|target| changes.index(&target.node));
    let class = input.target.as_ref().and_then(|target| target.kind).and_then(Class::of);
    let case = Case::new(&changes, &graph, target, class);
    let ranked = cause::rank(&case);
    let causes = certain(&case, &ranked, graph_known);
    if causes.is_empty() || is_quiet(&case, &ranked) {
        return diagnosis(Finding::NothingAbnormal, None);
    }
    let since = causes.iter().flat_map(|cause| &cause.changes).filter_map(|change| change.onset).min();
    diagnosis(Finding::Causes(causes), since)
}

/// Whether everything is as usual: nothing stands out, or what does is not felt where the alarm was raised.
fn is_quiet(case: &Case<'_>, ranked: &[Scored]) -> bool {
    let cause = ranked.first().map_or(0.0, |scored| scored.abnormal);
    // A target whose alarming metric was not handed in cannot show that it is well.
    let target = case.target.filter(|target| case.changes.symptom(*target, case.class).is_some()).map(|target| {
        let symptoms = Class::ALL.into_iter().filter_map(|class| case.changes.symptom(target, class));
        symptoms.map(|symptom| symptom.sure).reduce(f64::max)
    });
    let felt = match target.flatten() {
        Some(target) => target * cause >= SURE_TARGET_AND_CAUSE,
        None => cause >= SURE_CAUSE,
    };
    !felt || !stands_out(case.changes)
}

/// Whether a metric is further off than chance makes one of that many.
fn stands_out(changes: &Changes<'_>) -> bool {
    // The largest of n independent normal values is about sqrt(2 ln n).
    let count = f64::from(u32::try_from(changes.compared).unwrap_or(u32::MAX));
    let chance = (2.0 * count.ln()).max(0.0).sqrt();
    changes.worst() >= ABNORMAL + chance
}

/// The best of the ranked nodes with how sure each is: its share of all scores, squared so that a clear winner is
/// clear, times how surely it is abnormal at all.
fn certain(case: &Case<'_>, ranked: &[Scored], graph_known: bool) -> Vec<Cause> {
    let total: f64 = ranked.iter().map(|scored| scored.score * scored.score).sum();
    let known = if graph_known { 1.0 } else { WITHOUT_GRAPH };
    ranked
        .iter()
        .take(MAX_CAUSES)
        .filter(|scored| scored.score > 0.0)
        .map(|scored| {
            let share = if total > 0.0 { scored.score * scored.score / total } else { 0.0 };
            Cause {
                node: case.changes.name(scored.node).to_owned(),
                // Four digits, rounded down: more say nothing, and the sum stays 1 at most.
                certainty: ((share * scored.abnormal * known * 1e4).floor() / 1e4).clamp(0.0, 1.0),
                changes: case.changes.conspicuous(scored.node),
                evidence: wording::evidence(case, scored),
                reasons: wording::reasons(case, scored),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
