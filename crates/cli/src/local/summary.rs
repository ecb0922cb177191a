//! What a run came to.

use std::fmt::Write;

use monitoring_aws::store::Store;
use monitoring_core::incident::Incident;
use serde_json::json;

use super::story::Story;
use crate::incidents::table;

/// The incidents of the store and what was sent, as a table for people or as one JSON object on a line.
pub(super) async fn text(store: &Store, story: &Story, json: bool) -> anyhow::Result<String> {
    let (incidents, unreadable) = store.all_incidents().await?;
    let (notifications, alerts) = story.counts();
    let open = incidents.iter().filter(|incident| incident.is_open()).count();
    if json {
        let ids: Vec<&str> = incidents.iter().map(|incident| incident.id.as_str()).collect();
        let summary = json!({
            "kind": "summary", "incidents": ids, "open": open, "alert_changes": alerts, "notifications": notifications,
        });
        return Ok(format!("{summary}\n"));
    }
    let mut text = String::from("\n");
    text.push_str(&table(&incidents.iter().collect::<Vec<&Incident>>()));
    for error in unreadable {
        let _ = writeln!(text, "{error}");
    }
    let sent: Vec<String> = notifications.iter().map(|(channel, count)| format!("{channel} {count}")).collect();
    let _ = writeln!(
        text,
        "\n{} incidents, {open} of them open; {alerts} changes of alerts; messages: {}",
        incidents.len(),
        if sent.is_empty() { "none".to_owned() } else { sent.join(", ") },
    );
    let _ = writeln!(
        text,
        "Look closer: monitorctl incidents show {}",
        incidents.last().map_or("ID", |last| last.id.as_str())
    );
    Ok(text)
}
