//! What every request has at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use vestibule::model::TenantId;
use vestibule::{Connector, Runtime};
use vestibule_sessions::Store;

use crate::config::HostName;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::tenant::{Tenant, Tenants};
use crate::traces::Traces;

/// Secrets that are checked at one time: each takes 19 MiB and tens of milliseconds of a processor.
const HASHING: usize = 2;
/// How long a client waits for its turn.
const HASHING_PATIENCE: Duration = Duration::from_secs(5);

/// What every request has at hand. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenants: ArcSwap<Tenants>,
    runtime: Runtime,
    store: Arc<dyn Store>,
    metrics: Metrics,
    traces: Traces,
    /// Says which logout URLs are possible.
    connector: Arc<Connector>,
    /// That a session has ended, and applications are to be told.
    ended: Arc<Notify>,
    hashing: Semaphore,
    hash_of_nobody: String,
    is_encrypted: bool,
    trusts_forwarded_host: bool,
    is_ending: AtomicBool,
}

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) tenants: Tenants,
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) traces: Traces,
    pub(crate) connector: Arc<Connector>,
    pub(crate) reached: Reached,
}

/// How the server is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) is_encrypted: bool,
    pub(crate) trusts_forwarded_host: bool,
}

impl App {
    pub(crate) fn new(made: Made) -> Self {
        let Made { tenants, runtime, store, traces, connector, reached } = made;
        let hash_of_nobody = Argon2::default().hash_password(crate::request::random_id().as_bytes());
        Self(Arc::new(Inner {
            tenants: ArcSwap::from_pointee(tenants),
            runtime,
            store,
            metrics: Metrics::new(),
            traces,
            connector,
            ended: Arc::default(),
            hashing: Semaphore::new(HASHING),
            hash_of_nobody: hash_of_nobody.map(|hash| hash.to_string()).unwrap_or_default(),
            is_encrypted: reached.is_encrypted,
            trusts_forwarded_host: reached.trusts_forwarded_host,
            is_ending: AtomicBool::new(false),
        }))
    }

    pub(crate) fn tenant(&self, host: &HostName) -> Option<Arc<Tenant>> {
        self.0.tenants.load().by_host(host)
    }

    pub(crate) fn tenant_of(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.0.tenants.load().by_id(id)
    }

    /// All tenants that are served.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.0.tenants.load().all().cloned().collect()
    }

    /// Serves these tenants from now on. Requests that have begun go on with those that they began with.
    pub(crate) fn serve(&self, tenants: Tenants) {
        self.0.tenants.store(Arc::new(tenants));
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn connector(&self) -> &Arc<Connector> {
        &self.0.connector
    }

    /// Woken when a session has ended.
    pub(crate) fn ended(&self) -> &Arc<Notify> {
        &self.0.ended
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// A turn to check a secret.
    ///
    /// # Errors
    /// When too many wait for one.
    pub(crate) async fn hashing(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let turn = tokio::time::timeout(HASHING_PATIENCE, self.0.hashing.acquire()).await;
        let busy =
            || ApiError::unavailable("too_busy", "too many clients ask for tokens at one time; try again", HASHING_PATIENCE);
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// A hash that no secret has.
    pub(crate) fn hash_of_nobody(&self) -> &str {
        &self.0.hash_of_nobody
    }

    /// How the server's own URLs begin.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.is_encrypted || self.0.trusts_forwarded_host { "https" } else { "http" }
    }

    pub(crate) fn trusts_forwarded_host(&self) -> bool {
        self.0.trusts_forwarded_host
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }
}
