//! The suite as it stands in an account: tables, topics, queues, functions and schedules on `MiniStack`.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    aws::{ACCOUNT, Aws, REGION},
    button,
    ministack::MiniStack,
    outside::Outside,
    path_from_env,
};

/// The function that measures.
pub const MONITORING: &str = "ai-nutritionist-comprehensive-monitoring";
/// The function that responds to incidents.
pub const INCIDENT_RESPONSE: &str = "ai-nutritionist-incident-response";

/// The function that hears what people do in Slack.
pub const INTERACTIONS: &str = "ai-nutritionist-interactions";

const FUNCTIONS: [(&str, &str); 3] =
    [(MONITORING, "monitoring.zip"), (INCIDENT_RESPONSE, "incident-response.zip"), (INTERACTIONS, "interactions.zip")];
/// The functions that have something to do each minute.
const SCHEDULED: [&str; 2] = [MONITORING, INCIDENT_RESPONSE];
/// The topics whose messages become incidents. The suite never publishes notifications to them.
const EVENT_TOPICS: [&str; 2] = ["ai-nutritionist-alerts", "ai-nutritionist-business-alerts"];
const NOTIFY_TOPIC: &str = "ai-nutritionist-notify-email";
const QUEUE: &str = "ai-nutritionist-incident-events";
const DEAD_LETTERS: &str = "ai-nutritionist-incident-events-dlq";
const TABLES: &str = include_str!("../../fixtures/tables.json");

/// Lambda's time limit for the functions.
const FUNCTION_TIMEOUT_SECONDS: u32 = 30;
/// A message that failed comes back after this. Lambda wants it to be no shorter than the function's limit.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 30;
/// Receives before a message counts as poison.
const MAX_RECEIVES: u32 = 5;

/// A deployed suite. Everything goes when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    ministack: MiniStack,
    /// The operator's command line.
    pub aws: Aws,
    /// Slack and `PagerDuty`.
    pub outside: Outside,
}

impl Deployment {
    /// Starts the servers and deploys the suite.
    pub async fn start() -> Self {
        let outside = Outside::start().await;
        let ministack = MiniStack::start();
        let aws = Aws::new(ministack.endpoint(), ministack.folder());
        let deployment = Self { ministack, aws, outside };
        deployment.create_tables();
        deployment.create_topics_and_queues();
        deployment.create_functions();
        deployment.create_event_sources();
        deployment.create_function_url();
        deployment
    }

    fn create_tables(&self) {
        let tables: Vec<Value> = serde_json::from_str(TABLES).expect("tables.json is a JSON array");
        for table in tables {
            let input = table.to_string();
            self.do_aws(&["dynamodb", "create-table", "--cli-input-json", &input]);
        }
    }

    fn create_topics_and_queues(&self) {
        for topic in EVENT_TOPICS.into_iter().chain([NOTIFY_TOPIC]) {
            self.do_aws(&["sns", "create-topic", "--name", topic]);
        }
        self.do_aws(&["sqs", "create-queue", "--queue-name", DEAD_LETTERS]);
        let redrive = json!({
            "deadLetterTargetArn": arn("sqs", DEAD_LETTERS),
            "maxReceiveCount": MAX_RECEIVES.to_string(),
        });
        let attributes = json!({
            "VisibilityTimeout": VISIBILITY_TIMEOUT_SECONDS.to_string(),
            "RedrivePolicy": redrive.to_string(),
        });
        self.do_aws(&["sqs", "create-queue", "--queue-name", QUEUE, "--attributes", &attributes.to_string()]);
        for topic in EVENT_TOPICS {
            self.do_aws(&[
                "sns",
                "subscribe",
                "--topic-arn",
                &arn("sns", topic),
                "--protocol",
                "sqs",
                "--notification-endpoint",
                &arn("sqs", QUEUE),
            ]);
        }
    }

    fn create_functions(&self) {
        let zips = path_from_env("STACK_ZIPS");
        let environment = json!({"Variables": {
            "ENVIRONMENT": "production",
            "SLACK_WEBHOOK_URL": self.outside.slack_webhook_url(),
            "SLACK_API_URL": self.outside.slack_api_url(),
            "SLACK_SIGNING_SECRET": button::SIGNING_SECRET,
            // Its real address is known when it is deployed, and matters to Slack alone.
            "INTERACTIONS_URL": "https://interactions.example.com/",
            "PAGERDUTY_INTEGRATION_KEY": "stack-integration-key",
            "PAGERDUTY_EVENTS_URL": self.outside.pagerduty_events_url(),
            // Relative to the unpacked zip, where Lambda starts the function.
            "MONITORING_CATALOGUE": "catalogue.json",
        }})
        .to_string();
        for (name, zip) in FUNCTIONS {
            self.do_aws(&[
                "lambda",
                "create-function",
                "--function-name",
                name,
                "--runtime",
                "provided.al2023",
                "--handler",
                "bootstrap",
                "--role",
                &format!("arn:aws:iam::{ACCOUNT}:role/ai-nutritionist-monitoring-lambda-role"),
                "--timeout",
                &FUNCTION_TIMEOUT_SECONDS.to_string(),
                "--memory-size",
                "256",
                "--environment",
                &environment,
                "--zip-file",
                &format!("fileb://{}", zips.join(zip).display()),
            ]);
        }
        for (name, _) in FUNCTIONS {
            let started = Instant::now();
            loop {
                let state = self.aws.run(&[
                    "lambda",
                    "get-function-configuration",
                    "--function-name",
                    name,
                    "--query",
                    "State",
                ]);
                if state == "Active" {
                    break;
                }
                assert!(started.elapsed() < Duration::from_mins(1), "{name} is {state} after a minute");
                thread::sleep(Duration::from_millis(200));
            }
        }
    }

