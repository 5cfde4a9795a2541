//! Supervision of the server's background workers: a deadline for each pass, a panic that costs one
//! pass, and the age of the last good pass for `/readyz` and `/metrics`.
//!
//! A worker is a loop that lives as long as the server. Each of its passes is run by
//! [`Pulse::pass`]. A pass that fails, takes longer than its deadline or panics is logged by the
//! worker's name, and the loop goes on. A panic's message is not logged: it may hold a tenant's
//! data.

pub(crate) mod rounds;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use thiserror::Error;
use vestibule_sessions::ThreadState;

/// How long one pass may take: longer than a call of the store may, so that the store's own error
/// is the one that is logged.
pub(crate) const PASS: Duration = Duration::from_secs(15);

/// How often a worker that waits for work says that it is there.
pub(crate) const IDLE: Duration = Duration::from_secs(5);

/// The age of the last good pass at which one of the store's threads counts as late.
const THREAD_LATE: Duration = Duration::from_secs(30);

/// A background worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Looks for flows that other servers have changed.
    FlowWatch,
    /// Claims logout tokens that are due, and sends them.
    Deliverer,
    /// Writes the results of sent logout tokens.
    Settler,
    /// Ends sessions whose time is over, and deletes what has been kept for long enough.
    Sweep,
    /// Sends the tenants' log streams: one loop for each.
    Streams,
    /// Writes executions.
    ExecutionWriter,
    /// Builds uploaded components, and looks for builds that were broken off.
    Builds,
    /// Writes the ends of sessions that were marked as ended.
    Ends,
    /// Reads signing keys that have changed.
    Keys,
    /// Closes connections whose peers don't read, and those that rest.
    Connections,
    /// Looks how much is stored for each tenant.
    Storage,
}

impl Worker {
    /// Its name in `/readyz`, in metrics and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FlowWatch => "flow_watch",
            Self::Deliverer => "deliverer",
            Self::Settler => "settler",
            Self::Sweep => "sweep",
            Self::Streams => "streams",
            Self::ExecutionWriter => "execution_writer",
            Self::Builds => "builds",
            Self::Ends => "ends",
            Self::Keys => "keys",
            Self::Connections => "connections",
            Self::Storage => "storage",
        }
    }

    /// The age of its last good pass at which it counts as late: several times the interval between
    /// two passes, and longer than one pass may take.
    pub(crate) fn late_after(self) -> Duration {
        Duration::from_secs(match self {
            Self::FlowWatch
            | Self::Deliverer
            | Self::Settler
            | Self::Streams
            | Self::ExecutionWriter
            | Self::Connections
            | Self::Storage
            | Self::Keys => 30,
            // A pass each 10 s.
            Self::Sweep | Self::Builds | Self::Ends => 60,
        })
    }
}

/// Why a pass was not a good one.
#[derive(Debug, Error)]
pub(crate) enum PassError<E: fmt::Display> {
    /// It has failed.
    #[error("{0}")]
    Failed(E),
    /// It was broken off at its deadline.
    #[error("it has not ended within {} s", .0.as_secs())]
    Deadline(Duration),
    /// It has panicked.
    #[error("it has panicked")]
    Panicked,
}

/// A job has panicked. It is logged and counted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it has panicked")]
pub(crate) struct Panicked;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWorker {
    worker: &'static str,
}

/// All workers of a server.
#[derive(Clone, Debug)]
pub(crate) struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    loops: Mutex<Vec<Arc<Loop>>>,
    panics: Family<OfWorker, Gauge>,
    ages: Family<OfWorker, Gauge<f64, AtomicU64>>,
}

/// One loop.
#[derive(Debug)]
struct Loop {
    worker: Worker,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// When its last good pass ended; at first, when it began.
    good: Instant,
    /// It has panicked since.
    has_panicked: bool,
}

impl Loop {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker that is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    name: &'static str,
    age: Duration,
    limit: Duration,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (last good pass {} s ago, limit {} s)", self.name, self.age.as_secs(), self.limit.as_secs())
    }
}

