//! Where the past comes from: files, the simulated application, or `CloudWatch`, of which a copy is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use monitoring_aws::collect::{Aws, Pace};
use monitoring_aws::outside::{Outside, SeriesRequest};
use monitoring_core::alert::fnv1a;
use monitoring_core::backtest::{History, Span};
use monitoring_core::catalogue::{Catalogue, Condition, Metric, Rule, Source};
use monitoring_core::cycle::{COST_DAYS, Watches, length, needs};
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};
use serde::{Deserialize, Serialize};

use crate::local::simulate::Simulation;

/// How long reading all of the past may take.
const DEADLINE: std::time::Duration = std::time::Duration::from_mins(10);

/// How far back `CloudWatch` has data of a period of at least so many seconds: 15, 63 and 455 days.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>.
const RETENTION: [(u32, i64); 3] = [(3_600, 455), (300, 63), (60, 15)];

/// What one metric costs, each time `GetMetricData` is asked for it, in dollars.
/// Source: <https://aws.amazon.com/cloudwatch/pricing/>, us-east-1.
const DOLLARS_A_METRIC: f64 = 0.01 / 1000.0;

/// The most datapoints of one page of `GetMetricData`; every page is billed.
const DATAPOINTS_A_PAGE: i64 = 100_800;

/// The simulated application's past.
pub(super) fn simulated(catalogue: &Catalogue, simulation: Simulation, rules: &[&Rule], span: Span) -> History {
    let mut history = History::default();
    for request in requests(catalogue, rules, span, &|_| span.from) {
        if let Ok(series) = simulation.series(&request) {
            for series in series {
                history.insert(&request.metric, series);
            }
        }
    }
    history
}

/// What has to be read for the rules, each metric from its own beginning on.
fn requests(
    catalogue: &Catalogue,
    rules: &[&Rule],
    span: Span,
    from: &dyn Fn(&Metric) -> Timestamp,
) -> Vec<SeriesRequest> {
    let rests_on = |rule: &Rule| length(catalogue, rule, &Watches::new(), span.to);
    let wanted = needs(catalogue, rules, &rests_on, span.to);
    // What detectors learn from, and what trends and weeks look back on, lies before the span. Formulas alone do not.
    let looks_back = |rule: &&Rule| {
        matches!(rule.condition, Condition::Anomaly { .. } | Condition::Trend { .. } | Condition::SameHour { .. })
    };
    let looking_back: Vec<&Rule> = rules.iter().copied().filter(looks_back).collect();
    let before: BTreeMap<(String, Dimensions), usize> = needs(catalogue, &looking_back, &rests_on, span.to)
        .into_iter()
        .map(|need| ((need.metric.name.clone(), need.dimensions), need.count))
        .collect();
    let mut requests: Vec<SeriesRequest> = wanted.iter().map(SeriesRequest::of).collect();
    for (request, need) in requests.iter_mut().zip(&wanted) {
        let period = i64::from(need.metric.period_seconds.max(1));
        let aligned = |at: Timestamp| Timestamp::from_second(at.as_second().div_euclid(period) * period).unwrap_or(at);
        let periods = before.get(&(need.metric.name.clone(), need.dimensions.clone())).copied().unwrap_or_default();
        let before = SignedDuration::from_secs(i64::try_from(periods).unwrap_or_default().saturating_mul(period));
        request.start = aligned(from(need.metric).saturating_sub(before).unwrap_or(Timestamp::MIN));
        if matches!(need.metric.source, Source::Cost { .. }) {
            let kept = SignedDuration::from_hours(24 * i64::from(COST_DAYS));
            request.start = request.start.max(aligned(span.to.saturating_sub(kept).unwrap_or(Timestamp::MIN)));
        }
        request.end = aligned(span.to);
    }
    requests.retain(|request| request.start < request.end);
    requests
}

/// A series as it is kept.
#[derive(Deserialize, Serialize)]
struct Kept {
    /// From here to `end` it was read.
    start: Timestamp,
    end: Timestamp,
    /// By dimensions: one, but for costs by service.
    series: Vec<Series>,
}

/// What reading `CloudWatch` takes.
pub(super) struct Plan {
    requests: Vec<SeriesRequest>,
    folder: PathBuf,
    account: String,
    /// Metrics of which `CloudWatch` has less than was asked for.
    pub(super) shortened: Vec<String>,
}

/// A part of a series that is not kept yet.
struct Missing {
    /// Its place among the plan's requests.
    place: usize,
    request: SeriesRequest,
}

impl Plan {
    /// What the rules need of a span. What was read is kept in the folder, under a name for the account.
    pub(super) fn new(catalogue: &Catalogue, rules: &[&Rule], span: Span, folder: &Path, account: &str) -> Self {
        let mut shortened = Vec::new();
        let oldest = |metric: &Metric| match metric.source {
            Source::Cloudwatch { .. } => oldest(metric.period_seconds, span.to).max(span.from),
            Source::Logs { .. } | Source::Cost { .. } | Source::Formula { .. } => span.from,
        };
        let requests = requests(catalogue, rules, span, &oldest);
        for request in &requests {
            let days = span.to.duration_since(request.start).as_hours() / 24;
            if request.start.duration_since(span.from).as_hours() >= 24
                && !shortened.iter().any(|(name, _)| *name == request.metric)
            {
                shortened.push((request.metric.clone(), days));
            }
        }
        let shortened = shortened.into_iter().map(|(name, days)| format!("{name} ({days} days)")).collect();
        Self { requests, folder: folder.to_owned(), account: account.to_owned(), shortened }
    }

