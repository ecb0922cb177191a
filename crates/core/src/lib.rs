//! Everything that decides: from samples to alerts, from alerts to incidents, from incidents to pages.
//!
//! Nothing here does I/O, waits, reads a clock, draws a random number or looks at the environment. Every function takes
//! what it needs, `now` and ids included, and returns the new state, the effects to perform and the reasons.
//!
//! Each module rests only on those above it in this list.

pub mod metric;

pub mod chart;

pub mod formula;

pub mod composite;

pub mod catalogue;

pub mod slo;

pub mod rule;

pub mod anomaly;

pub mod alert;

pub mod cycle;

pub mod silence;

pub mod escalation;

pub mod action;

pub mod runbook;

pub mod diagnosis;

mod redaction;

pub mod investigation;

pub mod incident;

pub mod decide;

pub mod backtest;

pub mod post_mortem;

pub mod action_item;

pub mod report;

pub mod message;

#[cfg(test)]
mod example_catalogue;
