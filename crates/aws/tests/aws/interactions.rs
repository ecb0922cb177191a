use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ssm::config::{Credentials, Region, SharedCredentialsProvider};
use jiff::{SignedDuration, Timestamp};
use monitoring_aws::http::Http;
use monitoring_aws::interactions::{Answer, Interactions, MAX_BODY, Request};
use monitoring_aws::secrets::{Secrets, Settings};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

const INCIDENT: &str = "INC-20261123-0f3a9c1d";

/// The example of <https://docs.slack.dev/authentication/verifying-requests-from-slack>: a slash command.
const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SLACK_TIME: i64 = 1_531_420_618;
const SLACK_SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

/// The example that PagerDuty's own Go library is tested with, `webhookv3/webhookv3_test.go` of PagerDuty/go-pagerduty.
const PAGERDUTY_SECRET: &str = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK";
const PAGERDUTY_SIGNATURE: &str = "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd";
const PAGERDUTY_BODY: &str = r#"{"event":{"id":"01BWDWL3NYY7LUFPZCC28QUCMK","event_type":"incident.priority_updated","resource_type":"incident","occurred_at":"2021-04-26T17:36:27.458Z","agent":{"html_url":"https://acme.pagerduty.com/users/PLH1HKV","id":"PLH1HKV","self":"https://api.pagerduty.com/users/PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},"client":null,"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","number":2,"status":"triggered","title":"A little bump in the road","service":{"html_url":"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH","self":"https://api.pagerduty.com/services/PF9KMXH","summary":"API Service","type":"service_reference"},"assignees":[{"html_url":"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G","self":"https://api.pagerduty.com/users/PTUXL6G","summary":"User 123","type":"user_reference"}],"escalation_policy":{"html_url":"https://acme.pagerduty.com/escalation_policies/PUS0KTE","id":"PUS0KTE","self":"https://api.pagerduty.com/escalation_policies/PUS0KTE","summary":"Default","type":"escalation_policy_reference"},"teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0","id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],"priority":{"html_url":"https://acme.pagerduty.com/account/incident_priorities","id":"PSO75BM","self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1","type":"priority_reference"},"urgency":"high","conference_bridge":{"conference_number":1000,"conference_url":"https://example.com"},"resolve_reason":null}}}"#;

/// What the keys begin with under which this suite pages what it cannot record.
const PREFIX: &str = "ai-nutritionist/";

fn now() -> Timestamp {
    Timestamp::from_second(SLACK_TIME).unwrap()
}

fn interactions() -> Interactions {
    let settings: Settings =
        [("SLACK_SIGNING_SECRET", SLACK_SECRET), ("PAGERDUTY_WEBHOOK_SECRET", PAGERDUTY_SECRET)].into_iter().collect();
    Interactions::new(Secrets::new(settings, None), PREFIX.to_owned())
}

fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request { method: "POST".to_owned(), path: path.to_owned(), headers: headers.collect(), body: body.to_vec() }
}

fn mac(secret: &str, message: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message))
}

fn slack_signed_with(secret: &str, body: &str) -> Request {
    let signature = format!("v0={}", mac(secret, format!("v0:{SLACK_TIME}:{body}").as_bytes()));
    let headers =
        [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", &SLACK_TIME.to_string()[..])];
    post("/slack", &headers, body.as_bytes())
}

fn form(payload: &Value) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
}

fn pressed(payload: &Value) -> Request {
    slack_signed_with(SLACK_SECRET, &form(payload))
}

fn press(action: &str) -> Value {
    json!({
        "type": "block_actions",
        "user": { "id": "U2CERLKJA", "username": "alice", "team_id": "T1DC2JH3J" },
        "actions": [{ "type": "button", "action_id": action, "block_id": "=qXel", "value": INCIDENT, "action_ts": "1548426417.840180" }],
    })
}

