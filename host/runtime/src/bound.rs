//! What a binding binds: an Action that is in memory, or one on a shelf, which a flow has brought
//! into memory when it begins.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use vestibule_model::ActionId;

use crate::action::Action;
use crate::error::LoadError;
use crate::flow::Binding;
use crate::shelf::{Asked, Shelved};

/// An Action of a [`Binding`]. Cloning it is cheap.
#[derive(Clone, Debug)]
pub enum BoundAction {
    /// It is in memory for as long as its bindings are.
    Loaded(Action),
    /// It is in memory while it is used.
    Shelved(Shelved),
}

impl From<Action> for BoundAction {
    fn from(action: Action) -> Self {
        Self::Loaded(action)
    }
}

impl From<Shelved> for BoundAction {
    fn from(shelved: Shelved) -> Self {
        Self::Shelved(shelved)
    }
}

impl BoundAction {
    /// Which Action.
    pub fn id(&self) -> &ActionId {
        match self {
            Self::Loaded(action) => action.id(),
            Self::Shelved(shelved) => shelved.id(),
        }
    }

    /// Whether it can ask for its tenant's cache.
    pub(crate) fn caches(&self) -> bool {
        match self {
            Self::Loaded(action) => action.caches(),
            Self::Shelved(shelved) => shelved.caches(),
        }
    }

    /// Whether it is to begin in the slow lane, since its last run ended there.
    pub(crate) fn takes_long(&self) -> bool {
        match self {
            Self::Loaded(action) => action.takes_long(),
            Self::Shelved(shelved) => shelved.takes_long(),
        }
    }

    /// Remembers whether a run has computed for longer than a moment.
    pub(crate) fn has_taken(&self, long: bool) {
        match self {
            Self::Loaded(action) => action.has_taken(long),
            Self::Shelved(shelved) => shelved.has_taken(long),
        }
    }

    /// The Action, where it is in memory now.
    pub(crate) fn now(&self) -> Option<Action> {
        match self {
            Self::Loaded(action) => Some(action.clone()),
            Self::Shelved(shelved) => shelved.resident(),
        }
    }
}

/// The Actions that a flow has waited for: none, most often, and then nothing is allocated.
pub(crate) struct Loads(Vec<(usize, Result<Action, LoadError>)>);

impl Loads {
    /// Brings those of a flow into memory that are not there, all at once, and waits for them no
    /// longer than this.
    pub(crate) async fn of(bindings: &[Binding], at_most: Duration, timers: &Handle) -> Self {
        let mut asked = Vec::new();
        for (place, binding) in bindings.iter().enumerate() {
            if let BoundAction::Shelved(shelved) = &binding.action
                && !shelved.is_resident()
            {
                asked.push((place, shelved, shelved.ask()));
            }
        }
        let until = Instant::now() + at_most;
        let mut loads = Vec::with_capacity(asked.len());
        for (place, shelved, asked) in asked {
            loads.push((place, wait(shelved, asked, until, at_most, timers).await));
        }
        Self(loads)
    }

    /// One Action, which is brought into memory where it isn't there.
    pub(crate) async fn one(action: &BoundAction, at_most: Duration, timers: &Handle) -> Result<Action, LoadError> {
        match action {
            BoundAction::Loaded(action) => Ok(action.clone()),
            BoundAction::Shelved(shelved) => wait(shelved, shelved.ask(), Instant::now() + at_most, at_most, timers).await,
        }
    }

    /// What has become of the Action at this place, where it was waited for.
    pub(crate) fn take(&mut self, place: usize) -> Option<Result<Action, LoadError>> {
        let at = self.0.iter().position(|(of, _)| *of == place)?;
        Some(self.0.swap_remove(at).1)
    }
}

async fn wait(shelved: &Shelved, asked: Asked, until: Instant, at_most: Duration, timers: &Handle) -> Result<Action, LoadError> {
    let loaded = {
        let _entered = timers.enter();
        tokio::time::timeout_at(until.into(), asked.loaded(shelved.id()))
    };
    let still_loading = |_| Err(LoadError::StillLoading { name: shelved.id().to_string(), waited: at_most });
    loaded.await.unwrap_or_else(still_loading)
}
