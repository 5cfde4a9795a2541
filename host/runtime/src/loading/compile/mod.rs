//! Compiling in a process of its own: what a stranger's component does to a compiler, it does to a
//! process that has little memory, little time, and nothing to reach.
//!
//! The process is the embedder's own program, started again with an argument of its choice; with
//! it, the program calls [`worker`] and nothing else. See [`Loader`](crate::load::Loader).

mod frame;
mod process;
pub(crate) mod weight;
mod worker;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use weight::CompileLane;
pub use worker::{confine, worker};

pub(crate) use frame::Answered;

/// How to start a process that compiles.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Compiler {
    /// This program, started again with an argument: with it, its `main` is to return
    /// [`worker`]`()` before it does anything else.
    ///
    /// # Errors
    /// When the operating system doesn't say which program this is.
    pub fn this_program(argument: impl Into<OsString>) -> io::Result<Self> {
        // The program that runs, even where another version has meanwhile taken its place.
        let running = Path::new("/proc/self/exe");
        let program = if running.exists() { running.to_owned() } else { std::env::current_exe()? };
        Ok(Self::new(program, [argument.into()]))
    }

    /// Another program whose `main` returns [`worker`]`()` when it has these arguments, built from
    /// the same source as this one. What it answers is run as machine code: name a program that is
    /// as much yours as this one.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().collect() }
    }
}
