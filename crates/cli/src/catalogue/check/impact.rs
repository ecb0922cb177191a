//! What an incident costs: only what adds up can be counted.

use super::super::resolve;
use super::{Checker, items};

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    for (index, (pointer, measure)) in items("/impact", &document.impact).into_iter().enumerate() {
        let name = measure.metric.as_str();
        let at = format!("{pointer}/metric");
        if !checker.known(&at, "metrics", name, "`impact` counts") {
            continue;
        }
        let Some(metric) = document.metrics.get(name) else { continue };
        if document.impact.iter().take(index).any(|before| before.metric == name && before.count == measure.count) {
            checker.error(&at, format!("`impact` counts {name} twice in the same way"), "keep one of the two");
        }
        let adds_up = metric
            .cloudwatch
            .as_ref()
            .is_some_and(|cloudwatch| ["Sum", "SampleCount"].contains(&cloudwatch.statistic.as_str()));
        if !adds_up {
            let message = format!("the values of {name} do not add up, so `impact` cannot count them");
            checker.error(&at, message, "name a metric of `cloudwatch` with the statistic Sum or SampleCount");
        } else if resolve::dimensions(document, name).is_empty() {
            let message = format!("nobody knows which series {name} has, so `impact` cannot count them");
            checker.error(&at, message, "name a metric whose `dimensions` are written down, or that has none");
        }
    }
}
