//! The tables: incidents and their journal, alerts, and what is cached.
//!
//! Every write is conditional on what was read. Items are native `DynamoDB` maps, so that a person can read them in the
//! console. The keys and indexes are in `tests/fixtures/tables.json`, which Terraform and the tests share.

mod action_items;
mod actions;
mod alerts;
mod cache;
mod effects;
mod incidents;
mod post_mortems;
mod reminders;
mod silences;
mod watches;
mod windows;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use monitoring_core::catalogue::environment_suffix;
use monitoring_core::incident::IncidentId;

pub use effects::{Claim, Ended, Finish, PendingEffect};
pub use incidents::{Commit, JournalItem};
pub use post_mortems::Listed;
pub use reminders::ReminderClaim;
pub use silences::SilenceUse;

/// How many partitions an index of due work or of incidents by state has, so that no single one becomes hot.
pub const SHARDS: u64 = 4;

/// An item as `DynamoDB` returns it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote in between: load again and decide anew.
    #[error("another writer was first at {operation}")]
    Conflict {
        /// What was tried.
        operation: &'static str,
    },
    /// A command that is carried out once was carried out before.
    #[error("this was carried out already")]
    CarriedOut,
    /// The item was written by a newer version of the suite, and is left alone.
    #[error("{what} has schema {found}, which is newer than this version's; it is left as it is")]
    NewerSchema {
        /// Which item.
        what: String,
        /// Its schema.
        found: u64,
    },
    /// The item is not what it should be.
    #[error("{what} cannot be read")]
    Unreadable {
        /// Which item.
        what: String,
        /// Why.
        #[source]
        source: serde_dynamo::Error,
    },
    /// `DynamoDB` did not answer, or refused.
    #[error("{operation} failed: {code}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The error's code, or what kind of failure it was.
        code: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether it is worth loading again and trying at once.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// The suite's tables.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    incidents: String,
    journal: String,
    alerts: String,
    metrics: String,
    post_mortems: String,
    action_items: String,
}

impl Store {
    /// The tables of a service in an environment: `ai-nutritionist-incidents`, `ai-nutritionist-incidents-staging`.
    pub fn new(client: Client, service: &str, environment: &str) -> Self {
        let suffix = environment_suffix(environment);
        let table = |name: &str| format!("{service}-{name}{suffix}");
        Self {
            client,
            incidents: table("incidents"),
            journal: table("incident-journal"),
            alerts: table("monitoring-alerts"),
            metrics: table("monitoring-metrics"),
            post_mortems: table("postmortems"),
            action_items: table("action-items"),
        }
    }
}

/// The partition of an index that an incident belongs to.
fn shard(prefix: &str, id: &IncidentId) -> String {
    format!("{prefix}#{}", monitoring_core::alert::fnv1a(&[id.as_str()]) % SHARDS)
}

fn shards(prefix: &str) -> impl Iterator<Item = String> + use<'_> {
    (0..SHARDS).map(move |number| format!("{prefix}#{number}"))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

fn millis(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

fn read_number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(read_number(item, name)?).ok()
}

fn to_item<T: serde::Serialize>(what: impl Into<String>, value: &T) -> Result<Item, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value)
        .map_err(|source| StoreError::Unreadable { what: what.into(), source })
}

fn from_item<T: serde::de::DeserializeOwned>(what: &str, item: Item, newest_schema: u32) -> Result<T, StoreError> {
    let found = read_number(&item, "schema").and_then(|schema| u64::try_from(schema).ok()).unwrap_or_default();
    if found > u64::from(newest_schema) {
        return Err(StoreError::NewerSchema { what: what.to_owned(), found });
    }
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|source| StoreError::Unreadable { what: what.to_owned(), source })
}

/// Sorts an SDK error into a conflict or a failure of the store.
fn failure<E, R>(operation: &'static str, error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = match &error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or("an error without a code").to_owned(),
        SdkError::TimeoutError(_) => "it took too long".to_owned(),
        SdkError::DispatchFailure(_) => "the store could not be reached".to_owned(),
        _ => "the answer could not be understood".to_owned(),
    };
    if matches!(code.as_str(), "ConditionalCheckFailedException" | "TransactionConflictException") {
        return StoreError::Conflict { operation };
    }
    StoreError::Unavailable { operation, code, source: Box::new(error) }
}
