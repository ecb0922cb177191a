//! How long incident-response takes, over a real DynamoDB engine and receivers on loopback, in this process: from an SNS
//! record to the page that PagerDuty has accepted, and for a storm of 10,000 alerts of 100 groups, in batches and one by one.
//!
//! ```text
//! cargo run --release -p scenarios --example bench_incidents
//! ```

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench prints, and ends when it cannot go on"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use monitorctl::local::engine::Engine;
use monitoring_aws::channel::{Channels, Endpoints};
use monitoring_aws::http::{Http, Timeouts};
use monitoring_aws::incident_response::Responder;
use monitoring_aws::secrets::{Secrets, Settings};
use monitoring_aws::store::Store;
use monitoring_core::alert::{AlertChange, AlertKey, ChangeState, GroupKey};
use monitoring_core::incident::Incident;
use monitoring_core::metric::Dimensions;
use scenarios::messages;
use scenarios::surroundings::Surroundings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GROUPS: usize = 100;
const ALERTS: usize = 10_000;
const BATCH: usize = 10;
const CONCURRENT: usize = 16;

/// Runs of the first page.
const RUNS: usize = 200;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    first_page().await;
    storm("batches of 10 of one group", true).await;
    storm("single events", false).await;
    println!("peak memory of this process, engine and receivers included: {}", peak_memory());
}

/// What a bench needs.
struct Bench {
    responder: Responder<Surroundings>,
    store: Store,
    pages: Arc<AtomicUsize>,
    _engine: Engine,
}

impl Bench {
    async fn new() -> Self {
        let catalogue = monitorctl::catalogue::shipped().expect("the shipped catalogue");
        let engine = Engine::start(None, &catalogue.service, "production").await.expect("tables");
        let pages = Arc::new(AtomicUsize::new(0));
        let receiver = receive(Arc::clone(&pages)).await;
        let settings: Settings = [
            ("PAGERDUTY_INTEGRATION_KEY", "0123456789abcdef0123456789abcdef".to_owned()),
            ("PAGERDUTY_EVENTS_URL", format!("{receiver}/v2/enqueue")),
            ("SLACK_WEBHOOK_URL", format!("{receiver}/services/T/B/X")),
        ]
        .into_iter()
        .collect();
        let endpoints = Endpoints::from_settings(&settings);
        let http = Http::new(Timeouts::default());
        let channels = Channels::new(http.clone(), Secrets::new(settings, None), endpoints);
        let store = Store::new(Engine::client(&engine.endpoint(), &http), &catalogue.service, "production");
        let surroundings = Surroundings::alone(Timestamp::now());
        let responder = Responder::new(store.clone(), channels, surroundings, catalogue, "production".to_owned());
        Self { responder, store, pages, _engine: engine }
    }

    async fn handle(&self, event: &Value) {
        let response = self.responder.handle(event, Timestamp::now()).await.expect("an answer");
        assert_eq!(response.batch_item_failures.len(), 0, "nothing goes back to the queue");
    }
}

async fn first_page() {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let bench = Bench::new().await;
        // The connections of a warm function are open.
        bench.handle(&messages::from_sns(&change(999, 0).to_string())).await;
        let before = bench.pages.load(Ordering::SeqCst);
        let event = messages::from_sns(&change(0, 0).to_string());
        let begin = Instant::now();
        let (accepted, ()) = tokio::join!(accepted(&bench.pages, before, begin), bench.handle(&event));
        times.push(accepted);
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "first page, from the SNS record to its acceptance: median {:.1} ms, least {:.1} ms, most {:.1} ms",
        ms(times[RUNS / 2]),
        ms(times[0]),
        ms(times[RUNS - 1])
    );
}

async fn accepted(pages: &AtomicUsize, before: usize, begin: Instant) -> Duration {
    while pages.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    begin.elapsed()
}

async fn storm(what: &str, batched: bool) {
    let bench = Arc::new(Bench::new().await);
    let alerts: Vec<Value> = (0..ALERTS).map(|number| change(number / BATCH % GROUPS, number)).collect();
    let events: Vec<Value> = if batched {
        alerts.chunks(BATCH).enumerate().map(|(index, batch)| queued(index, batch)).collect()
    } else {
        alerts.iter().map(|alert| messages::from_sns(&alert.to_string())).collect()
    };
    let (events, next) = (Arc::new(events), Arc::new(AtomicUsize::new(0)));
    let begin = Instant::now();
    let invocations: Vec<_> = (0..CONCURRENT)
        .map(|_| {
            let (bench, events, next) = (Arc::clone(&bench), Arc::clone(&events), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(event) = events.get(next.fetch_add(1, Ordering::SeqCst)) {
                    bench.handle(event).await;
                }
            })
        })
        .collect();
    for invocation in invocations {
        invocation.await.expect("an invocation");
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (incidents, _) = bench.store.all_incidents().await.expect("incidents");
    let known = |incident: &&Incident| incident.group != GroupKey::named("storm");
    let of_groups: Vec<&Incident> = incidents.iter().filter(known).collect();
    let mut groups: Vec<&str> = of_groups.iter().map(|incident| incident.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    let counted: usize = of_groups.iter().map(|incident| incident.alerts.len() + incident.beyond.len()).sum();
    let largest = incidents.iter().map(|incident| serde_json::to_string(incident).map_or(0, |json| json.len())).max();
    assert_eq!((of_groups.len(), groups.len()), (GROUPS, GROUPS), "one incident a group");
    println!(
        "storm of {ALERTS} alerts of {GROUPS} groups, {what}, {CONCURRENT} at a time: {seconds:.2} s, {} incidents and {} for the storm, \
         {counted} alerts in heads, {} pages accepted, largest head {} bytes",
        of_groups.len(),
        incidents.len() - of_groups.len(),
        bench.pages.load(Ordering::SeqCst),
        largest.unwrap_or_default(),
    );
}

/// An alert of a group, as the monitoring function publishes it.
fn change(group: usize, number: usize) -> Value {
    let now = Timestamp::now();
    let change = AlertChange {
        key: AlertKey::new(&format!("alert-{number}"), &Dimensions::new(), None),
        group: GroupKey::named(&format!("group-{group}")),
        origin: monitoring_core::alert::Origin::Service,
        state: ChangeState::Firing,
        ..AlertChange::about_the_suite("bench", "Something is too high", "2 of the last 3 datapoints breach", now)
    };
    json!(change)
}

/// A batch of a queue.
fn queued(index: usize, batch: &[Value]) -> Value {
    let records = batch.iter().enumerate().map(|(number, alert)| {
        json!({
            "messageId": format!("{index}-{number}"),
            "body": alert.to_string(),
            "attributes": { "ApproximateReceiveCount": "1" },
            "eventSource": "aws:sqs",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// A receiver that accepts everything and counts what calls somebody.
async fn receive(pages: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&pages)));
        }
    });
    format!("http://{address}")
}

async fn answer(mut stream: TcpStream, pages: Arc<AtomicUsize>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let end = head + 4 + length.unwrap_or(0_usize);
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        if String::from_utf8_lossy(&buffer[..end]).contains(r#""event_action":"trigger""#) {
            pages.fetch_add(1, Ordering::SeqCst);
        }
        buffer.drain(..end);
        let status = if text.starts_with("post /v2/enqueue") { "202 Accepted" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("not known on this system".to_owned(), |peak| peak.trim().to_owned())
}
