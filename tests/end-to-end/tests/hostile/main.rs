//! What a hostile guest tries beyond the components of `tests/hostile`, which say themselves how
//! their logins end. Each attempt ends in an error that has a type and a text for people, or does
//! no harm; it costs that one login alone, and the next logins of the same tenant and of others are
//! right.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod canonical_abi;
mod input;
mod isolation;
mod limits;
mod loading;
mod memory;
mod places;
mod shape;
mod swapped;
mod time;