fn event(kind: &str, agent: &Value, key: &str) -> Value {
    let data = json!({ "id": "PGR0VU2", "type": "incident", "incident_key": key });
    json!({ "event": { "id": "01BWDWL3NYY7LUFPZCC28QUCMK", "event_type": kind, "agent": agent, "data": data } })
}

fn alice() -> Value {
    json!({ "id": "PLH1HKV", "summary": "Alice Ames", "type": "user_reference" })
}

fn webhook(body: &Value) -> Request {
    let body = body.to_string();
    let signature = format!("v1={}", mac(PAGERDUTY_SECRET, body.as_bytes()));
    post("/pagerduty", &[("x-pagerduty-signature", &signature)], body.as_bytes())
}

/// What is answered, and the command that incident-response is given.
async fn ask(interactions: &Interactions, request: &Request, at: Timestamp) -> (Answer, Option<Value>) {
    let given = Mutex::new(None);
    let invoke = async |command| {
        *given.lock().unwrap() = Some(command);
        Ok(())
    };
    let answer = interactions.handle(request, at, invoke).await;
    (answer, given.into_inner().unwrap())
}

async fn answer(request: &Request) -> Answer {
    ask(&interactions(), request, now()).await.0
}

async fn command(request: &Request) -> Value {
    let (answer, command) = ask(&interactions(), request, now()).await;
    assert_eq!(answer, Answer::Commanded);
    command.unwrap()
}

#[tokio::test]
async fn slacks_own_example_is_genuine() {
    let request = |signature: &str, time: &str, body: &str| {
        post("/slack", &[("x-slack-signature", signature), ("x-slack-request-timestamp", time)], body.as_bytes())
    };
    let time = SLACK_TIME.to_string();
    // A slash command is none of the suite's buttons, so what is genuine is unreadable here.
    assert_eq!(answer(&request(SLACK_SIGNATURE, &time, SLACK_BODY)).await, Answer::Unreadable);
    for (what, request) in [
        ("altered", request(SLACK_SIGNATURE, &time, &SLACK_BODY.replace("roadrunner", "coyote"))),
        ("cut short", request(&SLACK_SIGNATURE[..SLACK_SIGNATURE.len() - 2], &time, SLACK_BODY)),
        ("of another version", request(&SLACK_SIGNATURE.replace("v0=", "v1="), &time, SLACK_BODY)),
        ("of another time", request(SLACK_SIGNATURE, &(SLACK_TIME + 1).to_string(), SLACK_BODY)),
        ("no signature", request("", &time, SLACK_BODY)),
        ("no time", request(SLACK_SIGNATURE, "", SLACK_BODY)),
        ("nonsense", request("v0=éé", "soon", SLACK_BODY)),
        ("signed with another secret", slack_signed_with("8f742231b10e8888abcd99yyyzzz85a6", SLACK_BODY)),
    ] {
        assert_eq!(answer(&request).await, Answer::Unsigned, "{what}");
    }
    let bare = post("/slack", &[], SLACK_BODY.as_bytes());
    assert_eq!(answer(&bare).await, Answer::Unsigned);
}

#[tokio::test]
async fn slack_is_believed_for_five_minutes() {
    let request = pressed(&press("acknowledge"));
    for (seconds, expected) in
        [(300, Answer::Commanded), (-300, Answer::Commanded), (301, Answer::Unsigned), (-301, Answer::Unsigned)]
    {
        let (answer, _) = ask(&interactions(), &request, now() + SignedDuration::from_secs(seconds)).await;
        assert_eq!(answer, expected, "{seconds} s later");
    }
}

#[tokio::test]
async fn each_button_is_a_command() {
    let acknowledge = command(&pressed(&press("acknowledge"))).await;
    let once = acknowledge["once"].as_str().unwrap().to_owned();
    assert_eq!(
        acknowledge,
        json!({ "command": "acknowledge", "incident_id": INCIDENT, "by": "alice", "text": "by Slack", "once": once })
    );
    assert!(once.starts_with("slack:") && once.len() == 38, "{once}");
    assert_eq!(command(&pressed(&press("resolve"))).await["command"], "resolve");
    let silence = command(&pressed(&press("silence_1h"))).await;
    assert_eq!(
        (&silence["command"], &silence["minutes"], &silence["by"]),
        (&json!("silence"), &json!(60), &json!("alice"))
    );
}

