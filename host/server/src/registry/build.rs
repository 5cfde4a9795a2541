//! Building what was uploaded: in a task of the server, in the compiler's own process, one
//! component of a tenant at one time.
//!
//! Small components have a lane of their own, in which none may compile for long: they never wait
//! for large ones. A tenant whose component took too long or broke the compiler loses that lane for
//! a while, and rests before its next build in the other one.
//!
//! A build that a crash has broken off is found by its lease, and built by whichever server comes
//! first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, watch};
use vestibule::LoadError;
use vestibule::capability::Capabilities;
use vestibule::compile::CompileLane;
use vestibule::load::Built;
use vestibule::model::{ComponentDigest, TenantId};
use vestibule_sessions::{ActionName, ActionUid, BuildError, BuildStatus, ComponentInfo, Draft, StoreError, StoredAction};

use crate::app::App;
use crate::error::ApiError;
use crate::registry::counting::{self, Counting, NotCounted};
use crate::workers::Worker;

/// How long a build's lease is beside the time that compiling may take: for reading the component,
/// and for a machine that does much else.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is looked whether another server has ended a build.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked for builds that were broken off.
const SWEEP: Duration = Duration::from_secs(10);
/// So many of them at one time.
const SWEPT: usize = 100;

/// Bytes of what a component says of how it was made: it stands in each answer that shows the
/// Action. A member that doesn't fit is left out.
const BUILD_INFORMATION: usize = 8 << 10;
/// Characters of what is wrong with a component: some of it are its own names, as many as it likes.
const MESSAGE: usize = 4_000;

/// Until when a tenant's builds are put back.
#[derive(Clone, Copy, Debug)]
struct Rest {
    out_of_short: Instant,
    until: Instant,
}

type Key = (TenantId, ActionUid, ComponentDigest);

/// How long a tenant stays out of the short lane after a component that did not belong there.
const OUT_OF_SHORT: Duration = Duration::from_secs(300);
/// After a build that a compiler's limit has ended, the tenant's next one in the long lane is begun
/// when this many times as long has passed: so such builds take a quarter of it at most. And no
/// later than after this.
const RESTS: u32 = 3;
const LONGEST_REST: Duration = Duration::from_secs(120);
/// Tenants that are remembered as resting before those that have rested are forgotten.
const REMEMBERED: usize = 1_024;

/// Builds that run and wait on this server.
#[derive(Debug)]
pub(crate) struct Builds {
    /// A permit for a component of the short lane.
    short: Semaphore,
    /// A permit for each component of the long lane that is compiled at one time.
    long: Semaphore,
    counting: Counting,
    resting: Mutex<HashMap<TenantId, Rest>>,
    /// Whoever uploads much waits behind themselves.
    of_tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    running: Mutex<HashMap<Key, watch::Receiver<()>>>,
}

impl Builds {
    pub(super) fn new(compiles: usize) -> Self {
        Self {
            short: Semaphore::new(1),
            long: Semaphore::new(compiles.max(1)),
            counting: Counting::new(),
            resting: Mutex::default(),
            of_tenants: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// The lane of a tenant's component that is for this one by its counts.
    fn lane(&self, tenant: &TenantId, counted: CompileLane) -> CompileLane {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_out = resting.get(tenant).is_some_and(|rest| Instant::now() < rest.out_of_short);
        if is_out { CompileLane::Long } else { counted }
    }

    /// A permit for a component of this lane. For the long one, the tenant has rested.
    async fn permit(&self, tenant: &TenantId, lane: CompileLane) -> Result<SemaphorePermit<'_>, AcquireError> {
        match lane {
            CompileLane::Short => self.short.acquire().await,
            CompileLane::Long => {
                let until = self.resting.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).map(|rest| rest.until);
                if let Some(until) = until {
                    tokio::time::sleep_until(until.into()).await;
                }
                self.long.acquire().await
            }
        }
    }

    /// Remembers how a build has ended: one that a compiler's limit has ended has its tenant rest.
    fn ended(&self, tenant: &TenantId, lane: CompileLane, error: Option<&LoadError>, took: Duration) {
        use LoadError::{CompileMemory, CompileTime, CompiledTooLarge, Compiler, NotShort};
        let is_compilers = matches!(
            error,
            Some(CompileTime { .. } | CompileMemory { .. } | CompiledTooLarge { .. } | Compiler { .. } | NotShort { .. })
        );
        let now = Instant::now();
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_compilers {
            return;
        }
        if resting.len() >= REMEMBERED {
            resting.retain(|_, rest| now < rest.until.max(rest.out_of_short));
        }
        let rest = resting.entry(tenant.clone()).or_insert(Rest { out_of_short: now, until: now });
        match lane {
            CompileLane::Short => rest.out_of_short = now + OUT_OF_SHORT,
            CompileLane::Long => rest.until = now + (took * RESTS).min(LONGEST_REST),
        }
    }

