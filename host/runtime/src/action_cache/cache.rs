//! Deployed Actions of all tenants.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use vestibule_model::TenantId;

use super::cached::CachedAction;
use super::components::Components;
use super::lru::LruBudget;
use super::settings::{ActionCacheSettings, ActionCacheStats, system_has_room_for};
use super::slot::{Inner, Slot, State};
use crate::action::charge::Counts;
use crate::loading::{Deployed, Loader};

/// Deployed Actions of all tenants, whose compiled code is in memory while it is used. Cloning it
/// is cheap; make one for a host.
#[derive(Clone)]
pub struct ActionCache(Arc<Inner>);

impl ActionCache {
    /// An empty cache. Made within a tokio runtime, it fetches components there: what `components`
    /// holds of sockets and timers is at home.
    pub fn new(loader: Loader, components: Arc<dyn Components>, settings: ActionCacheSettings) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = &loader.host().settings.host_limits;
        let compiles = limits.compiles.max(1);
        let budget = LruBudget::new(settings.bytes, settings.tenant_bytes, system_has_room_for(limits));
        let state = State { budget, slots: HashMap::new(), turns: HashMap::new(), next_number: 0 };
        Self(Arc::new(Inner {
            loader,
            components,
            fetching: Handle::try_current().ok(),
            state: Mutex::new(state),
            clock: AtomicU64::new(0),
            counts: Arc::default(),
            reading: Semaphore::new(processors),
            compiling: Semaphore::new(compiles),
        }))
    }

    /// Adds a tenant's Action to the cache; nothing is loaded. The same Action of the same tenant
    /// has one slot, however often it is added, until the last [`CachedAction`] of it is dropped.
    pub fn insert(&self, tenant: &TenantId, deployed: Deployed) -> CachedAction {
        let mut state = self.0.state();
        let key = (tenant.clone(), deployed.id.clone(), deployed.digest);
        let there = state.slots.get(&key).and_then(Weak::upgrade);
        if let Some(slot) = &there
            && slot.deployed == deployed
        {
            return CachedAction(Arc::clone(slot));
        }
        state.next_number += 1;
        let number = state.next_number;
        let turn = Arc::clone(state.turns.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))));
        let slot = Arc::new(Slot::new(Arc::clone(&self.0), number, tenant.clone(), deployed, turn));
        state.slots.insert(key, Arc::downgrade(&slot));
        drop(state);
        // It may be the last of another, which takes the lock when it is dropped.
        drop(there);
        CachedAction(slot)
    }

    /// What it has done, and has in memory.
    pub fn stats(&self) -> ActionCacheStats {
        let Counts { resident, resident_bytes, loads, compiled, evicted } = &*self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ActionCacheStats {
            resident: of(resident),
            resident_bytes: of(resident_bytes),
            loads: of(loads),
            compiled: of(compiled),
            evicted: of(evicted),
        }
    }
}

impl fmt::Debug for ActionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
