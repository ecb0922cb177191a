//! Costs from Cost Explorer. They change a few times a day and every page costs a cent, so they are asked for once a
//! day and kept.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::types::{DateInterval, Granularity, GroupDefinition, GroupDefinitionType, ResultByTime};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use monitoring_core::catalogue::{COST_DELAY_SECONDS, Source};
use monitoring_core::metric::{Dimensions, Sample, Series};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::failure::{Failure, retrying};
use super::{Pace, Placed};
use crate::outside::{SeriesAnswer, SeriesRequest};
use crate::store::{Store, StoreError};

/// As IAM names it.
const GET_COST_AND_USAGE: &str = "ce:GetCostAndUsage";

/// How long after its end a day is read: most of its costs have arrived then.
fn ready_after() -> SignedDuration {
    SignedDuration::from_secs(i64::from(COST_DELAY_SECONDS))
}

/// So many days more of every service cost no further request.
const MORE_DAYS: i64 = 31;

/// The metric that is asked for: what was charged on the day, up-front payments not spread.
const METRIC: &str = "UnblendedCost";

/// The dimension of costs by service.
const SERVICE: &str = "Service";

/// Dollars by day, for a range of days.
#[derive(Debug, Serialize, Deserialize)]
struct Costs {
    /// The first day.
    from: Date,
    /// The day after the last.
    to: Date,
    /// By service, or the total under an empty name. A service without costs on a day has no entry.
    days: BTreeMap<String, BTreeMap<Date, f64>>,
}

/// Reads what the requests want. The total is the sum of the services, so that where these are read it is not asked for beside
/// them; but for its far past, which would make the answer by service too long to be kept.
pub(super) async fn series(
    client: &Client,
    store: &Store,
    pace: &Pace,
    deadline: Instant,
    requests: &[Placed<'_>],
    now: Timestamp,
) -> Vec<(usize, SeriesAnswer)> {
    let services = requests.iter().filter(|(_, request)| is_by_service(request)).map(|(_, request)| first_day(request));
    let reach = services.min().map(|first| first.saturating_sub(MORE_DAYS.days()));
    let (together, apart): (Vec<_>, Vec<_>) =
        requests.iter().copied().partition(|(_, request)| reach.is_some_and(|reach| first_day(request) >= reach));
    let (together, apart) = tokio::join!(
        answers(client, store, pace, deadline, together, true, now),
        answers(client, store, pace, deadline, apart, false, now),
    );
    together.into_iter().chain(apart).collect()
}

async fn answers(
    client: &Client,
    store: &Store,
    pace: &Pace,
    deadline: Instant,
    requests: Vec<Placed<'_>>,
    by_service: bool,
    now: Timestamp,
) -> Vec<(usize, SeriesAnswer)> {
    if requests.is_empty() {
        return Vec::new();
    }
    // Every day before this one has ended long enough ago.
    let ready = date(now - ready_after());
    let from = requests.iter().map(|(_, request)| first_day(request)).min().unwrap_or(ready);
    let to = requests.iter().map(|(_, request)| date(request.end)).max().unwrap_or(ready).min(ready);
    let costs = match costs(client, store, pace, deadline, Costs::of(from, to), by_service, now).await {
        Ok(costs) => costs,
        Err(reason) => return requests.into_iter().map(|(place, _)| (place, Err(reason.clone()))).collect(),
    };
    requests
        .into_iter()
        .map(|(place, request)| {
            let series = if is_by_service(request) { costs.services(request) } else { vec![costs.total(request)] };
            (place, Ok(series))
        })
        .collect()
}

fn is_by_service(request: &SeriesRequest) -> bool {
    matches!(request.source, Source::Cost { by_service: true })
}

/// The costs of the days that are wanted, and perhaps of more.
async fn costs(
    client: &Client,
    store: &Store,
    pace: &Pace,
    deadline: Instant,
    mut wanted: Costs,
    by_service: bool,
    now: Timestamp,
) -> Result<Costs, String> {
    if wanted.from >= wanted.to {
        return Ok(wanted);
    }
    let name = if by_service { "cost-by-service" } else { "cost-total" };
    // Without the cache every cycle would pay for the same answer, so there is none.
    let cached =
        store.cached(name, now).await.map_err(|error| format!("the cache of costs cannot be read: {error}"))?;
    if let Some(cached) = cached.and_then(|json| serde_json::from_str::<Costs>(&json).ok()) {
        if cached.from <= wanted.from && cached.to >= wanted.to {
            return Ok(cached);
        }
        // Two that want different days must not push out each other's.
        wanted.from = wanted.from.min(cached.from);
        wanted.to = wanted.to.max(cached.to);
    }
    let costs = fetch(client, pace, deadline, wanted, by_service).await?;
    if let Err(error) = keep(store, name, &costs, now).await {
        tracing::warn!(%error, "the costs are not kept, and will be asked for again");
    }
    Ok(costs)
}

/// Keeps the costs until the next day's are ready.
async fn keep(store: &Store, name: &str, costs: &Costs, now: Timestamp) -> Result<(), StoreError> {
    let expires_at = start_of(date(now - ready_after()).saturating_add(1.day())) + ready_after();
    let json = serde_json::to_string(costs).unwrap_or_default();
    store.cache(name, &json, expires_at).await
}

async fn fetch(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    mut costs: Costs,
    by_service: bool,
) -> Result<Costs, String> {
    let interval = DateInterval::builder()
        .start(costs.from.to_string())
        .end(costs.to.to_string())
        .build()
        .map_err(|_| "the range of days is not complete".to_owned())?;
    let group = GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key("SERVICE").build();
    let request = client
        .get_cost_and_usage()
        .time_period(interval)
        .granularity(Granularity::Daily)
        .metrics(METRIC)
        .set_group_by(by_service.then(|| vec![group]));
    let mut token = None;
    loop {
        let output = retrying(pace, deadline, || request.clone().set_next_page_token(token.clone()).send())
            .await
            .map_err(|failure| reason(&failure))?;
        for result in output.results_by_time() {
            costs.take(result)?;
        }
        token = output.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(costs);
        }
    }
}

