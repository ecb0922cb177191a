//! The world of a story.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use jiff::{Span, Timestamp, TimestampArithmetic, ToSpan};
use monitorctl::local::engine::Engine;
use monitorctl::local::targets::Targets;
use monitoring_aws::action_item_reminder::{Reminder, Response as Reminded};
use monitoring_aws::action_items::{ActionItems, Answer as ItemAnswer, ChangeError};
use monitoring_aws::actions::Actor;
use monitoring_aws::bedrock::Model;
use monitoring_aws::channel::{Channels, Endpoints};
use monitoring_aws::http::{Http, Timeouts, stand_in_config};
use monitoring_aws::incident_response::{HandleError, Responder, Response, Touched};
use monitoring_aws::interactions::{Answer, Interactions, Request};
use monitoring_aws::monitoring::{Engines, InvestigateError, Monitor, Report};
use monitoring_aws::post_mortem::{WriteError, Writer};
use monitoring_aws::secrets::{Secrets, Settings};
use monitoring_aws::store::{JournalItem, Store};
use monitoring_core::alert::{AlertChange, ChangeState, GroupKey};
use monitoring_core::catalogue::Catalogue;
use monitoring_core::decide::unrecorded_prefix;
use monitoring_core::incident::{Fact, Incident, IncidentId};
use monitoring_core::investigation::Investigation;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::history::History;
use crate::messages;
use crate::parameters::Parameters;
use crate::proxy::{Calls, Crash, Proxy};
use crate::receiver::{Kind, Message, Receiver, Told};
use crate::senders::{PAGERDUTY_SECRET, SLACK_SECRET};
use crate::surroundings::Surroundings;

const ENVIRONMENT: &str = "production";

/// Noon of a Monday, on a minute on which the cycle compares alerts with incidents.
const START: &str = "2026-11-23T12:00:00Z";

/// The path of the webhook, which is its secret.
const SLACK_WEBHOOK: &str = "/services/T024BE7LD/B024BE91L/XXXXXXXXXXXXXXXXXXXXXXXX";

pub struct World {
    pub clock: Clock,
    /// The way from the functions to the tables.
    pub dynamodb: Proxy,
    pub slack: Receiver,
    pub pagerduty: Receiver,
    /// Whoever waits for the heartbeat, outside the account.
    pub heartbeat: Receiver,
    /// Where the secrets are, if not in the settings.
    pub parameters: Parameters,
    /// What actions change: what stands in for an AWS account.
    pub targets: Arc<Targets>,
    /// The way from the actions function to that.
    pub aws: Proxy,
    /// Everything that the functions call, numbered together.
    pub calls: Calls,
    /// Telemetry, topics and the queue.
    pub outside: Surroundings,
    pub catalogue: Catalogue,
    /// Where Bedrock is; none by default.
    pub model_url: Option<String>,
    /// The tables themselves: what is asked here passes no fault.
    pub tables: Client,
    told: Told,
    engines: Engines,
    crash: Crash,
    client: Client,
    channels: Channels,
    _engine: Engine,
}

/// What differs between worlds.
#[derive(Debug)]
pub struct Options {
    pub catalogue: Catalogue,
    /// Which rules the monitoring function evaluates itself.
    pub engines: Engines,
    /// Slack by a bot, which gives receipts, and not by a webhook.
    pub slack_bot: bool,
    /// Slack's messages have buttons.
    pub buttons: bool,
    /// Somebody waits for a heartbeat.
    pub heartbeat: bool,
    /// The settings name parameters, and the secrets are in Parameter Store.
    pub parameters: bool,
    /// How long a request to a receiver or to the tables may take.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalogue: catalogue(),
            engines: Engines::All,
            slack_bot: false,
            buttons: false,
            heartbeat: false,
            parameters: false,
            patience: Duration::from_secs(8),
        }
    }
}

/// The shipped catalogue, in which the runbooks of most stories do nothing by themselves: what they do has stories of its own.
fn catalogue() -> Catalogue {
    let mut catalogue = monitorctl::catalogue::shipped().expect("the shipped catalogue can be read");
    for name in ["high-error-rate", "revenue-drop"] {
        if let Some(runbook) = catalogue.runbooks.get_mut(name) {
            runbook.automation = None;
        }
    }
    catalogue
}

