//! Writing executions, as many at one time as have come.

use std::sync::Arc;

use tokio::sync::mpsc;
use vestibule_sessions::Store;

use super::report::Kept;
use crate::registry::RegistryMetrics;
use crate::workers::{IDLE, Pulse};

/// Rows of one transaction.
const BATCH: usize = 256;

/// Writes until all senders are gone.
pub(super) async fn write(store: Arc<dyn Store>, mut queue: mpsc::Receiver<Kept>, metrics: RegistryMetrics, pulse: Pulse) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let Ok(count) = tokio::time::timeout(IDLE, queue.recv_many(&mut batch, BATCH)).await else {
            pulse.good();
            continue;
        };
        if count == 0 {
            break;
        }
        let count = count as u64;
        let executions = std::mem::take(&mut batch);
        let written = pulse.pass(async { store.record_executions(executions.into_iter().map(Kept::execution).collect()).await });
        match written.await {
            Ok(()) => metrics.execution("kept", count),
            Err(error) => {
                tracing::warn!(%error, count, "executions could not be written, and are dropped");
                metrics.execution("not_written", count);
            }
        }
    }
}
