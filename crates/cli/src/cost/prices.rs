//! Prices, from one dated file.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

const SHIPPED: &str = include_str!("../../prices/us-east-1.json");

/// The prices of a region on a day.
#[derive(Debug, Deserialize)]
pub(super) struct Prices {
    /// `us-east-1`.
    pub(super) region: String,
    /// The day on which they were looked up.
    pub(super) as_of: String,
    /// How, and how far to believe them.
    pub(super) note: String,
    #[serde(rename = "prices")]
    by_name: BTreeMap<String, Price>,
}

/// What something costs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Price {
    /// US dollars for `per` units.
    pub(super) usd: f64,
    pub(super) per: f64,
    pub(super) unit: String,
    /// Units that every account has for nothing each month, for good.
    pub(super) free: f64,
    pub(super) source: String,
}

impl Prices {
    /// Those that this version ships.
    pub(super) fn shipped() -> anyhow::Result<Self> {
        serde_json::from_str(SHIPPED).context("the shipped prices")
    }

    pub(super) fn get(&self, name: &str) -> anyhow::Result<&Price> {
        self.by_name.get(name).ok_or_else(|| anyhow!("the shipped prices have no {name}"))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Price)> {
        self.by_name.iter()
    }
}

impl Price {
    /// Dollars for so many units, without the allowance.
    pub(super) fn of(&self, quantity: f64) -> f64 {
        quantity / self.per * self.usd
    }
}
