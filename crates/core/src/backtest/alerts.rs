//! From series to changes of alerts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Firing, History, Span};
use crate::alert::{Alert, AlertChange, AlertKey, ChangeState, step_because};
use crate::anomaly::Watch;
use crate::catalogue::{Catalogue, Condition, Detection, Metric, Rule, Source};
use crate::composite::Expression;
use crate::cycle::{self, Windows, firing_level};
use crate::formula::Formula;
use crate::metric::{Dimensions, Range, Sample, Series};
use crate::rule;

/// Plays one rule, adds the changes of its alerts, and returns how often it was evaluated.
pub(super) fn play(
    catalogue: &Catalogue,
    rule: &Rule,
    history: &History,
    span: Span,
    changes: &mut Vec<AlertChange>,
) -> u64 {
    let Some(metric) = catalogue.metrics.get(&rule.metric) else { return 0 };
    if rule.condition.composite().is_some() {
        return play_composite(catalogue, rule, metric, history, span, changes);
    }
    let periods = Periods::new(catalogue, metric, span);
    let Some(last) = periods.count.checked_sub(1) else { return 0 };
    let range = cycle::evaluated_length(rule);
    // Enough behind the first period to evaluate it.
    let before = rule::history(&rule.condition, metric.period_seconds).saturating_add(range);
    let length = periods.count.saturating_add(before);
    if let Condition::Anomaly { detection, .. } = &rule.condition {
        return play_anomaly(catalogue, rule, metric, detection, history, span, changes);
    }
    let inputs = inputs(catalogue, rule);
    if !inputs.iter().all(|input| is_by_period(input)) {
        return play_by_cycle(catalogue, rule, metric, &periods, history, changes);
    }
    let count = |_: &Rule| length;
    let needs = cycle::needs(catalogue, &[rule], &count, periods.seen_at(last));
    let answers = needs.iter().map(|need| Ok(history.answer(need)));
    let windows = Windows::new(catalogue, &[rule], &count, &needs, answers);
    let mut evaluations = 0;
    for (dimensions, column) in windows.of_rule(rule, length) {
        let Some(known) = known(history, &inputs, dimensions) else { continue };
        let readings = rule::readings(
            &rule.condition,
            metric,
            periods.start_of(last),
            &column,
            periods.count.saturating_add(range),
        );
        let mut alert = None;
        for index in 0..periods.count {
            if !periods.is_seen(index) || !known.covers(periods.start_of(index)) || !is_active(rule, &periods, index) {
                continue;
            }
            let newest = index + before + 1;
            let datapoints = column.get(newest - range..newest).unwrap_or_default();
            // As the readings begin one range before the first period, so do those of this one.
            let readings = readings.get(index + 1..index + 1 + range).unwrap_or_default();
            evaluations += 1;
            let firing = firing_level(rule, alert.as_ref());
            let start = periods.start_of(index);
            let (verdict, because) = rule::judge_readings(rule, metric, start, (datapoints, readings), firing);
            let said = (&verdict, because.as_deref());
            let stepped = step_because(rule, metric, dimensions, alert.as_ref(), said, periods.seen_at(index));
            take(stepped.alert, &mut alert, changes);
        }
    }
    evaluations
}

/// Plays the rules that it names, and then their changes.
fn play_composite(
    catalogue: &Catalogue,
    rule: &Rule,
    metric: &Metric,
    history: &History,
    span: Span,
    changes: &mut Vec<AlertChange>,
) -> u64 {
    let names = rule.condition.composite().into_iter().flat_map(Expression::names);
    let mut under = Vec::new();
    let mut evaluations = 0;
    // One that names another composite would be played for ever; the catalogue's check refuses it.
    let named = names.filter_map(|name| catalogue.rules.get(name));
    for named in named.filter(|named| named.condition.composite().is_none()) {
        evaluations += play(catalogue, named, history, span, &mut under);
    }
    under.sort_by_key(|change| change.at);
    let mut firing: BTreeSet<&AlertKey> = BTreeSet::new();
    let mut alert = None;
    for moment in under.chunk_by(|a, b| a.at == b.at) {
        for change in moment {
            match change.state {
                ChangeState::Firing => firing.insert(&change.key),
                ChangeState::Ok => firing.remove(&change.key),
            };
        }
        let fires = |name: &str| firing.iter().any(|key| key.rule() == name);
        let (Some((verdict, because)), Some(change)) = (cycle::judge_composite(rule, &fires), moment.first()) else {
            continue;
        };
        evaluations += 1;
        let said = (&verdict, because.as_deref());
        let stepped = step_because(rule, metric, &Dimensions::new(), alert.as_ref(), said, change.at);
        take(stepped.alert, &mut alert, changes);
    }
    evaluations
}

