//! The command `vestibule`: makes, tests, runs, inspects and builds Actions on the author's own
//! machine, deploys them to a tenant's server, and serves logins on the operator's.
//!
//! Exit codes: 0 done, or the login is allowed; 1 something is wrong; 2 wrong arguments; 3 the
//! login is denied; 4 the login failed.

#![forbid(unsafe_code)]

#[macro_use]
mod output;

mod actions;
mod binding;
mod case;
mod commands;
mod deploying;
mod folder;
mod input;
mod json;
mod loading;
mod network;
mod profiles;
mod remote;
mod seen;
mod table;
mod template;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Post-login Actions, each alone in a WebAssembly sandbox
///
/// An Action is a small program that runs after a user has proved who they are: it reads the login
/// event, writes session metadata, adds claims, or denies the login. This command takes one from an
/// idea to a tested component, on your own machine.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    max_term_width = 100,
    after_help = "\
The author's day:
  vestibule new device-name                  make a crate, with a test and a case
  vestibule dev                              build and run it again at each change
  vestibule test                             run its cases in the sandbox
  vestibule run . --event login.json         run it over a login, or several as one flow
  vestibule run . --event login.json --profile out.svg
                                             see where its fuel goes
  vestibule inspect                          see what it can see and do
  vestibule build --release                  build what is deployed
  vestibule limits                           see what it may use

The tenant's:
  vestibule profile add acme --url https://acme.example.com --client-id deployer
                                             say where its server is; the client's secret comes by standard input
  vestibule deploy . --tenant acme --bind    take an Action into the next login
  vestibule actions rollback device-name --tenant acme
                                             and back again
  vestibule logs --tenant acme --follow      see what happens
  vestibule export --tenant acme --to acme   write all Actions into a folder for git
  vestibule apply acme --tenant acme         and make the server as the folder says

The operator's:
  vestibule check --config vestibule.toml    check a server's configuration
  vestibule serve --config vestibule.toml    serve logins and sessions
  vestibule logouts list                     see what applications are still to be told
  vestibule keys list --tenant acme          see what tokens are signed by

Exit codes: 0 done, or the login is allowed; 1 something is wrong; 2 wrong arguments; 3 the login is denied; 4 the login failed."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// In the order of an author's day, then the tenant's, and then the operator's.
#[derive(Debug, Subcommand)]
enum Command {
    New(commands::new::New),
    Dev(commands::dev::Dev),
    Test(commands::test::Test),
    Run(commands::run::Run),
    Inspect(commands::inspect::Inspect),
    Build(commands::build::Build),
    Trace(commands::trace::Trace),
    Limits(commands::limits::Limits),
    Profile(commands::profiles::ProfileCommand),
    Deploy(commands::deploy::Deploy),
    Actions(commands::actions::Actions),
    Bindings(commands::bindings::Bindings),
    Secrets(commands::secrets::Secrets),
    Policy(commands::policy::Policy),
    Executions(commands::executions::Executions),
    Logs(commands::logs::Logs),
    Export(commands::export::Export),
    #[command(alias = "import")]
    Apply(commands::apply::Apply),
    Serve(commands::serve::Serve),
    Check(commands::check::Check),
    HashSecret(commands::hash_secret::HashSecret),
    Keys(commands::keys::Keys),
    Logouts(commands::logouts::Logouts),
    Completions(commands::completions::Completions),
    /// Compile one component from standard input, for the process that has started this one
    #[command(name = loading::WORKER, hide = true)]
    CompileWorker,
}

fn main() -> ExitCode {
    let returned = match Arguments::parse().command {
        Command::New(new) => new.execute(),
        Command::Dev(dev) => dev.execute(),
        Command::Test(test) => test.execute(),
        Command::Run(run) => run.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Build(build) => build.execute(),
        Command::Trace(trace) => trace.execute(),
        Command::Limits(limits) => limits.execute(),
        Command::Profile(profile) => profile.execute(),
        Command::Deploy(deploy) => deploy.execute(),
        Command::Actions(actions) => actions.execute(),
        Command::Bindings(bindings) => bindings.execute(),
        Command::Secrets(secrets) => secrets.execute(),
        Command::Policy(policy) => policy.execute(),
        Command::Executions(executions) => executions.execute(),
        Command::Logs(logs) => logs.execute(),
        Command::Export(export) => export.execute(),
        Command::Apply(apply) => apply.execute(),
        Command::Serve(serve) => serve.execute(),
        Command::Check(check) => check.execute(),
        Command::HashSecret(hash) => hash.execute(),
        Command::Keys(keys) => keys.execute(),
        Command::Logouts(logouts) => logouts.execute(),
        Command::Completions(completions) => completions.execute(Arguments::command()),
        Command::CompileWorker => return vestibule::compile::worker(),
    };
    // The work comes first: where it failed, that is the error to report.
    returned.and_then(|code| output::flush().map(|()| code)).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
