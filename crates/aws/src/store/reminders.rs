//! Reminders: who was told on which day, in the table of action items, where they are claimed before they are sent.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{Item, Store, StoreError, failure, millis, number, read_number, read_text, text};

/// How long a claim lasts: longer than the function may run.
const CLAIMED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// How long it can be looked up who was told.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The state of what was accepted.
const SENT: &str = "sent";

/// A reminder that this run alone may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderClaim {
    day: Date,
    to: String,
    /// From 1: which attempt this is. It is also the token of the claim.
    pub attempt: u32,
}

impl Store {
    /// To whom the reminders of a day were sent, as they were claimed.
    pub async fn reminders_sent(&self, day: Date) -> Result<BTreeSet<String>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.action_items)
            .key_condition_expression("incident_id = :day")
            .expression_attribute_values(":day", text(key(day)))
            .consistent_read(true);
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        let items = items.map_err(|error| failure("reading reminders", error))?;
        let sent = items.iter().filter(|item| read_text(item, "state") == Some(SENT));
        Ok(sent.filter_map(|item| Some(read_text(item, "item")?.to_owned())).collect())
    }

    /// Claims a reminder before it is sent. `None` when it was sent, or when another run is about to send it. One whose sender
    /// died can be claimed again when its claim is over.
    pub async fn claim_reminder(
        &self,
        day: Date,
        to: &str,
        now: Timestamp,
    ) -> Result<Option<ReminderClaim>, StoreError> {
        let until = now.saturating_add(CLAIMED_FOR).unwrap_or(Timestamp::MAX);
        let expires = now.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX).as_second();
        let request = self
            .client
            .update_item()
            .table_name(&self.action_items)
            .key("incident_id", text(key(day)))
            .key("item", text(to))
            .update_expression("SET #state = :claimed, claimed_until = :until, expires_at = :expires ADD attempts :one")
            .condition_expression("attribute_not_exists(incident_id) OR (#state <> :sent AND claimed_until <= :now)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":sent", text(SENT))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":expires", number(expires))
            .expression_attribute_values(":one", number(1))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew);
        match request.send().await.map_err(|error| failure("claiming a reminder", error)) {
            Ok(answer) => {
                let attempt = answer.attributes.as_ref().and_then(|item| read_number(item, "attempts"));
                let attempt = attempt.and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1);
                Ok(Some(ReminderClaim { day, to: to.to_owned(), attempt }))
            }
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes what became of a reminder: the channel that accepted it, or why none did, after which it can be claimed
    /// again at once. Nothing is noted when another run has claimed it since.
    pub async fn finish_reminder(
        &self,
        claim: &ReminderClaim,
        outcome: Result<&str, &str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, said) = match outcome {
            Ok(channel) => (SENT, channel),
            Err(reason) => ("failed", reason),
        };
        let request = self
            .client
            .update_item()
            .table_name(&self.action_items)
            .key("incident_id", text(key(claim.day)))
            .key("item", text(&claim.to))
            .update_expression("SET #state = :state, claimed_until = :now, said = :said, finished_at = :now")
            .condition_expression("attempts = :attempt")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            .expression_attribute_values(":said", text(said))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":attempt", number(claim.attempt));
        match request.send().await.map_err(|error| failure("finishing a reminder", error)) {
            Err(error) if error.is_conflict() => Ok(()),
            finished => finished.map(drop),
        }
    }
}

/// The partition of a day.
fn key(day: Date) -> String {
    format!("reminders#{day}")
}
