//! The macros of the crate `log`, into the run's log.

use log_crate::{Level, LevelFilter, Log, Metadata, Record};

use crate::log;

struct ToRun;

impl Log for ToRun {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => log::Level::Error,
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
            Level::Trace => log::Level::Trace,
        };
        log::write(level, record.args());
    }

    fn flush(&self) {}
}

/// From here on, what is logged ends in the run's log; unless the Action has set a logger of its
/// own.
pub(crate) fn install() {
    if log_crate::set_logger(&ToRun).is_ok() {
        log_crate::set_max_level(LevelFilter::Trace);
    }
}