#[tokio::test]
async fn a_request_has_one_name_however_it_is_written() {
    let request = pressed(&press("acknowledge"));
    let name = command(&request).await["once"].clone();
    let mut shouted = request.clone();
    let signature = shouted.headers.get_mut("x-slack-signature").unwrap();
    *signature = format!("v0={}", signature[3..].to_uppercase());
    assert_eq!(command(&shouted).await["once"], name);
    assert_ne!(command(&pressed(&press("resolve"))).await["once"], name);
    // Who reads the table learns no signature.
    assert!(!request.headers["x-slack-signature"].contains(name.as_str().unwrap().trim_start_matches("slack:")));
}

#[tokio::test]
async fn what_slack_sends_beside_the_buttons_does_nothing() {
    let changed = |pointer: &str, value: Value| {
        let mut payload = press("acknowledge");
        *payload.pointer_mut(pointer).unwrap() = value;
        pressed(&payload)
    };
    for (request, expected) in [
        (changed("/type", json!("view_submission")), Answer::Ignored),
        (changed("/actions/0/action_id", json!("approve")), Answer::Ignored),
        (changed("/actions", json!([])), Answer::Ignored),
        (changed("/actions/0/value", json!("INC-1#2")), Answer::Unreadable),
        (changed("/actions/0/value", json!(null)), Answer::Unreadable),
        (changed("/user", json!({})), Answer::Unreadable),
        (slack_signed_with(SLACK_SECRET, "payload={"), Answer::Unreadable),
        (slack_signed_with(SLACK_SECRET, ""), Answer::Unreadable),
    ] {
        assert_eq!(ask(&interactions(), &request, now()).await, (expected, None), "{request:?}");
    }
}

#[tokio::test]
async fn pagerdutys_own_example_is_genuine() {
    let request =
        |signature: &str, body: &str| post("/pagerduty", &[("x-pagerduty-signature", signature)], body.as_bytes());
    let other = "v1=7020c8a7ec668a9b7012bc3dd82e483394b038f4230acc6785efbf2a7d8bcaf5";
    for signatures in [
        PAGERDUTY_SIGNATURE.to_owned(),
        format!("{other},{PAGERDUTY_SIGNATURE}"),
        format!("{PAGERDUTY_SIGNATURE}, {other}"),
    ] {
        // A priority is none of the suite's business.
        assert_eq!(answer(&request(&signatures, PAGERDUTY_BODY)).await, Answer::Ignored, "{signatures}");
    }
    for (what, request) in [
        ("altered", request(PAGERDUTY_SIGNATURE, &PAGERDUTY_BODY.replace("priority_updated", "resolved"))),
        ("no body", request(PAGERDUTY_SIGNATURE, "")),
        ("no signature", request("", PAGERDUTY_BODY)),
        ("another's signature", request(other, PAGERDUTY_BODY)),
        ("of another version", request(&PAGERDUTY_SIGNATURE.replace("v1=", "v2="), PAGERDUTY_BODY)),
        ("behind too many others", request(&format!("{}{PAGERDUTY_SIGNATURE}", "v1=00,".repeat(4)), PAGERDUTY_BODY)),
    ] {
        assert_eq!(answer(&request).await, Answer::Unsigned, "{what}");
    }
}

