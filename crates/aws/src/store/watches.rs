//! What detectors have learnt, kept in the metrics table: one item for an alert, overwritten about hourly.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::AlertKey;

use super::{Store, StoreError, failure, number, text};

/// The sort key, below every time, so that a watch stays apart from a metric's samples.
const WATCH: &str = "watch";

/// How long a watch outlives its rule.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

impl Store {
    /// What was kept of a watch; nothing, where none was.
    pub async fn watch(&self, key: &AlertKey) -> Result<Option<Vec<u8>>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.metrics)
            .key("metric_id", text(id(key)))
            .key("timestamp", text(WATCH));
        let answer = request.send().await.map_err(|error| failure("reading what a detector has learnt", error))?;
        let state = answer.item.and_then(|mut item| item.remove("state"));
        Ok(state.and_then(|state| if let AttributeValue::B(bytes) = state { Some(bytes.into_inner()) } else { None }))
    }

    /// Keeps a watch.
    pub async fn keep_watch(&self, key: &AlertKey, bytes: Vec<u8>, now: Timestamp) -> Result<(), StoreError> {
        let expires = now.saturating_add(KEPT).unwrap_or(now).as_second();
        let request = self
            .client
            .put_item()
            .table_name(&self.metrics)
            .item("metric_id", text(id(key)))
            .item("timestamp", text(WATCH))
            .item("state", AttributeValue::B(Blob::new(bytes)))
            .item("expires_at", number(expires));
        request.send().await.map(drop).map_err(|error| failure("keeping what a detector has learnt", error))
    }
}

fn id(key: &AlertKey) -> String {
    format!("watch#{key}")
}
