//! The bill: what is used, times its price, less what is free.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::prices::Prices;
use super::usage::{Line, Traffic, number};

/// A priced line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Item {
    pub(super) service: &'static str,
    pub(super) what: &'static str,
    pub(super) quantity: f64,
    pub(super) unit: String,
    /// Without the allowance.
    pub(super) list_usd: f64,
    /// With what is left of it after the lines before this one.
    pub(super) due_usd: f64,
    pub(super) why: String,
    pub(super) source: String,
}

/// A month.
#[derive(Debug)]
pub(super) struct Bill {
    pub(super) items: Vec<Item>,
}

impl Bill {
    pub(super) fn new(prices: &Prices, lines: Vec<Line>) -> anyhow::Result<Self> {
        let mut left: BTreeMap<&str, f64> = BTreeMap::new();
        let mut items = Vec::with_capacity(lines.len());
        for line in lines {
            let price = prices.get(line.price)?;
            let left = left.entry(line.price).or_insert(price.free);
            let free = left.min(line.quantity);
            *left -= free;
            items.push(Item {
                service: line.service,
                what: line.what,
                quantity: line.quantity,
                unit: price.unit.clone(),
                list_usd: price.of(line.quantity),
                due_usd: price.of(line.quantity - free),
                why: line.why,
                source: price.source.clone(),
            });
        }
        Ok(Self { items })
    }

    /// The sum at list price.
    pub(super) fn list_usd(&self) -> f64 {
        self.items.iter().map(|item| item.list_usd).sum()
    }

    /// The sum after the allowances.
    pub(super) fn due_usd(&self) -> f64 {
        self.items.iter().map(|item| item.due_usd).sum()
    }

    pub(super) fn text(&self, prices: &Prices, traffic: &Traffic) -> String {
        let mut text = format!(
            "US dollars a month in {}, prices of {}; {} requests, {} incidents.\n\n",
            prices.region,
            prices.as_of,
            number(f64::from(traffic.requests)),
            traffic.incidents
        );
        let row = |text: &mut String, [service, what, quantity, list, due, why]: [&str; 6]| {
            let line = format!("{service:<13} {what:<36} {quantity:>8} {list:>7} {due:>7}  {why}");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
        };
        row(&mut text, ["", "", "quantity", "list", "due", ""]);
        let mut before = "";
        for item in &self.items {
            let service = if item.service == before { "" } else { item.service };
            before = item.service;
            let (list, due) = (dollars(item.list_usd), dollars(item.due_usd));
            row(&mut text, [service, item.what, &rounded(item.quantity), &list, &due, &item.why]);
        }
        row(&mut text, ["Total", "", "", &dollars(self.list_usd()), &dollars(self.due_usd()), ""]);
        text.push_str("\ndue: after the allowances that every account has each month, if nothing else uses them up.\n");
        text
    }
}

pub(super) fn dollars(usd: f64) -> String {
    format!("{usd:.2}")
}

/// Three digits are enough for a quantity that is assumed.
fn rounded(quantity: f64) -> String {
    match quantity {
        q if q >= 1e6 => format!("{:.2}M", q / 1e6),
        q if q >= 1e4 => format!("{:.1}k", q / 1e3),
        q if q >= 100.0 || q.fract() == 0.0 => number(q.round()),
        q => format!("{q:.2}"),
    }
}
