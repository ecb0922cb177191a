//! Heads, journals and the locks of groups.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use monitoring_core::action::Ledger;
use monitoring_core::alert::GroupKey;
use monitoring_core::decide::Effect;
use monitoring_core::incident::{Entry, Incident, IncidentId, NEWEST_SCHEMA, SCHEMA};

use super::effects::pending_key;
use super::{Item, Store, StoreError, failure, from_item, millis, number, read_text, shard, shards, text, to_item};

/// `BatchGetItem` takes at most this many keys.
const BATCH: usize = 100;

/// What one decision writes, in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The incident as it was read; `None`, or another incident of the group that is resolved, for a new one.
    pub before: Option<&'a Incident>,
    /// As it is to be. Its version is one more than that of `before`.
    pub after: &'a Incident,
    /// New journal entries.
    pub entries: &'a [Entry],
    /// New effects.
    pub effects: &'a [Effect],
    /// The ledger of actions, if the decision changes it. Its version is one more than the one that was read.
    pub ledger: Option<&'a Ledger>,
    /// The name of the command that caused it, if that is carried out once: [`StoreError::CarriedOut`] otherwise.
    pub once: Option<&'a str>,
}

/// An item of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum JournalItem {
    /// Something that happened.
    Entry(Box<Entry>),
    /// Something that was to be done, and what became of it.
    Effect {
        /// What.
        effect: Box<Effect>,
        /// `pending`, `done`, `failed` or `superseded`.
        state: String,
        /// How often it was tried.
        attempts: u32,
        /// What the receiver said last.
        result: Option<String>,
        /// When it ended.
        finished_at: Option<Timestamp>,
    },
}

impl Store {
    /// The latest incident of a group, open or resolved.
    pub async fn latest(&self, group: &GroupKey) -> Result<Option<Incident>, StoreError> {
        let lock = self.get_incident_item(&lock_key(group)).await?;
        let Some(id) = lock.as_ref().and_then(|lock| read_text(lock, "latest")).and_then(IncidentId::parse) else {
            return Ok(None);
        };
        self.incident(&id).await
    }

