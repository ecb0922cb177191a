//! The incident-response handler: load, decide, commit, claim, perform, mark done.

mod act;
mod around;
mod audit;
mod daily;
mod heartbeat;
mod overview;
mod perform;
mod silences;
mod unrecorded;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use jiff::Timestamp;
use monitoring_core::action::Ledger;
use monitoring_core::alert::incoming::{self, Context, Incoming, Record};
use monitoring_core::alert::{AlertChange, ChangeState, GroupKey, bounded};
use monitoring_core::catalogue::{Catalogue, environment_suffix};
use monitoring_core::decide::{
    Around, Command, CommandTarget, Decision, Event, Policy, concerned_by_others, decide, needs_ledger,
    unrecorded_prefix,
};
use monitoring_core::incident::{Incident, IncidentId};
use serde::Serialize;
use serde_json::Value;

use crate::channel::Channels;
use crate::outside::Outside;
use crate::store::{Commit, Store, StoreError};
pub use overview::{Firing, Overview, print_overview};

/// How often a decision is made anew because another writer was first, before the record goes back to the queue. With
/// 16 writers on one incident the last one is through after 16 rounds.
const MAX_CONFLICTS: u32 = 40;

/// How many groups or incidents are worked on at the same time.
const CONCURRENCY: usize = 8;

/// How long a tick begins to attend to what is due, and again how long it begins to audit: with the last of each, well
/// within the function's 30 seconds.
const TICK_BUDGET: Duration = Duration::from_secs(8);

/// How many events one transaction takes: each may write a journal entry or two, and `DynamoDB` takes 100 writes.
const MAX_EVENTS: usize = 20;

/// The incident-response function, without Lambda around it.
#[derive(Debug)]
pub struct Responder<O> {
    store: Store,
    channels: Channels,
    outside: O,
    catalogue: Catalogue,
    environment: String,
    region: Option<String>,
}

/// What an invocation did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Response {
    /// The records that the queue shall hand out again.
    #[serde(rename = "batchItemFailures")]
    pub batch_item_failures: Vec<BatchItemFailure>,
    /// Every incident touched, also by a duplicate.
    pub incidents: Vec<Touched>,
    /// What was not recognised or changed nothing, and why.
    pub notes: Vec<String>,
    /// Of a tick: what is open.
    #[serde(skip)]
    pub overview: Option<Overview>,
}

/// A record that failed.
#[derive(Clone, Debug, Serialize)]
pub struct BatchItemFailure {
    /// Its id at the queue.
    #[serde(rename = "itemIdentifier")]
    pub item_identifier: String,
}

/// An incident that an invocation touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Its name.
    pub id: String,
    /// `SEV1` to `SEV4`.
    pub severity: String,
    /// Lower case.
    pub status: String,
    /// What to do.
    pub runbook: Option<String>,
    /// What it is about.
    pub group: String,
    /// What is wrong.
    pub title: String,
    /// Whether anything was written.
    pub changed: bool,
    /// What was decided on each event, and why.
    pub reasons: Vec<String>,
}

/// Why an invocation as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The store failed, and there is no queue to put the records back to.
    #[error("nothing was recorded")]
    Store(#[from] StoreError),
    /// A command that cannot be carried out; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
}

impl<O: Outside> Responder<O> {
    /// A responder over these tables, channels and catalogue.
    pub fn new(store: Store, channels: Channels, outside: O, catalogue: Catalogue, environment: String) -> Self {
        Self { store, channels, outside, catalogue, environment, region: None }
    }

    /// With links into the console of this region.
    #[must_use]
    pub fn with_region(mut self, region: Option<String>) -> Self {
        self.region = region;
        self
    }

    /// Handles one event: records of SNS or SQS, the minute tick, or a command.
    pub async fn handle(&self, event: &Value, now: Timestamp) -> Result<Response, HandleError> {
        let suffix = environment_suffix(&self.environment);
        match incoming::parse(event, Context { catalogue: &self.catalogue, suffix: &suffix, now }) {
            Incoming::Records { from_queue, records } => self.records(records, from_queue, now).await,
            Incoming::Tick => Ok(self.tick(now).await?),
            Incoming::Daily => {
                let daily: BoxFuture<'_, Response> = Box::pin(self.daily(now));
                Ok(daily.await)
            }
            Incoming::Answer { incident, event } => self.answer(&incident, *event, now).await,
            Incoming::Command(command) => self.command(command, now).await,
            Incoming::Silence(request) => self.silence(request, now).await,
            Incoming::BadCommand(reason) => Err(HandleError::Refused(reason)),
        }
    }

