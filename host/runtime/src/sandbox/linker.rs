//! Links what Actions are offered: the contract, and the parts of WASI.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::state::Sandbox;
use crate::http;

/// The instance of `wasi:http/types` that wasmtime-wasi-http links.
const LINKED_TYPES: &str = "wasi:http/types@0.2.12";

/// Links WASI and `wasi:http`. What a component doesn't import costs it nothing.
pub(crate) fn add_wasi(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    add_plumbing(linker)?;
    add_http(linker)
}

/// Links the interfaces of WASI that are offered to all.
fn add_plumbing(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
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

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (http, table) = self.http_and_table();
        http.view(table)
    }
}

/// Links the handler of requests, and its types.
fn add_http(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    let code = |mut store: StoreContextMut<'_, Sandbox>, (stream,): (Resource<IoError>,)| {
        let found = store.data_mut().ctx().table.get(&stream)?;
        let code: Option<ErrorCode> = http::of_stream(found);
        Ok((code,))
    };
    linker.allow_shadowing(true);
    linker.instance(LINKED_TYPES)?.func_wrap("http-error-code", code)?;
    linker.allow_shadowing(false);
    Ok(())
}
