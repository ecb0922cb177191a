//! The outside of a laptop: telemetry from files, from a simulated application or from real `CloudWatch`, and a bus in the
//! process in place of SNS and SQS.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use monitoring_aws::actions::{Actor, Answer, Request};
use monitoring_aws::collect::Aws;
use monitoring_aws::outside::{
    AlarmState, ApplyError, Outside, Publication, PublishError, SeriesAnswer, SeriesRequest,
};
use monitoring_core::action::{Breaker, BreakerState, Call};
use monitoring_core::investigation::{Gathered, Wanted};
use serde_json::{Value, json};

use super::replay::Replay;
use super::simulate::{Memory, Relief, Simulation};
use super::story::Story;
use super::targets::Targets;

/// How many messages a queue hands to the function at once, as SQS does by default.
const BATCH: usize = 10;

/// What the simulated application feels actions on.
const MODEL: &str = "circuit-breaker/model";
const TABLE: &str = "table/ai-nutritionist-meal-plans";
const API: &str = "lambda/ai-nutritionist-api";

/// Where series come from.
#[derive(Debug)]
pub enum Telemetry {
    /// Files.
    Replay(Replay),
    /// AI Nutritionist, made up.
    Simulation(Simulation),
    /// Real `CloudWatch`, read with the user's credentials.
    CloudWatch(Box<Aws>),
}

impl Telemetry {
    /// Where the application runs; `None` where it runs nowhere.
    pub(super) fn region(&self) -> Option<String> {
        match self {
            Self::Replay(_) | Self::Simulation(_) => None,
            Self::CloudWatch(aws) => aws.region(),
        }
    }
}

/// The outside of a laptop. Clones share one bus.
#[derive(Clone, Debug)]
pub struct Laptop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    telemetry: Telemetry,
    /// What was simulated.
    simulated: Mutex<Memory>,
    story: Story,
    /// The actions function, over what stands in for AWS here.
    actor: Actor,
    targets: Targets,
    queue: Mutex<Queue>,
    invocations: Mutex<VecDeque<Invocation>>,
}

/// What one function asks of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Without the service's prefix: `post-mortem`.
    pub function: String,
    /// What it is given.
    pub event: Value,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    sent: u64,
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    /// When it was sent.
    sent_at: Timestamp,
    receives: u32,
}

impl Laptop {
    /// An outside over this telemetry, that tells its e-mails and messages to the story.
    pub fn new(telemetry: Telemetry, story: Story, actor: Actor, targets: Targets) -> Self {
        let (queue, invocations) = (Mutex::default(), Mutex::default());
        Self {
            inner: Arc::new(Inner {
                telemetry,
                simulated: Mutex::default(),
                story,
                actor,
                targets,
                queue,
                invocations,
            }),
        }
    }

    /// The actions function.
    pub fn actor(&self) -> &Actor {
        &self.inner.actor
    }

    /// Where the series come from.
    pub fn telemetry(&self) -> &Telemetry {
        &self.inner.telemetry
    }

    /// The next batch of the queue, as the event that SQS gives to incident-response. The messages stay in flight until
    /// [`Laptop::settle`] says which failed.
    pub fn receive(&self) -> Option<Batch> {
        let mut queue = self.queue();
        // What is sent at one moment is sent side by side, in any order; a simulation is to give the same result each time.
        queue.messages.make_contiguous().sort_by(|a, b| (a.sent_at, &a.body).cmp(&(b.sent_at, &b.body)));
        let count = BATCH.min(queue.messages.len());
        let mut messages: Vec<Message> = queue.messages.drain(..count).collect();
        if messages.is_empty() {
            return None;
        }
        for message in &mut messages {
            message.receives += 1;
        }
        Some(Batch { messages })
    }

    /// Puts the messages that failed back.
    pub fn settle(&self, batch: Batch, failed: &[&str]) {
        let failed = batch.messages.into_iter().filter(|message| failed.contains(&message.id.as_str()));
        self.queue().messages.extend(failed);
    }

    /// What stands in for AWS.
    pub fn targets(&self) -> &Targets {
        &self.inner.targets
    }

