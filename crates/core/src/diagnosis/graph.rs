//! The call graph: who is above whom.

use std::collections::BTreeMap;

use super::Call;

/// Calls between nodes, by index. The first indices are those of the measured nodes; nodes that only calls name follow.
#[derive(Debug, Default)]
pub(super) struct Graph {
    callees: Vec<Vec<usize>>,
    callers: Vec<Vec<usize>>,
}

impl Graph {
    /// The graph over the measured nodes, in their order. Repeated calls and calls of oneself are left out.
    pub(super) fn of(names: &[&str], calls: Option<&[Call]>) -> Self {
        let mut indices: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
        let mut pairs = Vec::new();
        for call in calls.unwrap_or_default() {
            let [caller, callee] = [&call.caller, &call.callee].map(|name| {
                let next = indices.len();
                *indices.entry(name).or_insert(next)
            });
            if caller != callee {
                pairs.push((caller, callee));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut graph = Self { callees: vec![Vec::new(); indices.len()], callers: vec![Vec::new(); indices.len()] };
        for (caller, callee) in pairs {
            if let Some(callees) = graph.callees.get_mut(caller) {
                callees.push(callee);
            }
            if let Some(callers) = graph.callers.get_mut(callee) {
                callers.push(caller);
            }
        }
        graph
    }

    /// Whether anything is known at all.
    pub(super) fn has_calls(&self) -> bool {
        self.callees.iter().any(|callees| !callees.is_empty())
    }

    /// Whether the node calls anything.
    pub(super) fn calls_something(&self, node: usize) -> bool {
        self.callees.get(node).is_some_and(|callees| !callees.is_empty())
    }

    /// The node and all that it calls, directly or not, as one flag a node.
    pub(super) fn below(&self, node: usize) -> Vec<bool> {
        self.walk(node, &self.callees, |_| true).0
    }

    /// The node and all that call it, directly or not, as one flag a node.
    pub(super) fn above(&self, node: usize) -> Vec<bool> {
        self.walk(node, &self.callers, |_| true).0
    }

    /// What the node calls, looking through nodes that are not of interest. Not the node itself.
    pub(super) fn nearest_callees(&self, node: usize, of_interest: impl Fn(usize) -> bool) -> Vec<usize> {
        let (_, met) = self.walk(node, &self.callees, |other| !of_interest(other));
        met.into_iter().filter(|other| of_interest(*other)).collect()
    }

    /// The callers of the node that are passed on to, and their callers that are, and so on. Not the node itself.
    pub(super) fn callers_while(&self, node: usize, passes: impl Fn(usize) -> bool) -> Vec<usize> {
        let (_, met) = self.walk(node, &self.callers, &passes);
        met.into_iter().filter(|other| passes(*other)).collect()
    }

    /// Which nodes are reached, as flags and in order, the start not in the latter. Goes on from a node if `through`.
    fn walk(&self, start: usize, next: &[Vec<usize>], through: impl Fn(usize) -> bool) -> (Vec<bool>, Vec<usize>) {
        let mut seen = vec![false; self.callees.len()];
        let mut met = Vec::new();
        let mut to_do = vec![start];
        if let Some(seen) = seen.get_mut(start) {
            *seen = true;
        }
        while let Some(node) = to_do.pop() {
            for &other in next.get(node).into_iter().flatten() {
                if let Some(seen) = seen.get_mut(other).filter(|seen| !**seen) {
                    *seen = true;
                    met.push(other);
                    if through(other) {
                        to_do.push(other);
                    }
                }
            }
        }
        (seen, met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a>b b>c`
    fn calls(text: &str) -> Vec<Call> {
        let call = |(caller, callee): (&str, &str)| Call { caller: caller.to_owned(), callee: callee.to_owned() };
        text.split_whitespace().map(|pair| call(pair.split_once('>').unwrap())).collect()
    }

    #[test]
    fn cycles_loops_and_repetitions_end() {
        let graph = Graph::of(&["a", "b", "c"], Some(&calls("a>b b>c c>a a>a a>b")));
        assert_eq!(graph.below(0), [true; 3]);
        assert_eq!(graph.above(0), [true; 3]);
        assert_eq!(graph.nearest_callees(0, |_| true), [1]);
        assert_eq!(graph.callers_while(0, |_| true), [2, 1]);
    }

    #[test]
    fn what_is_not_of_interest_is_looked_through() {
        // d is not measured, and not even among the nodes.
        let graph = Graph::of(&["a", "b", "c"], Some(&calls("a>d d>b b>c")));
        assert_eq!(graph.nearest_callees(0, |node| node < 3), [1]);
        assert_eq!(graph.nearest_callees(0, |node| node == 2), [2]);
        assert_eq!(graph.below(1), [false, true, true, false]);
        assert!(graph.calls_something(0) && !graph.calls_something(2));
    }

    #[test]
    fn callers_are_followed_only_where_something_passes() {
        let graph = Graph::of(&["a", "b", "c"], Some(&calls("a>b b>c")));
        assert_eq!(graph.callers_while(2, |node| node != 1), Vec::<usize>::new());
        assert_eq!(graph.callers_while(2, |node| node == 1), [1]);
    }

    #[test]
    fn without_calls_nobody_knows_anybody() {
        let graph = Graph::of(&["a", "b"], None);
        assert_eq!(graph.below(0), [true, false]);
        assert!(graph.nearest_callees(0, |_| true).is_empty());
    }
}
