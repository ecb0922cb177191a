//! Action items: one item each, under its incident.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use monitoring_core::action_item::{ActionItem, ItemId, SCHEMA};
use monitoring_core::alert::fnv1a;
use monitoring_core::incident::IncidentId;

use super::incidents::built;
use super::{Item, SHARDS, Store, StoreError, failure, from_item, number, read_text, shards, text, to_item};

/// `BatchGetItem` takes at most this many keys.
const BATCH: usize = 100;

impl Store {
    /// An action item, read consistently.
    pub async fn action_item(&self, id: &ItemId) -> Result<Option<ActionItem>, StoreError> {
        let request =
            self.client.get_item().table_name(&self.action_items).set_key(Some(key(id))).consistent_read(true);
        let answer = request.send().await.map_err(|error| failure("reading an action item", error))?;
        answer.item.map(|item| from_item(&format!("action item {id}"), item, SCHEMA)).transpose()
    }

    /// The action items of an incident, in whatever state, read consistently.
    pub async fn action_items_of(&self, incident: &IncidentId) -> Result<Vec<ActionItem>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.action_items)
            .key_condition_expression("incident_id = :incident")
            .expression_attribute_values(":incident", text(incident.as_str()))
            .consistent_read(true);
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        let items = items.map_err(|error| failure("reading action items", error))?;
        items.into_iter().map(|item| from_item(&format!("an action item of {incident}"), item, SCHEMA)).collect()
    }

    /// Writes an action item on the version before it.
    pub async fn put_action_item(&self, action_item: &ActionItem) -> Result<(), StoreError> {
        let id = action_item.id();
        let mut item = to_item(format!("action item {id}"), action_item)?;
        let state = if action_item.is_open() { "open" } else { "closed" };
        let shard = fnv1a(&[&id.to_string()]) % SHARDS;
        item.insert("state_shard".to_owned(), text(format!("{state}#{shard}")));
        let request = self.client.put_item().table_name(&self.action_items).set_item(Some(item));
        let request = if action_item.version <= 1 {
            request.condition_expression("attribute_not_exists(incident_id)")
        } else {
            request
                .condition_expression("version = :before AND #schema <= :schema")
                .expression_attribute_names("#schema", "schema")
                .expression_attribute_values(":before", number(action_item.version - 1))
                .expression_attribute_values(":schema", number(SCHEMA))
        };
        request.send().await.map(drop).map_err(|error| failure("writing an action item", error))
    }

    /// The action items that are open, and those that were closed since a time, by incident. One that cannot be read is
    /// left out, and its error returned beside.
    pub async fn action_items(
        &self,
        closed_since: Timestamp,
    ) -> Result<(Vec<ActionItem>, Vec<StoreError>), StoreError> {
        let (open, closed) = futures_util::try_join!(
            self.keys_by_state("open", Timestamp::MIN),
            self.keys_by_state("closed", closed_since)
        )?;
        let mut keys = [open, closed].concat();
        // One that was closed between the two queries is in both, and a batch takes no key twice.
        let named = |key: &Item, name: &str| read_text(key, name).unwrap_or_default().to_owned();
        keys.sort_by_key(|key| (named(key, "incident_id"), named(key, "item")));
        keys.dedup();
        let items = try_join_all(keys.chunks(BATCH).map(|keys| self.action_item_batch(keys))).await?;
        let (mut action_items, mut errors) = (Vec::new(), Vec::new());
        for item in items.into_iter().flatten() {
            let what = format!("action item {}/{}", named(&item, "incident_id"), named(&item, "item"));
            match from_item::<ActionItem>(&what, item, SCHEMA) {
                Ok(item) => action_items.push(item),
                Err(error) => errors.push(error),
            }
        }
        action_items.sort_by_key(ActionItem::id);
        Ok((action_items, errors))
    }

    /// How many open action items each incident has; one without any is not among them. From the index, which may lag.
    pub async fn open_action_items(&self) -> Result<BTreeMap<IncidentId, u32>, StoreError> {
        let mut counts = BTreeMap::new();
        for key in self.keys_by_state("open", Timestamp::MIN).await? {
            if let Some(id) = read_text(&key, "incident_id").and_then(IncidentId::parse) {
                *counts.entry(id).or_default() += 1;
            }
        }
        Ok(counts)
    }

    async fn keys_by_state(&self, state: &str, since: Timestamp) -> Result<Vec<Item>, StoreError> {
        let queries = shards(state).map(|shard| async move {
            let request = self
                .client
                .query()
                .table_name(&self.action_items)
                .index_name("by-state")
                .key_condition_expression("state_shard = :shard AND status_since >= :since")
                .expression_attribute_values(":shard", text(shard))
                .expression_attribute_values(":since", text(since.to_string()));
            request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await
        });
        let items = try_join_all(queries).await.map_err(|error| failure("listing action items", error))?;
        let of_table = |name: &str| matches!(name, "incident_id" | "item");
        let keys =
            items.into_iter().flatten().map(|item| item.into_iter().filter(|(name, _)| of_table(name)).collect());
        Ok(keys.collect())
    }

    async fn action_item_batch(&self, keys: &[Item]) -> Result<Vec<Item>, StoreError> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).consistent_read(true);
        let mut wanted = Some(built(request.build())?);
        let mut items = Vec::new();
        // What DynamoDB leaves unprocessed (16 MB an answer) is asked for again, as long as there is progress.
        while let Some(request) = wanted.take() {
            let answer = self.client.batch_get_item().request_items(&self.action_items, request).send().await;
            let answer = answer.map_err(|error| failure("reading action items", error))?;
            let page = answer.responses.and_then(|mut tables| tables.remove(&self.action_items)).unwrap_or_default();
            let progress = !page.is_empty();
            items.extend(page);
            wanted =
                answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.action_items)).filter(|_| progress);
        }
        Ok(items)
    }
}

fn key(id: &ItemId) -> Item {
    Item::from([("incident_id".to_owned(), text(id.incident.as_str())), ("item".to_owned(), text(id.item.as_str()))])
}
