//! One Action's place on the shelf, whether its code is there or not; and who waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, oneshot};
use vestibule_model::{ActionId, ComponentDigest, TenantId};

use super::{Deployed, Inner, load};
use crate::action::{self, Action};
use crate::error::LoadError;
use crate::inspect::Capabilities;

/// An Action that could not be compiled rests for so many times as long as that took: its logins
/// take a tenth of a compiler at most, which others wait for. No longer than this: what was wrong
/// may be the host's own, and over.
const RESTS: u32 = 9;
const LONGEST_REST: Duration = Duration::from_secs(300);

/// A deployed Action on a [`Shelf`](super::Shelf): bound as any Action is, and in memory while it
/// is used. Cloning it is cheap.
#[derive(Clone)]
pub struct Shelved(pub(super) Arc<Place>);

pub(super) struct Place {
    pub(super) shelf: Arc<Inner>,
    pub(super) number: u64,
    pub(super) tenant: TenantId,
    pub(super) deployed: Deployed,
    /// Its tenant's: one load at a time.
    pub(super) turn: Arc<Semaphore>,
    /// The shelf's clock at its last use.
    pub(super) used: Arc<AtomicU64>,
    caches: bool,
    /// The Action's own, and so here: it is remembered when its code is let go.
    takes_long: AtomicBool,
    code: ArcSwapOption<action::Inner>,
    /// What was loaded last: let go or never kept, it may still run.
    last: Mutex<Weak<action::Inner>>,
    /// Why it could not be compiled, and until when nobody tries again.
    rest: Mutex<Option<(Instant, LoadError)>>,
    /// Who waits; none while nothing is loaded.
    waiting: Mutex<Option<Waiting>>,
}

type Waiting = Vec<oneshot::Sender<Result<Action, LoadError>>>;

/// What one who asks for an Action is given.
pub(crate) enum Asked {
    There(Action),
    Loading(oneshot::Receiver<Result<Action, LoadError>>),
}

impl Shelved {
    /// What it is called.
    pub fn id(&self) -> &ActionId {
        &self.0.deployed.id
    }

    /// Its component.
    pub fn digest(&self) -> &ComponentDigest {
        &self.0.deployed.digest
    }

    /// What it can see and do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.deployed.capabilities
    }

    /// Whether its code is in memory.
    pub fn is_resident(&self) -> bool {
        self.0.code.load().is_some()
    }

    /// Brings its code into memory, where it isn't there, and into the compilation cache: what
    /// logins would wait for otherwise. It may be let go again at any time.
    ///
    /// The future may be dropped; the load goes on.
    ///
    /// # Errors
    /// When it can't be loaded. The next who wants it tries again.
    pub async fn make_ready(&self) -> Result<(), LoadError> {
        self.ask().loaded(self.id()).await.map(drop)
    }

    pub(crate) fn caches(&self) -> bool {
        self.0.caches
    }

    pub(crate) fn takes_long(&self) -> bool {
        self.0.takes_long.load(Ordering::Relaxed)
    }

    pub(crate) fn has_taken(&self, long: bool) {
        // Read first, as in `Action::has_taken`.
        if self.takes_long() != long {
            self.0.takes_long.store(long, Ordering::Relaxed);
        }
    }

    /// The Action, where its code is in memory; it is used now.
    pub(crate) fn resident(&self) -> Option<Action> {
        let code = self.0.code.load_full()?;
        let now = self.0.shelf.clock.load(Ordering::Relaxed);
        // Read first: as long as nothing is loaded, threads that run one Action share this line of
        // memory.
        if self.0.used.load(Ordering::Relaxed) != now {
            self.0.used.store(now, Ordering::Relaxed);
        }
        Some(Action(code))
    }

    /// Asks for the Action. Where its code isn't in memory, it is loaded from now on, if it isn't
    /// already.
    pub(crate) fn ask(&self) -> Asked {
        if let Some(action) = self.resident() {
            return Asked::There(action);
        }
        let mut waiting = self.0.waiting();
        // Another may have loaded it meanwhile.
        if let Some(action) = self.resident() {
            return Asked::There(action);
        }
        let (told, tells) = oneshot::channel();
        let is_first = waiting.is_none();
        waiting.get_or_insert_default().push(told);
        drop(waiting);
        if is_first {
            load::begin(&self.0);
        }
        Asked::Loading(tells)
    }
}

