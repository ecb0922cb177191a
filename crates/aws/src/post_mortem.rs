//! The post-mortem handler: load, measure, write, store, tell incident-response.
//!
//! `{"incident_id": "INC-..."}` writes the document of an incident that is over, as often as it is asked for. With `"edit":
//! {"section": "root-cause", "text": "...", "by": "alice"}` somebody writes a section in their own words (without a text it goes
//! back to the facts), and with `"approve": {"by": "alice"}` somebody approves it.

use jiff::Timestamp;
use monitoring_core::action_item::of_document;
use monitoring_core::catalogue::Catalogue;
use monitoring_core::incident::{Entry, Incident, IncidentId};
use monitoring_core::post_mortem::impact::{self, Loss};
use monitoring_core::post_mortem::narrative::{self, Draft};
use monitoring_core::post_mortem::reading::{Readings, Want, reads};
use monitoring_core::post_mortem::traces::{self, Trace};
use monitoring_core::post_mortem::{Evidence, Past, Performed, PostMortem, Section, markdown, write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bedrock::Model;
use crate::outside::{Outside, SeriesRequest};
use crate::store::{JournalItem, Store, StoreError};

/// How often a write is made anew because another writer was first.
const MAX_CONFLICTS: u32 = 10;

/// How many earlier incidents of each shard are looked at for similar ones.
const EARLIER_IN_EACH_SHARD: i32 = 50;

/// The post-mortem function, without Lambda around it.
#[derive(Debug)]
pub struct Writer<O> {
    store: Store,
    outside: O,
    catalogue: Catalogue,
    environment: String,
    model: Option<Model>,
}

/// What an invocation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    /// Of which incident.
    pub incident_id: IncidentId,
    /// What was wrong.
    pub title: String,
    /// Grows by one with every write.
    pub version: u64,
    /// `draft` or `approved`.
    pub state: &'static str,
    /// Whether anything was written.
    pub changed: bool,
    /// The action items that it asks for.
    pub action_items: Vec<String>,
    /// Titles of the teams that review it.
    pub reviewers: Vec<String>,
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What was asked for cannot be done; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The tables could not be read or written.
    #[error("the post-mortem is not written")]
    Store(#[from] StoreError),
    /// It is written, and nobody is told.
    #[error("the post-mortem of {incident} is written, and its reviewers are not told: {reason}")]
    Untold {
        /// Of which incident.
        incident: IncidentId,
        /// Why.
        reason: String,
    },
}

/// What is asked for.
enum Request {
    Write,
    Edit(Edit),
    Approve(Approve),
}

#[derive(Deserialize)]
struct Edit {
    section: String,
    #[serde(default)]
    text: Option<String>,
    by: String,
}

#[derive(Deserialize)]
struct Approve {
    by: String,
    #[serde(default)]
    text: Option<String>,
}

impl<O: Outside> Writer<O> {
    /// A writer over these tables and this catalogue.
    pub fn new(store: Store, outside: O, catalogue: Catalogue, environment: String) -> Self {
        Self { store, outside, catalogue, environment, model: None }
    }

    /// With a model that drafts, if there is one.
    #[must_use]
    pub fn with_model(self, model: Option<Model>) -> Self {
        Self { model, ..self }
    }

    /// Handles one event.
    pub async fn handle(&self, event: &Value, now: Timestamp) -> Result<Response, WriteError> {
        let (id, request) = read(event).map_err(WriteError::Refused)?;
        let mut conflicts = 0;
        loop {
            match self.carry_out(&id, &request, now).await {
                Err(WriteError::Store(error)) if error.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
                done => return done,
            }
        }
    }

    async fn carry_out(&self, id: &IncidentId, request: &Request, now: Timestamp) -> Result<Response, WriteError> {
        let previous = self.store.post_mortem(id).await?;
        let document = match request {
            Request::Write => self.written(id, previous.as_ref(), now).await?,
            Request::Edit(_) | Request::Approve(_) => {
                let Some(previous) = &previous else {
                    let text =
                        format!("there is no post-mortem of {id}; write it with `monitorctl post-mortems write {id}`");
                    return Err(WriteError::Refused(text));
                };
                changed(previous, request, now).map_err(WriteError::Refused)?
            }
        };
        let changed = previous.as_ref().map(|previous| previous.version) != Some(document.version);
        if changed {
            self.store.put_post_mortem(&document, &markdown::markdown(&document)).await?;
            tracing::info!(incident = %id, version = document.version, "post-mortem written");
        }
        if matches!(request, Request::Write) {
            self.keep_items(&document, now).await?;
        }
        let told = self.tell(&document).await;
        match request {
            Request::Write => told?,
            // It is written; what it came to is asked for again within a day.
            Request::Edit(_) | Request::Approve(_) => {
                if let Err(error) = told {
                    tracing::warn!(incident = %id, error = %error, "incident-response does not know yet");
                }
            }
        }
        Ok(response(document, changed))
    }

    /// The document by the facts of now.
    async fn written(
        &self,
        id: &IncidentId,
        previous: Option<&PostMortem>,
        now: Timestamp,
    ) -> Result<PostMortem, WriteError> {
        let refused = |text: String| Err(WriteError::Refused(text));
        let Some(incident) = self.store.incident(id).await? else {
            return refused(format!("there is no incident {id}; see `monitorctl incidents list`"));
        };
        if incident.is_open() {
            return refused(format!("{id} is {}; its post-mortem is written when it is resolved", incident.status));
        }
        let (journal, earlier, open_items) = futures_util::try_join!(
            self.store.journal(id),
            self.store.recent_incidents(EARLIER_IN_EACH_SHARD),
            self.store.open_action_items(),
        )?;
        let (entries, effects) = split(journal);
        // What an earlier incident had left to do when this one happened is what counts, however much was done since.
        let noted = |past: &IncidentId| {
            let similar = previous.into_iter().flat_map(|previous| &previous.similar);
            similar.filter(|similar| similar.incident_id == *past).map(|similar| similar.open_items).next()
        };
        let open = |past: &IncidentId| noted(past).or_else(|| open_items.get(past).copied()).unwrap_or_default();
        let earlier: Vec<Past> = earlier.iter().map(|incident| Past::of(incident, open(&incident.id))).collect();
        let traces = self.traces(&incident, previous, now).await;
        let losses = self.losses(&incident, &traces, previous, now).await;
        let evidence = Evidence {
            incident: &incident,
            entries: &entries,
            effects: &effects,
            earlier: &earlier,
            losses: &losses,
            traces: &traces,
            draft: previous.and_then(|previous| previous.draft.as_ref()),
            catalogue: &self.catalogue,
            environment: &self.environment,
        };
        let no_end =
            || WriteError::Refused(format!("{id} has no end; resolve it with `monitorctl incidents resolve {id}`"));
        let document = write(&evidence, previous, now).ok_or_else(no_end)?;
        let draft = self.draft(&document, &entries, previous, now).await;
        if draft.as_ref() == evidence.draft {
            return Ok(document);
        }
        write(&Evidence { draft: draft.as_ref(), ..evidence }, previous, now).ok_or_else(no_end)
    }

    /// Makes the action items that the document asks for, unless they are there. Also for a document that was written before: whoever
    /// wrote it may have died in between.
    async fn keep_items(&self, document: &PostMortem, now: Timestamp) -> Result<(), WriteError> {
        let existing = self.store.action_items_of(&document.incident_id).await?;
        let writes = of_document(document, &existing, &self.catalogue, now);
        for item in &writes {
            self.store.put_action_item(item).await?;
        }
        if !writes.is_empty() {
            tracing::info!(incident = %document.incident_id, items = writes.len(), "action items written");
        }
        Ok(())
    }

    /// What a model writes of the document's facts, or wrote of the same ones before. Without it the rules stand alone. What people
    /// have approved gets no draft as long as its facts are the same: it would be a draft again.
    async fn draft(
        &self,
        document: &PostMortem,
        entries: &[Entry],
        previous: Option<&PostMortem>,
        now: Timestamp,
    ) -> Option<Draft> {
        let facts = narrative::facts(document, entries, &self.catalogue);
        let known = previous.and_then(|previous| previous.draft.as_ref()).filter(|known| known.is_of(&facts));
        if known.is_some() || document.approval.is_some() {
            return known.cloned();
        }
        let model = self.model.as_ref()?;
        let answer = model.ask(&narrative::prompt(&facts)).await;
        let draft = answer.and_then(|answer| narrative::draft(&answer, &facts, model.id(), now));
        draft.inspect_err(|reason| tracing::warn!(incident = %document.incident_id, reason, "no draft of a model")).ok()
    }

    /// The metrics of its alerts. What the document knows already is not read again.
    async fn traces(&self, incident: &Incident, previous: Option<&PostMortem>, now: Timestamp) -> Vec<Trace> {
        let end = incident.resolution.as_ref().map(|end| end.at);
        let known = previous.filter(|previous| Some(previous.resolved_at) == end);
        let known = known.map(|previous| previous.traces.as_slice()).unwrap_or_default();
        let wants = traces::wants(&self.catalogue, incident, known, now);
        let readings = self.read(&wants, now).await;
        traces::traces(&self.catalogue, incident, known, &readings, now)
    }

    /// What it cost, as far as that can be measured by now. What the document knows already is not read again.
    async fn losses(
        &self,
        incident: &Incident,
        traces: &[Trace],
        previous: Option<&PostMortem>,
        now: Timestamp,
    ) -> Vec<Loss> {
        let Some(end) = &incident.resolution else { return Vec::new() };
        let began = traces.iter().filter_map(Trace::onset).map(|onset| onset.at).chain([incident.onset]).min();
        let lasted = (began.unwrap_or(incident.onset), end.at);
        let known = previous.map(|previous| previous.losses.as_slice()).unwrap_or_default();
        let wants = impact::wants(&self.catalogue, lasted, known, now);
        let readings = self.read(&wants, now).await;
        impact::losses(&self.catalogue, lasted, known, &readings, now)
    }

    /// Reads what is wanted. A source that fails says so in the document and stops nothing.
    async fn read(&self, wants: &[Want], now: Timestamp) -> Readings {
        let reads = reads(&self.catalogue, wants);
        let requests: Vec<SeriesRequest> = reads.iter().filter_map(|want| self.request(want)).collect();
        if requests.is_empty() {
            return Readings::default();
        }
        let answers = self.outside.series(&requests, now).await;
        Readings::new(reads, answers)
    }

    fn request(&self, want: &Want) -> Option<SeriesRequest> {
        Some(SeriesRequest {
            metric: want.metric.clone(),
            source: self.catalogue.metrics.get(&want.metric)?.source.clone(),
            dimensions: want.dimensions.clone(),
            period_seconds: want.period_seconds,
            start: want.start,
            end: want.end,
        })
    }

    /// Tells incident-response how the document stands, which tells and reminds its reviewers.
    async fn tell(&self, document: &PostMortem) -> Result<(), WriteError> {
        let incident = &document.incident_id;
        let event = json!({
            "incident_id": incident,
            "post_mortem_written": {
                "action_items": document.items.len(),
                "reviewers": document.reviewers,
                "approved_by": document.approval.as_ref().map(|approval| &approval.by),
                "again_at": document.losses.iter().filter_map(|loss| loss.complete_at(&self.catalogue)).max(),
            },
        });
        let told = self.outside.invoke("incident-response", &event).await;
        told.map_err(|error| WriteError::Untold { incident: incident.clone(), reason: error.reason })
    }
}

fn read(event: &Value) -> Result<(IncidentId, Request), String> {
    let id = event.get("incident_id").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
    let id = id.ok_or("a post-mortem needs incident_id, such as {\"incident_id\": \"INC-20261123-0f3a9c1d\"}")?;
    let id = IncidentId::parse(id).ok_or("incident_id is of the form INC-20261123-0f3a9c1d")?;
    let request = match (event.get("edit"), event.get("approve")) {
        (None, None) => Request::Write,
        (Some(edit), None) => {
            Request::Edit(Deserialize::deserialize(edit).map_err(|error| format!("edit cannot be read: {error}"))?)
        }
        (None, Some(approve)) => Request::Approve(
            Deserialize::deserialize(approve).map_err(|error| format!("approve cannot be read: {error}"))?,
        ),
        (Some(_), Some(_)) => return Err("edit it or approve it; not both at once".to_owned()),
    };
    let by = match &request {
        Request::Write => None,
        Request::Edit(edit) => Some(&edit.by),
        Request::Approve(approve) => Some(&approve.by),
    };
    if by.is_some_and(|by| by.trim().is_empty()) {
        return Err("by is empty; say who you are".to_owned());
    }
    Ok((id, request))
}

/// The document with what somebody asks for.
fn changed(previous: &PostMortem, request: &Request, now: Timestamp) -> Result<PostMortem, String> {
    Ok(match request {
        Request::Write => previous.clone(),
        Request::Edit(Edit { section, text, by }) => {
            let section = Section::parse(section).ok_or_else(|| {
                let names = Section::ALL.map(Section::name).join(", ");
                format!("there is no section {:?}; there are {names}", monitoring_core::alert::bounded(section, 40))
            })?;
            let text = text.as_deref().filter(|text| !text.trim().is_empty());
            if text.is_none() && !previous.edits.contains_key(&section) {
                return Err(format!("{} is as the facts have it; give it a text", section.name()));
            }
            previous.edited(section, text, by, now)
        }
        Request::Approve(Approve { by, text }) => match &previous.approval {
            Some(approval) => return Err(format!("{} has approved it already", approval.by)),
            None => previous.approved(by, text.as_deref(), now),
        },
    })
}

fn split(journal: Vec<JournalItem>) -> (Vec<Entry>, Vec<Performed>) {
    let (mut entries, mut effects) = (Vec::new(), Vec::new());
    for item in journal {
        match item {
            JournalItem::Entry(entry) => entries.push(*entry),
            JournalItem::Effect { effect, state, attempts, finished_at, .. } => {
                effects.push(Performed { effect: *effect, accepted: state == "done", attempts, ended_at: finished_at });
            }
        }
    }
    (entries, effects)
}

fn response(document: PostMortem, changed: bool) -> Response {
    Response {
        state: if document.is_draft() { "draft" } else { "approved" },
        action_items: document.items.into_iter().map(|item| item.title).collect(),
        incident_id: document.incident_id,
        title: document.title,
        version: document.version,
        reviewers: document.reviewers,
        changed,
    }
}