    /// How many metrics `GetMetricData` is asked for, which is what AWS bills, and what that costs in dollars.
    pub(super) fn billed(&self) -> (i64, f64) {
        let missing = self.missing();
        let measured = missing.iter().filter(|part| matches!(part.request.source, Source::Cloudwatch { .. }));
        let pages = |request: &SeriesRequest| {
            let periods =
                request.end.duration_since(request.start).as_secs() / i64::from(request.period_seconds.max(1));
            1 + periods / DATAPOINTS_A_PAGE
        };
        let metrics: i64 = measured.map(|part| pages(&part.request)).sum();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 metrics")]
        let dollars = metrics as f64 * DOLLARS_A_METRIC;
        (metrics, dollars)
    }

    /// Reads what is missing, keeps it, and gives all of it. What cannot be read is told, and missing.
    pub(super) async fn read(&self, aws: Aws, now: Timestamp) -> anyhow::Result<(History, Vec<String>)> {
        let aws = aws.with_pace(Pace { deadline: DEADLINE, ..Pace::default() });
        let missing = self.missing();
        let asked: Vec<SeriesRequest> = missing.iter().map(|part| part.request.clone()).collect();
        let answers = if asked.is_empty() { Vec::new() } else { aws.series(&asked, now).await };
        let mut failures = Vec::new();
        let mut fresh: BTreeMap<usize, Vec<Kept>> = BTreeMap::new();
        for (part, answer) in missing.iter().zip(answers) {
            let SeriesRequest { metric, start, end, .. } = &part.request;
            match answer {
                Ok(series) => fresh.entry(part.place).or_default().push(Kept { start: *start, end: *end, series }),
                Err(reason) => failures.push(format!("{metric}: {reason}")),
            }
        }
        let mut history = History::default();
        for (place, request) in self.requests.iter().enumerate() {
            let mut kept = self.kept(request);
            for part in fresh.remove(&place).unwrap_or_default() {
                kept = Some(kept.map_or_else(|| Kept { ..clone(&part) }, |known| joined(known, &part)));
            }
            let Some(kept) = kept else { continue };
            self.keep(request, &kept)?;
            for series in kept.series {
                let within = |sample: &Sample| (request.start..request.end).contains(&sample.at);
                let samples = series.samples.into_iter().filter(within).collect();
                history.insert(&request.metric, Series { dimensions: series.dimensions, samples });
            }
        }
        failures.dedup();
        Ok((history, failures))
    }

    /// What was not read before.
    fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        for (place, request) in self.requests.iter().enumerate() {
            let part = |start: Timestamp, end: Timestamp| Missing {
                place,
                request: SeriesRequest { start, end, ..request.clone() },
            };
            match self.kept(request) {
                None => missing.push(part(request.start, request.end)),
                Some(kept) => {
                    // Both parts touch what is kept, so that nothing is missing between.
                    missing.extend((request.start < kept.start).then(|| part(request.start, kept.start)));
                    missing.extend((request.end > kept.end).then(|| part(kept.end, request.end)));
                }
            }
        }
        missing
    }

    fn file(&self, request: &SeriesRequest) -> PathBuf {
        let source = format!("{:?}", request.source);
        let key =
            [&self.account, &source, &format_dimensions(&request.dimensions), &request.period_seconds.to_string()];
        let hash = fnv1a(&key.map(String::as_str));
        self.folder.join(format!("{}-{hash:016x}.json", request.metric))
    }

    /// What was read before; nothing, where it cannot be read.
    fn kept(&self, request: &SeriesRequest) -> Option<Kept> {
        serde_json::from_slice(&std::fs::read(self.file(request)).ok()?).ok()
    }

    fn keep(&self, request: &SeriesRequest, kept: &Kept) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let file = self.file(request);
        let fresh = file.with_extension("new");
        let written = std::fs::write(&fresh, serde_json::to_vec(kept)?).and_then(|()| std::fs::rename(&fresh, &file));
        written.with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The oldest data that `CloudWatch` has of metrics with this period.
fn oldest(period_seconds: u32, now: Timestamp) -> Timestamp {
    let days = RETENTION.iter().find(|(period, _)| period_seconds >= *period).map_or(0, |(_, days)| *days);
    now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
}

fn clone(kept: &Kept) -> Kept {
    Kept { start: kept.start, end: kept.end, series: kept.series.clone() }
}

/// Two parts of the past that touch.
fn joined(known: Kept, part: &Kept) -> Kept {
    let mut by_dimensions: BTreeMap<Dimensions, Vec<Sample>> = BTreeMap::new();
    for series in known.series.into_iter().chain(part.series.iter().cloned()) {
        by_dimensions.entry(series.dimensions).or_default().extend(series.samples);
    }
    let series = by_dimensions.into_iter().map(|(dimensions, samples)| Series::new(dimensions, samples)).collect();
    Kept { start: known.start.min(part.start), end: known.end.max(part.end), series }
}
