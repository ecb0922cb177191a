//! Slack and `PagerDuty` for a laptop that has neither configured: a server on loopback that shows what arrives. The
//! suite sends to it as it would to the real ones.

use std::net::SocketAddr;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::story::Story;

/// A recorder that is being served until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    served: JoinHandle<()>,
}

impl Recorder {
    /// Serves on a free port of 127.0.0.1.
    pub async fn start(story: Story) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot learn the port")?;
        let router = Router::new().route("/slack", post(slack)).route("/pagerduty", post(pagerduty)).with_state(story);
        let served = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, served })
    }

    /// In place of `SLACK_WEBHOOK_URL`.
    pub fn slack_webhook(&self) -> String {
        format!("http://{}/slack", self.address)
    }

    /// In place of `PAGERDUTY_EVENTS_URL`.
    pub fn pagerduty_events(&self) -> String {
        format!("http://{}/pagerduty", self.address)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn slack(State(story): State<Story>, Json(message): Json<Value>) -> (StatusCode, &'static str) {
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    // As Slack does; the daily check asks for it.
    if text.is_empty() {
        return (StatusCode::BAD_REQUEST, "no_text");
    }
    story.notification("slack", "posted", text, &message);
    (StatusCode::OK, "ok")
}

async fn pagerduty(State(story): State<Story>, Json(event): Json<Value>) -> (StatusCode, Json<Value>) {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (action, key) = (text("/event_action"), text("/dedup_key"));
    let shown = match text("/payload/summary") {
        "" => key.to_owned(),
        summary => format!("{summary} (key {key})"),
    };
    story.notification("pagerduty", action, &shown, &event);
    (StatusCode::ACCEPTED, Json(json!({ "status": "success", "message": "Event processed", "dedup_key": key })))
}