impl Workers {
    /// None yet. Their metrics are registered.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let panics = Family::<OfWorker, Gauge>::default();
        let help = "Panics in passes of background workers since the start, by worker";
        registry.register("worker_panics", help, panics.clone());
        let ages = Family::<OfWorker, Gauge<f64, AtomicU64>>::default();
        let help = "Age of the last good pass of background workers, by worker";
        registry.register_with_unit("worker_last_good_pass_age", help, Unit::Seconds, ages.clone());
        Self(Arc::new(Inner { loops: Mutex::default(), panics, ages }))
    }

    fn loops(&self) -> MutexGuard<'_, Vec<Arc<Loop>>> {
        self.0.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop begins: it is watched until its pulse is dropped.
    pub(crate) fn begin(&self, worker: Worker) -> Pulse {
        let state = Mutex::new(State { good: Instant::now(), has_panicked: false });
        let watched = Arc::new(Loop { worker, state });
        self.loops().push(Arc::clone(&watched));
        Pulse { workers: self.clone(), watched }
    }

    /// Runs a job of a worker which is no pass of its loop. A panic is logged and counted, and ends
    /// this job alone.
    pub(crate) async fn job<T>(&self, worker: Worker, job: impl Future<Output = T>) -> Result<T, Panicked> {
        let done = unwinding(job).await;
        if done.is_err() {
            self.count_panic(worker);
        }
        done
    }

    fn count_panic(&self, worker: Worker) {
        tracing::error!(worker = worker.name(), "a background worker has panicked; it goes on with its next pass");
        self.0.panics.get_or_create(&OfWorker { worker: worker.name() }).inc();
    }

    /// Those whose last good pass is too long ago, with the store's own threads.
    pub(crate) fn late(&self, threads: &[ThreadState], now: Instant) -> Vec<Late> {
        let mut late: Vec<Late> = Vec::new();
        for watched in self.loops().iter() {
            let (name, limit) = (watched.worker.name(), watched.worker.late_after());
            let age = now.saturating_duration_since(watched.state().good);
            if age > limit {
                match late.iter_mut().find(|late| late.name == name) {
                    // One name for all streams: the oldest counts.
                    Some(late) => late.age = late.age.max(age),
                    None => late.push(Late { name, age, limit }),
                }
            }
        }
        let of_threads = threads.iter().filter(|thread| thread.age > THREAD_LATE);
        late.extend(of_threads.map(|thread| Late { name: thread.name, age: thread.age, limit: THREAD_LATE }));
        late
    }

    /// The names of those that have panicked since their last good pass.
    pub(crate) fn panicked(&self) -> Vec<&'static str> {
        let mut names: Vec<_> =
            self.loops().iter().filter(|watched| watched.state().has_panicked).map(|watched| watched.worker.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self, threads: &[ThreadState]) {
        let now = Instant::now();
        let mut ages: Vec<(&'static str, Duration)> = Vec::new();
        for watched in self.loops().iter() {
            let (name, age) = (watched.worker.name(), now.saturating_duration_since(watched.state().good));
            match ages.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = (*known).max(age),
                None => ages.push((name, age)),
            }
        }
        ages.extend(threads.iter().map(|thread| (thread.name, thread.age)));
        for (worker, age) in ages {
            self.0.ages.get_or_create(&OfWorker { worker }).set(age.as_secs_f64());
            // So that each worker has its line before its first panic.
            drop(self.0.panics.get_or_create(&OfWorker { worker }));
        }
        for thread in threads {
            let panics = i64::try_from(thread.panics).unwrap_or(i64::MAX);
            self.0.panics.get_or_create(&OfWorker { worker: thread.name }).set(panics);
        }
    }
}

/// What a loop tells of its passes. With it the loop ends, unless that is by a panic: then it
/// counts as late from some time on.
#[derive(Debug)]
pub(crate) struct Pulse {
    workers: Workers,
    watched: Arc<Loop>,
}

impl Pulse {
    /// One pass, of [`PASS`] at most.
    ///
    /// # Errors
    /// When it fails, takes longer, or panics.
    pub(crate) async fn pass<T, E: fmt::Display>(&self, pass: impl Future<Output = Result<T, E>>) -> Result<T, PassError<E>> {
        let done = self.part(pass).await?;
        self.good();
        Ok(done)
    }

    /// A part of a pass, of [`PASS`] at most: alone it is no good pass.
    ///
    /// # Errors
    /// When it fails, takes longer, or panics.
    pub(crate) async fn part<T, E: fmt::Display>(&self, part: impl Future<Output = Result<T, E>>) -> Result<T, PassError<E>> {
        self.part_within(PASS, part).await
    }

