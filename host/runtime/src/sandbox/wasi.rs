//! What a language's standard library wants of WASI: streams that end in the run's log, a clock and
//! random numbers of the run's own, an empty environment. No files, no sockets.

use std::time::Duration;

use bytes::Bytes;
use vestibule_model::Timestamp;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use super::log::{Log, Stream};
use crate::context::{Kind, RunContext};
use crate::limits::Limits;

/// Bytes that a guest may write to a stream before it asks again.
const PERMIT: usize = 64 << 10;

/// The WASI state of one run.
pub(crate) struct WasiState {
    pub(crate) wasi: WasiCtx,
    /// What holds the run's streams and pollables.
    pub(crate) table: ResourceTable,
}

impl WasiState {
    pub(crate) fn new(log: &Log, context: &RunContext, action: usize, limits: &Limits) -> Self {
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
