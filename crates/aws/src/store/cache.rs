//! What is dear to ask for and seldom changes, such as a day's costs: kept in the metrics table until it expires.

use jiff::Timestamp;

use super::{Store, StoreError, failure, number, read_number, read_text, text};

/// The sort key of a cached value, below every time, so that it stays apart from a metric's samples.
const CACHED: &str = "cached";

impl Store {
    /// A cached JSON text, unless it has expired.
    pub async fn cached(&self, name: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.metrics)
            .key("metric_id", text(name))
            .key("timestamp", text(CACHED));
        let answer = request.send().await.map_err(|error| failure("reading the cache", error))?;
        let item = answer.item.filter(|item| read_number(item, "expires_at").is_some_and(|at| at > now.as_second()));
        Ok(item.as_ref().and_then(|item| read_text(item, "value")).map(str::to_owned))
    }

    /// Keeps a JSON text until a time.
    pub async fn cache(&self, name: &str, value: &str, expires_at: Timestamp) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.metrics)
            .item("metric_id", text(name))
            .item("timestamp", text(CACHED))
            .item("value", text(value))
            .item("expires_at", number(expires_at.as_second()));
        request.send().await.map(drop).map_err(|error| failure("writing the cache", error))
    }
}