    async fn part_within<T, E: fmt::Display>(
        &self,
        deadline: Duration,
        part: impl Future<Output = Result<T, E>>,
    ) -> Result<T, PassError<E>> {
        match tokio::time::timeout(deadline, unwinding(part)).await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) => Err(PassError::Failed(error)),
            Ok(Err(Panicked)) => {
                self.has_panicked();
                self.workers.count_panic(self.watched.worker);
                Err(PassError::Panicked)
            }
            Err(_) => Err(PassError::Deadline(deadline)),
        }
    }

    /// The loop has panicked between its passes. That is logged and counted by [`Workers::job`].
    pub(crate) fn has_panicked(&self) {
        self.watched.state().has_panicked = true;
    }

    /// A good pass has ended, or there was nothing to do.
    pub(crate) fn good(&self) {
        *self.watched.state() = State { good: Instant::now(), has_panicked: false };
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.workers.loops().retain(|watched| !Arc::ptr_eq(watched, &self.watched));
        }
    }
}

/// Polls a future until it has ended or panicked. After a panic it is dropped and never polled
/// again, so nothing of it is seen half done but what it shares: that is behind locks which are
/// taken again after a panic.
async fn unwinding<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn workers() -> (Workers, Registry) {
        let mut registry = Registry::with_prefix("vestibule");
        (Workers::new(&mut registry), registry)
    }

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[tokio::test]
    async fn a_panic_costs_one_pass_and_is_shown_until_a_good_one() {
        let (workers, registry) = workers();
        let pulse = workers.begin(Worker::Sweep);
        let panicking = pulse.pass(async { panic!("a fault of ours") as Result<(), Infallible> }).await;
        assert!(matches!(panicking, Err(PassError::Panicked)), "{panicking:?}");
        assert_eq!(workers.panicked(), ["sweep"]);
        assert!(matches!(pulse.pass(async { Err::<(), _>("away") }).await, Err(PassError::Failed("away"))));
        assert_eq!(workers.panicked(), ["sweep"], "a pass that fails is no good one");
        pulse.pass(async { Ok::<_, Infallible>(()) }).await.unwrap();
        assert!(workers.panicked().is_empty());
        assert_eq!(workers.job(Worker::Builds, async { panic!("a fault of ours") as u8 }).await, Err(Panicked));
        workers.measure(&[]);
        let text = text(&registry);
        for line in ["vestibule_worker_panics{worker=\"sweep\"} 1", "vestibule_worker_panics{worker=\"builds\"} 1"] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }

    #[tokio::test]
    async fn a_pass_that_never_ends_is_broken_off() {
        let (workers, _) = workers();
        let pulse = workers.begin(Worker::Sweep);
        let endless = pulse.part_within(Duration::ZERO, std::future::pending::<Result<(), Infallible>>()).await;
        assert!(matches!(endless, Err(PassError::Deadline(_))), "{endless:?}");
    }

    #[test]
    fn a_worker_is_late_by_the_age_of_its_last_good_pass() {
        let (workers, registry) = workers();
        let (watch, first, second) =
            (workers.begin(Worker::FlowWatch), workers.begin(Worker::Streams), workers.begin(Worker::Streams));
        let now = Instant::now();
        assert!(workers.late(&[], now).is_empty());
        let after = |seconds| now + Duration::from_secs(seconds);
        watch.watched.state().good = after(100);
        second.watched.state().good = after(10);
        let late = workers.late(&[], after(110));
        assert_eq!(late.iter().map(|late| late.name).collect::<Vec<_>>(), ["streams"], "one line for all streams");
        assert!(late[0].age >= Duration::from_secs(109), "the oldest counts: {late:?}");
        drop(first);
        assert_eq!(workers.late(&[], after(110))[0].to_string(), "streams (last good pass 100 s ago, limit 30 s)");
        second.good();
        drop(watch);
        assert_eq!(workers.late(&[], after(200)).len(), 1, "a loop that has ended is not looked at any more");
        let dead = workers.begin(Worker::Sweep);
        let dying = std::thread::spawn(move || {
            let _dead = dead;
            panic!("a fault of ours")
        });
        dying.join().unwrap_err();
        assert_eq!(workers.late(&[], after(200))[1].name, "sweep", "one that has panicked between its passes is late");
        let stuck = ThreadState { name: "sqlite_writer", age: Duration::from_secs(31), panics: 2 };
        assert_eq!(workers.late(&[stuck], now)[0].to_string(), "sqlite_writer (last good pass 31 s ago, limit 30 s)");
        workers.measure(&[stuck]);
        let text = text(&registry);
        assert!(text.contains("vestibule_worker_panics{worker=\"sqlite_writer\"} 2"), "{text}");
        assert!(text.contains("vestibule_worker_last_good_pass_age_seconds{worker=\"sqlite_writer\"} 31.0"), "{text}");
    }
}
