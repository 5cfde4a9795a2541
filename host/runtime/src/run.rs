//! A flow, from its first Action to its outcome.

use std::sync::Arc;
use std::time::Instant;

use vestibule_model::outcome::{ActionReport, ActionResult, LimitBroken, Outcome};
use vestibule_model::{Event, Login};
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};

use crate::action::Action;
use crate::cache::{Cache, MemoryCache};
use crate::context::Context;
use crate::error::{LoadError, RunError, RuntimeError};
use crate::failure::{self, End};
use crate::flow::{Binding, Flow, OnFailure};
use crate::profile::{Profile, Recorder};
use crate::sandbox::Sandbox;
use crate::settings::{Limits, Settings};
use crate::{capabilities, engine, plumbing};

/// Compiles Actions and runs flows of them. Cloning it is cheap; clones share one pool of sandboxes.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Sandbox>,
    settings: Settings,
    limits: Arc<Limits>,
    cache: Arc<dyn Cache>,
}

/// A loop counts its fuel in a register. While a profile is recorded, it has to write it down whenever it has used so much.
const FUEL_READ: u64 = 1_000;

impl Runtime {
    /// A runtime with a pool of sandboxes, and a thread that keeps deadlines for as long as the runtime or one of its Actions lives.
    ///
    /// # Errors
    /// When this machine can't reserve what the settings ask for.
    pub fn new(settings: Settings) -> Result<Self, RuntimeError> {
        Self::with_cache(settings, Arc::new(MemoryCache::default()))
    }

    /// The same, with a cache of the platform's own: one that several hosts share, for instance.
    ///
    /// # Errors
    /// When this machine can't reserve what the settings ask for.
    pub fn with_cache(settings: Settings, cache: Arc<dyn Cache>) -> Result<Self, RuntimeError> {
        let engine = engine::engine(&settings)?;
        let mut linker = Linker::new(&engine);
        let linked = plumbing::add_to_linker(&mut linker).and_then(|()| capabilities::add_to_linker(&mut linker));
        linked.map_err(|error| RuntimeError::Engine { reason: format!("{error:#}") })?;
        let limits = Arc::new(settings.limits.clone());
        Ok(Self(Arc::new(Inner { engine, linker, settings, limits, cache })))
    }

    /// Compiles a component, and checks that it is a post-login Action that wants nothing but what is offered.
    ///
    /// Its name and version are those that `vestibule build` has written into it; `fallback_name` and 0.0.0 where there are none.
    ///
    /// This takes milliseconds to seconds of computing: do it when an Action is deployed, away from logins.
    ///
    /// # Errors
    /// When it is no such component: which rule it breaks, and what to do.
    pub fn load(&self, fallback_name: &str, component: &[u8]) -> Result<Action, LoadError> {
        let Inner { engine, linker, settings, .. } = &*self.0;
        Action::load(engine, linker, fallback_name, component, settings.component_bytes)
    }

    /// Runs a flow over a login, each Action alone in a fresh sandbox.
    ///
    /// What goes wrong in an Action is in the outcome, not an error. The future may be dropped at any time: its sandbox ends, and
    /// nothing of the login is left. It has to be polled on a tokio runtime with its timer enabled.
    ///
    /// # Errors
    /// When the event is not of the flow's tenant.
    pub async fn run(&self, flow: &Flow, event: Arc<Event>, context: &Context) -> Result<Outcome, RunError> {
        self.run_flow(flow, event, context, None).await
    }

    /// Runs a flow over a login as [`run`](Self::run) does, and records where its Actions spend their fuel. It takes longer: up to
    /// twenty times an Action's `cpu_time`.
    ///
    /// # Errors
    /// When the event is not of the flow's tenant, or this runtime doesn't count fuel.
    pub async fn profile(&self, flow: &Flow, event: Arc<Event>, context: &Context) -> Result<(Outcome, Vec<Profile>), RunError> {
        if !self.0.settings.count_fuel {
            return Err(RunError::FuelNotCounted);
        }
        let mut profiles = Vec::new();
        let outcome = self.run_flow(flow, event, context, Some(&mut profiles)).await?;
        Ok((outcome, profiles))
    }

