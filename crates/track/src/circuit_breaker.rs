//! Whether a service may be called: the circuit breakers that the monitoring suite opens and closes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_ssm::Client;
use serde::Deserialize;

/// How long a state is relied on at least. Parameter Store takes 40 reads a second of a whole account.
const FRESH: Duration = Duration::from_mins(1);
/// As much longer at most, so that many processes that began together do not read together.
const JITTER: Duration = Duration::from_secs(15);
/// How long a read may take; nobody waits for it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The circuit breakers of an application. Cheap to clone; all clones share one state.
///
/// [`allows`](Self::allows) answers from memory and never waits. When the state is older than a minute, it has all
/// breakers read in the background, for the calls to come. No state yet, a breaker that is not there, and one that
/// cannot be understood mean closed: calls are made. A read that fails keeps the last known state.
///
/// The role of the application needs `ssm:GetParametersByPath` on the path.
#[derive(Clone)]
pub struct CircuitBreakers {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    path: String,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    breakers: HashMap<String, Breaker>,
    /// When the next read is due; `None` before the first.
    next_read: Option<Instant>,
    /// Whether one is under way.
    reading: bool,
}

/// What a parameter holds.
#[derive(Clone, Debug, Deserialize)]
struct Breaker {
    state: BreakerState,
    #[serde(default)]
    probe_percent: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

impl CircuitBreakers {
    /// The breakers at a path of Parameter Store: `/ai-nutritionist/circuit-breaker/`. Use a client with the default
    /// configuration of the application; its retries do no harm, since nobody waits.
    pub fn new(client: Client, path: &str) -> Self {
        Self::with_clock(client, path, Instant::now)
    }

    fn with_clock(client: Client, path: &str, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let path = format!("{}/", path.trim_end_matches('/'));
        let shared = Shared { client, path, clock: Box::new(clock), state: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Whether the service may be called now. Of the calls to one that is half-open, a share may.
    ///
    /// Starts a read where one is due, if it is called within a Tokio runtime.
    pub fn allows(&self, service: &str) -> bool {
        let breaker = {
            let mut state = self.shared.state();
            let due = state.next_read.is_none_or(|at| (self.shared.clock)() >= at);
            if due
                && !state.reading
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                state.reading = true;
                let reading = Reading(Arc::clone(&self.shared));
                runtime.spawn(async move { reading.read().await });
            }
            state.breakers.get(service).cloned()
        };
        match breaker.map(|breaker| (breaker.state, breaker.probe_percent)) {
            None | Some((BreakerState::Closed, _)) => true,
            Some((BreakerState::Open, _)) => false,
            Some((BreakerState::HalfOpen, percent)) => random_below(100) < u64::from(percent.unwrap_or(0)),
        }
    }

    /// Reads all breakers now and waits for it: for the start of an application that wants to know before its first call.
    /// What cannot be read stays as it was.
    pub async fn refresh(&self) {
        self.shared.state().reading = true;
        Reading(Arc::clone(&self.shared)).read().await;
    }
}

/// A read under way. Dropped, also half-way, it lets the next one begin.
struct Reading(Arc<Shared>);

impl Reading {
    async fn read(self) {
        let read = tokio::time::timeout(READ_TIMEOUT, self.0.read()).await;
        let mut state = self.0.state();
        match read {
            Ok(Ok(breakers)) => state.breakers = breakers,
            Ok(Err(error)) => {
                let code = aws_sdk_ssm::error::ProvideErrorMetadata::code(&error).unwrap_or("no answer");
                tracing::warn!(
                    code,
                    path = self.0.path,
                    "circuit breakers cannot be read; the last known state is kept"
                );
            }
            Err(_) => tracing::warn!(
                path = self.0.path,
                "circuit breakers were not read in time; the last known state is kept"
            ),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let jitter = JITTER.mul_f64(f64::from(u32::try_from(random_below(1000)).unwrap_or(0)) / 1000.0);
        let mut state = self.0.state();
        state.next_read = Some((self.0.clock)() + FRESH + jitter);
        state.reading = false;
    }
}

type ReadError = aws_sdk_ssm::error::SdkError<aws_sdk_ssm::operation::get_parameters_by_path::GetParametersByPathError>;

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All breakers; one call for each ten.
    async fn read(&self) -> Result<HashMap<String, Breaker>, ReadError> {
        let mut pages = self.client.get_parameters_by_path().path(&self.path).into_paginator().send();
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for parameter in page?.parameters.unwrap_or_default() {
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    values.insert(name, value);
                }
            }
        }
        let breaker = |(name, value): (String, String)| {
            let service = name.strip_prefix(&self.path)?.to_owned();
            match serde_json::from_str(&value) {
                Ok(breaker) => Some((service, breaker)),
                Err(_) => {
                    tracing::warn!(service, "the state of a circuit breaker cannot be understood; calls are made");
                    None
                }
            }
        };
        Ok(values.into_iter().filter_map(breaker).collect())
    }
}

