//! What a binding binds: an Action that is in memory, or one of a cache, which a flow loads when it
//! begins.

use vestibule_model::ActionId;

use crate::action::Action;
use crate::action_cache::CachedAction;

/// An Action of a [`Binding`](crate::Binding). Cloning it is cheap.
#[derive(Clone, Debug)]
pub enum BoundAction {
    /// It is in memory for as long as its bindings are.
    Loaded(Action),
    /// It is in memory while it is used.
    Cached(CachedAction),
}

impl From<Action> for BoundAction {
    fn from(action: Action) -> Self {
        Self::Loaded(action)
    }
}

impl From<CachedAction> for BoundAction {
    fn from(cached: CachedAction) -> Self {
        Self::Cached(cached)
    }
}

impl BoundAction {
    /// Which Action.
    pub fn id(&self) -> &ActionId {
        match self {
            Self::Loaded(action) => action.id(),
            Self::Cached(cached) => cached.id(),
        }
    }

    /// Whether it can ask for its tenant's cache.
    pub(crate) fn caches(&self) -> bool {
        match self {
            Self::Loaded(action) => action.caches(),
            Self::Cached(cached) => cached.caches(),
        }
    }

    /// Whether it starts on the background executor, since its last run ended there.
    pub(crate) fn starts_in_background(&self) -> bool {
        match self {
            Self::Loaded(action) => action.starts_in_background(),
            Self::Cached(cached) => cached.starts_in_background(),
        }
    }

    /// Remembers whether a run has computed for longer than a moment.
    pub(crate) fn record_run(&self, long: bool) {
        match self {
            Self::Loaded(action) => action.record_run(long),
            Self::Cached(cached) => cached.record_run(long),
        }
    }

    /// The Action, where it is in memory now.
    pub(crate) fn now(&self) -> Option<Action> {
        match self {
            Self::Loaded(action) => Some(action.clone()),
            Self::Cached(cached) => cached.resident(),
        }
    }
}
