//! Where Actions run. Each begins on its caller's own thread: most are done there, in microseconds,
//! and wake nobody. One that computes for longer than a moment, or waits, goes on in the *slow
//! lane*: threads of the host's own that stand behind all others.
//!
//! So whoever calls the host is never held up for longer than a moment, and an Action that computes
//! without end takes time that nobody else wanted. In the slow lane [tenants take
//! turns](crate::turns).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_task::FallibleTask;
use tokio::runtime::{Handle, Runtime};

use crate::computed::{Computed, thread_time};
use crate::error::RuntimeError;
use crate::turns::{TenantNumber, Turns};

/// How far the slow lane's threads stand behind others (`nice`): at 5 they get a quarter of a
/// processor that another thread keeps busy, and all of one that nobody else wants.
const NICENESS: i32 = 5;

/// The slow lane of a host.
#[derive(Debug)]
pub(crate) struct SlowLane {
    /// Where timers and sockets of Actions live. Taken when the host is dropped.
    waiting: Option<Runtime>,
    turns: Arc<Turns>,
}

/// What becomes of an Action: a future that owns all that it needs.
pub(crate) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl SlowLane {
    pub(crate) fn new(threads: usize) -> Result<Self, RuntimeError> {
        let count = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let failed = |error: std::io::Error| RuntimeError::SlowThreads { reason: error.to_string() };
        let waiting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("vestibule-waiting")
            .on_thread_start(stand_behind)
            .enable_all()
            .build()
            .map_err(failed)?;
        let lane = Self { waiting: Some(waiting), turns: Arc::new(Turns::new((count / 2).max(1))) };
        for _ in 0..count {
            let (turns, handle) = (Arc::clone(&lane.turns), lane.handle().cloned());
            let thread = std::thread::Builder::new().name("vestibule-slow".to_owned());
            thread.spawn(move || compute(&turns, handle.as_ref())).map_err(failed)?;
        }
        Ok(lane)
    }

    /// Where timers and sockets of Actions live.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.waiting.as_ref().map(Runtime::handle)
    }

    /// A job's moment on this thread: what has become of it, and what it has taken of the thread.
    pub(crate) async fn moment<T>(&self, job: &mut Job<T>, begin: Begin) -> (Poll<T>, Duration) {
        std::future::poll_fn(|context| {
            let clock = Clock::start(begin);
            let _entered = self.handle().map(Handle::enter);
            let polled = job.as_mut().poll(context);
            Poll::Ready((polled, clock.elapsed()))
        })
        .await
    }

    /// Runs a job in the slow lane. Dropping the future ends the job. None where the host is being
    /// dropped.
    pub(crate) async fn run<T: Send + 'static>(&self, job: Job<T>, claim: Claim) -> Option<T> {
        let turns = Arc::clone(&self.turns);
        let is_left = Arc::clone(&claim.is_left);
        let counted = Counted { job, computed: Arc::clone(&claim.computed) };
        let (first, task) = async_task::Builder::new().metadata(claim).spawn(move |_| counted, move |next| turns.ask(next));
        first.schedule();
        EndWithCaller { task: task.fallible(), is_left }.await
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        self.turns.close();
        if let Some(waiting) = self.waiting.take() {
            // Not waited for: a host may be dropped where waiting is not possible.
            waiting.shutdown_background();
        }
    }
}

/// What a thread of the slow lane does.
fn compute(turns: &Turns, handle: Option<&Handle>) {
    stand_behind();
    let _entered = handle.map(Handle::enter);
    while let Some(turn) = turns.next() {
        // A job catches the panics of what it runs. Were there another, it would cost that job, and
        // not this thread.
        let _ = catch_unwind(AssertUnwindSafe(|| turn.job.run()));
        if let Some(tenant) = turn.tenant {
            turns.give_back(tenant);
        }
    }
}

/// A job whose time of computing is counted.
struct Counted<T> {
    job: Job<T>,
    computed: Arc<Computed>,
}

impl<T> Future for Counted<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.computed.begin();
        let polled = self.job.as_mut().poll(context);
        self.computed.end();
        polled
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
struct EndWithCaller<T> {
    task: FallibleTask<T, Claim>,
    is_left: Arc<AtomicBool>,
}

impl<T> Future for EndWithCaller<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.task).poll(context)
    }
}

impl<T> Drop for EndWithCaller<T> {
    fn drop(&mut self) {
        self.is_left.store(true, Ordering::Relaxed);
    }
}

/// Where a job begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// On its caller's thread.
    Here,
    /// On its caller's thread, whose time is measured: time in which the thread had no processor
    /// doesn't count then. It costs some hundred nanoseconds.
    HereMeasured,
    /// In the slow lane.
    InSlowLane,
}

/// Measures what a job takes of its caller's thread.
enum Clock {
    Wall(Instant),
    Thread(u64),
}

impl Clock {
    fn start(begin: Begin) -> Self {
        if begin == Begin::HereMeasured { Self::Thread(thread_time()) } else { Self::Wall(Instant::now()) }
    }

    /// On the thread that has started it.
    fn elapsed(&self) -> Duration {
        match self {
            Self::Wall(began) => began.elapsed(),
            Self::Thread(began) => Duration::from_nanos(thread_time().saturating_sub(*began)),
        }
    }
}

/// Whose job it is, until when it may go on, and how much it has computed.
#[derive(Debug)]
pub(crate) struct Claim {
    tenant: TenantNumber,
    /// When the job's flow has no time left.
    until: Instant,
    computed: Arc<Computed>,
    /// Nobody waits for the job any more.
    is_left: Arc<AtomicBool>,
}

impl Claim {
    pub(crate) fn new(tenant: TenantNumber, until: Instant, computed: Arc<Computed>) -> Self {
        Self { tenant, until, computed, is_left: Arc::default() }
    }

    pub(crate) fn tenant(&self) -> TenantNumber {
        self.tenant
    }

    /// When the job ends by itself as soon as it is polled, without computing anything: it needs no
    /// turn for that.
    pub(crate) fn ends(&self) -> Instant {
        self.computed.ends().map_or(self.until, |ends| ends.min(self.until))
    }

    /// Whether that is now.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.is_left.load(Ordering::Relaxed) || now >= self.ends()
    }
}
