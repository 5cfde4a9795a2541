//! One load of one Action, on the host's own threads and independent of its waiters: from the
//! compilation cache, or else from its component.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::slot::{Inner, Slot};
use crate::action::Action;
use crate::action::charge::Charge;
use crate::error::LoadError;
use crate::loading::{CacheFault, Source};

/// How long a component may take to be fetched. Others that have to be compiled wait for it.
const FETCH: Duration = Duration::from_secs(10);

/// What an Action takes in memory beside its code: wasmtime's records of its modules, types,
/// imports and exports, and its data once more, from which memories are mapped.
const BESIDE_CODE: u64 = 64 << 10;

/// Loads the slot's Action, and tells all who wait.
pub(super) fn begin(slot: &Arc<Slot>) {
    let guard = LoadGuard(Some((Arc::clone(slot), Err(interrupted(slot)))));
    let Some(handle) = slot.shared.loader.host().handle().cloned() else { return };
    let slot = Arc::clone(slot);
    handle.clone().spawn(async move {
        let loaded = match slot.backoff() {
            // It has been told.
            Some(error) => Err(error),
            None => load(&slot, &handle).await.inspect_err(|error| {
                slot.shared.components.not_loaded(&slot.tenant, &slot.deployed.id, error);
            }),
        };
        drop(slot);
        guard.finish(loaded);
    });
}

/// Tells all who wait, also where the load breaks off.
struct LoadGuard(Option<(Arc<Slot>, Result<Action, LoadError>)>);

impl LoadGuard {
    fn finish(mut self, loaded: Result<Action, LoadError>) {
        if let Some((_, result)) = &mut self.0 {
            *result = loaded;
        }
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        if let Some((slot, loaded)) = self.0.take() {
            Slot::finish(slot, loaded);
        }
    }
}

fn interrupted(slot: &Slot) -> LoadError {
    LoadError::Interrupted { name: slot.deployed.id.to_string() }
}

async fn load(slot: &Arc<Slot>, handle: &Handle) -> Result<Action, LoadError> {
    let cache = &*slot.shared;
    // No semaphore is ever closed.
    let _turn = slot.turn.acquire().await;
    if let Some(action) = slot.still_loaded() {
        cache.insert(slot, &action, bytes_of(&action));
        return Ok(action);
    }
    let reading = cache.reading.acquire().await;
    let kept = on_own_thread(slot, handle, |slot, faults| {
        let kept = slot.shared.loader.kept(&slot.tenant, &slot.deployed, faults)?;
        Ok(kept.inspect(|action| store(slot, action, Source::Cached)))
    });
    if let Some(action) = kept.await? {
        return Ok(action);
    }
    drop(reading);
    let _compiling = cache.compiling.acquire().await;
    let component = fetch(slot, handle).await?;
    let compiled = on_own_thread(slot, handle, move |slot, faults| {
        let began = Instant::now();
        let loaded = slot.shared.loader.deployed(&slot.tenant, &slot.deployed, &component, faults);
        let loaded = loaded.inspect_err(|error| slot.start_backoff(error, began.elapsed()))?;
        store(slot, &loaded.action, loaded.from);
        Ok(loaded.action)
    });
    compiled.await
}

/// The component's bytes, from the registry.
async fn fetch(slot: &Arc<Slot>, handle: &Handle) -> Result<Bytes, LoadError> {
    let name = || slot.deployed.id.to_string();
    let not_fetched = |reason: String| LoadError::NotFetched { name: name(), reason };
    let fetching = {
        let slot = Arc::clone(slot);
        let at = slot.shared.fetching.as_ref().unwrap_or(handle).clone();
        at.spawn(async move { slot.shared.components.fetch(&slot.tenant, &slot.deployed.digest).await })
    };
    let stop = fetching.abort_handle();
    let Ok(fetched) = tokio::time::timeout(FETCH, fetching).await else {
        stop.abort();
        return Err(not_fetched(format!("it took longer than {} s", FETCH.as_secs())));
    };
    let fetched = fetched.map_err(|error| not_fetched(format!("fetching broke off: {error}")))?;
    fetched.map_err(not_fetched)?.ok_or_else(|| LoadError::Gone { name: name(), digest: slot.deployed.digest })
}

/// What reads files and computes, on a thread that may be held up.
async fn on_own_thread<T: Send + 'static>(
    slot: &Arc<Slot>,
    handle: &Handle,
    work: impl FnOnce(&Arc<Slot>, &mut Vec<CacheFault>) -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let working = {
        let slot = Arc::clone(slot);
        handle.spawn_blocking(move || {
            let mut faults = Vec::new();
            let worked = work(&slot, &mut faults);
            for fault in &faults {
                slot.shared.components.cache_fault(&slot.tenant, &slot.deployed.id, fault);
            }
            worked
        })
    };
    working.await.unwrap_or_else(|_| Err(interrupted(slot)))
}

/// Counts what was loaded, and puts it on the cache.
fn store(slot: &Arc<Slot>, action: &Action, from: Source) {
    let Inner { counts, .. } = &*slot.shared;
    let bytes = bytes_of(action);
    counts.loads.fetch_add(1, Ordering::Relaxed);
    if from == Source::Compiled {
        counts.compiled.fetch_add(1, Ordering::Relaxed);
    }
    action.charge(Charge::new(counts, bytes));
    slot.remember(action);
    slot.shared.insert(slot, action, bytes);
}

/// What an Action takes in memory.
fn bytes_of(action: &Action) -> u64 {
    action.image_bytes() as u64 + BESIDE_CODE
}
