//! What AWS remembers: Lambda's versions and aliases, `CloudTrail`'s calls and the patterns of the logs, as one HTTP server on
//! loopback that speaks their wire formats and can be told to refuse, throttle or stall.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use monitoring_aws::collect::{Aws, Pace};
use monitoring_aws::http::{Http, Timeouts, stand_in_config};
use monitoring_aws::store::Store;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Longer than the pace below gives to all of it.
const STALL: Duration = Duration::from_secs(30);

const PACE: Pace = Pace {
    back_off: Duration::from_millis(2),
    poll: Duration::from_millis(5),
    poll_at_most: Duration::from_millis(20),
    between_lookups: Duration::from_millis(1),
    deadline: Duration::from_secs(2),
};

/// How an operation answers.
#[derive(Clone, Debug)]
pub enum Remembers {
    /// With this.
    Answer(Value),
    /// The role may not ask.
    Denied,
    /// It is asked too often.
    Throttled,
    /// Not in time.
    Nothing,
}

/// The server. Clones share it.
#[derive(Clone, Debug)]
pub struct History {
    server: Arc<MockServer>,
    answers: Answers,
}

type Answers = Arc<Mutex<BTreeMap<&'static str, Remembers>>>;

struct Served(Answers);

impl History {
    /// Functions without versions, no calls, and logs without failures.
    pub async fn start() -> Self {
        let answer = |value: Value| Remembers::Answer(value);
        let answers = BTreeMap::from([
            ("ListVersionsByFunction", answer(json!({ "Versions": [] }))),
            ("ListAliases", answer(json!({ "Aliases": [] }))),
            ("LookupEvents", answer(json!({ "Events": [] }))),
            ("StartQuery", answer(json!({ "queryId": "q-1" }))),
            ("GetQueryResults", answer(json!({ "status": "Complete", "results": [] }))),
            ("StopQuery", answer(json!({ "success": true }))),
        ]);
        let (server, answers) = (MockServer::start().await, Arc::new(Mutex::new(answers)));
        Mock::given(any()).respond_with(Served(Arc::clone(&answers))).mount(&server).await;
        Self { server: Arc::new(server), answers }
    }

    /// From now on an operation answers so.
    pub fn remembers(&self, operation: &'static str, how: Remembers) {
        self.answers.lock().unwrap().insert(operation, how);
    }

    /// Every function has these versions, of which `live` serves the last.
    pub fn has_versions(&self, versions: &[(&str, Timestamp)]) {
        let version = |(name, at): &(&str, Timestamp)| json!({ "Version": name, "LastModified": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string() });
        let listed: Vec<Value> = versions.iter().map(version).collect();
        self.remembers("ListVersionsByFunction", Remembers::Answer(json!({ "Versions": listed })));
        let live = versions.last().map(|(name, _)| json!({ "Name": "live", "FunctionVersion": name }));
        self.remembers("ListAliases", Remembers::Answer(json!({ "Aliases": Vec::from_iter(live) })));
    }

    /// `CloudTrail` recorded that somebody published a version of a function.
    pub fn was_published(&self, function: &str, version: &str, who: &str, at: Timestamp) {
        let record = json!({
            "eventSource": "lambda.amazonaws.com",
            "eventName": "UpdateFunctionCode20150331v2",
            "requestParameters": { "functionName": function, "publish": true },
            "responseElements": { "functionName": function, "version": version },
        });
        let event = json!({
            "EventId": "e-1",
            "EventName": "UpdateFunctionCode20150331v2",
            "EventTime": at.as_second(),
            "Username": who,
            "CloudTrailEvent": record.to_string(),
        });
        // One that cannot be read harms no other.
        let broken = json!({ "EventId": "e-2", "EventTime": at.as_second(), "CloudTrailEvent": "{" });
        self.remembers("LookupEvents", Remembers::Answer(json!({ "Events": [broken, event] })));
    }

    /// The logs have lines of this pattern.
    pub fn logged(&self, pattern: &str, count: u32) {
        let rows = json!([[
            { "field": "@pattern", "value": pattern },
            { "field": "@sampleCount", "value": count.to_string() },
        ]]);
        self.remembers("GetQueryResults", Remembers::Answer(json!({ "status": "Complete", "results": rows })));
    }

    /// The operations that were asked, with what they were asked.
    pub async fn asked(&self, operation: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap_or_default();
        let of = requests.iter().filter(|request| operation_of(request) == operation);
        of.map(|request| serde_json::from_slice(&request.body).unwrap_or_default()).collect()
    }

    /// AWS, as the monitoring function asks it.
    pub fn aws(&self, store: Store) -> Aws {
        let config = stand_in_config(&Http::new(Timeouts::default()), &self.server.uri());
        Aws::new(config, store, "ai-nutritionist", "production", "arn:aws:sns:us-east-1:123456789012:").with_pace(PACE)
    }
}

impl Respond for Served {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let operation = operation_of(request);
        let answers = self.0.lock().unwrap();
        let error = |status: u16, code: &str| {
            let body = json!({ "__type": code, "message": "no" });
            ResponseTemplate::new(status).insert_header("x-amzn-errortype", code).set_body_json(body)
        };
        match answers.get(operation.as_str()) {
            Some(Remembers::Answer(value)) => ResponseTemplate::new(200).set_body_json(value),
            Some(Remembers::Denied) => error(403, "AccessDeniedException"),
            Some(Remembers::Throttled) => error(429, "ThrottlingException"),
            Some(Remembers::Nothing) => ResponseTemplate::new(200).set_body_json(json!({})).set_delay(STALL),
            None => error(404, "UnknownOperationException"),
        }
    }
}

/// AWS JSON has it in a header; Lambda's REST interface in the path.
fn operation_of(request: &Request) -> String {
    if let Some(target) = request.headers.get("x-amz-target") {
        return target.to_str().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned();
    }
    match request.url.path().rsplit('/').next() {
        Some("versions") => "ListVersionsByFunction".to_owned(),
        Some("aliases") => "ListAliases".to_owned(),
        other => other.unwrap_or_default().to_owned(),
    }
}
