//! Small Actions that log through the crates `log` and `tracing`. They are apart from the other
//! guests, since the SDK's features for these are a crate's.

#![forbid(unsafe_code)]
