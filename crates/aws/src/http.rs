//! The one HTTP client: channels and the AWS SDK share its connections, its certificates and its rules.
//!
//! HTTPS only, except to loopback; no redirects, since a redirect would carry a secret elsewhere; no proxies; no
//! retries, since the caller's are recorded and these would not be.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};

/// How long one attempt of an AWS operation may take. A client of a slow service (Cost Explorer, Logs Insights) sets
/// its own.
pub const AWS_OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The most of an answer that is read, in bytes. What Slack and PagerDuty say fits many times over.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Idle connections are closed before the other side or a frozen function makes them stale.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Where AWS's own credential endpoints are, over plain HTTP and link-local: instance metadata, ECS and EKS.
const CREDENTIAL_ENDPOINTS: [&str; 4] = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]"];

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// From the start of a request to the end of its answer.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), request: Duration::from_secs(8) }
    }
}

/// The client. Cheap to clone; built when it is first used.
#[derive(Clone, Debug, Default)]
pub struct Http {
    timeouts: Timeouts,
    client: Arc<OnceLock<reqwest::Client>>,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The start of the body, as text.
    pub body: String,
}

/// Why there is no answer. No variant carries the address: for a webhook it is the secret.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The TLS set-up was refused.
    #[error("cannot set up the HTTP client")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// Not an absolute URL.
    #[error("the address is not an absolute URL")]
    Address,
    /// Plain HTTP to another machine.
    #[error("the address is not https; plain http is for loopback only")]
    NotHttps,
    /// The body or a header cannot be sent.
    #[error("the request cannot be written")]
    Request(#[source] Box<dyn Error + Send + Sync>),
    /// No answer in time. Whether the request was carried out is not known.
    #[error("no answer in time")]
    Timeout(#[source] reqwest::Error),
    /// No connection: nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// The connection broke. Whether the request was carried out is not known.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
}

impl HttpError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Connect(_) | Self::Broken(_))
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::Timeout(error)
        } else if error.is_connect() {
            Self::Connect(error)
        } else if error.is_builder() {
            Self::Request(error.into())
        } else {
            Self::Broken(error)
        }
    }
}

impl Http {
    /// A client with these time-outs.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, client: Arc::default() }
    }

    /// Posts JSON, with a bearer token if there is one.
    pub async fn post_json(
        &self,
        url: &str,
        bearer: Option<&SecretString>,
        body: &serde_json::Value,
    ) -> Result<Answer, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| HttpError::Request(error.into()))?;
        let mut headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        headers.extend(bearer.map(|token| ("authorization".to_owned(), format!("Bearer {}", token.expose_secret()))));
        self.post(url, &headers, body).await
    }

    /// Posts a body as it stands, with these headers and no others of its own.
    pub async fn post(&self, url: &str, headers: &[(String, String)], body: Vec<u8>) -> Result<Answer, HttpError> {
        let url = Url::parse(url).map_err(|_| HttpError::Address)?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(HttpError::NotHttps);
        }
        let mut request = self.client()?.post(url).body(body);
        for (name, value) in headers {
            let mut header = HeaderValue::try_from(value).map_err(|error| HttpError::Request(error.into()))?;
            header.set_sensitive(name == AUTHORIZATION.as_str());
            request = request.header(name, header);
        }
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| parse_retry_after(value, Timestamp::now()));
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER_BYTES
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(MAX_ANSWER_BYTES);
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// The same client for the AWS SDK.
    pub fn sdk_http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(SdkHttpClient(self.clone()))
    }

    fn client(&self) -> Result<&reqwest::Client, HttpError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(self.timeouts)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// The AWS configuration of a function: what Lambda sets in its environment (`AWS_REGION` and the credentials of its role)
/// and `AWS_ENDPOINT_URL`, with this HTTP client, and without retries.
///
/// Not the default chain, which also knows profiles, single sign-on and instances: a function never has these, and they
/// would be a ninth of its zip.
pub fn function_config(http: &Http) -> SdkConfig {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(set("AWS_REGION").map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .http_client(http.sdk_http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(http))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(set("AWS_ENDPOINT_URL"));
    config.build()
}

/// The AWS configuration of this computer, as every AWS tool finds it, or of a named profile, a region, or both; with this
/// HTTP client, and without retries.
pub async fn sdk_config_for(http: &Http, profile: Option<&str>, region: Option<&str>) -> SdkConfig {
    let mut loader = sdk_config_loader(http);
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    loader.load().await
}

/// The configuration for a stand-in of AWS on this machine, with credentials that mean nothing.
pub fn stand_in_config(http: &Http, endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "stand-in");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .http_client(http.sdk_http_client())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

fn timeouts(http: &Http) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(http.timeouts.connect)
        .read_timeout(AWS_OPERATION_TIMEOUT)
        .operation_attempt_timeout(AWS_OPERATION_TIMEOUT)
        .operation_timeout(AWS_OPERATION_TIMEOUT)
        .build()
}

