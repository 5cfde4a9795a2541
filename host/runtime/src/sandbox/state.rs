//! What the host keeps for one run of one Action: the login, the limits that are left, the log, the
//! plumbing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vestibule_model::outcome::LimitBroken;
use vestibule_model::{Login, Values};
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::log::Log;
use super::profile::Recorder;
use super::wasi::WasiState;
use crate::context::RunContext;
use crate::http::Http;
use crate::limits::Limits;
use crate::scheduling::budget::Budget;
use crate::scheduling::cpu_time::{CpuTime, TICK, YieldNow, thread_time};

/// Ticks of each slice.
const SLICE: u64 = 1;

/// An Action's moment on its caller's thread: two slices, the first of which began in the middle of
/// a tick.
const MOMENT: Duration = Duration::from_millis(2);

/// Nanoseconds that a thread computes in a slice, unless others have had its processor for most of
/// it.
const MOSTLY: u64 = TICK.as_nanos() as u64 / 2;

/// The state of one run of one Action.
pub(crate) struct Sandbox {
    pub(crate) login: Box<Login>,
    pub(crate) secrets: Arc<Values>,
    pub(crate) configuration: Arc<Values>,
    pub(crate) log: Log,
    pub(crate) memory: Memory,
    /// What records a profile, where one was asked for.
    pub(crate) recorder: Option<Box<Recorder>>,
    /// What sends its requests, where it can ask for that.
    pub(crate) http: Option<Box<Http>>,
    calls_left: usize,
    limits: Arc<Limits>,
    budget: Budget,
    computed: Arc<CpuTime>,
    slices_ended: u32,
    /// The time of the caller's thread when it was last looked at.
    thread_time: Option<u64>,
    context: RunContext,
    action: usize,
    /// Made when the guest first asks for some of it: most Actions never do, and it costs a tenth
    /// of their run.
    plumbing: Option<Box<WasiState>>,
}

impl Sandbox {
    pub(crate) fn new(
        login: Box<Login>,
        (secrets, configuration): (Arc<Values>, Arc<Values>),
        limits: &Arc<Limits>,
        budget: Budget,
        computed: Arc<CpuTime>,
        context: RunContext,
        action: usize,
    ) -> Self {
        Self {
            login,
            secrets,
            configuration,
            log: Log::new(limits),
            memory: Memory { limit: limits.memory, table_elements: limits.table_elements, now: 0, peak: 0 },
            recorder: None,
            http: None,
            calls_left: limits.calls,
            limits: Arc::clone(limits),
            budget,
            computed,
            slices_ended: 0,
            thread_time: None,
            context,
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

    /// What sends its requests, beside what holds its resources.
    pub(crate) fn http_and_table(&mut self) -> (&mut Http, &mut ResourceTable) {
        let Self { http, plumbing, log, context, action, limits, .. } = self;
        let plumbing = plumbing.get_or_insert_with(|| Box::new(WasiState::new(log, context, *action, limits)));
        let http = http.get_or_insert_with(|| Box::new(Http::of_types_alone(Arc::clone(limits))));
        (http, &mut plumbing.table)
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether it has computed for longer than a moment.
    pub(crate) fn has_overrun(&self) -> bool {
        self.slices_ended > 0
    }

    /// The ticks of its first slice. Where a profile is recorded, each point is one.
    pub(crate) fn first_slice(&self) -> u64 {
        if self.recorder.is_some() { 0 } else { SLICE }
    }

    /// What happens when the epoch's deadline is reached: a slice has ended or, where a profile is
    /// recorded, a point is reached.
    pub(crate) fn deadline(mut store: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let Some(mut recorder) = store.data_mut().recorder.take() else { return store.data_mut().slice_ended() };
        let recorded = recorder.point(&mut store);
        store.data_mut().recorder = Some(recorder);
        recorded.map(|()| UpdateDeadline::Continue(0))
    }

    /// What happens when a slice has ended: others may run, and then this Action again, until its
    /// time is used up.
    fn slice_ended(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let Budget { cpu: (cpu, cpu_broken), wall: (wall, wall_broken) } = self.budget;
        if !self.computed.is_counted() && !self.has_used_its_moment() && Instant::now() < wall {
            return Ok(UpdateDeadline::Continue(SLICE));
        }
        self.slices_ended += 1;
        // Of a moment that has just ended, the time is not written down yet.
        let used = self.computed.time().max(MOMENT);
        if used >= cpu {
            return Err(cpu_broken.into());
        }
        if Instant::now() >= wall {
            return Err(wall_broken.into());
        }
        Ok(UpdateDeadline::YieldCustom(SLICE, Box::pin(YieldNow::default())))
    }

    /// Whether the caller's thread has computed since the last look. Ticks pass for a
    /// descheduled thread, too; to move its run to the executor would gain nothing.
    fn has_used_its_moment(&mut self) -> bool {
        let now = thread_time();
        self.thread_time.replace(now).is_some_and(|before| now.saturating_sub(before) >= MOSTLY)
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let plumbing =
            self.plumbing.get_or_insert_with(|| Box::new(WasiState::new(&self.log, &self.context, self.action, &self.limits)));
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
    /// A refused growth ends the run with the limit's name: an allocator would end it all the same,
    /// and say nothing.
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