    async fn run_flow(
        &self,
        flow: &Flow,
        event: Arc<Event>,
        context: &Context,
        mut profiles: Option<&mut Vec<Profile>>,
    ) -> Result<Outcome, RunError> {
        if event.tenant.id != flow.tenant {
            return Err(RunError::OtherTenant { flow: flow.tenant.clone(), event: event.tenant.id.clone() });
        }
        // On the heap, so that handing it to a sandbox and back moves a pointer.
        let mut login = Box::new(Login::new(event, context.now, flow.lifetimes));
        let cache = flow.bindings.iter().any(|binding| binding.action.caches()).then_some(&self.0.cache);
        if let Some(cache) = cache {
            *login = login.with_cache(cache.load(&flow.tenant, context.now).await);
        }
        let mut reports = Vec::with_capacity(flow.bindings.len());
        let mut failed = None;
        for (place, binding) in flow.bindings.iter().enumerate() {
            if failed.is_some() || login.is_stopped() {
                reports.push(ActionReport::not_run(binding.action.id().clone()));
                continue;
            }
            let before = login.begin(place);
            let report;
            (login, report) = self.run_sandboxed(login, binding, context, place, profiles.as_deref_mut()).await;
            if let ActionResult::Failed(failure) = &report.result {
                login.roll_back(before);
                if binding.on_failure == OnFailure::FailLogin {
                    failed = Some((report.action.clone(), failure.clone()));
                }
            }
            reports.push(report);
        }
        let outcome = Outcome::new(&login, reports, failed);
        if let Some(cache) = cache.filter(|_| !outcome.cache.changes.is_empty()) {
            cache.store(&flow.tenant, &outcome.cache, context.now).await;
        }
        Ok(outcome)
    }

    /// One rung of the ladder that `benches/ladder.rs` measures: one Action over a login, without what is around it in a flow.
    #[doc(hidden)]
    pub async fn run_action(
        &self,
        login: Box<Login>,
        binding: &Binding,
        context: &Context,
        place: usize,
    ) -> (Box<Login>, ActionReport) {
        self.run_sandboxed(login, binding, context, place, None).await
    }

    async fn run_sandboxed(
        &self,
        login: Box<Login>,
        binding: &Binding,
        context: &Context,
        place: usize,
        profiles: Option<&mut Vec<Profile>>,
    ) -> (Box<Login>, ActionReport) {
        let started = Instant::now();
        let Inner { engine, settings, limits, .. } = &*self.0;
        let mut sandbox = Sandbox::new(login, binding.clone(), limits, context, place);
        sandbox.recorder = profiles.is_some().then(|| Box::new(Recorder::new(limits)));
        let mut store = Store::new(engine, sandbox);
        let returned = match self.prepare(&mut store) {
            Ok(()) => self.execute(&mut store, &binding.action).await,
            Err(error) => Err(error),
        };
        let fuel = settings.count_fuel.then(|| u64::MAX - store.get_fuel().unwrap_or(u64::MAX));
        // The sandbox is dropped here: whatever it held is gone before its report is made.
        let Sandbox { login, log, memory, recorder, .. } = store.into_data();
        if let (Some(profiles), Some(recorder)) = (profiles, recorder) {
            profiles.push(recorder.finish(binding.action.id().clone(), u64::MAX - fuel.unwrap_or_default()));
        }
        let (logs, logs_cut) = log.take();
        let End { failure, place, trace } = match returned {
            Ok(Ok(())) => End::default(),
            Ok(Err(text)) => End::returned(&text),
            Err(error) => failure::of(&error, &logs, &settings.limits),
        };
        let report = ActionReport {
            action: binding.action.id().clone(),
            result: login.conclude(failure.map_or(Ok(()), Err)),
            place,
            trace,
            duration: started.elapsed(),
            fuel,
            peak_memory_bytes: memory.peak,
            logs,
            logs_cut,
        };
        (login, report)
    }

    fn prepare(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<()> {
        let settings = &self.0.settings;
        if settings.count_fuel {
            store.set_fuel(u64::MAX)?;
        }
        if store.data().recorder.is_some() {
            store.fuel_async_yield_interval(Some(FUEL_READ))?;
        }
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_hostcall_fuel(settings.limits.call_bytes);
        let slice = if store.data().recorder.is_some() { 0 } else { store.data_mut().next_slice().unwrap_or_default() };
        store.set_epoch_deadline(slice);
        store.epoch_deadline_callback(Sandbox::deadline);
        Ok(())
    }

    /// Makes the instance and calls it. What it gives is the Action's own result.
    async fn execute(&self, store: &mut Store<Sandbox>, action: &Action) -> wasmtime::Result<Result<(), String>> {
        let allowed = self.0.settings.limits.wall_time;
        let run = async {
            let instance = action.pre().instantiate_async(&mut *store).await?;
            instance.call_on_execute_post_login(&mut *store).await
        };
        let mut run = std::pin::pin!(run);
        // Most Actions return without waiting for anything: only one that waits needs a timer.
        let at_once = std::future::poll_fn(|context| std::task::Poll::Ready(run.as_mut().poll(context)));
        if let std::task::Poll::Ready(returned) = at_once.await {
            return returned;
        }
        tokio::time::timeout(allowed, run).await.unwrap_or_else(|_| Err(LimitBroken::WallTime { allowed }.into()))
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