    /// An incident by its id, read consistently.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        let item = self.get_incident_item(id.as_str()).await?;
        item.map(|item| from_item(&format!("incident {id}"), item, NEWEST_SCHEMA)).transpose()
    }

    async fn get_incident_item(&self, key: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.incidents).key("incident_id", text(key));
        let answer =
            request.consistent_read(true).send().await.map_err(|error| failure("reading an incident", error))?;
        Ok(answer.item)
    }

    /// Writes a decision: the head on its version, its journal entries and effects, and the lock of the group.
    pub async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let mut writes = vec![self.head_write(&commit)?];
        writes.extend(self.lock_write(&commit));
        for entry in commit.entries {
            let mut item = to_item("a journal entry", entry)?;
            item.insert("entry".to_owned(), text(format!("entry#{:06}", entry.number)));
            writes.push(self.journal_put(commit.after, item));
        }
        for effect in commit.effects {
            let mut item = to_item("an effect", effect)?;
            item.insert("entry".to_owned(), text(pending_key(effect.number)));
            item.insert("state".to_owned(), text("pending"));
            item.insert("attempts".to_owned(), number(0));
            item.insert("due_shard".to_owned(), text(shard("effects", &commit.after.id)));
            item.insert("due_at".to_owned(), millis(effect.created_at));
            writes.push(self.journal_put(commit.after, item));
        }
        if let Some(ledger) = commit.ledger {
            writes.push(self.ledger_write(ledger)?);
        }
        // Last, so that its place among the reasons of a refusal is known.
        writes.extend(commit.once.map(|once| self.journal_put(commit.after, once_item(once))));
        let request = self.client.transact_write_items().set_transact_items(Some(writes));
        request.send().await.map(drop).map_err(|error| {
            // Whatever else is refused with it: a command that was carried out is not tried again.
            if commit.once.is_some() && error.as_service_error().is_some_and(last_write_was_refused) {
                return StoreError::CarriedOut;
            }
            transaction_failure("writing an incident", error)
        })
    }

    /// Notes that a command was carried out that changed nothing, so that it cannot be repeated when it would.
    pub async fn note_once(&self, id: &IncidentId, once: &str) -> Result<(), StoreError> {
        let mut item = once_item(once);
        item.insert("incident_id".to_owned(), text(id.as_str()));
        let request = self.client.put_item().table_name(&self.journal).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(incident_id)");
        request.send().await.map(drop).map_err(|error| match error.code() {
            Some("ConditionalCheckFailedException") => StoreError::CarriedOut,
            _ => failure("noting a command", error),
        })
    }

    fn head_write(&self, commit: &Commit<'_>) -> Result<TransactWriteItem, StoreError> {
        let incident = commit.after;
        let mut item = to_item(format!("incident {}", incident.id), incident)?;
        if let Some(due_at) = incident.next_due() {
            item.insert("due_shard".to_owned(), text(shard("incidents", &incident.id)));
            item.insert("due_at".to_owned(), millis(due_at));
        }
        let state = if incident.is_open() { "open" } else { "resolved" };
        item.insert("state_shard".to_owned(), text(shard(state, &incident.id)));
        let put = Put::builder().table_name(&self.incidents).set_item(Some(item));
        let put = match commit.before.filter(|before| before.id == incident.id) {
            None => put.condition_expression("attribute_not_exists(incident_id)"),
            Some(before) => put
                .condition_expression("version = :version AND #schema <= :schema")
                .expression_attribute_names("#schema", "schema")
                .expression_attribute_values(":version", number(before.version))
                .expression_attribute_values(":schema", number(NEWEST_SCHEMA)),
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// The lock changes only when the incident opens, ends or is reopened.
    fn lock_write(&self, commit: &Commit<'_>) -> Option<TransactWriteItem> {
        let incident = commit.after;
        let same = commit.before.filter(|before| before.id == incident.id);
        let was_open = same.is_some_and(Incident::is_open);
        if same.is_some() && was_open == incident.is_open() {
            return None;
        }
        let update = Update::builder()
            .table_name(&self.incidents)
            .key("incident_id", text(lock_key(&incident.group)))
            .update_expression("SET latest = :id, is_open = :open")
            .expression_attribute_values(":id", text(incident.id.as_str()))
            .expression_attribute_values(":open", AttributeValue::Bool(incident.is_open()));
        let update = match commit.before {
            // A new incident after none, or after one that is resolved.
            None => update.condition_expression("attribute_not_exists(incident_id)"),
            Some(before) => update
                .condition_expression("latest = :before AND is_open = :was_open")
                .expression_attribute_values(":before", text(before.id.as_str()))
                .expression_attribute_values(":was_open", AttributeValue::Bool(was_open)),
        };
        Some(TransactWriteItem::builder().update(update.build().ok()?).build())
    }

    fn journal_put(&self, incident: &Incident, mut item: Item) -> TransactWriteItem {
        item.insert("incident_id".to_owned(), text(incident.id.as_str()));
        let put = Put::builder()
            .table_name(&self.journal)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(incident_id)");
        TransactWriteItem::builder().set_put(put.build().ok()).build()
    }

    /// The incidents that need attention: their wake-up time has come, or an effect of theirs is not done. From the
    /// indexes, which may lag: read each consistently before deciding.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<IncidentId>, StoreError> {
        let incidents = shards("incidents").map(|shard| self.query_due(&self.incidents, shard, now));
        let effects = shards("effects").map(|shard| self.query_due(&self.journal, shard, now));
        let (incidents, effects) = futures_util::try_join!(try_join_all(incidents), try_join_all(effects))?;
        let mut ids: Vec<IncidentId> = incidents.into_iter().chain(effects).flatten().collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    async fn query_due(&self, table: &str, shard: String, now: Timestamp) -> Result<Vec<IncidentId>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(table)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":now", millis(now));
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        let items = items.map_err(|error| failure("looking for due work", error))?;
        Ok(items.iter().filter_map(|item| IncidentId::parse(read_text(item, "incident_id")?)).collect())
    }

    /// Every open incident, oldest first. One that cannot be read is left out, and its error returned beside.
    pub async fn open_incidents(&self) -> Result<(Vec<Incident>, Vec<StoreError>), StoreError> {
        let ids = self.ids_by_state("open").await?;
        self.incidents(&ids).await
    }

    /// Every incident, resolved ones included, oldest first.
    pub async fn all_incidents(&self) -> Result<(Vec<Incident>, Vec<StoreError>), StoreError> {
        let (open, resolved) = futures_util::try_join!(self.ids_by_state("open"), self.ids_by_state("resolved"))?;
        self.incidents(&[open, resolved].concat()).await
    }

    /// The latest resolved incidents, up to a number of them in each shard, in the order of their beginning. What cannot be read
    /// is left out.
    pub async fn recent_incidents(&self, in_each_shard: i32) -> Result<Vec<Incident>, StoreError> {
        let queries = shards("resolved").map(|shard| async move {
            let request = self
                .client
                .query()
                .table_name(&self.incidents)
                .index_name("by-state")
                .key_condition_expression("state_shard = :shard")
                .expression_attribute_values(":shard", text(shard))
                .scan_index_forward(false)
                .limit(in_each_shard);
            request.send().await
        });
        let pages = try_join_all(queries).await.map_err(|error| failure("listing incidents", error))?;
        let items = pages.iter().flat_map(aws_sdk_dynamodb::operation::query::QueryOutput::items);
        let ids: Vec<IncidentId> =
            items.filter_map(|item| IncidentId::parse(read_text(item, "incident_id")?)).collect();
        Ok(self.incidents(&ids).await?.0)
    }

    async fn ids_by_state(&self, state: &str) -> Result<Vec<IncidentId>, StoreError> {
        let queries = shards(state).map(|shard| async move {
            let request = self
                .client
                .query()
                .table_name(&self.incidents)
                .index_name("by-state")
                .key_condition_expression("state_shard = :shard")
                .expression_attribute_values(":shard", text(shard));
            request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await
        });
        let items = try_join_all(queries).await.map_err(|error| failure("listing incidents", error))?;
        Ok(items.iter().flatten().filter_map(|item| IncidentId::parse(read_text(item, "incident_id")?)).collect())
    }

    async fn incidents(&self, ids: &[IncidentId]) -> Result<(Vec<Incident>, Vec<StoreError>), StoreError> {
        let batches = ids.chunks(BATCH).map(|ids| self.incident_batch(ids));
        let items = try_join_all(batches).await?;
        let (mut incidents, mut errors) = (Vec::new(), Vec::new());
        for item in items.into_iter().flatten() {
            let what = format!("incident {}", read_text(&item, "incident_id").unwrap_or_default());
            match from_item::<Incident>(&what, item, NEWEST_SCHEMA) {
                Ok(incident) => incidents.push(incident),
                Err(error) => errors.push(error),
            }
        }
        incidents.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
        Ok((incidents, errors))
    }

    async fn incident_batch(&self, ids: &[IncidentId]) -> Result<Vec<Item>, StoreError> {
        let keys = ids.iter().map(|id| Item::from([("incident_id".to_owned(), text(id.as_str()))])).collect();
        let mut wanted = Some(built(KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build())?);
        let mut items = Vec::new();
        // What DynamoDB leaves unprocessed (16 MB an answer) is asked for again, as long as there is progress.
        while let Some(request) = wanted.take() {
            let answer = self.client.batch_get_item().request_items(&self.incidents, request).send().await;
            let answer = answer.map_err(|error| failure("reading incidents", error))?;
            let page = answer.responses.and_then(|mut tables| tables.remove(&self.incidents)).unwrap_or_default();
            let progress = !page.is_empty();
            items.extend(page);
            wanted = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.incidents)).filter(|_| progress);
        }
        Ok(items)
    }

    /// The journal of an incident, in order: entries first by number, then effects by number.
    pub async fn journal(&self, id: &IncidentId) -> Result<Vec<JournalItem>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.journal)
            .key_condition_expression("incident_id = :id")
            .expression_attribute_values(":id", text(id.as_str()))
            .consistent_read(true);
        let items = request.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await;
        let mut items = items.map_err(|error| failure("reading a journal", error))?;
        items.retain(|item| !read_text(item, "entry").is_some_and(|entry| entry.starts_with(ONCE)));
        items.sort_by(|a, b| {
            let key = |item: &Item| {
                let (kind, number) =
                    read_text(item, "entry").and_then(|entry| entry.split_once('#')).unwrap_or_default();
                (kind != "entry", number.to_owned())
            };
            key(a).cmp(&key(b))
        });
        items.into_iter().map(journal_item).collect()
    }
}

