//! How much an Action has computed: the time of its thread's processor.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How often the ticker advances the epoch. A guest overshoots its time by at most one tick and the
/// time to its next check; 1 ms keeps that below 2 ms, at a cost of 1,000 wake-ups a second.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Lets others have the thread, and goes on when its turn comes again.
#[derive(Debug, Default)]
pub(crate) struct YieldNow {
    has_given: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.has_given {
            return Poll::Ready(());
        }
        self.has_given = true;
        // Woken while it runs, it asks for its next turn as soon as this one has ended.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The processor's time that a job has used, in nanoseconds. Time in which its thread had no
/// processor doesn't count.
#[derive(Debug)]
pub(crate) struct CpuTime {
    before: AtomicU64,
    /// The thread's own time when it began to compute on the executor; none while it doesn't.
    began: AtomicU64,
    /// Deadline; unset until the job starts, since waiting in the queue doesn't count.
    ends: OnceLock<Instant>,
}

/// A thread's time is never this: it is some 500 years.
const NOT_COMPUTING: u64 = u64::MAX;

impl Default for CpuTime {
    fn default() -> Self {
        Self { before: AtomicU64::new(0), began: AtomicU64::new(NOT_COMPUTING), ends: OnceLock::new() }
    }
}

impl CpuTime {
    pub(crate) fn begin(&self) {
        self.began.store(thread_time(), Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.before.store(self.nanoseconds(), Ordering::Relaxed);
        self.began.store(NOT_COMPUTING, Ordering::Relaxed);
    }

    /// Whether it computes on the executor now.
    pub(crate) fn is_counted(&self) -> bool {
        self.began.load(Ordering::Relaxed) != NOT_COMPUTING
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
        // It is set once.
        let _ = self.ends.set(at);
    }

    /// When the job has no time left, where it has begun.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends.get().copied()
    }

    /// Adds the moment on the caller's thread.
    pub(crate) fn add(&self, moment: Duration) {
        self.before.fetch_add(u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The processor's time that this thread has used, in nanoseconds.
pub(crate) fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}
