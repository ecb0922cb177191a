//! What a function of the suite is refused that is not its own, under the role that Terraform made for it.
//!
//! `MiniStack` enforces actions and resources. It does not look at `kms:ViaService`, nor at the key when a service uses it.

use serde_json::{Value, json};
use stack::{deployment::Deployment, outside::MODEL};

/// A call, as botocore names it.
type Call = (&'static str, &'static str, Value);

/// What a role allows, lest every refusal be a failure of another kind, and what it refuses.
struct Role {
    function: &'static str,
    allowed: Vec<Call>,
    refused: Vec<Call>,
}

fn roles() -> Vec<Role> {
    vec![
        Role {
            function: "monitoring",
            allowed: vec![
                metric_data(),
                read_item("incidents"),
                publish("alerts"),
                invoke("ai-nutritionist-incident-response:live"),
                ("cloudtrail", "lookup_events", json!({})),
            ],
            refused: vec![
                // It looks at what was deployed, of what the catalogue names, and deploys nothing.
                ("lambda", "list_versions_by_function", json!({"FunctionName": "ai-nutritionist-actions"})),
                ("lambda", "publish_version", json!({"FunctionName": "ai-nutritionist-api"})),
                put_item("incidents"),
                delete_item("monitoring-alerts"),
                read_item("incident-journal"),
                publish("notify-email"),
                publish("watcher"),
                secret("slack-webhook-url"),
                receive(),
                invoke("ai-nutritionist-actions:live"),
                ("iam", "list_roles", json!({})),
            ],
        },
        Role {
            function: "incident-response",
            allowed: vec![
                read_item("incident-journal"),
                secret("slack-webhook-url"),
                publish("notify-email"),
                invoke("ai-nutritionist-actions:live"),
                invoke("ai-nutritionist-post-mortem:live"),
                invoke("ai-nutritionist-comprehensive-monitoring:live"),
            ],
            refused: vec![
                // Its own messages must not become incidents.
                publish("alerts"),
                publish("business-alerts"),
                publish("watcher"),
                secret("slack-signing-secret"),
                delete_item("incidents"),
                ("dynamodb", "scan", json!({"TableName": "ai-nutritionist-incidents"})),
                put_item("monitoring-metrics"),
                metric_data(),
                // What changes anything is for actions alone.
                put_parameter("circuit-breaker/model"),
            ],
        },
        Role {
            function: "actions",
            allowed: vec![put_parameter("circuit-breaker/model")],
            refused: vec![
                model(MODEL),
                put_parameter("actions/stop"),
                put_parameter("production/monitoring/slack-webhook-url"),
                secret("slack-webhook-url"),
                read_item("incidents"),
                put_item("monitoring-alerts"),
                publish("notify-email"),
                invoke("ai-nutritionist-incident-response:live"),
            ],
        },
        Role {
            function: "post-mortem",
            allowed: vec![
                metric_data(),
                read_item("incidents"),
                read_item("postmortems"),
                put_item("postmortems"),
                read_item("action-items"),
                put_item("action-items"),
                invoke("ai-nutritionist-incident-response:live"),
                model(MODEL),
            ],
            refused: vec![
                model("amazon.nova-pro-v1:0"),
                put_item("incidents"),
                put_item("incident-journal"),
                delete_item("postmortems"),
                delete_item("action-items"),
                read_item("monitoring-alerts"),
                secret("slack-webhook-url"),
                publish("notify-email"),
                invoke("ai-nutritionist-actions:live"),
            ],
        },
        action_item_reminder(),
        Role {
            function: "interactions",
            allowed: vec![secret("slack-signing-secret"), invoke("ai-nutritionist-incident-response:live")],
            refused: vec![
                secret("slack-webhook-url"),
                secret("pagerduty-integration-key"),
                read_item("incidents"),
                publish("alerts"),
                invoke("ai-nutritionist-incident-response"),
                invoke("ai-nutritionist-comprehensive-monitoring:live"),
                invoke("ai-nutritionist-actions:live"),
                receive(),
            ],
        },
    ]
}

fn action_item_reminder() -> Role {
    Role {
        function: "action-item-reminder",
        allowed: vec![claim_reminder(), read_open_items(), secret("slack-webhook-url"), publish("notify-email")],
        refused: vec![
            put_item("action-items"),
            delete_item("action-items"),
            put_item("incidents"),
            read_item("incident-journal"),
            read_item("postmortems"),
            read_item("monitoring-alerts"),
            secret("pagerduty-integration-key"),
            secret("slack-signing-secret"),
            publish("alerts"),
            publish("watcher"),
            invoke("ai-nutritionist-incident-response:live"),
            invoke("ai-nutritionist-post-mortem:live"),
        ],
    }
}

