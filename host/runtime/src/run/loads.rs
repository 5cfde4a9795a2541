//! The Actions of a flow that are loaded when it begins.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::action::Action;
use crate::action_cache::{CachedAction, PendingLoad};
use crate::error::LoadError;
use crate::flow::{Binding, BoundAction};

/// The Actions that a flow has waited for: none, most often, and then nothing is allocated.
pub(crate) struct Loads(Vec<(usize, Result<Action, LoadError>)>);

impl Loads {
    /// Brings those of a flow into memory that are not there, all at once, and waits for them no
    /// longer than this.
    pub(crate) async fn of(bindings: &[Binding], at_most: Duration, timers: &Handle) -> Self {
        let mut asked = Vec::new();
        for (place, binding) in bindings.iter().enumerate() {
            if let BoundAction::Cached(cached) = &binding.action
                && !cached.is_resident()
            {
                asked.push((place, cached, cached.ask()));
            }
        }
        let until = Instant::now() + at_most;
        let mut loads = Vec::with_capacity(asked.len());
        for (place, cached, asked) in asked {
            loads.push((place, wait(cached, asked, until, at_most, timers).await));
        }
        Self(loads)
    }

    /// One Action, which is brought into memory where it isn't there.
    pub(crate) async fn one(action: &BoundAction, at_most: Duration, timers: &Handle) -> Result<Action, LoadError> {
        match action {
            BoundAction::Loaded(action) => Ok(action.clone()),
            BoundAction::Cached(cached) => wait(cached, cached.ask(), Instant::now() + at_most, at_most, timers).await,
        }
    }

    /// What has become of the Action at this place, where it was waited for.
    pub(crate) fn take(&mut self, place: usize) -> Option<Result<Action, LoadError>> {
        let at = self.0.iter().position(|(of, _)| *of == place)?;
        Some(self.0.swap_remove(at).1)
    }
}

async fn wait(
    cached: &CachedAction,
    asked: PendingLoad,
    until: Instant,
    at_most: Duration,
    timers: &Handle,
) -> Result<Action, LoadError> {
    let loaded = {
        let _entered = timers.enter();
        tokio::time::timeout_at(until.into(), asked.loaded(cached.id()))
    };
    let still_loading = |_| Err(LoadError::StillLoading { name: cached.id().to_string(), waited: at_most });
    loaded.await.unwrap_or_else(still_loading)
}
