//! Silences that somebody makes at run time.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::incoming::SilenceRequest;
use monitoring_core::alert::{AlertKey, ChangeState, GroupKey};
use monitoring_core::catalogue::{Severity, Weekly};
use monitoring_core::decide::{Action, Command, CommandTarget, Decision};
use monitoring_core::incident::{Fact, Hold, IncidentId};
use monitoring_core::message::format_seconds;
use monitoring_core::silence::Silence;

use super::{HandleError, Responder, Response};
use crate::outside::Outside;

impl<O: Outside> Responder<O> {
    /// Makes a silence, or ends one before its time.
    pub(super) async fn silence(&self, request: SilenceRequest, now: Timestamp) -> Result<Response, HandleError> {
        match request {
            SilenceRequest::Incident { incident, seconds, by, why, once } => {
                self.silence_incident(&incident, seconds, &by, why, once, now).await
            }
            SilenceRequest::Matching { matcher, seconds, every, by, why, sev1 } => {
                let until = match &every {
                    None => self.until(seconds, now)?,
                    Some(weekly) => self.until_recurring(weekly, seconds, now)?,
                };
                let (alerts, schema) = (BTreeSet::new(), Silence::schema_for(every.as_ref()));
                let id = Silence::id_for(&matcher, &alerts, every.as_ref(), &by, now);
                let silence = Silence { schema, id, matcher, alerts, from: now, until, by, why, sev1, every };
                self.store.make_silence(&silence).await?;
                Ok(noting(in_force(&silence)))
            }
            SilenceRequest::End { id, by } => {
                if !self.store.end_silence(&id, &by, now).await? {
                    return Err(HandleError::Refused(format!(
                        "no silence {id} is in force; see `monitorctl silences list`"
                    )));
                }
                // What it held back is found by the next tick.
                Ok(noting(format!("{id} has ended")))
            }
        }
    }

    /// Silences what fires in an incident now: another alert that joins it is heard.
    async fn silence_incident(
        &self,
        id: &IncidentId,
        seconds: u32,
        by: &str,
        why: Option<String>,
        once: Option<String>,
        now: Timestamp,
    ) -> Result<Response, HandleError> {
        let until = self.until(seconds, now)?;
        let refused = |what: &str| HandleError::Refused(format!("{id} {what}; see `monitorctl incidents list`"));
        let incident = self.store.incident(id).await?.ok_or_else(|| refused("does not exist"))?;
        let firing = incident.alerts.iter().filter(|(_, member)| member.state == ChangeState::Firing);
        let alerts: BTreeSet<AlertKey> = firing.map(|(key, _)| key.clone()).collect();
        if alerts.is_empty() || !incident.is_open() {
            return Err(refused("has no alert that fires, so there is nothing to silence"));
        }
        if !incident.beyond.is_empty() {
            let group = &incident.group;
            return Err(HandleError::Refused(format!(
                "{id} has more alerts than are kept one by one, so a silence of those would hold nothing back; silence the \
                 group: `monitorctl silences add --group {group} --minutes N --why WORDS`"
            )));
        }
        if incident.group == GroupKey::storm() {
            return Err(HandleError::Refused(format!(
                "{id} stands for many incidents and is never held back; acknowledge it, or silence one of those"
            )));
        }
        let matcher = monitoring_core::catalogue::Matcher::default();
        let silence = Silence {
            schema: Silence::schema_for(None),
            id: match &once {
                Some(once) => Silence::id_once(once, incident.opened_at),
                None => Silence::id_for(&matcher, &alerts, None, by, now),
            },
            matcher,
            alerts,
            from: now,
            until,
            by: by.to_owned(),
            why: why.unwrap_or_else(|| format!("asked for at {id}")),
            // Whoever silences an incident that is a SEV1 means it.
            sev1: incident.severity == Severity::Sev1,
            every: None,
        };
        let text = format!("silenced for {} ({})", format_seconds(i64::from(seconds)), silence.id);
        let action = Action::Note(text);
        let target = CommandTarget::Incident(id.clone());
        let command = Command { target, action, by: by.to_owned(), text: None, once };
        // The silence first: what the note tells of is in force, and a note that is refused as a repetition finds the same one.
        self.store.make_silence(&silence).await?;
        let mut response = self.command(command, now).await?;
        response.notes.push(in_force(&silence));
        Ok(response)
    }

    fn until(&self, seconds: u32, now: Timestamp) -> Result<Timestamp, HandleError> {
        let longest = self.catalogue.noise.silences.longest_seconds;
        if seconds == 0 || seconds > longest {
            let longest = format_seconds(i64::from(longest));
            return Err(HandleError::Refused(format!(
                "a silence lasts from a minute to {longest} (`noise: silences: longest` in the catalogue)"
            )));
        }
        Ok(after(seconds, now))
    }

    /// When a silence that recurs is over for good.
    fn until_recurring(&self, weekly: &Weekly, seconds: u32, now: Timestamp) -> Result<Timestamp, HandleError> {
        self.until(u32::from(weekly.minutes) * 60, now)?;
        let longest = self.catalogue.noise.silences.longest_recurring_seconds;
        if seconds > longest {
            let longest = format_seconds(i64::from(longest));
            return Err(HandleError::Refused(format!(
                "a silence recurs for {longest} at most (`noise: silences: longest_recurring` in the catalogue); what                  recurs for good is a maintenance of the catalogue"
            )));
        }
        Ok(after(seconds, now))
    }

    /// Counts the silences that held something back. Only for a report on those that never did, so a failure is logged.
    pub(super) async fn note_silences(&self, ids: &[String], now: Timestamp) {
        for id in ids {
            if let Err(error) = self.store.note_silence(id, now).await {
                tracing::warn!(
                    silence = id,
                    error = &error as &dyn std::error::Error,
                    "the use of a silence is not counted"
                );
            }
        }
    }
}

/// The silences that a decision names as a reason.
pub(super) fn used(decision: &Decision) -> Vec<String> {
    let ids = decision.entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Held { hold: Hold::Silence { id, .. } } => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

fn in_force(silence: &Silence) -> String {
    let recurs = silence.every.as_ref().map_or(String::new(), |weekly| format!(" {weekly}"));
    format!("{} is in force{recurs} until {}", silence.id, silence.until.strftime("%Y-%m-%d %H:%M:%S UTC"))
}

fn after(seconds: u32, now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

fn noting(note: String) -> Response {
    Response { notes: vec![note], ..Response::default() }
}
