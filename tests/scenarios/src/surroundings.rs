//! What surrounds the functions: telemetry that a story says, topics, and the queue behind them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use monitorctl::local::targets::Targets;
use monitoring_aws::actions::{Actor, Answer, Request as ActionRequest};
use monitoring_aws::collect::Aws;
use monitoring_aws::outside::{
    AlarmState, ApplyError, Outside, Publication, PublishError, SeriesAnswer, SeriesRequest,
};
use monitoring_core::investigation::{Gathered, Wanted};
use monitoring_core::metric::{Sample, Series, format_dimensions};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::messages::envelope;
use crate::proxy::{Calls, Crash, Fault, Request};
use crate::receiver::Told;

/// How many messages an event source mapping hands out at once.
const BATCH: usize = 10;

/// How long a message stays hidden that was handed out and not deleted: six times the function's time-out, as AWS advises.
const VISIBILITY: SignedDuration = SignedDuration::from_mins(3);

/// What a metric does.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Each period has this value.
    Value(f64),
    /// Nothing arrives.
    Missing,
}

/// Clones share everything.
#[derive(Clone, Debug)]
pub struct Surroundings {
    clock: Clock,
    told: Told,
    calls: Calls,
    crash: Crash,
    /// The actions function; it is started anew for each invocation, and remembers nothing anyway.
    actor: Option<Arc<(Actor, Arc<Targets>)>>,
    /// What Lambda, `CloudTrail` and the logs remember, where a story has them.
    remembered: Arc<Mutex<Option<Arc<Aws>>>>,
    inner: Arc<Mutex<Inner>>,
}

/// What somebody else does to the targets of actions.
struct Meddling(Box<dyn FnOnce(&Targets) + Send>);

impl std::fmt::Debug for Meddling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddling")
    }
}

#[derive(Debug, Default)]
struct Inner {
    meddling: Option<Meddling>,
    readings: BTreeMap<String, Vec<(Timestamp, Reading)>>,
    failing: BTreeMap<String, String>,
    alarms: Vec<AlarmState>,
    topics_down: Option<PublishError>,
    topics_wrong: BTreeMap<String, Vec<String>>,
    functions_down: Option<PublishError>,
    losing: bool,
    queue: Vec<Queued>,
    invocations: Vec<(String, Value)>,
    sent: u64,
    published: u64,
}

#[derive(Clone, Debug)]
struct Queued {
    id: String,
    body: String,
    sent_at: Timestamp,
    visible_at: Timestamp,
    receives: u32,
}

/// Messages in flight.
#[derive(Debug)]
pub struct Batch(Vec<Queued>);

impl Surroundings {
    pub fn new(clock: Clock, told: Told, calls: Calls, crash: Crash) -> Self {
        Self { clock, told, calls, crash, actor: None, remembered: Arc::default(), inner: Arc::default() }
    }

    /// With a function that acts on these.
    #[must_use]
    pub fn with_actor(self, actor: Actor, targets: Arc<Targets>) -> Self {
        Self { actor: Some(Arc::new((actor, targets))), ..self }
    }

    /// From now on AWS is asked what was deployed, changed and logged.
    pub fn remember(&self, aws: Aws) {
        *self.remembered.lock().unwrap() = Some(Arc::new(aws));
    }

    /// Somebody does this to the targets of actions right before the next calls are made.
    pub fn before_run(&self, meddle: impl FnOnce(&Targets) + Send + 'static) {
        self.inner().meddling = Some(Meddling(Box::new(meddle)));
    }

    /// What a network does to a call of a topic.
    async fn strike(&self, fault: Fault) -> Result<(), PublishError> {
        if fault == Fault::Crash {
            self.crash.send_modify(|count| *count += 1);
            std::future::pending::<()>().await;
        }
        Err(PublishError { retryable: true, reason: "the connection broke".to_owned() })
    }

