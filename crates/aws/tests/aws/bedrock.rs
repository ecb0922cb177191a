//! A model that drafts, against recorded answers of Bedrock's `Converse` on loopback.

use std::time::{Duration, Instant};

use monitoring_aws::bedrock::Model;
use monitoring_aws::http::{Http, Timeouts, stand_in_config};
use monitoring_core::post_mortem::narrative::Prompt;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// As Bedrock answers a Nova model.
fn recorded(text: &str, stop_reason: &str) -> Value {
    json!({
        "metrics": { "latencyMs": 812 },
        "output": { "message": { "content": [{ "text": text }], "role": "assistant" } },
        "stopReason": stop_reason,
        "usage": { "inputTokens": 612, "outputTokens": 118, "totalTokens": 730 },
    })
}

async fn ask(endpoint: &str) -> Result<String, String> {
    let config = stand_in_config(&Http::new(Timeouts::default()), endpoint);
    let model = Model::new(config, "amazon.nova-lite-v1:0").with_patience(Duration::from_millis(500));
    model.ask(&Prompt { system: "Write.".to_owned(), user: "F1: It ended.".to_owned() }).await
}

#[tokio::test]
async fn a_model_is_asked_once_with_a_signed_request() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/model/amazon.nova-lite-v1%3A0/converse"))
        .respond_with(ResponseTemplate::new(200).set_body_json(recorded("{}", "end_turn")))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(ask(&server.uri()).await, Ok("{}".to_owned()));
    let request = &server.received_requests().await.unwrap()[0];
    let header = |name: &str| request.headers.get(name).unwrap().to_str().unwrap().to_owned();
    let authorization = header("authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=local/"), "{authorization}");
    assert!(authorization.contains("/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date"));
    let body: Value = request.body_json().unwrap();
    assert_eq!(body["messages"], json!([{ "role": "user", "content": [{ "text": "F1: It ended." }] }]));
    assert_eq!((&body["system"][0]["text"], &body["inferenceConfig"]["temperature"]), (&json!("Write."), &json!(0)));
}

#[tokio::test]
async fn whatever_is_wrong_is_said_and_not_tried_again() {
    let error = |status: u16, kind: &str| {
        ResponseTemplate::new(status).insert_header("x-amzn-errortype", kind).set_body_json(json!({ "message": "no" }))
    };
    let recorded = |text: &str, stop: &str| ResponseTemplate::new(200).set_body_json(recorded(text, stop));
    let refused = "bedrock:InvokeModel was refused: the role or the account has no access to amazon.nova-lite-v1:0";
    for (template, expected) in [
        (error(403, "AccessDeniedException"), refused),
        (error(429, "ThrottlingException"), "Bedrock has too many requests"),
        (error(400, "ValidationException"), "Bedrock answered 400"),
        (error(503, "ServiceUnavailableException"), "Bedrock answered 503"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "Bedrock's answer is not JSON"),
        (ResponseTemplate::new(200).set_body_json(json!([1])), "the model stopped because of nothing that it says"),
        (recorded("x", "max_tokens"), "the model stopped because of max_tokens"),
        (recorded("I cannot.", "guardrail_intervened"), "the model stopped because of guardrail_intervened"),
        (recorded(" ", "end_turn"), "the model said nothing"),
        // Cut where nobody would want to read on.
        (recorded(&"x".repeat(1_000_000), "end_turn"), "Bedrock's answer is not JSON"),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(template).expect(1).mount(&server).await;
        assert_eq!(ask(&server.uri()).await, Err(expected.to_owned()));
    }
}

#[tokio::test]
async fn nobody_waits_long_for_a_model() {
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_body_json(recorded("{}", "end_turn")).set_delay(Duration::from_secs(30));
    Mock::given(method("POST")).respond_with(late).mount(&server).await;
    let begun = Instant::now();
    assert!(ask(&server.uri()).await.unwrap_err().starts_with("Bedrock gave no answer: no answer in time"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Nobody listens there.
    assert!(ask("http://127.0.0.1:9").await.unwrap_err().starts_with("Bedrock gave no answer: cannot connect"));
}
