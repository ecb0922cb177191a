//! What Terraform makes of the catalogue: alarms, log groups, metric filters, saved queries and dashboards, ready for `jsondecode`.
//!
//! It is a document of its own because no function needs it: `docs/quality.md` has the sizes. Where something is known only in an
//! account, a text has a placeholder: `${region}`, `${account_id}`, `${partition}` and `${suffix}`, the environment's. None of them
//! needs escaping in JSON, so they can be replaced in the whole file before it is decoded.

mod alarm;
pub(crate) mod board;
mod metric_filter;
pub(crate) mod metric_math;
mod widget;

use std::collections::{BTreeMap, BTreeSet};

use monitoring_core::catalogue::{Catalogue, Category, Via};
use serde::Serialize;
use serde_json::Value;

use super::document::Document;
pub use alarm::MetricAlarm;
pub(crate) use board::Board;
pub use metric_filter::MetricFilter;
pub use metric_math::{MetricQuery, MetricStat};

/// The version of this form.
const SCHEMA: u32 = 1;

/// What is deployed beside the functions.
#[derive(Debug, Serialize)]
pub struct Deployment {
    /// The version of this form.
    pub schema: u32,
    /// Prefix of every table, topic and alarm.
    pub service: String,
    /// What messages call the service.
    pub title: String,
    /// How often the monitoring function runs.
    pub cycle_seconds: u32,
    /// Topics, without the service's prefix.
    pub topics: Topics,
    /// By name, without the environment's suffix.
    pub alarms: BTreeMap<String, MetricAlarm>,
    /// By name.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// By metric and log group.
    pub metric_filters: BTreeMap<String, MetricFilter>,
    /// By name.
    pub queries: BTreeMap<String, QueryDefinition>,
    /// By name, without the environment's suffix.
    pub dashboards: BTreeMap<String, Dashboard>,
}

/// Topics, without the service's prefix.
#[derive(Debug, Serialize)]
pub struct Topics {
    /// What the suite listens to.
    pub events: BTreeSet<String>,
    /// What people subscribe to.
    pub notify: BTreeSet<String>,
}

/// A log group whose retention the suite manages.
#[derive(Debug, Serialize)]
pub struct LogGroup {
    /// Days after which an entry is deleted.
    pub retention_days: u32,
}

/// A saved Logs Insights query.
#[derive(Debug, Serialize)]
pub struct QueryDefinition {
    /// With the environment's suffix: `AI Nutritionist/Error Analysis`. The console shows the first part as a folder.
    pub name: String,
    /// Log groups that it searches.
    pub log_group_names: Vec<String>,
    /// The query.
    pub query_string: String,
}

/// A `CloudWatch` dashboard.
#[derive(Debug, Serialize)]
pub struct Dashboard {
    /// With the environment's suffix.
    pub dashboard_name: String,
    /// Where the console shows it.
    pub url: String,
    /// What `jsonencode` makes the dashboard's body of.
    pub body: Value,
}

impl Dashboard {
    /// How many metrics its charts read, hidden inputs of formulas included.
    pub fn metrics(&self) -> usize {
        let widgets = self.body.get("widgets").and_then(Value::as_array).into_iter().flatten();
        let metrics = widgets.filter_map(|widget| widget.pointer("/properties/metrics")?.as_array());
        // An expression is an object alone; a metric begins with its namespace.
        metrics.flatten().filter(|metric| metric.get(0).is_some_and(Value::is_string)).count()
    }
}

impl Deployment {
    /// What a document without mistakes, and the catalogue that it resolves to, are deployed as.
    pub(crate) fn new(document: &Document, catalogue: &Catalogue, boards: &[Board]) -> Self {
        Self {
            schema: SCHEMA,
            service: catalogue.service.clone(),
            title: catalogue.title.clone(),
            cycle_seconds: catalogue.cycle_seconds,
            topics: topics(catalogue),
            alarms: alarm::alarms(catalogue, boards),
            log_groups: catalogue
                .log_groups
                .iter()
                .map(|group| (group.name.clone(), LogGroup { retention_days: group.retention_days }))
                .collect(),
            metric_filters: metric_filter::metric_filters(document, catalogue),
            queries: document
                .queries
                .iter()
                .map(|(name, query)| {
                    let definition = QueryDefinition {
                        name: query_name(catalogue, &query.title),
                        log_group_names: query.log_groups.clone(),
                        query_string: query.query.trim_end().to_owned(),
                    };
                    (name.clone(), definition)
                })
                .collect(),
            dashboards: boards.iter().map(|board| (board.name.clone(), dashboard(board, catalogue))).collect(),
        }
    }
}

fn dashboard(board: &Board, catalogue: &Catalogue) -> Dashboard {
    Dashboard {
        dashboard_name: format!("{}${{suffix}}", board.name),
        url: console_url(&board.name),
        body: widget::body(board, catalogue),
    }
}

fn topics(catalogue: &Catalogue) -> Topics {
    let events = [Category::Application, Category::Business].map(|category| category.topic().to_owned());
    let notify = catalogue.channels.values().filter_map(|channel| match &channel.via {
        Via::Email { topic } | Via::Sms { topic } => Some(topic.clone()),
        Via::Slack { .. } | Via::Pagerduty { .. } => None,
    });
    Topics { events: events.into(), notify: notify.collect() }
}

/// What the console lists a saved query as.
fn query_name(catalogue: &Catalogue, title: &str) -> String {
    format!("{}${{suffix}}/{title}", catalogue.title)
}

/// Where the console shows a dashboard.
fn console_url(dashboard: &str) -> String {
    format!("https://console.aws.amazon.com/cloudwatch/home?region=${{region}}#dashboards:name={dashboard}${{suffix}}")
}
