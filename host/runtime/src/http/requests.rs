//! The requests of one run.

use std::sync::Arc;

use vestibule_model::TenantId;
use vestibule_model::outcome::RequestReport;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use super::connect::Connector;
use super::origin::Origin;
use super::send::Sender;
use crate::limits::Limits;

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

    /// The reports of its requests.
    pub(crate) fn take_reports(&self) -> Vec<RequestReport> {
        self.sender.record.take()
    }

    /// What wasmtime's implementation of `wasi:http` works with.
    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.sender, table, ctx: &mut self.context }
    }
}