/// What a metric reads first it has always read here, so that error budgets would be spent for days when a story begins. Rule tests play them.
fn without_objectives(catalogue: &mut Catalogue) {
    for slo in std::mem::take(&mut catalogue.slos).into_keys() {
        catalogue.rules.retain(|name, _| !name.starts_with(&format!("{slo}-burn-")));
    }
}

fn actor(http: &Http, aws: &Proxy, catalogue: &Catalogue) -> Actor {
    Actor::new(stand_in_config(http, &aws.url()), catalogue.clone(), ENVIRONMENT.to_owned())
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What became of an invocation.
#[derive(Debug)]
pub enum Invocation {
    Answered(Response),
    Failed(HandleError),
    Crashed,
}

impl Invocation {
    pub fn answered(self) -> Response {
        match self {
            Self::Answered(response) => response,
            other => panic!("the function was to answer: {other:?}"),
        }
    }

    pub fn crashed(&self) -> bool {
        matches!(self, Self::Crashed)
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(mut options: Options) -> Self {
        without_objectives(&mut options.catalogue);
        // Where each test is a process, its log goes into the report that planted secrets are looked for in.
        if std::env::var_os("NEXTEST").is_some() {
            monitoring_aws::function::start_logs();
        }
        let clock = Clock::at(START.parse().unwrap());
        let told = Told::default();
        let crash: Crash = watch::Sender::new(0).into();
        let calls = Calls::default();
        let engine =
            Engine::start(None, &options.catalogue.service, ENVIRONMENT).await.expect("the tables can be served");
        let address = engine.endpoint().trim_start_matches("http://").parse().unwrap();
        let dynamodb = Proxy::start(address, calls.clone(), crash.clone()).await;
        let slack = Receiver::start("slack", clock.clone(), told.clone(), calls.clone(), crash.clone()).await;
        let pagerduty = Receiver::start("pagerduty", clock.clone(), told.clone(), calls.clone(), crash.clone()).await;
        let heartbeat = Receiver::start("heartbeat", clock.clone(), told.clone(), calls.clone(), crash.clone()).await;
        let parameters = Parameters::start().await;
        let mut settings = vec![("PAGERDUTY_EVENTS_URL", format!("{}/v2/enqueue", pagerduty.network.url()))];
        let mut secret = |setting: &'static str, value: String| {
            if options.parameters {
                parameters.put(setting, &value);
                settings.push((setting, format!("ssm:{}", Parameters::name(setting))));
            } else {
                settings.push((setting, value));
            }
        };
        secret("PAGERDUTY_INTEGRATION_KEY", "0123456789abcdef0123456789abcdef".to_owned());
        secret("SLACK_WEBHOOK_URL", format!("{}{SLACK_WEBHOOK}", slack.network.url()));
        if options.slack_bot {
            secret("SLACK_BOT_TOKEN", "xoxb-0123456789abcdef".to_owned());
            settings.push(("SLACK_API_URL", format!("{}/api", slack.network.url())));
        }
        if options.heartbeat {
            settings.push(("HEARTBEAT_URL", format!("{}/ping", heartbeat.network.url())));
        }
        if options.buttons {
            settings.push(("INTERACTIONS_URL", "https://interactions.example.com".to_owned()));
        }
        let settings: Settings = settings.into_iter().collect();
        let endpoints = Endpoints::from_settings(&settings);
        let http = Http::new(Timeouts { connect: Duration::from_secs(2), request: options.patience });
        let targets = Arc::new(Targets::start(None).await.expect("the stand-in can be served"));
        let aws = Proxy::start(targets.address(), calls.clone(), crash.clone()).await;
        let actor = actor(&http, &aws, &options.catalogue);
        let channels = Channels::new(http.clone(), Secrets::new(settings, Some(parameters.aws(&http))), endpoints);
        Self {
            outside: Surroundings::new(clock.clone(), told.clone(), calls.clone(), crash.clone())
                .with_actor(actor, Arc::clone(&targets)),
            calls,
            client: Engine::client(&dynamodb.url(), &http),
            tables: Engine::client(&engine.endpoint(), &Http::new(Timeouts::default())),
            clock,
            dynamodb,
            slack,
            pagerduty,
            heartbeat,
            parameters,
            targets,
            aws,
            catalogue: options.catalogue,
            model_url: None,
            engines: options.engines,
            told,
            crash,
            channels,
            _engine: engine,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, by: impl Into<TimestampArithmetic>) {
        self.clock.advance(by);
    }

    /// Lets time pass: each minute a monitoring cycle, whatever is on the queue, and the tick.
    pub async fn fast_forward(&self, by: Span) {
        self.run(by, true).await;
    }

    /// Lets time pass with the tick and the queue only, where a story has no telemetry.
    pub async fn wait(&self, by: Span) {
        self.run(by, false).await;
    }

    /// Lets time pass with nothing but one tick at its end. What was due in between is found by it.
    pub async fn skip(&self, by: impl Into<TimestampArithmetic>) {
        self.advance(by);
        self.tick().await;
    }

    async fn run(&self, by: Span, cycles: bool) {
        let until = self.now().checked_add(by).unwrap();
        while self.now() < until {
            self.advance(1.minute());
            if cycles {
                self.cycle().await;
            }
            self.deliver().await;
            self.tick().await;
        }
    }

    /// The minute tick.
    pub async fn tick(&self) -> Invocation {
        self.send(messages::tick(self.now())).await
    }

    /// One monitoring cycle.
    pub async fn cycle(&self) -> Report {
        self.try_cycle().await.expect("a cycle that nothing kills")
    }

    /// One monitoring cycle; `None` when it died.
    pub async fn try_cycle(&self) -> Option<Report> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        let monitor =
            Monitor::new(store, self.outside.clone(), self.catalogue.clone(), self.engines, ENVIRONMENT.to_owned());
        let cycle: Boxed<'_, Report> = Box::pin(monitor.cycle(self.now()));
        self.unless_crashed(cycle).await
    }

    /// Gives an event to incident-response.
    pub async fn send(&self, event: Value) -> Invocation {
        let responder = self.responder();
        // Boxed, so that the types of stories stay shallow.
        let handled: Boxed<'_, Result<Response, HandleError>> = Box::pin(responder.handle(&event, self.now()));
        match self.unless_crashed(handled).await {
            Some(Ok(response)) => Invocation::Answered(response),
            Some(Err(error)) => Invocation::Failed(error),
            None => Invocation::Crashed,
        }
    }

    /// The function, as it starts: it remembers nothing.
    pub fn responder(&self) -> Responder<Surroundings> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        let (channels, outside) = (self.channels.clone(), self.outside.clone());
        let responder = Responder::new(store, channels, outside, self.catalogue.clone(), ENVIRONMENT.to_owned());
        responder.with_region(Some("us-east-1".to_owned()))
    }

    /// The actions function, as it starts.
    pub fn actor(&self) -> Actor {
        actor(&Http::new(Timeouts::default()), &self.aws, &self.catalogue)
    }

    /// Gives a request to interactions, and the command that comes of it to incident-response, as Lambda does: when
    /// the sender has its answer.
    pub async fn interact(&self, request: &Request) -> (Answer, Option<Invocation>) {
        let secrets = [("SLACK_SIGNING_SECRET", SLACK_SECRET), ("PAGERDUTY_WEBHOOK_SECRET", PAGERDUTY_SECRET)];
        let interactions = Interactions::new(
            Secrets::new(secrets.into_iter().collect(), None),
            unrecorded_prefix(&self.catalogue, ENVIRONMENT),
        );
        let mut given = None;
        let invoke = |command| {
            given = Some(command);
            std::future::ready(Ok(()))
        };
        let answer = interactions.handle(request, self.now(), invoke).await;
        match given {
            Some(command) => (answer, Some(self.send(command).await)),
            None => (answer, None),
        }
    }

    async fn unless_crashed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut crashed = self.crash.subscribe();
        tokio::select! {
            biased;
            _ = crashed.changed() => None,
            done = work => Some(done),
        }
    }

    /// Hands out what is on the queue. What fails or is in the hands of a function that dies comes back later.
    pub async fn deliver(&self) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        while let Some(batch) = self.outside.receive() {
            let invocation = self.send(batch.event()).await;
            if let Invocation::Answered(response) = &invocation {
                let failed: Vec<&str> =
                    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
                self.outside.settle(&batch, &failed);
            }
            invocations.push(invocation);
        }
        self.run_functions().await;
        invocations
    }

    /// Runs what functions have asked of each other, until nothing is left. What fails is tried twice more, as Lambda does.
    pub async fn run_functions(&self) {
        loop {
            let asked = self.outside.take_invocations();
            if asked.is_empty() {
                return;
            }
            for (function, event) in asked {
                for _ in 0..3 {
                    let done = match function.as_str() {
                        // One that dies is tried again, too.
                        "post-mortem" => matches!(self.unless_crashed(self.post_mortem(&event)).await, Some(Ok(_))),
                        "incident-response" => matches!(self.send(event.clone()).await, Invocation::Answered(_)),
                        "comprehensive-monitoring" => {
                            matches!(self.unless_crashed(self.investigate(&event)).await, Some(Ok(_)))
                        }
                        other => panic!("there is no function {other}"),
                    };
                    if done {
                        break;
                    }
                }
            }
        }
    }

    /// Has the monitoring function investigate an incident.
    pub async fn investigate(&self, event: &Value) -> Result<Investigation, InvestigateError> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        let monitor =
            Monitor::new(store, self.outside.clone(), self.catalogue.clone(), self.engines, ENVIRONMENT.to_owned());
        let investigated: Boxed<'_, _> = Box::pin(monitor.investigate(event, self.now()));
        investigated.await
    }

    /// The model that drafts post-mortems, where the story has one.
    fn model(&self) -> Option<Model> {
        let url = self.model_url.as_deref()?;
        let config = stand_in_config(&Http::new(Timeouts::default()), url);
        Some(Model::new(config, "amazon.nova-lite-v1:0").with_patience(Duration::from_millis(500)))
    }

    /// Gives an event to the post-mortem function.
    pub async fn post_mortem(&self, event: &Value) -> Result<monitoring_aws::post_mortem::Response, WriteError> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        let writer = Writer::new(store, self.outside.clone(), self.catalogue.clone(), ENVIRONMENT.to_owned())
            .with_model(self.model());
        let written: Boxed<'_, _> = Box::pin(writer.handle(event, self.now()));
        written.await
    }

    /// Gives a command about an action item to the post-mortem function.
    pub async fn action_item(&self, event: &Value) -> Result<ItemAnswer, ChangeError> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        ActionItems::new(store, self.catalogue.clone()).handle(event, self.now()).await
    }

    /// What AWS remembers of deployments, changes and logs; without it there is nobody to ask.
    pub async fn history(&self) -> History {
        let history = History::start().await;
        self.outside.remember(history.aws(Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT)));
        history
    }

    /// The ways to reach people.
    pub fn channels(&self) -> Channels {
        self.channels.clone()
    }

    /// Runs the reminder function, as it starts.
    pub async fn remind(&self) -> Reminded {
        self.try_remind(&serde_json::json!({})).await.expect("a run that nothing kills")
    }

    /// Gives an event to the reminder function; `None` when it died.
    pub async fn try_remind(&self, event: &Value) -> Option<Reminded> {
        let store = Store::new(self.client.clone(), &self.catalogue.service, ENVIRONMENT);
        let reminder = Reminder::new(store, self.channels.clone(), self.outside.clone(), self.catalogue.clone());
        let reminded: Boxed<'_, _> = Box::pin(reminder.handle(event, self.now()));
        self.unless_crashed(reminded).await.map(|reminded| reminded.expect("the tables can be read"))
    }

    /// Puts a message on the queue as its topic would. Returns its id there.
    pub fn publish(&self, message: &str) -> String {
        self.outside.put(messages::envelope("alerts", message, self.now()))
    }

    /// Publishes a message and hands it out. Returns what the function says of its incidents.
    pub async fn alert(&self, message: &str) -> Vec<Touched> {
        self.publish(message);
        let answers = self.deliver().await.into_iter().map(Invocation::answered);
        answers.flat_map(|response| response.incidents).collect()
    }

    /// A metric breaches, said in the seed's form. Returns the incident.
    pub async fn breach(&self, metric: &str, value: f64) -> IncidentId {
        let touched = self.alert(&messages::by_hand(metric, value)).await;
        IncidentId::parse(&touched.first().expect("a breach has an incident").id).unwrap()
    }

    /// The monitoring function's message that a rule reached a level at a time.
    pub fn fires(&self, rule: &str, level: &str, at: Timestamp) -> String {
        serde_json::to_string(&self.change(rule, level, ChangeState::Firing, at)).unwrap()
    }

    /// The monitoring function's message that a rule was measured OK at a time.
    pub fn recovers(&self, rule: &str, at: Timestamp) -> String {
        let level = self.catalogue.rules[rule].condition.levels().next().unwrap().name.clone();
        serde_json::to_string(&self.change(rule, &level, ChangeState::Ok, at)).unwrap()
    }

    fn change(&self, rule: &str, level: &str, state: ChangeState, at: Timestamp) -> AlertChange {
        messages::change(&self.catalogue, rule, level, state, at)
    }

    pub async fn acknowledge(&self, id: &IncidentId, by: &str) {
        self.send(messages::command("acknowledge", id.as_str(), by)).await.answered();
    }

    pub async fn resolve(&self, id: &IncidentId, by: &str) {
        self.send(messages::command("resolve", id.as_str(), by)).await.answered();
    }

    /// Silences whatever fits, for so many minutes. Returns the silence's id.
    pub async fn silence(&self, wanted: &Value, minutes: u32) -> String {
        let answer = self.send(messages::silence(wanted, minutes)).await.answered();
        let note = answer.notes.first().expect("a silence is noted");
        note.split_whitespace().next().unwrap().to_owned()
    }

    /// The daily event.
    pub async fn daily(&self) -> Response {
        self.send(messages::daily()).await.answered()
    }

    /// The latest incident of a group.
    pub async fn latest(&self, group: &str) -> Option<Incident> {
        self.store().latest(&GroupKey::named(group)).await.unwrap()
    }

    /// The tables, past every fault.
    pub fn store(&self) -> Store {
        Store::new(self.tables.clone(), &self.catalogue.service, ENVIRONMENT)
    }

    pub async fn incident(&self, id: &IncidentId) -> Incident {
        self.store().incident(id).await.unwrap().expect("the incident is there")
    }

    /// Every incident, open or resolved.
    pub async fn incidents(&self) -> Vec<Incident> {
        self.store().all_incidents().await.unwrap().0
    }

    /// The one incident that there is.
    pub async fn the_incident(&self) -> Incident {
        let incidents = self.incidents().await;
        assert_eq!(incidents.len(), 1, "there is to be one incident: {incidents:#?}");
        incidents.into_iter().next().unwrap()
    }

    pub async fn journal(&self, id: &IncidentId) -> Vec<JournalItem> {
        self.store().journal(id).await.unwrap()
    }

    /// The facts of an incident, in order.
    pub async fn facts(&self, id: &IncidentId) -> Vec<Fact> {
        let journal = self.journal(id).await;
        let facts = journal.into_iter().filter_map(|item| match item {
            JournalItem::Entry(entry) => Some(entry.fact),
            JournalItem::Effect { .. } => None,
        });
        facts.collect()
    }

    /// What became of the messages of an incident: `1 pagerduty done after 1`.
    pub async fn effects(&self, id: &IncidentId) -> Vec<String> {
        let journal = self.journal(id).await;
        let effects = journal.iter().filter_map(|item| {
            let JournalItem::Effect { effect, state, attempts, .. } = item else { return None };
            Some(format!("{} {} {state} after {attempts}", effect.number, item.channel()?))
        });
        effects.collect()
    }

    /// What the receiver of a message said last, by the effect's number.
    pub async fn said(&self, id: &IncidentId, number: u32) -> String {
        let journal = self.journal(id).await;
        let said = journal.into_iter().find_map(|item| match item {
            JournalItem::Effect { effect, result, .. } if effect.number == number => result,
            _ => None,
        });
        said.unwrap_or_default()
    }

    /// Everything that anybody accepted.
    pub fn told(&self) -> Vec<Message> {
        self.told.accepted()
    }

    /// The pages that arrived, in order: `0:05 pagerduty SEV1`.
    pub fn pages(&self) -> Vec<String> {
        self.messages(Kind::Page)
    }

    /// The messages of a kind that arrived, in order of time and channel.
    pub fn messages(&self, kind: Kind) -> Vec<String> {
        let mut messages = self.told();
        messages.retain(|message| message.kind == kind);
        messages.sort_by_key(|message| (message.at, message.channel));
        messages
            .iter()
            .map(|message| {
                let text = format!("{} {} {}", self.clock.since_start(message.at), message.channel, message.severity);
                text.trim_end().to_owned()
            })
            .collect()
    }
}
