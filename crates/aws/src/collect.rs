//! Reads series and alarms from AWS and publishes to its topics: the [`Outside`] of a deployed suite, and of a laptop
//! that looks at real data.
//!
//! A source that fails never stops another, and part of the data never looks like data that is missing. Every answer
//! comes before one deadline, so that a cycle always has time left to evaluate.

mod cloudwatch;
mod cost;
pub(crate) mod failure;
pub(crate) mod history;
mod invoke;
mod logs;
mod sns;

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use jiff::Timestamp;
use monitoring_core::catalogue::{Source, environment_suffix};
use monitoring_core::investigation::{Gathered, Wanted};
use serde_json::Value;
use tokio::time::Instant;

use crate::actions::{ActionsFunction, Answer, Request};
use crate::outside::{AlarmState, ApplyError, Outside, Publication, PublishError, SeriesAnswer, SeriesRequest};
use crate::store::Store;

/// How long one call that reads telemetry may take. `GetMetricData` for 500 metrics takes longer than the suite's own
/// tables are given.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one call of Cost Explorer may take; it is slow, and asked once a day.
const COST_TIMEOUT: Duration = Duration::from_secs(15);

/// The region of Cost Explorer's only endpoint.
const COST_REGION: &str = "us-east-1";

/// A request with its place among the answers.
type Placed<'a> = (usize, &'a SeriesRequest);

/// How patient reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The most that is waited before a throttled call is repeated, at first half of it; doubles each time.
    pub back_off: Duration,
    /// The first wait for the result of a Logs Insights query; doubles each time.
    pub poll: Duration,
    /// The longest wait for the result of a Logs Insights query.
    pub poll_at_most: Duration,
    /// The wait between two calls of `CloudTrail`'s `LookupEvents`, which allows two a second for the whole account and region.
    /// Source: <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
    pub between_lookups: Duration,
    /// After this time, what has not been read is given up.
    pub deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            back_off: Duration::from_millis(200),
            poll: Duration::from_millis(200),
            poll_at_most: Duration::from_secs(2),
            between_lookups: Duration::from_millis(600),
            deadline: Duration::from_secs(20),
        }
    }
}

/// AWS, for one service in one environment.
///
/// A client is made when it is first used, so a function that only publishes pays for nothing else.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    store: Store,
    topic_arn_prefix: String,
    suffix: String,
    function_prefix: String,
    alias: Option<String>,
    pace: Pace,
    cloudtrail: OnceLock<aws_sdk_cloudtrail::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    cost: OnceLock<aws_sdk_costexplorer::Client>,
    actions: ActionsFunction,
    sns: OnceLock<aws_sdk_sns::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
}

impl Aws {
    /// `topic_arn_prefix` is what precedes a topic's name: `arn:aws:sns:us-east-1:123456789012:`. The store keeps the
    /// answers of Cost Explorer.
    pub fn new(config: SdkConfig, store: Store, service: &str, environment: &str, topic_arn_prefix: &str) -> Self {
        Self {
            config,
            store,
            topic_arn_prefix: format!("{topic_arn_prefix}{service}-"),
            suffix: environment_suffix(environment),
            function_prefix: format!("{service}-"),
            alias: None,
            pace: Pace::default(),
            actions: ActionsFunction::new(format!("{service}-actions{}", environment_suffix(environment))),
            cloudtrail: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            logs: OnceLock::new(),
            cost: OnceLock::new(),
            sns: OnceLock::new(),
            lambda: OnceLock::new(),
        }
    }

    /// With another actions function than the newest version of the service's own.
    #[must_use]
    pub fn with_actions_function(mut self, name: Option<&str>) -> Self {
        if let Some(name) = name {
            self.actions = ActionsFunction::new(name.to_owned());
        }
        self
    }

    /// Asks the other functions by this alias, such as `live`; without one for their latest version.
    #[must_use]
    pub fn with_alias(mut self, alias: Option<String>) -> Self {
        self.alias = alias;
        self
    }

    /// With other waits than the default.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The region that it reads.
    pub fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    fn cloudtrail(&self) -> &aws_sdk_cloudtrail::Client {
        self.cloudtrail.get_or_init(|| {
            let config = aws_sdk_cloudtrail::config::Builder::from(&self.config)
                .retry_config(RetryConfig::disabled())
                .timeout_config(self.timeouts(READ_TIMEOUT));
            aws_sdk_cloudtrail::Client::from_conf(config.build())
        })
    }

    fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        self.cloudwatch.get_or_init(|| {
            let config = aws_sdk_cloudwatch::config::Builder::from(&self.config)
                .retry_config(RetryConfig::disabled())
                .timeout_config(self.timeouts(READ_TIMEOUT));
            aws_sdk_cloudwatch::Client::from_conf(config.build())
        })
    }

    fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.logs.get_or_init(|| {
            let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config)
                .retry_config(RetryConfig::disabled())
                .timeout_config(self.timeouts(READ_TIMEOUT));
            aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
        })
    }

    fn cost(&self) -> &aws_sdk_costexplorer::Client {
        self.cost.get_or_init(|| {
            let config = aws_sdk_costexplorer::config::Builder::from(&self.config)
                .region(aws_sdk_costexplorer::config::Region::from_static(COST_REGION))
                .retry_config(RetryConfig::disabled())
                .timeout_config(self.timeouts(COST_TIMEOUT));
            aws_sdk_costexplorer::Client::from_conf(config.build())
        })
    }

    fn sns(&self) -> &aws_sdk_sns::Client {
        self.sns.get_or_init(|| {
            let config = aws_sdk_sns::config::Builder::from(&self.config).retry_config(RetryConfig::disabled());
            aws_sdk_sns::Client::from_conf(config.build())
        })
    }

    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| {
            let config = aws_sdk_lambda::config::Builder::from(&self.config).retry_config(RetryConfig::disabled());
            aws_sdk_lambda::Client::from_conf(config.build())
        })
    }

    fn topic_arn(&self, topic: &str) -> String {
        format!("{}{topic}{}", self.topic_arn_prefix, self.suffix)
    }

    /// The configured time-outs, but for how long an answer may take.
    fn timeouts(&self, answer: Duration) -> TimeoutConfig {
        let configured = self.config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        configured.read_timeout(answer).operation_attempt_timeout(answer).operation_timeout(answer).build()
    }
}

impl Outside for Aws {
    async fn series(&self, requests: &[SeriesRequest], now: Timestamp) -> Vec<SeriesAnswer> {
        let deadline = Instant::now() + self.pace.deadline;
        let mut cloudwatch = Vec::new();
        let mut logs = Vec::new();
        let mut cost = Vec::new();
        for (place, request) in requests.iter().enumerate() {
            match request.source {
                Source::Cloudwatch { .. } => cloudwatch.push((place, request)),
                Source::Logs { .. } => logs.push((place, request)),
                Source::Cost { .. } => cost.push((place, request)),
                Source::Formula { .. } => {}
            }
        }
        let (cloudwatch, logs, cost) = tokio::join!(
            async {
                if cloudwatch.is_empty() {
                    return Vec::new();
                }
                cloudwatch::series(self.cloudwatch(), &self.pace, deadline, &cloudwatch).await
            },
            async {
                if logs.is_empty() {
                    return Vec::new();
                }
                logs::series(self.logs(), &self.pace, deadline, &logs).await
            },
            async {
                if cost.is_empty() {
                    return Vec::new();
                }
                Box::pin(cost::series(self.cost(), &self.store, &self.pace, deadline, &cost, now)).await
            },
        );
        let mut answers: Vec<SeriesAnswer> = requests
            .iter()
            .map(|request| Err(format!("{} is a formula, which is computed and not read", request.metric)))
            .collect();
        for (place, answer) in cloudwatch.into_iter().chain(logs).chain(cost) {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        }
        answers
    }

    async fn alarms(&self, prefix: &str) -> Result<Vec<AlarmState>, String> {
        cloudwatch::alarms(self.cloudwatch(), &self.pace, Instant::now() + self.pace.deadline, prefix).await
    }

    async fn evidence(&self, wanted: &Wanted) -> Gathered {
        let deadline = Instant::now() + self.pace.deadline;
        let (functions, calls, patterns) = tokio::join!(
            history::functions(self.lambda(), &self.pace, deadline, &wanted.functions),
            history::calls(self.cloudtrail(), &self.pace, deadline, (wanted.from, wanted.until)),
            async {
                if wanted.log_groups.is_empty() {
                    return None;
                }
                let time = (wanted.logs_from, wanted.until);
                Some(logs::patterns(self.logs(), &self.pace, deadline, &wanted.log_groups, time).await)
            },
        );
        Gathered { functions, calls: Some(calls), patterns }
    }

    async fn publish(&self, topic: &str, publication: &Publication) -> Result<(), PublishError> {
        sns::publish(self.sns(), &self.topic_arn(topic), publication).await
    }

    async fn invoke(&self, function: &str, event: &Value) -> Result<(), PublishError> {
        let name = format!("{}{function}{}", self.function_prefix, self.suffix);
        invoke::invoke(self.lambda(), &name, self.alias.as_deref(), event).await
    }

    async fn check_topic(&self, topic: &str, sms: bool) -> Result<Vec<String>, String> {
        sns::check(self.sns(), &self.topic_arn(topic), sms).await
    }

    async fn apply(&self, request: &Request) -> Result<Answer, ApplyError> {
        self.actions.invoke(&self.config, request).await
    }
}