    /// Takes one change in that did not come as an event.
    pub async fn take_in(&self, change: AlertChange, now: Timestamp) -> Result<Vec<Touched>, HandleError> {
        // What is said of the suite is said again until it is recorded, so it may have been paged without a record.
        let again = [(Record { again: true, ..Record::alone(None, None) }, change)];
        match self.group(&again[0].1.group, &again, now).await {
            Ok(touched) => Ok(touched),
            Err(error) => {
                self.page_unrecorded(&again, &error, now).await;
                Err(error.into())
            }
        }
    }

    async fn change(&self, change: AlertChange, now: Timestamp) -> Result<Vec<Touched>, StoreError> {
        let group = change.group.clone();
        self.group(&group, &[Self::alone(change)], now).await
    }

    /// A change that no record brought.
    fn alone(change: AlertChange) -> (Record, AlertChange) {
        (Record::alone(None, None), change)
    }

    async fn records(&self, records: Vec<Record>, from_queue: bool, now: Timestamp) -> Result<Response, HandleError> {
        let mut response = Response::default();
        let mut groups: BTreeMap<GroupKey, Vec<(Record, AlertChange)>> = BTreeMap::new();
        let canary = records.iter().filter_map(|record| record.canary).max();
        for record in records {
            if let Some(note) = &record.note {
                tracing::warn!(message_id = record.message_id, note, "a record says nothing that is known");
                response.notes.push(note.clone());
            }
            if let Some(change) = record.change.clone() {
                groups.entry(change.group.clone()).or_default().push((record, change));
            }
        }
        let outcomes = stream::iter(groups)
            .map(|(group, members)| async move { (self.group(&group, &members, now).await, members) })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        for (outcome, members) in outcomes {
            match outcome {
                Ok(touched) => response.incidents.extend(touched),
                Err(error) => {
                    let ids = members.iter().filter_map(|(record, _)| record.message_id.clone());
                    response
                        .batch_item_failures
                        .extend(ids.map(|item_identifier| BatchItemFailure { item_identifier }));
                    tracing::error!(error = &error as &dyn std::error::Error, "records could not be recorded");
                    if !matches!(error, StoreError::Conflict { .. }) {
                        self.page_unrecorded(&members, &error, now).await;
                    }
                    if !from_queue {
                        return Err(error.into());
                    }
                }
            }
        }
        if let Some(sent_at) = canary {
            response.notes.extend(self.heartbeat(sent_at, now).await);
        }
        response.incidents.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(response)
    }

