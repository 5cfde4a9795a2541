//! Another key for all secrets.

use std::sync::Arc;

use thiserror::Error;
use vestibule_sessions::{SealedSecret, Store, StoreError};

use super::ring::{Key, Ring};
use super::{Place, SealError, SealingKeys};
use crate::config::Reference;

/// Rows at one time.
const AT_ONE_TIME: usize = 100;

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The id of the key that seals now.
    pub key: String,
    /// Secrets that were sealed anew.
    pub secrets: u64,
    /// Whether the keys are in a variable of the environment, where the old ones still are.
    pub is_in_environment: bool,
}

/// Why a rotation has not come to its end. Nothing is lost: run again, it goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateError {
    /// A key or a secret can't be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store has failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row can't be sealed anew.
    #[error("tenant {tenant}, Action {action}: {error}; the old keys stay")]
    Secret {
        /// Whose.
        tenant: String,
        /// The Action's id.
        action: String,
        /// What is wrong.
        error: SealError,
    },
}

impl SealingKeys {
    /// Makes a new key, seals all secrets of a store by it, and only then forgets the old ones. Keys in a variable of the environment change
    /// otherwise: there all secrets are sealed by the first key, and whoever set the variable takes the others out of it.
    ///
    /// # Errors
    /// When a key, a secret or the store can't be used. No secret is lost: all keys stay until every secret is sealed by the new one.
    pub async fn rotate(&self, store: &dyn Store) -> Result<Rotated, RotateError> {
        let in_environment = matches!(self.source(), Reference::Environment(_));
        let rotation = if in_environment { None } else { Some(self.rotation()?) };
        // From here on everybody seals by the new one: who has begun with another has ended.
        let ring = match rotation {
            Some(_) => self.change(|ring| Ok(ring.with_first(Key::random()?)))?,
            None => self.begin()?.ring(),
        };
        let secrets = seal_anew(store, &ring).await?;
        if rotation.is_some() {
            self.change(|ring| Ok(ring.first_alone()))?;
        }
        Ok(Rotated { key: ring.sealing().id().to_owned(), secrets, is_in_environment: in_environment })
    }
}

/// Seals all that other keys have sealed.
async fn seal_anew(store: &dyn Store, ring: &Arc<Ring>) -> Result<u64, RotateError> {
    let mut count = 0;
    loop {
        let rows = store.sealed_secrets(ring.sealing().id(), AT_ONE_TIME).await?;
        if rows.is_empty() {
            return Ok(count);
        }
        for (tenant, action, old) in rows {
            let id = action.to_string();
            let wrong = |error| RotateError::Secret { tenant: tenant.to_string(), action: id.clone(), error };
            let place = Place { tenant: tenant.as_str(), action: &id, name: old.name.as_str() };
            let value = ring.open(place, &old.key, &old.sealed).map_err(wrong)?;
            let sealed = ring.seal(place, &value).map_err(wrong)?;
            let new = SealedSecret { key: sealed.key, sealed: sealed.bytes, ..old.clone() };
            // One that was set or removed at this moment is another row by now, and is seen again where it has to be.
            if store.reseal(&tenant, &action, &old, new).await? {
                count += 1;
            }
        }
    }
}
