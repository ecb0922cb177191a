//! `monitorctl cost`: the monthly bill, line by line, before it is made.

mod bill;
mod engines;
mod prices;
mod reading;
mod usage;

use clap::Args;
use serde_json::json;

use crate::catalogue::command::FileArgs;
use crate::catalogue::load_deployment;
use crate::command::{Exit, OK, pretty, print};
use bill::Bill;
use prices::Prices;
use usage::Traffic;

/// Seconds of a month as AWS counts it in its examples: 730 hours.
const MONTH_SECONDS: u32 = 730 * 3_600;

/// Say what the suite costs a month, line by line, and each rule on either engine.
#[derive(Debug, Args)]
#[command(after_help = "\
Two sums: at list price, and after the allowances that every account has each month for good (the first 10 metrics, 10 alarms, 3
dashboards and so on), if nothing else in the account uses them up. What the watched application itself costs is not in it, except
for what it tracks. Prices, their date and their sources: crates/cli/prices/us-east-1.json, or --json.")]
pub struct CostArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    traffic: Traffic,
}

/// Runs the command.
pub fn run(args: &CostArgs, json: bool) -> Result<u8, Exit> {
    let loaded = load_deployment(&args.file.file).map_err(Exit::usage)?;
    let prices = Prices::shipped()?;
    let lines = usage::lines(&loaded.catalogue, &loaded.deployment, &args.traffic);
    let bill = Bill::new(&prices, lines)?;
    let engines = engines::compare(&loaded.catalogue, &prices)?;
    if json {
        print(&pretty(&json!({
            "region": prices.region,
            "as_of": prices.as_of,
            "note": prices.note,
            "assumed": args.traffic,
            "lines": bill.items,
            "list_usd": bill.list_usd(),
            "due_usd": bill.due_usd(),
            "rules": engines,
        }))?);
    } else {
        print(&bill.text(&prices, &args.traffic));
        print(&engines::text(&engines));
    }
    Ok(OK)
}

#[cfg(test)]
mod tests;
