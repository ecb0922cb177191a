//! The suite as it stands in an account: tables, topics, queues, functions and schedules on `MiniStack`.

mod cli;

use std::{
    fmt::Write as _,
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    aws::{ACCOUNT, Aws, REGION},
    button,
    ministack::MiniStack,
    outside::Outside,
    probe::Probe,
    shop::Shop,
    terraform::Terraform,
};

/// The function that measures.
pub const MONITORING: &str = "ai-nutritionist-comprehensive-monitoring";
/// The function that responds to incidents.
pub const INCIDENT_RESPONSE: &str = "ai-nutritionist-incident-response";

/// The function that hears what people do in Slack.
pub const INTERACTIONS: &str = "ai-nutritionist-interactions";

/// The function that makes the calls of automated actions.
pub const ACTIONS: &str = "ai-nutritionist-actions";
/// The function that writes post-mortems.
pub const POST_MORTEM: &str = "ai-nutritionist-post-mortem";
/// The function that reminds people of action items.
pub const ACTION_ITEM_REMINDER: &str = "ai-nutritionist-action-item-reminder";

/// The log group of the application that the test's catalogue makes a metric of.
const API_LOG_GROUP: &str = "/aws/lambda/ai-nutritionist-api";

const FUNCTIONS: [(&str, &str); 6] = [
    (MONITORING, "monitoring.zip"),
    (INCIDENT_RESPONSE, "incident-response.zip"),
    (INTERACTIONS, "interactions.zip"),
    (ACTIONS, "actions.zip"),
    (POST_MORTEM, "post-mortem.zip"),
    (ACTION_ITEM_REMINDER, "action-item-reminder.zip"),
];
/// The topics whose messages become incidents. The suite never publishes notifications to them.
const EVENT_TOPICS: [&str; 2] = ["ai-nutritionist-alerts", "ai-nutritionist-business-alerts"];
const DEAD_LETTERS: &str = "ai-nutritionist-incident-events-dlq";

/// What a destroyed suite leaves nothing of: how to list it, and where the list is.
const KINDS: [(&str, &str, &str); 9] = [
    ("lambda", "list-functions", "Functions"),
    ("lambda", "list-event-source-mappings", "EventSourceMappings"),
    ("dynamodb", "list-tables", "TableNames"),
    ("sns", "list-topics", "Topics"),
    ("sqs", "list-queues", "QueueUrls"),
    ("events", "list-rules", "Rules"),
    ("iam", "list-roles", "Roles"),
    ("kms", "list-aliases", "Aliases"),
    ("cloudwatch", "describe-alarms", "MetricAlarms"),
];

/// A deployed suite. Everything goes when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    terraform: Option<Terraform>,
    ministack: MiniStack,
    /// The operator's command line.
    pub aws: Aws,
    /// Slack and `PagerDuty`.
    pub outside: Outside,
}

impl Deployment {
    /// Starts the servers and deploys the suite: with Terraform and under its roles where there is Terraform, else call
    /// by call.
    pub async fn start() -> Self {
        Self::prepare().await.deploy()
    }

    /// The same, with roles that nobody enforces: `MiniStack` takes a call of a model for the action `bedrock:Converse`, which IAM does
    /// not have, and would refuse it.
    pub async fn start_without_authorisation() -> Self {
        Self::prepare_with(false).await.deploy()
    }

    fn deploy(self) -> Self {
        match &self.terraform {
            Some(terraform) => {
                // The application's, which metric filters are on.
                self.do_aws(&["logs", "create-log-group", "--log-group-name", API_LOG_GROUP]);
                terraform.apply();
                self.put_secrets();
            }
            None => self.create_by_command(),
        }
        self
    }

    /// Starts the servers, and deploys nothing yet.
    pub async fn prepare() -> Self {
        Self::prepare_with(Terraform::is_there()).await
    }

    async fn prepare_with(authorise: bool) -> Self {
        let outside = Outside::start().await;
        let ministack = MiniStack::start(authorise, &outside.models());
        let aws = Aws::new(ministack.endpoint(), ministack.folder());
        let terraform = Terraform::is_there().then(|| Terraform::new(ministack.endpoint(), &ministack.folder()));
        if let Some(terraform) = &terraform {
            terraform.prepare(&outside);
        }
        Self { terraform, ministack, aws, outside }
    }

