//! A model of Amazon Bedrock that drafts, where one is configured. Off by default.
//!
//! `Converse` is called with the suite's own HTTP client, signed by Signature Version 4: a client of its own would be for one
//! call. Its answer is waited for once; whatever is wrong with it, the rules alone write the document.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

use std::iter;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use monitoring_core::post_mortem::narrative::Prompt;
use serde_json::{Value, json};

use crate::http::{Http, Timeouts, causes};

/// A model takes its time; nobody waits for a post-mortem.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// The most tokens of an answer: a dozen sentences with the names of their facts.
const MAX_TOKENS: u32 = 2_000;

/// As IAM names it.
const ACTION: &str = "bedrock:InvokeModel";

/// A model, and the way to it.
#[derive(Debug)]
pub struct Model {
    id: String,
    url: String,
    config: SdkConfig,
    http: Http,
}

impl Model {
    /// The model of this id (`amazon.nova-lite-v1:0`, an inference profile, an ARN), in the region of the configuration, and where the
    /// configuration has AWS.
    pub fn new(config: SdkConfig, id: &str) -> Self {
        let region = region(&config);
        let bedrock = format!("https://bedrock-runtime.{region}.amazonaws.com");
        let endpoint = config.endpoint_url().unwrap_or(&bedrock).trim_end_matches('/');
        // The id is one segment of the path.
        let segment: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let url = format!("{endpoint}/model/{segment}/converse");
        Self { id: id.to_owned(), url, config, http: Http::default() }.with_patience(ANSWER_WITHIN)
    }

    /// Waits this long for an answer.
    #[must_use]
    pub fn with_patience(self, request: Duration) -> Self {
        Self { http: Http::new(Timeouts { request, ..Timeouts::default() }), ..self }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it answers; or why there is no answer that can be used.
    pub async fn ask(&self, prompt: &Prompt) -> Result<String, String> {
        let body = json!({
            "system": [{ "text": prompt.system }],
            "messages": [{ "role": "user", "content": [{ "text": prompt.user }] }],
            "inferenceConfig": { "maxTokens": MAX_TOKENS, "temperature": 0 },
        });
        let body = body.to_string().into_bytes();
        let provider = self.config.credentials_provider().ok_or("there are no credentials")?;
        let credentials = provider.provide_credentials().await.map_err(|error| causes(&error))?;
        let headers = signed(credentials, region(&self.config), &self.url, &body, SystemTime::now())
            .map_err(|reason| format!("the request cannot be signed: {reason}"))?;
        let answer = self.http.post(&self.url, &headers, body).await;
        let answer = answer.map_err(|error| format!("Bedrock gave no answer: {}", causes(&error)))?;
        match answer.status {
            200 => text(&answer.body),
            403 => Err(format!("{ACTION} was refused: the role or the account has no access to {}", self.id)),
            429 => Err("Bedrock has too many requests".to_owned()),
            status => Err(format!("Bedrock answered {status}")),
        }
    }
}

fn region(config: &SdkConfig) -> &str {
    config.region().map_or("us-east-1", |region| region.as_ref())
}

/// The headers of a request, its signature among them.
fn signed(
    credentials: Credentials,
    region: &str,
    url: &str,
    body: &[u8],
    now: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("bedrock")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| causes(&error))?
        .into();
    let content_type = ("content-type", "application/json");
    let request = SignableRequest::new("POST", url, iter::once(content_type), SignableBody::Bytes(body));
    let request = request.map_err(|error| causes(&error))?;
    let (instructions, _) = sign(request, &params).map_err(|error| causes(&error))?.into_parts();
    let headers = iter::once(content_type).chain(instructions.headers());
    Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The text of an answer that came to its end.
fn text(body: &str) -> Result<String, String> {
    let answer: Value = serde_json::from_str(body).map_err(|_| "Bedrock's answer is not JSON".to_owned())?;
    let stopped = answer.get("stopReason").and_then(Value::as_str).unwrap_or("nothing that it says");
    if stopped != "end_turn" && stopped != "stop_sequence" {
        return Err(format!("the model stopped because of {stopped}"));
    }
    let parts = answer.pointer("/output/message/content").and_then(Value::as_array);
    let texts = parts.into_iter().flatten().filter_map(|part| part.get("text")?.as_str());
    let text: String = texts.collect();
    if text.trim().is_empty() { Err("the model said nothing".to_owned()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected signatures are botocore's (1.43.106, `SigV4Auth`) of the same request.
    #[test]
    fn a_request_is_signed_as_aws_signs_it() {
        let now = SystemTime::from("2026-11-23T15:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse";
        for (token, expected) in [
            (None, "0f55ac43330f59e08210658561cdc0b21cee3b8c8f11bb820243774b8333b435"),
            (Some("session-token"), "b35e2357879b1f15bb75c453175f1184ba774b4d0674b31c28691f16d240c100"),
        ] {
            let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let credentials = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
            let headers = signed(credentials, "eu-west-1", url, br#"{"messages":[]}"#, now).unwrap();
            let value = |name: &str| headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str());
            assert_eq!(value("x-amz-date"), Some("20261123T150000Z"));
            assert_eq!(value("x-amz-security-token"), token);
            let authorization = value("authorization").unwrap();
            assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
        }
    }
}
