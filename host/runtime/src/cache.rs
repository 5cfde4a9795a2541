//! Where the cache of a tenant's Actions is kept between logins.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vestibule_model::outcome::CacheOutcome;
use vestibule_model::{CacheEntries, TenantId, Timestamp};

/// What a cache answers in its time.
pub type CacheFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The caches of all tenants, for the trigger post-login: what `cache.get`, `cache.set` and
/// `cache.delete` of the contract are kept in.
///
/// A login takes what its tenant's cache holds before the first Action that can ask for it, and
/// gives back what the flow has changed when it has ended without failing. A cache may be empty at
/// any time. So one that can't be reached answers with nothing, and tells its operator by itself:
/// no login fails by it.
pub trait Cache: Send + Sync {
    /// What the tenant's cache holds.
    fn load<'a>(&'a self, tenant: &'a TenantId, now: Timestamp) -> CacheFuture<'a, Arc<CacheEntries>>;

    /// Takes over what a login has changed, with [`CacheEntries::apply`].
    fn store<'a>(&'a self, tenant: &'a TenantId, changes: &'a CacheOutcome, now: Timestamp) -> CacheFuture<'a, ()>;
}

/// Tenants whose caches are kept at one time. A cache takes 8 kB and some, so that all of them
/// together take less than 200 MB.
const TENANTS: usize = 10_000;

/// Caches in this process's memory: one host's own, and gone with it.
#[derive(Debug, Default)]
pub struct MemoryCache(Mutex<HashMap<TenantId, Arc<CacheEntries>>>);

impl MemoryCache {
    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<CacheEntries>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_over(&self, tenant: &TenantId, changes: &CacheOutcome, now: Timestamp) {
        let mut tenants = self.tenants();
        if tenants.len() >= TENANTS && !tenants.contains_key(tenant) {
            tenants.retain(|_, entries| {
                Arc::make_mut(entries).expire(now);
                !entries.is_empty()
            });
            if tenants.len() >= TENANTS {
                return;
            }
        }
        let entries = Arc::make_mut(tenants.entry(tenant.clone()).or_default());
        entries.apply(changes.entries(), now);
        if entries.is_empty() {
            tenants.remove(tenant);
        }
    }
}

impl Cache for MemoryCache {
    fn load<'a>(&'a self, tenant: &'a TenantId, _now: Timestamp) -> CacheFuture<'a, Arc<CacheEntries>> {
        let entries = self.tenants().get(tenant).cloned().unwrap_or_default();
        Box::pin(std::future::ready(entries))
    }

    fn store<'a>(&'a self, tenant: &'a TenantId, changes: &'a CacheOutcome, now: Timestamp) -> CacheFuture<'a, ()> {
        self.take_over(tenant, changes, now);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_model::outcome::Change;
    use vestibule_model::{ActionId, CacheEntry};

    fn set(expires_at: u64) -> CacheOutcome {
        let entry = CacheEntry { value: "v".into(), expires_at: Timestamp::from_millis(expires_at) };
        let change = Change { value: Some(entry), action: ActionId::new("gate", "0.1.0").unwrap() };
        CacheOutcome { changes: [("k".to_owned(), change)].into() }
    }

    #[test]
    fn more_tenants_than_are_kept_find_an_empty_cache_until_others_are_gone() {
        let cache = MemoryCache::default();
        let tenant = |number: usize| format!("tenant-{number}").parse::<TenantId>().unwrap();
        let at = Timestamp::from_millis;
        for number in 0..=TENANTS {
            cache.take_over(&tenant(number), &set(1_000), at(1));
        }
        assert_eq!(cache.tenants().len(), TENANTS);
        assert!(!cache.tenants().contains_key(&tenant(TENANTS)));
        cache.take_over(&tenant(TENANTS), &set(5_000), at(2_000));
        assert_eq!(cache.tenants().len(), 1);
    }
}
