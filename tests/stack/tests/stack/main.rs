//! The suite's release zips under a local AWS: what only a whole deployment can show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod actions;
mod costs;
mod deploying;
mod roles;
mod stories;
