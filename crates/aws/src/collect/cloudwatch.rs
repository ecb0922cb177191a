//! `GetMetricData`, in as few calls as its limits allow, and the states of alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StateValue,
    StatusCode,
};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use monitoring_core::catalogue::Source;
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};
use tokio::time::Instant;

use super::failure::{Failure, retrying};
use super::{Pace, Placed};
use crate::outside::{AlarmState, SeriesAnswer};

/// As IAM names it.
const GET_METRIC_DATA: &str = "cloudwatch:GetMetricData";

/// The most queries in one call.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>.
const MAX_QUERIES: usize = 500;

/// The most datapoints that one call returns on one page; same source.
const MAX_DATAPOINTS: u64 = 100_800;

/// Calls in flight, well below the quota of 50 a second.
const PARALLEL_CALLS: usize = 8;

/// The most alarms on one page of `DescribeAlarms`.
const ALARMS_PER_PAGE: i32 = 100;

/// What identifies a series in `CloudWatch`. Those with one window sort together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Query<'a> {
    start: Timestamp,
    end: Timestamp,
    namespace: &'a str,
    metric_name: &'a str,
    statistic: &'a str,
    dimensions: &'a Dimensions,
    period_seconds: u32,
}

impl Query<'_> {
    fn datapoints(&self) -> u64 {
        let seconds = u64::try_from(self.end.as_second() - self.start.as_second()).unwrap_or(0);
        seconds.div_ceil(u64::from(self.period_seconds.max(1)))
    }

    fn to_metric_data_query(self, id: String) -> MetricDataQuery {
        let dimensions =
            self.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect();
        let metric = Metric::builder()
            .namespace(self.namespace)
            .metric_name(self.metric_name)
            .set_dimensions(Some(dimensions))
            .build();
        let stat = MetricStat::builder()
            .metric(metric)
            .period(i32::try_from(self.period_seconds).unwrap_or(i32::MAX))
            .stat(self.statistic)
            .build();
        MetricDataQuery::builder().id(id).metric_stat(stat).return_data(true).build()
    }

    fn name(&self) -> String {
        format!("{}/{}{}", self.namespace, self.metric_name, format_dimensions(self.dimensions))
    }
}

/// Reads what the requests want. One that is wanted twice is asked once.
pub(super) async fn series(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    requests: &[Placed<'_>],
) -> Vec<(usize, SeriesAnswer)> {
    let mut places: BTreeMap<Query<'_>, Vec<usize>> = BTreeMap::new();
    for (place, request) in requests {
        if let Source::Cloudwatch { namespace, metric_name, statistic } = &request.source {
            let query = Query {
                start: request.start,
                end: request.end,
                namespace,
                metric_name,
                statistic,
                dimensions: &request.dimensions,
                period_seconds: request.period_seconds,
            };
            places.entry(query).or_default().push(*place);
        }
    }
    let queries: Vec<Query<'_>> = places.keys().copied().collect();
    let calls: Vec<_> = batches(&queries).into_iter().map(|batch| answers(client, pace, deadline, batch)).collect();
    let answered: Vec<SeriesAnswer> = stream::iter(calls).buffered(PARALLEL_CALLS).concat().await;
    places
        .into_values()
        .zip(answered)
        .flat_map(|(places, answer)| places.into_iter().map(move |place| (place, answer.clone())))
        .collect()
}

/// Cuts sorted queries into calls: one window, at most [`MAX_QUERIES`], and at most [`MAX_DATAPOINTS`] unless a
/// query alone has more.
fn batches<'q, 'a>(queries: &'q [Query<'a>]) -> Vec<&'q [Query<'a>]> {
    let mut batches = Vec::new();
    for window in queries.chunk_by(|a, b| (a.start, a.end) == (b.start, b.end)) {
        let mut first = 0;
        let mut datapoints = 0;
        for (index, query) in window.iter().enumerate() {
            let is_full = index - first == MAX_QUERIES || datapoints + query.datapoints() > MAX_DATAPOINTS;
            if is_full && index > first {
                batches.extend(window.get(first..index));
                (first, datapoints) = (index, 0);
            }
            datapoints += query.datapoints();
        }
        batches.extend(window.get(first..));
    }
    batches
}

