//! Reading telemetry and publishing, against one loopback server that plays every AWS service in its own wire format.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sns::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use monitoring_aws::collect::{Aws, Pace};
use monitoring_aws::http::{Http, Timeouts};
use monitoring_aws::outside::{AlarmState, Outside, Publication, SeriesAnswer, SeriesRequest};
use monitoring_aws::store::Store;
use monitoring_core::catalogue::Source;
use monitoring_core::metric::{Dimensions, Sample, Series};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// 2024-10-14 10:00 UTC.
const TEN: i64 = 1_728_900_000;

const PACE: Pace = Pace {
    back_off: Duration::from_millis(2),
    poll: Duration::from_millis(5),
    poll_at_most: Duration::from_millis(20),
    between_lookups: Duration::from_millis(5),
    deadline: Duration::from_secs(20),
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn aws(server: &MockServer) -> Aws {
    aws_at(&server.uri())
}

fn aws_at(endpoint: &str) -> Aws {
    aws_through(endpoint, &Http::new(Timeouts::default()))
}

fn aws_through(endpoint: &str, http: &Http) -> Aws {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
        .endpoint_url(endpoint)
        .http_client(http.sdk_http_client())
        .build();
    let store = Store::new(aws_sdk_dynamodb::Client::new(&config), "ai-nutritionist", "staging");
    Aws::new(config, store, "ai-nutritionist", "staging", "arn:aws:sns:eu-west-1:123456789012:").with_pace(PACE)
}

/// Answers every call of an operation; the function gets the number of calls before and the request.
async fn serve(
    server: &MockServer,
    operation: &'static str,
    answer: impl Fn(usize, Value) -> ResponseTemplate + Send + Sync + 'static,
) {
    let calls = AtomicUsize::new(0);
    Mock::given(move |request: &Request| operation_of(request) == operation)
        .respond_with(move |request: &Request| answer(calls.fetch_add(1, Ordering::SeqCst), body_of(request)))
        .mount(server)
        .await;
}

/// What the server was asked by an operation, in order.
async fn asked(server: &MockServer, operation: &str) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| operation_of(request) == operation).map(body_of).collect()
}

/// Smithy RPC has it in the path, AWS JSON in a header, AWS Query in the body.
fn operation_of(request: &Request) -> String {
    if let Some(target) = request.headers.get("x-amz-target") {
        return target.to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    }
    match request.url.path().rsplit_once("/operation/") {
        Some((_, operation)) => operation.to_owned(),
        None => body_of(request)["Action"].as_str().unwrap().to_owned(),
    }
}

fn body_of(request: &Request) -> Value {
    let kind = request.headers.get("content-type").unwrap().to_str().unwrap();
    if kind == "application/cbor" {
        decode(&mut Decoder::new(&request.body))
    } else if kind.starts_with("application/x-amz-json") {
        serde_json::from_slice(&request.body).unwrap()
    } else {
        let url = reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(&request.body))).unwrap();
        url.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    }
}

fn decode(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::String | Type::StringIndef => json!(decoder.string().unwrap()),
        Type::Bool => json!(decoder.boolean().unwrap()),
        Type::Tag => json!(decoder.timestamp().unwrap().secs()),
        Type::Array | Type::ArrayIndef => {
            let length = decoder.list().unwrap();
            let mut items = Vec::new();
            while has_more(decoder, length, items.len()) {
                items.push(decode(decoder));
            }
            items.into()
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map().unwrap();
            let mut members = serde_json::Map::new();
            while has_more(decoder, length, members.len()) {
                let name = decoder.string().unwrap();
                members.insert(name, decode(decoder));
            }
            members.into()
        }
        _ => json!(decoder.long().unwrap()),
    }
}