impl fmt::Debug for CircuitBreakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakers").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// A number from 0 to below the limit. `RandomState` is seeded by the system: enough for this, and no dependency.
fn random_below(limit: u64) -> u64 {
    RandomState::new().hash_one(0u8) % limit
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use monitoring_aws::http::{Http, Timeouts};
    use serde_json::{Value, json};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

    use super::*;

    /// Parameter Store on loopback, and a clock that is moved by hand.
    struct World {
        server: MockServer,
        seconds: Arc<AtomicU64>,
        breakers: CircuitBreakers,
    }

    fn page(values: &[(&str, &str)], next: Option<&str>) -> ResponseTemplate {
        let parameters: Vec<Value> = values
            .iter()
            .map(|(service, value)| json!({ "Name": format!("/shop/circuit-breaker/{service}"), "Value": value }))
            .collect();
        ResponseTemplate::new(200).set_body_json(json!({ "Parameters": parameters, "NextToken": next }))
    }

    impl World {
        async fn with(answer: ResponseTemplate) -> Self {
            let server = MockServer::start().await;
            let http = Http::new(Timeouts::default());
            let client = Client::new(&monitoring_aws::http::stand_in_config(&http, &server.uri()));
            let (seconds, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
            let passed = Arc::clone(&seconds);
            let clock = move || start + Duration::from_secs(passed.load(Ordering::Relaxed));
            let breakers = CircuitBreakers::with_clock(client, "/shop/circuit-breaker", clock);
            let world = Self { server, seconds, breakers };
            world.answers(answer).await;
            world
        }

        async fn answers(&self, answer: ResponseTemplate) {
            self.server.reset().await;
            Mock::given(any()).respond_with(answer).mount(&self.server).await;
        }

        fn pass(&self, seconds: u64) {
            self.seconds.fetch_add(seconds, Ordering::Relaxed);
        }

        /// Waits until the read that was started has ended.
        async fn settled(&self) {
            while self.breakers.shared.state().reading {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }

        async fn requests(&self) -> Vec<Value> {
            let requests = self.server.received_requests().await.unwrap();
            requests.iter().map(|request: &Request| request.body_json().unwrap()).collect()
        }
    }

    const OPEN: &str = r#"{"state":"open","since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;
    const CLOSED: &str = r#"{"state":"closed","since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;

    #[tokio::test]
    async fn no_state_means_closed_and_the_first_call_has_it_read() {
        let world = World::with(page(&[("model", OPEN), ("payment", CLOSED)], None)).await;
        assert!(world.breakers.allows("model"), "nothing is known yet");
        world.settled().await;
        assert!(!world.breakers.allows("model"));
        assert!(world.breakers.allows("payment"));
        assert!(world.breakers.allows("messages"), "it has no breaker");
        assert_eq!(world.requests().await, [json!({ "Path": "/shop/circuit-breaker/" })]);
    }

    #[tokio::test]
    async fn one_read_is_relied_on_for_a_minute() {
        let world = World::with(page(&[("model", OPEN)], None)).await;
        world.breakers.refresh().await;
        world.answers(page(&[("model", CLOSED)], None)).await;
        world.pass(59);
        (0..1000).for_each(|_| assert!(!world.breakers.allows("model")));
        world.settled().await;
        assert_eq!(world.requests().await, [] as [Value; 0]);
        world.pass(17);
        for _ in 0..1000 {
            let _ = world.breakers.allows("model");
        }
        world.settled().await;
        assert_eq!(world.requests().await.len(), 1, "however many ask");
        assert!(world.breakers.allows("model"));
    }

    #[tokio::test]
    async fn a_read_that_fails_keeps_what_was_known_and_is_not_repeated_at_once() {
        let world = World::with(page(&[("model", OPEN)], None)).await;
        world.breakers.refresh().await;
        world.answers(ResponseTemplate::new(400).set_body_json(json!({ "__type": "ThrottlingException" }))).await;
        world.pass(80);
        assert!(!world.breakers.allows("model"));
        world.settled().await;
        (0..100).for_each(|_| assert!(!world.breakers.allows("model")));
        world.settled().await;
        assert_eq!(world.requests().await.len(), 1);
    }

    #[tokio::test]
    async fn half_open_lets_a_share_through() {
        let share = r#"{"state":"half-open","probe_percent":10,"since":"2026-11-23T12:00:00Z","by":"INC-1/1"}"#;
        let none = r#"{"state":"half-open"}"#;
        let world = World::with(page(&[("model", share), ("payment", none)], None)).await;
        world.breakers.refresh().await;
        let allowed = (0..10_000).filter(|_| world.breakers.allows("model")).count();
        assert!((700..1300).contains(&allowed), "{allowed} of 10000");
        assert!(!(0..1000).any(|_| world.breakers.allows("payment")), "no share is none");
    }

    #[tokio::test]
    async fn what_cannot_be_understood_lets_calls_through() {
        let world = World::with(page(&[("model", "ajar"), ("payment", OPEN)], None)).await;
        world.breakers.refresh().await;
        assert!(world.breakers.allows("model"));
        assert!(!world.breakers.allows("payment"));
    }

    #[test]
    fn outside_of_a_runtime_it_answers_all_the_same() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let world = runtime.block_on(World::with(page(&[("model", OPEN)], None)));
        assert!(world.breakers.allows("model"));
        runtime.block_on(world.breakers.refresh());
        assert!(!world.breakers.allows("model"));
    }
}
