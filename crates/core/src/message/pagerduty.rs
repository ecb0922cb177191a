//! `PagerDuty` Events API v2. Source of fields and limits:
//! <https://developer.pagerduty.com/docs/send-alert-event>: 512 KB an event, 1,024 characters of summary, 255 of key.

use serde_json::{Value, json};

use super::wording::date_and_time;
use super::{Notice, NoticeKind, RunbookCard};
use crate::alert::bounded;
use crate::catalogue::Severity;

/// The longest summary.
const MAX_SUMMARY: usize = 1024;

/// The longest deduplication key.
const MAX_KEY: usize = 255;

/// The most steps of a runbook in an event.
const MAX_STEPS: usize = 20;

/// The event that a notice makes, with its secret in it; `None` for an update, which is no event there.
pub fn event(notice: &Notice, dedup_key: &str, routing_key: &str) -> Option<Value> {
    let action = match notice.kind {
        NoticeKind::Page { .. } | NoticeKind::Team { .. } => "trigger",
        NoticeKind::Acknowledged { .. } => "acknowledge",
        NoticeKind::Resolved { .. } => "resolve",
        NoticeKind::Update | NoticeKind::Approval { .. } | NoticeKind::PostMortem { .. } => return None,
    };
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": bounded(dedup_key, MAX_KEY),
    });
    if let ("trigger", Value::Object(fields)) = (action, &mut event) {
        fields.insert("client".to_owned(), json!(format!("{} monitoring", bounded(&notice.service, 100))));
        fields.insert("payload".to_owned(), payload(notice));
        let links: Vec<Value> = notice.runbook.iter().flat_map(links).collect();
        if !links.is_empty() {
            fields.insert("links".to_owned(), Value::Array(links));
        }
    }
    Some(event)
}

/// The runbook, and its queries of the logs.
fn links(runbook: &RunbookCard) -> Vec<Value> {
    let read = runbook.link().map(|link| json!({"href": link, "text": format!("Runbook: {}", runbook.heading())}));
    let queries = runbook.query_links().map(|(title, url)| json!({"href": url, "text": format!("Logs: {title}")}));
    read.into_iter().chain(queries).collect()
}

fn payload(notice: &Notice) -> Value {
    let summary = format!("{} {} ({})", notice.severity, notice.what_and_value(), notice.place());
    json!({
        "summary": bounded(&summary, MAX_SUMMARY),
        "source": notice.place(),
        "severity": severity(notice.severity),
        "timestamp": notice.since.to_string(),
        "component": bounded(&notice.service, 100),
        "group": bounded(&notice.environment, 100),
        "class": notice.runbook.as_ref().map_or("incident", |runbook| runbook.name.as_str()),
        "custom_details": details(notice),
    })
}

/// What `PagerDuty` shows below the summary, in the order of its names: hence what is wrong is `alerts`.
fn details(notice: &Notice) -> Value {
    let mut alerts: Vec<String> = Vec::new();
    for alert in &notice.alerts {
        let since = if alert.firing { format!(", since {}", date_and_time(alert.since)) } else { String::new() };
        alerts.push(format!("{}{since}", alert.sentence()));
        alerts.extend(alert.quotation().map(|quote| format!("\"{quote}\"")));
    }
    alerts.extend(notice.more());
    let steps: Vec<String> = notice
        .runbook
        .iter()
        .flat_map(|runbook| runbook.steps.iter().take(MAX_STEPS).enumerate())
        .map(|(index, step)| format!("{}. {}", index + 1, bounded(step, 500)))
        .collect();
    let mut details = json!({
        "incident": notice.incident,
        "status": notice.status,
        "since": date_and_time(notice.since),
        "why": notice.reason(),
        "alerts": alerts,
        "what_to_do": steps,
        "acknowledge": notice.next_step().map(|(_, command)| command),
    });
    if let (Some(person), Value::Object(details)) = (&notice.on_call, &mut details) {
        details.insert("on_call".to_owned(), json!(person.name()));
    }
    details
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "critical",
        Severity::Sev2 => "error",
        Severity::Sev3 => "warning",
        Severity::Sev4 => "info",
    }
}