#[tokio::test]
async fn what_a_person_does_at_pagerduty_is_a_command() {
    for (kind, key, expected) in [
        ("incident.acknowledged", INCIDENT.to_owned(), "acknowledge"),
        ("incident.resolved", INCIDENT.to_owned(), "resolve"),
        ("incident.acknowledged", format!("{INCIDENT}/2.0"), "acknowledge"),
        ("incident.resolved", format!("{INCIDENT}/10.25"), "resolve"),
    ] {
        let command = command(&webhook(&event(kind, &alice(), &key))).await;
        let once = command["once"].clone();
        assert!(once.as_str().unwrap().starts_with("pagerduty:"), "{once}");
        assert_eq!(
            command,
            json!({ "command": expected, "incident_id": INCIDENT, "by": "Alice Ames", "text": "by PagerDuty", "once": once })
        );
    }
}

#[tokio::test]
async fn a_page_that_was_not_recorded_is_answered_by_its_key() {
    let command = command(&webhook(&event("incident.acknowledged", &alice(), "ai-nutritionist/cost/AWS Lambda"))).await;
    assert_eq!(
        (&command["command"], &command["unrecorded_key"]),
        (&json!("acknowledge"), &json!("ai-nutritionist/cost/AWS Lambda"))
    );
    assert_eq!(command.get("incident_id"), None);
}

#[tokio::test]
async fn what_nobody_did_at_pagerduty_does_nothing() {
    let integration = json!({ "id": "PXMQRWJ", "summary": "Events API V2", "type": "inbound_integration_reference" });
    let service = json!({ "id": "PF9KMXH", "summary": "API Service", "type": "service_reference" });
    for body in [
        // What the suite did itself, which would go in circles.
        event("incident.acknowledged", &integration, INCIDENT),
        event("incident.resolved", &integration, INCIDENT),
        event("incident.resolved", &json!({ "type": "events_api_v2_inbound_integration_reference" }), INCIDENT),
        event("incident.resolved", &Value::Null, INCIDENT),
        // A time-out is no recovery.
        event("incident.resolved", &service, INCIDENT),
        event("incident.reopened", &alice(), INCIDENT),
        event("incident.unacknowledged", &alice(), INCIDENT),
        event("pagey.ping", &alice(), INCIDENT),
        // Incidents of somebody else.
        event("incident.resolved", &alice(), "d3640fbd41094207a1c11e58e46b1662"),
        event("incident.resolved", &alice(), "ai-nutritionist/"),
        event("incident.resolved", &alice(), "ai-nutritionist-staging/api"),
        event("incident.resolved", &alice(), &format!("{INCIDENT}/x")),
        event("incident.resolved", &alice(), &format!("{INCIDENT}/2.0/1")),
        event("incident.resolved", &alice(), &format!("{INCIDENT}#1")),
        event("incident.resolved", &alice(), ""),
    ] {
        assert_eq!(ask(&interactions(), &webhook(&body), now()).await, (Answer::Ignored, None), "{body}");
    }
    for body in [json!([]), json!({}), json!({ "event": { "event_type": 7 } })] {
        assert_eq!(answer(&webhook(&body)).await, Answer::Unreadable, "{body}");
    }
}

#[tokio::test]
async fn there_are_two_paths_and_one_method() {
    let (slack, pagerduty) = (pressed(&press("resolve")), webhook(&event("incident.resolved", &alice(), INCIDENT)));
    for (method, path) in
        [("GET", "/slack"), ("PUT", "/pagerduty"), ("post", "/slack"), ("POST", "/"), ("POST", "/slack/"), ("", "")]
    {
        for request in [&slack, &pagerduty] {
            let request = Request { method: method.to_owned(), path: path.to_owned(), ..request.clone() };
            assert_eq!(answer(&request).await, Answer::NotFound, "{method} {path}");
        }
    }
    // What is signed for one door does not open the other.
    assert_eq!(answer(&Request { path: "/pagerduty".to_owned(), ..slack }).await, Answer::Unsigned);
    assert_eq!(answer(&Request { path: "/slack".to_owned(), ..pagerduty }).await, Answer::Unsigned);
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let genuine = |length: usize| slack_signed_with(SLACK_SECRET, &"a".repeat(length));
    assert_eq!(answer(&genuine(MAX_BODY)).await, Answer::Unreadable);
    assert_eq!(answer(&genuine(MAX_BODY + 1)).await, Answer::TooLarge);
}

