//! How each metric changed: its level and spread before, by how much it is off since, and from when.

mod divide;
mod series;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Input, Kind, Measured, MetricChange};
use crate::metric::Unit;
use series::{Direction, Prepared, median, spread};

/// At this many standard errors a change is as likely real as not.
const HALF_SURE: f64 = 4.0;

/// A percentile is taken as this much less significant than a mean: it is noisier, and not normally distributed.
const PERCENTILE: f64 = 0.7;

/// How many samples what is usual for metrics of a name counts as, against a metric's own.
const PRIOR_SAMPLES: f64 = 4.0;

/// The usual spread of metrics of a name, as a share of their level, where nothing tells; and its limits.
const PRIOR_SPREAD: f64 = 0.15;
const PRIOR_SPREAD_LIMITS: (f64, f64) = (0.03, 1.0);

/// How many of the normal samples the usual spread of a name is estimated from, at each node.
const PRIOR_WINDOW: usize = 48;

/// The least spread of a metric, as a share of its level; of a share of failures, in percentage points. Less is
/// measured only where a metric hardly ever moves, and then any movement would be a sensation.
const LEAST_SPREAD: f64 = 0.05;
const LEAST_FAILURE_SPREAD: f64 = 0.5;

/// Of a metric that moved this far from its normal level before the incident the normal spread says as much less.
const DRIFT: f64 = 0.5;

/// From how many times its usual spread a single sample is out of the normal range.
const OUT_OF_RANGE: f64 = 3.0;

/// What of a node's state a metric shows. Only within a class are nodes compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Time of requests.
    Time,
    /// Failed requests.
    Failure,
    /// Everything else.
    Other,
}

impl Class {
    /// All, in the order in which they are preferred.
    pub(super) const ALL: [Self; 3] = [Self::Failure, Self::Time, Self::Other];

    /// The class of a kind; load has none, it is no symptom.
    pub(super) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Latency | Kind::LatencyPercentile => Some(Self::Time),
            Kind::Availability | Kind::ErrorRate => Some(Self::Failure),
            Kind::HigherIsWorse | Kind::LowerIsWorse | Kind::ChangeIsWorse => Some(Self::Other),
            Kind::Requests => None,
        }
    }

    /// What there is more of, in words.
    pub(super) fn excess(self) -> &'static str {
        match self {
            Self::Time => "extra time",
            Self::Failure => "extra failures",
            Self::Other => "change",
        }
    }
}

/// Every node's changes.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    /// The nodes' names, ascending.
    pub(super) names: Vec<&'a str>,
    /// In the order of the names.
    pub(super) nodes: Vec<NodeChanges<'a>>,
    /// How many metrics could be compared.
    pub(super) compared: usize,
}

/// A node's changes.
#[derive(Debug, Default)]
pub(super) struct NodeChanges<'a> {
    changes: Vec<Change<'a>>,
    /// Requests in a period since the onset.
    volume: Option<f64>,
    /// More requests than before, if it is known.
    pub(super) load: Option<Load>,
}

/// A metric's change; upwards is worse, whatever the metric.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    metric: &'a str,
    unit: Option<Unit>,
    kind: Kind,
    direction: Direction,
    level: f64,
    /// How far the worse half of the samples since is above the level.
    rise: f64,
    spread: f64,
    /// The rise in standard errors.
    significance: f64,
    onset: Option<Timestamp>,
}

/// How a node is off in one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symptom {
    /// 0 to 1.
    pub(super) sure: f64,
    /// Extra time, or extra failures, of all requests in a period, if their number is known; else the rise.
    pub(super) excess: f64,
    /// Whether the number of requests is known.
    pub(super) counted: bool,
    /// 0 to 1: of time, which share is new; of failures, which share of the requests newly fails.
    pub(super) concentration: f64,
}

/// How much more a node is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// 0 to 1.
    pub(super) sure: f64,
    /// 0 to 1: which share of the requests is new.
    pub(super) share: f64,
    /// How many times the requests before.
    pub(super) times: f64,
}

/// How sure a change of that many standard errors is, 0 to 1.
fn sure(significance: f64) -> f64 {
    let square = significance.max(0.0).powi(2);
    square / (square + HALF_SURE.powi(2))
}

