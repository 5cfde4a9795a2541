//! What the command prints. The macros take the names of the standard library's, which panic when
//! their stream is closed.
//!
//! A reader may close its end of a pipe early, as `head` does. The command then goes on to its own
//! end without printing: a half of what `apply` has to do is never done, and the exit code is that
//! of the work. A command that only ends when it is interrupted asks [`is_closed`] and ends by
//! itself. Any other error of standard output, such as a full disk, is the command's own.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};

static IS_CLOSED: AtomicBool = AtomicBool::new(false);
static FIRST_ERROR: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints to standard output.
macro_rules! print {
    ($($text:tt)*) => { $crate::output::out(format_args!($($text)*)) };
}

/// Prints a line to standard output.
macro_rules! println {
    ($($text:tt)*) => { $crate::output::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard error.
macro_rules! eprint {
    ($($text:tt)*) => { $crate::output::error(format_args!($($text)*)) };
}

/// Prints a line to standard error.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::output::error(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) fn out(text: fmt::Arguments<'_>) {
    if is_closed() {
        return;
    }
    if let Err(error) = io::stdout().write_fmt(text) {
        end(error);
    }
}

pub(crate) fn error(text: fmt::Arguments<'_>) {
    // There is no stream left that could report it.
    let _ = io::stderr().write_fmt(text);
}

/// Whether the reader of standard output has closed it.
pub(crate) fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}

/// Flushes standard output.
///
/// # Errors
/// The first error of standard output, but for a closed pipe.
pub(crate) fn flush() -> Result<()> {
    if !is_closed()
        && let Err(error) = io::stdout().flush()
    {
        end(error);
    }
    match FIRST_ERROR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(anyhow!("can't write to standard output: {error}")),
        None => Ok(()),
    }
}

/// Nothing is printed after an error: a gap in the output would not be seen.
fn end(error: io::Error) {
    IS_CLOSED.store(true, Ordering::Relaxed);
    if error.kind() != ErrorKind::BrokenPipe {
        FIRST_ERROR.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}
