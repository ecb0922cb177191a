//! Which node's change nothing explains.

use super::change::{Changes, Class, Load, Symptom};
use super::graph::Graph;

/// How much of a node's score is lost when another node explains all of its change. Less than all of it: explained
/// nodes are still ranked.
const EXPLAINED: f64 = 0.95;

/// The excess, as a multiple of the target's, at which a node's score is half of what an unlimited excess would give.
const HALF_EXCESS: f64 = 2.0;

/// The same score for nodes whose requests are not counted.
const UNCOUNTED: f64 = 0.5;

/// How strongly it counts how concentrated a change is: an exponent, since it ranges over orders of magnitude.
const CONCENTRATION: f64 = 0.25;

/// What remains of the score of a node that the target does not reach: edges may be missing.
const UNREACHED: f64 = 0.8;

/// How surely an abnormal node that the target does not reach is called by an abnormal one that it does.
const MISSING_CALL: f64 = 0.5;

/// How much of what load may explain it does explain.
const LOAD: f64 = 0.8;

/// How much symptoms of another class than the target's count, and how surely they explain those of that class where a
/// node has both: a slow callee makes its callers time out.
const OTHER_CLASS: f64 = 0.25;
const ACROSS_CLASSES: f64 = 0.85;

/// From how much load is passed on to those that are called.
const SOME_LOAD: f64 = 0.1;

/// What is asked.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) changes: &'a Changes<'a>,
    pub(super) graph: &'a Graph,
    pub(super) target: Option<usize>,
    /// What of the target's state is looked for.
    pub(super) class: Class,
}

impl<'a> Case<'a> {
    /// Without a class the one in which the target is most surely abnormal, or any node where there is no target.
    pub(super) fn new(changes: &'a Changes<'a>, graph: &'a Graph, target: Option<usize>, class: Option<Class>) -> Self {
        let nodes = target.map_or(0..changes.names.len(), |target| target..target + 1);
        let sure = |class: Class| {
            let symptoms = nodes.clone().filter_map(|node| changes.symptom(node, class));
            symptoms.map(|symptom| symptom.sure).fold(0.0, f64::max)
        };
        let class = class.unwrap_or_else(|| {
            let [first, rest @ ..] = Class::ALL;
            rest.into_iter().fold(first, |best, class| if sure(class) > sure(best) { class } else { best })
        });
        Self { changes, graph, target, class }
    }
}

/// A node with what speaks for it.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    pub(super) node: usize,
    /// At least 0; only the ratio of two of them means something.
    pub(super) score: f64,
    /// How surely the node is abnormal at all, 0 to 1.
    pub(super) abnormal: f64,
    /// The callee that explains most of its change, and which share.
    pub(super) explained: Option<(usize, f64)>,
    /// Its excess as a share of the target's, where both are counted.
    pub(super) share: Option<f64>,
    /// The load that no caller of it passes on, 0 to 1.
    pub(super) own_load: f64,
}

/// All nodes, likeliest cause first.
pub(super) fn rank(case: &Case<'_>) -> Vec<Scored> {
    let loads = Loads::of(case);
    let main = View::of(case, case.class, &loads);
    let others: Vec<View> = Class::ALL
        .into_iter()
        .filter(|class| *class != case.class)
        .map(|class| View::of(case, class, &loads))
        .collect();
    let mut ranked: Vec<Scored> =
        (0..case.changes.names.len()).map(|node| score(node, &main, &others, &loads)).collect();
    // Names are ascending, and the sort is stable.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

fn score(node: usize, main: &View, others: &[View], loads: &Loads) -> Scored {
    let own_load = loads.own(node);
    let unexplained = |by_callee: f64| 1.0 - EXPLAINED * by_callee * (1.0 - LOAD * own_load);
    let here = main.of_node(node);
    let mut explained = here.explained;
    let mut score = 0.0;
    let mut abnormal = here.sure();
    for other in others {
        let there = other.of_node(node);
        let across = there.explained.map(|(by, share)| (by, ACROSS_CLASSES * there.sure() * share));
        if across.map_or(0.0, |(_, share)| share) > explained.map_or(0.0, |(_, share)| share) {
            explained = across;
        }
        score += OTHER_CLASS * there.weight * unexplained(there.explained.map_or(0.0, |(_, share)| share));
        abnormal = abnormal.max(there.sure());
    }
    score += here.weight * unexplained(explained.map_or(0.0, |(_, share)| share));
    Scored { node, score, abnormal, explained, share: here.share, own_load }
}

/// The nodes in one class.
#[derive(Debug)]
struct View {
    nodes: Vec<Seen>,
}

/// A node in one class.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    symptom: Option<Symptom>,
    /// What speaks for it before it is asked what explains it.
    weight: f64,
    explained: Option<(usize, f64)>,
    share: Option<f64>,
}

impl Seen {
    fn sure(&self) -> f64 {
        self.symptom.map_or(0.0, |symptom| symptom.sure)
    }
}

