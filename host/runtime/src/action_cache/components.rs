//! Where deployed Actions come from.

use async_trait::async_trait;
use bytes::Bytes;
use vestibule_model::{ActionId, ComponentDigest, TenantId};

use crate::error::LoadError;
use crate::loading::CacheFault;

/// Where the components of deployed Actions are stored, for those whose compiled code isn't cached,
/// and where faults are reported.
#[async_trait]
pub trait Components: Send + Sync {
    /// The bytes of a tenant's component; none where there is no such component.
    ///
    /// # Errors
    /// When they can't be had now: why, in words for the operator.
    async fn fetch(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, String>;

    /// An Action could not be loaded, for however many logins waited for it: for the operator's
    /// log.
    fn not_loaded(&self, tenant: &TenantId, action: &ActionId, error: &LoadError) {
        let _ = (tenant, action, error);
    }

    /// Something was wrong with the compilation cache. The Action is right all the same: for the
    /// operator's log.
    fn cache_fault(&self, tenant: &TenantId, action: &ActionId, fault: &CacheFault) {
        let _ = (tenant, action, fault);
    }
}
