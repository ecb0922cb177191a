//! The alerts of the monitoring function: one partition, read whole with one query a cycle.

use aws_sdk_dynamodb::types::AttributeValue;
use monitoring_core::alert::{Alert, AlertKey, SCHEMA};

use super::{Item, Store, StoreError, failure, from_item, number, read_text, text, to_item};

const SCOPE: &str = "alerts";

impl Store {
    /// Every alert that was ever anything but OK. One that cannot be read is left out, and its key and the error returned
    /// beside.
    pub async fn alerts(&self) -> Result<(Vec<Alert>, Vec<(String, StoreError)>), StoreError> {
        let items = self.scope(SCOPE, "reading alerts").await?;
        let (mut alerts, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            let key = read_text(&item, "fingerprint").unwrap_or_default().to_owned();
            match from_item::<Alert>(&format!("alert {key}"), item, SCHEMA) {
                Ok(alert) => alerts.push(alert),
                Err(error) => errors.push((key, error)),
            }
        }
        Ok((alerts, errors))
    }

    /// The items of a partition of the table.
    pub(super) async fn scope(&self, scope: &str, operation: &'static str) -> Result<Vec<Item>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.alerts)
            .key_condition_expression("#scope = :scope")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":scope", text(scope))
            .consistent_read(true);
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        items.map_err(|error| failure(operation, error))
    }

    /// Writes an alert's new state and its pending publication in one write, on the version before it.
    pub async fn put_alert(&self, alert: &Alert) -> Result<(), StoreError> {
        let mut item = to_item(format!("alert {}", alert.key), alert)?;
        item.insert("scope".to_owned(), text(SCOPE));
        let request = self.client.put_item().table_name(&self.alerts).set_item(Some(item));
        let request = if alert.version <= 1 {
            request.condition_expression("attribute_not_exists(fingerprint)")
        } else {
            request
                .condition_expression("version = :before")
                .expression_attribute_values(":before", number(alert.version - 1))
        };
        request.send().await.map(drop).map_err(|error| failure("writing an alert", error))
    }

    /// Notes that an alert's change was published. A conflict means that the alert has moved on, and that its newer
    /// state still has a change to publish.
    pub async fn mark_published(&self, key: &AlertKey, version: u64) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.alerts)
            .key("scope", text(SCOPE))
            .key("fingerprint", text(key.as_str()))
            .update_expression("SET unpublished = :none")
            .condition_expression("version = :version")
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":version", number(version));
        request.send().await.map(drop).map_err(|error| failure("marking an alert as published", error))
    }
}
