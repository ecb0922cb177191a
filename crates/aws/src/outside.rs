//! The outside that differs between AWS and a laptop, and has no wire protocol that both could speak.

use std::collections::BTreeMap;

use jiff::Timestamp;
use monitoring_core::catalogue::Source;
use monitoring_core::cycle::Need;
use monitoring_core::investigation::{Gathered, Wanted};
use monitoring_core::metric::{Dimensions, Series};
use serde_json::Value;

use crate::actions;

/// A message for a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// ASCII, fewer than 100 characters; what e-mail shows. SMS has none.
    pub subject: Option<String>,
    /// The message.
    pub body: String,
    /// Message attributes, all strings; at most 10.
    pub attributes: BTreeMap<String, String>,
}

/// Why a topic or a function did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    /// Whether the same message may be accepted later.
    pub retryable: bool,
    /// What it said.
    pub reason: String,
}

/// The samples of one metric on one set of dimensions that are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRequest {
    /// The metric's name in the catalogue.
    pub metric: String,
    /// Where its samples come from; never a formula.
    pub source: Source,
    /// Which series.
    pub dimensions: Dimensions,
    /// Length of a period, in seconds.
    pub period_seconds: u32,
    /// Start of the first period.
    pub start: Timestamp,
    /// End of the last period.
    pub end: Timestamp,
}

impl SeriesRequest {
    /// The request for what a cycle needs.
    pub fn of(need: &Need<'_>) -> Self {
        Self {
            metric: need.metric.name.clone(),
            source: need.metric.source.clone(),
            dimensions: need.dimensions.clone(),
            period_seconds: need.metric.period_seconds,
            start: need.start,
            end: need.end,
        }
    }
}

/// What became of a request: its series (one, but for costs by service), or why the source failed. Part of the data
/// counts as a failure: it must not look like data that is missing. A series without samples has no data, which an
/// absence rule notices; no series at all means that there is nothing to evaluate.
pub type SeriesAnswer = Result<Vec<Series>, String>;

/// State of a `CloudWatch` alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmState {
    /// With the environment's suffix.
    pub name: String,
    /// Whether it is in ALARM; `None` for `INSUFFICIENT_DATA`.
    pub in_alarm: Option<bool>,
    /// Since when.
    pub since: Timestamp,
    /// `CloudWatch`'s reason.
    pub reason: String,
}

/// Why the actions function gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ApplyError {
    /// Whether the same request may be answered later.
    pub retryable: bool,
    /// What went wrong.
    pub reason: String,
}

/// What has no wire protocol of its own on a laptop.
pub trait Outside: Send + Sync {
    /// Reads series. One answer for each request, in the same order; one source that fails does not stop the others.
    fn series(&self, requests: &[SeriesRequest], now: Timestamp) -> impl Future<Output = Vec<SeriesAnswer>> + Send;

    /// What was deployed and changed, and what the logs say of failures. A part that cannot be read says why, and stops no other.
    fn evidence(&self, wanted: &Wanted) -> impl Future<Output = Gathered> + Send;

    /// The states of the `CloudWatch` alarms whose names begin with the prefix.
    fn alarms(&self, prefix: &str) -> impl Future<Output = Result<Vec<AlarmState>, String>> + Send;

    /// Has another function of the suite take an event in, named without the service's prefix: `post-mortem`. Accepted is not
    /// done: what comes of it returns as an event.
    fn invoke(&self, function: &str, event: &Value) -> impl Future<Output = Result<(), PublishError>> + Send;

    /// Publishes to a topic, named without the service's prefix: `alerts`, `notify-email`.
    fn publish(&self, topic: &str, publication: &Publication) -> impl Future<Output = Result<(), PublishError>> + Send;

    /// What is wrong with a topic that calls people: nobody subscribed, or nobody confirmed; for one of `sms`, what keeps
    /// the account from sending.
    fn check_topic(&self, topic: &str, sms: bool) -> impl Future<Output = Result<Vec<String>, String>> + Send;

    /// Gives a request to the actions function, which alone may change anything, and waits for its answer.
    fn apply(&self, request: &actions::Request) -> impl Future<Output = Result<actions::Answer, ApplyError>> + Send;
}
