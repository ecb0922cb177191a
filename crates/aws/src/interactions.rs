//! What people do in Slack and `PagerDuty`, as commands to incident-response.
//!
//! This is the suite's only public surface. Whoever sends is a stranger until the signature says otherwise, and a stranger
//! learns nothing but a status. It reads its two signing secrets, writes logs, and asks for one invocation.

mod invoke;
mod pagerduty;
mod signature;
mod slack;

use std::collections::BTreeMap;

use jiff::Timestamp;
use monitoring_core::catalogue::Catalogue;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::health::emf;
use crate::monitoring::namespace_of_suite;
use crate::secrets::Secrets;
pub use invoke::IncidentResponse;
use signature::{SigningSecret, Verdict};

/// The setting of the secret that Slack signs with: "Signing Secret" among the app's basic information.
pub const SLACK_SIGNING_SECRET: &str = "SLACK_SIGNING_SECRET";

/// The setting of the secret that `PagerDuty` signs with, given when the webhook subscription is made.
pub const PAGERDUTY_WEBHOOK_SECRET: &str = "PAGERDUTY_WEBHOOK_SECRET";

/// The largest body that is looked at, in bytes. `PagerDuty` drops what is larger itself
/// (<https://developer.pagerduty.com/docs/webhooks-behavior>); what Slack sends is far smaller.
pub const MAX_BODY: usize = 256 * 1024;

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// `/slack`.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Exactly as it was sent: that is what was signed.
    pub body: Vec<u8>,
}

/// What the sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: incident-response has the command.
    Commanded,
    /// 200: genuine, and nothing that the suite carries out.
    Ignored,
    /// 400: genuine, or not even a request, and cannot be read.
    Unreadable,
    /// 401: unsigned, altered, late, or signed with another secret.
    Unsigned,
    /// 404: neither of the two paths, or not a `POST`.
    NotFound,
    /// 413: a body of more than [`MAX_BODY`].
    TooLarge,
    /// 503: the secret or incident-response cannot be reached now. `PagerDuty` tries again, and Slack tells the user.
    Unavailable,
}

/// Why there is no command.
type Unheard = (Answer, &'static str);

/// The interactions function, without Lambda around it.
#[derive(Debug)]
pub struct Interactions {
    secrets: Secrets,
    /// What the keys begin with under which the suite pages what it cannot record.
    unrecorded_prefix: String,
    slack: SigningSecret,
    pagerduty: SigningSecret,
}

impl Interactions {
    /// A handler that trusts whoever signs with one of these two secrets. One that is not set refuses its sender.
    /// `unrecorded_prefix` is that of [`monitoring_core::decide::unrecorded_prefix`].
    pub fn new(secrets: Secrets, unrecorded_prefix: String) -> Self {
        let slack = SigningSecret::new(SLACK_SIGNING_SECRET);
        Self { secrets, unrecorded_prefix, slack, pagerduty: SigningSecret::new(PAGERDUTY_WEBHOOK_SECRET) }
    }

    /// Handles the event of a Lambda function URL. `invoke` gives a command to incident-response, without waiting until it
    /// is carried out: Slack wants its answer within 3 seconds.
    ///
    /// Source of the event's form: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>, payload format 2.0.
    pub async fn handle_event<I, F>(&self, event: &Value, now: Timestamp, invoke: I) -> Answer
    where
        I: FnOnce(Value) -> F,
        F: Future<Output = Result<(), String>>,
    {
        match Request::from_event(event) {
            Ok(request) => self.handle(&request, now, invoke).await,
            Err(unheard) => refuse(unheard),
        }
    }

    /// Handles a request.
    pub async fn handle<I, F>(&self, request: &Request, now: Timestamp, invoke: I) -> Answer
    where
        I: FnOnce(Value) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let command = match self.command(request, now).await {
            Ok(command) => command,
            Err(unheard) => return refuse(unheard),
        };
        let text = |name: &str| command.get(name).and_then(Value::as_str).map(str::to_owned);
        let incident = text("incident_id").or_else(|| text("unrecorded_key"));
        let (name, by) = (text("command"), text("by"));
        match invoke(command).await {
            Ok(()) => {
                tracing::info!(incident, command = name, by, "given to incident-response");
                Answer::Commanded
            }
            Err(reason) => {
                tracing::error!(incident, command = name, by, reason, "incident-response could not be invoked");
                Answer::Unavailable
            }
        }
    }

    async fn command(&self, request: &Request, now: Timestamp) -> Result<Value, Unheard> {
        let (signed, secret) = match (request.method.as_str(), request.path.as_str()) {
            _ if request.body.len() > MAX_BODY => return Err((Answer::TooLarge, "the body is too large")),
            ("POST", "/slack") => (slack::signed(request, now), &self.slack),
            ("POST", "/pagerduty") => (pagerduty::signed(request), &self.pagerduty),
            _ => return Err((Answer::NotFound, "there is nothing here")),
        };
        match secret.judge(&self.secrets, &signed, now).await {
            Verdict::Genuine if request.path == "/slack" => slack::command(request, &signed),
            Verdict::Genuine => pagerduty::command(request, &self.unrecorded_prefix),
            Verdict::Refused(why) => Err((Answer::Unsigned, why)),
            Verdict::Unknown => Err((Answer::Unavailable, "the signing secret cannot be read now")),
        }
    }
}

