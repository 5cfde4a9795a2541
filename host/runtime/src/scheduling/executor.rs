//! Where Actions run. Each starts inline, on its caller's thread: most are done there, in
//! microseconds, and wake no thread. One that exceeds the inline budget, or waits, continues on the
//! *background executor*: the host's own low-priority threads.
//!
//! So no caller is blocked for longer than the inline budget, and an Action that computes without
//! end uses idle processor time alone. The executor's queue is [fair by tenant](super::queue).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_task::FallibleTask;
use tokio::runtime::{Handle, Runtime};

use super::cpu_time::{CpuTime, thread_time};
use super::queue::FairQueue;
use super::task::TaskMeta;
use crate::error::RuntimeError;

/// The priority of the executor's threads below others (`nice`): at 5 they get a quarter of a
/// processor that another thread keeps busy, and all of one that is idle.
const NICENESS: i32 = 5;

/// The background executor of a host.
#[derive(Debug)]
pub(crate) struct BackgroundExecutor {
    /// Where timers and sockets of Actions live. Taken when the host is dropped.
    waiting: Option<Runtime>,
    queue: Arc<FairQueue>,
}

/// What becomes of an Action: a future that owns all that it needs.
pub(crate) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl BackgroundExecutor {
    pub(crate) fn new(threads: usize) -> Result<Self, RuntimeError> {
        let count = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let failed = |error: std::io::Error| RuntimeError::SlowThreads { reason: error.to_string() };
        let waiting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("vestibule-waiting")
            .on_thread_start(lower_priority)
            .enable_all()
            .build()
            .map_err(failed)?;
        let lane = Self { waiting: Some(waiting), queue: Arc::new(FairQueue::new((count / 2).max(1))) };
        for _ in 0..count {
            let (queue, handle) = (Arc::clone(&lane.queue), lane.handle().cloned());
            let thread = std::thread::Builder::new().name("vestibule-slow".to_owned());
            thread.spawn(move || compute(&queue, handle.as_ref())).map_err(failed)?;
        }
        Ok(lane)
    }

    /// Where timers and sockets of Actions live.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.waiting.as_ref().map(Runtime::handle)
    }

    /// Polls a job on this thread, within the inline budget: its result, and the time that it took
    /// of the thread.
    pub(crate) async fn run_inline<T>(&self, job: &mut Job<T>, begin: StartOn) -> (Poll<T>, Duration) {
        std::future::poll_fn(|context| {
            let clock = Clock::start(begin);
            let _entered = self.handle().map(Handle::enter);
            let polled = job.as_mut().poll(context);
            Poll::Ready((polled, clock.elapsed()))
        })
        .await
    }

    /// Runs a job on the executor. Dropping the future ends the job. None where the host is being
    /// dropped.
    pub(crate) async fn run<T: Send + 'static>(&self, job: Job<T>, claim: TaskMeta) -> Option<T> {
        let queue = Arc::clone(&self.queue);
        let is_left = Arc::clone(&claim.is_left);
        let counted = Counted { job, computed: Arc::clone(&claim.computed) };
        let (first, task) = async_task::Builder::new().metadata(claim).spawn(move |_| counted, move |next| queue.ask(next));
        first.schedule();
        EndWithCaller { task: task.fallible(), is_left }.await
    }
}

impl Drop for BackgroundExecutor {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(waiting) = self.waiting.take() {
            // Not waited for: a host may be dropped where waiting is not possible.
            waiting.shutdown_background();
        }
    }
}

/// The loop of a thread of the executor.
fn compute(queue: &FairQueue, handle: Option<&Handle>) {
    lower_priority();
    let _entered = handle.map(Handle::enter);
    while let Some(turn) = queue.next() {
        // A job catches the panics of what it runs. Were there another, it would cost that job, and
        // not this thread.
        let _ = catch_unwind(AssertUnwindSafe(|| turn.job.run()));
        if let Some(tenant) = turn.tenant {
            queue.give_back(tenant);
        }
    }
}

/// A job whose time of computing is counted.
struct Counted<T> {
    job: Job<T>,
    computed: Arc<CpuTime>,
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

/// Lowers this thread's priority.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // Failing to is harmless.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}

/// Ends a job when its caller has left.
struct EndWithCaller<T> {
    task: FallibleTask<T, TaskMeta>,
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
pub(crate) enum StartOn {
    /// On its caller's thread.
    Caller,
    /// On its caller's thread, whose time is measured: time in which the thread had no processor
    /// doesn't count then. It costs some hundred nanoseconds.
    CallerMeasured,
    /// On the background executor.
    Background,
}

/// Measures what a job takes of its caller's thread.
enum Clock {
    Wall(Instant),
    Thread(u64),
}

impl Clock {
    fn start(begin: StartOn) -> Self {
        if begin == StartOn::CallerMeasured { Self::Thread(thread_time()) } else { Self::Wall(Instant::now()) }
    }

    /// On the thread that has started it.
    fn elapsed(&self) -> Duration {
        match self {
            Self::Wall(began) => began.elapsed(),
            Self::Thread(began) => Duration::from_nanos(thread_time().saturating_sub(*began)),
        }
    }
}
