//! The stories, by theme.

#![allow(clippy::large_futures)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod action_items;
mod actions;
mod alarms;
mod composites;
mod crashes;
mod cycles;
mod deliveries;
mod drafts;
mod escalation;
mod findings;
mod flood;
mod interactions;
mod investigations;
mod noise;
mod order;
mod outages;
mod post_mortems;
mod recovery;
mod reminders;
mod ticks;
mod watching;
