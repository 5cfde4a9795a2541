//! What Actions in memory are counted with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache of Actions has done, and has in memory.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) resident: AtomicU64,
    pub(crate) resident_bytes: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) compiled: AtomicU64,
    pub(crate) evicted: AtomicU64,
}

/// What an Action in memory is counted with.
pub(crate) struct Charge {
    counts: Arc<Counts>,
    bytes: u64,
}

impl Charge {
    pub(crate) fn new(counts: &Arc<Counts>, bytes: u64) -> Self {
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
