//! What is counted or done once within a window of time.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::{GroupKey, fnv1a};

use super::{Store, StoreError, failure, number, text};

/// More than this are not told apart: an item has 400 KB, and what counts is only whether there are too many.
const MAX_GROUPS: u64 = 1000;

impl Store {
    /// Takes what is done once a day. `false` when it was taken.
    pub async fn claim_day(&self, task: &str, now: Timestamp) -> Result<bool, StoreError> {
        let expires = now.saturating_add(SignedDuration::from_hours(48)).unwrap_or(now).as_second();
        let request = self
            .client
            .put_item()
            .table_name(&self.incidents)
            .item("incident_id", text(format!("day#{task}#{}", now.strftime("%Y-%m-%d"))))
            .item("expires_at", number(expires))
            .condition_expression("attribute_not_exists(incident_id)");
        match request.send().await.map_err(|error| failure("taking the day's task", error)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Counts a group among those that had an incident in the window of time that `now` is in, and returns how many there
    /// are. Windows follow each other without overlap. Counted once, however often it is tried.
    pub async fn count_in_window(&self, group: &GroupKey, seconds: u32, now: Timestamp) -> Result<u32, StoreError> {
        let length = i64::from(seconds.max(1));
        let window = now.as_second().div_euclid(length);
        self.count(&format!("{length}#{window}"), group, now).await
    }

    /// Counts a group among those of a storm's window, or of what a storm stood for, and returns how many there are.
    pub async fn count(&self, among: &str, group: &GroupKey, now: Timestamp) -> Result<u32, StoreError> {
        let expires = now.saturating_add(SignedDuration::from_hours(48)).unwrap_or(now).as_second();
        let hash = format!("{:08x}", fnv1a(&[group.as_str()]) & 0xffff_ffff);
        let request = self
            .client
            .update_item()
            .table_name(&self.incidents)
            .key("incident_id", text(format!("storm#{among}")))
            .update_expression("ADD opened :group SET expires_at = :expires")
            .condition_expression("attribute_not_exists(opened) OR size(opened) < :most")
            .expression_attribute_values(":group", AttributeValue::Ss(vec![hash]))
            .expression_attribute_values(":expires", number(expires))
            .expression_attribute_values(":most", number(MAX_GROUPS))
            .return_values(ReturnValue::UpdatedNew);
        let answer = match request.send().await.map_err(|error| failure("counting incidents", error)) {
            Ok(answer) => answer,
            Err(error) if error.is_conflict() => return Ok(u32::try_from(MAX_GROUPS).unwrap_or(u32::MAX)),
            Err(error) => return Err(error),
        };
        let groups = answer.attributes.as_ref().and_then(|item| item.get("opened")).and_then(|set| set.as_ss().ok());
        Ok(groups.and_then(|groups| u32::try_from(groups.len()).ok()).unwrap_or_default())
    }
}
