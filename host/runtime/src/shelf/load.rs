//! One load of one Action, on threads of the host's own, whoever waits for it: from the compilation
//! cache, or else from its component.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::place::Place;
use super::{Charge, Inner};
use crate::action::Action;
use crate::compilation_cache::CacheFault;
use crate::error::LoadError;
use crate::loader::Source;

/// How long a component may take to be fetched. Others that have to be compiled wait for it.
const FETCH: Duration = Duration::from_secs(10);

/// What an Action takes in memory beside its code: wasmtime's records of its modules, types,
/// imports and exports, and its data once more, from which memories are mapped.
const BESIDE_CODE: u64 = 64 << 10;

/// Loads the place's Action, and tells all who wait.
pub(super) fn begin(place: &Arc<Place>) {
    let landing = Landing(Some((Arc::clone(place), Err(interrupted(place)))));
    let Some(handle) = place.shelf.loader.runtime().handle().cloned() else { return };
    let place = Arc::clone(place);
    handle.clone().spawn(async move {
        let loaded = match place.resting() {
            // It has been told.
            Some(error) => Err(error),
            None => load(&place, &handle).await.inspect_err(|error| {
                place.shelf.components.not_loaded(&place.tenant, &place.deployed.id, error);
            }),
        };
        drop(place);
        landing.lands(loaded);
    });
}

/// Tells all who wait, also where the load breaks off.
struct Landing(Option<(Arc<Place>, Result<Action, LoadError>)>);

impl Landing {
    fn lands(mut self, loaded: Result<Action, LoadError>) {
        if let Some((_, becomes)) = &mut self.0 {
            *becomes = loaded;
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some((place, loaded)) = self.0.take() {
            Place::tell(place, loaded);
        }
    }
}

fn interrupted(place: &Place) -> LoadError {
    LoadError::Interrupted { name: place.deployed.id.to_string() }
}

async fn load(place: &Arc<Place>, handle: &Handle) -> Result<Action, LoadError> {
    let shelf = &*place.shelf;
    // No semaphore is ever closed.
    let _turn = place.turn.acquire().await;
    if let Some(action) = place.still_there() {
        shelf.keep(place, &action, bytes_of(&action));
        return Ok(action);
    }
    let reading = shelf.reading.acquire().await;
    let kept = on_own_thread(place, handle, |place, faults| {
        let kept = place.shelf.loader.kept(&place.tenant, &place.deployed, faults)?;
        Ok(kept.inspect(|action| take_in(place, action, Source::Cached)))
    });
    if let Some(action) = kept.await? {
        return Ok(action);
    }
    drop(reading);
    let _compiling = shelf.compiling.acquire().await;
    let component = fetch(place, handle).await?;
    let compiled = on_own_thread(place, handle, move |place, faults| {
        let began = Instant::now();
        let loaded = place.shelf.loader.deployed(&place.tenant, &place.deployed, &component, faults);
        let loaded = loaded.inspect_err(|error| place.rest(error, began.elapsed()))?;
        take_in(place, &loaded.action, loaded.from);
        Ok(loaded.action)
    });
    compiled.await
}

/// The component's bytes, from the registry.
async fn fetch(place: &Arc<Place>, handle: &Handle) -> Result<Bytes, LoadError> {
    let name = || place.deployed.id.to_string();
    let not_fetched = |reason: String| LoadError::NotFetched { name: name(), reason };
    let fetching = {
        let place = Arc::clone(place);
        let at = place.shelf.fetching.as_ref().unwrap_or(handle).clone();
        at.spawn(async move { place.shelf.components.fetch(&place.tenant, &place.deployed.digest).await })
    };
    let stop = fetching.abort_handle();
    let Ok(fetched) = tokio::time::timeout(FETCH, fetching).await else {
        stop.abort();
        return Err(not_fetched(format!("it took longer than {} s", FETCH.as_secs())));
    };
    let fetched = fetched.map_err(|error| not_fetched(format!("fetching broke off: {error}")))?;
    fetched.map_err(not_fetched)?.ok_or_else(|| LoadError::Gone { name: name(), digest: place.deployed.digest })
}

/// What reads files and computes, on a thread that may be held up.
async fn on_own_thread<T: Send + 'static>(
    place: &Arc<Place>,
    handle: &Handle,
    work: impl FnOnce(&Arc<Place>, &mut Vec<CacheFault>) -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let working = {
        let place = Arc::clone(place);
        handle.spawn_blocking(move || {
            let mut faults = Vec::new();
            let worked = work(&place, &mut faults);
            for fault in &faults {
                place.shelf.components.cache_fault(&place.tenant, &place.deployed.id, fault);
            }
            worked
        })
    };
    working.await.unwrap_or_else(|_| Err(interrupted(place)))
}

/// Counts what was loaded, and puts it on the shelf.
fn take_in(place: &Arc<Place>, action: &Action, from: Source) {
    let Inner { counts, .. } = &*place.shelf;
    let bytes = bytes_of(action);
    counts.loads.fetch_add(1, Ordering::Relaxed);
    if from == Source::Compiled {
        counts.compiled.fetch_add(1, Ordering::Relaxed);
    }
    action.charge(Charge::new(counts, bytes));
    place.remember(action);
    place.shelf.keep(place, action, bytes);
}

/// What an Action takes in memory.
fn bytes_of(action: &Action) -> u64 {
    action.image_bytes() as u64 + BESIDE_CODE
}