    fn of_tenant(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

/// Looks at a component that has come, before anything of it is kept: its counts, and whether it
/// can be read to its end. Its digest, and its bytes.
///
/// # Errors
/// When it could never be built.
pub(crate) async fn check(app: &App, name: &ActionName, bytes: Bytes) -> Result<(ComponentDigest, Bytes), ApiError> {
    let (registry, name) = (app.registry(), name.as_str().to_owned());
    let loader = registry.loader.clone();
    let checking = move || loader.check(&name, &bytes).map(|_| (ComponentDigest::of(&bytes), bytes));
    let checked = registry.builds.counting.run(checking).await.map_err(|error| match error {
        NotCounted::Busy(_) => {
            let message = "too many components are being uploaded to this server; try again later";
            ApiError::unavailable("uploads_busy", message, counting::PATIENCE)
        }
        error @ (NotCounted::Panicked | NotCounted::NoThread(_)) => ApiError::internal(&error),
    })?;
    checked.map_err(|error| ApiError::bad_request(error.kind(), error.to_string().chars().take(MESSAGE).collect::<String>()))
}

/// Builds a draft, unless that is going on already, and waits for its end: the Action as it is
/// then. The build goes on where nobody waits for it any more.
pub(crate) async fn build(
    app: &App,
    tenant: &TenantId,
    action: &ActionUid,
    digest: &ComponentDigest,
) -> Result<Option<StoredAction>, StoreError> {
    let ended = async || {
        let mut ended = begin(app, (tenant.clone(), *action, *digest));
        // Nothing is ever sent: the sender goes when the build has ended.
        while ended.changed().await.is_ok() {}
        app.store().action(tenant, action).await
    };
    let found = ended().await?;
    // The same bytes may have come once more at the moment at which their build has ended: that one
    // has not seen them.
    let is_pending =
        found.as_ref().and_then(|action| draft(action, digest)).is_some_and(|draft| draft.status == BuildStatus::Pending);
    if is_pending { ended().await } else { Ok(found) }
}

fn begin(app: &App, key: Key) -> watch::Receiver<()> {
    let builds = &app.registry().builds;
    let mut running = builds.running.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = running.get(&key) {
        return running.clone();
    }
    let (sender, ended) = watch::channel(());
    running.insert(key.clone(), ended.clone());
    let build = Running { app: app.clone(), key, _sender: sender };
    tokio::spawn(async move {
        let (tenant, action, digest) = &build.key;
        // A panic is logged already, and the build is begun again when its lease is over.
        let ended = build.app.workers().job(Worker::Builds, until_ended(&build.app, tenant, action, digest)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%tenant, %action, %error, "a build has been broken off; it is begun again");
        }
    });
    ended
}

/// A build that runs here. However it ends, whoever waits is told.
struct Running {
    app: App,
    key: Key,
    /// Behind the rest, so that whoever is told finds it gone.
    _sender: watch::Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.registry().builds.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Builds a draft, or waits for another server that does.
async fn until_ended(app: &App, tenant: &TenantId, id: &ActionUid, digest: &ComponentDigest) -> Result<(), StoreError> {
    let mut counted = None;
    loop {
        let Some(action) = app.store().action(tenant, id).await? else { return Ok(()) };
        if !is_unbuilt(&action, digest) {
            return Ok(());
        }
        let Some(lane) = (match counted {
            Some(lane) => Some(lane),
            None => count(app, &action, tenant, digest).await?,
        }) else {
            return Ok(());
        };
        counted = Some(lane);
        if build_now(app, &action, tenant, (digest, lane)).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_unbuilt(action: &StoredAction, digest: &ComponentDigest) -> bool {
    draft(action, digest).is_some_and(|draft| matches!(draft.status, BuildStatus::Pending | BuildStatus::Building))
}

/// An Action's draft, where it is still this one.
fn draft<'a>(action: &'a StoredAction, digest: &ComponentDigest) -> Option<&'a Draft> {
    action.draft.as_ref().filter(|draft| draft.digest == *digest)
}

/// The lane of a draft by its counts; nothing where it is gone. Its bytes aren't kept while it
/// waits.
async fn count(
    app: &App,
    action: &StoredAction,
    tenant: &TenantId,
    digest: &ComponentDigest,
) -> Result<Option<CompileLane>, StoreError> {
    let Some(bytes) = app.store().component(tenant, digest).await? else {
        missing(app, action, tenant, digest).await?;
        return Ok(None);
    };
    let (loader, name) = (app.registry().loader.clone(), action.name.as_str().to_owned());
    match app.registry().builds.counting.run(move || loader.lane(&name, &bytes)).await {
        Ok(Ok(lane)) => Ok(Some(lane)),
        // What exceeds a limit is refused in its build, which is short then.
        Ok(Err(_)) => Ok(Some(CompileLane::Short)),
        // Its size is not known: it must not hold up the short lane.
        Err(error) => {
            tracing::warn!(%tenant, action = %action.name, %error, "a component was not counted; it is built in the long lane");
            Ok(Some(CompileLane::Long))
        }
    }
}

/// Ends the build of a draft whose bytes are missing. Without a result it would be begun again for
/// as long as the Action is there.
async fn missing(app: &App, action: &StoredAction, tenant: &TenantId, digest: &ComponentDigest) -> Result<(), StoreError> {
    tracing::error!(%tenant, action = %action.name, "the component of a build is missing in the store");
    let message = "the component's bytes are missing in the store; upload it again".to_owned();
    let result = Err(vec![BuildError { id: "component_missing".to_owned(), message }]);
    app.metrics().registry().build("failed", Duration::ZERO);
    app.store().end_build(tenant, &action.id, digest, result, app.clock().now()).await.map(drop)
}

/// Whether it was this server's to build.
async fn build_now(
    app: &App,
    action: &StoredAction,
    tenant: &TenantId,
    (digest, counted): (&ComponentDigest, CompileLane),
) -> Result<bool, StoreError> {
    let builds = &app.registry().builds;
    let of_tenant = builds.of_tenant(tenant);
    // No semaphore is ever closed.
    let _own_turn = of_tenant.acquire().await;
    let (loader, name) = (&app.registry().loader, action.name.as_str());
    let mut lane = builds.lane(tenant, counted);
    let mut permit = builds.permit(tenant, lane).await;
    let lease = app.runtime().settings().host_limits.compile_time + LEASE;
    let now = app.clock().now();
    let mut until = now.plus(lease);
    if !app.store().begin_build(tenant, &action.id, digest, now, until).await? {
        return Ok(false);
    }
    let mut started = Instant::now();
    let built = loop {
        let Some(bytes) = app.store().component(tenant, digest).await? else {
            missing(app, action, tenant, digest).await?;
            return Ok(true);
        };
        let (loader, name, of) = (loader.clone(), name.to_owned(), tenant.clone());
        let built = tokio::task::spawn_blocking(move || loader.build_in(lane, &of, &name, &bytes)).await;
        let error = built.as_ref().ok().and_then(|built| built.as_ref().err());
        builds.ended(tenant, lane, error, started.elapsed());
        if !matches!(error, Some(LoadError::NotShort { .. })) {
            break built;
        }
        drop(permit);
        lane = CompileLane::Long;
        permit = builds.permit(tenant, lane).await;
        // This server's lease, which it gives up for a new one: another server takes over where it
        // has ended while this one waited.
        let ended = until.max(app.clock().now());
        until = ended.plus(lease);
        if !app.store().begin_build(tenant, &action.id, digest, ended, until).await? {
            return Ok(false);
        }
        started = Instant::now();
    };
    drop(permit);
    let result = match built {
        Ok(Ok(built)) => {
            for fault in &built.faults {
                tracing::warn!(%tenant, action = %action.name, %fault, "the compilation cache had to be passed by");
            }
            Ok(info(built))
        }
        Ok(Err(error)) => {
            if is_of_host(&error) {
                tracing::warn!(%tenant, action = %action.name, %error, "a component could not be built, which may be this host's fault");
            }
            let message = error.to_string().chars().take(MESSAGE).collect();
            Err(vec![BuildError { id: error.kind().to_owned(), message }])
        }
        Err(_) => {
            // Not with the panic's message, which may quote the component.
            tracing::error!(%tenant, action = %action.name, "a build has panicked");
            Err(vec![BuildError {
                id: "internal_error".to_owned(),
                message: "the server has failed while it built this; its log says why".to_owned(),
            }])
        }
    };
    app.metrics().registry().build(if result.is_ok() { "built" } else { "failed" }, started.elapsed());
    app.store().end_build(tenant, &action.id, digest, result, app.clock().now()).await?;
    Ok(true)
}

/// Whether an error may be this host's fault, and not the component's.
pub(super) fn is_of_host(error: &LoadError) -> bool {
    use LoadError::{Compiler, Interrupted, NoRoom, NotFetched, StillLoading};
    matches!(error, Compiler { .. } | Interrupted { .. } | NoRoom { .. } | NotFetched { .. } | StillLoading { .. })
}

/// What is kept of a component: what is read from itself.
fn info(built: Built) -> ComponentInfo {
    let Built { contract, capabilities, name, version, mut build, .. } = built;
    let mut left = BUILD_INFORMATION;
    build.retain(|name, value| {
        let bytes = name.len() + value.to_string().len();
        let fits = bytes <= left;
        left -= if fits { bytes } else { 0 };
        fits
    });
    let Capabilities { capabilities, plumbing } = capabilities;
    let capabilities = capabilities.iter().map(ToString::to_string).collect();
    ComponentInfo { contract, capabilities, plumbing, name, version, build }
}

/// Builds what a crash has left, until it is dropped.
pub(crate) async fn sweep(app: App) {
    let pulse = app.workers().begin(Worker::Builds);
    let mut interval = tokio::time::interval(SWEEP);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match pulse.pass(app.store().unbuilt(app.clock().now(), SWEPT)).await {
            Ok(left) => {
                for key in left {
                    drop(begin(&app, key));
                }
            }
            Err(error) => tracing::warn!(%error, "builds that were broken off can't be looked for; it is tried again"),
        }
    }
}
