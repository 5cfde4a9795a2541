//! Where the `ActionCache` has components from that the compilation cache hasn't: the store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use vestibule::LoadError;
use vestibule::action_cache::Components;
use vestibule::load::CacheFault;
use vestibule::model::{ActionId, ComponentDigest, TenantId};
use vestibule_sessions::Store;

/// A store's components.
#[derive(Debug)]
pub(super) struct OfStore(pub(super) Arc<dyn Store>);

#[async_trait]
impl Components for OfStore {
    async fn fetch(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, String> {
        self.0.component(tenant, digest).await.map_err(|error| error.to_string())
    }

    fn not_loaded(&self, tenant: &TenantId, action: &ActionId, error: &LoadError) {
        tracing::error!(%tenant, %action, %error, "a deployed Action can't be loaded; its logins fail, or go on without it where it says so");
    }

    fn cache_fault(&self, tenant: &TenantId, action: &ActionId, fault: &CacheFault) {
        tracing::warn!(%tenant, %action, %fault, "the compilation cache had to be passed by");
    }
}