#[tokio::test]
async fn a_secret_that_is_not_set_opens_no_door() {
    let settings: Settings = [("SLACK_SIGNING_SECRET", SLACK_SECRET)].into_iter().collect();
    let interactions = Interactions::new(Secrets::new(settings, None), PREFIX.to_owned());
    let body = event("incident.resolved", &alice(), INCIDENT).to_string();
    for secret in ["", PAGERDUTY_SECRET, SLACK_SECRET] {
        let signature = format!("v1={}", mac(secret, body.as_bytes()));
        let request = post("/pagerduty", &[("x-pagerduty-signature", &signature)], body.as_bytes());
        assert_eq!(ask(&interactions, &request, now()).await, (Answer::Unsigned, None));
    }
}

#[tokio::test]
async fn who_cannot_be_invoked_is_unavailable() {
    let request = pressed(&press("resolve"));
    let answer = interactions().handle(&request, now(), async |_| Err("throttled".to_owned())).await;
    assert_eq!((answer, answer.status()), (Answer::Unavailable, 503));
}

/// The event of a function URL. Source: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.
fn url_event(request: &Request, body: &str, is_base64: bool) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": "",
        "headers": request.headers,
        "requestContext": {
            "accountId": "anonymous",
            "http": { "method": request.method, "path": request.path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7" },
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": is_base64,
    })
}

async fn answer_event(event: &Value) -> Answer {
    interactions().handle_event(event, now(), async |_| Ok(())).await
}

#[tokio::test]
async fn a_function_url_gives_a_body_as_text_or_as_base64() {
    let request = pressed(&press("acknowledge"));
    let text = String::from_utf8(request.body.clone()).unwrap();
    let base64 = aws_smithy_types::base64::encode(&request.body);
    assert_eq!(answer_event(&url_event(&request, &text, false)).await, Answer::Commanded);
    assert_eq!(answer_event(&url_event(&request, &base64, true)).await, Answer::Commanded);
    assert_eq!(answer_event(&url_event(&request, &base64, false)).await, Answer::Unsigned);
    assert_eq!(answer_event(&url_event(&request, "é", true)).await, Answer::Unreadable);

    let huge = "A".repeat(MAX_BODY.div_ceil(3) * 4 + 4);
    assert_eq!(answer_event(&url_event(&request, &huge, true)).await, Answer::TooLarge);
    assert_eq!(answer_event(&url_event(&request, &huge, false)).await, Answer::TooLarge);
    for nothing in [json!({}), json!(null), json!([1]), json!({ "requestContext": { "http": "POST" }, "rawPath": 7 })] {
        assert_eq!(answer_event(&nothing).await, Answer::NotFound, "{nothing}");
    }
}

#[test]
fn nobody_is_told_why() {
    let expected = json!({ "statusCode": 401, "headers": { "content-type": "text/plain" }, "body": "" });
    assert_eq!(Answer::Unsigned.response(), expected);
    assert_eq!(Answer::Commanded.response()["statusCode"], 200);
}

