//! The deadline of one call to the database, and what it has sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::pin;
use tokio::time::{Instant, timeout_at};

/// One call, shared by the caller that waits for it and the connection that works for it.
#[derive(Debug)]
pub(super) struct Call {
    deadline: Mutex<Instant>,
    is_commit_sent: AtomicBool,
    /// When the call got its connection.
    leased: Mutex<Option<Instant>>,
}

impl Call {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline: Mutex::new(deadline), is_commit_sent: AtomicBool::new(false), leased: Mutex::new(None) }
    }

    /// A new attempt has sent no COMMIT.
    pub(super) fn begin_attempt(&self) {
        self.is_commit_sent.store(false, Ordering::Relaxed);
        *self.leased.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn has_connection(&self) {
        *self.leased.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long the attempt has had its connection; none where it has none.
    pub(super) fn connection_held(&self) -> Option<Duration> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// To be called before a COMMIT is sent: from here on it may happen.
    pub(super) fn sends_commit(&self) {
        self.is_commit_sent.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_commit_sent(&self) -> bool {
        self.is_commit_sent.load(Ordering::Relaxed)
    }

    pub(super) fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline()
    }

    /// Moves the deadline, for a trip that takes longer than others.
    pub(super) fn extend(&self, from_now: Duration) {
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline = (*deadline).max(Instant::now() + from_now);
    }

    /// Waits for work until the deadline; none where that has passed, and the work was dropped.
    pub(super) async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        pin!(work);
        loop {
            let deadline = self.deadline();
            match timeout_at(deadline, &mut work).await {
                Ok(done) => return Some(done),
                // The work has moved it meanwhile.
                Err(_) if self.deadline() > deadline => {}
                Err(_) => return None,
            }
        }
    }
}
