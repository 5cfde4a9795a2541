//! `log`: the run's log.

use vestibule_model::outcome;

use crate::contract::bindings::vestibule::actions::log::{Host, Level};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.call()?;
        let level = match level {
            Level::Error => outcome::Level::Error,
            Level::Warn => outcome::Level::Warn,
            Level::Info => outcome::Level::Info,
            Level::Debug => outcome::Level::Debug,
            Level::Trace => outcome::Level::Trace,
        };
        self.log.write(level, &message);
        Ok(())
    }
}