/// Detectors learn from all that was recorded, also from what was before the span.
fn play_anomaly(
    catalogue: &Catalogue,
    rule: &Rule,
    metric: &Metric,
    detection: &Detection,
    history: &History,
    span: Span,
    changes: &mut Vec<AlertChange>,
) -> u64 {
    let recorded = history.span().map_or(span.from, |recorded| recorded.from.min(span.from));
    let periods = Periods::new(catalogue, metric, Span { from: recorded, to: span.to });
    let range = cycle::evaluated_length(rule);
    let inputs = inputs(catalogue, rule);
    let mut evaluations = 0;
    for (dimensions, column) in columns(catalogue, rule, history, &periods) {
        let Some(known) = known(history, &inputs, &dimensions) else { continue };
        let mut watch = Watch::default();
        let mut alert = None;
        for (index, value) in column.iter().enumerate() {
            let start = periods.start_of(index);
            if !known.covers(start) {
                continue;
            }
            watch.observe((start, *value), metric.unit, detection, rule.evaluation.clear_after);
            if start < span.from || !periods.is_seen(index) || !is_active(rule, &periods, index) {
                continue;
            }
            evaluations += 1;
            let datapoints = column.get((index + 1).saturating_sub(range)..=index).unwrap_or_default();
            let (verdict, because) = watch.verdict(rule.evaluation.missing, datapoints);
            let said = (&verdict, because.as_deref());
            let stepped = step_because(rule, metric, &dimensions, alert.as_ref(), said, periods.seen_at(index));
            take(stepped.alert, &mut alert, changes);
        }
    }
    evaluations
}

/// What a rule watches in a span: its metric's series, computed for a formula, without what has too little behind it.
pub fn watched(catalogue: &Catalogue, rule: &Rule, history: &History, span: Span) -> Vec<(Dimensions, Series)> {
    let Some(metric) = catalogue.metrics.get(&rule.metric) else { return Vec::new() };
    let periods = Periods::new(catalogue, metric, span);
    let inputs = inputs(catalogue, rule);
    let columns = columns(catalogue, rule, history, &periods);
    let recorded = columns.into_iter().filter(|(dimensions, _)| known(history, &inputs, dimensions).is_some());
    recorded
        .map(|(dimensions, column)| {
            let samples = column.iter().enumerate();
            let samples =
                samples.filter_map(|(index, value)| Some(Sample { at: periods.start_of(index), value: (*value)? }));
            (dimensions.clone(), Series::new(dimensions.clone(), samples.collect()))
        })
        .collect()
}

/// What the detector of an anomaly rule expected of each period in a span, which it has learnt from all that was recorded before; nothing
/// for another rule.
pub fn expected(
    catalogue: &Catalogue,
    rule: &Rule,
    history: &History,
    span: Span,
) -> BTreeMap<Dimensions, Vec<(Timestamp, Range)>> {
    let Condition::Anomaly { detection, .. } = &rule.condition else { return BTreeMap::new() };
    let Some(metric) = catalogue.metrics.get(&rule.metric) else { return BTreeMap::new() };
    let recorded = history.span().map_or(span.from, |recorded| recorded.from.min(span.from));
    let periods = Periods::new(catalogue, metric, Span { from: recorded, to: span.to });
    let learn = |(dimensions, column): (Dimensions, Vec<Option<f64>>)| {
        let mut watch = Watch::default();
        let observed = column.iter().enumerate().filter_map(|(index, value)| {
            let at = periods.start_of(index);
            let range = watch.observe((at, *value), metric.unit, detection, rule.evaluation.clear_after)?;
            (at >= span.from).then_some((at, range))
        });
        (dimensions, observed.collect())
    };
    columns(catalogue, rule, history, &periods).into_iter().map(learn).collect()
}

