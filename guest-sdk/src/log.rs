//! The run's log: for the tenant, never for the user. What exceeds its budget is cut, and marked.
//!
//! Each level is a function that takes anything with a `Display`, and a macro that formats:
//!
//! ```
//! use vestibule_sdk::log;
//!
//! fn tell(slug: &str) {
//!     log::info!("{slug} may pass");
//!     log::debug(slug);
//! }
//! ```
//!
//! `println!` and `eprintln!` end there too, as `info` and `error`. With the SDK's feature `log` so
//! do the macros of the crate `log`, with its feature `tracing` those of `tracing`: also from
//! crates that the Action uses. Such an Action imports `log.write` whether it logs or not, since
//! it can't be seen from outside.

use std::fmt::Display;

/// Something failed.
pub fn error(message: impl Display) {
    write(Level::Error, message);
}

/// Something may fail.
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// What goes on.
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// For debugging.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// Every step.
pub fn trace(message: impl Display) {
    write(Level::Trace, message);
}

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __trace as trace, __warn as warn};

/// Something failed: formats as `println!` does.
#[macro_export]
#[doc(hidden)]
macro_rules! __error {
    ($($argument:tt)*) => { $crate::log::error(::core::format_args!($($argument)*)) };
}

/// Something may fail: formats as `println!` does.
#[macro_export]
#[doc(hidden)]
macro_rules! __warn {
    ($($argument:tt)*) => { $crate::log::warn(::core::format_args!($($argument)*)) };
}

/// What goes on: formats as `println!` does.
#[macro_export]
#[doc(hidden)]
macro_rules! __info {
    ($($argument:tt)*) => { $crate::log::info(::core::format_args!($($argument)*)) };
}

/// For debugging: formats as `println!` does.
#[macro_export]
#[doc(hidden)]
macro_rules! __debug {
    ($($argument:tt)*) => { $crate::log::debug(::core::format_args!($($argument)*)) };
}

/// Every step: formats as `println!` does.
#[macro_export]
#[doc(hidden)]
macro_rules! __trace {
    ($($argument:tt)*) => { $crate::log::trace(::core::format_args!($($argument)*)) };
}

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::vestibule::actions::log::Level;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use vestibule_model::outcome::Level;

pub(crate) fn write(level: Level, message: impl Display) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::vestibule::actions::log::write(level, &message.to_string());
    #[cfg(not(target_arch = "wasm32"))]
    crate::native::log(vestibule_model::outcome::LogLine { level, message: message.to_string() });
}
