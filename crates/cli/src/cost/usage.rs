//! How much of what a month takes, from the catalogue and an assumed traffic.

use std::collections::BTreeSet;

use clap::Args;
use monitoring_core::catalogue::{Catalogue, Category, Engine, Rule, Source};
use monitoring_core::cycle::is_told;
use monitoring_core::metric::{Dimensions, Unit};
use serde::Serialize;

use super::MONTH_SECONDS;
use super::reading::{self, Read};
use crate::catalogue::Deployment;
use crate::catalogue::deployment::MetricAlarm;

/// Metrics that the suite publishes of itself: two of each cycle (`print_health` of the monitoring handler), and `OpenIncidents` of each
/// tick. Those of `interactions` come only where somebody presses a button, and are billed for the hours in which they come.
const HEALTH_METRICS: f64 = 3.0;

/// What `print_figures` of the reminder publishes in one hour of each day: six figures of all action items, and two of each team and of each of four
/// priorities.
const ITEM_METRICS: f64 = 6.0;
const ITEM_METRICS_OF_PART: f64 = 2.0;
const PRIORITIES: f64 = 4.0;

/// What `track_performance` writes for each operation beside the total: requests, errors, response time, and cache hits.
const METRICS_OF_OPERATION: f64 = 4.0;

/// Bytes of a tracked record: those of `cargo run -p monitoring-track --example track` have fewer.
const RECORD_BYTES: f64 = 700.0;

/// Bytes that an invocation logs, assumed: the platform's start and report, and the suite's own metrics.
const INVOCATION_BYTES: f64 = 1_500.0;

/// Lambda keeps five polls of 20 seconds open on a queue that is idle.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>.
const POLLS_PER_MINUTE: f64 = 15.0;

/// SNS's send, Lambda's receive and its delete.
const REQUESTS_PER_MESSAGE: f64 = 3.0;

/// Queries of a tick: two indexes of due work and one of open incidents, four partitions each, half a read unit.
const READ_UNITS_PER_TICK: f64 = 3.0 * 4.0 * 0.5;

/// A cycle reads the alerts consistently. On every fifth minute they are compared with the open incidents of four partitions.
const READ_UNITS_PER_CYCLE: f64 = 1.0;
const READ_UNITS_PER_COMPARISON: f64 = 4.0 * 0.5;
const COMPARISON_SECONDS: u32 = 300;

/// Of an incident from its first alert to its end, assumed: heads, journal, effects and their claims, in transactions.
const READ_UNITS_PER_INCIDENT: f64 = 500.0;
const WRITE_UNITS_PER_INCIDENT: f64 = 200.0;

/// A run of the reminder reads two states of items in four partitions, and the claims of three days and of the week; assumed is that a page of
/// items comes with it.
const READ_UNITS_PER_REMINDER: f64 = 2.0 * 4.0 * 0.5 + 4.0 + 50.0;

/// In all tables, assumed.
const STORED_GB: f64 = 0.1;

/// Encrypted tables, topics and queues, assumed to ask for a data key every five minutes, as long as SQS and `DynamoDB` keep one.
const KEY_USERS: f64 = 10.0;
const KEY_SECONDS: u32 = 300;

/// How often somebody looks at the table of what fires, assumed; twelve hours of the tick's log are scanned each time.
const VIEWS: f64 = 1_000.0;
const VIEW_SECONDS: f64 = 12.0 * 3_600.0;

/// Tokens that a model reads and writes for a draft, at most: 120 facts of 500 bytes at four bytes a token, and what `bedrock` lets it write.
const TOKENS_READ_PER_DRAFT: f64 = 15_000.0;
const TOKENS_WRITTEN_PER_DRAFT: f64 = 2_000.0;

/// The most metrics of a dashboard that the allowance is for.
const FREE_DASHBOARD_METRICS: usize = 50;

const GB: f64 = 1e9;

/// What is assumed of a month.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Traffic {
    /// Requests that the application tracks
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(super) requests: u32,
    /// Names of operations that it tracks them by; each has metrics of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) operations: u16,
    /// Business metrics that it tracks with a subscription tier, times the tiers; each is one metric more
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) tiers: u16,
    /// Incidents
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) incidents: u32,
    /// SMS that are sent
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) sms: u32,
    /// Post-mortems that a model of Bedrock drafts (`BEDROCK_MODEL`), at the price of Amazon Nova Lite
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) drafts: u32,
    /// Memory of a function, in MB
    #[arg(long, value_name = "MB", default_value_t = 256)]
    pub(super) memory: u32,
    /// How long a cycle of the monitoring function takes, in milliseconds; most of it is waiting for `CloudWatch`
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub(super) cycle_ms: u32,
    /// How long a tick takes, or a message of the queue, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub(super) tick_ms: u32,
    /// Alarms on the suite itself, which Terraform adds to those of the rules
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(super) watching_alarms: u16,
}

