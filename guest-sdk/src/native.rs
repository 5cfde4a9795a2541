//! The door of native tests: the login that the current thread's test runs its Action over.

use std::cell::RefCell;

use vestibule_model::outcome::LogLine;
use vestibule_model::{Login, Settings};

/// A run of an Action in a test.
pub(crate) struct Run {
    pub(crate) login: Login,
    pub(crate) secrets: Settings,
    pub(crate) configuration: Settings,
    pub(crate) logs: Vec<LogLine>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Gives the current run to a function.
#[allow(clippy::panic, reason = "a test that calls the SDK outside of a run is wrong, and this is how tests are told")]
pub(crate) fn with<T>(ask: impl FnOnce(&mut Run) -> T) -> T {
    RUN.with_borrow_mut(|run| match run {
        Some(run) => ask(run),
        None => panic!("there is no login here: run the Action with `vestibule_sdk::testing::Login::run`"),
    })
}

/// Adds a line to the current run's log. Outside of a run there is none: other crates of a test's process may log at any time.
pub(crate) fn log(line: LogLine) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.logs.push(line);
        }
    });
}

/// Makes this the current run while an Action runs, and gives it back.
pub(crate) fn during<T>(run: Run, action: impl FnOnce() -> T) -> (Run, T) {
    RUN.set(Some(run));
    let returned = action();
    (with_taken(), returned)
}

#[allow(clippy::panic, reason = "the run was put there by `during`, and nothing else takes it")]
fn with_taken() -> Run {
    RUN.take().unwrap_or_else(|| panic!("the run that was put there is still there"))
}