/// One answer for each query, in the same order.
///
/// `CloudWatch` refuses a whole call for one wrong query, so a refused call is cut in two until the wrong one is
/// alone.
async fn answers(client: &Client, pace: &Pace, deadline: Instant, batch: &[Query<'_>]) -> Vec<SeriesAnswer> {
    let mut answers = Vec::with_capacity(batch.len());
    let mut left = vec![batch];
    while let Some(queries) = left.pop() {
        match read(client, pace, deadline, queries).await {
            Ok(found) => answers.extend(found),
            Err(failure) if failure.is_invalid_request() && queries.len() > 1 => {
                let (first, second) = queries.split_at(queries.len() / 2);
                left.extend([second, first]);
            }
            Err(failure) => {
                let reason = failure.sentence(GET_METRIC_DATA);
                answers.extend(queries.iter().map(|_| Err(reason.clone())));
            }
        }
    }
    answers
}

/// All pages of one call. When one of them fails nothing is known to be complete.
async fn read(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    queries: &[Query<'_>],
) -> Result<Vec<SeriesAnswer>, Failure> {
    let Some(window) = queries.first() else {
        return Ok(Vec::new());
    };
    let request = client
        .get_metric_data()
        .start_time(DateTime::from_secs(window.start.as_second()))
        .end_time(DateTime::from_secs(window.end.as_second()))
        .scan_by(ScanBy::TimestampAscending)
        .set_metric_data_queries(Some(
            queries.iter().enumerate().map(|(index, query)| query.to_metric_data_query(format!("q{index}"))).collect(),
        ));
    let mut readings: Vec<Reading> = queries.iter().map(|_| Reading::default()).collect();
    let mut messages = Vec::new();
    let mut token = None;
    loop {
        let output = retrying(pace, deadline, || request.clone().set_next_token(token.clone()).send()).await?;
        messages.extend(output.messages().iter().filter_map(message));
        for result in output.metric_data_results() {
            let index = result.id().and_then(|id| id.strip_prefix('q')).and_then(|index| index.parse::<usize>().ok());
            if let Some(reading) = index.and_then(|index| readings.get_mut(index)) {
                reading.take(result);
            }
        }
        token = output.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(readings.into_iter().zip(queries).map(|(reading, query)| reading.answer(query, &messages)).collect())
}

/// What the pages say of one query.
#[derive(Default)]
struct Reading {
    samples: Vec<Sample>,
    /// Of the last page that had the query: a page may be partial while more are to come.
    status: Option<StatusCode>,
    messages: Vec<String>,
}

impl Reading {
    fn take(&mut self, result: &MetricDataResult) {
        let times = result.timestamps().iter().map(timestamp);
        let samples = times.zip(result.values()).filter_map(|(at, value)| Some(Sample { at: at?, value: *value }));
        self.samples.extend(samples);
        self.status = result.status_code().cloned();
        self.messages.extend(result.messages().iter().filter_map(message));
    }

    fn answer(self, query: &Query<'_>, about_the_call: &[String]) -> SeriesAnswer {
        let what = match self.status {
            Some(StatusCode::Complete) => return Ok(vec![Series::new(query.dimensions.clone(), self.samples)]),
            Some(StatusCode::PartialData) => "returned only part of the data",
            Some(StatusCode::InternalError) => "had an internal error",
            Some(StatusCode::Forbidden) => "may not read the data with this role",
            Some(_) => "answered with a status that this version does not know",
            None => "gave no answer",
        };
        let mut reason = format!("{GET_METRIC_DATA} {what} for {}", query.name());
        let messages: Vec<&str> = self.messages.iter().chain(about_the_call).map(String::as_str).collect();
        if !messages.is_empty() {
            reason = format!("{reason}: {}", messages.join("; "));
        }
        Err(reason)
    }
}

fn message(data: &MessageData) -> Option<String> {
    match (data.code(), data.value()) {
        (Some(code), Some(value)) => Some(format!("{code}, {value}")),
        (Some(text), None) | (None, Some(text)) => Some(text.to_owned()),
        (None, None) => None,
    }
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// The metric and composite alarms whose names begin with the prefix.
pub(super) async fn alarms(
    client: &Client,
    pace: &Pace,
    deadline: Instant,
    prefix: &str,
) -> Result<Vec<AlarmState>, String> {
    let mut request = client
        .describe_alarms()
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(ALARMS_PER_PAGE);
    if !prefix.is_empty() {
        request = request.alarm_name_prefix(prefix);
    }
    let mut alarms = Vec::new();
    let mut token = None;
    loop {
        let output = retrying(pace, deadline, || request.clone().set_next_token(token.clone()).send())
            .await
            .map_err(|failure| failure.sentence("cloudwatch:DescribeAlarms"))?;
        for alarm in output.metric_alarms() {
            let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
            alarms.extend(alarm_state(alarm.alarm_name(), alarm.state_value(), since, alarm.state_reason()));
        }
        for alarm in output.composite_alarms() {
            let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
            alarms.extend(alarm_state(alarm.alarm_name(), alarm.state_value(), since, alarm.state_reason()));
        }
        token = output.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(alarms);
        }
    }
}

fn alarm_state(
    name: Option<&str>,
    state: Option<&StateValue>,
    since: Option<&DateTime>,
    reason: Option<&str>,
) -> Option<AlarmState> {
    Some(AlarmState {
        name: name?.to_owned(),
        in_alarm: match state {
            Some(StateValue::Alarm) => Some(true),
            Some(StateValue::Ok) => Some(false),
            _ => None,
        },
        since: since.and_then(timestamp).unwrap_or(Timestamp::UNIX_EPOCH),
        reason: reason.unwrap_or_default().to_owned(),
    })
}
