use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ssm::config::{Credentials, Region, SharedCredentialsProvider};
use jiff::Timestamp;
use monitoring_aws::actions::{self, Answer};
use monitoring_aws::channel::{Channels, Delivery, DeliveryError, DeliveryErrorKind, Endpoints, Receipt};
use monitoring_aws::http::{Http, Timeouts};
use monitoring_aws::outside::{
    AlarmState, ApplyError, Outside, Publication, PublishError, SeriesAnswer, SeriesRequest,
};
use monitoring_aws::secrets::{Secrets, Settings};
use monitoring_core::catalogue::{Channel, Severity, Via};
use monitoring_core::incident::{IncidentId, SlackThread, Status};
use monitoring_core::investigation::{Gathered, Wanted};
use monitoring_core::message::{Notice, NoticeKind};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wiremock::matchers::{any, body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const INCIDENT: &str = "INC-20261123-0f3a9c1d";
const TOKEN: &str = "xoxb-old-0123456789abcdef";
const NEW_TOKEN: &str = "xoxb-new-0123456789abcdef";
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_SECRET: &str = "XXXXXXXXXXXXXXXXXXXXXXXX";

/// Topics that accept everything, or nothing.
#[derive(Default)]
struct Topics {
    published: Mutex<Vec<(String, Publication)>>,
    refusal: Option<PublishError>,
}

impl Outside for Topics {
    async fn series(&self, _: &[SeriesRequest], _: Timestamp) -> Vec<SeriesAnswer> {
        Vec::new()
    }

    async fn evidence(&self, _: &Wanted) -> Gathered {
        Gathered::default()
    }

    async fn alarms(&self, _: &str) -> Result<Vec<AlarmState>, String> {
        Ok(Vec::new())
    }

    async fn check_topic(&self, topic: &str, sms: bool) -> Result<Vec<String>, String> {
        Err(format!("{topic} is checked elsewhere (sms: {sms})"))
    }

    async fn apply(&self, _: &actions::Request) -> Result<Answer, ApplyError> {
        Err(ApplyError { retryable: false, reason: "nothing acts here".to_owned() })
    }

    async fn invoke(&self, function: &str, _: &serde_json::Value) -> Result<(), PublishError> {
        Err(PublishError { retryable: false, reason: format!("{function} is invoked elsewhere") })
    }

    async fn publish(&self, topic: &str, publication: &Publication) -> Result<(), PublishError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        self.published.lock().unwrap().push((topic.to_owned(), publication.clone()));
        Ok(())
    }
}

fn page(level: u32) -> NoticeKind {
    NoticeKind::Page { level, round: 0, team: "Platform Engineering".to_owned() }
}

fn notice(kind: NoticeKind) -> Notice {
    Notice {
        incident: IncidentId::parse(INCIDENT).unwrap(),
        kind,
        severity: Severity::Sev1,
        status: Status::Detected,
        title: "ErrorRate above 10 %".to_owned(),
        why: "critical alert".to_owned(),
        service: "AI Nutritionist".to_owned(),
        environment: "production".to_owned(),
        since: "2026-11-23T03:12:00Z".parse().unwrap(),
        at: "2026-11-23T03:13:00Z".parse().unwrap(),
        alerts: Vec::new(),
        more_alerts: 0,
        runbook: None,
        on_call: None,
        dedup_keys: vec![INCIDENT.to_owned()],
    }
}

fn channel(via: Via) -> Channel {
    Channel { name: "test".to_owned(), via, fallback: None }
}

fn slack() -> Channel {
    channel(Via::Slack {
        webhook_setting: "SLACK_WEBHOOK_URL".to_owned(),
        bot_token_setting: "SLACK_BOT_TOKEN".to_owned(),
        conversation: "#incidents".to_owned(),
    })
}

fn pagerduty() -> Channel {
    channel(Via::Pagerduty { routing_key_setting: "PAGERDUTY_INTEGRATION_KEY".to_owned() })
}