fn has_more(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> bool {
    match length {
        Some(length) => (read as u64) < length,
        None if decoder.datatype().unwrap() == Type::Break => {
            decoder.skip().unwrap();
            false
        }
        None => true,
    }
}

/// Numbers are doubles, but in members that are times.
fn encode(encoder: &mut Encoder, value: &Value, is_time: bool) {
    match value {
        Value::String(text) => drop(encoder.str(text)),
        Value::Number(number) if is_time => drop(encoder.timestamp(&DateTime::from_secs(number.as_i64().unwrap()))),
        Value::Number(number) => drop(encoder.double(number.as_f64().unwrap())),
        Value::Array(items) => {
            encoder.array(items.len());
            for item in items {
                encode(encoder, item, is_time);
            }
        }
        Value::Object(members) => {
            encoder.map(members.len());
            for (name, value) in members {
                encoder.str(name);
                encode(encoder, value, name.contains("Timestamp"));
            }
        }
        _ => unreachable!(),
    }
}

fn cbor(status: u16, body: &Value) -> ResponseTemplate {
    let mut encoder = Encoder::new(Vec::new());
    encode(&mut encoder, body, false);
    ResponseTemplate::new(status)
        .insert_header("smithy-protocol", "rpc-v2-cbor")
        .set_body_raw(encoder.into_writer(), "application/cbor")
}

/// An error of `CloudWatch`, which gives the code of its old protocol in a header.
fn cloudwatch_error(status: u16, code: &str, message: &str) -> ResponseTemplate {
    cbor(status, &json!({ "__type": format!("com.amazonaws.cloudwatch#{code}"), "message": message }))
        .insert_header("x-amzn-query-error", format!("{code};Sender"))
}

fn aws_json(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/x-amz-json-1.1")
}

fn metric(name: &str) -> SeriesRequest {
    SeriesRequest {
        metric: format!("catalogued {name}"),
        source: Source::Cloudwatch { namespace: "App".into(), metric_name: name.into(), statistic: "Sum".into() },
        dimensions: Dimensions::new(),
        period_seconds: 60,
        start: at(TEN),
        end: at(TEN + 300),
    }
}

fn queries(request: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let queries = request["MetricDataQueries"].as_array().unwrap();
    queries.iter().map(|query| (text(&query["Id"]), text(&query["MetricStat"]["Metric"]["MetricName"]))).collect()
}

/// One sample for each query, whose value is the number in the metric's name.
fn all_complete(request: &Value) -> ResponseTemplate {
    let results: Vec<Value> = queries(request)
        .into_iter()
        .map(|(id, name)| {
            let value: f64 = name.trim_start_matches(char::is_alphabetic).parse().unwrap();
            json!({ "Id": id, "StatusCode": "Complete", "Timestamps": [TEN], "Values": [value] })
        })
        .collect();
    cbor(200, &json!({ "MetricDataResults": results }))
}

/// An answer of one series.
#[allow(clippy::unnecessary_wraps, reason = "an answer is a result")]
fn one(samples: &[(i64, f64)]) -> SeriesAnswer {
    let samples = samples.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect();
    Ok(vec![Series { dimensions: Dimensions::new(), samples }])
}

fn failed(reason: &str) -> SeriesAnswer {
    Err(reason.to_owned())
}

mod cloudwatch {
    use super::*;

    #[tokio::test]
    async fn five_hundred_metrics_share_a_call() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, request| all_complete(&request)).await;
        let requests: Vec<_> = (0..1203).map(|number| metric(&format!("m{number}"))).collect();
        let answers = aws(&server).series(&requests, at(TEN + 300)).await;

        let mut sizes: Vec<_> = asked(&server, "GetMetricData").await.iter().map(|call| queries(call).len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [203, 500, 500]);
        assert_eq!(answers.len(), 1203);
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer, &one(&[(TEN, f64::from(u32::try_from(number).unwrap()))]));
        }
    }

    #[tokio::test]
    async fn a_call_asks_for_as_many_datapoints_as_a_page_holds() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, request| all_complete(&request)).await;
        // 28 days of minutes are 40,320 datapoints: two such metrics fit into 100,800, three do not.
        let request = |name| SeriesRequest { end: at(TEN + 28 * 86_400), ..metric(name) };
        let answers = aws(&server).series(&[request("m1"), request("m2"), request("m3")], at(TEN)).await;
        assert!(answers.iter().all(Result::is_ok));
        let mut sizes: Vec<_> = asked(&server, "GetMetricData").await.iter().map(|call| queries(call).len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2]);
    }

    #[tokio::test]
    async fn a_request_says_what_is_wanted_and_twice_the_same_is_asked_once() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, _| {
            cbor(
                200,
                &json!({ "MetricDataResults": [
                    { "Id": "q0", "StatusCode": "Complete", "Timestamps": [], "Values": [] },
                ]}),
            )
        })
        .await;
        let dimensions: Dimensions = [("FunctionName".to_owned(), "api".to_owned())].into();
        let request = SeriesRequest { dimensions: dimensions.clone(), ..metric("Errors") };
        let same = SeriesRequest { metric: "another name".into(), ..request.clone() };
        let answers = aws(&server).series(&[request, same], at(TEN)).await;

        let empty: SeriesAnswer = Ok(vec![Series { dimensions, samples: vec![] }]);
        assert_eq!(answers, [empty.clone(), empty]);
        let expected = json!({
            "MetricDataQueries": [{
                "Id": "q0",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "App",
                        "MetricName": "Errors",
                        "Dimensions": [{ "Name": "FunctionName", "Value": "api" }],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
                "ReturnData": true,
            }],
            "StartTime": 1_728_900_000,
            "EndTime": 1_728_900_300,
            "ScanBy": "TimestampAscending",
        });
        assert_eq!(asked(&server, "GetMetricData").await, [expected]);
    }

    #[tokio::test]
    async fn a_page_may_be_partial_while_more_are_to_come() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, request| match request["NextToken"].as_str() {
            None => cbor(
                200,
                &json!({ "NextToken": "more", "MetricDataResults": [
                    { "Id": "q0", "StatusCode": "PartialData", "Timestamps": [TEN + 60], "Values": [2.0] },
                    { "Id": "q1", "StatusCode": "Complete", "Timestamps": [TEN], "Values": [7.0] },
                ]}),
            ),
            Some("more") => cbor(
                200,
                &json!({ "MetricDataResults": [
                    { "Id": "q0", "StatusCode": "Complete", "Timestamps": [TEN + 120, TEN], "Values": [3.0, 1.0] },
                ]}),
            ),
            Some(other) => panic!("{other}"),
        })
        .await;
        let answers = aws(&server).series(&[metric("a"), metric("b")], at(TEN)).await;
        assert_eq!(answers, [one(&[(TEN, 1.0), (TEN + 60, 2.0), (TEN + 120, 3.0)]), one(&[(TEN, 7.0)])]);
    }

    #[tokio::test]
    async fn part_of_the_data_is_a_failure_of_its_metric_alone() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, _| {
            cbor(
                200,
                &json!({
                    "Messages": [{ "Code": "Busy", "Value": "try later" }],
                    "MetricDataResults": [
                        { "Id": "q0", "StatusCode": "PartialData", "Timestamps": [TEN], "Values": [1.0] },
                        { "Id": "q1", "StatusCode": "Forbidden", "Timestamps": [], "Values": [],
                          "Messages": [{ "Code": "Forbidden", "Value": "cross region" }] },
                        { "Id": "q2", "StatusCode": "InternalError", "Timestamps": [], "Values": [] },
                        { "Id": "q3", "StatusCode": "Complete", "Timestamps": [TEN], "Values": [4.0] },
                    ],
                }),
            )
        })
        .await;
        let requests = ["a", "b", "c", "d", "e"].map(metric);
        let expected = [
            failed("cloudwatch:GetMetricData returned only part of the data for App/a: Busy, try later"),
            failed(
                "cloudwatch:GetMetricData may not read the data with this role for App/b: Forbidden, cross region; \
                 Busy, try later",
            ),
            failed("cloudwatch:GetMetricData had an internal error for App/c: Busy, try later"),
            one(&[(TEN, 4.0)]),
            failed("cloudwatch:GetMetricData gave no answer for App/e: Busy, try later"),
        ];
        assert_eq!(aws(&server).series(&requests, at(TEN)).await, expected);
    }

    #[tokio::test]
    async fn a_failed_page_fails_the_call_and_a_failed_call_no_other() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, request| {
            if request["EndTime"] == json!(TEN + 300) {
                return all_complete(&request);
            }
            match request["NextToken"].as_str() {
                None => cbor(
                    200,
                    &json!({ "NextToken": "more", "MetricDataResults": [
                        { "Id": "q0", "StatusCode": "Complete", "Timestamps": [TEN], "Values": [1.0] },
                    ]}),
                ),
                Some(_) => cloudwatch_error(403, "AccessDenied", "User: arn:aws:sts::1:x is not authorized"),
            }
        })
        .await;
        let other = SeriesRequest { end: at(TEN + 600), ..metric("m1") };
        let answers = aws(&server).series(&[other, metric("m2")], at(TEN)).await;
        let denied = failed("the role may not call cloudwatch:GetMetricData (AccessDenied)");
        assert_eq!(answers, [denied, one(&[(TEN, 2.0)])]);
    }

    #[tokio::test]
    async fn throttling_is_waited_out_but_not_for_ever() {
        for (throttled, expected) in [
            (2, one(&[(TEN, 1.0)])),
            (3, failed("cloudwatch:GetMetricData is throttled (Throttling); ask for less, or for a higher quota")),
        ] {
            let server = MockServer::start().await;
            serve(&server, "GetMetricData", move |call, request| {
                if call < throttled {
                    cloudwatch_error(400, "Throttling", "Rate exceeded")
                } else {
                    all_complete(&request)
                }
            })
            .await;
            assert_eq!(aws(&server).series(&[metric("m1")], at(TEN)).await, [expected]);
            assert_eq!(asked(&server, "GetMetricData").await.len(), 3);
        }
    }

    #[tokio::test]
    async fn other_failures_are_not_repeated() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, _| cloudwatch_error(500, "InternalFailure", "oops")).await;
        let answers = aws(&server).series(&[metric("m1")], at(TEN)).await;
        assert_eq!(answers, [failed("cloudwatch:GetMetricData failed with InternalFailure")]);
        assert_eq!(asked(&server, "GetMetricData").await.len(), 1);
    }

    #[tokio::test]
    async fn one_wrong_metric_fails_alone() {
        let server = MockServer::start().await;
        serve(&server, "GetMetricData", |_, request| {
            if queries(&request).iter().any(|(_, name)| name == "m3") {
                cloudwatch_error(400, "ValidationError", "The value Sun for parameter Stat is\nnot valid.")
            } else {
                all_complete(&request)
            }
        })
        .await;
        let answers = aws(&server).series(&["m1", "m2", "m3", "m4", "m5"].map(metric), at(TEN)).await;
        let wrong =
            "cloudwatch:GetMetricData failed with ValidationError: The value Sun for parameter Stat is not valid";
        let good = |value| one(&[(TEN, value)]);
        assert_eq!(answers, [good(1.0), good(2.0), failed(wrong), good(4.0), good(5.0)]);
    }

    #[tokio::test]
    async fn a_formula_is_not_read() {
        let server = MockServer::start().await;
        let source = Source::Formula { expression: "a / b".into() };
        let request = SeriesRequest { metric: "ErrorRate".into(), source, ..metric("m1") };
        let answers = aws(&server).series(&[request], at(TEN)).await;
        assert_eq!(answers, [failed("ErrorRate is a formula, which is computed and not read")]);
        assert_eq!(aws(&server).series(&[], at(TEN)).await, []);
        assert!(server.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn alarms_of_both_kinds_are_read_page_by_page() {
        let server = MockServer::start().await;
        serve(&server, "DescribeAlarms", |_, request| match request["NextToken"].as_str() {
            None => cbor(200, &json!({ "NextToken": "more", "MetricAlarms": [
                { "AlarmName": "x-a", "StateValue": "ALARM", "StateReason": "too high",
                  "StateUpdatedTimestamp": TEN + 60, "StateTransitionedTimestamp": TEN },
                { "AlarmName": "x-b", "StateValue": "INSUFFICIENT_DATA", "StateUpdatedTimestamp": TEN + 60 },
            ]})),
            Some(_) => cbor(200, &json!({ "CompositeAlarms": [
                { "AlarmName": "x-c", "StateValue": "OK", "StateReason": "fine", "StateTransitionedTimestamp": TEN },
            ]})),
        })
        .await;
        let state = |name: &str, in_alarm, second, reason: &str| AlarmState {
            name: name.into(),
            in_alarm,
            since: at(second),
            reason: reason.into(),
        };
        let expected = vec![
            state("x-a", Some(true), TEN, "too high"),
            state("x-b", None, TEN + 60, ""),
            state("x-c", Some(false), TEN, "fine"),
        ];
        assert_eq!(aws(&server).alarms("x-").await, Ok(expected));
        let first = json!({
            "AlarmNamePrefix": "x-", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100,
        });
        assert_eq!(asked(&server, "DescribeAlarms").await[0], first);
    }

    #[tokio::test]
    async fn alarms_that_may_not_be_read_are_no_empty_list() {
        let server = MockServer::start().await;
        serve(&server, "DescribeAlarms", |_, _| cloudwatch_error(403, "AccessDenied", "")).await;
        let denied = "the role may not call cloudwatch:DescribeAlarms (AccessDenied)";
        assert_eq!(aws(&server).alarms("x-").await, Err(denied.to_owned()));
    }
}

mod logs {
    use super::*;

    /// Rows of columns and their values.
    type Rows<'a> = &'a [&'a [(&'a str, &'a str)]];

    fn query(value: &str) -> SeriesRequest {
        SeriesRequest {
            source: Source::Logs {
                log_groups: vec!["/aws/lambda/api".into()],
                query: "stats count() as value, max(took) as slowest by bin(1m)".into(),
                value: value.into(),
            },
            ..metric("Errors")
        }
    }

    fn result(status: &str, rows: Rows<'_>) -> ResponseTemplate {
        let fields = |row: &&[(&str, &str)]| -> Value {
            row.iter().map(|(field, value)| json!({ "field": field, "value": value })).collect()
        };
        aws_json(200, &json!({ "status": status, "results": rows.iter().map(fields).collect::<Vec<_>>() }))
    }

    async fn serve_query(
        server: &MockServer,
        results: impl Fn(usize, Value) -> ResponseTemplate + Send + Sync + 'static,
    ) {
        serve(server, "StartQuery", |_, _| aws_json(200, &json!({ "queryId": "id-1" }))).await;
        serve(server, "StopQuery", |_, _| aws_json(200, &json!({ "success": true }))).await;
        serve(server, "GetQueryResults", results).await;
    }

    #[tokio::test]
    async fn a_query_is_asked_for_until_it_is_complete() {
        let server = MockServer::start().await;
        serve_query(&server, |call, _| match call {
            0 => result("Scheduled", &[]),
            1 => result("Running", &[&[("bin(1m)", "2024-10-14 10:00:00.000"), ("value", "99")]]),
            2 => aws_json(400, &json!({ "__type": "ThrottlingException", "message": "Rate exceeded" })),
            _ => result(
                "Complete",
                &[
                    &[("bin(1m)", "2024-10-14 10:01:00.000"), ("value", "12"), ("slowest", "1.5E2")],
                    &[("bin(1m)", "2024-10-14 10:00:00.000"), ("value", "3")],
                    // The second in which the window ends is searched as well, but is not wanted.
                    &[("bin(1m)", "2024-10-14 10:05:00.000"), ("value", "1"), ("slowest", "7")],
                ],
            ),
        })
        .await;
        let answers = aws(&server).series(&[query("value"), query("slowest"), query("none")], at(TEN)).await;
        let expected = [
            one(&[(TEN, 3.0), (TEN + 60, 12.0)]),
            one(&[(TEN + 60, 150.0)]),
            failed("the query has no column none; end it in `stats ... as none by bin(...)`"),
        ];
        assert_eq!(answers, expected);
        let started = json!({
            "logGroupNames": ["/aws/lambda/api"],
            "startTime": 1_728_900_000,
            "endTime": 1_728_900_300,
            "queryString": "stats count() as value, max(took) as slowest by bin(1m)",
            "limit": 10_000,
        });
        assert_eq!(asked(&server, "StartQuery").await, [started]);
        assert_eq!(asked(&server, "GetQueryResults").await, vec![json!({ "queryId": "id-1" }); 4]);
        assert!(asked(&server, "StopQuery").await.is_empty());
    }

    #[tokio::test]
    async fn a_query_that_ended_badly_says_how() {
        for (status, expected) in [
            ("Failed", "the Logs Insights query failed; run it in the console to see why"),
            ("Cancelled", "the Logs Insights query was cancelled by somebody else"),
            ("Timeout", "the Logs Insights query timed out; make it search less, or for a shorter time"),
        ] {
            let server = MockServer::start().await;
            serve_query(&server, move |_, _| result(status, &[])).await;
            assert_eq!(aws(&server).series(&[query("value")], at(TEN)).await, [failed(expected)]);
            assert!(asked(&server, "StopQuery").await.is_empty());
        }
    }

    #[tokio::test]
    async fn a_query_without_rows_has_no_samples() {
        let server = MockServer::start().await;
        serve_query(&server, |_, _| result("Complete", &[])).await;
        assert_eq!(aws(&server).series(&[query("value")], at(TEN)).await, [one(&[])]);
    }

    #[tokio::test]
    async fn a_query_that_takes_too_long_is_stopped() {
        let server = MockServer::start().await;
        serve_query(&server, |_, _| result("Running", &[])).await;
        serve(&server, "GetMetricData", |_, request| all_complete(&request)).await;
        let aws = aws(&server).with_pace(Pace { deadline: Duration::from_millis(300), ..PACE });
        let start = Instant::now();
        let answers = aws.series(&[query("value"), metric("m1")], at(TEN)).await;
        assert!(start.elapsed() < Duration::from_secs(5));
        let slow = "the query took too long and was stopped; make it search less, or for a shorter time";
        assert_eq!(answers, [failed(slow), one(&[(TEN, 1.0)])]);
        assert_eq!(asked(&server, "StopQuery").await, [json!({ "queryId": "id-1" })]);
    }

    #[tokio::test]
    async fn a_query_that_may_not_be_followed_is_stopped() {
        let server = MockServer::start().await;
        serve_query(&server, |_, _| aws_json(400, &json!({ "__type": "AccessDeniedException" }))).await;
        let denied = failed("the role may not call logs:GetQueryResults (AccessDeniedException)");
        assert_eq!(aws(&server).series(&[query("value")], at(TEN)).await, [denied]);
        assert_eq!(asked(&server, "StopQuery").await.len(), 1);
    }

    #[tokio::test]
    async fn a_query_that_cannot_start_says_why() {
        let server = MockServer::start().await;
        let error =
            json!({ "__type": "ResourceNotFoundException", "message": "Log group '/aws/lambda/api' does not exist." });
        serve(&server, "StartQuery", move |_, _| aws_json(400, &error)).await;
        let reason =
            "logs:StartQuery failed with ResourceNotFoundException: Log group '/aws/lambda/api' does not exist";
        assert_eq!(aws(&server).series(&[query("value")], at(TEN)).await, [failed(reason)]);
    }

    #[tokio::test]
    async fn rows_that_are_no_series_are_a_failure() {
        let noon = ("bin(1m)", "2024-10-14 10:00:00.000");
        let cases: [(Rows<'_>, &str); 4] = [
            (
                &[&[noon, ("value", "1")], &[noon, ("value", "2")]],
                "the query has more than one row for one time; group it by its bin alone",
            ),
            (&[&[("value", "1")]], "the rows of the query have no time; end it in `by bin(...)`"),
            (&[&[noon, ("value", "many")]], "column value of the query is not a number"),
            (&[&[("@timestamp", "at ten"), ("value", "1")]], "the query has a time that cannot be read: at ten"),
        ];
        for (rows, expected) in cases {
            let server = MockServer::start().await;
            let answer = result("Complete", rows);
            serve_query(&server, move |_, _| answer.clone()).await;
            assert_eq!(aws(&server).series(&[query("value")], at(TEN)).await, [failed(expected)]);
        }
    }

    #[tokio::test]
    async fn rows_of_other_dimensions_are_left_out() {
        let server = MockServer::start().await;
        serve_query(&server, |_, _| {
            let noon = ("@timestamp", "2024-10-14 10:00:00.000");
            result(
                "Complete",
                &[&[noon, ("Stage", "test"), ("value", "1")], &[noon, ("Stage", "prod"), ("value", "2")]],
            )
        })
        .await;
        let dimensions: Dimensions = [("Stage".to_owned(), "prod".to_owned())].into();
        let request = SeriesRequest { dimensions: dimensions.clone(), ..query("value") };
        let expected = Series { dimensions, samples: vec![Sample { at: at(TEN), value: 2.0 }] };
        assert_eq!(aws(&server).series(&[request], at(TEN)).await, [Ok(vec![expected])]);
    }
}

mod cost {
    use super::*;

    const DAY: i64 = 86_400;
    /// 2024-10-14 00:00 UTC.
    const MONDAY: i64 = TEN - 10 * 3600;

    fn costs(by_service: bool) -> SeriesRequest {
        SeriesRequest {
            source: Source::Cost { by_service },
            period_seconds: 86_400,
            start: at(MONDAY - 3 * DAY),
            end: at(TEN),
            ..metric("AwsCost")
        }
    }

    /// A table that keeps what is put into it.
    async fn serve_table(server: &MockServer) {
        let items: &'static Mutex<HashMap<String, Value>> = Box::leak(Box::default());
        serve(server, "PutItem", |_, request| {
            items.lock().unwrap().insert(request["Item"]["metric_id"]["S"].to_string(), request["Item"].clone());
            aws_json(200, &json!({}))
        })
        .await;
        serve(server, "GetItem", |_, request| {
            let item = items.lock().unwrap().get(&request["Key"]["metric_id"]["S"].to_string()).cloned();
            aws_json(200, &item.map_or(json!({}), |item| json!({ "Item": item })))
        })
        .await;
    }

    fn day(date: &str, amount: &str) -> Value {
        json!({
            "TimePeriod": { "Start": date, "End": date },
            "Total": { "UnblendedCost": { "Amount": amount, "Unit": "USD" } },
            "Groups": [],
            "Estimated": false,
        })
    }

    fn group(service: &str, amount: &str) -> Value {
        json!({ "Keys": [service], "Metrics": { "UnblendedCost": { "Amount": amount, "Unit": "USD" } } })
    }

    #[tokio::test]
    async fn the_total_is_asked_once_a_day() {
        let server = MockServer::start().await;
        serve_table(&server).await;
        serve(&server, "GetCostAndUsage", |_, _| {
            let days = [day("2024-10-11", "1.5"), day("2024-10-12", "2"), day("2024-10-13", "2.25")];
            aws_json(200, &json!({ "ResultsByTime": days }))
        })
        .await;
        let expected = [one(&[(MONDAY - 3 * DAY, 1.5), (MONDAY - 2 * DAY, 2.0), (MONDAY - DAY, 2.25)])];
        let aws = aws(&server);
        assert_eq!(aws.series(&[costs(false)], at(TEN)).await, expected);

        // The whole day and the early morning after it are answered from the table.
        let later = [SeriesRequest { end: at(MONDAY + DAY), ..costs(false) }];
        assert_eq!(aws.series(&later, at(MONDAY + DAY + 6 * 3600 - 1)).await, expected);
        let asked_by_then = json!({
            "TimePeriod": { "Start": "2024-10-11", "End": "2024-10-14" },
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost"],
        });
        assert_eq!(asked(&server, "GetCostAndUsage").await, [asked_by_then]);

        // At six it has expired, and Monday is ready.
        assert!(aws.series(&later, at(MONDAY + DAY + 6 * 3600)).await[0].is_ok());
        let calls = asked(&server, "GetCostAndUsage").await;
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[1]["TimePeriod"], json!({ "Start": "2024-10-11", "End": "2024-10-15" }));
    }

    #[tokio::test]
    async fn a_longer_range_is_asked_for_and_serves_the_shorter() {
        let server = MockServer::start().await;
        serve_table(&server).await;
        serve(&server, "GetCostAndUsage", |_, _| {
            aws_json(200, &json!({ "ResultsByTime": [day("2024-10-01", "9"), day("2024-10-13", "1")] }))
        })
        .await;
        let aws = aws(&server);
        let longer = SeriesRequest { start: at(MONDAY - 30 * DAY), ..costs(false) };
        for request in [costs(false), longer.clone(), costs(false), longer] {
            assert!(aws.series(&[request], at(TEN)).await[0].is_ok());
        }
        let calls = asked(&server, "GetCostAndUsage").await;
        let starts: Vec<_> = calls.iter().map(|call| call["TimePeriod"]["Start"].as_str().unwrap()).collect();
        assert_eq!(starts, ["2024-10-11", "2024-09-14"]);
    }

    #[tokio::test]
    async fn costs_by_service_are_one_series_each_and_their_sum_is_the_total() {
        let server = MockServer::start().await;
        serve_table(&server).await;
        serve(&server, "GetCostAndUsage", |_, request| {
            let result = |date: &str, groups: &[Value]| {
                json!({ "TimePeriod": { "Start": date, "End": date }, "Total": {}, "Groups": groups })
            };
            if request["NextPageToken"].is_null() {
                let groups = [group("AWS Lambda", "0.5"), group("Amazon DynamoDB", "1")];
                aws_json(200, &json!({ "NextPageToken": "more", "ResultsByTime": [result("2024-10-12", &groups)] }))
            } else {
                let groups = [group("AWS Lambda", "0.75")];
                aws_json(200, &json!({ "ResultsByTime": [result("2024-10-13", &groups)] }))
            }
        })
        .await;
        let series = |service: &str, samples: &[(i64, f64)]| Series {
            dimensions: [("Service".to_owned(), service.to_owned())].into(),
            samples: samples.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect(),
        };
        let lambda = series("AWS Lambda", &[(MONDAY - 2 * DAY, 0.5), (MONDAY - DAY, 0.75)]);
        let dynamodb = series("Amazon DynamoDB", &[(MONDAY - 2 * DAY, 1.0)]);
        let only_lambda = SeriesRequest { dimensions: lambda.dimensions.clone(), ..costs(true) };
        let answers = aws(&server).series(&[costs(false), costs(true), only_lambda], at(TEN)).await;
        let total = one(&[(MONDAY - 2 * DAY, 1.5), (MONDAY - DAY, 0.75)]);
        assert_eq!(answers, [total, Ok(vec![lambda.clone(), dynamodb]), Ok(vec![lambda])]);
        let calls = asked(&server, "GetCostAndUsage").await;
        assert_eq!(calls.len(), 2, "one query of two pages");
        assert_eq!(calls[0]["GroupBy"], json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]));
    }

    /// The year that a detector learns from would be too long an answer for every service.
    #[tokio::test]
    async fn the_far_past_of_the_total_is_asked_for_alone() {
        // Of the services three days are wanted, so that up to 31 more of the total come with them.
        for (days, grouped) in [(34, &[true][..]), (35, &[false, true])] {
            let server = MockServer::start().await;
            serve_table(&server).await;
            serve(&server, "GetCostAndUsage", |_, _| aws_json(200, &json!({ "ResultsByTime": [] }))).await;
            let total = SeriesRequest { start: at(MONDAY - days * DAY), ..costs(false) };
            let answers = aws(&server).series(&[total, costs(true)], at(TEN)).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            let calls = asked(&server, "GetCostAndUsage").await;
            let mut found: Vec<bool> = calls.iter().map(|call| call.get("GroupBy").is_some()).collect();
            found.sort_unstable();
            assert_eq!(found, grouped, "{days} days: {calls:?}");
        }
    }

    #[tokio::test]
    async fn without_the_table_nothing_is_paid_for() {
        let server = MockServer::start().await;
        serve(&server, "GetItem", |_, _| aws_json(500, &json!({ "__type": "InternalServerError" }))).await;
        let expected = failed("the cache of costs cannot be read: reading the cache failed: InternalServerError");
        assert_eq!(aws(&server).series(&[costs(false)], at(TEN)).await, [expected]);
        assert!(asked(&server, "GetCostAndUsage").await.is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let server = MockServer::start().await;
        serve_table(&server).await;
        serve(&server, "GetCostAndUsage", |_, _| aws_json(400, &json!({ "__type": "DataUnavailableException" }))).await;
        let expected = failed("Cost Explorer has no data; enable it in the Billing console, and wait for a day");
        assert_eq!(aws(&server).series(&[costs(false)], at(TEN)).await, [expected]);
        assert!(asked(&server, "PutItem").await.is_empty());
    }
}

mod sns {
    use super::*;

    const ACCEPTED: &str = r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
        <PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"#;

    fn error(status: u16, code: &str, message: &str) -> ResponseTemplate {
        let body = format!(
            r#"<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
            <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"#
        );
        ResponseTemplate::new(status).set_body_raw(body, "text/xml")
    }

    fn publication(subject: Option<&str>) -> Publication {
        Publication {
            subject: subject.map(str::to_owned),
            body: "{}".into(),
            attributes: BTreeMap::from([("severity".into(), "critical".into()), ("team".into(), String::new())]),
        }
    }

    #[tokio::test]
    async fn a_message_goes_to_the_topic_of_the_environment() {
        let server = MockServer::start().await;
        serve(&server, "Publish", |_, _| ResponseTemplate::new(200).set_body_raw(ACCEPTED, "text/xml")).await;
        let aws = aws(&server);
        aws.publish("alerts", &publication(Some("Error rate – high\nin production"))).await.unwrap();
        aws.publish("notify-sms", &publication(None)).await.unwrap();
        let sent = |topic: &str| {
            json!({
                "Action": "Publish",
                "Version": "2010-03-31",
                "TopicArn": format!("arn:aws:sns:eu-west-1:123456789012:ai-nutritionist-{topic}-staging"),
                "Message": "{}",
                "MessageAttributes.entry.1.Name": "severity",
                "MessageAttributes.entry.1.Value.DataType": "String",
                "MessageAttributes.entry.1.Value.StringValue": "critical",
            })
        };
        let mut with_subject = sent("alerts");
        with_subject["Subject"] = json!("Error rate ? high in production");
        assert_eq!(asked(&server, "Publish").await, [with_subject, sent("notify-sms")]);
    }

    #[tokio::test]
    async fn an_error_says_whether_a_repetition_may_help() {
        let topic = "topic ai-nutritionist-alerts-staging";
        let refused = format!("{topic} did not take the message:");
        for (status, code, retryable, expected) in [
            (404, "NotFound", false, format!("{topic} does not exist; deploy it")),
            (
                403,
                "AuthorizationError",
                false,
                format!("{refused} the role may not call sns:Publish (AuthorizationError)"),
            ),
            (400, "InvalidParameter", false, format!("{refused} sns:Publish failed with InvalidParameter: hint")),
            (
                400,
                "KMSAccessDenied",
                false,
                format!("the key of {topic} cannot be used (KMSAccessDenied); check that the role may use it"),
            ),
            (
                400,
                "KMSThrottling",
                true,
                format!("{refused} sns:Publish is throttled (KMSThrottling); ask for less, or for a higher quota"),
            ),
            (
                400,
                "Throttled",
                true,
                format!("{refused} sns:Publish is throttled (Throttled); ask for less, or for a higher quota"),
            ),
            (500, "InternalError", true, format!("{refused} sns:Publish failed with InternalError")),
            (
                403,
                "SignatureDoesNotMatch",
                false,
                format!("{refused} sns:Publish refused the credentials (SignatureDoesNotMatch); renew them"),
            ),
        ] {
            let server = MockServer::start().await;
            serve(&server, "Publish", move |_, _| error(status, code, "hint")).await;
            let error = aws(&server).publish("alerts", &publication(None)).await.unwrap_err();
            assert_eq!((error.reason, error.retryable), (expected, retryable), "{code}");
            assert_eq!(asked(&server, "Publish").await.len(), 1, "{code} is not repeated here");
        }
    }

    #[tokio::test]
    async fn a_topic_that_does_not_answer_may_be_reached_later() {
        for (endpoint, expected) in faults() {
            let error = impatient(&endpoint).publish("alerts", &publication(None)).await.unwrap_err();
            assert!(error.retryable, "{error}");
            assert!(error.reason.contains(&format!("sns:Publish {expected}")), "{error}");
        }
    }
}

/// Handing an event to another function, and having an action done by one.
mod lambda {
    use monitoring_aws::actions;

    use super::*;

    async fn answering(template: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(wiremock::matchers::any()).respond_with(template).mount(&server).await;
        server
    }

    fn error(status: u16, code: &str) -> ResponseTemplate {
        ResponseTemplate::new(status)
            .insert_header("x-amzn-errortype", code)
            .set_body_json(json!({ "Type": "User", "Message": "said so" }))
    }

    fn nothing() -> actions::Request {
        actions::Request::Run { key: "INC-20261123-0f3a9c1d#4".to_owned(), calls: Vec::new() }
    }

    #[tokio::test]
    async fn an_event_is_accepted_by_the_function_of_the_environment() {
        let server = answering(ResponseTemplate::new(202)).await;
        aws(&server).invoke("post-mortem", &json!({ "incident_id": "INC-1" })).await.unwrap();
        let request = server.received_requests().await.unwrap().remove(0);
        assert_eq!(request.url.path(), "/2015-03-31/functions/ai-nutritionist-post-mortem-staging/invocations");
        assert_eq!(request.headers["x-amz-invocation-type"], "Event");
        assert_eq!(request.body, br#"{"incident_id":"INC-1"}"#);
    }

    #[tokio::test]
    async fn a_refusal_says_whether_to_try_again() {
        for (status, code, retryable, expected) in [
            (404, "ResourceNotFoundException", false, "does not exist; deploy it"),
            (403, "AccessDeniedException", false, "the role may not call lambda:InvokeFunction"),
            (429, "TooManyRequestsException", true, "lambda:InvokeFunction is throttled"),
            (500, "ServiceException", true, "lambda:InvokeFunction failed with ServiceException"),
        ] {
            let server = answering(error(status, code)).await;
            let told = aws(&server).invoke("post-mortem", &json!({})).await.unwrap_err();
            assert_eq!(told.retryable, retryable, "{code}");
            assert!(told.reason.contains(expected), "{code}: {told}");
            let told = aws(&server).apply(&nothing()).await.unwrap_err();
            assert_eq!(told.retryable, retryable, "{code}");
            assert_eq!(server.received_requests().await.unwrap().len(), 2, "{code} is not repeated here");
        }
    }

    #[tokio::test]
    async fn a_function_that_does_not_answer_is_asked_again_later() {
        for (endpoint, expected) in faults() {
            let told = impatient(&endpoint).invoke("post-mortem", &json!({})).await.unwrap_err();
            assert!(told.retryable && told.reason.contains(&format!("lambda:InvokeFunction {expected}")), "{told}");
        }
    }

    #[tokio::test]
    async fn actions_that_died_are_asked_again_and_nonsense_is_not() {
        let died = ResponseTemplate::new(200)
            .insert_header("x-amz-function-error", "Unhandled")
            .set_body_json(json!({ "errorMessage": "Task timed out after 10.00 seconds" }));
        for (template, retryable) in [(died, true), (ResponseTemplate::new(200).set_body_string("{"), false)] {
            let server = answering(template).await;
            assert_eq!(aws(&server).apply(&nothing()).await.unwrap_err().retryable, retryable);
        }
    }
}

/// Reading time after time: what does not answer is a failure of what was asked, and no missing data.
mod silent {
    use super::*;

    #[tokio::test]
    async fn metrics_and_alarms_that_do_not_answer_are_failures() {
        for (endpoint, expected) in faults() {
            let aws = impatient(&endpoint);
            let [answer] = aws.series(&[metric("m1")], at(TEN)).await.try_into().unwrap();
            let reason = answer.unwrap_err();
            assert!(reason.contains(expected), "{reason}");
            let reason = aws.alarms("ai-nutritionist-").await.unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}

/// AWS that accepts a connection and says nothing, that breaks it, and that is not there; with what is said of it.
fn faults() -> [(String, &'static str); 3] {
    let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |listener: &std::net::TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (stalls, breaks, gone) = (listen(), listen(), listen());
    let faults = [
        (url(&stalls), "did not answer in time"),
        (url(&breaks), "could not be reached"),
        (url(&gone), "could not be reached"),
    ];
    std::thread::spawn(move || {
        let kept: Vec<_> = stalls.incoming().collect();
        drop(kept);
    });
    std::thread::spawn(move || breaks.incoming().for_each(drop));
    faults
}

/// AWS that is given 200 ms.
fn impatient(endpoint: &str) -> Aws {
    let patience = Duration::from_millis(200);
    let http = Http::new(Timeouts { connect: patience, request: patience });
    aws_through(endpoint, &http).with_pace(Pace { deadline: patience, ..PACE })
}
