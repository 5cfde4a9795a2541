//! Another key for all secrets.

use std::collections::HashSet;
use std::fmt::Write as _;

use thiserror::Error;
use vestibule_sessions::{SealedSecret, Store, StoreError};

use super::ring::{Key, Ring};
use super::{Place, SealError, SealingKeys};
use crate::config::Reference;

/// Rows at one time.
const AT_ONE_TIME: usize = 100;
/// Rows that don't open, of which an error tells.
const SHOWN: usize = 5;

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
    /// Rows don't open. All others are sealed by the new key.
    #[error("{}; all other secrets are sealed by the new key, and the old keys stay", listed(secrets))]
    Secrets {
        /// Those that don't open.
        secrets: Vec<Unopened>,
    },
}

/// A secret that doesn't open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// Whose.
    pub tenant: String,
    /// The Action's id.
    pub action: String,
    /// What is wrong, and with which secret.
    pub error: SealError,
}

/// The first few of them, and how many there are beside.
fn listed(secrets: &[Unopened]) -> String {
    let mut text = String::new();
    for Unopened { tenant, action, error } in secrets.iter().take(SHOWN) {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing into a text does not fail.
        let _ = write!(text, "{separator}tenant {tenant}, Action {action}: {error}");
    }
    if secrets.len() > SHOWN {
        let _ = write!(text, "; and {} more", secrets.len() - SHOWN);
    }
    text
}

impl SealingKeys {
    /// Makes a new key, seals all secrets of a store by it, and only then forgets the old ones.
    /// Keys in a variable of the environment change otherwise: there all secrets are sealed by the
    /// first key, and whoever set the variable takes the others out of it.
    ///
    /// # Errors
    /// When a key, a secret or the store can't be used. No secret is lost: all keys stay until
    /// every secret is sealed by the new one. One that doesn't open holds up none of the others.
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

/// Seals all that other keys have sealed. What doesn't open keeps nothing else from being sealed
/// anew.
async fn seal_anew(store: &dyn Store, ring: &Ring) -> Result<u64, RotateError> {
    let mut count = 0;
    let mut unopened = Vec::new();
    let mut known = HashSet::new();
    loop {
        // Rows that don't open are among them each time. Twice as many: it takes few rounds,
        // however many there are.
        let rows = store.sealed_secrets(ring.sealing().id(), AT_ONE_TIME + 2 * known.len()).await?;
        let mut is_done = true;
        for (tenant, action, old) in rows {
            let id = action.to_string();
            let row = (tenant.clone(), id.clone(), old.name.to_string(), old.sealed.clone());
            if known.contains(&row) {
                continue;
            }
            is_done = false;
            match sealed_anew(ring, Place { tenant: tenant.as_str(), action: &id, name: old.name.as_str() }, &old) {
                // One that was set or removed at this moment is another row by now, and is seen
                // again where it has to be.
                Ok(new) => count += u64::from(store.reseal(&tenant, &action, &old, new).await?),
                Err(error) => {
                    known.insert(row);
                    unopened.push(Unopened { tenant: tenant.to_string(), action: id, error });
                }
            }
        }
        if is_done {
            return if unopened.is_empty() { Ok(count) } else { Err(RotateError::Secrets { secrets: unopened }) };
        }
    }
}

fn sealed_anew(ring: &Ring, place: Place<'_>, old: &SealedSecret) -> Result<SealedSecret, SealError> {
    let value = ring.open(place, &old.key, &old.sealed)?;
    let sealed = ring.seal(place, &value)?;
    Ok(SealedSecret { key: sealed.key, sealed: sealed.bytes, ..old.clone() })
}
