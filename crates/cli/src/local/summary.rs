//! What a run came to.

use std::fmt::Write;

use monitoring_aws::store::Store;
use monitoring_core::incident::Incident;
use monitoring_core::post_mortem::markdown;
use serde_json::json;

use super::story::Story;
use crate::incidents::table;
use crate::post_mortems::{readable, table as table_of_post_mortems};

/// The post-mortems, and one of them as a whole: that of the worst incident, the latest among equals.
async fn post_mortems(store: &Store) -> anyhow::Result<String> {
    let (documents, _) = store.post_mortems().await?;
    let Some(shown) = documents.iter().max_by_key(|document| (document.severity, document.opened_at)) else {
        return Ok(String::new());
    };
    let mut text = format!("\nPost-mortems\n{}\n", table_of_post_mortems(&documents));
    if let Some(document) = store.post_mortem(&shown.incident_id).await? {
        text.push_str(&readable(&markdown::markdown(&document)));
    }
    let _ = writeln!(
        text,
        "\nAs a page: monitorctl post-mortems export {} --html --out post-mortem.html",
        shown.incident_id
    );
    Ok(text)
}

/// The incidents of the store and what was sent, as a table for people or as one JSON object on a line.
pub(super) async fn text(store: &Store, story: &Story, json: bool) -> anyhow::Result<String> {
    let (incidents, unreadable) = store.all_incidents().await?;
    let (notifications, alerts) = story.counts();
    let open = incidents.iter().filter(|incident| incident.is_open()).count();
    if json {
        let (documents, _) = store.post_mortems().await?;
        let ids: Vec<&str> = incidents.iter().map(|incident| incident.id.as_str()).collect();
        let summary = json!({
            "kind": "summary", "incidents": ids, "open": open, "alert_changes": alerts, "notifications": notifications,
            "post_mortems": documents,
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
    text.push_str(&post_mortems(store).await?);
    let _ = writeln!(
        text,
        "Look closer: monitorctl incidents show {}",
        incidents.last().map_or("ID", |last| last.id.as_str())
    );
    Ok(text)
}
