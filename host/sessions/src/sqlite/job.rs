//! What the writer's thread is given, and how it does with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;

/// Something that is to be written, in two steps: first inside the open transaction, and when that
/// has been committed, its answer.
pub(super) trait Job: Send {
    /// Whether it is the thread's from now on. Otherwise its caller has given it up, and it never
    /// happens.
    fn begin(&self) -> bool;

    /// Writes. It is called again, in another transaction, where this one was taken back.
    fn write(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Tells whoever has asked.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A job belongs to who takes it first: the thread, which begins it, or its caller, who gives it
/// up.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Whether this was first.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Who waits for a job. When it is dropped, a job that has not begun never does.
pub(super) struct Caller(pub(super) Turn);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A job, and who waits for its answer.
pub(super) struct Asked<T, F> {
    pub(super) work: F,
    pub(super) turn: Turn,
    /// It is not run again after a panic: what it owns may be half changed.
    pub(super) has_panicked: bool,
    pub(super) health: Arc<Health>,
    pub(super) done: Option<T>,
    pub(super) answer: oneshot::Sender<Result<(T, F), StoreError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, StoreError> + Send,
{
    fn begin(&self) -> bool {
        self.turn.take()
    }

    fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let panicked = || StoreError::Failed { reason: "a job of the writer has panicked".into() };
        if self.has_panicked {
            return Err(panicked());
        }
        match catch_unwind(AssertUnwindSafe(|| (self.work)(connection))) {
            Ok(done) => self.done = Some(done?),
            Err(_) => {
                self.has_panicked = true;
                self.health.panics.fetch_add(1, Ordering::Relaxed);
                return Err(panicked());
            }
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { work, done, answer, .. } = *self;
        let done = committed.and_then(|()| done.ok_or_else(|| StoreError::Failed { reason: "the writer has lost it".into() }));
        // Nobody may be there any more. What the job owned goes back to where it came from: freeing
        // it is no work for this thread.
        let _ = answer.send(done.map(|done| (done, work)));
    }
}

/// How the thread does.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) panics: AtomicU64,
    /// Since when its work has not ended well; none where it has.
    pub(super) since: Mutex<Option<Instant>>,
}

impl Health {
    /// A batch begins, or the thread has ended.
    pub(super) fn begins(&self) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    /// A batch was committed.
    pub(super) fn ends_well(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
