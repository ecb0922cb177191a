//! Logs Insights: a query is started, asked for until it is done, and stopped when it takes too long.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use monitoring_core::catalogue::Source;
use monitoring_core::investigation::{ERROR_PATTERNS, Pattern};
use monitoring_core::metric::{Sample, Series};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::failure::{Failure, retrying};
use super::{Pace, Placed};
use crate::outside::{SeriesAnswer, SeriesRequest};

/// Queries in flight. The account's quota of 30 is shared with its people and dashboards.
const PARALLEL_QUERIES: usize = 5;

/// The most rows that a query returns.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html>.
const MAX_ROWS: usize = 10_000;

/// How long stopping a query may take, after the deadline.
const STOP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

type Row = Vec<ResultField>;

/// What is run. Requests for different columns of one query share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Query<'a> {
    log_groups: &'a [String],
    text: &'a str,
    start: Timestamp,
    end: Timestamp,
}

/// Reads what the requests want. A query that is wanted twice is run once.
pub(super) async fn series(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    requests: &[Placed<'_>],
) -> Vec<(usize, SeriesAnswer)> {
    let mut wanted: BTreeMap<Query<'_>, Vec<(usize, &SeriesRequest, &str)>> = BTreeMap::new();
    for (place, request) in requests {
        if let Source::Logs { log_groups, query, value } = &request.source {
            let query = Query { log_groups, text: query, start: request.start, end: request.end };
            wanted.entry(query).or_default().push((*place, request, value));
        }
    }
    let runs: Vec<_> = wanted.keys().map(|query| run(client, pace, deadline, *query)).collect();
    let results: Vec<Result<Vec<Row>, String>> = stream::iter(runs).buffered(PARALLEL_QUERIES).collect().await;
    let answers = wanted.into_values().zip(results).flat_map(|(requests, rows)| {
        requests.into_iter().map(move |(place, request, value)| {
            let answer = rows.as_ref().map_err(Clone::clone).and_then(|rows| read(rows, request, value));
            (place, answer.map(|series| vec![series]))
        })
    });
    answers.collect()
}

/// The patterns of the lines that speak of failures, in any order.
pub(super) async fn patterns(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    log_groups: &[String],
    (start, end): (Timestamp, Timestamp),
) -> Result<Vec<Pattern>, String> {
    let rows = run(client, pace, deadline, Query { log_groups, text: ERROR_PATTERNS, start, end }).await?;
    let pattern = |row: &Row| {
        let count = field(row, "@sampleCount")?.parse::<f64>().ok()?;
        Some(Pattern { text: field(row, "@pattern")?.to_owned(), count: whole(count) })
    };
    Ok(rows.iter().filter_map(pattern).collect())
}

/// A count as Logs Insights writes it, at times with a decimal point.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to what fits exactly")]
fn whole(count: f64) -> u64 {
    count.clamp(0.0, 9e15) as u64
}

async fn run(client: &Client, pace: &Pace, deadline: Instant, query: Query<'_>) -> Result<Vec<Row>, String> {
    if Instant::now() >= deadline {
        return Err("there was no time left to run the query".to_owned());
    }
    let is_arn = query.log_groups.first().is_some_and(|group| group.starts_with("arn:"));
    let groups = (!query.log_groups.is_empty()).then(|| query.log_groups.to_vec());
    let (identifiers, names) = if is_arn { (groups, None) } else { (None, groups) };
    let request = client
        .start_query()
        .set_log_group_identifiers(identifiers)
        .set_log_group_names(names)
        .query_string(query.text)
        .start_time(query.start.as_second())
        // Logs Insights counts the end in; the rows of that second are left out when they are read.
        .end_time(query.end.as_second())
        .limit(i32::try_from(MAX_ROWS).unwrap_or(i32::MAX));
    let started = retrying(pace, deadline, || request.clone().send())
        .await
        .map_err(|failure| failure.sentence("logs:StartQuery"))?;
    let id = started.query_id.ok_or("logs:StartQuery gave the query no id")?;

    let result = rows(client, pace, deadline, &id).await;
    if matches!(result, Err(Unfinished::StillRunning(_))) {
        // Left alone it would run on for up to an hour, at the account's cost and against its quota. If it cannot be
        // stopped there is nothing else to do.
        let _ = timeout(STOP_TIMEOUT, client.stop_query().query_id(id).send()).await;
    }
    result.map_err(|unfinished| match unfinished {
        Unfinished::Ended(reason) | Unfinished::StillRunning(reason) => reason,
    })
}

/// Why a query has no rows.
enum Unfinished {
    /// It does not run any more.
    Ended(String),
    /// It may still run.
    StillRunning(String),
}

async fn rows(client: &Client, pace: &Pace, deadline: Instant, id: &str) -> Result<Vec<Row>, Unfinished> {
    let mut wait = pace.poll;
    loop {
        sleep_until(deadline.min(Instant::now() + wait)).await;
        wait = pace.poll_at_most.min(wait * 2);
        let answer = timeout_at(deadline, client.get_query_results().query_id(id).send()).await;
        let Ok(answer) = answer else {
            return Err(Unfinished::StillRunning(
                "the query took too long and was stopped; make it search less, or for a shorter time".to_owned(),
            ));
        };
        let output = match answer.map_err(Failure::from) {
            Ok(output) => output,
            // The query goes on meanwhile, so asking again costs nothing.
            Err(failure) if failure.is_retryable() => continue,
            Err(failure) => return Err(Unfinished::StillRunning(failure.sentence("logs:GetQueryResults"))),
        };
        let ended = |how: &str| Err(Unfinished::Ended(format!("the Logs Insights query {how}")));
        return match output.status() {
            Some(QueryStatus::Complete) => {
                let rows = output.results.unwrap_or_default();
                if rows.len() >= MAX_ROWS {
                    return ended("found more rows than Logs Insights returns; use a longer bin");
                }
                Ok(rows)
            }
            Some(QueryStatus::Failed) => ended("failed; run it in the console to see why"),
            Some(QueryStatus::Cancelled) => ended("was cancelled by somebody else"),
            Some(QueryStatus::Timeout) => ended("timed out; make it search less, or for a shorter time"),
            _ => continue,
        };
    }
}

/// The series in a column of the rows.
///
/// Where rows have columns named as the request's dimensions, only those with its values belong to it.
fn read(rows: &[Row], request: &SeriesRequest, value_column: &str) -> Result<Series, String> {
    let mut samples: BTreeMap<Timestamp, f64> = BTreeMap::new();
    let mut has_value_column = rows.is_empty();
    for row in rows {
        let at = time(row)?;
        let Some(value) = field(row, value_column) else {
            continue;
        };
        has_value_column = true;
        let value: f64 = value.parse().map_err(|_| format!("column {value_column} of the query is not a number"))?;
        let is_wanted = (request.start..request.end).contains(&at)
            && request.dimensions.iter().all(|(name, value)| field(row, name).is_none_or(|found| found == value));
        if is_wanted && samples.insert(at, value).is_some() {
            return Err("the query has more than one row for one time; group it by its bin alone".to_owned());
        }
    }
    if !has_value_column {
        return Err(format!(
            "the query has no column {value_column}; end it in `stats ... as {value_column} by bin(...)`"
        ));
    }
    let samples = samples.into_iter().map(|(at, value)| Sample { at, value }).collect();
    Ok(Series::new(request.dimensions.clone(), samples))
}

fn time(row: &Row) -> Result<Timestamp, String> {
    let is_time = |name: &str| name.starts_with("bin(") || name == "@timestamp";
    let text = row
        .iter()
        .find(|field| field.field().is_some_and(is_time))
        .and_then(ResultField::value)
        .ok_or("the rows of the query have no time; end it in `by bin(...)`")?;
    // As Logs Insights prints it, in UTC: `2024-10-14 10:00:00.000`.
    let civil: DateTime = text.parse().map_err(|_| format!("the query has a time that cannot be read: {text}"))?;
    TimeZone::UTC.to_timestamp(civil).map_err(|_| format!("the query has a time out of range: {text}"))
}

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.iter().find(|field| field.field() == Some(name)).and_then(ResultField::value)
}