proptest! {
    #[test]
    fn whatever_strangers_send_is_refused(
        method in prop_oneof![Just("POST".to_owned()), "\\PC{0,8}"],
        path in prop_oneof![Just("/slack".to_owned()), Just("/pagerduty".to_owned()), "\\PC{0,12}"],
        headers in prop::collection::btree_map(
            prop_oneof![Just("x-slack-signature"), Just("x-slack-request-timestamp"), Just("x-pagerduty-signature")],
            prop_oneof!["\\PC{0,80}", "v[01]=[0-9a-f]{64}", "[0-9+-]{1,20}", Just(SLACK_TIME.to_string())],
            0..4,
        ),
        body in prop::collection::vec(any::<u8>(), 0..400),
        is_base64 in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let headers: BTreeMap<String, String> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let request = Request { method, path, headers, body };
        let answer = runtime.block_on(answer(&request));
        prop_assert!([401, 404].contains(&answer.status()), "{answer:?}");
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let answer = runtime.block_on(answer_event(&url_event(&request, &body, is_base64)));
        prop_assert!([400, 401, 404].contains(&answer.status()), "{answer:?}");
    }

    #[test]
    fn whatever_is_signed_is_read_or_refused(body in prop_oneof!["\\PC{0,200}", "payload=[%a-z0-9{}\":,]{0,100}"]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let slack = slack_signed_with(SLACK_SECRET, &body);
        let signature = format!("v1={}", mac(PAGERDUTY_SECRET, body.as_bytes()));
        let pagerduty = post("/pagerduty", &[("x-pagerduty-signature", &signature)], body.as_bytes());
        for request in [slack, pagerduty] {
            let answer = runtime.block_on(answer(&request));
            prop_assert!([200, 400].contains(&answer.status()), "{answer:?}");
        }
    }
}

mod parameter_store {
    use super::*;

    const NEW_SECRET: &str = "new-0123456789abcdef0123456789abcdef";

    /// Parameter Store with these values, one after the other; the last one stays.
    async fn parameter_store(values: &[&str]) -> MockServer {
        let server = MockServer::start().await;
        for (index, value) in values.iter().enumerate() {
            let answer = json!({ "Parameter": { "Name": "/slack/secret", "Type": "SecureString", "Value": value } });
            let mock = Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
                .respond_with(ResponseTemplate::new(200).set_body_json(answer));
            if index + 1 < values.len() { mock.up_to_n_times(1) } else { mock }.mount(&server).await;
        }
        server
    }

    fn interactions(server: &MockServer) -> Interactions {
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(server.uri())
            .http_client(Http::default().sdk_http_client())
            .build();
        let settings: Settings = [("SLACK_SIGNING_SECRET", "ssm:/slack/secret")].into_iter().collect();
        Interactions::new(Secrets::new(settings, Some(aws)), PREFIX.to_owned())
    }

    async fn asked(server: &MockServer) -> usize {
        server.received_requests().await.unwrap().len()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_secret_that_was_exchanged_is_read_anew() {
        let server = parameter_store(&[SLACK_SECRET, NEW_SECRET]).await;
        let interactions = interactions(&server);
        let old = pressed(&press("acknowledge"));
        let new = slack_signed_with(NEW_SECRET, &form(&press("acknowledge")));
        assert_eq!(ask(&interactions, &old, now()).await.0, Answer::Commanded);
        assert_eq!(ask(&interactions, &new, after(30)).await.0, Answer::Commanded);
        assert_eq!(ask(&interactions, &new, after(31)).await.0, Answer::Commanded);
        assert_eq!(ask(&interactions, &old, after(32)).await.0, Answer::Unsigned);
        assert_eq!(asked(&server).await, 2);
    }

    #[tokio::test]
    async fn strangers_cannot_make_it_ask_for_the_secret_over_and_over() {
        let server = parameter_store(&[SLACK_SECRET]).await;
        let interactions = interactions(&server);
        let forged = slack_signed_with("forged", &form(&press("resolve")));
        for second in 0..120 {
            assert_eq!(ask(&interactions, &forged, after(second)).await.0, Answer::Unsigned);
        }
        assert_eq!(asked(&server).await, 4, "once to learn it, and then each half minute");

        let late = after(600);
        for _ in 0..10 {
            assert_eq!(ask(&interactions, &forged, late).await.0, Answer::Unsigned);
        }
        assert_eq!(asked(&server).await, 4, "what is late is not even looked up");
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_not_taken_for_a_forgery() {
        let server = MockServer::start().await;
        let interactions = interactions(&server);
        let request = pressed(&press("acknowledge"));
        for second in 0..10 {
            assert_eq!(ask(&interactions, &request, after(second)).await.0, Answer::Unavailable);
        }
        assert_eq!(asked(&server).await, 1);
    }
}
