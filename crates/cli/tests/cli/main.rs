//! The binary as a user meets it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests may fail like the tests")]

mod action_items;
mod actions;
mod backtest;
mod catalogue;
mod command_line;
mod cost;
mod dashboards;
mod explain;
mod interactions;
mod oncall;
mod post_mortems;
mod rule_test;
mod slo;