fn reason(failure: &Failure) -> String {
    match failure.code() {
        "DataUnavailableException" => {
            "Cost Explorer has no data; enable it in the Billing console, and wait for a day".to_owned()
        }
        _ => failure.sentence(GET_COST_AND_USAGE),
    }
}

impl Costs {
    fn of(from: Date, to: Date) -> Self {
        Self { from, to, days: BTreeMap::new() }
    }

    fn take(&mut self, result: &ResultByTime) -> Result<(), String> {
        let unreadable = || format!("{GET_COST_AND_USAGE} gave a cost that cannot be read");
        let day: Date = result.time_period().and_then(|day| day.start().parse().ok()).ok_or_else(unreadable)?;
        let groups = result.groups().iter().map(|group| (group.keys().first(), group.metrics()));
        let total = result.total().map(|total| (None, Some(total)));
        for (service, metrics) in groups.chain(total) {
            // The total is an empty map in an answer by service.
            let Some(metric) = metrics.and_then(|metrics| metrics.get(METRIC)) else {
                continue;
            };
            let dollars: f64 = metric.amount().and_then(|amount| amount.parse().ok()).ok_or_else(unreadable)?;
            self.days.entry(service.cloned().unwrap_or_default()).or_default().insert(day, dollars);
        }
        Ok(())
    }

    /// What was asked for as the total, or the sum of the services.
    fn total(&self, request: &SeriesRequest) -> Series {
        let mut days: BTreeMap<Date, f64> = BTreeMap::new();
        for (day, dollars) in self.days.values().flatten() {
            *days.entry(*day).or_default() += dollars;
        }
        Series::new(request.dimensions.clone(), samples(days.iter(), request))
    }

    /// Those of the services that the request's dimensions do not leave out.
    fn services(&self, request: &SeriesRequest) -> Vec<Series> {
        let wanted = request.dimensions.get(SERVICE);
        self.days
            .iter()
            .filter(|(service, _)| wanted.is_none_or(|wanted| wanted == *service))
            .map(|(service, days)| {
                let mut dimensions: Dimensions = request.dimensions.clone();
                dimensions.insert(SERVICE.to_owned(), service.clone());
                Series::new(dimensions, samples(days.iter(), request))
            })
            .collect()
    }
}

/// The days that lie wholly between the request's start and end.
fn samples<'a>(days: impl Iterator<Item = (&'a Date, &'a f64)>, request: &SeriesRequest) -> Vec<Sample> {
    let (from, to) = (first_day(request), date(request.end));
    days.filter(|(day, _)| (from..to).contains(*day))
        .map(|(day, dollars)| Sample { at: start_of(*day), value: *dollars })
        .collect()
}

/// The first day that begins at the request's start or later.
fn first_day(request: &SeriesRequest) -> Date {
    let day = date(request.start);
    if start_of(day) == request.start { day } else { day.saturating_add(1.day()) }
}

/// The day in UTC, by which Cost Explorer counts.
fn date(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

fn start_of(day: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}
