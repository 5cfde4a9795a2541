//! The components that tests and benches run: guest programs from `tests/guests`, the Actions of
//! the examples, and what no compiler would write from `tests/hostile`. Each is compiled from
//! source when this crate is.

#![forbid(unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));