    fn create_event_sources(&self) {
        self.do_aws(&[
            "lambda",
            "create-event-source-mapping",
            "--function-name",
            INCIDENT_RESPONSE,
            "--event-source-arn",
            &arn("sqs", QUEUE),
            "--batch-size",
            "10",
            "--function-response-types",
            "ReportBatchItemFailures",
        ]);
        for function in SCHEDULED {
            let rule = format!("{function}-minute");
            self.do_aws(&["events", "put-rule", "--name", &rule, "--schedule-expression", "rate(1 minute)"]);
            self.do_aws(&[
                "lambda",
                "add-permission",
                "--function-name",
                function,
                "--statement-id",
                "minute",
                "--action",
                "lambda:InvokeFunction",
                "--principal",
                "events.amazonaws.com",
                "--source-arn",
                &arn("events", &format!("rule/{rule}")),
            ]);
            let target = format!("Id=1,Arn={}", arn("lambda", &format!("function:{function}")));
            self.do_aws(&["events", "put-targets", "--rule", &rule, "--targets", &target]);
        }
    }

    fn create_function_url(&self) {
        self.do_aws(&["lambda", "create-function-url-config", "--function-name", INTERACTIONS, "--auth-type", "NONE"]);
        self.do_aws(&[
            "lambda",
            "add-permission",
            "--function-name",
            INTERACTIONS,
            "--statement-id",
            "url",
            "--action",
            "lambda:InvokeFunctionUrl",
            "--principal",
            "*",
            "--function-url-auth-type",
            "NONE",
        ]);
    }

    /// Somebody presses a button of an incident's message in Slack, which signs it with this secret. Returns the HTTP status.
    #[must_use]
    pub fn press_in_slack(&self, secret: &str, action: &str, incident_id: &str, by: &str) -> u16 {
        let config = self.aws.run(&["lambda", "get-function-url-config", "--function-name", INTERACTIONS]);
        // `https://<id>.lambda-url.us-east-1.on.aws/`, which MiniStack serves at a path of its own.
        let url = config.get("FunctionUrl").and_then(Value::as_str).unwrap_or_default();
        let id = url.trim_start_matches("https://").split('.').next().unwrap_or_default();
        let path = format!("/_aws/lambda-url/{id}/slack");
        button::press(self.ministack.port(), &path, secret, action, incident_id, by)
    }

    #[track_caller]
    fn do_aws(&self, arguments: &[&str]) {
        let _ = self.aws.run(arguments);
    }

    /// The item of an incident as DynamoDB-JSON attributes, `Null` if there is none.
    #[must_use]
    pub fn incident(&self, incident_id: &str) -> Value {
        let key = json!({"incident_id": {"S": incident_id}}).to_string();
        self.aws.run(&[
            "dynamodb",
            "get-item",
            "--table-name",
            "ai-nutritionist-incidents",
            "--consistent-read",
            "--key",
            &key,
            "--query",
            "Item",
        ])
    }

    /// Puts these counts of application metrics for each of these minutes before now.
    pub fn put_application_counts(&self, counts: &[(&str, u32)], minutes_ago: &[u64]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let data: Vec<Value> = minutes_ago
            .iter()
            .flat_map(|minutes| counts.iter().map(move |count| (minutes, count)))
            .map(|(minutes, (name, value))| {
                json!({
                    "MetricName": name,
                    "Timestamp": (now - 60 * minutes).to_string(),
                    "Value": value,
                    "Unit": "Count",
                })
            })
            .collect();
        self.do_aws(&[
            "cloudwatch",
            "put-metric-data",
            "--namespace",
            "AI-Nutritionist/Application",
            "--metric-data",
            &Value::from(data).to_string(),
        ]);
    }

    /// The number of messages that the suite gave up on.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        let url = format!("{}/{ACCOUNT}/{DEAD_LETTERS}", self.ministack.endpoint());
        self.aws
            .run(&[
                "sqs",
                "get-queue-attributes",
                "--queue-url",
                &url,
                "--attribute-names",
                "ApproximateNumberOfMessages",
                "--query",
                "Attributes.ApproximateNumberOfMessages",
            ])
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// What the functions, `MiniStack`, Slack and `PagerDuty` saw, for the message of a failed test.
    pub async fn evidence(&self) -> String {
        let mut text = String::new();
        for (function, _) in FUNCTIONS {
            let group = format!("/aws/lambda/{function}");
            let lines = match self.aws.try_run(&[
                "logs",
                "filter-log-events",
                "--log-group-name",
                &group,
                "--query",
                "events[].message",
            ]) {
                Ok(Value::Array(messages)) => messages.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
                Ok(other) => other.to_string(),
                Err(error) => error,
            };
            let _ = write!(text, "\n--- log of {function}\n{}", last_lines(&lines, 80));
        }
        let requests = self.outside.log().await;
        let _ = write!(text, "\n--- sent to Slack and PagerDuty\n{}", last_lines(&requests, 40));
        let complaints = self.ministack.complaints();
        let _ = write!(text, "\n--- MiniStack's warnings\n{}", last_lines(&complaints, 40));
        text
    }
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(count);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}
