//! What actions change on a laptop: a server on loopback that speaks the wire protocol of AWS for the few calls that
//! actions make, over a file in the run's folder. The suite calls it with the real SDK. Nothing in an AWS account is touched.

mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    parameters: BTreeMap<String, String>,
    /// Lambda functions, by name.
    pub functions: BTreeMap<String, Function>,
    /// `DynamoDB` tables of the application, by name.
    pub tables: BTreeMap<String, Table>,
    /// The concurrency that is reserved for no function.
    pub unreserved: u32,
    /// When an action was done to a target last, in the time of the run: the simulated application feels it.
    #[serde(default)]
    acted: BTreeMap<String, Timestamp>,
}

/// A Lambda function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its environment variables.
    pub variables: BTreeMap<String, String>,
    /// Grows with every change.
    pub revision: u64,
    /// Its aliases, with the version that each names.
    pub aliases: BTreeMap<String, u32>,
    /// Its published versions, with the time at which each was made.
    #[serde(default)]
    pub versions: BTreeMap<u32, Timestamp>,
    /// The concurrency that is reserved for it.
    pub reserved: Option<u32>,
    /// Whether an update of it is under way.
    pub updating: bool,
}

/// A `DynamoDB` table with provisioned capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Read units.
    pub read: u32,
    /// Write units.
    pub write: u32,
}

impl Default for Account {
    /// What AI Nutritionist has.
    fn default() -> Self {
        let function = |name: &str| {
            let variables = BTreeMap::from([("STAGE".to_owned(), "production".to_owned())]);
            let reserved = (name == "meal-planner").then_some(50);
            (format!("ai-nutritionist-{name}"), Function { variables, revision: 1, reserved, ..Function::default() })
        };
        let table = |name: &str| (format!("ai-nutritionist-{name}"), Table { read: 100, write: 50 });
        Self {
            parameters: BTreeMap::new(),
            functions: ["api", "meal-planner", "scheduler"].map(function).into(),
            tables: ["users", "meal-plans"].map(table).into(),
            unreserved: 950,
            acted: BTreeMap::new(),
        }
    }
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
        let router = Router::new().fallback(answer).with_state(kept.clone());
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

    /// What there is, past the wire.
    pub fn account(&self) -> anyhow::Result<Account> {
        self.kept.read()
    }

    /// Somebody else changes something, past the wire.
    pub fn change(&self, change: impl FnOnce(&mut Account)) -> anyhow::Result<()> {
        self.kept.change(change)
    }

    /// A function that is called by its alias `live`, which names the latest of these versions.
    pub fn deploy(&self, name: &str, versions: BTreeMap<u32, Timestamp>) -> anyhow::Result<()> {
        self.kept.change(|account| {
            let function = account.functions.entry(name.to_owned()).or_default();
            if function.versions != versions {
                function.aliases.extend(versions.keys().max().map(|latest| ("live".to_owned(), *latest)));
                function.versions = versions;
            }
        })
    }

    /// When an action was done to a target last: `circuit-breaker/model`.
    pub fn acted_at(&self, target: &str) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.kept.read()?.acted.get(target).copied())
    }

    /// Notes that an action was done to a target.
    pub fn note_acted(&self, target: &str, now: Timestamp) -> anyhow::Result<()> {
        self.kept.change(|account| {
            account.acted.insert(target.to_owned(), now);
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

/// What AWS answers: a body, or a code and a message.
type Said = Result<Value, (&'static str, String)>;

async fn answer(State(kept): State<Kept>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = match target.split_once('.') {
        Some(("AmazonSSM", operation)) => wire::parameter_store(&kept, operation, &request),
        Some(("DynamoDB_20120810", operation)) => wire::dynamodb(&kept, operation, &request),
        _ => wire::lambda(&kept, &method, uri.path(), &request),
    };
    let failed = |status: StatusCode, code: &str, message: &str| {
        // Lambda has the code in a header, the others in the body.
        let body = json!({ "__type": code, "message": message, "Message": message });
        (status, [("x-amzn-errortype", code.to_owned())], Json(body)).into_response()
    };
    let operation =
        target.split_once('.').map_or_else(|| format!("{method} {}", uri.path()), |(_, name)| name.to_owned());
    let changes = !["Get", "Describe", "GET"].iter().any(|reads| operation.starts_with(reads));
    if changes && matches!(said, Ok(Ok(_))) {
        kept.carried_out.lock().unwrap_or_else(PoisonError::into_inner).push((operation, request));
    }
    match said {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err((code @ "ResourceConflictException", message))) => failed(StatusCode::CONFLICT, code, &message),
        Ok(Err((code, message))) => failed(StatusCode::BAD_REQUEST, code, &message),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &format!("{error:#}")),
    }
}
