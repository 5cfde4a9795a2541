//! Where Actions run. Each begins on its caller's own thread: most are done there, in microseconds, and wake nobody. One that computes for
//! longer than a moment, or waits, goes on in the *slow lane*: threads of the host's own that stand behind all others.
//!
//! So whoever calls the host is never held up for longer than a moment, and an Action that computes without end takes time that nobody
//! else wanted. In the slow lane no tenant computes on more than half of the threads at one time.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::error::RuntimeError;

/// How far the slow lane's threads stand behind others (`nice`): at 5 they get a quarter of a processor that another thread keeps busy, and
/// all of one that nobody else wants.
const NICENESS: i32 = 5;

/// The slow lane of a host.
#[derive(Debug)]
pub(crate) struct SlowLane {
    /// Taken when the host is dropped.
    threads: Option<Runtime>,
    count: usize,
}

/// What becomes of an Action: a future that owns all that it needs.
type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl SlowLane {
    pub(crate) fn new(threads: usize) -> Result<Self, RuntimeError> {
        let count = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("vestibule-slow")
            .on_thread_start(stand_behind)
            // Timers are looked at after each slice: there are Actions that compute without end, and others whose time is up.
            .event_interval(1)
            .enable_all()
            .build()
            .map_err(|error| RuntimeError::SlowThreads { reason: error.to_string() })?;
        Ok(Self { threads: Some(threads), count })
    }

    /// How many of the threads one tenant can compute on at one time.
    pub(crate) fn share(&self) -> usize {
        (self.count / 2).max(1)
    }

    /// Where timers and sockets of Actions live.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.threads.as_ref().map(Runtime::handle)
    }

    /// Runs a job: a moment here, and then in the slow lane. Dropping the future ends the job.
    ///
    /// None where the host is being dropped.
    pub(crate) async fn run<T: Send + 'static>(&self, mut job: Job<T>, begin_here: bool, turns: Turns) -> Option<T> {
        let handle = self.handle()?;
        if begin_here {
            let began = Instant::now();
            let moment = std::future::poll_fn(|context| {
                let _entered = handle.enter();
                Poll::Ready(job.as_mut().poll(context))
            });
            if let Poll::Ready(done) = moment.await {
                return Some(done);
            }
            turns.computed.add(began.elapsed());
        }
        EndWithCaller(handle.spawn(InTurns { job, turns, asked: None })).await
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // Not waited for: a host may be dropped where waiting is not possible.
            threads.shutdown_background();
        }
    }
}

/// A thread that gets its time after others.
fn stand_behind() {
    #[cfg(target_os = "linux")]
    {
        // A thread that can't be put behind others is only less polite.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}

/// Ends a job when nobody waits for it any more.
struct EndWithCaller<T>(JoinHandle<T>);

impl<T> Future for EndWithCaller<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<T> Drop for EndWithCaller<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// When a job may compute in the slow lane, and how much it has computed.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Its tenant's turns: one permit for each thread that the tenant can compute on.
    pub(crate) tenant: Arc<Semaphore>,
    /// When the job's flow has no time left.
    pub(crate) until: Instant,
    pub(crate) computed: Arc<Computed>,
}

impl Turns {
    /// Whether the job ends by itself as soon as it is polled, without computing anything: it needs no turn for that.
    fn is_over(&self) -> bool {
        let now = Instant::now();
        now >= self.until || self.computed.ends.get().is_some_and(|ends| now >= *ends)
    }
}

/// A job that computes only while it has its tenant's turn. It gives the turn back whenever it waits or a slice of its time has ended.
struct InTurns<T> {
    job: Job<T>,
    turns: Turns,
    /// The question for the next turn.
    asked: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
}

impl<T> Future for InTurns<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if this.turns.is_over() {
            return this.job.as_mut().poll(context);
        }
        let tenant = &this.turns.tenant;
        let asked = this.asked.get_or_insert_with(|| {
            let tenant = Arc::clone(tenant);
            Box::pin(async move { tenant.acquire_owned().await.ok() })
        });
        let Poll::Ready(turn) = asked.as_mut().poll(context) else { return Poll::Pending };
        this.asked = None;
        this.turns.computed.begin();
        let polled = this.job.as_mut().poll(context);
        this.turns.computed.end();
        drop(turn);
        polled
    }
}

/// The processor's time that a job has used, in nanoseconds. Time in which its thread had no processor doesn't count.
#[derive(Debug)]
pub(crate) struct Computed {
    before: AtomicU64,
    /// The thread's own time when it began to compute in the slow lane; none while it doesn't.
    began: AtomicU64,
    /// When the job has no time left; not known before it has begun, since waiting for the first turn doesn't count.
    ends: OnceLock<Instant>,
}

/// A thread's time is never this: it is some 500 years.
const NOT_COMPUTING: u64 = u64::MAX;

impl Default for Computed {
    fn default() -> Self {
        Self { before: AtomicU64::new(0), began: AtomicU64::new(NOT_COMPUTING), ends: OnceLock::new() }
    }
}

impl Computed {
    fn begin(&self) {
        self.began.store(thread_time(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.before.store(self.nanoseconds(), Ordering::Relaxed);
        self.began.store(NOT_COMPUTING, Ordering::Relaxed);
    }

    /// Asked on the thread that computes, or when none does.
    fn nanoseconds(&self) -> u64 {
        let began = self.began.load(Ordering::Relaxed);
        let now = if began == NOT_COMPUTING { 0 } else { thread_time().saturating_sub(began) };
        self.before.load(Ordering::Relaxed) + now
    }

    /// What it has used so far; of its moment on the caller's thread only when that is over.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds())
    }

    /// The job has begun, and has no time left then.
    pub(crate) fn will_end(&self, at: Instant) {
        // Nobody asks twice.
        let _ = self.ends.set(at);
    }

    /// Adds the moment on the caller's thread.
    fn add(&self, moment: Duration) {
        self.before.fetch_add(u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The processor's time that this thread has used, in nanoseconds.
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}