impl Asked {
    pub(crate) async fn loaded(self, id: &ActionId) -> Result<Action, LoadError> {
        match self {
            Self::There(action) => Ok(action),
            Self::Loading(tells) => tells.await.unwrap_or_else(|_| Err(LoadError::Interrupted { name: id.to_string() })),
        }
    }
}

impl fmt::Debug for Shelved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelved").field("tenant", &self.0.tenant).field("id", self.id()).finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn new(shelf: Arc<Inner>, number: u64, tenant: TenantId, deployed: Deployed, turn: Arc<Semaphore>) -> Self {
        Self {
            shelf,
            number,
            tenant,
            caches: deployed.capabilities.caches(),
            deployed,
            turn,
            used: Arc::default(),
            takes_long: AtomicBool::new(false),
            code: ArcSwapOption::empty(),
            last: Mutex::default(),
            rest: Mutex::default(),
            waiting: Mutex::new(None),
        }
    }

    /// Its code is in memory from now on.
    pub(super) fn take_in(&self, action: &Action) {
        self.code.store(Some(Arc::clone(&action.0)));
    }

    /// Remembers what was loaded, for as long as somebody runs it.
    pub(super) fn remember(&self, action: &Action) {
        *locked(&self.last) = Arc::downgrade(&action.0);
    }

    /// What was loaded last, where it is still there: loaded once more, it would be in memory
    /// twice.
    pub(super) fn still_there(&self) -> Option<Action> {
        locked(&self.last).upgrade().map(Action)
    }

    /// It could not be compiled, which took so long: for a while whoever asks is told so at once.
    pub(super) fn rest(&self, error: &LoadError, took: Duration) {
        *locked(&self.rest) = Some((Instant::now() + (took * RESTS).min(LONGEST_REST), error.clone()));
    }

    /// Why it can't be loaded now, where it was tried a short time ago.
    pub(super) fn resting(&self) -> Option<LoadError> {
        locked(&self.rest).as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error.clone())
    }

    /// Its code is in memory no longer, once what runs has ended and what this gives is dropped.
    pub(super) fn let_go(&self) -> Option<Action> {
        self.code.swap(None).map(Action)
    }

    /// Tells all who wait what has become of the load. Whoever is told has all of it: nothing of
    /// the load is left behind.
    pub(super) fn tell(place: Arc<Self>, loaded: Result<Action, LoadError>) {
        let mut waiting = place.waiting().take().unwrap_or_default();
        drop(place);
        let last = waiting.pop();
        for told in waiting {
            // Who has left isn't told.
            let _ = told.send(loaded.clone());
        }
        if let Some(last) = last {
            let _ = last.send(loaded);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        locked(&self.waiting)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shelf.forget(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HostLimits;
    use crate::shelf::{Components, Shelf, ShelfSettings};
    use crate::{Loader, Runtime, Settings};
    use vestibule_test_artifacts::LOOPS_FOR_EVER;

    struct Registry;

    #[async_trait::async_trait]
    impl Components for Registry {
        async fn fetch(&self, _tenant: &TenantId, _digest: &ComponentDigest) -> Result<Option<bytes::Bytes>, String> {
            Ok(Some(bytes::Bytes::from_static(LOOPS_FOR_EVER)))
        }
    }

    #[tokio::test]
    async fn that_an_action_takes_long_is_remembered_when_its_code_is_let_go() {
        let settings = Settings { host_limits: HostLimits { sandboxes: 8, ..HostLimits::default() }, ..Settings::default() };
        let runtime = Runtime::new(settings).unwrap();
        let capabilities = runtime.load("loops", LOOPS_FOR_EVER).unwrap().capabilities().clone();
        let shelf = Shelf::new(Loader::new(runtime, None, None), Arc::new(Registry), ShelfSettings::default());
        let id = ActionId::new("loops", "1").unwrap();
        let deployed = Deployed { id, digest: ComponentDigest::of(LOOPS_FOR_EVER), capabilities };
        let shelved = shelf.shelve(&"acme".parse().unwrap(), deployed);
        assert!(!shelved.takes_long());
        shelved.make_ready().await.unwrap();
        shelved.has_taken(true);
        drop(shelved.0.let_go());
        assert!(!shelved.is_resident() && shelved.takes_long());
        shelved.make_ready().await.unwrap();
        assert!(shelved.is_resident() && shelved.takes_long());
    }
}
