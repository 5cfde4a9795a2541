//! The components that tests and benches run: guest programs from `tests/guests`, and the Actions of the examples. Each is compiled
//! from source when this crate is.

#![forbid(unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));
