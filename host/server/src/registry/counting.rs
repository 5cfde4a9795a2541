//! Reading components on threads of low priority: few at one time, since the largest takes a core
//! for a tenth of a second.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::low_priority;

/// Components that are read at one time.
const AT_ONCE: usize = 2;
/// How long a component waits for its permit.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The permits.
#[derive(Debug)]
pub(super) struct Counting {
    permits: Arc<Semaphore>,
    patience: Duration,
}

/// Why a component was not read.
#[derive(Debug, Error)]
pub(super) enum NotCounted {
    /// The components before it took too long.
    #[error("the components before it were not read within {} s", .0.as_secs())]
    Busy(Duration),
    /// Reading it panicked.
    #[error("reading the component panicked")]
    Panicked,
    /// The operating system started no thread for it.
    #[error("no thread could be started to read the component")]
    NoThread(#[source] std::io::Error),
}

impl Counting {
    pub(super) fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    fn with_patience(patience: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), patience }
    }

    /// Runs `read` on a thread of its own. The permit goes with the thread: a caller that hangs up
    /// begins no further one.
    ///
    /// # Errors
    /// When no permit came in time, no thread could be started, or `read` panicked.
    pub(super) async fn run<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Result<T, NotCounted> {
        let permit = timeout(self.patience, Arc::clone(&self.permits).acquire_owned());
        let Ok(permit) = permit.await else { return Err(NotCounted::Busy(self.patience)) };
        let (sender, receiver) = oneshot::channel();
        let reading = move || {
            // Whether `read` returns or panics, the permit is back before the caller's answer.
            let held = permit;
            let answer = read();
            drop(held);
            // A caller that has gone needs no answer.
            let _ = sender.send(answer);
        };
        low_priority::spawn("reading".to_owned(), reading).map_err(NotCounted::NoThread)?;
        receiver.await.map_err(|_| NotCounted::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_component_waits_for_its_permit_only_so_long() {
        let counting = Arc::new(Counting::with_patience(Duration::from_millis(20)));
        let (started, mut running) = tokio::sync::mpsc::channel(AT_ONCE);
        let held: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (counting, started) = (Arc::clone(&counting), started.clone());
                let (release, released) = mpsc::channel::<()>();
                let read = move || {
                    started.blocking_send(()).unwrap();
                    released.recv().ok();
                };
                (tokio::spawn(async move { counting.run(read).await }), release)
            })
            .collect();
        for _ in 0..AT_ONCE {
            running.recv().await.unwrap();
        }
        assert!(matches!(counting.run(|| ()).await, Err(NotCounted::Busy(_))), "both permits are held");
        for (running, release) in held {
            drop(release);
            running.await.unwrap().unwrap();
        }
        counting.run(|| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_returns_the_permit() {
        let counting = Counting::with_patience(Duration::from_millis(20));
        for _ in 0..=AT_ONCE {
            let read = || panic!("as planned");
            assert!(matches!(counting.run::<()>(read).await, Err(NotCounted::Panicked)));
        }
        counting.run(|| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_keeps_its_permit_with_its_thread() {
        let counting = Arc::new(Counting::with_patience(Duration::from_millis(20)));
        let (started, mut running) = tokio::sync::mpsc::channel(AT_ONCE);
        let releases: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (release, released) = mpsc::channel::<()>();
                let (counting, started) = (Arc::clone(&counting), started.clone());
                let read = move || {
                    started.blocking_send(()).unwrap();
                    released.recv().ok();
                };
                let caller = tokio::spawn(async move { counting.run(read).await });
                (caller, release)
            })
            .collect();
        for _ in 0..AT_ONCE {
            running.recv().await.unwrap();
        }
        for (caller, _) in &releases {
            caller.abort();
        }
        assert!(matches!(counting.run(|| ()).await, Err(NotCounted::Busy(_))), "the threads still read");
        drop(releases);
    }
}
