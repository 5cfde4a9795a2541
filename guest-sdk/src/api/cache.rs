//! `api.cache`: short-lived values that the Actions of one trigger share over many logins of a
//! tenant.

use std::time::Duration;

use vestibule_model::{CacheEntry, CacheError, Lifetime, Timestamp};

use crate::door::{effect, read};

/// Short-lived values that the Actions of one trigger share over many logins of a tenant. It may be
/// empty at any time.
#[derive(Clone, Copy, Debug)]
pub struct Cache(pub(super) ());

impl Cache {
    /// The value with this key, unless it is gone.
    pub fn get(&self, key: &str) -> Option<CacheEntry> {
        read!(cache::get(key), |login| login.cached(key).cloned())
    }

    /// Keeps a value for 15 minutes, and says until when.
    ///
    /// # Errors
    /// When the key is empty or longer than 64 bytes, the value longer than 4,096, or there would
    /// be more than 20 entries or 8,192 bytes.
    pub fn set(&self, key: &str, value: &str) -> Result<CacheEntry, CacheError> {
        self.keep(key, value, None)
    }

    /// Keeps a value for so long, at most a day, and says until when.
    ///
    /// # Errors
    /// As [`set`](Self::set), and when the time is shorter than a millisecond.
    pub fn set_for(&self, key: &str, value: &str, duration: Duration) -> Result<CacheEntry, CacheError> {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.keep(key, value, Some(Lifetime::Milliseconds(milliseconds)))
    }

    /// Keeps a value until then, at most a day, and says until when.
    ///
    /// # Errors
    /// As [`set`](Self::set), and when the time is not later than this login.
    pub fn set_until(&self, key: &str, value: &str, at: Timestamp) -> Result<CacheEntry, CacheError> {
        self.keep(key, value, Some(Lifetime::Until(at)))
    }

    /// Removes a value; a missing one is no error.
    ///
    /// # Errors
    /// When no value can have such a key.
    pub fn delete(&self, key: &str) -> Result<(), CacheError> {
        effect!(cache::delete(key), |login| login.delete_cached(key))
    }

    fn keep(&self, key: &str, value: &str, lifetime: Option<Lifetime>) -> Result<CacheEntry, CacheError> {
        effect!(cache::set(key, value, lifetime.map(Cross::cross)), |login| login.set_cached(key, value, lifetime))
    }
}
