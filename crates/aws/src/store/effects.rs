//! Effects: claimed before they are attempted, and marked done only by whoever holds the claim.
//!
//! What is not done has a key of its own kind, `pending#000001`, and becomes `effect#000001` in one transaction when it
//! ends. So the question what is not done reads only that, however long the journal has grown.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use monitoring_core::decide::Effect;
use monitoring_core::incident::{Incident, IncidentId, SCHEMA};

use super::incidents::{built, effect_key, transaction_failure};
use super::{
    Item, Store, StoreError, failure, from_item, millis, number, read_number, read_text, read_time, text, to_item,
};

/// An effect that is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingEffect {
    /// What is to be done.
    pub effect: Effect,
    /// How often it was claimed.
    pub attempts: u32,
    /// Until when whoever attempts it has it to itself.
    pub claimed_until: Option<Timestamp>,
    /// Not to be attempted before.
    pub due_at: Timestamp,
}

impl PendingEffect {
    /// Whether it may be attempted now.
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.due_at <= now && !self.is_claimed(now)
    }

    /// Whether somebody has it to himself.
    pub fn is_claimed(&self, now: Timestamp) -> bool {
        self.claimed_until.is_some_and(|until| until > now)
    }
}

/// The right to attempt an effect. Its attempt number is the fencing token: a later claim has a greater one, and only
/// the newest may say what became of the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Number of the effect.
    pub effect: u32,
    /// From 1.
    pub attempt: u32,
}

/// The keys of an effect.
pub(super) fn pending_key(number: u32) -> String {
    format!("{PENDING}{number:06}")
}

const PENDING: &str = "pending#";

/// The state of an effect that its receiver accepted.
const DONE: &str = "done";

/// The end of an effect.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The right to say so.
    pub claim: Claim,
    /// How it ended.
    pub finish: Finish,
    /// What the receiver said.
    pub result: String,
    /// When.
    pub now: Timestamp,
}

/// How an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The receiver accepted it.
    Done,
    /// Given up.
    Failed,
    /// A newer one made it pointless.
    Superseded,
}

impl Store {
    /// Whether a receiver has accepted the latest page on one of those of the incident's channels that count.
    pub async fn is_paged(&self, incident: &Incident, counts: impl Fn(&str) -> bool) -> Result<bool, StoreError> {
        let pages = incident.pages.iter().filter(|(channel, _)| counts(channel));
        for effect in pages.filter_map(|(_, pages)| pages.effect) {
            let request = self
                .client
                .get_item()
                .table_name(&self.journal)
                .key("incident_id", text(incident.id.as_str()))
                .key("entry", text(effect_key(effect)))
                .consistent_read(true);
            let answer = request.send().await.map_err(|error| failure("reading an effect", error))?;
            if answer.item.is_some_and(|item| read_text(&item, "state") == Some(DONE)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The effects of an incident that are not done, by number. Those that cannot be read are left as they are, and their
    /// errors returned beside.
    pub async fn pending_effects(&self, id: &IncidentId) -> Result<(Vec<PendingEffect>, Vec<StoreError>), StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.journal)
            .key_condition_expression("incident_id = :id AND begins_with(#entry, :pending)")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":id", text(id.as_str()))
            .expression_attribute_values(":pending", text(PENDING))
            .consistent_read(true);
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        let items = items.map_err(|error| failure("reading effects", error))?;
        let (mut effects, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            let attempts =
                read_number(&item, "attempts").and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
            let claimed_until = read_time(&item, "claimed_until");
            let due_at = read_time(&item, "due_at").unwrap_or(Timestamp::MIN);
            let what = format!("{} of {id}", read_text(&item, "entry").unwrap_or("an effect"));
            match from_item::<Effect>(&what, item, SCHEMA) {
                Ok(effect) => effects.push(PendingEffect { effect, attempts, claimed_until, due_at }),
                Err(error) => errors.push(error),
            }
        }
        Ok((effects, errors))
    }

    /// Claims an effect until a time. A conflict means that somebody else has it, or that it is done.
    pub async fn claim(
        &self,
        id: &IncidentId,
        seen: &PendingEffect,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let attempt = seen.attempts + 1;
        let request = self
            .client
            .update_item()
            .table_name(&self.journal)
            .key("incident_id", text(id.as_str()))
            .key("entry", text(pending_key(seen.effect.number)))
            .update_expression("SET attempts = :attempt, claimed_until = :until, due_at = :until")
            .condition_expression("attempts = :seen AND (attribute_not_exists(claimed_until) OR claimed_until <= :now)")
            .expression_attribute_values(":attempt", number(attempt))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":seen", number(seen.attempts))
            .expression_attribute_values(":now", millis(now));
        request.send().await.map_err(|error| failure("claiming an effect", error))?;
        Ok(Claim { effect: seen.effect.number, attempt })
    }

    /// Says that an attempt failed and when the next one is due. A conflict means that the claim ran out and somebody
    /// else has taken over.
    pub async fn retry(&self, id: &IncidentId, claim: Claim, at: Timestamp, reason: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.journal)
            .key("incident_id", text(id.as_str()))
            .key("entry", text(pending_key(claim.effect)))
            .update_expression("SET #result = :result, due_at = :due REMOVE claimed_until")
            .condition_expression("attempts = :attempt")
            .expression_attribute_names("#result", "result")
            .expression_attribute_values(":attempt", number(claim.attempt))
            .expression_attribute_values(":result", text(reason))
            .expression_attribute_values(":due", millis(at));
        request.send().await.map(drop).map_err(|error| failure("putting an effect off", error))
    }

    /// Says what became of an effect. A conflict means that the claim ran out and somebody else has taken over.
    pub async fn finish(&self, id: &IncidentId, effect: &Effect, ended: &Ended) -> Result<(), StoreError> {
        let Ended { claim, finish, result, now } = ended;
        let state = match finish {
            Finish::Done => DONE,
            Finish::Failed => "failed",
            Finish::Superseded => "superseded",
        };
        let gone = Delete::builder()
            .table_name(&self.journal)
            .key("incident_id", text(id.as_str()))
            .key("entry", text(pending_key(claim.effect)))
            .condition_expression("attempts = :attempt")
            .expression_attribute_values(":attempt", number(claim.attempt));
        let mut item = to_item("an effect", effect)?;
        item.insert("incident_id".to_owned(), text(id.as_str()));
        item.insert("entry".to_owned(), text(effect_key(claim.effect)));
        item.insert("state".to_owned(), text(state));
        item.insert("attempts".to_owned(), number(claim.attempt));
        item.insert("result".to_owned(), text(result));
        item.insert("finished_at".to_owned(), millis(*now));
        let kept = Put::builder().table_name(&self.journal).set_item(Some(item));
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(built(gone.build())?).build())
            .transact_items(TransactWriteItem::builder().put(built(kept.build())?).build());
        request.send().await.map(drop).map_err(|error| transaction_failure("recording an effect's outcome", error))
    }
}
