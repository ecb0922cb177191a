//! Slack and `PagerDuty`, as far as the suite talks to them, and what everybody was told.

use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::clock::Clock;
use crate::proxy::{Calls, Crash, Proxy};

/// What a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Accept,
    /// A status and a body.
    Refuse(u16, &'static str),
    /// 429, and come back after so many seconds.
    Throttle(u32),
}

/// A secret, and what a receiver answers to whoever does not have it.
type Known = Option<(String, Answer)>;

/// What kind of message somebody got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Page,
    Update,
    Acknowledged,
    Resolved,
    /// A post-mortem is there.
    PostMortem,
    /// About no incident: the daily message, a heartbeat.
    Said,
}

impl Kind {
    /// By what follows `SEV1` in a text.
    fn of_label(label: &str) -> Self {
        if !label.starts_with("SEV") {
            return Self::Said;
        }
        match label.split_whitespace().last() {
            Some("update" | "consent") => Self::Update,
            Some("acknowledged") => Self::Acknowledged,
            Some("resolved") => Self::Resolved,
            Some("post-mortem") => Self::PostMortem,
            _ => Self::Page,
        }
    }
}

/// A message that a receiver got.
#[derive(Clone, PartialEq)]
pub struct Message {
    pub at: Timestamp,
    /// `slack`, `pagerduty`, `email`, `sms`.
    pub channel: &'static str,
    pub kind: Kind,
    /// `SEV1`.
    pub severity: String,
    /// All of what it says.
    pub text: String,
    /// At `PagerDuty`.
    pub key: Option<String>,
    /// Whether the receiver took it.
    pub accepted: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = if self.accepted { "" } else { " (not accepted)" };
        write!(f, "{} {} {:?} {:?}{accepted}: {}", self.at, self.channel, self.kind, self.key, self.text)
    }
}

/// Everything that anybody was told, in order.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<Message>>>);

impl Told {
    pub fn note(&self, message: Message) {
        self.0.lock().unwrap().push(message);
    }

    pub fn all(&self) -> Vec<Message> {
        self.0.lock().unwrap().clone()
    }

    /// What was accepted.
    pub fn accepted(&self) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.accepted).collect()
    }

    /// An e-mail or a text message.
    pub fn note_text(&self, at: Timestamp, channel: &'static str, text: &str) {
        let label = text.trim_start_matches('[').split([']', ':']).next().unwrap_or_default();
        self.note(Message {
            at,
            channel,
            kind: if channel == "sms" { Kind::Page } else { Kind::of_label(label) },
            severity: severity(label),
            text: text.to_owned(),
            key: None,
            accepted: true,
        });
    }
}

/// A receiver on loopback, behind a proxy.
#[derive(Debug)]
pub struct Receiver {
    /// The way to it.
    pub network: Proxy,
    name: &'static str,
    told: Told,
    answer: Arc<Mutex<Answer>>,
    known: Arc<Mutex<Known>>,
    _server: MockServer,
}

impl Receiver {
    pub async fn start(name: &'static str, clock: Clock, told: Told, calls: Calls, crash: Crash) -> Self {
        let server = MockServer::start().await;
        let answer = Arc::new(Mutex::new(Answer::Accept));
        let known = Arc::new(Mutex::new(None));
        let shared = (Arc::clone(&answer), Arc::clone(&known));
        let responder = Responder { name, clock, told: told.clone(), answer: shared.0, known: shared.1 };
        Mock::given(any()).respond_with(responder).mount(&server).await;
        let network = Proxy::start(*server.address(), calls, crash).await;
        Self { network, name, told, answer, known, _server: server }
    }

    /// Answers this from now on.
    pub fn answer_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Knows this secret and no other: whoever comes with another one is answered so.
    pub fn knows(&self, secret: &str, otherwise: Answer) {
        *self.known.lock().unwrap() = Some((secret.to_owned(), otherwise));
    }

    /// Answers everything with this status.
    pub fn fail_with(&self, status: u16) {
        self.answer_with(Answer::Refuse(status, ""));
    }

    /// Is well again.
    pub fn recover(&self) {
        self.answer_with(Answer::Accept);
    }

    /// Everything that arrived, whether it was accepted or not.
    pub fn received(&self) -> Vec<Message> {
        self.told.all().into_iter().filter(|message| message.channel == self.name).collect()
    }

    /// What it accepted, of one kind.
    pub fn accepted(&self, kind: Kind) -> Vec<Message> {
        self.received().into_iter().filter(|message| message.accepted && message.kind == kind).collect()
    }

    /// The deduplication keys of what it accepted of one kind, each once.
    pub fn keys(&self, kind: Kind) -> Vec<String> {
        let mut keys: Vec<String> = self.accepted(kind).into_iter().filter_map(|message| message.key).collect();
        let mut known = Vec::new();
        keys.retain(|key| {
            !known.contains(key) && {
                known.push(key.clone());
                true
            }
        });
        keys
    }
}

struct Responder {
    name: &'static str,
    clock: Clock,
    told: Told,
    answer: Arc<Mutex<Answer>>,
    known: Arc<Mutex<Known>>,
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().expect("a message is JSON");
        let refused = self.known.lock().unwrap().as_ref().and_then(|(secret, otherwise)| {
            let token = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let shown = [request.url.path(), token, body["routing_key"].as_str().unwrap_or_default()];
            (!shown.iter().any(|shown| shown.contains(secret.as_str()))).then_some(*otherwise)
        });
        let answer = refused.unwrap_or(*self.answer.lock().unwrap());
        // Slack is asked whose token it is, or given a message without text: nobody sees either.
        let is_silent = self.name == "slack" && body["text"].as_str().unwrap_or_default().is_empty();
        if !is_silent {
            self.told.note(self.message(&body, answer == Answer::Accept));
        }
        match answer {
            Answer::Accept if self.name == "pagerduty" => ResponseTemplate::new(202).set_body_json(
                json!({"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}),
            ),
            Answer::Accept if request.url.path().starts_with("/api/") => ResponseTemplate::new(200).set_body_json(
                json!({"ok": true, "channel": "C024BE91L", "ts": self.clock.now().as_second().to_string()}),
            ),
            // Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, "Handling errors".
            Answer::Accept if is_silent => ResponseTemplate::new(400).set_body_string("no_text"),
            Answer::Accept => ResponseTemplate::new(200).set_body_string("ok"),
            Answer::Refuse(status, body) => ResponseTemplate::new(status).set_body_string(body),
            Answer::Throttle(seconds) => ResponseTemplate::new(429)
                .insert_header("Retry-After", seconds.to_string())
                .set_body_string("slow down"),
        }
    }
}

impl Responder {
    fn message(&self, body: &Value, accepted: bool) -> Message {
        let at = self.clock.now();
        let text = body.to_string();
        if self.name == "pagerduty" {
            let kind = match body["event_action"].as_str() {
                Some("trigger") => Kind::Page,
                Some("acknowledge") => Kind::Acknowledged,
                Some("resolve") => Kind::Resolved,
                other => panic!("PagerDuty knows no event_action {other:?}"),
            };
            let severity = severity(body.pointer("/payload/summary").and_then(Value::as_str).unwrap_or_default());
            let key = body["dedup_key"].as_str().map(str::to_owned);
            return Message { at, channel: self.name, kind, severity, text, key, accepted };
        }
        let label = body["text"].as_str().unwrap_or_default().split(':').next().unwrap_or_default();
        Message {
            at,
            channel: self.name,
            kind: Kind::of_label(label),
            severity: severity(label),
            text,
            key: None,
            accepted,
        }
    }
}

fn severity(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}