    /// The simulated application feels what was done.
    fn feel(&self, call: &Call) {
        let target = match call {
            Call::PutParameter { name, value } => {
                let is_open = |breaker: Breaker| breaker.state == BreakerState::Open;
                let opens = serde_json::from_str(value).is_ok_and(is_open);
                let service = name.rsplit('/').next().unwrap_or_default();
                opens.then(|| format!("circuit-breaker/{service}"))
            }
            Call::SetCapacity { table, .. } => Some(format!("table/{table}")),
            Call::SetAlias { function, .. } => Some(format!("lambda/{function}")),
            Call::SetRestarted { .. } | Call::ReserveConcurrency { .. } => None,
        };
        if let Some(target) = target
            && let Err(error) = self.inner.targets.note_acted(&target, self.inner.story.now())
        {
            self.inner.story.note(&format!("the simulation does not feel the action: {error:#}"));
        }
    }

    /// The next function that another has asked, in their order.
    pub fn next_invocation(&self) -> Option<Invocation> {
        self.inner.invocations.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages in flight.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Message>,
}

impl Batch {
    /// The event of an event source mapping.
    pub fn event(&self) -> Value {
        let records = self.messages.iter().map(|message| {
            json!({
                "messageId": message.id,
                "body": message.body,
                "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
                "eventSource": "aws:sqs",
            })
        });
        json!({ "Records": records.collect::<Vec<_>>() })
    }
}

impl Laptop {
    /// What actions have done for the simulated application.
    fn relief(&self) -> Relief {
        let acted = |target: &str| self.inner.targets.acted_at(target).unwrap_or_default();
        Relief { api_rolled_back: acted(API), model_rested: acted(MODEL), table_scaled: acted(TABLE) }
    }
}

impl Outside for Laptop {
    async fn series(&self, requests: &[SeriesRequest], now: Timestamp) -> Vec<SeriesAnswer> {
        match &self.inner.telemetry {
            Telemetry::Replay(replay) => requests.iter().map(|request| replay.series(request)).collect(),
            Telemetry::Simulation(simulation) => {
                let simulation = simulation.with_relief(self.relief());
                let mut memory = self.inner.simulated.lock().unwrap_or_else(PoisonError::into_inner);
                requests.iter().map(|request| memory.series(simulation, request)).collect()
            }
            Telemetry::CloudWatch(aws) => aws.series(requests, now).await,
        }
    }

    async fn evidence(&self, wanted: &Wanted) -> Gathered {
        match &self.inner.telemetry {
            // Files hold metrics, and nothing of who deployed what.
            Telemetry::Replay(_) => Gathered::default(),
            Telemetry::Simulation(simulation) => simulation.with_relief(self.relief()).evidence(wanted),
            Telemetry::CloudWatch(aws) => aws.evidence(wanted).await,
        }
    }

    async fn alarms(&self, _prefix: &str) -> Result<Vec<AlarmState>, String> {
        // The service engine runs every rule here, so there are no alarms.
        Ok(Vec::new())
    }

    async fn invoke(&self, function: &str, event: &Value) -> Result<(), PublishError> {
        let invocation = Invocation { function: function.to_owned(), event: event.clone() };
        self.inner.invocations.lock().unwrap_or_else(PoisonError::into_inner).push_back(invocation);
        Ok(())
    }

    async fn check_topic(&self, _topic: &str, _sms: bool) -> Result<Vec<String>, String> {
        // E-mail and SMS are told to the story here, which always listens.
        Ok(Vec::new())
    }

    async fn apply(&self, request: &Request) -> Result<Answer, ApplyError> {
        let answer = self.inner.actor.handle(request).await;
        if let (Answer::Ran { said }, Request::Run { calls, .. }) = (&answer, request) {
            for said in said {
                self.inner.story.action(said);
            }
            for planned in calls {
                self.feel(&planned.call);
            }
        }
        Ok(answer)
    }

    async fn publish(&self, topic: &str, publication: &Publication) -> Result<(), PublishError> {
        if topic.starts_with("notify-") {
            self.inner.story.message(topic, publication);
            return Ok(());
        }
        let attributes: BTreeMap<&String, Value> = publication
            .attributes
            .iter()
            .map(|(name, value)| (name, json!({ "Type": "String", "Value": value })))
            .collect();
        let envelope = json!({
            "Type": "Notification",
            "TopicArn": format!("arn:aws:sns:us-east-1:000000000000:{topic}"),
            "Subject": publication.subject,
            "Message": publication.body,
            "MessageAttributes": attributes,
        });
        let mut queue = self.queue();
        queue.sent += 1;
        let id = format!("message-{}", queue.sent);
        let message = Message { id, body: envelope.to_string(), sent_at: self.inner.story.now(), receives: 0 };
        queue.messages.push_back(message);
        Ok(())
    }
}