/// The whole columns of a rule's metric, a datapoint for each period.
fn columns(
    catalogue: &Catalogue,
    rule: &Rule,
    history: &History,
    periods: &Periods,
) -> Vec<(Dimensions, Vec<Option<f64>>)> {
    let Some(last) = periods.count.checked_sub(1) else { return Vec::new() };
    let count = |_: &Rule| periods.count;
    let needs = cycle::needs(catalogue, &[rule], &count, periods.seen_at(last));
    let answers = needs.iter().map(|need| Ok(history.answer(need)));
    let windows = Windows::new(catalogue, &[rule], &count, &needs, answers);
    windows.of_rule(rule, periods.count).map(|(dimensions, column)| (dimensions.clone(), column)).collect()
}

/// Reads the windows of each cycle anew, as production does: for formulas whose value depends on the window.
fn play_by_cycle(
    catalogue: &Catalogue,
    rule: &Rule,
    metric: &Metric,
    periods: &Periods,
    history: &History,
    changes: &mut Vec<AlertChange>,
) -> u64 {
    let inputs = inputs(catalogue, rule);
    let range = cycle::evaluated_length(rule);
    let length = range.saturating_add(rule::history(&rule.condition, metric.period_seconds));
    let count = |_: &Rule| length;
    let mut alerts: BTreeMap<Dimensions, Option<Alert>> = BTreeMap::new();
    let mut evaluations = 0;
    for index in (0..periods.count).filter(|index| periods.is_seen(*index) && is_active(rule, periods, *index)) {
        let now = periods.seen_at(index);
        let needs = cycle::needs(catalogue, &[rule], &count, now);
        let answers = needs.iter().map(|need| Ok(history.answer(need)));
        let windows = Windows::new(catalogue, &[rule], &count, &needs, answers);
        for (dimensions, datapoints) in windows.of_rule(rule, length) {
            if !known(history, &inputs, dimensions).is_some_and(|known| known.covers(periods.start_of(index))) {
                continue;
            }
            let alert = alerts.entry(dimensions.clone()).or_default();
            evaluations += 1;
            let firing = firing_level(rule, alert.as_ref());
            let (verdict, because) = rule::judge(rule, metric, periods.start_of(index), &datapoints, firing);
            let said = (&verdict, because.as_deref());
            take(step_because(rule, metric, dimensions, alert.as_ref(), said, now).alert, alert, changes);
        }
    }
    evaluations
}

/// Keeps an alert's new state, and publishes what it has to publish.
fn take(next: Option<Alert>, alert: &mut Option<Alert>, changes: &mut Vec<AlertChange>) {
    let Some(mut next) = next else { return };
    changes.append(&mut next.unpublished);
    *alert = Some(next);
}

fn is_active(rule: &Rule, periods: &Periods, index: usize) -> bool {
    rule.active_hours.as_ref().is_none_or(|hours| rule::is_active(hours, periods.start_of(index)))
}

/// The periods of a metric in a span, and the cycles that see them.
struct Periods {
    /// End of the first, in seconds.
    first_end: i64,
    period: i64,
    cycle: i64,
    delay: i64,
    count: usize,
}

impl Periods {
    fn new(catalogue: &Catalogue, metric: &Metric, span: Span) -> Self {
        let period = i64::from(metric.period_seconds.max(1));
        let first_start = span.from.as_second().div_euclid(period) * period;
        let count = (span.to.as_second() - first_start).div_euclid(period) + 1;
        let mut periods = Self {
            first_end: first_start + period,
            period,
            cycle: i64::from(catalogue.cycle_seconds.max(1)),
            delay: i64::from(cycle::delay(catalogue, metric)),
            count: usize::try_from(count).unwrap_or_default(),
        };
        // The last one is the newest that its cycle sees.
        while periods.count.checked_sub(1).is_some_and(|last| !periods.is_seen(last)) {
            periods.count -= 1;
        }
        periods
    }

    fn start_of(&self, index: usize) -> Timestamp {
        moment(self.end_of(index) - self.period)
    }

    fn end_of(&self, index: usize) -> i64 {
        self.first_end.saturating_add(i64::try_from(index).unwrap_or(i64::MAX).saturating_mul(self.period))
    }

    /// The first cycle at which the period is complete.
    fn seen_at(&self, index: usize) -> Timestamp {
        moment(self.cycle_after(self.end_of(index)))
    }

