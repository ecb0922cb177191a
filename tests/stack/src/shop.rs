//! An application beside the suite: a function and a table that automated actions may change.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    aws::{ACCOUNT, Aws, ENVIRONMENT, REGION},
    path_from_env,
};

/// The application's table, of 10 read and 5 write units.
pub const TABLE: &str = "shop-orders";
/// The application's function, with a reserved concurrency of 4.
pub const FUNCTION: &str = "shop-checkout";

/// The role of the function.
const ROLE: &str = "shop";

/// The application, and what its operators use.
#[derive(Debug)]
pub struct Shop<'a> {
    aws: &'a Aws,
    endpoint: String,
    monitorctl: PathBuf,
}

impl<'a> Shop<'a> {
    /// Creates the function and the table.
    #[must_use]
    pub fn open(aws: &'a Aws, endpoint: String) -> Self {
        let shop = Self { aws, endpoint, monitorctl: path_from_env("STACK_MONITORCTL") };
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
        }]});
        let create = ["iam", "create-role", "--role-name", ROLE, "--assume-role-policy-document"];
        shop.operate(&[&create[..], &[&trust.to_string()]].concat());
        // It is never invoked, so any code will do.
        let code = format!("fileb://{}", path_from_env("STACK_ZIPS").join("actions.zip").display());
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}");
        let runtime = ["--runtime", "provided.al2023", "--handler", "bootstrap"];
        let of_function = ["--function-name", FUNCTION];
        let create = ["lambda", "create-function", "--role", &role, "--zip-file", &code];
        shop.operate(&[&create[..], &of_function, &runtime].concat());
        let reserve = ["lambda", "put-function-concurrency", "--reserved-concurrent-executions", "4"];
        shop.operate(&[&reserve[..], &of_function].concat());
        let keys = ["--attribute-definitions", "AttributeName=id,AttributeType=S", "--key-schema"];
        let capacity = ["--provisioned-throughput", "ReadCapacityUnits=10,WriteCapacityUnits=5"];
        let create = ["dynamodb", "create-table", "--table-name", TABLE];
        shop.operate(&[&create[..], &keys, &["AttributeName=id,KeyType=HASH"], &capacity].concat());
        shop
    }

    /// Removes them.
    pub fn close(self) {
        self.operate(&["lambda", "delete-function", "--function-name", FUNCTION]);
        self.operate(&["dynamodb", "delete-table", "--table-name", TABLE]);
        self.operate(&["iam", "delete-role", "--role-name", ROLE]);
    }

    /// So many refused calls of the function and reads of the table, in each of these minutes before now.
    pub fn refuses(&self, count: u32, minutes_ago: &[u64]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        for (namespace, metric, dimension, name) in [
            ("AWS/Lambda", "Throttles", "FunctionName", FUNCTION),
            ("AWS/DynamoDB", "ReadThrottleEvents", "TableName", TABLE),
        ] {
            let datum = |minutes: &u64| {
                json!({
                    "MetricName": metric,
                    "Dimensions": [{"Name": dimension, "Value": name}],
                    "Timestamp": (now - 60 * minutes).to_string(),
                    "Value": count,
                    "Unit": "Count",
                })
            };
            let data = minutes_ago.iter().map(datum).collect::<Value>().to_string();
            self.operate(&["cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-data", &data]);
        }
    }

    /// The reserved concurrency of the function, and the read and write units of the table.
    #[must_use]
    pub fn capacity(&self) -> [Value; 3] {
        let function = self.aws.run(&["lambda", "get-function-concurrency", "--function-name", FUNCTION]);
        let table = self.aws.run(&["dynamodb", "describe-table", "--table-name", TABLE]);
        let units = &table["Table"]["ProvisionedThroughput"];
        let [read, write] = ["ReadCapacityUnits", "WriteCapacityUnits"].map(|kind| units[kind].clone());
        [function["ReservedConcurrentExecutions"].clone(), read, write]
    }

    /// The calls in the record of `CloudTrail` that changed the function's concurrency, since it was created, oldest first, as a
    /// plan prints their requests.
    #[must_use]
    pub fn recorded_of_function(&self) -> Vec<Value> {
        // MiniStack has the body of the request alone, and calls each PUT of a function by the same name.
        let of_concurrency = |event: &Value| event["requestParameters"].get("ReservedConcurrentExecutions").is_some();
        let with_name = |event: Value| {
            let mut request = event["requestParameters"].clone();
            request["FunctionName"] = FUNCTION.into();
            request
        };
        let mut changes: Vec<Value> =
            self.recorded(FUNCTION).into_iter().filter(of_concurrency).map(with_name).collect();
        // The operator's own, when it was created.
        changes.remove(0);
        changes
    }

    /// The calls in the record of `CloudTrail` that updated the table, oldest first, as a plan prints their requests.
    #[must_use]
    pub fn recorded_of_table(&self) -> Vec<Value> {
        let updates = self.recorded(TABLE).into_iter().filter(|event| event["eventName"] == "UpdateTable");
        updates.map(|event| event["requestParameters"].clone()).collect()
    }

    /// The calls about a resource that were no mere reads, oldest first.
    fn recorded(&self, resource: &str) -> Vec<Value> {
        let resource = format!("AttributeKey=ResourceName,AttributeValue={resource}");
        let no_read = "AttributeKey=ReadOnly,AttributeValue=false";
        let found = self.aws.run(&["cloudtrail", "lookup-events", "--lookup-attributes", &resource, no_read]);
        let events = found["Events"].as_array().cloned().unwrap_or_default();
        let read = |event: &Value| {
            let text = event["CloudTrailEvent"].as_str().expect("an event as JSON");
            serde_json::from_str(text).expect("an event as JSON")
        };
        events.iter().rev().map(read).collect()
    }

    /// Runs `monitorctl --json <arguments>` over the deployed suite, and reads what it prints.
    #[must_use]
    #[track_caller]
    pub fn monitorctl(&self, arguments: &[&str]) -> Value {
        let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring.yaml");
        let mut command = Command::new(&self.monitorctl);
        command.arg("--json").args(arguments).args(["--region", REGION]).arg("--catalogue").arg(catalogue);
        // No credential, profile or proxy of the caller may have a part in this.
        command.current_dir(self.aws.folder()).env_clear().env("HOME", self.aws.folder());
        command.env("AWS_ENDPOINT_URL", &self.endpoint).envs(ENVIRONMENT);
        let output = command.output().expect("monitorctl runs");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "monitorctl {arguments:?}: {}: {complaints}", output.status);
        serde_json::from_slice(&output.stdout).expect("monitorctl prints JSON")
    }

    #[track_caller]
    fn operate(&self, arguments: &[&str]) {
        let _ = self.aws.run(arguments);
    }
}
