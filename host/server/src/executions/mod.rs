//! Executions: what is kept of each login's Actions, for their authors. They are written off the
//! login's path, in batches; under pressure they are dropped, which is counted, and never hold up a
//! login.

mod budget;
mod report;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vestibule::model::{Outcome, TenantId, Timestamp, UserId};
use vestibule_sessions::{ExecutionUid, Store};

use crate::config::ExecutionSettings;
use crate::registry::RegistryMetrics;
use crate::workers::Pulse;
use budget::Budgets;
use report::Kept;

/// Executions that wait to be written. Each has some kilobytes, 20 or so at most: 100 MB in all,
/// where the database is away.
const QUEUE: usize = 4_096;
/// So many places of it are for logins that were not allowed, or in which an Action has failed.
const FOR_FAILED: usize = QUEUE / 4;
/// A login that has been answered.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) id: ExecutionUid,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) outcome: Box<Outcome>,
    /// When its Actions began.
    pub(crate) started: Timestamp,
}

/// Where executions are told.
#[derive(Debug)]
pub(crate) struct Executions {
    budgets: Budgets,
    /// None when the server ends.
    queue: Mutex<Option<mpsc::Sender<Kept>>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    metrics: RegistryMetrics,
}

impl Executions {
    /// Begins to write what is told.
    pub(crate) fn start(store: Arc<dyn Store>, settings: ExecutionSettings, metrics: RegistryMetrics, pulse: Pulse) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let writing = tokio::spawn(writer::write(store, queue, metrics.clone(), pulse));
        Self {
            budgets: Budgets::new(settings.per_second),
            queue: Mutex::new(Some(sender)),
            writing: Mutex::new(Some(writing)),
            metrics,
        }
    }

    /// Takes an execution, where there is room for it. It never waits.
    pub(crate) fn tell(&self, executed: Executed) {
        let has_failed = Kept::has_failed(&executed);
        if !self.budgets.take(&executed.tenant, has_failed, Instant::now()) {
            self.metrics.execution("over_budget", 1);
            return;
        }
        let Some(queue) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return };
        let is_sent = (has_failed || queue.capacity() > FOR_FAILED) && queue.try_send(Kept::of(executed)).is_ok();
        if !is_sent {
            self.metrics.execution("queue_full", 1);
        }
    }

    /// Writes what was told until the deadline, and takes no more.
    pub(crate) async fn stop(&self, deadline: tokio::time::Instant) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writing) = writing
            && tokio::time::timeout_at(deadline, &mut writing).await.is_err()
        {
            writing.abort();
            tracing::warn!("some executions could not be written before the server has ended");
        }
    }
}
