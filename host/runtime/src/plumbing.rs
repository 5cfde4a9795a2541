//! What a language's standard library wants of WASI: streams that end in the run's log, a clock and
//! random numbers of the run's own, an empty environment. No files, no sockets.

use std::time::Duration;

use bytes::Bytes;
use vestibule_model::Timestamp;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiView};

use crate::context::{Context, Kind};
use crate::http::TYPES;
use crate::limits::Limits;
use crate::log::{Log, Stream};
use crate::sandbox::Sandbox;

/// The interfaces of WASI 0.2 that are linked.
const OFFERED: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    TYPES,
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Bytes that a guest may write to a stream before it asks again.
const PERMIT: usize = 64 << 10;

/// Whether an interface of WASI is linked.
pub(crate) fn is_offered(interface: &str, version: &str) -> bool {
    is_version(version) && OFFERED.binary_search(&interface).is_ok()
}

/// Whether it is a version of WASI that is linked.
pub(crate) fn is_version(version: &str) -> bool {
    version.starts_with("0.2.")
}

/// Links what [`OFFERED`] names; [`TYPES`] where requests are linked.
pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::bindings::io::error::add_to_linker::<Sandbox, Io>(linker, |sandbox| sandbox.ctx().table)?;
    wasmtime_wasi::p2::bindings::io::poll::add_to_linker::<Sandbox, Io>(linker, |sandbox| sandbox.ctx().table)?;
    wasmtime_wasi::p2::bindings::io::streams::add_to_linker::<Sandbox, Io>(linker, |sandbox| sandbox.ctx().table)?;
    clocks::wall_clock::add_to_linker::<Sandbox, WasiClocks>(linker, Sandbox::clocks)?;
    clocks::monotonic_clock::add_to_linker::<Sandbox, WasiClocks>(linker, Sandbox::clocks)?;
    random::random::add_to_linker::<Sandbox, WasiRandom>(linker, |sandbox| sandbox.ctx().ctx.random())?;
    random::insecure::add_to_linker::<Sandbox, WasiRandom>(linker, |sandbox| sandbox.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Sandbox, WasiRandom>(linker, |sandbox| sandbox.ctx().ctx.random())?;
    cli::environment::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::exit::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stdin::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stdout::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::stderr::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_input::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_output::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stdin::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stdout::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)?;
    cli::terminal_stderr::add_to_linker::<Sandbox, WasiCli>(linker, Sandbox::cli)
}

struct Io;

impl wasmtime::component::HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// The plumbing of one run.
pub(crate) struct Plumbing {
    pub(crate) wasi: WasiCtx,
    /// What holds the run's streams and pollables.
    pub(crate) table: ResourceTable,
}

impl Plumbing {
    pub(crate) fn new(log: &Log, context: &Context, action: usize, limits: &Limits) -> Self {
        let mut builder = WasiCtx::builder();
        builder
            .stdout(Output(log.clone(), Stream::Output))
            .stderr(Output(log.clone(), Stream::Error))
            .wall_clock(Standing(context.now))
            .monotonic_clock(Counting(std::cell::Cell::new(0)))
            .insecure_random(context.random(action, Kind::Insecure))
            .secure_random(context.random(action, Kind::Secure))
            .insecure_random_seed(context.insecure_seed(action))
            .max_random_size(limits.random_bytes as u64)
            .allow_tcp(false)
            .allow_udp(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources);
        Self { wasi: builder.build(), table }
    }
}

/// A wall clock that stands at the login's time.
struct Standing(Timestamp);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.as_millis())
    }
}

/// A monotonic clock that goes on by a microsecond whenever it is read: loops that wait for it end,
/// and runs can be repeated.
struct Counting(std::cell::Cell<u64>);

impl HostMonotonicClock for Counting {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        let now = self.0.get();
        self.0.set(now + 1_000);
        now
    }
}

/// A standard stream that ends in the run's log.
struct Output(Log, Stream);

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Output(self.0.clone(), self.1))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.stream(self.1, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_sockets_and_other_versions_are_not_offered() {
        assert!(OFFERED.is_sorted());
        assert!(is_offered("wasi:cli/exit", "0.2.6"));
        assert!(!is_offered("wasi:cli/exit", "0.3.0"));
        assert!(!is_offered("wasi:filesystem/types", "0.2.6"));
        assert!(!is_offered("wasi:sockets/tcp", "0.2.6"));
        assert!(!is_offered("wasi:http/incoming-handler", "0.2.6"));
    }
}