    /// Takes the changes of one group in, in the order of their times, the worst first among equals.
    async fn group(
        &self,
        group: &GroupKey,
        members: &[(Record, AlertChange)],
        now: Timestamp,
    ) -> Result<Vec<Touched>, StoreError> {
        let mut members: Vec<&(Record, AlertChange)> = members.iter().collect();
        members.sort_by_key(|(_, change)| (change.at, std::cmp::Reverse(change.severity)));
        let events: Vec<Event> = members.into_iter().map(|(record, change)| event_of(record, change.clone())).collect();
        let mut touched: Vec<Touched> = Vec::new();
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            let batch = rest.get(..MAX_EVENTS.min(rest.len())).unwrap_or(rest);
            let Some(decided) = self.decide_and_commit(Target::Group(group), batch, now).await? else { break };
            rest = rest.get(decided.consumed.max(1)..).unwrap_or_default();
            if decided.changed {
                self.perform_logged(&decided.incident.id, now).await;
            }
            merge(&mut touched, decided);
        }
        Ok(touched)
    }

    /// Loads, decides and writes until nobody else was first. `None` when there is no incident and none is called for.
    async fn decide_and_commit(
        &self,
        target: Target<'_>,
        events: &[Event],
        now: Timestamp,
    ) -> Result<Option<Decided>, StoreError> {
        let mut conflicts = 0;
        loop {
            let before = match target {
                Target::Group(group) => self.store.latest(group).await?,
                Target::Incident(id) => self.store.incident(id).await?,
            };
            let decision = self.decide(before.as_ref(), events, now).await?;
            let silenced = silences::used(&decision);
            let reasons: Vec<String> = decision.outcomes.into_iter().map(|outcome| outcome.reason).collect();
            let Some(incident) = decision.incident else {
                tracing::info!(?reasons, "no incident");
                return Ok(None);
            };
            let changed = !decision.entries.is_empty();
            let once = events.iter().find_map(Event::once);
            let written = if changed {
                let (entries, effects, ledger) = (&decision.entries, &decision.effects, decision.ledger.as_ref());
                let before = before.as_ref();
                self.store.commit(Commit { before, after: &incident, entries, effects, ledger, once }).await
            } else if let Some(once) = once {
                self.store.note_once(&incident.id, once).await
            } else {
                Ok(())
            };
            match written {
                Ok(()) => {}
                Err(error @ StoreError::CarriedOut) => {
                    tracing::info!(incident = %incident.id, once, "refused: carried out already");
                    let (incident, reasons) = (before.unwrap_or(incident), vec![error.to_string()]);
                    return Ok(Some(Decided { incident, changed: false, consumed: events.len(), reasons }));
                }
                Err(error) if error.is_conflict() && conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.note_silences(&silenced, now).await;
            tracing::info!(incident = %incident.id, severity = %incident.severity, status = %incident.status, changed, ?reasons, "decided");
            let consumed = reasons.len();
            return Ok(Some(Decided { incident, changed, consumed, reasons }));
        }
    }

    /// Decides; where that would call somebody or is about an action, with what is around the incident; where that still
    /// would, as part of a storm if there is one: what anything else holds back is not counted for it.
    async fn decide(
        &self,
        before: Option<&Incident>,
        events: &[Event],
        now: Timestamp,
    ) -> Result<Decision, StoreError> {
        let (catalogue, environment, region) = (&self.catalogue, self.environment.as_str(), self.region.as_deref());
        let with = |around: &Around| decide(Policy { catalogue, environment, region, around }, before, events, now);
        let decision = with(Around::NOTHING);
        let acts = needs_ledger(catalogue, events, before, decision.incident.as_ref());
        let concerned = concerned_by_others(before, &decision).or(decision.incident.as_ref().filter(|_| acts));
        let Some(incident) = concerned else { return Ok(decision) };
        // Boxed, and so with no type of its own in those of the callers, which are deep enough.
        let around: BoxFuture<'_, Around> = Box::pin(self.around(incident, now));
        let mut around = around.await;
        if acts {
            around.ledger = self.ledger(events).await?;
        }
        let decision = with(&around);
        let Some(incident) = Self::one_more_call(before, &decision) else { return Ok(decision) };
        let storm: BoxFuture<'_, Option<IncidentId>> = Box::pin(self.storm(before, incident, now));
        around.storm = storm.await;
        Ok(if around.storm.is_some() { with(&around) } else { decision })
    }

    /// What actions have done lately; `None` where that cannot be read and something else is to be decided.
    async fn ledger(&self, events: &[Event]) -> Result<Option<Ledger>, StoreError> {
        match self.store.ledger().await {
            Ok(ledger) => Ok(Some(ledger)),
            // What was found out about an action is not lost: its effect is attempted again.
            Err(error) if events.iter().any(Event::is_about_actions) => Err(error),
            // A page does not wait for it. Actions are looked at by the next decision.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "actions are not looked at");
                Ok(None)
            }
        }
    }

    /// Takes in what a function did that an effect asked.
    async fn answer(&self, id: &IncidentId, event: Event, now: Timestamp) -> Result<Response, HandleError> {
        let Some(decided) = self.decide_and_commit(Target::Incident(id), &[event], now).await? else {
            return Err(HandleError::Refused(format!("there is no incident {id}")));
        };
        if decided.changed {
            self.perform_logged(id, now).await;
        }
        let mut response = Response::default();
        merge(&mut response.incidents, decided);
        Ok(response)
    }

    async fn command(&self, command: Command, now: Timestamp) -> Result<Response, HandleError> {
        let id = match &command.target {
            CommandTarget::Incident(id) => id.clone(),
            CommandTarget::UnrecordedKey(key) => self.incident_of_key(key).await?,
        };
        let events = [Event::Command(command)];
        let decided = self.decide_and_commit(Target::Incident(&id), &events, now).await.map_err(|error| {
            // Reopening fails on the lock when the group has gone on to another incident.
            if error.is_conflict() {
                HandleError::Refused(format!("{id} could not be changed: its group has a newer incident, or too many others write to it; look with `monitorctl incidents list`"))
            } else {
                error.into()
            }
        })?;
        let Some(decided) = decided else {
            return Err(HandleError::Refused(format!("there is no incident {id}; see `monitorctl incidents list`")));
        };
        if decided.changed {
            self.perform_logged(&id, now).await;
        }
        let mut response = Response::default();
        merge(&mut response.incidents, decided);
        Ok(response)
    }

    /// The incident that was paged under this key before it could be recorded.
    async fn incident_of_key(&self, key: &str) -> Result<IncidentId, HandleError> {
        let group = key.strip_prefix(&unrecorded_prefix(&self.catalogue, &self.environment)).map(GroupKey::named);
        let latest = match &group {
            Some(group) => self.store.latest(group).await?,
            None => None,
        };
        let paged = latest.filter(|incident| incident.unrecorded_key.as_deref() == Some(key));
        paged.map(|incident| incident.id).ok_or_else(|| {
            let key = bounded(key, 80);
            HandleError::Refused(format!(
                "what was paged as {key} is not recorded yet; see `monitorctl incidents list`"
            ))
        })
    }

    /// The minute tick: everything that is due, whoever left it undone.
    ///
    /// Begins nothing more after [`TICK_BUDGET`]: what is left is the next tick's, and there is time for the audit.
    pub async fn tick(&self, now: Timestamp) -> Result<Response, StoreError> {
        let began = Instant::now();
        let due = self.store.due(now).await?;
        let total = due.len();
        let attended = stream::iter(due)
            .take_while(|_| std::future::ready(began.elapsed() < TICK_BUDGET))
            .map(|id| async move { (self.attend(&id, now).await, id) })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        let mut response = Response::default();
        if attended.len() < total {
            let left = total - attended.len();
            tracing::warn!(left, "more was due than one tick attends to");
            response.notes.push(format!("{left} of {total} incidents that were due are left to the next tick"));
        }
        for (outcome, id) in attended {
            match outcome {
                Ok(Some(decided)) => merge(&mut response.incidents, decided),
                Ok(None) => response.notes.push(format!("{id} is in the index of due work, and does not exist")),
                // What cannot be read is the auditor's to tell.
                Err(StoreError::NewerSchema { .. } | StoreError::Unreadable { .. }) => {}
                Err(error) => {
                    tracing::error!(incident = %id, error = &error as &dyn std::error::Error, "could not attend to an incident");
                    response.notes.push(format!("{id} could not be attended to: {error}"));
                }
            }
        }
        let audit: BoxFuture<'_, Result<(Vec<String>, Overview), StoreError>> = Box::pin(self.audit(now));
        match audit.await {
            Ok((notes, overview)) => {
                response.notes.extend(notes);
                response.overview = Some(overview);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "nothing was audited");
                response.notes.push(format!("nothing was audited: {error}"));
            }
        }
        response.incidents.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(response)
    }

    async fn attend(&self, id: &IncidentId, now: Timestamp) -> Result<Option<Decided>, StoreError> {
        let decided = self.decide_and_commit(Target::Incident(id), &[Event::Wake], now).await?;
        self.perform(id, now).await?;
        Ok(decided)
    }

    /// Performs what was just committed. A failure here loses nothing: the tick comes back to it.
    async fn perform_logged(&self, id: &IncidentId, now: Timestamp) {
        if let Err(error) = self.perform(id, now).await {
            tracing::error!(incident = %id, error = &error as &dyn std::error::Error, "effects are left to the tick");
        }
    }

    /// The changes of a batch that fire.
    fn firing(members: &[(Record, AlertChange)]) -> impl Iterator<Item = &(Record, AlertChange)> {
        members.iter().filter(|(_, change)| change.state == ChangeState::Firing)
    }
}

fn event_of(record: &Record, change: AlertChange) -> Event {
    if record.again { Event::AlertAgain(change) } else { Event::Alert(change) }
}

/// Which incident to decide on.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// The latest of a group.
    Group(&'a GroupKey),
    /// This one.
    Incident(&'a IncidentId),
}

struct Decided {
    incident: Incident,
    changed: bool,
    consumed: usize,
    reasons: Vec<String>,
}

fn merge(touched: &mut Vec<Touched>, decided: Decided) {
    let Decided { incident, changed, reasons, .. } = decided;
    let fresh = Touched {
        id: incident.id.to_string(),
        severity: incident.severity.to_string(),
        status: incident.status.to_string(),
        runbook: incident.runbook,
        group: incident.group.to_string(),
        title: incident.title,
        changed,
        reasons,
    };
    match touched.iter_mut().find(|known| known.id == fresh.id) {
        Some(known) => {
            let mut reasons = std::mem::take(&mut known.reasons);
            reasons.extend(fresh.reasons);
            *known = Touched { reasons, changed: known.changed || fresh.changed, ..fresh };
        }
        None => touched.push(fresh),
    }
}
