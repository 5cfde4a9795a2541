//! A flow, from its first Action to its outcome.

use std::sync::Arc;
use std::task::Poll;

use vestibule_model::outcome::{ActionReport, ActionResult, Outcome};
use vestibule_model::{Event, Login};
use wasmtime::component::Component;

use super::job::{Done, Job};
use super::loads::Loads;
use crate::action::Action;
use crate::action::component::refused;
use crate::cache::{Cache, MemoryCache};
use crate::config::Config;
use crate::context::RunContext;
use crate::error::{LoadError, RunError, RuntimeError, of_wasmtime};
use crate::flow::{Binding, Flow, OnFailure};
use crate::limits::Limits;
use crate::loading::{Host, Loader};
use crate::sandbox::profile::Profile;
use crate::scheduling::admission::{Admission, Admitted};
use crate::scheduling::budget::Spent;
use crate::scheduling::cpu_time::TICK;
use crate::scheduling::executor::{self, StartOn};
use crate::scheduling::task::TaskMeta;

/// Compiles Actions and runs flows of them. Cloning it is cheap; clones share one pool of
/// sandboxes.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    limits: Arc<Limits>,
    cache: Arc<dyn Cache>,
    admission: Admission,
}

impl Runtime {
    /// A runtime with a pool of sandboxes, and a thread that keeps deadlines for as long as the
    /// runtime or one of its Actions lives.
    ///
    /// # Errors
    /// When this machine can't reserve what the settings ask for.
    pub fn new(settings: Config) -> Result<Self, RuntimeError> {
        Self::with_cache(settings, Arc::new(MemoryCache::default()))
    }

    /// The same, with a cache of the platform's own: one that several hosts share, for instance.
    ///
    /// # Errors
    /// When this machine can't reserve what the settings ask for.
    pub fn with_cache(settings: Config, cache: Arc<dyn Cache>) -> Result<Self, RuntimeError> {
        let limits = Arc::new(settings.limits.clone());
        let admission = Admission::new(&settings.tenant_limits, &settings.host_limits);
        let host = Arc::new(Host::new(settings)?);
        Ok(Self(Arc::new(Inner { host, limits, cache, admission })))
    }

    /// A loader for components of untrusted authors. It compiles in this process, as
    /// [`load`](Self::load) does, until it is given a [`compiler`](Loader::compiler).
    pub fn loader(&self) -> Loader {
        Loader::of_host(Arc::clone(&self.0.host))
    }

    /// How it was made.
    pub fn settings(&self) -> &Config {
        &self.0.host.settings
    }

    /// How often a function of the host has panicked while an Action ran. Each cost one login, and
    /// each is a fault of the host that its operator should report.
    pub fn host_panics(&self) -> u64 {
        self.0.host.panics()
    }

    /// Compiles a component, and checks that it is a post-login Action that wants nothing but what
    /// is offered.
    ///
    /// Its name and version are those that `vestibule build` has written into it; `fallback_name`
    /// and 0.0.0 where there are none.
    ///
    /// This takes milliseconds to seconds of computing: do it when an Action is deployed, away from
    /// logins. It compiles in this process, and nothing limits how much memory and time that takes:
    /// for components that you trust. A stranger's is for a [`Loader`](crate::load::Loader).
    ///
    /// # Errors
    /// When it is no such component: which rule it breaks, and what to do.
    pub fn load(&self, fallback_name: &str, component: &[u8]) -> Result<Action, LoadError> {
        self.0.host.load_with(fallback_name, component, |engine| {
            let refused = |error: wasmtime::Error| refused(fallback_name.to_owned(), of_wasmtime(&error));
            Component::from_binary(engine, component).map_err(refused)
        })
    }

    /// Runs a flow over a login, each Action alone in a fresh sandbox.
    ///
    /// What goes wrong in an Action is in the outcome, not an error. The future may be dropped at
    /// any time: its sandbox ends, and nothing of the login is left. Any executor can poll it. It
    /// holds its thread for a moment only: an Action that computes for longer goes on in threads of
    /// this runtime's own, which stand behind others.
    ///
    /// # Errors
    /// When the event is not of the flow's tenant, the flow has too many Actions, or too many
    /// logins of the tenant run and wait already.
    pub async fn run(&self, flow: &Flow, event: Arc<Event>, context: &RunContext) -> Result<Outcome, RunError> {
        self.run_flow(flow, event, context, None).await
    }

