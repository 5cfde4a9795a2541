//! Applications are told that a session has ended: by a server that runs, over TLS, to receivers of
//! every kind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

#[path = "../common/mod.rs"]
mod common;
mod receivers;
mod world;

mod becomes;
mod ends;
mod fairness;
mod lasting;
mod panics;
mod settings;