/// So much of something.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// `CloudWatch`.
    pub(super) service: &'static str,
    /// What it is for.
    pub(super) what: &'static str,
    /// Name of the price.
    pub(super) price: &'static str,
    /// In the price's unit.
    pub(super) quantity: f64,
    /// How that comes about.
    pub(super) why: String,
}

/// Everything that is billed.
pub(super) fn lines(catalogue: &Catalogue, deployment: &Deployment, traffic: &Traffic) -> Vec<Line> {
    let rules: Vec<&Rule> = catalogue.rules.values().filter(|rule| rule.engine == Engine::Service).collect();
    let reads = reading::reads(catalogue, rules.iter().copied());
    let month = Month::new(catalogue, traffic, &reads);
    let mut lines = metrics(catalogue, &rules, &reads, traffic, &month);
    lines.extend(alarms_and_dashboards(deployment, traffic, &month));
    lines.extend(logs(&reads, traffic, &month));
    lines.extend(functions(traffic, &month));
    lines.extend(tables(traffic, &month));
    lines.extend(messages(traffic, &month));
    lines.extend(keys_and_traces(&reads, &month));
    lines.extend(drafts(traffic));
    lines.retain(|line| line.quantity > 0.0);
    lines
}

/// How often things happen.
struct Month {
    cycles: f64,
    ticks: f64,
    /// Runs of the reminder.
    reminders: f64,
    comparisons: f64,
    /// Of all functions.
    invocations: f64,
    /// Of the queue: a canary of each cycle, and the changes of alerts.
    messages: f64,
    incidents: f64,
    has_cost: bool,
}

impl Month {
    fn new(catalogue: &Catalogue, traffic: &Traffic, reads: &BTreeSet<Read>) -> Self {
        let times = |seconds: u32| f64::from(MONTH_SECONDS) / f64::from(seconds.max(1));
        let (cycles, ticks, reminders) = (times(catalogue.cycle_seconds), times(60), times(3_600));
        let incidents = f64::from(traffic.incidents);
        // Two alerts that fire and are OK again.
        let messages = cycles + 4.0 * incidents;
        Self {
            cycles,
            ticks,
            reminders,
            comparisons: times(COMPARISON_SECONDS.max(catalogue.cycle_seconds)),
            invocations: cycles + ticks + reminders + messages,
            messages,
            incidents,
            has_cost: reads.iter().any(|read| matches!(read, Read::Cost { .. })),
        }
    }
}

fn line(service: &'static str, what: &'static str, price: &'static str, quantity: f64, why: impl Into<String>) -> Line {
    Line { service, what, price, quantity, why: why.into() }
}

fn metrics(
    catalogue: &Catalogue,
    rules: &[&Rule],
    reads: &BTreeSet<Read>,
    traffic: &Traffic,
    month: &Month,
) -> Vec<Line> {
    let series = count(reads.iter().filter(|read| matches!(read, Read::Metric { .. })).count());
    let mut own: BTreeSet<(&str, &str, &Dimensions)> = BTreeSet::new();
    for metric in catalogue.metrics.values() {
        // AWS's own metrics are free.
        if let Source::Cloudwatch { namespace, metric_name, .. } = &metric.source
            && !namespace.starts_with("AWS/")
        {
            own.extend(metric.dimensions.iter().map(|set| (namespace.as_str(), metric_name.as_str(), set)));
        }
    }
    let published: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| reading::metrics(catalogue, rule))
        .filter(|metric| is_told(metric))
        .filter(|metric| matches!(metric.category, Category::Application | Category::Business))
        .filter(|metric| metric.dimensions.iter().any(Dimensions::is_empty))
        .map(|metric| metric.name.as_str())
        .collect();
    let operations = f64::from(traffic.operations);
    let cycles = number(month.cycles);
    vec![
        line(
            "CloudWatch",
            "series that the cycles read",
            "cloudwatch_get_metric_data",
            reads.iter().map(|read| reading::times(catalogue, read)).sum(),
            format!("{series} series; of {cycles} cycles those in which there can be something new"),
        ),
        line(
            "CloudWatch",
            "metrics of the application",
            "cloudwatch_metric",
            count(own.len()),
            "those of the catalogue that are not AWS's own",
        ),
        line(
            "CloudWatch",
            "... by operation",
            "cloudwatch_metric",
            operations * METRICS_OF_OPERATION,
            format!("--operations {operations}, {METRICS_OF_OPERATION} metrics each"),
        ),
        line(
            "CloudWatch",
            "... by subscription tier",
            "cloudwatch_metric",
            f64::from(traffic.tiers),
            format!("--tiers {}: business metrics times tiers", traffic.tiers),
        ),
        line(
            "CloudWatch",
            "formulas that are published",
            "cloudwatch_metric",
            count(published.len()),
            published.into_iter().collect::<Vec<_>>().join(", "),
        ),
        line(
            "CloudWatch",
            "health of the suite",
            "cloudwatch_metric",
            HEALTH_METRICS,
            "what each cycle and each tick publish of themselves",
        ),
        line(
            "CloudWatch",
            "figures of action items",
            "cloudwatch_metric",
            (ITEM_METRICS + ITEM_METRICS_OF_PART * (PRIORITIES + count(catalogue.teams.len()))) / 24.0,
            "of all, of each team and priority; published in one hour of each day, and billed for it",
        ),
    ]
}

