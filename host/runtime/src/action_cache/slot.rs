//! One Action's slot in the cache, whether its code is there or not; and the flows that wait for
//! it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use vestibule_model::{ActionId, ComponentDigest, TenantId};

use super::components::Components;
use super::lru::LruBudget;
use crate::action::charge::Counts;
use crate::action::{self, Action};
use crate::error::LoadError;
use crate::loading::{Deployed, Loader};

/// Backoff after a failed compile, as a multiple of its duration: an Action's logins take a tenth
/// of a compiler at most, which others wait for. It is bounded, since the fault may have been the
/// host's own, and over.
const BACKOFF: u32 = 9;
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// What the slots of a cache share.
pub(super) struct Inner {
    pub(super) loader: Loader,
    pub(super) components: Arc<dyn Components>,
    /// Where components are fetched; without it, on the host's own threads.
    pub(super) fetching: Option<Handle>,
    pub(super) state: Mutex<State>,
    /// LRU clock, advanced on every load. While nothing is loaded, no thread writes anywhere.
    pub(super) clock: AtomicU64,
    pub(super) counts: Arc<Counts>,
    /// A turn for each that reads code: as many as there are processors.
    pub(super) reading: Semaphore,
    /// A turn for each that is fetched and compiled.
    pub(super) compiling: Semaphore,
}

pub(super) struct State {
    pub(super) budget: LruBudget<Weak<Slot>>,
    pub(super) slots: HashMap<(TenantId, ActionId, ComponentDigest), Weak<Slot>>,
    /// Each tenant loads one Action at a time, so that one with many to load waits for itself.
    pub(super) turns: HashMap<TenantId, Arc<Semaphore>>,
    pub(super) next_number: u64,
}

pub(super) struct Slot {
    pub(super) shared: Arc<Inner>,
    pub(super) number: u64,
    pub(super) tenant: TenantId,
    pub(super) deployed: Deployed,
    /// Its tenant's: one load at a time.
    pub(super) turn: Arc<Semaphore>,
    /// The cache's clock at its last use.
    pub(super) used: Arc<AtomicU64>,
    pub(super) caches: bool,
    /// The Action's own, and so here: it survives eviction.
    pub(super) starts_in_background: AtomicBool,
    pub(super) code: ArcSwapOption<action::Inner>,
    /// What was loaded last: evicted or never inserted, it may still run.
    last: Mutex<Weak<action::Inner>>,
    /// Why it could not be compiled, and the end of its backoff.
    backoff: Mutex<Option<(Instant, LoadError)>>,
    /// Who waits; none while nothing is loaded.
    waiting: Mutex<Option<Waiting>>,
}

type Waiting = Vec<oneshot::Sender<Result<Action, LoadError>>>;

impl Inner {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inserts a loaded Action, and evicts others as needed. An oversized one is returned to its
    /// waiters and not cached.
    pub(super) fn insert(&self, slot: &Arc<Slot>, action: &Action, bytes: u64) {
        let mut state = self.state();
        // Two steps: what is used from now on has been used after this.
        let used = self.clock.fetch_add(2, Ordering::Relaxed) + 1;
        slot.used.store(used, Ordering::Relaxed);
        let mut evicted = Vec::new();
        if state.budget.fits(bytes) {
            let slots = state.budget.put(slot.number, &slot.tenant, bytes, &slot.used, Arc::downgrade(slot));
            evicted.extend(slots.iter().filter_map(Weak::upgrade).map(|slot| (slot.evict(), slot)));
            slot.store(action);
        }
        drop(state);
        self.counts.evicted.fetch_add(evicted.len() as u64, Ordering::Relaxed);
        // The code is unmapped here, without the lock, and where no login waits for it.
        drop(evicted);
    }

    /// Forgets a slot that is gone. Its code goes with it.
    fn forget(&self, slot: &Slot) {
        let mut state = self.state();
        state.budget.remove(slot.number);
        let key = (slot.tenant.clone(), slot.deployed.id.clone(), slot.deployed.digest);
        // It may have a successor.
        if state.slots.get(&key).is_some_and(|there| std::ptr::eq(there.as_ptr(), slot)) {
            state.slots.remove(&key);
        }
        // The slot's own, and the cache's.
        if Arc::strong_count(&slot.turn) <= 2 {
            state.turns.remove(&slot.tenant);
        }
    }
}

impl Slot {
    pub(super) fn new(shared: Arc<Inner>, number: u64, tenant: TenantId, deployed: Deployed, turn: Arc<Semaphore>) -> Self {
        Self {
            shared,
            number,
            tenant,
            caches: deployed.capabilities.caches(),
            deployed,
            turn,
            used: Arc::default(),
            starts_in_background: AtomicBool::new(false),
            code: ArcSwapOption::empty(),
            last: Mutex::default(),
            backoff: Mutex::default(),
            waiting: Mutex::new(None),
        }
    }

    /// Its code is in memory from now on.
    pub(super) fn store(&self, action: &Action) {
        self.code.store(Some(Arc::clone(&action.0)));
    }

    /// Remembers what was loaded, for as long as a run uses it.
    pub(super) fn remember(&self, action: &Action) {
        *locked(&self.last) = Arc::downgrade(&action.0);
    }

    /// What was loaded last, where it is still there: loaded once more, it would be in memory
    /// twice.
    pub(super) fn still_loaded(&self) -> Option<Action> {
        locked(&self.last).upgrade().map(Action)
    }

    /// Starts the backoff after a compile that failed: until its end, each request for the Action
    /// fails with this error at once.
    pub(super) fn start_backoff(&self, error: &LoadError, took: Duration) {
        *locked(&self.backoff) = Some((Instant::now() + (took * BACKOFF).min(LONGEST_BACKOFF), error.clone()));
    }

    /// Why it can't be loaded now, where it was tried a short time ago.
    pub(super) fn backoff(&self) -> Option<LoadError> {
        locked(&self.backoff).as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error.clone())
    }

    /// Its code is in memory no longer, once what runs has ended and what this gives is dropped.
    pub(super) fn evict(&self) -> Option<Action> {
        self.code.swap(None).map(Action)
    }

    /// Sends the result of the load to all waiters. When they have it, nothing of the load is left.
    pub(super) fn finish(slot: Arc<Self>, loaded: Result<Action, LoadError>) {
        let mut waiting = slot.waiting().take().unwrap_or_default();
        drop(slot);
        let last = waiting.pop();
        for sender in waiting {
            // A waiter may have left.
            let _ = sender.send(loaded.clone());
        }
        if let Some(last) = last {
            let _ = last.send(loaded);
        }
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        locked(&self.waiting)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.forget(self);
    }
}
