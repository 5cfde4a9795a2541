//! From an author's folder into the next login, and back again: the command against a server that
//! runs.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail at once")]
#![allow(missing_docs, unreachable_pub, reason = "a test's own parts")]

#[path = "../lasting/callers.rs"]
#[allow(dead_code, reason = "the tests of crashes use the rest")]
mod callers;
#[path = "../common/mod.rs"]
mod common;

mod actions;
mod bombs;
mod closed;
mod folders;
mod profiles;
mod watching;
mod world;
