//! Investigates an incident when incident-response asks: reads the series around its beginning, what was deployed and changed, and
//! what the logs say of failures; ranks what may be its cause, and answers.
//!
//! `{"incident_id": "INC-...", "investigate": {"rule": "error-rate", "group": "api", "onset": "2026-11-23T03:00:00Z"}}`. Nobody waits for
//! it, and nothing of the cycle is shared with it: Lambda runs it beside the next cycle.

use jiff::Timestamp;
use monitoring_core::incident::IncidentId;
use monitoring_core::investigation::{self, Investigation, Question};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Monitor;
use crate::outside::{Outside, SeriesRequest};

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum InvestigateError {
    /// What was asked for cannot be understood; the text says why.
    #[error("{0}")]
    Refused(String),
    /// It is done, and the incident does not know of it.
    #[error("{incident} is investigated, and incident-response is not told: {reason}")]
    Untold {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        reason: String,
    },
}

/// Whether the event asks for an investigation.
pub fn is_asked(event: &Value) -> bool {
    event.get("investigate").is_some()
}

impl<O: Outside> Monitor<O> {
    /// Finds out what the event asks, and tells incident-response.
    ///
    /// # Errors
    ///
    /// If the event cannot be understood, or incident-response does not take the answer. A source that cannot be read is no error: it is
    /// among what was found.
    pub async fn investigate(&self, event: &Value, now: Timestamp) -> Result<Investigation, InvestigateError> {
        let (incident, question) = read(event).map_err(InvestigateError::Refused)?;
        let needs = investigation::needs(&self.catalogue, &question, now);
        let requests: Vec<SeriesRequest> = needs.iter().map(SeriesRequest::of).collect();
        let wanted = investigation::wanted(&self.catalogue, &question, now);
        let series = async { if requests.is_empty() { Vec::new() } else { self.outside.series(&requests, now).await } };
        let (answers, gathered) = futures_util::join!(series, self.outside.evidence(&wanted));
        let found = investigation::investigate(&self.catalogue, &question, &needs, answers, gathered, now).bounded();
        tracing::info!(incident = %incident, headline = found.headline, "investigated");
        let answer = json!({ "incident_id": incident, "investigated": found });
        match self.outside.invoke("incident-response", &answer).await {
            Ok(()) => Ok(found),
            Err(error) => Err(InvestigateError::Untold { incident, reason: error.reason }),
        }
    }
}

fn read(event: &Value) -> Result<(IncidentId, Question), String> {
    let id = event.get("incident_id").and_then(Value::as_str).and_then(IncidentId::parse);
    let id = id.ok_or("an investigation needs incident_id, such as INC-20261123-0f3a9c1d")?;
    let question = event.get("investigate").map(Question::deserialize);
    match question {
        Some(Ok(question)) => Ok((id, question)),
        Some(Err(error)) => Err(format!("investigate cannot be read: {error}")),
        None => Err("there is nothing to investigate".to_owned()),
    }
}
