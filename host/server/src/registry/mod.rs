//! Actions that are deployed to a server that runs: built when they are uploaded, checked against
//! the policy when they are deployed, and live on all servers a moment later. What is kept of them
//! is the store's; here is what this server does with it.

pub(crate) mod build;
mod components;
mod counting;
pub(crate) mod deploy;
mod flow;
mod live;
mod metrics;
pub(crate) mod seal;
pub(crate) mod settings;
pub(crate) mod trial;
pub(crate) mod upload_rate;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use vestibule::action_cache::{ActionCache, ActionCacheSettings};
use vestibule::load::Loader;
use vestibule::model::TenantId;
use vestibule_sessions::{Keeping, Store};

use crate::app::App;
use crate::config::RegistrySettings;
use crate::error::ApiError;
use crate::sealing::SealingKeys;
use crate::tenant::Tenant;
use build::Builds;
use components::OfStore;
pub(crate) use flow::Part;
pub(crate) use live::{Live, prepare};
pub use live::{RefusedFlow, TooLong};
pub(crate) use metrics::RegistryMetrics;
pub(crate) use watch::watch;

/// Components that are hashed and written at one time. Those that still arrive don't count: no one
/// else waits for a slow peer.
const UPLOADS: usize = 8;
/// Components that are sent at one time: each may have as many bytes as the limit `component_bytes`
/// says, in memory. More, since one who reads slowly is no reason to send no one else any.
const DOWNLOADS: usize = 16;
/// How long an upload or a download waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this server has of deployed Actions.
#[derive(Debug)]
pub(crate) struct Deployments {
    action_cache: ActionCache,
    loader: Loader,
    keys: Arc<SealingKeys>,
    most_actions: u64,
    keeping: Keeping,
    live: Live,
    builds: Builds,
    uploads: Semaphore,
    downloads: Arc<Semaphore>,
}

impl Deployments {
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        loader: Loader,
        keys: Arc<SealingKeys>,
        settings: &RegistrySettings,
        compiles: usize,
    ) -> Self {
        let shelf_settings = ActionCacheSettings { bytes: settings.shelf, tenant_bytes: settings.tenant_shelf };
        let components = Arc::new(OfStore(Arc::clone(store)));
        Self {
            action_cache: ActionCache::new(loader.clone(), components, shelf_settings),
            loader,
            keys,
            most_actions: settings.each,
            keeping: settings.keeping,
            live: Live::default(),
            builds: Builds::new(compiles),
            uploads: Semaphore::new(UPLOADS),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
        }
    }

    /// Actions of one tenant at most.
    pub(crate) fn most_actions(&self) -> u64 {
        self.most_actions
    }

    /// What of its components one tenant keeps.
    pub(crate) fn keeping(&self) -> Keeping {
        self.keeping
    }

    pub(crate) fn action_cache(&self) -> &ActionCache {
        &self.action_cache
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// A turn to send a component: one of the tenant's own. The memory that it takes has the budget
    /// of bodies.
    ///
    /// # Errors
    /// When too many of the tenant's are sent at this time.
    pub(crate) async fn upload_turn(tenant: &Tenant) -> Result<SemaphorePermit<'_>, ApiError> {
        in_time(tenant.uploads.acquire()).await
    }

    /// A turn to have a component kept that has arrived.
    ///
    /// # Errors
    /// When too many have arrived at this time.
    pub(crate) async fn keep_turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        in_time(self.uploads.acquire()).await
    }

    /// A turn to be sent a component: until what this gives is dropped.
    ///
    /// # Errors
    /// When too many are sent one at this time.
    pub(crate) async fn download_turn(&self, tenant: &Tenant) -> Result<[OwnedSemaphorePermit; 2], ApiError> {
        let (of_tenant, of_all) = (Arc::clone(&tenant.downloads), Arc::clone(&self.downloads));
        in_time(async { Ok([of_tenant.acquire_owned().await?, of_all.acquire_owned().await?]) }).await
    }

    /// Something of a tenant's Actions has been changed: this server runs it when this has ended.
    ///
    /// # Errors
    /// When this server can't run it yet. It is written down, and tried again.
    pub(crate) async fn changed(&self, app: &App, tenant: &TenantId) -> Result<(), ApiError> {
        live::refresh(app, tenant).await.map_err(|error| {
            tracing::debug!(%tenant, %error, "a change is not live yet");
            let message = "it is written down, and this server does not run it yet; it is tried again by itself, and the server's log says why";
            ApiError::unavailable("not_live_yet", message, Duration::from_secs(1))
        })
    }
}

async fn in_time<T>(turn: impl Future<Output = Result<T, AcquireError>>) -> Result<T, ApiError> {
    let busy = || ApiError::unavailable("too_busy", "too many components are on their way at one time; try again", PATIENCE);
    // Neither semaphore is ever closed.
    tokio::time::timeout(PATIENCE, turn).await.map_err(|_| busy())?.map_err(|_| busy())
}
