//! The network side against servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bedrock;
mod channels;
mod collect;
mod http;
mod interactions;