impl<'a> Changes<'a> {
    /// Compares every metric with what is normal.
    pub(super) fn of(input: &'a Input) -> Self {
        let mut nodes: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
        for node in &input.nodes {
            nodes.entry(&node.name).or_default().extend(&node.metrics);
        }
        let names: Vec<&str> = nodes.keys().copied().collect();
        let series: Vec<Vec<Prepared<'a>>> =
            nodes.into_values().map(|metrics| metrics.into_iter().map(Prepared::new).collect()).collect();
        let target = input.target.as_ref().and_then(|target| names.binary_search(&target.node.as_str()).ok());
        let cut = divide::best(&series, target, input.noticed_at).or(input.noticed_at);
        let changes = Self::at(names, &series, cut);
        // Something is noticed after it begins; what the target shows of the time between is no longer normal.
        let begin = target.and_then(|target| changes.nodes.get(target)).and_then(NodeChanges::onset);
        match (begin, cut) {
            (Some(begin), Some(cut)) if begin < cut => Self::at(changes.names, &series, Some(begin)),
            _ => changes,
        }
    }

    fn at(names: Vec<&'a str>, series: &[Vec<Prepared<'a>>], cut: Option<Timestamp>) -> Self {
        let usual = Usual::of(series, cut);
        let nodes: Vec<NodeChanges<'a>> = series.iter().map(|metrics| NodeChanges::of(metrics, cut, &usual)).collect();
        let compared = nodes.iter().map(|node| node.changes.len()).sum();
        Self { names, nodes, compared }
    }

    /// The node of that name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.names.binary_search(&name).ok()
    }

    /// The node's name.
    pub(super) fn name(&self, node: usize) -> &'a str {
        self.names.get(node).copied().unwrap_or_default()
    }

    /// The node's symptom in a class, if it was measured.
    pub(super) fn symptom(&self, node: usize, class: Class) -> Option<Symptom> {
        self.nodes.get(node).and_then(|node| node.symptom(class))
    }

    /// The largest significance of all symptoms.
    pub(super) fn worst(&self) -> f64 {
        let symptoms =
            self.nodes.iter().flat_map(|node| &node.changes).filter(|change| Class::of(change.kind).is_some());
        symptoms.map(|change| change.significance).fold(0.0, f64::max)
    }

    /// The changes of a node that are likelier real than not, most conspicuous first.
    pub(super) fn conspicuous(&self, node: usize) -> Vec<MetricChange> {
        let mut changes: Vec<&Change<'_>> = self
            .nodes
            .get(node)
            .into_iter()
            .flat_map(|node| &node.changes)
            .filter(|change| change.significance >= HALF_SURE)
            .collect();
        changes.sort_by(|a, b| b.significance.total_cmp(&a.significance).then_with(|| a.metric.cmp(b.metric)));
        changes.into_iter().map(Change::describe).collect()
    }
}