fn sdk_config_loader(http: &Http) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.sdk_http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(http))
        // Bodies are buffered, and the time-outs bound them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// An error and its causes, in one line. Debug forms are not for logs: they may hold a whole answer.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn build(timeouts: Timeouts) -> Result<reqwest::Client, HttpError> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Client(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .pool_idle_timeout(POOL_IDLE)
        .build()
        .map_err(|error| HttpError::Client(error.into()))
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Seconds or an HTTP date, as RFC 9110 section 10.2.3 has it. A date in the past is zero.
fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Makes connectors for the AWS SDK.
struct SdkHttpClient(Http);

impl fmt::Debug for SdkHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SdkHttpClient")
    }
}

impl HttpClient for SdkHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let request_timeout =
            settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or(self.0.timeouts.connect));
        SharedHttpConnector::new(SdkConnector { http: self.0.clone(), request_timeout })
    }
}

/// Sends the SDK's requests.
#[derive(Debug)]
struct SdkConnector {
    http: Http,
    /// Connect and read time-outs together: the connection pool's own connect time-out cannot differ by request.
    request_timeout: Option<Duration>,
}

impl HttpConnector for SdkConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.http.clone();
        let request_timeout = self.request_timeout;
        HttpConnectorFuture::new(async move { call(&http, request_timeout, request).await })
    }
}

async fn call(
    http: &Http,
    request_timeout: Option<Duration>,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let Some(body) = request.body().bytes().map(<[u8]>::to_vec) else {
        return Err(ConnectorError::user("a streamed request body is not supported".into()));
    };
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let mut request = reqwest::Request::try_from(request.map(|_| body)).map_err(connector_error)?;
    let is_allowed = match request.url().scheme() {
        "https" => true,
        "http" => is_loopback(request.url()) || CREDENTIAL_ENDPOINTS.contains(&request.url().host_str().unwrap_or("")),
        _ => false,
    };
    if !is_allowed {
        return Err(ConnectorError::user(HttpError::NotHttps.into()));
    }
    *request.timeout_mut() = request_timeout;

    let client = http.client().map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = client.execute(request).await.map_err(connector_error)?;
    let status = response.status().as_u16().try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let headers = std::mem::take(response.headers_mut());
    let body = response.bytes().await.map_err(connector_error)?;
    let mut answer = HttpResponse::new(status, SdkBody::from(body.to_vec()));
    for (name, value) in &headers {
        // A header that is not text means nothing to the SDK.
        if let Ok(value) = value.to_str() {
            answer
                .headers_mut()
                .try_append(name.as_str().to_owned(), value.to_owned())
                .map_err(|error| ConnectorError::other(error.into(), None))?;
        }
    }
    Ok(answer)
}

/// Keeps the SDK's own classification right: a time-out, a broken connection, or a request that can never be sent.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    match HttpError::from(error) {
        HttpError::Timeout(error) => ConnectorError::timeout(error.into()),
        HttpError::Connect(error) => ConnectorError::io(error.into()).never_connected(),
        HttpError::Broken(error) => ConnectorError::io(error.into()),
        error => ConnectorError::user(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        for (value, expected) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999", Some(3600)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[tokio::test]
    async fn nothing_retries_beneath_us_and_everything_ends() {
        let http = Http::default();
        for config in [sdk_config_loader(&http).region("us-east-1").load().await, function_config(&http)] {
            assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
            let operation = config.timeout_config().and_then(TimeoutConfig::operation_timeout);
            assert_eq!(operation, Some(AWS_OPERATION_TIMEOUT));
            assert!(config.http_client().is_some());
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:8000/", true),
            ("http://localhost/", true),
            ("http://[::1]:1/", true),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://localhost@example.com/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