fn refuse((answer, why): Unheard) -> Answer {
    // Strangers write at their pleasure what is logged here, so it is nothing that they choose.
    tracing::info!(status = answer.status(), why, "no command");
    answer
}

/// A name for this very interaction, under which its command is carried out once. The same for every form in which the
/// same request can be written, and nothing of its signature can be learned from it.
fn once(sender: &str, interaction: &[u8]) -> String {
    let hash = digest(&SHA256, interaction);
    format!("{sender}:{}", hex::encode(hash.as_ref().get(..16).unwrap_or_default()))
}

impl Request {
    fn from_event(event: &Value) -> Result<Self, Unheard> {
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let body = text("/body");
        let body = if event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
            // Four characters for three bytes. What is too large is not even decoded.
            if body.len() > MAX_BODY.div_ceil(3) * 4 {
                return Err((Answer::TooLarge, "the body is too large"));
            }
            aws_smithy_types::base64::decode(body).map_err(|_| (Answer::Unreadable, "the body is not base64"))?
        } else {
            body.as_bytes().to_vec()
        };
        let headers = event.get("headers").and_then(Value::as_object);
        let headers = headers.into_iter().flatten().filter_map(|(name, value)| {
            let value = value.as_str()?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        let (method, path) = (text("/requestContext/http/method").to_owned(), text("/rawPath").to_owned());
        Ok(Self { method, path, headers: headers.collect(), body })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Commanded | Self::Ignored => 200,
            Self::Unreadable => 400,
            Self::Unsigned => 401,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }

    /// The answer as a function URL takes it. There is no body: Slack wants none, and nobody else is to learn anything.
    pub fn response(self) -> Value {
        json!({ "statusCode": self.status(), "headers": { "content-type": "text/plain" }, "body": "" })
    }

    /// The metric that counts it.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Commanded => "InteractionsCommanded",
            Self::Ignored => "InteractionsIgnored",
            Self::Unreadable | Self::Unsigned | Self::NotFound | Self::TooLarge => "InteractionsRefused",
            Self::Unavailable => "InteractionsFailed",
        }
    }
}

/// Counts an answer, as Embedded Metric Format on standard output.
#[expect(clippy::print_stdout, reason = "Embedded Metric Format is written to standard output")]
pub fn print_count(catalogue: &Catalogue, environment: &str, answer: Answer, at: Timestamp) {
    let namespace = namespace_of_suite(catalogue, environment);
    println!("{}", emf(&namespace, &[], &[(answer.metric(), "Count", 1.0)], at));
}
