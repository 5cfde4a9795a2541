//! Deployed Actions, more of them than fit into memory: their compiled code is there while it is
//! used.
//!
//! An Action is loaded when a flow first needs it, from the compilation cache or else compiled from
//! what the registry has, by threads of the host's own; many who wait for one share one load. It is
//! let go when it hasn't been used for longest and others need its room. An Action that is there
//! costs a run one look at a pointer: nothing is locked, and nothing written, unless something was
//! loaded since its last run.

mod load;
mod place;
mod room;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use vestibule_model::{ActionId, ComponentDigest, TenantId};

use crate::action::Action;
use crate::compilation_cache::CacheFault;
use crate::error::LoadError;
use crate::inspect::Capabilities;
use crate::limits::HostLimits;
use crate::loader::Loader;

pub use place::Shelved;

pub(crate) use place::Asked;

use place::Place;
use room::Room;

/// How much memory compiled code may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfSettings {
    /// Bytes of all tenants' Actions together: 512 MiB by default, some two thousand Actions in
    /// Rust. What runs may be beyond it until it has ended.
    pub bytes: u64,
    /// Bytes of one tenant's: 128 MiB by default. An Action that takes more by itself is loaded for
    /// each login anew.
    pub tenant_bytes: u64,
}

impl Default for ShelfSettings {
    fn default() -> Self {
        Self { bytes: 512 << 20, tenant_bytes: 128 << 20 }
    }
}

/// Where the components of deployed Actions are kept, for those whose compiled code isn't; and who
/// is told when something is wrong.
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

/// An Action as it was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// What it is called in reports, whatever its component says.
    pub id: ActionId,
    /// Its component.
    pub digest: ComponentDigest,
    /// What was accepted when it was deployed. A component that imports anything else is not
    /// loaded.
    pub capabilities: Capabilities,
}

/// What a shelf has done, and has in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfStats {
    /// Actions in memory, those that were let go and still run included.
    pub resident: u64,
    /// Bytes of memory that these take.
    pub resident_bytes: u64,
    /// How often an Action was brought into memory.
    pub loads: u64,
    /// How many of these were compiled, since their code wasn't kept.
    pub compiled: u64,
    /// How often an Action was let go, so that others had room.
    pub let_go: u64,
}

/// Deployed Actions of all tenants, whose compiled code is in memory while it is used. Cloning it
/// is cheap; make one for a host.
#[derive(Clone)]
pub struct Shelf(Arc<Inner>);

struct Inner {
    loader: Loader,
    components: Arc<dyn Components>,
    /// Where components are fetched; on the host's own threads where there is none.
    fetching: Option<Handle>,
    state: Mutex<State>,
    /// Goes on with each load: an Action's last use is told by it. While nothing is loaded, nobody
    /// writes anywhere.
    clock: AtomicU64,
    counts: Arc<Counts>,
    /// A turn for each that reads code: as many as there are processors.
    reading: Semaphore,
    /// A turn for each that is fetched and compiled.
    compiling: Semaphore,
}

struct State {
    room: Room<Weak<Place>>,
    places: HashMap<(TenantId, ActionId, ComponentDigest), Weak<Place>>,
    /// Each tenant loads one Action at a time, so that one with many to load waits for itself.
    turns: HashMap<TenantId, Arc<Semaphore>>,
    next_number: u64,
}

#[derive(Default)]
struct Counts {
    resident: AtomicU64,
    resident_bytes: AtomicU64,
    loads: AtomicU64,
    compiled: AtomicU64,
    let_go: AtomicU64,
}

impl Shelf {
    /// An empty shelf. Made within a tokio runtime, it fetches components there: what `components`
    /// holds of sockets and timers is at home.
    pub fn new(loader: Loader, components: Arc<dyn Components>, settings: ShelfSettings) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = &loader.runtime().settings().host_limits;
        let compiles = limits.compiles.max(1);
        let room = Room::new(settings.bytes, settings.tenant_bytes, system_has_room_for(limits));
        let state = State { room, places: HashMap::new(), turns: HashMap::new(), next_number: 0 };
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

