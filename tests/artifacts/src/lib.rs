//! The components that tests and benches run: guest programs from `tests/guests`, the Actions of
//! the examples, and what no compiler would write from `tests/hostile`. Each is compiled from
//! source when this crate is.

#![forbid(unsafe_code)]

/// A component of `tests/hostile`.
#[derive(Clone, Copy, Debug)]
pub struct HostileComponent {
    /// The name of its file, without the extension.
    pub name: &'static str,
    /// How its login ends, in TOML: the lines of the file that begin with `;;! `.
    pub header: &'static str,
    /// The component.
    pub component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));
