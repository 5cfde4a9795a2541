//! Actions that are deployed to a server that runs: their whole life over HTTP, in both databases
//! where that matters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that lacks its parts is to fail at once"
)]

#[path = "../../../sessions/tests/parts/cluster.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod executions;
mod life;
mod policy;
mod refusals;
mod secrets;
mod switching;
mod tenants;
mod uploads;
mod world;
