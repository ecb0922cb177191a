use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use monitoring_aws::http::{Http, Timeouts, causes};
use tokio::net::TcpListener;
use wiremock::matchers::{any, header_exists};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn client(endpoint: &str, read_timeout: Option<Duration>) -> Client {
    let mut timeouts = TimeoutConfig::builder();
    timeouts.set_read_timeout(read_timeout);
    let http = Http::new(Timeouts { connect: Duration::from_millis(200), request: Duration::from_secs(20) });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .timeout_config(timeouts.connect_timeout(Duration::from_millis(200)).build())
        .endpoint_url(endpoint)
        .http_client(http.sdk_http_client())
        .build();
    Client::new(&config)
}

async fn failure(client: &Client) -> SdkError<GetParameterError> {
    client.get_parameter().name("/a").send().await.unwrap_err()
}

#[tokio::test]
async fn the_sdk_sends_and_reads_through_the_client() {
    let server = MockServer::start().await;
    Mock::given(header_exists("authorization"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("x-amzn-requestid", "r-1")
                .set_body_string(r#"{"Parameter": {"Value": "grüezi"}}"#),
        )
        .mount(&server)
        .await;
    let output = client(&server.uri(), None).get_parameter().name("/a").send().await.unwrap();
    assert_eq!(output.parameter.unwrap().value.as_deref(), Some("grüezi"));
}

#[tokio::test]
async fn a_stalled_answer_is_a_timeout_of_the_dispatch() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).mount(&server).await;
    let start = Instant::now();
    let error = failure(&client(&server.uri(), Some(Duration::from_millis(100)))).await;
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "the SDK's own time-out holds, not the client's");
}

#[tokio::test]
async fn a_refused_connection_is_an_io_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = failure(&client(&endpoint, None)).await;
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
}

#[tokio::test]
async fn a_broken_connection_is_an_io_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = failure(&client(&endpoint, None)).await;
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused() {
    let error = failure(&client("http://192.0.2.1", None)).await;
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_user()), "{error:?}");
    assert!(causes(&error).contains("plain http is for loopback only"), "{}", causes(&error));
}

#[tokio::test]
async fn a_handshake_that_fails_is_an_io_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Not TLS: whatever it says, the handshake fails.
            stream.try_write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok();
        }
    });
    let error = failure(&client(&endpoint, None)).await;
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
}
