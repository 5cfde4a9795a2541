//! The run's log: for the tenant, never for the user. What exceeds its budget is cut.
//!
//! `println!` and `eprintln!` end there too, as `info` and `error`.

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

/// For somebody who looks for a fault.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// Every step.
pub fn trace(message: impl Display) {
    write(Level::Trace, message);
}

#[cfg(target_arch = "wasm32")]
use crate::bindings::vestibule::actions::log::Level;
#[cfg(not(target_arch = "wasm32"))]
use vestibule_model::outcome::Level;

fn write(level: Level, message: impl Display) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::vestibule::actions::log::write(level, &message.to_string());
    #[cfg(not(target_arch = "wasm32"))]
    {
        let message = message.to_string();
        crate::native::with(|run| run.logs.push(vestibule_model::outcome::LogLine { level, message }));
    }
}