fn channels_with(address: &str, settings: &[(&str, &str)], aws: Option<SdkConfig>) -> Channels {
    let http = Http::new(Timeouts { connect: Duration::from_millis(300), request: Duration::from_millis(300) });
    let settings: Settings = settings
        .iter()
        .copied()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain([
            ("SLACK_API_URL".to_owned(), format!("{address}/api/")),
            ("PAGERDUTY_EVENTS_URL".to_owned(), format!("{address}/v2/enqueue")),
        ])
        .collect();
    let endpoints = Endpoints::from_settings(&settings);
    Channels::new(http, Secrets::new(settings, aws), endpoints)
}

fn bot(server: &MockServer) -> Channels {
    channels_with(&server.uri(), &[("SLACK_BOT_TOKEN", TOKEN)], None)
}

fn webhook(server: &MockServer) -> Channels {
    let url = format!("{}/services/T000/B000/{WEBHOOK_SECRET}", server.uri());
    channels_with(&server.uri(), &[("SLACK_WEBHOOK_URL", &url)], None)
}

fn pager(server: &MockServer) -> Channels {
    channels_with(&server.uri(), &[("PAGERDUTY_INTEGRATION_KEY", ROUTING_KEY)], None)
}

/// Delivers, and checks that no error tells a secret.
async fn deliver(
    channels: &Channels,
    channel: &Channel,
    notice: &Notice,
    thread: Option<&SlackThread>,
) -> Result<Receipt, DeliveryError> {
    let delivery = Delivery { channel, notice, thread, key: "INC-20261123-0f3a9c1d#7" };
    let result = channels.deliver(&Topics::default(), delivery).await;
    let shown = format!("{result:?} {channels:?}");
    for secret in [TOKEN, NEW_TOKEN, ROUTING_KEY, WEBHOOK_SECRET] {
        assert!(!shown.contains(secret), "{shown}");
    }
    result
}

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

/// Bodies of the requests to a path, in order.
async fn bodies(server: &MockServer, path: &str) -> Vec<Value> {
    let requests: Vec<Request> = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.url.path() == path).map(|request| request.body_json().unwrap()).collect()
}

const ACCEPTED: Result<Receipt, DeliveryError> = Ok(Receipt::Accepted { thread: None });

fn kind(result: Result<Receipt, DeliveryError>) -> DeliveryErrorKind {
    result.unwrap_err().kind
}

const RETRY: DeliveryErrorKind = DeliveryErrorKind::Retry { after: None };

#[tokio::test]
async fn a_webhook_accepts() {
    let server = answering(ResponseTemplate::new(200).set_body_string("ok")).await;
    assert_eq!(deliver(&webhook(&server), &slack(), &notice(page(1)), None).await, ACCEPTED);
    let posted = bodies(&server, &format!("/services/T000/B000/{WEBHOOK_SECRET}")).await;
    assert_eq!(posted[0]["blocks"][0]["type"], "header");
}

#[tokio::test]
async fn statuses_say_whether_to_try_again() {
    let after = |seconds| DeliveryErrorKind::Retry { after: Some(Duration::from_secs(seconds)) };
    let retry_after = |status, value: &str| ResponseTemplate::new(status).insert_header("Retry-After", value);
    for (template, expected) in [
        (retry_after(429, "30"), after(30)),
        (retry_after(429, "Sun, 06 Nov 1994 08:49:37 GMT"), after(0)),
        (retry_after(503, "5"), after(5)),
        (ResponseTemplate::new(429), RETRY),
        (ResponseTemplate::new(500), RETRY),
        (ResponseTemplate::new(404).set_body_string("channel_not_found"), DeliveryErrorKind::Permanent),
        (ResponseTemplate::new(410).set_body_string("channel_is_archived"), DeliveryErrorKind::Permanent),
        (ResponseTemplate::new(302).insert_header("Location", "https://example.com/"), DeliveryErrorKind::Permanent),
    ] {
        let case = format!("{template:?}");
        let server = answering(template).await;
        let by_webhook = deliver(&webhook(&server), &slack(), &notice(page(1)), None).await;
        assert_eq!(kind(by_webhook), expected, "webhook {case}");
        let by_bot = deliver(&bot(&server), &slack(), &notice(page(1)), None).await;
        assert_eq!(kind(by_bot), expected, "bot {case}");
        let by_pager = deliver(&pager(&server), &pagerduty(), &notice(page(1)), None).await;
        assert_eq!(kind(by_pager), expected, "PagerDuty {case}");
        assert_eq!(server.received_requests().await.unwrap().len(), 3, "no retries beneath: {case}");
    }
}

