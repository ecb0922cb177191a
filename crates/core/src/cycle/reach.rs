//! How far back a source can be asked.

use std::collections::BTreeSet;

use crate::catalogue::{Catalogue, Metric, Source};
use crate::formula::Formula;

/// Cost Explorer keeps the days of some 14 months, the current one included; so many are there on any day of a month.
/// Source: <https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html>.
pub const COST_DAYS: u32 = 395;

/// Of costs by service, which are kept as one item of at most 400 KB until the next day: four ends of a month for a hundred services.
pub const COST_DAYS_BY_SERVICE: u32 = 124;

const DAY_SECONDS: u32 = 86_400;

/// Whether a metric is a cost, or made of costs.
pub(super) fn rests_on_costs(catalogue: &Catalogue, metric: &Metric) -> bool {
    match &metric.source {
        Source::Cost { .. } => true,
        Source::Formula { .. } => days(catalogue, metric).is_some(),
        Source::Cloudwatch { .. } | Source::Logs { .. } => false,
    }
}

/// How many periods of a metric can be had; as many as one asks for where nothing limits it.
pub(super) fn periods(catalogue: &Catalogue, metric: &Metric) -> usize {
    days(catalogue, metric).map_or(usize::MAX, |days| {
        usize::try_from(days.saturating_mul(DAY_SECONDS) / metric.period_seconds.max(1)).unwrap_or(usize::MAX)
    })
}

/// How many days of a metric can be had; `None` where nothing limits it.
fn days(catalogue: &Catalogue, metric: &Metric) -> Option<u32> {
    let mut seen = BTreeSet::new();
    let mut open = vec![metric.name.clone()];
    let mut days: Option<u32> = None;
    while let Some(name) = open.pop() {
        let Some(metric) = catalogue.metrics.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
        let limit = match &metric.source {
            Source::Cost { by_service: true } => COST_DAYS_BY_SERVICE,
            Source::Cost { by_service: false } => COST_DAYS,
            Source::Formula { expression } => {
                let formula = Formula::parse(expression);
                open.extend(formula.iter().flat_map(Formula::inputs).map(str::to_owned));
                continue;
            }
            Source::Cloudwatch { .. } | Source::Logs { .. } => continue,
        };
        days = Some(days.map_or(limit, |days| days.min(limit)));
    }
    days
}