    /// Without a story around them.
    pub fn alone(now: Timestamp) -> Self {
        Self::new(Clock::at(now), Told::default(), Calls::default(), tokio::sync::watch::Sender::new(0).into())
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The metric reads this from now on, or one series of it: `LambdaThrottles{FunctionName=api}`. What it reads first,
    /// it has always read; a metric that was never given a reading has no series at all.
    pub fn reads(&self, metric: &str, value: f64) {
        self.read(metric, Reading::Value(value));
    }

    /// From now on nothing arrives.
    pub fn is_silent(&self, metric: &str) {
        self.read(metric, Reading::Missing);
    }

    fn read(&self, metric: &str, reading: Reading) {
        let mut inner = self.inner();
        let readings = inner.readings.entry(metric.to_owned()).or_default();
        let from = if readings.is_empty() { Timestamp::MIN } else { self.clock.now() };
        readings.push((from, reading));
    }

    /// Its source fails, or gives a part of the data, which is the same here.
    pub fn fails(&self, metric: &str, reason: &str) {
        self.inner().failing.insert(metric.to_owned(), reason.to_owned());
    }

    pub fn works_again(&self, metric: &str) {
        self.inner().failing.remove(metric);
    }

    /// The states of the `CloudWatch` alarms.
    pub fn set_alarms(&self, alarms: Vec<AlarmState>) {
        self.inner().alarms = alarms;
    }

    /// Topics refuse everything until [`Surroundings::topics_up`].
    pub fn topics_down(&self, retryable: bool) {
        self.inner().topics_down = Some(PublishError { retryable, reason: "the topic is not well".to_owned() });
    }

    /// What a look at a topic finds wrong from now on; nothing when it is empty.
    pub fn topic_is_wrong(&self, topic: &str, wrong: &[&str]) {
        let wrong = wrong.iter().map(|wrong| (*wrong).to_owned()).collect();
        self.inner().topics_wrong.insert(topic.to_owned(), wrong);
    }

    pub fn topics_up(&self) {
        let mut inner = self.inner();
        (inner.topics_down, inner.losing) = (None, false);
    }

    /// Lambda takes nothing until [`Surroundings::functions_up`].
    pub fn functions_down(&self, retryable: bool) {
        self.inner().functions_down = Some(PublishError { retryable, reason: "Lambda is not well".to_owned() });
    }

    pub fn functions_up(&self) {
        self.inner().functions_down = None;
    }

    /// What functions have asked of each other and has not run, in their order.
    pub fn take_invocations(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.inner().invocations)
    }

    /// Topics accept everything, and nothing arrives.
    pub fn lose_messages(&self) {
        self.inner().losing = true;
    }

    /// How many changes topics have accepted.
    pub fn published(&self) -> u64 {
        self.inner().published
    }

    /// Puts a text on the queue, as it stands.
    pub fn put(&self, body: String) -> String {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.sent += 1;
        let id = format!("message-{}", inner.sent);
        inner.queue.push(Queued { id: id.clone(), body, sent_at: now, visible_at: now, receives: 0 });
        id
    }

    pub fn queued(&self) -> usize {
        self.inner().queue.len()
    }

    /// Hands out what is visible. It stays hidden, and comes back unless it is deleted.
    pub fn receive(&self) -> Option<Batch> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let visible = inner.queue.iter_mut().filter(|message| message.visible_at <= now).take(BATCH);
        let messages: Vec<Queued> = visible
            .map(|message| {
                message.receives += 1;
                message.visible_at = now + VISIBILITY;
                message.clone()
            })
            .collect();
        (!messages.is_empty()).then_some(Batch(messages))
    }

    /// Deletes what did not fail.
    pub fn settle(&self, batch: &Batch, failed: &[&str]) {
        let gone = |id: &str| batch.0.iter().any(|message| message.id == id) && !failed.contains(&id);
        self.inner().queue.retain(|message| !gone(&message.id));
    }
}

impl Batch {
    /// As an event source mapping gives it to a function.
    pub fn event(&self) -> Value {
        let records = self.0.iter().map(|message| {
            json!({
                "messageId": message.id,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": message.sent_at.as_millisecond().to_string(),
                },
                "eventSource": "aws:sqs",
            })
        });
        json!({ "Records": records.collect::<Vec<_>>() })
    }
}

