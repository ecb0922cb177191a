//! The laptop's `DynamoDB`: an embedded engine on a file, served on loopback to the real SDK.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, anyhow};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use monitoring_aws::http::Http;
use monitoring_core::catalogue::environment_suffix;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The tables, as `aws dynamodb create-table --cli-input-json` takes them.
const TABLES: &str = include_str!("../../../../tests/fixtures/tables.json");

/// An engine that is being served. Dropped without [`Engine::stop`] it stops too, but nobody waits for it.
#[derive(Debug)]
pub struct Engine {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), String>>,
}

impl Engine {
    /// Opens the file, or a database in memory, with the tables of a service in an environment, and serves it.
    pub async fn start(file: Option<&Path>, service: &str, environment: &str) -> anyhow::Result<Self> {
        let database = match file {
            Some(file) => {
                let path = file.to_str().with_context(|| format!("{} is not Unicode", file.display()))?;
                Database::new(path)
                    .with_context(|| format!("cannot open {path}; is it a folder that another version wrote?"))?
            }
            None => Database::memory().context("cannot make a database in memory")?,
        };
        create_tables(&database, service, environment)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot learn the port")?;
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, async {
            let _ = stopped.await;
        }));
        Ok(Self { address, stop: Some(stop), served })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The real SDK's client for an engine at this endpoint.
    pub fn client(endpoint: &str, http: &Http) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "laptop"))
            .endpoint_url(endpoint)
            .http_client(http.sdk_http_client())
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// Stops serving and waits until the database is released.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.served.await.context("the database's server failed")?.map_err(|error| anyhow!(error))
    }
}

fn create_tables(database: &Database, service: &str, environment: &str) -> anyhow::Result<()> {
    let tables: Vec<Value> = serde_json::from_str(TABLES).context("the table definitions are not JSON")?;
    for mut table in tables {
        let name = table.get("TableName").and_then(Value::as_str).context("a table definition without a name")?;
        let base = name.strip_prefix("ai-nutritionist").unwrap_or(name);
        let name = format!("{service}{base}{}", environment_suffix(environment));
        let wanted = serde_json::json!({ "TableName": name });
        if database.describe_table(serde_json::from_value(wanted)?).is_ok() {
            continue;
        }
        if let Some(table) = table.as_object_mut() {
            table.insert("TableName".to_owned(), name.clone().into());
        }
        let request = serde_json::from_value(table).with_context(|| format!("the definition of {name}"))?;
        database.create_table(request).with_context(|| format!("cannot create table {name}"))?;
    }
    Ok(())
}