impl View {
    fn of(case: &Case<'_>, class: Class, loads: &Loads) -> Self {
        let count = case.changes.names.len();
        let symptoms: Vec<Option<Symptom>> = (0..count).map(|node| case.changes.symptom(node, class)).collect();
        let symptom = |node: usize| symptoms.get(node).copied().flatten();
        let reached = case.target.map(|target| case.graph.below(target));
        let is_reached = |node: usize| reached.as_ref().is_none_or(|reached| reached.get(node) == Some(&true));
        let whole = excess_to_explain(case.target.and_then(symptom), &symptoms);
        let target_counted = case.target.and_then(symptom).is_none_or(|symptom| symptom.counted);
        let strays = if case.target.is_some() { Stray::all(case, &symptoms, &is_reached) } else { Vec::new() };

        let see = |node: usize| {
            let Some(own) = symptom(node).filter(|own| own.excess > 0.0) else {
                return Seen { symptom: symptom(node), ..Seen::default() };
            };
            let explains = |other: usize| {
                let other = symptom(other)?;
                // Where requests are not counted, each is taken to make one call.
                let comparable = own.counted == other.counted;
                let share = if comparable { (other.excess / own.excess).min(1.0) } else { 1.0 };
                Some(clearly(other.sure) * share)
            };
            let callees = case.graph.nearest_callees(node, |other| symptom(other).is_some()).into_iter();
            let by_callees =
                callees.filter_map(|other| Some((other, explains(other)? * (1.0 - LOAD * loads.passed_on(other)))));
            let by_strays = strays
                .iter()
                .filter(|stray| is_reached(node) && stray.is_apart_from(node))
                .filter_map(|stray| Some((stray.node, MISSING_CALL * explains(stray.node)?)));
            let explained = by_callees.chain(by_strays).filter(|(_, share)| *share > 0.0);
            let explained = explained.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));

            let share = (own.counted && target_counted && whole > 0.0).then(|| own.excess / whole);
            let power = share.map_or(UNCOUNTED, |share| share / (HALF_EXCESS + share));
            let concentration = own.concentration.max(1e-6).powf(CONCENTRATION);
            let connected = if is_reached(node) || !case.graph.has_calls() { 1.0 } else { UNREACHED };
            let weight = own.sure * power * concentration * connected * (1.0 - LOAD * loads.passed_on(node));
            Seen { symptom: Some(own), weight, explained, share }
        };
        Self { nodes: (0..count).map(see).collect() }
    }

    fn of_node(&self, node: usize) -> Seen {
        self.nodes.get(node).copied().unwrap_or_default()
    }
}

/// What is likelier than not made clearer, and what is not likely fainter: what explains another change has to be a
/// change itself.
fn clearly(sure: f64) -> f64 {
    let (is, is_not) = (sure * sure, (1.0 - sure) * (1.0 - sure));
    is / (is + is_not)
}

/// The target's excess, or the largest where the target is not abnormal in this class.
fn excess_to_explain(target: Option<Symptom>, symptoms: &[Option<Symptom>]) -> f64 {
    /// Below this the target's excess is as good as none.
    const HARDLY: f64 = 0.1;
    match target {
        Some(target) if target.excess > 0.0 && target.sure > HARDLY => target.excess,
        _ => symptoms.iter().flatten().map(|symptom| symptom.excess * symptom.sure).fold(0.0, f64::max),
    }
}

/// An abnormal node that the target does not reach, and that nothing it calls explains.
#[derive(Debug)]
struct Stray {
    node: usize,
    below: Vec<bool>,
    above: Vec<bool>,
}

impl Stray {
    fn all(case: &Case<'_>, symptoms: &[Option<Symptom>], is_reached: &dyn Fn(usize) -> bool) -> Vec<Self> {
        if !case.graph.has_calls() {
            return Vec::new();
        }
        let sure = |node: usize| symptoms.get(node).copied().flatten().map_or(0.0, |symptom| symptom.sure);
        let abnormal = |symptom: &Symptom| symptom.sure >= 0.5 && symptom.excess > 0.0 && symptom.counted;
        // Who calls something abnormal needs no other explanation.
        let is_open = |node: usize| {
            let callees = case.graph.nearest_callees(node, |other| symptoms.get(other).is_some_and(Option::is_some));
            callees.into_iter().all(|other| sure(other) < 0.5)
        };
        symptoms
            .iter()
            .enumerate()
            .filter(|(node, symptom)| symptom.as_ref().is_some_and(abnormal) && !is_reached(*node) && is_open(*node))
            .map(|(node, _)| Self { node, below: case.graph.below(node), above: case.graph.above(node) })
            .collect()
    }

    fn is_apart_from(&self, node: usize) -> bool {
        self.below.get(node) != Some(&true) && self.above.get(node) != Some(&true)
    }
}

/// Who is asked to do more, and by whom.
#[derive(Debug)]
struct Loads {
    /// New load of a node, and how much of it its callers pass on.
    nodes: Vec<(f64, f64)>,
}

impl Loads {
    fn of(case: &Case<'_>) -> Self {
        let load = |node: usize| {
            let load: Option<Load> = case.changes.nodes.get(node).and_then(|node| node.load);
            load.map_or(0.0, |load| load.sure * load.share)
        };
        let loads: Vec<f64> = (0..case.changes.names.len()).map(load).collect();
        let of_node = |node: usize| loads.get(node).copied().unwrap_or_default();
        let passed_on = |node: usize| {
            let own = of_node(node);
            if own <= 0.0 {
                return 0.0;
            }
            let callers = case.graph.callers_while(node, |caller| {
                let load = of_node(caller);
                load > SOME_LOAD && load >= 0.5 * own
            });
            callers.into_iter().map(of_node).fold(0.0, f64::max).min(own)
        };
        Self { nodes: (0..loads.len()).map(|node| (of_node(node), passed_on(node))).collect() }
    }

    /// The load that no caller of the node explains, 0 to 1.
    fn own(&self, node: usize) -> f64 {
        self.nodes.get(node).map_or(0.0, |(load, passed_on)| (load - passed_on).max(0.0))
    }

    /// The load that its callers explain, 0 to 1.
    fn passed_on(&self, node: usize) -> f64 {
        self.nodes.get(node).map_or(0.0, |(_, passed_on)| *passed_on)
    }
}
