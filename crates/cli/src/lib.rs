//! `monitorctl`: the suite on one machine, and the door to the deployed one.

pub mod action_items;
pub mod actions;
pub mod backtest;
pub mod benchmark;
pub mod catalogue;
pub mod command;
pub mod cost;
pub mod dashboards;
pub mod dlq;
pub mod door;
pub mod explain;
pub mod incidents;
pub mod invoke;
pub mod local;
pub mod oncall;
pub mod post_mortems;
pub mod rule_test;
pub mod silences;
pub mod slo;
