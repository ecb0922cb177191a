//! The same suite made call by call, where there is no Terraform: without roles, keys and aliases.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{DEAD_LETTERS, Deployment, EVENT_TOPICS, FUNCTIONS, INCIDENT_RESPONSE, INTERACTIONS, MONITORING, arn};
use crate::{aws::ACCOUNT, outside::MODEL, path_from_env};

/// The functions that have something to do each minute.
const SCHEDULED: [&str; 2] = [MONITORING, INCIDENT_RESPONSE];
const NOTIFY_TOPIC: &str = "ai-nutritionist-notify-email";
const QUEUE: &str = "ai-nutritionist-incident-events";
const TABLES: &str = include_str!("../../../fixtures/tables.json");

/// Lambda's time limit for the functions.
const FUNCTION_TIMEOUT_SECONDS: u32 = 30;
/// A message that failed comes back after this. Lambda wants it to be no shorter than the function's limit.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 30;
/// Receives before a message counts as poison.
const MAX_RECEIVES: u32 = 5;

impl Deployment {
    /// Deploys with the `aws` command.
    pub(super) fn create_by_command(&self) {
        self.create_tables();
        self.create_topics_and_queues();
        self.create_functions();
        self.create_event_sources();
        self.create_function_url();
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
        let mut variables = json!({
            "ENVIRONMENT": "production",
            "SLACK_API_URL": self.outside.slack_api_url(),
            // Its real address is known when it is deployed, and matters to Slack alone.
            "INTERACTIONS_URL": "https://interactions.example.com/",
            "PAGERDUTY_EVENTS_URL": self.outside.pagerduty_events_url(),
            "BEDROCK_MODEL": MODEL,
            // Relative to the unpacked zip, where Lambda starts the function.
            "MONITORING_CATALOGUE": "catalogue.json",
        });
        for (setting, secret) in self.outside.secrets() {
            variables[setting] = secret.into();
        }
        let environment = json!({ "Variables": variables }).to_string();
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
}
