//! Workers whose work has several parts, and workers that wait for what may hang.

use std::fmt;

use tokio::task::JoinHandle;

use super::{PassError, Pulse};

/// A worker whose rounds have several parts. A round is a good pass when all of its parts were
/// good.
///
/// A round may take longer than its worker may be late, where there is much to do. So each good
/// part counts as a good pass for as long as the round before was good, and nothing has failed
/// since: a part that always fails makes its worker late, whatever the others do.
#[derive(Debug)]
pub(crate) struct Rounds {
    pulse: Pulse,
    was_good: bool,
    is_good: bool,
}

impl Rounds {
    pub(crate) fn new(pulse: Pulse) -> Self {
        Self { pulse, was_good: true, is_good: true }
    }

    /// One part of a round, with the deadline of a pass.
    ///
    /// # Errors
    /// When it fails, takes longer, or panics.
    pub(crate) async fn part<T, E: fmt::Display>(&mut self, part: impl Future<Output = Result<T, E>>) -> Result<T, PassError<E>> {
        let done = self.pulse.part(part).await;
        self.is_good &= done.is_ok();
        if self.was_good && self.is_good {
            self.pulse.good();
        }
        done
    }

    /// A round has ended.
    pub(crate) fn end(&mut self) {
        if self.is_good {
            self.pulse.good();
        }
        self.was_good = self.is_good;
        self.is_good = true;
    }
}

/// A thread that may wait, for a worker's passes one after the other. Where a pass is broken off
/// because its job hangs, the next one waits for the same job: however long it hangs, it holds one
/// thread.
#[derive(Debug)]
pub(crate) struct OneThread<T>(Option<JoinHandle<T>>);

impl<T> Default for OneThread<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> OneThread<T> {
    /// Runs a job, or waits for the one that still runs. Its panic is one of the caller.
    pub(crate) async fn run(&mut self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let done = self.0.get_or_insert_with(|| tokio::task::spawn_blocking(job)).await;
        self.0 = None;
        match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends, and nothing waits for this any more.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::workers::{Worker, Workers};
    use prometheus_client::registry::Registry;

    const GOOD: Result<(), &str> = Ok(());
    const BAD: Result<(), &str> = Err("it fails");

    /// Whether a worker has had a good pass since this was called last: before, its last one is
    /// made old.
    fn take_good(rounds: &Rounds) -> bool {
        let old = Instant::now().checked_sub(Duration::from_secs(3_600)).unwrap();
        std::mem::replace(&mut rounds.pulse.watched.state().good, old).elapsed() < Duration::from_secs(1_800)
    }

    #[tokio::test]
    async fn a_part_that_always_fails_makes_its_worker_late_whatever_the_others_do() {
        let workers = Workers::new(&mut Registry::default());
        let mut rounds = Rounds::new(workers.begin(Worker::Sweep));
        let _ = take_good(&rounds);
        for round in 0..3 {
            rounds.part(async { GOOD }).await.unwrap();
            assert_eq!(take_good(&rounds), round == 0, "before anything has failed each part counts");
            assert!(matches!(rounds.part(async { BAD }).await, Err(PassError::Failed(_))));
            rounds.part(async { GOOD }).await.unwrap();
            rounds.end();
            assert!(!take_good(&rounds), "round {round}");
        }
        rounds.part(async { GOOD }).await.unwrap();
        assert!(!take_good(&rounds), "what has failed was not tried yet");
        rounds.end();
        assert!(take_good(&rounds), "the whole round was good");
        rounds.part(async { GOOD }).await.unwrap();
        assert!(take_good(&rounds), "a long round is no late one");
    }

    #[tokio::test]
    async fn a_job_that_hangs_holds_one_thread_however_many_passes_wait_for_it() {
        let workers = Workers::new(&mut Registry::default());
        let pulse = workers.begin(Worker::Keys);
        let begun = Arc::new(AtomicUsize::new(0));
        let (end, ends) = mpsc::channel::<()>();
        let mut ends = Some(ends);
        let mut thread = OneThread::default();
        for _ in 0..3 {
            let (begun, ends) = (Arc::clone(&begun), ends.take());
            let job = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                // The first one hangs.
                ends.map_or(GOOD, |ends| ends.recv().map_err(|_| "nothing came"))
            };
            let pass = pulse.part_within(Duration::from_millis(10), thread.run(job)).await;
            assert!(matches!(pass, Err(PassError::Deadline(_))), "{pass:?}");
        }
        end.send(()).unwrap();
        assert_eq!(thread.run(|| BAD).await, GOOD, "what has hung ends this pass");
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert_eq!(thread.run(|| BAD).await, BAD, "and the next one is its own");
    }
}