    /// Terraform, for tests that need it.
    #[must_use]
    pub fn terraform(&self) -> &Terraform {
        self.terraform.as_ref().expect("STACK_TERRAFORM is set")
    }

    /// Takes the suite down, after a look at what it leaves behind: no secret in any log or table, nothing that Terraform
    /// would change, and in the end nothing at all.
    pub fn end(self) {
        self.no_secret_was_written_down();
        let Some(terraform) = &self.terraform else { return };
        terraform.plan_shows_no_change();
        assert_eq!(self.retention_of_the_application(), 30);
        terraform.destroy();
        self.nothing_is_left();
        assert_eq!(self.retention_of_the_application(), 30, "the application's log group went with the suite");
    }

    /// Fails if anything of the suite is there.
    pub fn nothing_is_left(&self) {
        for (service, list, member) in KINDS {
            let left = &self.aws.run(&[service, list])[member];
            assert!(left.as_array().is_none_or(Vec::is_empty), "terraform destroy left {service} {left}");
        }
    }

    /// As the operator does after the first deployment: under the suite's own key.
    pub fn put_secrets(&self) {
        let outputs = self.terraform().outputs();
        let key = outputs["key_alias"].as_str().expect("the output key_alias");
        for (setting, secret) in self.outside.secrets() {
            // In a file, so that no process list shows it, and the command does not fetch the webhook's address.
            let file = self.aws.folder().join(setting);
            fs::write(&file, secret).expect("a file with a secret");
            let parameter = outputs["parameters"][setting].as_str().expect("a parameter for each secret");
            let value = format!("file://{}", file.display());
            self.do_aws(&[
                "ssm",
                "put-parameter",
                "--type",
                "SecureString",
                "--key-id",
                key,
                "--name",
                parameter,
                "--value",
                &value,
            ]);
        }
    }

