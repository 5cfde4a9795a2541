//! A deployed Action of the cache, as it is bound.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use vestibule_model::{ActionId, ComponentDigest};

use super::load;
use super::slot::Slot;
use crate::action::Action;
use crate::contract::Capabilities;
use crate::error::LoadError;

/// A deployed Action on a [`ActionCache`](super::ActionCache): bound as any Action is, and in
/// memory while it is used. Cloning it is cheap.
#[derive(Clone)]
pub struct CachedAction(pub(super) Arc<Slot>);

/// What one who asks for an Action is given.
pub(crate) enum PendingLoad {
    There(Action),
    Loading(oneshot::Receiver<Result<Action, LoadError>>),
}

impl CachedAction {
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
    /// logins would wait for otherwise. It may be evicted again at any time.
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

    pub(crate) fn starts_in_background(&self) -> bool {
        self.0.starts_in_background.load(Ordering::Relaxed)
    }

    pub(crate) fn record_run(&self, long: bool) {
        // Read first, as in `Action::record_run`.
        if self.starts_in_background() != long {
            self.0.starts_in_background.store(long, Ordering::Relaxed);
        }
    }

    /// The Action, where its code is in memory; it is used now.
    pub(crate) fn resident(&self) -> Option<Action> {
        let code = self.0.code.load_full()?;
        let now = self.0.shared.clock.load(Ordering::Relaxed);
        // Read first: as long as nothing is loaded, threads that run one Action share this line of
        // memory.
        if self.0.used.load(Ordering::Relaxed) != now {
            self.0.used.store(now, Ordering::Relaxed);
        }
        Some(Action(code))
    }

    /// Asks for the Action. Where its code isn't in memory, it is loaded from now on, if it isn't
    /// already.
    pub(crate) fn ask(&self) -> PendingLoad {
        if let Some(action) = self.resident() {
            return PendingLoad::There(action);
        }
        let mut waiting = self.0.waiting();
        // Another may have loaded it meanwhile.
        if let Some(action) = self.resident() {
            return PendingLoad::There(action);
        }
        let (sender, receiver) = oneshot::channel();
        let is_first = waiting.is_none();
        waiting.get_or_insert_default().push(sender);
        drop(waiting);
        if is_first {
            load::begin(&self.0);
        }
        PendingLoad::Loading(receiver)
    }
}

impl PendingLoad {
    pub(crate) async fn loaded(self, id: &ActionId) -> Result<Action, LoadError> {
        match self {
            Self::There(action) => Ok(action),
            Self::Loading(receiver) => receiver.await.unwrap_or_else(|_| Err(LoadError::Interrupted { name: id.to_string() })),
        }
    }
}

impl fmt::Debug for CachedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedAction").field("tenant", &self.0.tenant).field("id", self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::Runtime;
    use crate::action_cache::ActionCache;
    use crate::action_cache::ActionCacheSettings;
    use crate::action_cache::Components;
    use crate::limits::HostLimits;
    use crate::load::Deployed;
    use vestibule_model::TenantId;
    use vestibule_test_artifacts::LOOPS_FOR_EVER;

    struct Registry;

    #[async_trait::async_trait]
    impl Components for Registry {
        async fn fetch(&self, _tenant: &TenantId, _digest: &ComponentDigest) -> Result<Option<bytes::Bytes>, String> {
            Ok(Some(bytes::Bytes::from_static(LOOPS_FOR_EVER)))
        }
    }

    #[tokio::test]
    async fn eviction_does_not_forget_where_an_action_starts() {
        let settings = Config { host_limits: HostLimits { sandboxes: 8, ..HostLimits::default() }, ..Config::default() };
        let runtime = Runtime::new(settings).unwrap();
        let capabilities = runtime.load("loops", LOOPS_FOR_EVER).unwrap().capabilities().clone();
        let cache = ActionCache::new(runtime.loader(), Arc::new(Registry), ActionCacheSettings::default());
        let id = ActionId::new("loops", "1").unwrap();
        let deployed = Deployed { id, digest: ComponentDigest::of(LOOPS_FOR_EVER), capabilities };
        let cached = cache.insert(&"acme".parse().unwrap(), deployed);
        assert!(!cached.starts_in_background());
        cached.make_ready().await.unwrap();
        cached.record_run(true);
        drop(cached.0.evict());
        assert!(!cached.is_resident() && cached.starts_in_background());
        cached.make_ready().await.unwrap();
        assert!(cached.is_resident() && cached.starts_in_background());
    }
}