    /// Runs a flow over a login as [`run`](Self::run) does, and records where its Actions spend
    /// their fuel. It takes longer: up to twenty times an Action's `cpu_time`.
    ///
    /// # Errors
    /// When the event is not of the flow's tenant, or this runtime doesn't count fuel.
    pub async fn profile(
        &self,
        flow: &Flow,
        event: Arc<Event>,
        context: &RunContext,
    ) -> Result<(Outcome, Vec<Profile>), RunError> {
        if !self.0.host.settings.count_fuel {
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
        context: &RunContext,
        mut profiles: Option<&mut Vec<Profile>>,
    ) -> Result<Outcome, RunError> {
        if event.tenant.id != flow.tenant {
            return Err(RunError::OtherTenant { flow: flow.tenant.clone(), event: event.tenant.id.clone() });
        }
        let allowed = flow.flow_limits.as_ref().map(|limits| limits.within(&self.0.host.settings.flow_limits));
        let allowed = allowed.as_ref().unwrap_or(&self.0.host.settings.flow_limits);
        if flow.bindings.len() > allowed.actions {
            let (tenant, given) = (flow.tenant.clone(), flow.bindings.len());
            return Err(RunError::TooManyActions { tenant, given, allowed: allowed.actions });
        }
        let timers = self.0.host.handle().ok_or(RunError::ShuttingDown)?;
        let loads = Loads::of(&flow.bindings, allowed.flow_wall_time, timers);
        let (admitted, mut loads) = self.0.admission.admit(&flow.tenant, timers, loads).await?;
        let admitted = Arc::new(admitted);
        // On the heap, so that handing it to a sandbox and back moves a pointer.
        let mut login = Box::new(Login::new(event, context.now, flow.lifetimes));
        let cache = flow.bindings.iter().any(|binding| binding.action.caches()).then_some(&self.0.cache);
        if let Some(cache) = cache {
            *login = login.with_cache(cache.load(&flow.tenant, context.now).await);
        }
        let mut spent = Spent::new(allowed);
        let mut reports = Vec::with_capacity(flow.bindings.len());
        let mut failed = None;
        for (place, binding) in flow.bindings.iter().enumerate() {
            if failed.is_some() || login.is_stopped() {
                reports.push(ActionReport::not_run(binding.action.id().clone()));
                continue;
            }
            let loaded = match loads.take(place).or_else(|| binding.action.now().map(Ok)) {
                Some(loaded) => loaded,
                // It was evicted while those before it ran.
                None => spent.without(Loads::one(&binding.action, allowed.flow_wall_time, timers)).await,
            };
            let before = login.begin(binding.action.id());
            let done = match loaded {
                Ok(action) => {
                    let limits = flow.limits_of(binding, &self.0.limits);
                    let of_run = OfRun { action, limits, context, place, profiled: profiles.is_some() };
                    self.run_sandboxed(login, binding, of_run, &mut spent, &admitted).await?
                }
                Err(error) => Done::not_loaded(login, binding.action.id().clone(), &error),
            };
            login = done.login;
            if let (Some(profiles), Some(profile)) = (profiles.as_deref_mut(), done.profile) {
                profiles.push(profile);
            }
            if let ActionResult::Failed(failure) = &done.report.result {
                login.roll_back(before);
                if binding.on_failure == OnFailure::FailLogin {
                    failed = Some((done.report.action.clone(), failure.clone()));
                }
            }
            reports.push(done.report);
        }
        let outcome = Outcome::new(&login, reports, failed);
        if let Some(cache) = cache.filter(|_| !flow.is_rehearsal && !outcome.cache.changes.is_empty()) {
            cache.store(&flow.tenant, &outcome.cache, context.now).await;
        }
        Ok(outcome)
    }

    /// One rung of the ladder that `benches/ladder.rs` measures: one Action over a login, without
    /// what is around it in a flow.
    #[doc(hidden)]
    pub async fn run_action(
        &self,
        login: Box<Login>,
        binding: &Binding,
        context: &RunContext,
        place: usize,
    ) -> (Box<Login>, ActionReport) {
        let Some(action) = binding.action.now() else {
            let report = ActionReport::not_run(binding.action.id().clone());
            return (login, report);
        };
        let mut spent = Spent::new(&self.0.host.settings.flow_limits);
        let of_run = OfRun { action, limits: Arc::clone(&self.0.limits), context, place, profiled: false };
        let Done { login, report, .. } = self.job(login, binding, of_run, &mut spent, None).run().await;
        (login, report)
    }

    fn job(
        &self,
        login: Box<Login>,
        binding: &Binding,
        of_run: OfRun<'_>,
        spent: &mut Spent,
        admitted: Option<Arc<Admitted>>,
    ) -> Job {
        let OfRun { action, limits, context, place, profiled } = of_run;
        Job {
            host: Arc::clone(&self.0.host),
            login,
            binding: binding.clone(),
            action,
            spent: *spent,
            limits,
            computed: Arc::default(),
            context: context.clone(),
            place,
            profiled,
            admitted,
        }
    }

    /// Runs one Action: inline, and what takes longer on the background executor.
    async fn run_sandboxed(
        &self,
        login: Box<Login>,
        binding: &Binding,
        of_run: OfRun<'_>,
        spent: &mut Spent,
        admitted: &Arc<Admitted>,
    ) -> Result<Done, RunError> {
        let Inner { host, admission, .. } = &*self.0;
        let profiled = of_run.profiled;
        let tenant = &admitted.tenant;
        let job = self.job(login, binding, of_run, spent, Some(Arc::clone(admitted)));
        let action = &binding.action;
        let begin = match (profiled, action.starts_in_background()) {
            // A profile is an author's own matter, and looks at each step: it stays where it is.
            (true, _) => StartOn::Caller,
            (_, true) => StartOn::Background,
            _ => admission.begin(tenant),
        };
        let computed = Arc::clone(&job.computed);
        let mut job: executor::Job<Done> = Box::pin(job.run());
        let mut at_once = None;
        if begin != StartOn::Background {
            let (polled, taken) = host.executor.run_inline(&mut job, begin).await;
            // Recorded at once, and not when the run has ended: others of this tenant start
            // meanwhile.
            admission.record_inline(tenant, begin, taken);
            match polled {
                Poll::Ready(done) => at_once = Some(done),
                Poll::Pending => {
                    computed.add(taken);
                    action.record_run(taken >= TICK);
                }
            }
        }
        let done = match at_once {
            Some(done) => done,
            None => {
                let meta = TaskMeta::new(tenant.number, spent.wall_end(), computed);
                host.executor.run(job, meta).await.ok_or(RunError::ShuttingDown)?
            }
        };
        action.record_run(done.overran);
        spent.cpu += done.report.cpu_time;
        Ok(done)
    }
}

/// What a run takes beside its login and its binding.
struct OfRun<'a> {
    action: Action,
    limits: Arc<Limits>,
    context: &'a RunContext,
    place: usize,
    profiled: bool,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("settings", &self.0.host.settings).finish_non_exhaustive()
    }
}
