//! A world for stories about the suite: the real handlers over a real `DynamoDB` engine, Slack and `PagerDuty` as real
//! HTTP servers on loopback, a queue, telemetry that is said rather than measured, and time that is moved by hand.
//!
//! Faults are injected on the wire, by a [`proxy::Proxy`] in front of the tables and of each receiver. A crash is a
//! handler whose future is dropped when a chosen request passes. Every invocation has a responder of its own, so nothing
//! but the tables is remembered between two.

#![allow(clippy::large_futures, clippy::struct_excessive_bools, clippy::needless_pass_by_value)]
#![allow(clippy::print_stdout, reason = "a sweep says how many points it has swept")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::missing_panics_doc, reason = "a panic is how a story fails")]

pub mod clock;
pub mod history;
pub mod messages;
pub mod parameters;
pub mod proxy;
pub mod receiver;
pub mod senders;
pub mod surroundings;
pub mod sweep;
pub mod world;

pub use history::{History, Remembers};
pub use jiff::ToSpan;
pub use proxy::{Fault, after, before, every};
pub use receiver::{Answer, Kind};
pub use world::{Invocation, Options, World};
