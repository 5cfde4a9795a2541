//! What the host keeps for one run of one Action: the login, the limits that are left, the log, the plumbing.

use std::sync::Arc;

use vestibule_model::Login;
use vestibule_model::outcome::LimitBroken;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::context::Context;
use crate::engine::TICK;
use crate::flow::Binding;
use crate::log::Log;
use crate::plumbing::Plumbing;
use crate::profile::Recorder;
use crate::settings::Limits;

/// Ticks that an Action computes before others may run on its thread.
const SLICE: u64 = 10;

/// The state of one run of one Action.
pub(crate) struct Sandbox {
    pub(crate) login: Box<Login>,
    pub(crate) binding: Binding,
    pub(crate) log: Log,
    pub(crate) memory: Memory,
    /// What records a profile, where one was asked for.
    pub(crate) recorder: Option<Box<Recorder>>,
    calls_left: u32,
    ticks_left: u64,
    limits: Arc<Limits>,
    context: Context,
    action: usize,
    /// Made when the guest first asks for some of it: most Actions never do, and it costs a tenth of their run.
    plumbing: Option<Box<Plumbing>>,
}

impl Sandbox {
    pub(crate) fn new(login: Box<Login>, binding: Binding, limits: &Arc<Limits>, context: &Context, action: usize) -> Self {
        Self {
            login,
            binding,
            log: Log::new(limits),
            memory: Memory { limit: limits.memory, table_elements: limits.table_elements, now: 0, peak: 0 },
            recorder: None,
            calls_left: limits.calls,
            ticks_left: u64::try_from(limits.cpu_time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1),
            limits: Arc::clone(limits),
            context: context.clone(),
            action,
            plumbing: None,
        }
    }

    /// The login, for one call of the contract; every host function begins with it.
    ///
    /// # Errors
    /// When the run has no call left.
    pub(crate) fn call(&mut self) -> wasmtime::Result<&mut Login> {
        match self.calls_left.checked_sub(1) {
            Some(left) => self.calls_left = left,
            None => return Err(LimitBroken::Calls { allowed: self.limits.calls }.into()),
        }
        Ok(&mut self.login)
    }

    /// The next slice of computing time, in ticks; none when all of it is used.
    pub(crate) fn next_slice(&mut self) -> Option<u64> {
        let slice = self.ticks_left.min(SLICE);
        self.ticks_left -= slice;
        (slice > 0).then_some(slice)
    }

    /// What happens when the epoch's deadline is reached: a slice has ended or, where a profile is recorded, a point is reached.
    pub(crate) fn deadline(mut store: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let Some(mut recorder) = store.data_mut().recorder.take() else { return store.data_mut().slice_ended() };
        let recorded = recorder.point(&mut store);
        store.data_mut().recorder = Some(recorder);
        recorded.map(|()| UpdateDeadline::Continue(0))
    }

    /// What happens when a slice has ended: others may run, and then this Action again.
    fn slice_ended(&mut self) -> wasmtime::Result<UpdateDeadline> {
        match self.next_slice() {
            Some(slice) => Ok(UpdateDeadline::YieldCustom(slice, Box::pin(tokio::task::yield_now()))),
            None => Err(LimitBroken::CpuTime { allowed: self.limits.cpu_time }.into()),
        }
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let plumbing = self.plumbing.get_or_insert_with(|| Box::new(Plumbing::new(&self.log, &self.context, self.action)));
        WasiCtxView { ctx: &mut plumbing.wasi, table: &mut plumbing.table }
    }
}

/// How much memory a run has, and may have.
pub(crate) struct Memory {
    limit: usize,
    table_elements: usize,
    now: usize,
    pub(crate) peak: usize,
}

impl ResourceLimiter for Memory {
    /// A refused growth ends the run with the limit's name: an allocator would end it all the same, and say nothing.
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let given = self.now + desired.saturating_sub(current);
        if given > self.limit {
            return Err(LimitBroken::Memory { given, allowed: self.limit }.into());
        }
        self.now = given;
        self.peak = self.peak.max(given);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            return Err(LimitBroken::TableElements { given: desired, allowed: self.table_elements }.into());
        }
        Ok(true)
    }
}
