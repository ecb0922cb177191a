//! Silences: a partition of their own in the table of alerts.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::silence::{SCHEMA, Silence};

use super::{
    Item, Store, StoreError, failure, from_item, millis, number, read_number, read_text, read_time, text, to_item,
};

const SCOPE: &str = "silences";

/// How long a silence that is over can still be looked at.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Beside the silences: how often each held something back, maintenance of the catalogue included.
const USES: &str = "silence-uses";

/// How often something was held back by a silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceUse {
    /// The silence's id, or `maintenance/` and its name.
    pub id: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Option<Timestamp>,
}

impl Store {
    /// The silences that are not over. One that cannot be read is left out and logged: it holds nothing back.
    pub async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let mut silences = self.all_silences().await?;
        silences.retain(|silence| now < silence.until);
        Ok(silences)
    }

    /// Every silence that is kept, those that are over included, the newest last.
    pub async fn all_silences(&self) -> Result<Vec<Silence>, StoreError> {
        let items = self.scope(SCOPE, "reading silences").await?;
        let mut silences = Vec::with_capacity(items.len());
        for item in items {
            match from_item::<Silence>("a silence", item, SCHEMA) {
                Ok(silence) => silences.push(silence),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a silence was skipped"),
            }
        }
        silences.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
        Ok(silences)
    }

    /// Makes a silence. One with its id that there is already stays as it is, also when it has ended: a command that is sent
    /// again neither prolongs nor renews it.
    pub async fn make_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let request = self.silence_put(silence)?.condition_expression("attribute_not_exists(fingerprint)");
        match request.send().await {
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            made => made.map(drop).map_err(|error| failure("making a silence", error)),
        }
    }

    fn silence_put(&self, silence: &Silence) -> Result<PutItemFluentBuilder, StoreError> {
        let mut item = to_item(format!("silence {}", silence.id), silence)?;
        item.insert("scope".to_owned(), text(SCOPE));
        item.insert("fingerprint".to_owned(), text(&silence.id));
        let expires = silence.until.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX).as_second();
        item.insert("expires_at".to_owned(), number(expires));
        Ok(self.client.put_item().table_name(&self.alerts).set_item(Some(item)))
    }

    /// Ends a silence now. `false` when there is none that is in force.
    pub async fn end_silence(&self, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let Some(mut silence) = self.silences(now).await?.into_iter().find(|silence| silence.id == id) else {
            return Ok(false);
        };
        let seen = silence.until;
        silence.until = now;
        silence.why = format!("{} (ended by {by})", silence.why);
        // Of two who end it at the same time one is told that it is not in force any more.
        let request = self.silence_put(&silence)?.condition_expression("#until = :seen");
        let request = request.expression_attribute_names("#until", "until");
        match request.expression_attribute_values(":seen", text(seen.to_string())).send().await {
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            ended => ended.map(|_| true).map_err(|error| failure("ending a silence", error)),
        }
    }

    /// Counts that a silence held something back.
    pub async fn note_silence(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let expires = now.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX).as_second();
        let request = self
            .client
            .update_item()
            .table_name(&self.alerts)
            .key("scope", text(USES))
            .key("fingerprint", text(id))
            .update_expression("ADD uses :one SET last_used = :now, expires_at = :expires")
            .expression_attribute_values(":expires", number(expires))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", millis(now));
        request.send().await.map(drop).map_err(|error| failure("counting the use of a silence", error))
    }

    /// How often each silence held something back; one that never did is not among them.
    pub async fn silence_uses(&self) -> Result<Vec<SilenceUse>, StoreError> {
        let items = self.scope(USES, "reading the uses of silences").await?;
        let use_of = |item: &Item| {
            let count = read_number(item, "uses").and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
            let id = read_text(item, "fingerprint")?.to_owned();
            Some(SilenceUse { id, count, last: read_time(item, "last_used") })
        };
        Ok(items.iter().filter_map(use_of).collect())
    }
}
