//! `--interactions`: the interactions function on a port of this machine, for a tunnel to lead to.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use monitoring_aws::interactions::{self, Interactions, MAX_BODY, PAGERDUTY_WEBHOOK_SECRET, SLACK_SIGNING_SECRET};
use monitoring_aws::secrets::{Secrets, Settings};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::story::Story;
use crate::command::Exit;

/// How many commands may wait for the run.
const WAITING: usize = 64;

/// The function, served until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    commands: mpsc::Receiver<Value>,
    served: JoinHandle<()>,
}

#[derive(Clone)]
struct Served {
    interactions: Arc<Interactions>,
    commands: mpsc::Sender<Value>,
}

impl Listener {
    /// Serves on a port of 127.0.0.1, or on a free one for 0, with the secrets of these settings.
    ///
    /// `unrecorded_prefix` is that of [`monitoring_core::decide::unrecorded_prefix`].
    pub(super) async fn open(port: u16, settings: Settings, unrecorded_prefix: String) -> Result<Self, Exit> {
        if [SLACK_SIGNING_SECRET, PAGERDUTY_WEBHOOK_SECRET].into_iter().all(|name| settings.get(name).is_none()) {
            return Err(Exit::usage(anyhow!(
                "--interactions believes nobody without a secret; set {SLACK_SIGNING_SECRET} (\"Signing Secret\" of the Slack \
                 app) or {PAGERDUTY_WEBHOOK_SECRET} (given with the webhook subscription), or leave --interactions out"
            )));
        }
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}; choose another port, or 0 for a free one"))
            .map_err(Exit::usage)?;
        let address = listener.local_addr().context("cannot learn the port")?;
        let (sender, commands) = mpsc::channel(WAITING);
        let interactions = Arc::new(Interactions::new(Secrets::new(settings, None), unrecorded_prefix));
        let router = Router::new().fallback(answer).with_state(Served { interactions, commands: sender });
        let served = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, commands, served })
    }

    /// Says where it is.
    pub(super) fn announce(&self, story: &Story) {
        let address = self.address;
        story.note(&format!("interactions are served at http://{address}/slack and http://{address}/pagerduty"));
    }

    /// The next command, when there is one.
    pub(super) async fn next(&mut self) -> Option<Value> {
        self.commands.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn answer(State(served): State<Served>, request: Request<Body>) -> StatusCode {
    let (head, body) = request.into_parts();
    let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_owned).ok();
    let headers = head.headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)));
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let request = interactions::Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    // Whatever time the run is at, Slack signs the real one.
    let invoke = |command| async move { served.commands.try_send(command).map_err(|error| error.to_string()) };
    let answer = served.interactions.handle(&request, Timestamp::now(), invoke).await;
    StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
