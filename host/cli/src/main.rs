//! The command `vestibule`: builds, inspects and runs Actions on the author's own machine.
//!
//! Exit codes: 0 done, or the login is allowed; 1 something is wrong; 2 wrong arguments; 3 the login is denied; 4 the login failed.

#![forbid(unsafe_code)]

mod actions;
mod case;
mod commands;
mod seen;
mod table;
mod template;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Post-login Actions, each alone in a WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(commands::new::New),
    Test(commands::test::Test),
    Run(commands::run::Run),
    Build(commands::build::Build),
    Inspect(commands::inspect::Inspect),
    Trace(commands::trace::Trace),
}

fn main() -> ExitCode {
    let returned = match Arguments::parse().command {
        Command::New(new) => new.execute(),
        Command::Test(test) => test.execute(),
        Command::Run(run) => run.execute(),
        Command::Build(build) => build.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Trace(trace) => trace.execute(),
    };
    returned.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
