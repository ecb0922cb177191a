//! The whole suite in one process: the handlers of the functions, over the embedded tables and the laptop's outside.

use jiff::{SignedDuration, Timestamp};
use monitoring_aws::action_item_reminder::{Outcome, Reminder, ReminderError, Response as Reminded};
use monitoring_aws::action_items::{self, ActionItems, ChangeError};
use monitoring_aws::actions::{Actor, Answer, KillSwitch, Request};
use monitoring_aws::bedrock::Model;
use monitoring_aws::channel::{Channels, Endpoints};
use monitoring_aws::http::{Http, Timeouts, causes, sdk_config_for, stand_in_config};
use monitoring_aws::incident_response::{Responder, Response, Touched};
use monitoring_aws::monitoring::{Engines, Monitor, Report};
use monitoring_aws::post_mortem::{self, WriteError, Writer};
use monitoring_aws::secrets::{Secrets, Settings};
use monitoring_aws::store::Store;
use monitoring_core::action_item::reminder::home_zone;
use monitoring_core::catalogue::Catalogue;
use monitoring_core::incident::Incident;
use serde_json::{Value, json};

use super::laptop::{Invocation, Laptop, Telemetry};
use super::recorder::Recorder;
use super::story::Story;
use super::targets::Targets;

/// The suite on a laptop.
#[derive(Debug)]
pub struct Suite {
    /// The tables.
    pub store: Store,
    laptop: Laptop,
    monitor: Monitor<Laptop>,
    responder: Responder<Laptop>,
    writer: Writer<Laptop>,
    reminder: Reminder<Laptop>,
    story: Story,
    cycle: SignedDuration,
    /// When the tick has something to do next. The deployed suite ticks each minute; a laptop that runs through years in
    /// seconds leaves out the ticks that would find nothing.
    next_tick: Option<Timestamp>,
    catalogue: Catalogue,
    environment: String,
    _recorder: Option<Recorder>,
}

/// Which endpoints messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// The real ones where they are configured, else the terminal.
    Configured,
    /// The terminal, whatever is configured.
    Terminal,
}

/// What a suite is made of.
#[derive(Debug)]
pub struct Parts {
    /// The user's decisions.
    pub catalogue: Catalogue,
    /// `local`.
    pub environment: String,
    /// Client of the tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Where series come from.
    pub telemetry: Telemetry,
    /// What actions change.
    pub targets: Targets,
    /// Where messages go.
    pub notify: Notify,
    /// Who is told of the steps.
    pub story: Story,
}

impl Suite {
    /// Puts the suite together.
    pub async fn new(parts: Parts) -> anyhow::Result<Self> {
        let Parts { catalogue, environment, dynamodb, telemetry, targets, notify, story } = parts;
        let store = Store::new(dynamodb, &catalogue.service, &environment);
        let model = model(notify).await;
        let (settings, recorder) = settings(notify, &story).await?;
        let endpoints = Endpoints::from_settings(&settings);
        let channels = Channels::new(Http::new(Timeouts::default()), Secrets::new(settings, None), endpoints);
        let config = stand_in_config(&Http::new(Timeouts::default()), &targets.endpoint());
        let actor = Actor::new(config, catalogue.clone(), environment.clone());
        let region = telemetry.region();
        let laptop = Laptop::new(telemetry, story.clone(), actor, targets);
        let cycle = SignedDuration::from_secs(i64::from(catalogue.cycle_seconds));
        let monitor = Monitor::new(store.clone(), laptop.clone(), catalogue.clone(), Engines::All, environment.clone());
        let writer =
            Writer::new(store.clone(), laptop.clone(), catalogue.clone(), environment.clone()).with_model(model);
        let reminder = Reminder::new(store.clone(), channels.clone(), laptop.clone(), catalogue.clone());
        let responder = Responder::new(store.clone(), channels, laptop.clone(), catalogue.clone(), environment.clone())
            .with_region(region);
        let next_tick = Some(Timestamp::MIN);
        Ok(Self {
            store,
            laptop,
            monitor,
            responder,
            writer,
            reminder,
            story,
            cycle,
            next_tick,
            catalogue,
            environment,
            _recorder: recorder,
        })
    }