fn alarms_and_dashboards(deployment: &Deployment, traffic: &Traffic, month: &Month) -> Vec<Line> {
    let alarms = deployment.alarms.len();
    let compared = if alarms == 0 { 0.0 } else { month.comparisons };
    let (small, large): (Vec<_>, Vec<_>) =
        deployment.dashboards.values().partition(|dashboard| dashboard.metrics() <= FREE_DASHBOARD_METRICS);
    vec![
        line(
            "CloudWatch",
            "alarms of the rules",
            "cloudwatch_alarm",
            count(deployment.alarms.values().map(MetricAlarm::metrics).sum()),
            format!("{alarms} alarms; one on a formula counts once for each metric in it"),
        ),
        line(
            "CloudWatch",
            "alarms on the suite itself",
            "cloudwatch_alarm",
            f64::from(traffic.watching_alarms),
            "assumed (--watching-alarms)",
        ),
        line(
            "CloudWatch",
            "dashboards",
            "cloudwatch_dashboard",
            count(small.len()),
            format!("of at most {FREE_DASHBOARD_METRICS} metrics"),
        ),
        line(
            "CloudWatch",
            "large dashboards",
            "cloudwatch_large_dashboard",
            count(large.len()),
            format!("of more than {FREE_DASHBOARD_METRICS} metrics"),
        ),
        line("CloudWatch", "states of the alarms", "cloudwatch_api", compared, "DescribeAlarms, every five minutes"),
    ]
}

fn logs(reads: &BTreeSet<Read>, traffic: &Traffic, month: &Month) -> Vec<Line> {
    let tracked = f64::from(traffic.requests) * RECORD_BYTES / GB;
    let own = month.invocations * INVOCATION_BYTES / GB;
    let per_second = |gb: f64| gb / f64::from(MONTH_SECONDS);
    // A cycle's query scans its window of what the application logs.
    let queried: f64 = reads
        .iter()
        .map(|read| match read {
            Read::Logs { seconds, .. } => count(usize::try_from(*seconds).unwrap_or(usize::MAX)),
            Read::Metric { .. } | Read::Cost { .. } => 0.0,
        })
        .map(|seconds| seconds * per_second(tracked) * month.cycles)
        .sum();
    vec![
        line(
            "Logs",
            "records that the application tracks",
            "logs_ingested",
            tracked,
            format!("GB: {} of {RECORD_BYTES} bytes", number(f64::from(traffic.requests))),
        ),
        line(
            "Logs",
            "logs of the functions",
            "logs_ingested",
            own,
            format!("GB: {} invocations of {} bytes", number(month.invocations), number(INVOCATION_BYTES)),
        ),
        line("Logs", "... kept for a month", "logs_stored", tracked + own, "GB, before compression"),
        line("Logs", "queries of the cycles", "logs_scanned", queried, "GB: metrics of kind `logs`"),
        line(
            "Logs",
            "the table of what fires",
            "logs_scanned",
            VIEWS * VIEW_SECONDS * per_second(own),
            format!("GB: looked at {} times", number(VIEWS)),
        ),
    ]
}