    /// Whether it is the newest period at a cycle: where cycles are longer than periods, only some are.
    fn is_seen(&self, index: usize) -> bool {
        let end = self.end_of(index);
        self.cycle_after(end) < self.cycle_after(end + self.period)
    }

    fn cycle_after(&self, end: i64) -> i64 {
        let complete = end.saturating_add(self.delay);
        complete.saturating_add((-complete).rem_euclid(self.cycle))
    }
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The measured metrics that a rule rests on, its volume included, and the formulas between.
fn inputs<'a>(catalogue: &'a Catalogue, rule: &Rule) -> Vec<&'a Metric> {
    let mut open: Vec<&str> = vec![&rule.metric];
    open.extend(rule.min_volume.as_ref().map(|volume| volume.metric.as_str()));
    let mut names: Vec<String> = open.into_iter().map(str::to_owned).collect();
    let mut found: Vec<&Metric> = Vec::new();
    while let Some(name) = names.pop() {
        let Some(metric) = catalogue.metrics.get(&name) else { continue };
        if found.iter().any(|known| known.name == metric.name) {
            continue;
        }
        if let Source::Formula { expression } = &metric.source
            && let Ok(formula) = Formula::parse(expression)
        {
            names.extend(formula.inputs().map(str::to_owned));
        }
        found.push(metric);
    }
    found
}

fn is_by_period(metric: &Metric) -> bool {
    match &metric.source {
        Source::Formula { expression } => Formula::parse(expression).is_ok_and(|formula| formula.is_by_period()),
        Source::Cloudwatch { .. } | Source::Logs { .. } | Source::Cost { .. } => true,
    }
}

/// From the first to the last sample of what a rule rests on.
struct Known {
    first: Timestamp,
    last: Timestamp,
}

impl Known {
    fn covers(&self, period_start: Timestamp) -> bool {
        (self.first..=self.last).contains(&period_start)
    }
}

fn known(history: &History, inputs: &[&Metric], dimensions: &Dimensions) -> Option<Known> {
    let mut known: Option<Known> = None;
    for metric in inputs.iter().filter(|metric| !matches!(metric.source, Source::Formula { .. })) {
        let series =
            history.series(&metric.name, dimensions).or_else(|| history.series(&metric.name, &Dimensions::new()));
        let Some((first, last)) = series.and_then(|series| series.samples.first().zip(series.samples.last())) else {
            continue;
        };
        // A sample may lie within its period.
        let period = i64::from(metric.period_seconds.max(1));
        let start = |at: Timestamp| Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(at);
        let (first, last) = (start(first.at), start(last.at));
        known = Some(match known {
            // What was recorded of one input only is still known.
            Some(known) => Known { first: known.first.min(first), last: known.last.max(last) },
            None => Known { first, last },
        });
    }
    known
}

/// The times in which alerts fired, by their beginning.
pub(super) fn firings(catalogue: &Catalogue, changes: &[AlertChange]) -> Vec<Firing> {
    let mut open: BTreeMap<&AlertKey, usize> = BTreeMap::new();
    let mut firings: Vec<Firing> = Vec::new();
    for change in changes {
        let known = open.get(&change.key).copied();
        match (change.state, known.and_then(|index| firings.get_mut(index))) {
            (ChangeState::Firing, Some(firing)) => firing.level = firing.level.max(change.level),
            (ChangeState::Firing, None) => {
                open.insert(&change.key, firings.len());
                let rule = change.rule.clone().unwrap_or_default();
                firings.push(Firing {
                    alert: change.key.clone(),
                    metric: catalogue.rules.get(&rule).map(|rule| rule.metric.clone()).unwrap_or_default(),
                    rule,
                    dimensions: change.dimensions.clone(),
                    group: change.group.clone(),
                    level: change.level,
                    from: change.at,
                    until: None,
                    reason: change.reason.clone(),
                });
            }
            (ChangeState::Ok, Some(firing)) => {
                firing.until = Some(change.at);
                open.remove(&change.key);
            }
            (ChangeState::Ok, None) => {}
        }
    }
    firings
}

/// How long something lasted.
pub(super) fn lasted(from: Timestamp, until: Timestamp) -> SignedDuration {
    until.duration_since(from)
}
