//! Sealing what a request has sent.

use std::sync::Arc;

use vestibule::model::{TenantId, Timestamp};
use vestibule_sessions::{ActionUid, SealedSecret, SecretName};
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::ApiError;
use crate::sealing::{Place, SealError, Sealing};

/// Secrets that are to be written down, for as long as no rotation may forget their key.
pub(crate) struct SealedSecrets {
    pub(crate) secrets: Vec<SealedSecret>,
    /// To be dropped when they are written down.
    pub(crate) sealing: Option<Sealing>,
}

/// Seals secrets of an Action.
pub(crate) async fn all(
    app: &App,
    tenant: &TenantId,
    action: &ActionUid,
    secrets: Vec<(SecretName, Zeroizing<String>)>,
    now: Timestamp,
) -> Result<SealedSecrets, ApiError> {
    if secrets.is_empty() {
        return Ok(SealedSecrets { secrets: Vec::new(), sealing: None });
    }
    let keys = Arc::clone(&app.registry().keys);
    let begun = tokio::task::spawn_blocking(move || keys.begin()).await.map_err(|error| ApiError::internal(&error))?;
    let sealing = begun.map_err(|error| failed(&error))?;
    let action = action.to_string();
    let sealed = secrets.into_iter().map(|(name, value)| {
        let place = Place { tenant: tenant.as_str(), action: &action, name: name.as_str() };
        let sealed = sealing.seal(place, &value)?;
        Ok(SealedSecret { key: sealed.key, sealed: sealed.bytes, updated_at: now, name })
    });
    let secrets = sealed.collect::<Result<_, SealError>>().map_err(|error| failed(&error))?;
    Ok(SealedSecrets { secrets, sealing: Some(sealing) })
}

fn failed(error: &SealError) -> ApiError {
    ApiError::internal(&format_args!("secrets can't be sealed: {error}"))
}
