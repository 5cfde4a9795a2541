//! Writing executions, as many at one time as have come.

use std::sync::Arc;

use tokio::sync::mpsc;
use vestibule_sessions::Store;

use super::report::Kept;
use crate::registry::RegistryMetrics;

/// Rows of one transaction.
const BATCH: usize = 256;

/// Writes until nobody tells of any more.
pub(super) async fn write(store: Arc<dyn Store>, mut queue: mpsc::Receiver<Kept>, metrics: RegistryMetrics) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let executions: Vec<_> = batch.drain(..).map(Kept::execution).collect();
        let count = executions.len() as u64;
        match store.record_executions(executions).await {
            Ok(()) => metrics.execution("kept", count),
            Err(error) => {
                tracing::warn!(%error, count, "executions could not be written, and are dropped");
                metrics.execution("not_written", count);
            }
        }
    }
}
