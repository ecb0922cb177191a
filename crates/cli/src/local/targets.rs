//! What actions change on a laptop: a server on loopback that speaks the wire protocol of AWS for the few calls that
//! actions make, over a file in the run's folder. The suite calls it with the real SDK. Nothing in an AWS account is touched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The stand-in for AWS, served until it is dropped.
#[derive(Debug)]
pub struct Targets {
    address: SocketAddr,
    kept: Kept,
    served: JoinHandle<()>,
}

/// What there is. Two processes may serve one file: each request reads it and writes it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    parameters: BTreeMap<String, String>,
    /// When the circuit breaker of a service was opened last, in the time of the run: the simulated application feels it.
    #[serde(default)]
    opened: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Debug)]
struct Kept {
    file: Option<PathBuf>,
    account: Arc<Mutex<Account>>,
    /// The calls that have changed something since the start, in order: operation and request.
    carried_out: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Targets {
    /// Serves on a free port of 127.0.0.1, over a file or in memory.
    pub async fn start(file: Option<&Path>) -> anyhow::Result<Self> {
        let kept = Kept { file: file.map(Path::to_owned), account: Arc::default(), carried_out: Arc::default() };
        kept.read()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot learn the port")?;
        let router = Router::new().route("/", post(systems_manager)).with_state(kept.clone());
        let served = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, kept, served })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls that have changed something since the start, in order: operation and request.
    pub fn carried_out(&self) -> Vec<(String, Value)> {
        self.kept.carried_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A parameter's value, past the wire.
    pub fn parameter(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.kept.read()?.parameters.get(name).cloned())
    }

    /// When the circuit breaker of a service was opened last.
    pub fn opened_at(&self, service: &str) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.kept.read()?.opened.get(service).copied())
    }

    /// Notes that the circuit breaker of a service was opened.
    pub fn note_opened(&self, service: &str, now: Timestamp) -> anyhow::Result<()> {
        self.kept.change(|account| {
            account.opened.insert(service.to_owned(), now);
        })
    }

    /// Somebody else writes a parameter, past the wire.
    pub fn put_parameter(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.kept.change(|account| {
            account.parameters.insert(name.to_owned(), value.to_owned());
        })
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Kept {
    fn read(&self) -> anyhow::Result<Account> {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        self.load(&account)
    }

    fn load(&self, account: &Account) -> anyhow::Result<Account> {
        let Some(file) = &self.file else { return Ok(account.clone()) };
        match std::fs::read(file) {
            Ok(json) => serde_json::from_slice(&json)
                .with_context(|| format!("{} cannot be read; start over with --fresh", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Account::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> anyhow::Result<T> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        *account = self.load(&account)?;
        let result = change(&mut account);
        if let Some(file) = &self.file {
            let fresh = file.with_extension("json.new");
            std::fs::write(&fresh, serde_json::to_vec(&*account)?)
                .and_then(|()| std::fs::rename(&fresh, file))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(result)
    }
}

/// Parameter Store. Source of the forms: the API reference of AWS Systems Manager, `GetParameter`, `PutParameter` and
/// `DeleteParameter`.
async fn systems_manager(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AmazonSSM.").unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("Name").to_owned();
    let answer = match operation {
        "GetParameter" => kept.read().map(|account| match account.parameters.get(&name) {
            Some(value) => Ok(json!({ "Parameter": { "Name": name, "Type": "String", "Value": value, "Version": 1 } })),
            None => Err(("ParameterNotFound", format!("{name} is not there"))),
        }),
        "PutParameter" => kept.change(|account| {
            let known = account.parameters.contains_key(&name);
            if known && request.get("Overwrite") != Some(&json!(true)) {
                return Err(("ParameterAlreadyExists", format!("{name} is there already")));
            }
            account.parameters.insert(name.clone(), text("Value").to_owned());
            Ok(json!({ "Tier": "Standard", "Version": 1 }))
        }),
        "DeleteParameter" => kept.change(|account| match account.parameters.remove(&name) {
            Some(_) => Ok(json!({})),
            None => Err(("ParameterNotFound", format!("{name} is not there"))),
        }),
        other => Ok(Err(("UnknownOperationException", format!("the stand-in has no {other}")))),
    };
    if matches!(answer, Ok(Ok(_))) && !operation.starts_with("Get") {
        kept.carried_out.lock().unwrap_or_else(PoisonError::into_inner).push((operation.to_owned(), request.clone()));
    }
    match answer {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err((code, message))) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "__type": code, "message": message }))).into_response()
        }
        Err(error) => {
            let body = json!({ "__type": "InternalServerError", "message": format!("{error:#}") });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}
