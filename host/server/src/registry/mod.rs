//! Actions that are deployed to a server that runs: built when they are uploaded, checked against the policy when they are deployed, and live on all
//! servers a moment later. What is kept of them is the store's; here is what this server does with it.

pub(crate) mod build;
mod components;
pub(crate) mod deploy;
mod flow;
mod live;
mod metrics;
pub(crate) mod seal;
pub(crate) mod settings;
pub(crate) mod trial;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use vestibule::model::TenantId;
use vestibule::{Loader, Shelf, ShelfSettings};
use vestibule_sessions::Store;

use crate::app::App;
use crate::config::RegistrySettings;
use crate::error::ApiError;
use crate::sealing::SealingKeys;
use crate::tenant::Tenant;
use build::Builds;
use components::OfStore;
pub(crate) use flow::Part;
pub(crate) use live::{Live, prepare};
pub(crate) use metrics::RegistryMetrics;
pub(crate) use watch::watch;

/// Components that arrive at one time: each may have as many bytes as the limit `component_bytes` says, in memory.
const UPLOADS: usize = 8;
/// How long an upload waits for its turn.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(10);

/// What this server has of deployed Actions.
#[derive(Debug)]
pub(crate) struct Deployments {
    shelf: Shelf,
    loader: Loader,
    keys: Arc<SealingKeys>,
    most_actions: u64,
    live: Live,
    builds: Builds,
    uploads: Semaphore,
}

impl Deployments {
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        loader: Loader,
        keys: Arc<SealingKeys>,
        settings: &RegistrySettings,
        compiles: usize,
    ) -> Self {
        let shelf_settings = ShelfSettings { bytes: settings.shelf, tenant_bytes: settings.tenant_shelf };
        let components = Arc::new(OfStore(Arc::clone(store)));
        Self {
            shelf: Shelf::new(loader.clone(), components, shelf_settings),
            loader,
            keys,
            most_actions: settings.each,
            live: Live::default(),
            builds: Builds::new(compiles),
            uploads: Semaphore::new(UPLOADS),
        }
    }

    /// Actions of one tenant at most.
    pub(crate) fn most_actions(&self) -> u64 {
        self.most_actions
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// A turn to send a component.
    ///
    /// # Errors
    /// When too many send one at this time.
    pub(crate) async fn upload_turn<'a>(&'a self, tenant: &'a Tenant) -> Result<[SemaphorePermit<'a>; 2], ApiError> {
        let turns = async { Ok([tenant.uploads.acquire().await?, self.uploads.acquire().await?]) };
        let turn: Result<Result<_, AcquireError>, _> = tokio::time::timeout(UPLOAD_PATIENCE, turns).await;
        let busy =
            || ApiError::unavailable("too_busy", "too many components are uploaded at one time; try again", UPLOAD_PATIENCE);
        turn.map_err(|_| busy())?.map_err(|_| busy())
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