#[tokio::test]
#[ignore = "needs the zips, a local AWS and Terraform; scripts/test.sh runs it"]
async fn terraform_made_roles_refuse_what_is_not_theirs() {
    let suite = Deployment::start().await;
    let roles = roles();
    let mut tested: Vec<&str> = roles.iter().map(|role| role.function).collect();
    tested.sort_unstable();
    assert_eq!(suite.functions(), tested, "every function has its cases here");
    for role in roles {
        let probe = suite.probe(role.function);
        for (service, operation, arguments) in role.allowed {
            let error = probe.call(service, operation, &arguments);
            assert_eq!(error, None, "{} may not {service} {operation} {arguments}", role.function);
        }
        for (service, operation, arguments) in role.refused {
            let error = probe.call(service, operation, &arguments).unwrap_or_default();
            let refused = matches!(error.as_str(), "AccessDenied" | "AccessDeniedException" | "AuthorizationError");
            assert!(refused, "{} was not refused {service} {operation} {arguments}: {error:?}", role.function);
        }
    }
}

fn metric_data() -> Call {
    let metric = json!({"Namespace": "AI-Nutritionist/Application", "MetricName": "RequestCount"});
    let query = json!({"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}});
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
    ("cloudwatch", "get_metric_data", json!({"MetricDataQueries": [query], "StartTime": start, "EndTime": end}))
}

fn read_item(table: &str) -> Call {
    ("dynamodb", "get_item", json!({"TableName": name(table), "Key": key(table)}))
}

fn put_item(table: &str) -> Call {
    ("dynamodb", "put_item", json!({"TableName": name(table), "Item": key(table)}))
}

fn delete_item(table: &str) -> Call {
    ("dynamodb", "delete_item", json!({"TableName": name(table), "Key": key(table)}))
}

fn claim_reminder() -> Call {
    ("dynamodb", "update_item", json!({"TableName": name("action-items"), "Key": key("action-items")}))
}

fn read_open_items() -> Call {
    let open = json!({":open": {"S": "open#0"}});
    let condition = "state_shard = :open";
    (
        "dynamodb",
        "query",
        json!({
            "TableName": name("action-items"), "IndexName": "by-state", "KeyConditionExpression": condition,
            "ExpressionAttributeValues": open
        }),
    )
}

fn key(table: &str) -> Value {
    match table {
        "incidents" | "postmortems" => json!({"incident_id": {"S": "none"}}),
        "action-items" => json!({"incident_id": {"S": "none"}, "item": {"S": "none"}}),
        "incident-journal" => json!({"incident_id": {"S": "none"}, "entry": {"S": "none"}}),
        "monitoring-alerts" => json!({"scope": {"S": "none"}, "fingerprint": {"S": "none"}}),
        "monitoring-metrics" => json!({"metric_id": {"S": "none"}, "timestamp": {"S": "none"}}),
        other => panic!("the key of {other} is not known here"),
    }
}

fn publish(topic: &str) -> Call {
    let arn = format!("arn:aws:sns:us-east-1:000000000000:{}", name(topic));
    ("sns", "publish", json!({"TopicArn": arn, "Message": "a probe"}))
}

fn secret(parameter: &str) -> Call {
    let name = format!("/ai-nutritionist/production/monitoring/{parameter}");
    ("ssm", "get_parameter", json!({"Name": name, "WithDecryption": true}))
}

fn put_parameter(name: &str) -> Call {
    let name = format!("/ai-nutritionist/{name}");
    ("ssm", "put_parameter", json!({"Name": name, "Value": "a probe", "Type": "String", "Overwrite": true}))
}

fn receive() -> Call {
    let queue = "http://127.0.0.1/000000000000/ai-nutritionist-incident-events";
    ("sqs", "receive_message", json!({"QueueUrl": queue}))
}

/// As a dry run, so that nothing comes of one that is allowed.
fn invoke(function: &str) -> Call {
    ("lambda", "invoke", json!({"FunctionName": function, "InvocationType": "DryRun", "Payload": "{}"}))
}

fn model(id: &str) -> Call {
    ("bedrock-runtime", "invoke_model", json!({"modelId": id, "body": "{}"}))
}

fn name(resource: &str) -> String {
    format!("ai-nutritionist-{resource}")
}