impl<'a> NodeChanges<'a> {
    fn of(metrics: &[Prepared<'a>], cut: Option<Timestamp>, usual: &Usual<'_>) -> Self {
        let volume = volume(metrics, cut);
        let changes: Vec<Change<'a>> =
            metrics.iter().filter_map(|series| Change::of(series, cut, usual, volume)).collect();
        let load = changes.iter().find(|change| change.kind == Kind::Requests).map(|change| {
            let (level, rise) = (change.level.max(0.0), change.rise.max(0.0));
            Load {
                sure: sure(change.significance),
                share: rise / (rise + level + 1.0),
                times: (level + rise) / level.max(1.0),
            }
        });
        Self { changes, volume, load }
    }

    fn symptom(&self, class: Class) -> Option<Symptom> {
        let of_class = || self.changes.iter().filter(|change| Class::of(change.kind) == Some(class));
        let weight = |change: &Change<'_>| if change.kind == Kind::LatencyPercentile { PERCENTILE } else { 1.0 };
        let weighed = |change: &Change<'_>| change.significance * weight(change);
        let conspicuous = of_class().max_by(|a, b| weighed(a).total_cmp(&weighed(b)))?;
        // What adds up is the mean.
        let mean = of_class().find(|change| change.kind == Kind::Latency).unwrap_or(conspicuous);
        let rise = mean.rise.max(0.0);
        let (excess, concentration) = match class {
            Class::Failure => (rise / 100.0, rise / 100.0),
            Class::Time | Class::Other => (rise, if rise > 0.0 { rise / (rise + mean.level.abs()) } else { 0.0 }),
        };
        let volume = if class == Class::Other { None } else { self.volume };
        Some(Symptom {
            sure: sure(weighed(conspicuous)),
            excess: excess * volume.unwrap_or(1.0),
            counted: volume.is_some(),
            concentration: concentration.clamp(0.0, 1.0),
        })
    }

    /// When the first of its symptoms began that are likelier real than not.
    fn onset(&self) -> Option<Timestamp> {
        let real = |change: &&Change<'_>| Class::of(change.kind).is_some() && change.significance >= HALF_SURE;
        self.changes.iter().filter(real).filter_map(|change| change.onset).min()
    }
}

impl<'a> Change<'a> {
    /// `None` where there is nothing to compare, or nothing to compare it with.
    fn of(series: &Prepared<'a>, cut: Option<Timestamp>, usual: &Usual<'_>, volume: Option<f64>) -> Option<Self> {
        let up = Self::towards(series, series.direction(), cut, usual, volume)?;
        if series.kind() != Kind::ChangeIsWorse {
            return Some(up);
        }
        let down = Self::towards(series, Direction::Down, cut, usual, volume)?;
        Some(if down.significance > up.significance { down } else { up })
    }

    fn towards(
        series: &Prepared<'a>,
        direction: Direction,
        cut: Option<Timestamp>,
        usual: &Usual<'_>,
        volume: Option<f64>,
    ) -> Option<Self> {
        let (before, since) = series.divided(cut);
        let normal = &series.normal;
        let before: Vec<f64> = before.iter().map(|(_, value)| direction.turn(*value)).collect();
        if since.is_empty() || (normal.is_empty() && before.is_empty()) {
            return None;
        }
        let normal_level = direction.turn(series.normal_level);
        let reference = if normal.is_empty() { median(&before) } else { normal_level };

        // Spread: the metric's own, shrunk towards what is usual.
        let prior = usual.spread(series.name(), volume) * reference.abs();
        let own = if normal.len() >= 3 {
            Some((series.normal_spread, normal.len()))
        } else {
            let all: Vec<f64> =
                normal.iter().map(|value| direction.turn(*value)).chain(before.iter().copied()).collect();
            (all.len() >= 3).then(|| (spread(&all), all.len()))
        };
        let shrunk = own.map_or(prior, |(own, count)| {
            let degrees = number(count) - 1.0;
            ((PRIOR_SAMPLES * prior.powi(2) + degrees * own.powi(2)) / (PRIOR_SAMPLES + degrees)).sqrt()
        });
        let is_failure = Class::of(series.kind()) == Some(Class::Failure);
        let least = if is_failure { LEAST_FAILURE_SPREAD } else { (LEAST_SPREAD * reference.abs()).max(1e-12) };
        let plain = shrunk.max(least);

        // Level: that of just before, shrunk towards the normal one.
        let (level, level_samples) = if before.is_empty() {
            (reference, number(normal.len()))
        } else if normal.is_empty() {
            (reference, number(before.len()))
        } else {
            let error = plain.powi(2) / number(before.len());
            let recent = median(&before);
            let drift = ((recent - normal_level).powi(2) - error).max(0.0);
            let weight = drift / (drift + error);
            let variance = weight.powi(2) / number(before.len()) + (1.0 - weight).powi(2) / number(normal.len());
            (weight * recent + (1.0 - weight) * normal_level, 1.0 / variance)
        };
        let drifted = plain.hypot(DRIFT * (level - reference));
        let spread = if is_failure { drifted.max(chance_of_failures(level, volume)) } else { drifted };

        let mut off: Vec<f64> = since.iter().map(|(_, value)| direction.turn(*value) - level).collect();
        off.sort_unstable_by(|a, b| b.total_cmp(a));
        let worse = off.get(..off.len().div_ceil(2)).unwrap_or(&off);
        let rise = worse.iter().sum::<f64>() / number(worse.len());
        let standard_error = spread * (1.0 / number(worse.len()) + 1.0 / level_samples.max(1.0)).sqrt();
        let onset = series.onset(cut, |value| direction.turn(value) - level >= OUT_OF_RANGE * spread);
        Some(Self {
            metric: series.name(),
            unit: series.unit(),
            kind: series.kind(),
            direction,
            level,
            rise,
            spread,
            significance: rise / standard_error,
            onset,
        })
    }