fn functions(traffic: &Traffic, month: &Month) -> Vec<Line> {
    let milliseconds =
        month.cycles * f64::from(traffic.cycle_ms) + (month.invocations - month.cycles) * f64::from(traffic.tick_ms);
    let Traffic { memory, cycle_ms, tick_ms, .. } = traffic;
    vec![
        line(
            "Lambda",
            "invocations",
            "lambda_request",
            month.invocations,
            "cycles, ticks, messages of the queue, hourly reminders",
        ),
        line(
            "Lambda",
            "time",
            "lambda_gb_second",
            milliseconds / 1e3 * f64::from(*memory) / 1024.0,
            format!("GB-seconds on arm64: {memory} MB, {cycle_ms} ms a cycle, {tick_ms} ms a tick or message"),
        ),
    ]
}

fn tables(traffic: &Traffic, month: &Month) -> Vec<Line> {
    let cached = if month.has_cost { 0.5 } else { 0.0 };
    let in_quiet = month.cycles * (READ_UNITS_PER_CYCLE + cached)
        + month.comparisons * READ_UNITS_PER_COMPARISON
        + month.ticks * READ_UNITS_PER_TICK;
    let of_reminders = month.reminders * READ_UNITS_PER_REMINDER;
    let of_incidents = month.incidents * READ_UNITS_PER_INCIDENT;
    let writes = month.incidents * WRITE_UNITS_PER_INCIDENT;
    vec![
        line("DynamoDB", "read units of quiet minutes", "dynamodb_read", in_quiet, "cycles, comparisons, ticks"),
        line("DynamoDB", "... of reminders", "dynamodb_read", of_reminders, "hourly"),
        line("DynamoDB", "... of incidents", "dynamodb_read", of_incidents, format!("{} incidents", traffic.incidents)),
        line("DynamoDB", "write units", "dynamodb_write", writes, format!("{} incidents", traffic.incidents)),
        line("DynamoDB", "data", "dynamodb_stored", STORED_GB, "GB in all tables"),
        line("DynamoDB", "point-in-time recovery", "dynamodb_recovery", STORED_GB, "GB in all tables"),
    ]
}

fn messages(traffic: &Traffic, month: &Month) -> Vec<Line> {
    let mails = month.incidents * 3.0 + 31.0;
    let polls = f64::from(MONTH_SECONDS) / 60.0 * POLLS_PER_MINUTE;
    vec![
        line("SNS", "messages", "sns_publish", month.messages + mails, "canaries, changes of alerts, e-mails"),
        line("SNS", "e-mails", "sns_email", mails, "three an incident, one a day"),
        line("SNS", "SMS", "sns_sms", f64::from(traffic.sms), "in the USA, without the carriers' fees (--sms)"),
        line(
            "SQS",
            "requests",
            "sqs_request",
            polls + month.messages * REQUESTS_PER_MESSAGE,
            "Lambda's long polls of an idle queue, and three for each message",
        ),
        line(
            "EventBridge",
            "schedules",
            "eventbridge_schedule",
            month.cycles + month.ticks + month.reminders + 31.0,
            "cycles, ticks, reminders, daily",
        ),
    ]
}

fn keys_and_traces(reads: &BTreeSet<Read>, month: &Month) -> Vec<Line> {
    let keys = f64::from(MONTH_SECONDS) / f64::from(KEY_SECONDS) * KEY_USERS;
    let days = f64::from(MONTH_SECONDS) / 86_400.0;
    let queries = reading::cost_queries(reads);
    vec![
        line("KMS", "key", "kms_key", 1.0, "of tables, topics and queues"),
        line("KMS", "requests", "kms_request", keys, format!("{KEY_USERS} users of the key, every five minutes")),
        line("X-Ray", "traces", "xray_trace", month.invocations, "all: fewer than one a second are never sampled"),
        line(
            "Cost Explorer",
            "requests",
            "cost_explorer",
            count(queries) * days,
            format!("{queries} a day for the total and for the services; the answer is kept"),
        ),
    ]
}

fn drafts(traffic: &Traffic) -> [Line; 2] {
    let drafts = f64::from(traffic.drafts);
    let of = |price, what, each: f64| {
        line("Bedrock", what, price, drafts * each, format!("--drafts {drafts}, at most {} tokens each", number(each)))
    };
    [
        of("bedrock_input", "facts that a model reads", TOKENS_READ_PER_DRAFT),
        of("bedrock_output", "drafts that it writes", TOKENS_WRITTEN_PER_DRAFT),
    ]
}

pub(super) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// With commas.
pub(super) fn number(value: f64) -> String {
    Unit::Count.format(value)
}