fn journal_item(item: Item) -> Result<JournalItem, StoreError> {
    if read_text(&item, "entry").is_some_and(|entry| entry.starts_with("entry#")) {
        return Ok(JournalItem::Entry(from_item("a journal entry", item, SCHEMA)?));
    }
    let state = read_text(&item, "state").unwrap_or_default().to_owned();
    let attempts =
        super::read_number(&item, "attempts").and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let result = read_text(&item, "result").map(str::to_owned);
    let finished_at = super::read_time(&item, "finished_at");
    Ok(JournalItem::Effect { effect: from_item("an effect", item, SCHEMA)?, state, attempts, result, finished_at })
}

pub(super) fn effect_key(number: u32) -> String {
    format!("effect#{number:06}")
}

/// Begins the key of a command that was carried out once. Such an item has nothing else to say.
const ONCE: &str = "once#";

fn once_item(once: &str) -> Item {
    let (key, schema) = (format!("{ONCE}{once}"), number(SCHEMA));
    Item::from([("entry".to_owned(), text(key)), ("schema".to_owned(), schema)])
}

fn lock_key(group: &GroupKey) -> String {
    format!("group#{group}")
}

/// The SDK's builders fail only when a required field is missing, which the code above always sets.
pub(super) fn built<T>(result: Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Unavailable {
        operation: "building a request",
        code: "a field is missing".to_owned(),
        source: Box::new(error),
    })
}

/// Sorts a refused transaction into a conflict or a failure of the store.
pub(super) fn transaction_failure(operation: &'static str, error: SdkError<TransactWriteItemsError>) -> StoreError {
    let refused = error.as_service_error().is_some_and(is_conflict);
    if refused { StoreError::Conflict { operation } } else { failure(operation, error) }
}

fn is_conflict(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return false };
    let codes: Vec<&str> = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    codes.iter().any(|code| matches!(*code, "ConditionalCheckFailed" | "TransactionConflict"))
}

/// `DynamoDB` gives a reason for each write of a transaction, in their order, `None` for those that it would have made.
fn last_write_was_refused(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return false };
    canceled.cancellation_reasons().last().and_then(|reason| reason.code()) == Some("ConditionalCheckFailed")
}

impl JournalItem {
    /// The channel of an effect that tells people.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Entry(_) => None,
            Self::Effect { effect, .. } => effect.notice().map(|(channel, _)| channel),
        }
    }
}
