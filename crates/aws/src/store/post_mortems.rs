//! Post-mortems: one item an incident, as data and as Markdown.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use monitoring_core::catalogue::Severity;
use monitoring_core::incident::IncidentId;
use monitoring_core::post_mortem::{Approval, PostMortem, SCHEMA};
use serde::{Deserialize, Serialize};

use super::incidents::built;
use super::{Item, Store, StoreError, failure, from_item, number, read_text, shard, shards, text, to_item};

/// `BatchGetItem` takes at most this many keys.
const BATCH: usize = 100;

/// What a list shows of a post-mortem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Of which incident.
    pub incident_id: IncidentId,
    /// What was wrong.
    pub title: String,
    /// How bad it was.
    pub severity: Severity,
    /// When it was recorded.
    pub opened_at: Timestamp,
    /// When it was over.
    pub resolved_at: Timestamp,
    /// When the document was first written.
    pub written_at: Timestamp,
    /// Titles of the teams that review it.
    pub reviewers: Vec<String>,
    /// Who has approved it.
    #[serde(default)]
    pub approval: Option<Approval>,
}

/// The attributes of [`Listed`], under names that no keyword of `DynamoDB` has.
const LISTED: [(&str, &str); 9] = [
    ("#a", "schema"),
    ("#b", "incident_id"),
    ("#c", "title"),
    ("#d", "severity"),
    ("#e", "opened_at"),
    ("#f", "resolved_at"),
    ("#g", "written_at"),
    ("#h", "reviewers"),
    ("#i", "approval"),
];

impl Store {
    /// The post-mortem of an incident.
    pub async fn post_mortem(&self, id: &IncidentId) -> Result<Option<PostMortem>, StoreError> {
        let request = self.client.get_item().table_name(&self.post_mortems).key("incident_id", text(id.as_str()));
        let answer = request.consistent_read(true).send().await;
        let answer = answer.map_err(|error| failure("reading a post-mortem", error))?;
        answer.item.map(|item| from_item(&format!("the post-mortem of {id}"), item, SCHEMA)).transpose()
    }

    /// Writes a post-mortem on the version before it, with the same as Markdown for whoever reads the table.
    pub async fn put_post_mortem(&self, document: &PostMortem, markdown: &str) -> Result<(), StoreError> {
        let id = &document.incident_id;
        let mut item = to_item(format!("the post-mortem of {id}"), document)?;
        item.insert("markdown".to_owned(), text(markdown));
        let state = if document.is_draft() { "draft" } else { "approved" };
        item.insert("state_shard".to_owned(), text(shard(state, id)));
        let request = self.client.put_item().table_name(&self.post_mortems).set_item(Some(item));
        let request = if document.version <= 1 {
            request.condition_expression("attribute_not_exists(incident_id)")
        } else {
            request
                .condition_expression("version = :before AND #schema <= :schema")
                .expression_attribute_names("#schema", "schema")
                .expression_attribute_values(":before", number(document.version - 1))
                .expression_attribute_values(":schema", number(SCHEMA))
        };
        request.send().await.map(drop).map_err(|error| failure("writing a post-mortem", error))
    }

    /// Every post-mortem, the oldest incident first. One that cannot be read is left out, and its error returned beside.
    pub async fn post_mortems(&self) -> Result<(Vec<Listed>, Vec<StoreError>), StoreError> {
        let queries = ["draft", "approved"].into_iter().flat_map(shards).map(|shard| async move {
            let request = self
                .client
                .query()
                .table_name(&self.post_mortems)
                .index_name("by-state")
                .key_condition_expression("state_shard = :shard")
                .expression_attribute_values(":shard", text(shard));
            request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await
        });
        let found = try_join_all(queries).await.map_err(|error| failure("listing post-mortems", error))?;
        let mut ids: Vec<String> =
            found.iter().flatten().filter_map(|item| read_text(item, "incident_id").map(str::to_owned)).collect();
        ids.sort();
        ids.dedup();
        let items = try_join_all(ids.chunks(BATCH).map(|ids| self.listed(ids))).await?;
        let (mut documents, mut errors) = (Vec::new(), Vec::new());
        for item in items.into_iter().flatten() {
            let what = format!("the post-mortem of {}", read_text(&item, "incident_id").unwrap_or_default());
            match from_item::<Listed>(&what, item, SCHEMA) {
                Ok(document) => documents.push(document),
                Err(error) => errors.push(error),
            }
        }
        documents.sort_by(|a, b| (a.opened_at, &a.incident_id).cmp(&(b.opened_at, &b.incident_id)));
        Ok((documents, errors))
    }

    /// The attributes that a list shows. What `DynamoDB` leaves unprocessed is asked for again, as long as there is progress.
    async fn listed(&self, ids: &[String]) -> Result<Vec<Item>, StoreError> {
        let keys = ids.iter().map(|id| Item::from([("incident_id".to_owned(), text(id.as_str()))])).collect();
        let names: HashMap<String, String> =
            LISTED.iter().map(|(alias, name)| ((*alias).to_owned(), (*name).to_owned())).collect();
        let projection = LISTED.map(|(alias, _)| alias).join(", ");
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .projection_expression(projection)
            .set_expression_attribute_names(Some(names))
            .consistent_read(true);
        let mut wanted = Some(built(request.build())?);
        let mut items = Vec::new();
        while let Some(request) = wanted.take() {
            let answer = self.client.batch_get_item().request_items(&self.post_mortems, request).send().await;
            let answer = answer.map_err(|error| failure("reading post-mortems", error))?;
            let page = answer.responses.and_then(|mut tables| tables.remove(&self.post_mortems)).unwrap_or_default();
            let progress = !page.is_empty();
            items.extend(page);
            wanted =
                answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.post_mortems)).filter(|_| progress);
        }
        Ok(items)
    }
}
