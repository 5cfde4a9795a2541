//! One run of one Action, from its sandbox to its report: all that it needs is its own, so that it
//! can go on in another thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use vestibule_model::outcome::{ActionReport, ActionResult, Failure};
use vestibule_model::{ActionId, Login};
use wasmtime::Store;

use crate::action::Action;
use crate::context::RunContext;
use crate::error::LoadError;
use crate::flow::Binding;
use crate::http::Http;
use crate::limits::Limits;
use crate::loading::Host;
use crate::sandbox::Sandbox;
use crate::sandbox::failure::{self, End};
use crate::sandbox::profile::{Profile, Recorder};
use crate::scheduling::admission::Admitted;
use crate::scheduling::budget::Spent;
use crate::scheduling::cpu_time::CpuTime;

/// A loop counts its fuel in a register. While a profile is recorded, it has to write it down
/// at this interval.
const FUEL_READ: u64 = 1_000;

/// One run of one Action.
pub(crate) struct Job {
    pub(crate) host: Arc<Host>,
    pub(crate) login: Box<Login>,
    pub(crate) binding: Binding,
    /// The Action of the binding: its code is in memory for as long as it runs.
    pub(crate) action: Action,
    pub(crate) limits: Arc<Limits>,
    pub(crate) spent: Spent,
    pub(crate) computed: Arc<CpuTime>,
    pub(crate) context: RunContext,
    /// The Action's place in its flow.
    pub(crate) place: usize,
    pub(crate) profiled: bool,
    /// The permits of its login, released after its sandbox is dropped: the caller may have left
    /// long before.
    pub(crate) admitted: Option<Arc<Admitted>>,
}

/// What has become of it.
pub(crate) struct Done {
    pub(crate) login: Box<Login>,
    pub(crate) report: ActionReport,
    pub(crate) profile: Option<Profile>,
    /// Whether it has computed for longer than a moment.
    pub(crate) overran: bool,
}

impl Done {
    /// Of an Action whose code could not be loaded: it has not run.
    pub(crate) fn not_loaded(login: Box<Login>, action: ActionId, error: &LoadError) -> Self {
        let failure = Failure::NotLoaded { reason: error.to_author() };
        let report = ActionReport { result: ActionResult::Failed(failure), ..ActionReport::not_run(action) };
        Self { login, report, profile: None, overran: false }
    }
}

/// A function of the host has panicked.
struct HostPanicked;

impl Job {
    pub(crate) async fn run(self) -> Done {
        let started = Instant::now();
        // The place is taken out first, so that it is given back last.
        let Self { admitted: _admitted, host, login, binding, action, limits, spent, computed, context, place, profiled } = self;
        let settings = &host.settings;
        let budget = spent.budget(&limits);
        computed.will_end(budget.wall.0);
        let id = action.id().clone();
        let Binding { secrets, configuration, origins, .. } = binding;
        let may_run = !action.sends_requests() || origins.is_some();
        let mut sandbox = Sandbox::new(login, (secrets, configuration), &limits, budget, Arc::clone(&computed), context, place);
        if action.sends_requests() {
            let allowed = origins.unwrap_or_default();
            let tenant = sandbox.login.event().tenant.id.clone();
            let http = Http::new(Arc::clone(&host.client), tenant, allowed, Arc::clone(&limits));
            sandbox.http = Some(Box::new(http));
        }
        sandbox.recorder = profiled.then(|| Box::new(Recorder::new(&limits)));
        let mut store = Store::new(&host.engine, sandbox);
        let returned = match prepare(&mut store, settings.count_fuel, may_run, &limits) {
            Ok(()) => catching_panics(execute(&mut store, action)).await,
            Err(error) => Ok(Err(error)),
        };
        let fuel = settings.count_fuel.then(|| u64::MAX - store.get_fuel().unwrap_or(u64::MAX));
        // The sandbox is dropped here: whatever it held is gone before its report is made.
        let sandbox = store.into_data();
        let overran = sandbox.has_overrun();
        let Sandbox { login, log, memory, recorder, http, .. } = sandbox;
        let profile = recorder.map(|recorder| recorder.finish(id.clone(), u64::MAX - fuel.unwrap_or_default()));
        let (logs, logs_cut) = log.take();
        let End { failure, place, trace } = match returned {
            Ok(Ok(Ok(()))) => End::default(),
            Ok(Ok(Err(text))) => End::returned(&text),
            Ok(Err(error)) => failure::of(&error, &logs, &limits, settings.host_limits.stack),
            Err(HostPanicked) => {
                host.count_panic();
                End { failure: Some(Failure::HostPanicked), ..End::default() }
            }
        };
        let report = ActionReport {
            action: id,
            result: login.conclude(failure.map_or(Ok(()), Err)),
            place,
            trace,
            duration: started.elapsed(),
            // What has stayed within its moment was not measured any closer than this.
            cpu_time: if computed.time().is_zero() { started.elapsed() } else { computed.time() },
            fuel,
            peak_memory_bytes: memory.peak,
            requests: http.map(|http| http.take_reports()).unwrap_or_default(),
            logs,
            logs_cut,
        };
        Done { login, report, profile, overran }
    }
}

fn prepare(store: &mut Store<Sandbox>, count_fuel: bool, may_run: bool, limits: &Limits) -> wasmtime::Result<()> {
    if count_fuel {
        store.set_fuel(u64::MAX)?;
    }
    if store.data().recorder.is_some() {
        store.fuel_async_yield_interval(Some(FUEL_READ))?;
    }
    store.limiter(|sandbox| &mut sandbox.memory);
    store.set_hostcall_fuel(limits.call_bytes);
    store.set_max_component_handles(limits.resources);
    store.set_epoch_deadline(store.data().first_slice());
    store.epoch_deadline_callback(Sandbox::deadline);
    if !may_run {
        return Err(Failure::RequestsNotAllowed.into());
    }
    Ok(())
}

/// Makes the instance and calls it. What it gives is the Action's own result.
async fn execute(store: &mut Store<Sandbox>, action: Action) -> wasmtime::Result<Result<(), String>> {
    let (until, broken) = store.data().budget().wall;
    if Instant::now() >= until {
        return Err(broken.into());
    }
    let run = async {
        let instance = action.pre().instantiate_async(&mut *store).await?;
        instance.call_on_execute_post_login(&mut *store).await
    };
    let mut run = std::pin::pin!(run);
    // Most Actions return without waiting for anything: only one that waits needs a timer.
    let at_once = std::future::poll_fn(|context| Poll::Ready(run.as_mut().poll(context)));
    if let Poll::Ready(returned) = at_once.await {
        return returned;
    }
    let mut time_is_up = std::pin::pin!(tokio::time::sleep_until(until.into()));
    std::future::poll_fn(|context| match time_is_up.as_mut().poll(context) {
        // Asked first: an Action whose time is up computes no further.
        Poll::Ready(()) => Poll::Ready(Err(broken.into())),
        Poll::Pending => run.as_mut().poll(context),
    })
    .await
}

/// The run's edge: a panic in one of the host's functions ends here, and costs this login alone.
async fn catching_panics<T>(run: impl Future<Output = T>) -> Result<T, HostPanicked> {
    let mut run = std::pin::pin!(run);
    // After a panic nothing is done with what the run has held but to drop it, and to read the
    // login, whose rules panic nowhere.
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(HostPanicked)),
    })
    .await
}
