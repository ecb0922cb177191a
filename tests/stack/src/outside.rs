//! Slack, `PagerDuty` and a model of Bedrock as loopback servers that accept everything and remember it.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use crate::button::SIGNING_SECRET;

const SLACK_WEBHOOK: &str = "/services/T000/B000/stack";
const SLACK_API: &str = "/api";
const PAGERDUTY_ENQUEUE: &str = "/v2/enqueue";
/// Where `MiniStack` asks for what a model says.
const MODEL_CHAT: &str = "/v1/chat/completions";

/// The model that drafts post-mortems.
pub const MODEL: &str = "amazon.nova-lite-v1:0";

/// What the functions take for Slack and `PagerDuty`.
#[derive(Debug)]
pub struct Outside {
    server: MockServer,
}

impl Outside {
    /// Starts both.
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path(SLACK_WEBHOOK))
            .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path(format!("{SLACK_API}/chat.postMessage")))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({"ok": true, "channel": "C0000000", "ts": "1700000000.000100"})),
            )
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path(PAGERDUTY_ENQUEUE))
            .respond_with(|request: &Request| {
                let event: Value = request.body_json().unwrap_or_default();
                ResponseTemplate::new(202).set_body_json(json!({
                    "status": "success",
                    "message": "Event processed",
                    "dedup_key": event.get("dedup_key"),
                }))
            })
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path(MODEL_CHAT))
            .respond_with(|request: &Request| {
                let content = draft(&request.body_json().unwrap_or_default());
                ResponseTemplate::new(200).set_body_json(json!({
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}],
                }))
            })
            .mount(&server)
            .await;
        Self { server }
    }

    /// Where the models are.
    #[must_use]
    pub fn models(&self) -> String {
        self.server.uri()
    }

    /// The facts that a model was given so far, each time in one text.
    pub async fn facts_sent(&self) -> Vec<String> {
        let bodies = self.bodies(|at| at == MODEL_CHAT).await;
        bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).map(|body| facts(&body)).collect()
    }

    /// The secrets that the functions are given, by the setting that each belongs to.
    #[must_use]
    pub fn secrets(&self) -> [(&'static str, String); 3] {
        [
            ("SLACK_WEBHOOK_URL", format!("{}{SLACK_WEBHOOK}", self.server.uri())),
            ("SLACK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
            ("PAGERDUTY_INTEGRATION_KEY", "stack-integration-key".to_owned()),
        ]
    }

    /// Slack's Web API.
    #[must_use]
    pub fn slack_api_url(&self) -> String {
        format!("{}{SLACK_API}", self.server.uri())
    }

    /// `PagerDuty`'s Events API v2.
    #[must_use]
    pub fn pagerduty_events_url(&self) -> String {
        format!("{}{PAGERDUTY_ENQUEUE}", self.server.uri())
    }

    /// The messages sent to Slack so far, as text.
    pub async fn slack_messages(&self) -> Vec<String> {
        self.bodies(|at| at == SLACK_WEBHOOK || at.starts_with(SLACK_API)).await
    }

    /// The keys of `PagerDuty` events with this action (`trigger`, `acknowledge`, `resolve`) so far, in order.
    pub async fn pagerduty_keys(&self, action: &str) -> Vec<String> {
        self.bodies(|at| at == PAGERDUTY_ENQUEUE)
            .await
            .iter()
            .filter_map(|body| serde_json::from_str::<Value>(body).ok())
            .filter(|event| event.get("event_action").and_then(Value::as_str) == Some(action))
            .filter_map(|event| Some(event.get("dedup_key")?.as_str()?.to_owned()))
            .collect()
    }

    /// Every request so far, one a line.
    pub async fn log(&self) -> String {
        let requests = self.server.received_requests().await.unwrap_or_default();
        let lines: Vec<String> = requests
            .iter()
            .map(|request| {
                let body = String::from_utf8_lossy(&request.body);
                format!("{} {} {body}", request.method, request.url.path())
            })
            .collect();
        lines.join("\n")
    }

    async fn bodies(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap_or_default();
        requests
            .iter()
            .filter(|request| wanted(request.url.path()))
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect()
    }
}

/// What the user says to a model.
fn facts(request: &Value) -> String {
    let said = request["messages"].as_array().into_iter().flatten().find(|message| message["role"] == "user");
    said.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
}

/// A model that repeats its first fact, and makes up another sentence.
fn draft(request: &Value) -> String {
    let facts = facts(request);
    let (name, text) = facts.lines().next().and_then(|fact| fact.split_once(": ")).unwrap_or_default();
    let narrative = [json!({"text": text, "facts": [name]}), json!({"text": "An index was dropped.", "facts": []})];
    json!({"narrative": narrative, "lessons": []}).to_string()
}
