//! A dashboard in the form of `CloudWatch`.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>.

use monitoring_core::catalogue::{AlertSeverity, Catalogue};
use monitoring_core::metric::Unit;
use serde_json::{Map, Value, json};

use super::board::{Board, Chart, Content, Threshold};
use super::metric_math::{MetricQuery, Queries};

/// How long ago a tick may be of which the table of what fires is made, in seconds: three ticks.
const RECENT_SECONDS: u32 = 180;

/// The body of a dashboard, to be encoded as JSON.
pub(super) fn body(board: &Board, catalogue: &Catalogue) -> Value {
    let widgets: Vec<Value> = board
        .widgets
        .iter()
        .map(|widget| {
            let (kind, properties) = content(&widget.content, catalogue);
            json!({
                "type": kind, "x": widget.x, "y": widget.y, "width": widget.width, "height": widget.height,
                "properties": properties,
            })
        })
        .collect();
    // Each metric keeps its own period: an hourly one drawn by the minute would be no line.
    let start = format!("-PT{}M", board.window_seconds / 60);
    json!({ "start": start, "periodOverride": "inherit", "widgets": widgets })
}

fn content(content: &Content, catalogue: &Catalogue) -> (&'static str, Value) {
    match content {
        Content::Text(markdown) => ("text", json!({ "markdown": markdown, "background": "transparent" })),
        Content::Runbook(_, markdown) => ("text", json!({ "markdown": markdown })),
        Content::Numbers => ("metric", numbers(catalogue)),
        Content::Firing => ("log", firing(catalogue)),
        Content::Alarms(names) => ("alarm", alarms(names)),
        Content::Chart(chart) => ("metric", metric_widget(chart, catalogue)),
    }
}

/// What the minute tick of incident-response and the monitoring cycle publish of themselves.
fn numbers(catalogue: &Catalogue) -> Value {
    let namespace = format!("{}/Monitoring${{suffix}}", catalogue.title.replace(' ', "-"));
    json!({
        "title": "Open incidents",
        "region": "${region}",
        "view": "singleValue",
        "stat": "Maximum",
        "period": 60,
        "sparkline": true,
        "metrics": [
            [namespace, "OpenIncidents", { "label": "Open incidents" }],
            [namespace, "AlertsFiring", { "label": "Alerts of the service engine" }],
        ],
    })
}

/// The lines that incident-response logs with each tick, one for each alert that fires in an open incident.
fn firing(catalogue: &Catalogue) -> Value {
    let group = format!("/aws/lambda/{}-incident-response${{suffix}}", catalogue.service);
    let query = format!(
        "SOURCE '{group}' | filter event = \"firing\" and toMillis(@timestamp) > (now() - {RECENT_SECONDS}) * 1000\n\
         | stats latest(severity) as Severity, latest(status) as Status, latest(value) as Value, latest(since) as Since \
         by incident, alert\n| sort Severity asc, Since asc\n| limit 100"
    );
    json!({ "title": "What breaches now, by open incident", "region": "${region}", "view": "table", "query": query })
}

fn alarms(names: &[String]) -> Value {
    let arns: Vec<String> = names
        .iter()
        .map(|name| format!("arn:${{partition}}:cloudwatch:${{region}}:${{account_id}}:alarm:{name}${{suffix}}"))
        .collect();
    json!({ "title": "Alarms", "sortBy": "stateUpdatedTimestamp", "alarms": arns })
}

fn metric_widget(chart: &Chart, catalogue: &Catalogue) -> Value {
    let mut queries = Queries::new(catalogue);
    for line in &chart.lines {
        if let Some(id) = queries.add(&line.metric, &line.dimensions) {
            queries.show(&id, &line.label);
        }
    }
    let metrics: Vec<Value> = queries.into_vec().into_iter().map(entry).collect();
    // What is computed takes the widget's period; without it, that would be five minutes.
    let first = chart.lines.first().and_then(|line| catalogue.metrics.get(&line.metric));
    let annotations: Vec<Value> = chart.thresholds.iter().map(annotation).collect();
    let mut axis = Map::new();
    axis.insert("showUnits".to_owned(), json!(false));
    axis.insert("label".to_owned(), serde_json::to_value(chart.unit).unwrap_or_default());
    if !matches!(chart.unit, Unit::Usd | Unit::UsdPerHour | Unit::None) {
        axis.insert("min".to_owned(), json!(0));
    }
    json!({
        "title": chart.title,
        "region": "${region}",
        "view": "timeSeries",
        "stacked": false,
        "period": first.map_or(60, |metric| metric.period_seconds),
        "metrics": metrics,
        "annotations": { "horizontal": annotations },
        "yAxis": { "left": axis },
    })
}

/// A metric or an expression as a member of a widget's `metrics`.
fn entry(query: MetricQuery) -> Value {
    let MetricQuery { id, expression, label, return_data, metric } = query;
    let mut options = Map::new();
    options.insert("id".to_owned(), json!(id));
    options.insert("label".to_owned(), json!(label));
    if !return_data {
        options.insert("visible".to_owned(), json!(false));
    }
    if let Some(expression) = expression {
        options.insert("expression".to_owned(), json!(expression));
    }
    let mut members = Vec::new();
    if let Some(metric) = metric {
        options.insert("stat".to_owned(), json!(metric.stat));
        options.insert("period".to_owned(), json!(metric.period));
        members.extend([json!(metric.namespace), json!(metric.metric_name)]);
        members.extend(metric.dimensions.iter().flat_map(|(name, value)| [json!(name), json!(value)]));
    }
    members.push(Value::Object(options));
    Value::Array(members)
}

fn annotation(threshold: &Threshold) -> Value {
    let color = match threshold.severity {
        AlertSeverity::Low => "#7f7f7f",
        AlertSeverity::Medium => "#ff7f0e",
        AlertSeverity::High | AlertSeverity::Critical => "#d62728",
    };
    json!({ "label": threshold.label, "value": threshold.value, "color": color })
}