    /// Gives a request to the actions function.
    pub async fn apply(&self, request: &Request) -> Answer {
        self.laptop.actor().handle(request).await
    }

    /// What stops every action.
    pub fn kill_switch(&self) -> KillSwitch {
        let config = stand_in_config(&Http::new(Timeouts::default()), &self.laptop.targets().endpoint());
        KillSwitch::of(&config, &self.catalogue, &self.environment)
    }

    /// How often the monitoring cycle runs.
    pub fn cycle_length(&self) -> SignedDuration {
        self.cycle
    }

    /// When the tick has something to do next.
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.next_tick
    }

    /// One cycle of monitoring, and whatever the queue then holds.
    pub async fn cycle(&mut self, now: Timestamp) -> anyhow::Result<(Report, Vec<Touched>)> {
        self.story.set_now(now);
        let report = self.monitor.cycle(now).await;
        for change in &report.changes {
            self.story.alert(change);
        }
        for failure in &report.failures {
            self.story.note(failure);
        }
        let touched = self.drain(now).await?;
        Ok((report, touched))
    }

    /// Gives the queue's messages to incident-response until it is empty, or until nothing more is accepted.
    async fn drain(&mut self, now: Timestamp) -> anyhow::Result<Vec<Touched>> {
        let mut touched = Vec::new();
        while let Some(batch) = self.laptop.receive() {
            let response = self.respond(&batch.event(), now).await?;
            let failed: Vec<&str> =
                response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
            let stuck = !failed.is_empty();
            self.laptop.settle(batch, &failed);
            touched.extend(response.incidents);
            if stuck {
                break;
            }
        }
        Ok(touched)
    }

    /// The minute tick, if it would find anything.
    pub async fn tick(&mut self, now: Timestamp) -> anyhow::Result<()> {
        if self.next_tick.is_none_or(|at| at > now) {
            return Ok(());
        }
        let event = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "time": now });
        self.respond(&event, now).await?;
        self.next_tick = self.when_due(now).await?;
        Ok(())
    }

    /// Gives an event to incident-response.
    pub async fn respond(&mut self, event: &Value, now: Timestamp) -> anyhow::Result<Response> {
        self.story.set_now(now);
        let mut response = self.responder.handle(event, now).await?;
        response.incidents.extend(self.run_invocations(now).await);
        for touched in response.incidents.iter().filter(|touched| touched.changed) {
            self.story.incident(touched);
        }
        if response.incidents.iter().any(|touched| touched.changed) {
            self.next_tick = self.when_due(now).await?;
        }
        Ok(response)
    }

    /// Gives an event to the post-mortem function, and to incident-response what that says of it.
    pub async fn write_post_mortem(
        &mut self,
        event: &Value,
        now: Timestamp,
    ) -> Result<post_mortem::Response, WriteError> {
        self.story.set_now(now);
        let written = self.writer.handle(event, now).await;
        for touched in self.run_invocations(now).await.iter().filter(|touched| touched.changed) {
            self.story.incident(touched);
        }
        written
    }

    /// Gives an event to the reminder function.
    pub async fn remind(&self, event: &Value, now: Timestamp) -> Result<Reminded, ReminderError> {
        self.story.set_now(now);
        self.reminder.handle(event, now).await
    }

    /// Reminds people once a day, at nine in the morning where the suite is at home. Deployed, it is asked each hour, for mornings elsewhere.
    pub async fn remind_daily(&self, now: Timestamp) {
        let local = now.to_zoned(home_zone(&self.catalogue));
        if (local.hour(), local.minute()) != (9, 0) {
            return;
        }
        match self.remind(&json!({}), now).await {
            Ok(reminded) => {
                let sent = reminded.digests.iter().chain(&reminded.report);
                for failed in sent.filter(|sent| sent.outcome == Outcome::Failed) {
                    self.story.note(&format!("{} was not reminded: {}", failed.to, failed.said));
                }
            }
            Err(error) => self.story.note(&format!("nobody was reminded: {}", causes(&error))),
        }
    }

    /// Gives a command about an action item to the post-mortem function.
    pub async fn change_action_item(&self, event: &Value, now: Timestamp) -> Result<action_items::Answer, ChangeError> {
        ActionItems::new(self.store.clone(), self.catalogue.clone()).handle(event, now).await
    }

    /// Runs what functions have asked of each other. What fails is told: deployed, Lambda tries it again.
    async fn run_invocations(&self, now: Timestamp) -> Vec<Touched> {
        let mut touched = Vec::new();
        while let Some(Invocation { function, event }) = self.laptop.next_invocation() {
            let failed = match function.as_str() {
                "post-mortem" => match self.writer.handle(&event, now).await {
                    Ok(written) => {
                        self.story.post_mortem(&written);
                        None
                    }
                    Err(error) => Some(causes(&error)),
                },
                "incident-response" => match self.responder.handle(&event, now).await {
                    Ok(response) => {
                        touched.extend(response.incidents);
                        None
                    }
                    Err(error) => Some(causes(&error)),
                },
                "comprehensive-monitoring" => {
                    self.monitor.investigate(&event, now).await.err().map(|error| causes(&error))
                }
                other => Some(format!("there is no function {other} here")),
            };
            if let Some(reason) = failed {
                self.story.note(&format!("{function} failed: {reason}"));
            }
        }
        touched
    }

    async fn when_due(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let pending = self.store.due(Timestamp::MAX).await?;
        if pending.is_empty() {
            return Ok(None);
        }
        // Open ones, and those whose post-mortem waits for its review.
        let mut wakes: Vec<Timestamp> = Vec::new();
        for id in &pending {
            wakes.extend(self.store.incident(id).await?.as_ref().and_then(Incident::next_due));
        }
        let (first, sleeping) = (wakes.iter().min().copied(), wakes.len());
        // Whatever is due beside the wake-ups is an effect that was not done: the next minute looks again.
        let soon = now + SignedDuration::from_mins(1);
        let first = if pending.len() > sleeping { Some(soon) } else { first };
        Ok(first.map(|at| at.max(soon)))
    }
}

