//! What has to hold whatever the bytes are: one function for each property.
//!
//! Each takes any bytes, and panics where the property is broken; that is what cargo-fuzz looks for
//! (`fuzz/` at the root has a target for each), and what `tests/properties.rs` fails by. Bytes that
//! stand for something structured (edits, choices, operations) are read with `arbitrary`, so that
//! every input means something.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a broken property is a panic: it is what a fuzzer looks for")]

mod capabilities;
mod components;
mod edits;
mod event;
mod host;
mod loading;
mod metadata;
mod outcome;
mod running;

pub use capabilities::capabilities;
pub use event::event_json;
pub use loading::load_bytes;
pub use metadata::metadata_operations;
pub use running::run_component;

/// How far an input came. Inputs of which none is let in, or none refused, test half of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It was refused, with a typed error.
    Refused,
    /// It was let in: loaded, run, read, or done.
    Accepted,
}
