//! The release zips of the functions on a local AWS: `MiniStack` as AWS, the `aws` command as the operator, and
//! loopback servers as Slack and `PagerDuty`.
//!
//! Environment variables say where things are; `scripts/test.sh` sets them: `MINISTACK` (the `ministack` program),
//! `AWS_CLI` (the `aws` program), `STACK_ZIPS` (the folder that `scripts/package.sh` filled), `STACK_CATALOGUE` (the
//! resolved catalogue in those zips), `STACK_DEPLOYMENT` (its alarms and dashboards), `STACK_MONITORCTL` (the `monitorctl`
//! program), and `STACK_TERRAFORM` (the `terraform` program), without which the suite is made call by call and the tests of
//! what Terraform makes are left out.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a harness: whatever goes wrong here fails the test, with the reason"
)]

pub mod aws;
pub mod button;
pub mod calls;
pub mod deployment;
pub mod ministack;
pub mod outside;
pub mod probe;
pub mod shop;
pub mod terraform;

use std::path::PathBuf;

/// The path in the environment variable `name`.
///
/// # Panics
/// If it is not set, or nothing is there.
#[must_use]
pub fn path_from_env(name: &str) -> PathBuf {
    let Some(path) = std::env::var_os(name).map(PathBuf::from) else {
        panic!("{name} is not set; run the stack test with scripts/test.sh --only-stack");
    };
    assert!(path.exists(), "{name} is {}, and nothing is there; run scripts/test.sh --only-stack", path.display());
    path
}
