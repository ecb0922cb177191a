//! The ledger of automated actions: one item in the table of alerts, written on its version in the transaction of the
//! decision that changes it.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use monitoring_core::action::{LEDGER_SCHEMA, Ledger};

use super::incidents::built;
use super::{Store, StoreError, failure, from_item, number, text, to_item};

const SCOPE: &str = "actions";
const LEDGER: &str = "ledger";

impl Store {
    /// What automated actions have done lately.
    pub async fn ledger(&self) -> Result<Ledger, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.alerts)
            .key("scope", text(SCOPE))
            .key("fingerprint", text(LEDGER))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| failure("reading the ledger of actions", error))?;
        let ledger = answer.item.map(|item| from_item("the ledger of actions", item, LEDGER_SCHEMA)).transpose()?;
        Ok(ledger.unwrap_or_default())
    }

    pub(super) fn ledger_write(&self, ledger: &Ledger) -> Result<TransactWriteItem, StoreError> {
        let mut item = to_item("the ledger of actions", ledger)?;
        item.insert("scope".to_owned(), text(SCOPE));
        item.insert("fingerprint".to_owned(), text(LEDGER));
        let put = Put::builder().table_name(&self.alerts).set_item(Some(item));
        let put = if ledger.version <= 1 {
            put.condition_expression("attribute_not_exists(fingerprint)")
        } else {
            put.condition_expression("version = :before")
                .expression_attribute_values(":before", number(ledger.version - 1))
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }
}
