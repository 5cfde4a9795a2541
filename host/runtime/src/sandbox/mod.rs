//! One run of one Action: its engine, its state, what it is linked with, and how it ends.

pub(crate) mod engine;
pub(crate) mod failure;
pub(crate) mod linker;
pub(crate) mod log;
pub(crate) mod profile;
mod state;
mod wasi;

pub(crate) use state::Sandbox;
