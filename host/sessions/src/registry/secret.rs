//! Secrets as they are kept: sealed, by somebody who is not the store.

use std::fmt;

use vestibule_model::Timestamp;

use super::names::SecretName;

/// A secret's value, sealed. The store can't read it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Its name.
    pub name: SecretName,
    /// The id of the key that has sealed it.
    pub key: String,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// When it was given.
    pub updated_at: Timestamp,
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSecret").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

/// What can be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: SecretName,
    /// When its value was given.
    pub updated_at: Timestamp,
}