/// The model that drafts post-mortems, with the user's own credentials, where `BEDROCK_MODEL` names one.
async fn model(notify: Notify) -> Option<Model> {
    let settings = Settings::from_env();
    let id = settings.get("BEDROCK_MODEL").filter(|id| !id.is_empty() && notify == Notify::Configured)?;
    Some(Model::new(sdk_config_for(&Http::new(Timeouts::default()), None, None).await, id))
}

/// The environment's settings, with the recorder in the place of what is not configured.
async fn settings(notify: Notify, story: &Story) -> anyhow::Result<(Settings, Option<Recorder>)> {
    let configured = Settings::from_env();
    let real = |name: &str| notify == Notify::Configured && configured.get(name).is_some();
    let slack = real("SLACK_WEBHOOK_URL") || real("SLACK_BOT_TOKEN");
    let pagerduty = real("PAGERDUTY_INTEGRATION_KEY");
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut keep = |name: &str| pairs.extend(configured.get(name).map(|value| (name.to_owned(), value.to_owned())));
    if slack {
        for name in ["SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "SLACK_API_URL", "INTERACTIONS_URL"] {
            keep(name);
        }
    }
    if pagerduty {
        for name in ["PAGERDUTY_INTEGRATION_KEY", "PAGERDUTY_EVENTS_URL"] {
            keep(name);
        }
    }
    if slack && pagerduty {
        return Ok((pairs.into_iter().collect(), None));
    }
    let recorder = Recorder::start(story.clone()).await?;
    if !slack {
        pairs.push(("SLACK_WEBHOOK_URL".to_owned(), recorder.slack_webhook()));
    }
    if !pagerduty {
        pairs.push(("PAGERDUTY_INTEGRATION_KEY".to_owned(), "local".to_owned()));
        pairs.push(("PAGERDUTY_EVENTS_URL".to_owned(), recorder.pagerduty_events()));
    }
    Ok((pairs.into_iter().collect(), Some(recorder)))
}