    fn describe(&self) -> MetricChange {
        // A share of failures was turned round where it came in as a share of successes.
        let original = |value: f64| match self.kind {
            Kind::Availability => 100.0 - value,
            _ => self.direction.turn(value),
        };
        MetricChange {
            metric: self.metric.to_owned(),
            unit: self.unit,
            from: original(self.level),
            to: original(self.level + self.rise),
            spreads: (self.rise / self.spread).max(0.0),
            onset: self.onset,
        }
    }
}

/// The spread that a share of failures in percent has by chance alone, of that many requests in a period (binomial,
/// with Krichevsky and Trofimov's half a failure added, so that none so far does not mean never).
fn chance_of_failures(level: f64, volume: Option<f64>) -> f64 {
    let Some(volume) = volume else { return 0.0 };
    let requests = volume.max(1.0);
    let share = ((level / 100.0 * requests + 0.5) / (requests + 1.0)).clamp(0.0, 1.0);
    100.0 * (share * (1.0 - share) / requests).sqrt()
}

/// What is usual for metrics of a name.
struct Usual<'a> {
    /// Their spreads as shares of their levels.
    spreads: BTreeMap<&'a str, f64>,
    /// Requests in a period, of the median node.
    volume: f64,
}

impl<'a> Usual<'a> {
    /// The median over all nodes, each from the steps between its samples, so that a slow drift does not count.
    fn of(series: &[Vec<Prepared<'a>>], cut: Option<Timestamp>) -> Self {
        let mut shares: BTreeMap<&'a str, Vec<f64>> = BTreeMap::new();
        for series in series.iter().flatten() {
            let values: Vec<f64> = if series.normal.is_empty() {
                series.divided(cut).0.iter().map(|(_, value)| *value).collect()
            } else {
                series.normal.iter().take(PRIOR_WINDOW).copied().collect()
            };
            let steps: Vec<f64> =
                values.iter().zip(values.iter().skip(1)).map(|(one, next)| (next - one).abs()).collect();
            let level = median(&values).abs();
            if !steps.is_empty() && level > 1e-12 {
                // The median step of a normal distribution is 0.954 of its standard deviation.
                shares.entry(series.name()).or_default().push(median(&steps) / level / 0.954);
            }
        }
        let (least, most) = PRIOR_SPREAD_LIMITS;
        let spreads = shares.into_iter().map(|(name, shares)| (name, median(&shares).clamp(least, most))).collect();
        let volumes: Vec<f64> =
            series.iter().filter_map(|metrics| volume(metrics, cut)).filter(|volume| *volume > 0.0).collect();
        Self { spreads, volume: median(&volumes) }
    }

    /// As a share of a metric's level. The mean of few requests is noisier than that of many.
    fn spread(&self, name: &str, volume: Option<f64>) -> f64 {
        let noise = volume.map_or(1.0, |volume| (self.volume / volume.max(1.0)).sqrt().max(1.0));
        self.spreads.get(name).copied().unwrap_or(PRIOR_SPREAD) * noise
    }
}

/// Requests in a period since the onset, if they are counted.
fn volume(metrics: &[Prepared<'_>], cut: Option<Timestamp>) -> Option<f64> {
    let requests = metrics.iter().find(|series| series.kind() == Kind::Requests)?;
    let (_, since) = requests.divided(cut);
    (!since.is_empty()).then(|| since.iter().map(|(_, value)| value.max(0.0)).sum::<f64>() / number(since.len()))
}

/// A count as a number. Nobody has more samples than this can hold.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
