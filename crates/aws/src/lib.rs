//! AWS and the network: the one HTTP client, secrets, the ways to reach people, and the outside that differs between
//! AWS and a laptop.

pub mod http;

pub mod secrets;

pub mod actions;
pub mod bedrock;

pub mod outside;

pub mod channel;

pub mod store;

pub mod incident_response;

pub mod monitoring;

pub mod post_mortem;

pub mod action_items;

pub mod action_item_reminder;

pub mod interactions;

pub mod collect;

pub mod health;

pub mod function;

pub mod self_test;