    /// The functions that Terraform made, by their names in the repository, in order.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        let outputs = self.terraform().outputs();
        let functions = outputs["functions"].as_object().expect("the output functions");
        let mut names: Vec<String> = functions.keys().cloned().collect();
        names.sort();
        names
    }

    /// A function of the test's own, under the role that Terraform made for `function`.
    #[must_use]
    pub fn probe(&self, function: &str) -> Probe<'_> {
        let role = self.terraform().outputs()["functions"][function]["role"].as_str().expect("a role").to_owned();
        Probe::create(&self.aws, function, &role)
    }

    /// An application that automated actions may change.
    #[must_use]
    pub fn shop(&self) -> Shop<'_> {
        Shop::open(&self.aws, self.ministack.endpoint())
    }

    /// Every log line of the functions, every item of the tables and every file of the test, `MiniStack`'s log and Terraform's
    /// state among them, without the secrets that the test planted.
    fn no_secret_was_written_down(&self) {
        let mut written: Vec<(String, String)> =
            FUNCTIONS.map(|(function, _)| (format!("log of {function}"), self.log_of(function))).into();
        let tables = self.aws.run(&["dynamodb", "list-tables", "--query", "TableNames"]);
        for table in tables.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let items = self.aws.run(&["dynamodb", "scan", "--table-name", table]);
            written.push((format!("table {table}"), items.to_string()));
        }
        let runs = |(_, text): &(String, String)| text.contains("START RequestId");
        assert!(written.iter().any(runs), "nothing was written down, so nothing is shown");
        for (setting, secret) in self.outside.secrets() {
            // Of a URL it is the path that nobody may know.
            let secret = secret.split_once("/services/").map_or(secret.as_str(), |(_, path)| path);
            for (place, text) in &written {
                assert!(!text.contains(secret), "{setting} is in the {place}");
            }
            // But for the file that the operator put it into Parameter Store from, and the list of all of them among the fixtures, which
            // Terraform's folder has a copy of.
            let mut grep = Command::new("grep");
            let known = ["--exclude", setting, "--exclude", "planted-secrets.txt"];
            grep.arg("-rlF").args(known).args(["-e", secret]).arg(self.aws.folder());
            let found = grep.output().expect("grep is on the PATH");
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{setting} is in these files");
        }
    }

    /// Days for which the application's log group keeps a line, `Null` if nobody has said it or it is gone.
    fn retention_of_the_application(&self) -> Value {
        let days = "logGroups[0].retentionInDays";
        self.aws.run(&["logs", "describe-log-groups", "--log-group-name-prefix", API_LOG_GROUP, "--query", days])
    }

    /// Whether Terraform has made it, with roles and aliases.
    #[must_use]
    pub fn has_terraform(&self) -> bool {
        self.terraform.is_some()
    }

    /// The keys of a new user who may do everything but this.
    #[must_use]
    pub fn user_without(&self, action: &str) -> [(&'static str, String); 2] {
        const NAME: &str = "limited";
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": action, "Resource": "*"},
        ]});
        self.do_aws(&["iam", "create-user", "--user-name", NAME]);
        let policy = policy.to_string();
        self.do_aws(&[
            "iam",
            "put-user-policy",
            "--user-name",
            NAME,
            "--policy-name",
            NAME,
            "--policy-document",
            &policy,
        ]);
        let key = self.aws.run(&["iam", "create-access-key", "--user-name", NAME, "--query", "AccessKey"]);
        [("AWS_ACCESS_KEY_ID", "AccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey")]
            .map(|(variable, member)| (variable, key[member].as_str().expect("an access key").to_owned()))
    }

    /// The metric filters on the application's log group, where Terraform has made them.
    #[must_use]
    pub fn metric_filters(&self) -> Option<Value> {
        self.terraform.as_ref()?;
        Some(self.aws.run(&[
            "logs",
            "describe-metric-filters",
            "--log-group-name",
            API_LOG_GROUP,
            "--query",
            "metricFilters",
        ]))
    }

    /// Somebody presses a button of an incident's message in Slack, which signs it with this secret. Returns the HTTP status.
    #[must_use]
    pub fn press_in_slack(&self, secret: &str, action: &str, incident_id: &str, by: &str) -> u16 {
        let mut wanted = vec!["lambda", "get-function-url-config", "--function-name", INTERACTIONS];
        if self.terraform.is_some() {
            wanted.extend(["--qualifier", "live"]);
        }
        let config = self.aws.run(&wanted);
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

    /// What a table has of an incident, as DynamoDB-JSON items.
    #[must_use]
    pub fn items_of(&self, table: &str, incident_id: &str) -> Vec<Value> {
        let values = json!({":id": {"S": incident_id}}).to_string();
        let table = format!("ai-nutritionist-{table}");
        let found = self.aws.run(&[
            "dynamodb",
            "query",
            "--table-name",
            &table,
            "--consistent-read",
            "--key-condition-expression",
            "incident_id = :id",
            "--expression-attribute-values",
            &values,
            "--query",
            "Items",
        ]);
        found.as_array().cloned().unwrap_or_default()
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

    /// When a function was invoked between two moments, all in milliseconds since 1970, by its log.
    #[must_use]
    pub fn invocations(&self, function: &str, from: u64, to: u64) -> Vec<u64> {
        let group = format!("/aws/lambda/{function}");
        let (from, to) = (from.to_string(), to.to_string());
        let mut wanted = vec!["logs", "filter-log-events", "--log-group-name", &group];
        let starts = "events[?starts_with(message, 'START RequestId')].timestamp";
        wanted.extend(["--start-time", &from, "--end-time", &to, "--query", starts]);
        self.aws.run(&wanted).as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    fn log_of(&self, function: &str) -> String {
        let group = format!("/aws/lambda/{function}");
        let wanted = ["logs", "filter-log-events", "--log-group-name", &group, "--query", "events[].message"];
        match self.aws.try_run(&wanted) {
            Ok(Value::Array(messages)) => messages.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            Ok(other) => other.to_string(),
            Err(error) => error,
        }
    }

    /// What the functions, `MiniStack`, Slack and `PagerDuty` saw, for the message of a failed test.
    pub async fn evidence(&self) -> String {
        let mut text = String::new();
        for (function, _) in FUNCTIONS {
            let lines = self.log_of(function);
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