impl Outside for Surroundings {
    async fn series(&self, requests: &[SeriesRequest], _: Timestamp) -> Vec<SeriesAnswer> {
        let inner = self.inner();
        requests
            .iter()
            .map(|request| {
                if let Some(reason) = inner.failing.get(&request.metric) {
                    return Err(reason.clone());
                }
                let one = format!("{}{}", request.metric, format_dimensions(&request.dimensions));
                let readings = inner.readings.get(&one).or_else(|| inner.readings.get(&request.metric));
                let Some(readings) = readings else { return Ok(Vec::new()) };
                let mut samples = Vec::new();
                let mut at = request.start;
                while at < request.end {
                    let reading = readings.iter().rev().find(|(from, _)| *from <= at).map(|(_, reading)| reading);
                    if let Some(Reading::Value(value)) = reading {
                        samples.push(Sample { at, value: *value });
                    }
                    at += SignedDuration::from_secs(i64::from(request.period_seconds));
                }
                Ok(vec![Series::new(request.dimensions.clone(), samples)])
            })
            .collect()
    }

    async fn evidence(&self, wanted: &Wanted) -> Gathered {
        let remembered = self.remembered.lock().unwrap().clone();
        match remembered {
            Some(aws) => aws.evidence(wanted).await,
            None => Gathered::default(),
        }
    }

    async fn alarms(&self, prefix: &str) -> Result<Vec<AlarmState>, String> {
        Ok(self.inner().alarms.iter().filter(|alarm| alarm.name.starts_with(prefix)).cloned().collect())
    }

    async fn invoke(&self, function: &str, event: &Value) -> Result<(), PublishError> {
        let operation = format!("function {function}");
        let struck = self.calls.note(&Request { operation, body: event.to_string() });
        if let Some((false, fault)) = struck {
            self.strike(fault).await?;
        }
        if let Some(error) = &self.inner().functions_down {
            return Err(error.clone());
        }
        self.inner().invocations.push((function.to_owned(), event.clone()));
        if let Some((true, fault)) = struck {
            self.strike(fault).await?;
        }
        Ok(())
    }

    async fn check_topic(&self, topic: &str, _sms: bool) -> Result<Vec<String>, String> {
        Ok(self.inner().topics_wrong.get(topic).cloned().unwrap_or_default())
    }

    async fn apply(&self, request: &ActionRequest) -> Result<Answer, ApplyError> {
        let lost = || ApplyError { retryable: true, reason: "the connection broke".to_owned() };
        let operation = match request {
            ActionRequest::Look { .. } => "actions/look",
            ActionRequest::Run { .. } => "actions/run",
        };
        let body = serde_json::to_string(request).expect("a request is JSON");
        let struck = self.calls.note(&Request { operation: operation.to_owned(), body });
        if let Some((false, fault)) = struck {
            self.strike(fault).await.map_err(|_| lost())?;
        }
        let (actor, targets) = self.actor.as_deref().expect("this world has an actions function");
        if matches!(request, ActionRequest::Run { .. })
            && let Some(Meddling(meddle)) = self.inner().meddling.take()
        {
            meddle(targets);
        }
        let answer = actor.handle(request).await;
        if let Some((true, fault)) = struck {
            self.strike(fault).await.map_err(|_| lost())?;
        }
        Ok(answer)
    }

    async fn publish(&self, topic: &str, publication: &Publication) -> Result<(), PublishError> {
        let struck = self.calls.note(&Request { operation: topic.to_owned(), body: publication.body.clone() });
        if let Some((false, fault)) = struck {
            self.strike(fault).await?;
        }
        self.accept(topic, publication)?;
        if let Some((true, fault)) = struck {
            self.strike(fault).await?;
        }
        Ok(())
    }
}

impl Surroundings {
    fn accept(&self, topic: &str, publication: &Publication) -> Result<(), PublishError> {
        let losing = {
            let mut inner = self.inner();
            if let Some(error) = &inner.topics_down {
                return Err(error.clone());
            }
            let is_canary = publication.body.starts_with("{\"canary\"");
            inner.published += u64::from(!topic.starts_with("notify-") && !is_canary);
            inner.losing
        };
        let now = self.clock.now();
        match topic {
            "notify-email" => {
                let subject = publication.subject.as_deref().expect("an e-mail has a subject");
                self.told.note_text(now, "email", &format!("{subject}\n{}", publication.body));
            }
            "notify-sms" => self.told.note_text(now, "sms", &publication.body),
            "alerts" | "business-alerts" if losing => {}
            "alerts" | "business-alerts" => {
                self.put(envelope(topic, &publication.body, now));
            }
            other => panic!("there is no topic {other}"),
        }
        Ok(())
    }
}
