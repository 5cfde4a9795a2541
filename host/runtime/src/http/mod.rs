//! HTTP requests of Actions: `wasi:http/outgoing-handler`, for bindings that name the origins that
//! they may go to.
//!
//! A request passes, in this order: its count, its origin, its host's addresses, its connection,
//! its sizes and its time.

mod addresses;
mod body;
mod connect;
mod deadline;
mod error;
mod origin;
mod record;
mod resolver;
mod send;
mod socket;
mod tls;

use std::sync::Arc;

use ipnet::IpNet;
use vestibule_model::TenantId;
use vestibule_model::outcome::RequestReport;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::limits::Limits;
use crate::sandbox::Sandbox;

pub use connect::Connector;
pub use origin::{InvalidOrigin, Origin};
pub use resolver::{NameServer, NameServerError, Resolve, ResolveFuture, SystemResolver};
pub use socket::Stream;
pub use tls::{InvalidCertificate, RootCertificate};

use send::Sender;

/// The interface that requests are sent by, and the one that has its types.
pub(crate) const OUTGOING: &str = "wasi:http/outgoing-handler";
pub(crate) const TYPES: &str = "wasi:http/types";

/// The instance of [`TYPES`] that wasmtime-wasi-http links.
const LINKED_TYPES: &str = "wasi:http/types@0.2.12";

/// How a host sends the requests of Actions. Without any of it, they go to what the Internet can
/// reach, by `https`.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Networks that requests may go to although the Internet can't reach them: private ones,
    /// loopback, link-local, … To these, and to these alone, they may also be sent by `http`.
    pub allowed_networks: Vec<IpNet>,
    /// Authorities that are trusted beside those that browsers trust.
    pub root_certificates: Vec<RootCertificate>,
    /// What resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// Names that are looked up at one time, of all tenants. Half of these are a reserve for
    /// tenants with fewer than two.
    pub lookups: usize,
    /// Names of one tenant that are looked up at one time. One more waits for half of the time that
    /// its request has for a connection.
    pub tenant_lookups: usize,
}

/// A lookup takes up to twelve sockets, and mostly milliseconds.
const LOOKUPS: usize = 32;
const TENANT_LOOKUPS: usize = 8;

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            root_certificates: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
            lookups: LOOKUPS,
            tenant_lookups: TENANT_LOOKUPS,
        }
    }
}

/// What a run keeps for its requests.
pub(crate) struct Http {
    context: WasiHttpCtx,
    sender: Sender,
}

impl Http {
    /// Of a tenant's binding that allows these origins.
    pub(crate) fn new(client: Arc<Connector>, tenant: TenantId, allowed: Arc<[Origin]>, limits: Arc<Limits>) -> Self {
        Self { context: WasiHttpCtx::new(), sender: Sender::new(Some((client, tenant)), allowed, limits) }
    }

    /// Of a component that imports the types alone: it can make up requests, and send none.
    pub(crate) fn of_types_alone(limits: Arc<Limits>) -> Self {
        Self { context: WasiHttpCtx::new(), sender: Sender::new(None, Arc::new([]), limits) }
    }

    /// What is told of its requests.
    pub(crate) fn take_reports(&self) -> Vec<RequestReport> {
        self.sender.record.take()
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (http, table) = self.http_and_table();
        WasiHttpCtxView { hooks: &mut http.sender, table, ctx: &mut http.context }
    }
}

/// Links [`OUTGOING`] and [`TYPES`]. What a component doesn't import costs it nothing.
pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    let code = |mut store: StoreContextMut<'_, Sandbox>, (stream,): (Resource<IoError>,)| {
        let found = store.data_mut().ctx().table.get(&stream)?;
        let code: Option<ErrorCode> = error::of_stream(found);
        Ok((code,))
    };
    linker.allow_shadowing(true);
    linker.instance(LINKED_TYPES)?.func_wrap("http-error-code", code)?;
    linker.allow_shadowing(false);
    Ok(())
}
