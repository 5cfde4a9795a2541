//! How much is stored for each tenant, and who may store no more: no tenant fills the disk that all
//! share.
//!
//! The store counts, in the transactions that write and delete. A worker asks it every few seconds
//! who has most of what a tenant may have, and requests look at what it has found: none of them
//! asks the store. So a tenant goes beyond its quota by what it stores in that time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use vestibule::model::TenantId;
use vestibule_sessions::{StoreError, StoredBytes};

use crate::app::App;
use crate::error::ApiError;
use crate::workers::Worker;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// Changes that are added up in one transaction: some milliseconds of the database.
const CHANGES: usize = 5_000;
/// Transactions of one pass: with [`EVERY`], 50,000 changes a second, of which a login has three
/// and its sweep as many.
const ADDITIONS: usize = 20;
/// Tenants that are known to have much, at most.
const TENANTS: usize = 10_000;
/// Parts of a hundred of the quota from which on the log names a tenant.
const MUCH: u64 = 80;
/// How often the log tells of them.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The tenants for which much is stored.
#[derive(Debug)]
pub(crate) struct Storage {
    at_most: u64,
    much: ArcSwap<HashMap<TenantId, u64>>,
}

impl Storage {
    /// This number of bytes for each tenant.
    pub(crate) fn new(at_most: u64) -> Self {
        Self { at_most, much: ArcSwap::default() }
    }

    /// Refuses what would store more for this tenant, where it has all that it may have.
    pub(crate) fn check(&self, tenant: &TenantId) -> Result<(), ApiError> {
        match self.much.load().get(tenant) {
            Some(bytes) if *bytes >= self.at_most => Err(ApiError::storage_full(self.at_most)),
            _ => Ok(()),
        }
    }

    /// From how many bytes on a tenant is looked at.
    fn much(&self) -> u64 {
        (u128::from(self.at_most) * u128::from(MUCH) / 100).try_into().unwrap_or(u64::MAX)
    }

    fn set(&self, stored: &[StoredBytes]) {
        self.much.store(Arc::new(stored.iter().map(|stored| (stored.tenant.clone(), stored.bytes)).collect()));
    }
}

/// Looks who has much until it is dropped. Where the store can't be asked, what was found last
/// counts.
pub(crate) async fn watch(app: App) {
    let pulse = app.workers().begin(Worker::Storage);
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut is_away, mut told, mut before) = (false, None::<Instant>, Vec::new());
    loop {
        interval.tick().await;
        let stored = match pulse.pass(look(&app)).await {
            Ok(stored) => stored,
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "the store can't be asked how much it has of each tenant; it is tried again");
                }
                continue;
            }
        };
        is_away = false;
        app.storage().set(&stored);
        app.metrics().stored(&before, &stored);
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) && !stored.is_empty() {
            told = Some(Instant::now());
            tell(&stored, app.storage().at_most);
        }
        before = stored;
    }
}

async fn look(app: &App) -> Result<Vec<StoredBytes>, StoreError> {
    for _ in 0..ADDITIONS {
        if !app.store().add_up_bytes(CHANGES).await? {
            break;
        }
    }
    app.store().stored_bytes(app.storage().much(), TENANTS).await
}

fn tell(stored: &[StoredBytes], at_most: u64) {
    for StoredBytes { tenant, bytes } in stored {
        if *bytes >= at_most {
            tracing::error!(
                %tenant, bytes, at_most,
                "as much is stored for this tenant as may be (`quota.bytes`): its logins are refused, and all else that would store more"
            );
        } else {
            tracing::warn!(%tenant, bytes, at_most, "most of what may be stored for this tenant is in use (`quota.bytes`)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_stores_until_it_has_what_it_may_have() {
        let storage = Storage::new(1_000);
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        assert_eq!(storage.much(), 800);
        assert_eq!(Storage::new(u64::MAX).much(), u64::MAX / 5 * 4);
        let has = |bytes| storage.set(&[StoredBytes { tenant: acme.clone(), bytes }]);
        has(999);
        assert!(storage.check(&acme).is_ok());
        has(1_000);
        let refused = storage.check(&acme).unwrap_err();
        assert!(refused.message().contains("1000 bytes") && refused.message().contains("`quota.bytes`"), "{}", refused.message());
        assert!(storage.check(&globex).is_ok());
        storage.set(&[]);
        assert!(storage.check(&acme).is_ok(), "it has deleted something");
    }
}
