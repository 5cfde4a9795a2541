//! `vestibule serve`: the server, until a signal ends it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;
use vestibule::compile::Compiler;
use vestibule_server::config::LogFormat;
use vestibule_server::{Configuration, Parts, Server};

use crate::actions;
use crate::loading::WORKER;

/// Serve logins and sessions
///
/// Reads the configuration, makes its Actions ready, and answers until a signal ends it. SIGTERM:
/// it says so in `/readyz`, takes requests for as long as `shutdown.drain` says, and lets those
/// that have begun end, all within 28 s. Ctrl-C, or a second signal: the same without the wait.
/// SIGHUP reads the configuration again: where something is wrong with it, the log says what, and
/// nothing changes.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    config: PathBuf,
    /// Tell of every request
    #[arg(long, short)]
    verbose: bool,
}

impl Serve {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let configuration = Configuration::read(&self.config)?;
        tell(configuration.log, self.verbose);
        open_as_many_files_as_possible();
        let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
        let served = executor.block_on(serve(&self.config, configuration));
        // A component that is being compiled, or a disk that doesn't answer, holds a thread that
        // can't be ended.
        executor.shutdown_timeout(THREADS_GRACE);
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How long the threads of a server that has ended may take.
const THREADS_GRACE: Duration = Duration::from_secs(1);

/// How the server is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By what runs it (SIGTERM): requests that are on their way to it are served.
    Drain,
    /// By a person at a terminal (Ctrl-C).
    AtOnce,
}

/// The signals that end the server.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Drain,
            _ = self.interrupt.recv() => End::AtOnce,
        }
    }
}

async fn serve(file: &Path, configuration: Configuration) -> Result<()> {
    // Before anything listens, so that no signal is missed.
    let mut ends = Ends { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let mut reload = signal(SignalKind::hangup())?;
    let compiler = Compiler::this_program(WORKER).context("can't find this program, to compile in a process of its own")?;
    let parts = Parts { compiler: Some(compiler), read_component: Arc::new(read) };
    let mut server = tokio::select! {
        started = Server::start(configuration, parts) => started?,
        _ = ends.next() => {
            tracing::info!("ended before it had started");
            return Ok(());
        }
    };
    let end = loop {
        tokio::select! {
            end = ends.next() => break end,
            _ = reload.recv() => {}
        }
        // A start or a reload that a signal breaks off leaves no server to go on with.
        tokio::select! {
            end = ends.next() => break end,
            () = read_again(&mut server, file) => {}
        }
    };
    if end == End::Drain {
        tokio::select! {
            () = server.drain() => {}
            _ = ends.next() => {}
        }
    }
    server.stop().await;
    Ok(())
}

async fn read_again(server: &mut Server, file: &Path) {
    let reloaded = match Configuration::read(file) {
        Ok(configuration) => server.reload(configuration).await.map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = reloaded {
        tracing::error!(%error, "the configuration could not be read again; nothing has changed");
    }
}

/// Raises the limit of open files to the one that this user can't go beyond: each connection and
/// each deployed Action in memory takes one, and what a shell or a service gives by default is for
/// programs that still use `select`.
fn open_as_many_files_as_possible() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files could not be raised");
    }
}

/// A component's file, or the folder of a crate, which is built first.
pub(crate) fn read(path: &Path) -> Result<(String, Vec<u8>), String> {
    actions::deployed(path).map(actions::Component::into_parts).map_err(|error| format!("{error:#}"))
}

/// The server's own log, on standard error.
fn tell(format: LogFormat, verbose: bool) {
    let level = if verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // It would be reported on standard error, where the error is, and a closed one ends the thread.
    let lines = lines.log_internal_errors(false);
    match format {
        LogFormat::Json => lines.json().init(),
        LogFormat::Text => lines.with_ansi(false).init(),
    }
}