#[tokio::test]
async fn a_retry_date_is_counted_from_now() {
    let at = Timestamp::now() + jiff::SignedDuration::from_secs(120);
    let at = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
    let server = answering(ResponseTemplate::new(429).insert_header("Retry-After", at.as_str())).await;
    let DeliveryErrorKind::Retry { after: Some(after) } =
        kind(deliver(&pager(&server), &pagerduty(), &notice(page(1)), None).await)
    else {
        panic!("no time to wait");
    };
    assert!((110..=120).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn a_stalled_server_is_a_retry() {
    let server = answering(ResponseTemplate::new(202).set_delay(Duration::from_secs(30))).await;
    for (channels, channel, receiver) in [
        (pager(&server), pagerduty(), "PagerDuty"),
        (webhook(&server), slack(), "Slack"),
        (bot(&server), slack(), "Slack"),
    ] {
        let error = deliver(&channels, &channel, &notice(page(1)), None).await.unwrap_err();
        assert_eq!(error.kind, RETRY);
        assert!(error.reason.starts_with(&format!("{receiver}: no answer in time")), "{error}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_retry() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let webhook = format!("{address}/services/T000/B000/{WEBHOOK_SECRET}");
    let channels = channels_with(&address, &[("SLACK_WEBHOOK_URL", &webhook)], None);
    let error = deliver(&channels, &slack(), &notice(page(1)), None).await.unwrap_err();
    assert_eq!(error.kind, RETRY);
    assert!(error.reason.starts_with("Slack: cannot connect"), "{error}");
}

#[tokio::test]
async fn a_broken_connection_is_a_retry() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let webhook = format!("{address}/services/T000/B000/{WEBHOOK_SECRET}");
    for (setting, secret, channel, receiver) in [
        ("PAGERDUTY_INTEGRATION_KEY", ROUTING_KEY, pagerduty(), "PagerDuty"),
        ("SLACK_WEBHOOK_URL", webhook.as_str(), slack(), "Slack"),
        ("SLACK_BOT_TOKEN", TOKEN, slack(), "Slack"),
    ] {
        let channels = channels_with(&address, &[(setting, secret)], None);
        let error = deliver(&channels, &channel, &notice(page(1)), None).await.unwrap_err();
        assert_eq!(error.kind, RETRY, "{setting}");
        assert!(error.reason.starts_with(&format!("{receiver}: the connection broke")), "{error}");
    }
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let channels = channels_with("http://192.0.2.1", &[("PAGERDUTY_INTEGRATION_KEY", ROUTING_KEY)], None);
    let error = deliver(&channels, &pagerduty(), &notice(page(1)), None).await.unwrap_err();
    assert_eq!(error.kind, DeliveryErrorKind::Permanent);
    assert_eq!(error.reason, "PagerDuty: the address is not https; plain http is for loopback only");
}

#[tokio::test]
async fn an_error_within_a_200_is_an_error() {
    for (code, expected) in [
        ("channel_not_found", DeliveryErrorKind::Permanent),
        ("not_in_channel", DeliveryErrorKind::Permanent),
        ("invalid_auth", DeliveryErrorKind::Permanent),
        ("never heard of", DeliveryErrorKind::Permanent),
        ("ratelimited", RETRY),
        ("internal_error", RETRY),
    ] {
        let server = answering(ResponseTemplate::new(200).set_body_json(json!({"ok": false, "error": code}))).await;
        let error = deliver(&bot(&server), &slack(), &notice(page(1)), None).await.unwrap_err();
        assert_eq!(error.kind, expected, "{code}");
        assert_eq!(error.reason, format!("Slack chat.postMessage: {code}"));
    }
    let server = answering(ResponseTemplate::new(200).set_body_string("<html>")).await;
    assert_eq!(kind(deliver(&bot(&server), &slack(), &notice(page(1)), None).await), RETRY);
}

#[tokio::test]
async fn what_a_receiver_quotes_is_redacted_and_bounded() {
    for (secret, channel) in [(ROUTING_KEY, pagerduty()), (WEBHOOK_SECRET, slack())] {
        let server =
            answering(ResponseTemplate::new(422).set_body_string(format!("{secret} {}", "x".repeat(5000)))).await;
        let channels = if channel == slack() { webhook(&server) } else { pager(&server) };
        let error = deliver(&channels, &channel, &notice(page(1)), None).await.unwrap_err();
        assert!(error.reason.contains("answered 422: [secret] xxx") && error.reason.len() <= 300, "{error}");
    }
}

mod bot_thread {
    use super::*;

    const TS: &str = "1795403520.000100";

    fn thread() -> SlackThread {
        SlackThread { conversation: "C123".to_owned(), ts: TS.to_owned() }
    }

    fn ok() -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(json!({"ok": true, "channel": "C123", "ts": TS}))
    }

    fn error(code: &str) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(json!({"ok": false, "error": code}))
    }

    async fn server(update: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        let authorized =
            || Mock::given(method("POST")).and(header("authorization", format!("Bearer {TOKEN}").as_str()));
        authorized().and(path("/api/chat.postMessage")).respond_with(ok()).mount(&server).await;
        authorized().and(path("/api/chat.update")).respond_with(update).mount(&server).await;
        server
    }

    #[tokio::test]
    async fn the_first_page_gives_a_receipt() {
        let server = server(ok()).await;
        let receipt = deliver(&bot(&server), &slack(), &notice(page(1)), None).await;
        assert_eq!(receipt, Ok(Receipt::Accepted { thread: Some(thread()) }));
        let posted = bodies(&server, "/api/chat.postMessage").await;
        assert_eq!(posted[0]["channel"], "#incidents");
        assert_eq!(posted[0]["metadata"]["event_payload"]["key"], "INC-20261123-0f3a9c1d#7");
        assert!(posted[0]["thread_ts"].is_null());
    }

    #[tokio::test]
    async fn later_notices_update_it_and_reply() {
        let server = server(ok()).await;
        let update = notice(NoticeKind::Update);
        assert_eq!(deliver(&bot(&server), &slack(), &update, Some(&thread())).await, ACCEPTED);
        let updated = bodies(&server, "/api/chat.update").await;
        assert_eq!((&updated[0]["channel"], &updated[0]["ts"]), (&json!("C123"), &json!(TS)));
        let replies = bodies(&server, "/api/chat.postMessage").await;
        assert_eq!((&replies[0]["channel"], &replies[0]["thread_ts"]), (&json!("C123"), &json!(TS)));
        assert!(replies[0]["reply_broadcast"].is_null());
    }

    #[tokio::test]
    async fn a_later_page_is_seen_by_everybody_even_if_the_update_fails() {
        let server = server(error("ratelimited")).await;
        assert_eq!(deliver(&bot(&server), &slack(), &notice(page(2)), Some(&thread())).await, ACCEPTED);
        let replies = bodies(&server, "/api/chat.postMessage").await;
        assert_eq!(replies[0]["reply_broadcast"], true);
    }

    #[tokio::test]
    async fn an_update_that_may_work_later_is_not_followed_by_a_reply() {
        let server = server(error("ratelimited")).await;
        let result = deliver(&bot(&server), &slack(), &notice(NoticeKind::Update), Some(&thread())).await;
        assert_eq!(kind(result), RETRY);
        assert!(bodies(&server, "/api/chat.postMessage").await.is_empty());
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_edited_still_gets_its_reply() {
        let server = server(error("cant_update_message")).await;
        let result = deliver(&bot(&server), &slack(), &notice(NoticeKind::Update), Some(&thread())).await;
        assert_eq!(result, ACCEPTED);
        assert_eq!(bodies(&server, "/api/chat.postMessage").await[0]["thread_ts"], TS);
    }

    #[tokio::test]
    async fn a_message_that_was_deleted_is_posted_again() {
        let server = server(error("message_not_found")).await;
        let result = deliver(&bot(&server), &slack(), &notice(NoticeKind::Update), Some(&thread())).await;
        assert_eq!(result, Ok(Receipt::Accepted { thread: Some(thread()) }));
        assert!(bodies(&server, "/api/chat.postMessage").await[0]["thread_ts"].is_null());
    }
}

mod events {
    use super::*;

    async fn actions(server: &MockServer) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let sent = bodies(server, "/v2/enqueue").await;
        sent.iter().map(|event| (text(&event["event_action"]), text(&event["dedup_key"]))).collect()
    }

    fn with_keys(kind: NoticeKind) -> Notice {
        Notice { dedup_keys: vec!["INC-1".to_owned(), "INC-1/2.0".to_owned()], ..notice(kind) }
    }

    #[tokio::test]
    async fn acknowledge_and_resolve_reach_every_key() {
        let server = answering(ResponseTemplate::new(202)).await;
        let channels = pager(&server);
        for kind in [
            NoticeKind::Acknowledged { by: "ana".to_owned() },
            NoticeKind::Update,
            NoticeKind::Resolved { by: "recovery".to_owned() },
        ] {
            assert_eq!(deliver(&channels, &pagerduty(), &with_keys(kind), None).await, ACCEPTED);
        }
        let expected =
            [("acknowledge", "INC-1"), ("acknowledge", "INC-1/2.0"), ("resolve", "INC-1"), ("resolve", "INC-1/2.0")];
        assert_eq!(actions(&server).await, expected.map(|(action, key)| (action.to_owned(), key.to_owned())));
    }

    #[tokio::test]
    async fn one_key_refused_does_not_keep_the_others_open() {
        let server = MockServer::start().await;
        let refused = ResponseTemplate::new(400).set_body_json(json!({"status": "invalid event", "errors": ["bad"]}));
        Mock::given(body_partial_json(json!({"dedup_key": "INC-1"}))).respond_with(refused).mount(&server).await;
        Mock::given(any()).respond_with(ResponseTemplate::new(202)).mount(&server).await;
        let resolved = with_keys(NoticeKind::Resolved { by: "ana".to_owned() });
        let error = deliver(&pager(&server), &pagerduty(), &resolved, None).await.unwrap_err();
        assert_eq!(error.kind, DeliveryErrorKind::Permanent);
        assert!(error.reason.contains("invalid event"), "{error}");
        assert_eq!(actions(&server).await.len(), 2);
    }
}

mod reload {
    use super::*;

    /// Parameter Store that gives these values one after the other, the last for ever.
    async fn parameter_store(values: &[&str]) -> MockServer {
        let server = MockServer::start().await;
        for (index, value) in values.iter().enumerate() {
            let answer = json!({"Parameter": {"Name": "/slack/token", "Type": "SecureString", "Value": value}});
            let mock = Mock::given(header("x-amz-target", "AmazonSSM.GetParameter"))
                .and(body_partial_json(json!({"Name": "/slack/token", "WithDecryption": true})))
                .respond_with(ResponseTemplate::new(200).set_body_json(answer));
            if index + 1 < values.len() { mock.up_to_n_times(1) } else { mock }.mount(&server).await;
        }
        server
    }

    fn aws(server: &MockServer) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(server.uri())
            .http_client(Http::default().sdk_http_client())
            .build()
    }

    fn channels(slack: &MockServer, parameters: &MockServer, name: &str) -> Channels {
        channels_with(&slack.uri(), &[(name, "ssm:/slack/token")], Some(aws(parameters)))
    }

    async fn slack_that_knows(token: &str, otherwise: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(header("authorization", format!("Bearer {token}").as_str()))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true, "channel": "C1", "ts": "1"})))
            .mount(&server)
            .await;
        Mock::given(any()).respond_with(otherwise).mount(&server).await;
        server
    }

    #[tokio::test]
    async fn a_refused_token_is_read_anew_once() {
        for refusal in [
            ResponseTemplate::new(401),
            ResponseTemplate::new(403),
            ResponseTemplate::new(200).set_body_json(json!({"ok": false, "error": "token_revoked"})),
        ] {
            let parameters = parameter_store(&[TOKEN, NEW_TOKEN]).await;
            let server = slack_that_knows(NEW_TOKEN, refusal).await;
            let channels = channels(&server, &parameters, "SLACK_BOT_TOKEN");
            deliver(&channels, &slack(), &notice(page(1)), None).await.unwrap();
            deliver(&channels, &slack(), &notice(page(1)), None).await.unwrap();
            assert_eq!(parameters.received_requests().await.unwrap().len(), 2, "kept after that");
            assert_eq!(server.received_requests().await.unwrap().len(), 3);
        }
    }

    #[tokio::test]
    async fn a_refused_key_or_webhook_is_read_anew_once() {
        for status in [401, 403] {
            let server = MockServer::start().await;
            let new_key = ROUTING_KEY.replace('0', "f");
            let new_webhook = format!("{}/services/T000/B000/{NEW_TOKEN}", server.uri());
            let old_webhook = format!("{}/services/T000/B000/{WEBHOOK_SECRET}", server.uri());
            Mock::given(body_partial_json(json!({ "routing_key": new_key })))
                .respond_with(ResponseTemplate::new(202))
                .mount(&server)
                .await;
            Mock::given(path(format!("/services/T000/B000/{NEW_TOKEN}")))
                .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
                .mount(&server)
                .await;
            Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&server).await;
            for (setting, old, new, channel) in [
                ("PAGERDUTY_INTEGRATION_KEY", ROUTING_KEY, new_key.as_str(), pagerduty()),
                ("SLACK_WEBHOOK_URL", old_webhook.as_str(), new_webhook.as_str(), slack()),
            ] {
                let asked = server.received_requests().await.unwrap().len();
                let parameters = parameter_store(&[old, new]).await;
                let channels = channels(&server, &parameters, setting);
                assert_eq!(deliver(&channels, &channel, &notice(page(1)), None).await, ACCEPTED, "{setting} {status}");
                assert_eq!(parameters.received_requests().await.unwrap().len(), 2, "{setting} {status}: once");
                assert_eq!(server.received_requests().await.unwrap().len(), asked + 2, "{setting} {status}");
            }
        }
    }

    #[tokio::test]
    async fn a_token_that_did_not_change_is_not_tried_again() {
        let parameters = parameter_store(&[TOKEN]).await;
        let server = answering(ResponseTemplate::new(401).set_body_string(TOKEN)).await;
        let channels = channels(&server, &parameters, "SLACK_BOT_TOKEN");
        let error = deliver(&channels, &slack(), &notice(page(1)), None).await.unwrap_err();
        assert_eq!(error.kind, DeliveryErrorKind::Permanent);
        assert_eq!(error.reason, "Slack answered 401: [secret]");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
        assert_eq!(parameters.received_requests().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_parameter_store_that_fails_says_whether_to_try_again() {
        for (status, code, expected) in [
            (400, "ParameterNotFound", DeliveryErrorKind::Permanent),
            (400, "AccessDeniedException", DeliveryErrorKind::Permanent),
            (400, "ThrottlingException", RETRY),
            (500, "InternalServerError", RETRY),
        ] {
            let answer = ResponseTemplate::new(status).set_body_json(json!({"__type": code, "message": "said so"}));
            let parameters = answering(answer).await;
            let server = answering(ResponseTemplate::new(202)).await;
            let channels = channels(&server, &parameters, "PAGERDUTY_INTEGRATION_KEY");
            let error = deliver(&channels, &pagerduty(), &notice(page(1)), None).await.unwrap_err();
            assert_eq!(error.kind, expected, "{code}: {error}");
            assert!(error.reason.starts_with("PAGERDUTY_INTEGRATION_KEY"), "{error}");
            assert_eq!(parameters.received_requests().await.unwrap().len(), 1, "no retries beneath");
        }
    }

    #[tokio::test]
    async fn an_unreachable_parameter_store_is_a_retry() {
        let answer = ResponseTemplate::new(200).set_body_string(format!("{{\"Parameter\": {{\"Value\": \"{TOKEN}\""));
        let parameters = answering(answer).await;
        let server = answering(ResponseTemplate::new(200)).await;
        // An answer that is cut short has the secret in it, and must not tell it.
        let result =
            deliver(&channels(&server, &parameters, "SLACK_BOT_TOKEN"), &slack(), &notice(page(1)), None).await;
        assert_eq!(kind(result), RETRY);

        let uri = parameters.uri();
        drop(parameters);
        let config = aws(&server).into_builder().endpoint_url(uri).build();
        let channels = channels_with(&server.uri(), &[("SLACK_BOT_TOKEN", "ssm:/slack/token")], Some(config));
        assert_eq!(kind(deliver(&channels, &slack(), &notice(page(1)), None).await), RETRY);
    }

    #[tokio::test]
    async fn without_aws_the_setting_must_be_the_secret() {
        let server = answering(ResponseTemplate::new(202)).await;
        let channels = channels_with(&server.uri(), &[("PAGERDUTY_INTEGRATION_KEY", "ssm:/key")], None);
        let error = deliver(&channels, &pagerduty(), &notice(page(1)), None).await.unwrap_err();
        assert_eq!(error.kind, DeliveryErrorKind::Permanent);

        let channels = channels_with(&server.uri(), &[], None);
        let error = deliver(&channels, &pagerduty(), &notice(page(1)), None).await.unwrap_err();
        assert!(error.reason.starts_with("PAGERDUTY_INTEGRATION_KEY is not set"), "{error}");
    }
}

mod topics {
    use super::*;

    fn email() -> Channel {
        channel(Via::Email { topic: "notify-email".to_owned() })
    }

    async fn publish(topics: &Topics, channel: &Channel) -> Result<Receipt, DeliveryError> {
        let notice = notice(page(1));
        let delivery = Delivery { channel, notice: &notice, thread: None, key: "INC-20261123-0f3a9c1d#7" };
        channels_with("http://127.0.0.1:9", &[], None).deliver(topics, delivery).await
    }

    #[tokio::test]
    async fn email_and_sms_are_published() {
        let topics = Topics::default();
        publish(&topics, &email()).await.unwrap();
        publish(&topics, &channel(Via::Sms { topic: "notify-sms".to_owned() })).await.unwrap();
        let published = topics.published.lock().unwrap();
        let (topic, message) = &published[0];
        assert_eq!((topic.as_str(), message.attributes["key"].as_str()), ("notify-email", "INC-20261123-0f3a9c1d#7"));
        assert_eq!(message.subject.as_deref(), Some("[SEV1] ErrorRate above 10 % - AI Nutritionist production"));
        let (topic, message) = &published[1];
        assert_eq!((topic.as_str(), &message.subject), ("notify-sms", &None));
        assert_eq!(message.attributes["AWS.SNS.SMS.SMSType"], "Transactional");
    }

    #[tokio::test]
    async fn a_topic_that_refuses_says_whether_to_try_again() {
        for (retryable, expected) in [(true, RETRY), (false, DeliveryErrorKind::Permanent)] {
            let refusal = Some(PublishError { retryable, reason: "no".to_owned() });
            let topics = Topics { refusal, ..Topics::default() };
            let error = publish(&topics, &email()).await.unwrap_err();
            assert_eq!((error.kind, error.reason.as_str()), (expected, "topic notify-email: no"));
        }
    }
}

#[tokio::test]
async fn tasks_share_the_channels() {
    let server = answering(ResponseTemplate::new(202)).await;
    let channels = Arc::new(pager(&server));
    let deliveries = (0..8).map(|_| {
        let channels = Arc::clone(&channels);
        tokio::spawn(async move { deliver(&channels, &pagerduty(), &notice(page(1)), None).await })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        assert_eq!(delivery.await.unwrap(), ACCEPTED);
    }
}
