//! A flow, from its first Action to its outcome.

mod job;
mod loads;
mod runtime;

pub use runtime::Runtime;
