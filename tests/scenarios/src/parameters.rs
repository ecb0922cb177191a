//! Parameter Store, as far as the suite asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use monitoring_aws::http::Http;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

type Values = Arc<Mutex<BTreeMap<String, String>>>;

#[derive(Debug)]
pub struct Parameters {
    values: Values,
    server: MockServer,
}

impl Parameters {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let values = Values::default();
        Mock::given(any()).respond_with(Store(Arc::clone(&values))).mount(&server).await;
        Self { values, server }
    }

    /// The parameter of a setting.
    pub fn name(setting: &str) -> String {
        format!("/ai-nutritionist/{setting}")
    }

    /// The secret of a setting is this from now on.
    pub fn put(&self, setting: &str, value: &str) {
        self.values.lock().unwrap().insert(Self::name(setting), value.to_owned());
    }

    /// How often a parameter was read.
    pub async fn reads(&self) -> usize {
        self.server.received_requests().await.unwrap_or_default().len()
    }

    /// AWS, of which there is nothing but this.
    pub fn aws(&self, http: &Http) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "story")))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.server.uri())
            .http_client(http.sdk_http_client())
            .build()
    }
}

struct Store(Values);

impl Respond for Store {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().expect("a request is JSON");
        let name = body["Name"].as_str().unwrap_or_default();
        match self.0.lock().unwrap().get(name) {
            Some(value) => ResponseTemplate::new(200)
                .set_body_json(json!({"Parameter": {"Name": name, "Type": "SecureString", "Value": value}})),
            None => ResponseTemplate::new(400).set_body_json(json!({"__type": "ParameterNotFound"})),
        }
    }
}
