//! The stories, by theme.

#![allow(clippy::large_futures)]

mod alarms;
mod crashes;
mod cycles;
mod deliveries;
mod escalation;
mod flood;
mod order;
mod outages;
mod recovery;