    /// Puts a tenant's Action on the shelf; nothing is loaded. The same Action of the same tenant
    /// is there once, however often it is put there, until the last of what this gives for it is
    /// dropped.
    pub fn shelve(&self, tenant: &TenantId, deployed: Deployed) -> Shelved {
        let mut state = self.0.state();
        let key = (tenant.clone(), deployed.id.clone(), deployed.digest);
        let there = state.places.get(&key).and_then(Weak::upgrade);
        if let Some(place) = &there
            && place.deployed == deployed
        {
            return Shelved(Arc::clone(place));
        }
        state.next_number += 1;
        let number = state.next_number;
        let turn = Arc::clone(state.turns.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))));
        let place = Arc::new(Place::new(Arc::clone(&self.0), number, tenant.clone(), deployed, turn));
        state.places.insert(key, Arc::downgrade(&place));
        drop(state);
        // It may be the last of another, which takes the lock when it is dropped.
        drop(there);
        Shelved(place)
    }

    /// What it has done, and has in memory.
    pub fn stats(&self) -> ShelfStats {
        let Counts { resident, resident_bytes, loads, compiled, let_go } = &*self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ShelfStats {
            resident: of(resident),
            resident_bytes: of(resident_bytes),
            loads: of(loads),
            compiled: of(compiled),
            let_go: of(let_go),
        }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an Action that was loaded into memory, and lets others go for it. One that is too
    /// large for that is its waiters' alone.
    fn keep(&self, place: &Arc<Place>, action: &Action, bytes: u64) {
        let mut state = self.state();
        // Two steps: what is used from now on has been used after this.
        let used = self.clock.fetch_add(2, Ordering::Relaxed) + 1;
        place.used.store(used, Ordering::Relaxed);
        let mut let_go = Vec::new();
        if state.room.fits(bytes) {
            let places = state.room.put(place.number, &place.tenant, bytes, &place.used, Arc::downgrade(place));
            let_go.extend(places.iter().filter_map(Weak::upgrade).map(|place| (place.let_go(), place)));
            place.take_in(action);
        }
        drop(state);
        self.counts.let_go.fetch_add(let_go.len() as u64, Ordering::Relaxed);
        // The code is unmapped here, without the lock, and where nobody's login waits for it.
        drop(let_go);
    }

    /// A place that is gone. Its code goes with it.
    fn forget(&self, place: &Place) {
        let mut state = self.state();
        state.room.remove(place.number);
        let key = (place.tenant.clone(), place.deployed.id.clone(), place.deployed.digest);
        // It may have a successor.
        if state.places.get(&key).is_some_and(|there| std::ptr::eq(there.as_ptr(), place)) {
            state.places.remove(&key);
        }
        // The place's own, and the shelf's.
        if Arc::strong_count(&place.turn) <= 2 {
            state.turns.remove(&place.tenant);
        }
    }
}

/// What an Action in memory is counted with.
pub(crate) struct Charge {
    counts: Arc<Counts>,
    bytes: u64,
}

impl Charge {
    fn new(counts: &Arc<Counts>, bytes: u64) -> Self {
        counts.resident.fetch_add(1, Ordering::Relaxed);
        counts.resident_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { counts: Arc::clone(counts), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.counts.resident.fetch_sub(1, Ordering::Relaxed);
        self.counts.resident_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How many Actions may be in memory by what the system gives a process: each takes a descriptor
/// (its data, from which memories of its sandboxes are mapped), and half of them are for other
/// things. Its code takes three mappings, and a memory of the pool four.
fn system_has_room_for(limits: &HostLimits) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = usize::try_from(files.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(usize::MAX);
    let left = mappings.saturating_sub(limits.pooled_memories().saturating_mul(4));
    (files / 2).min(left / 2 / 3).max(1)
}
