//! Admission: which logins run now, and which wait. Each tenant has its own permits and its own
//! queue, so that none takes what others need.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vestibule_model::TenantId;

use super::executor::StartOn;
use super::fair::{Bounds, FairPermit, FairSemaphore, Share};
use super::quick::QuickRuns;
use super::task::TenantNumber;
use crate::error::RunError;
use crate::limits::{HostLimits, TenantLimits};

/// What a tenant's longer runs may take of their callers' threads in one second. With two
/// processors, one login in two thousand of another tenant meets such a run; with four times as
/// much, the slowest hundredth of its logins took twice as long (`cargo bench --bench neighbours`).
/// Beyond it, the tenant's Actions start on the background executor until the second is over.
const LONGER_RUNS: Duration = Duration::from_millis(1);

/// Additional allowance per run started in that second: a fifth of what a run takes. Of ten
/// thousand runs a second on a busy machine some hundred seem to be longer, because something else
/// has interrupted them; sent to the slow lane they would cost more than they take.
const FOR_EACH_RUN: Duration = Duration::from_micros(2);

/// Admission that are remembered before those without a login are forgotten.
const REMEMBERED: usize = 1_024;

/// The tenants of a host that have logins now.
#[derive(Debug)]
pub(crate) struct Admission {
    known: Mutex<Known>,
    /// One permit for each sandbox of the host.
    sandboxes: Arc<FairSemaphore>,
    limits: TenantLimits,
    since: Instant,
    quick: QuickRuns,
}

#[derive(Debug)]
struct Known {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    next_number: TenantNumber,
    /// How many there may be before those without a login are forgotten.
    forget_at: usize,
}

/// What a host remembers of a tenant with logins.
#[derive(Debug)]
pub(crate) struct Tenant {
    logins: Arc<Semaphore>,
    /// Of the host's sandboxes.
    sandboxes: Arc<Share>,
    waiting: AtomicUsize,
    /// Its number in the executor's queue.
    pub(crate) number: TenantNumber,
    /// [`Taken`] of the last second that had a longer run.
    taken: AtomicU64,
    /// A second, and in the lower half how many runs have begun in it.
    runs: AtomicU64,
}

/// The permits of one login, for as long as it runs.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) tenant: Arc<Tenant>,
    _login: OwnedSemaphorePermit,
    _sandbox: FairPermit,
}

impl Admission {
    pub(crate) fn new(limits: &TenantLimits, host: &HostLimits) -> Self {
        let bounds = Bounds {
            total: host.sandboxes,
            reserve: host.reserve(),
            few: limits.tenant_reserve,
            // A login takes one, and `tenant_logins` bounds these.
            most: usize::MAX,
        };
        let sandboxes = FairSemaphore::new(bounds);
        let known = Known { tenants: HashMap::new(), next_number: 0, forget_at: REMEMBERED };
        Self { known: Mutex::new(known), sandboxes, limits: limits.clone(), since: Instant::now(), quick: QuickRuns::new() }
    }

    /// Gives a login its place, at once or when its turn has come: a sandbox goes to the waiting
    /// tenant that holds fewest. In between it waits until it is ready, at its tenant's own cost:
    /// no sandbox is kept from others meanwhile.
    ///
    /// # Errors
    /// When too many wait already, or it has waited too long.
    pub(crate) async fn admit<T>(
        &self,
        id: &TenantId,
        timers: &Handle,
        ready: impl Future<Output = T>,
    ) -> Result<(Admitted, T), RunError> {
        let tenant = self.tenant(id);
        let until = || Instant::now() + self.limits.queue_time;
        let login = match Arc::clone(&tenant.logins).try_acquire_owned() {
            Ok(login) => login,
            Err(_) => {
                let _waiting = tenant.wait(self.limits.tenant_queue).ok_or_else(|| self.too_busy(id, "tenant_queue"))?;
                let login = in_time(Arc::clone(&tenant.logins).acquire_owned(), until(), timers).await.and_then(Result::ok);
                login.ok_or_else(|| self.too_busy(id, "queue_time"))?
            }
        };
        let ready = ready.await;
        let sandbox = match self.sandboxes.try_acquire(&tenant.sandboxes) {
            Some(sandbox) => sandbox,
            None => {
                let sandbox = in_time(self.sandboxes.acquire(&tenant.sandboxes), until(), timers).await;
                sandbox.ok_or_else(|| self.too_busy(id, "sandboxes"))?
            }
        };
        Ok((Admitted { tenant, _login: login, _sandbox: sandbox }, ready))
    }

    /// Where the tenant's next Action begins.
    pub(crate) fn begin(&self, tenant: &Tenant) -> StartOn {
        let second = self.second();
        let runs = tenant.count_run(second);
        match Taken::from(tenant.taken.load(Ordering::Relaxed)).in_second(second) {
            Duration::ZERO => StartOn::Caller,
            taken if taken < LONGER_RUNS + FOR_EACH_RUN * runs => StartOn::CallerMeasured,
            _ => StartOn::Background,
        }
    }

    /// Records the inline time of a run.
    pub(crate) fn record_inline(&self, tenant: &Tenant, begin: StartOn, time: Duration) {
        let second = self.second();
        if begin == StartOn::Background || self.quick.record(time, second) {
            return;
        }
        // On a busy machine a quick run may seem to be long, when its thread has had no processor.
        // So the first only has the others measured.
        let time = if begin == StartOn::Caller { Duration::from_micros(1) } else { time };
        let with_this = |taken: u64| {
            let time = Taken::from(taken).in_second(second) + time;
            Some(Taken { second, microseconds: u32::try_from(time.as_micros()).unwrap_or(u32::MAX) }.into())
        };
        // It is never refused.
        let _ = tenant.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_this);
    }

    fn second(&self) -> u32 {
        // It wraps after 136 years.
        self.since.elapsed().as_secs() as u32
    }

    fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        let mut known = self.known();
        if let Some(tenant) = known.tenants.get(id) {
            return Arc::clone(tenant);
        }
        if known.tenants.len() >= known.forget_at {
            // A login holds its tenant.
            known.tenants.retain(|_, tenant| Arc::strong_count(tenant) > 1);
            known.forget_at = REMEMBERED.max(known.tenants.len() * 2);
        }
        known.next_number += 1;
        let tenant = Arc::new(Tenant {
            logins: Arc::new(Semaphore::new(self.limits.tenant_logins)),
            sandboxes: Arc::default(),
            waiting: AtomicUsize::new(0),
            number: known.next_number,
            taken: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        });
        known.tenants.insert(id.clone(), Arc::clone(&tenant));
        tenant
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_busy(&self, tenant: &TenantId, limit: &'static str) -> RunError {
        RunError::TooBusy { tenant: tenant.clone(), limit, retry_after: self.limits.queue_time.max(Duration::from_millis(100)) }
    }
}

/// What a tenant's longer runs have taken of their callers' threads in one second; in one number,
/// so that threads can share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    second: u32,
    microseconds: u32,
}

impl Taken {
    fn in_second(self, second: u32) -> Duration {
        if self.second == second { Duration::from_micros(self.microseconds.into()) } else { Duration::ZERO }
    }
}

impl From<u64> for Taken {
    fn from(number: u64) -> Self {
        Self { second: (number >> 32) as u32, microseconds: number as u32 }
    }
}

impl From<Taken> for u64 {
    fn from(Taken { second, microseconds }: Taken) -> Self {
        Self::from(second) << 32 | Self::from(microseconds)
    }
}

impl Tenant {
    /// Counts a run: how many there have been in this second.
    fn count_run(&self, second: u32) -> u32 {
        let kept = self.runs.load(Ordering::Relaxed);
        if (kept >> 32) as u32 == second {
            return (self.runs.fetch_add(1, Ordering::Relaxed) as u32).saturating_add(1);
        }
        // Where two threads begin a second together, one of their runs may not be counted.
        self.runs.store(u64::from(second) << 32 | 1, Ordering::Relaxed);
        1
    }

    /// A place in the queue; none where it is full.
    fn wait(&self, queue: usize) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < queue).then_some(waiting)
    }
}

/// A login that waits. Without a place in the queue it is one for a moment only.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn in_time<T>(waiting: impl Future<Output = T>, until: Instant, timers: &Handle) -> Option<T> {
    let waiting = {
        let _entered = timers.enter();
        tokio::time::timeout_at(until.into(), waiting)
    };
    waiting.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(logins: usize, queue: usize, sandboxes: usize) -> Admission {
        let limits = TenantLimits {
            tenant_logins: logins,
            tenant_queue: queue,
            queue_time: Duration::from_millis(50),
            ..TenantLimits::default()
        };
        Admission::new(&limits, &HostLimits { sandboxes, ..HostLimits::default() })
    }

    async fn admit(tenants: &Admission, id: &TenantId, timers: &Handle) -> Result<Admitted, RunError> {
        tenants.admit(id, timers, async {}).await.map(|(admitted, ())| admitted)
    }

    fn id(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn limit(refused: Result<Admitted, RunError>) -> &'static str {
        match refused {
            Err(RunError::TooBusy { limit, retry_after, .. }) => {
                assert!(retry_after > Duration::ZERO);
                limit
            }
            other => panic!("it should have been too busy: {other:?}"),
        }
    }

    #[tokio::test]
    async fn tenant_logins_just_run_and_one_more_waits_until_one_has_ended() {
        let tenants = tenants(2, 1, 10);
        let (acme, timers) = (id("acme"), Handle::current());
        let first = admit(&tenants, &acme, &timers).await.unwrap();
        let _second = admit(&tenants, &acme, &timers).await.unwrap();
        let third = admit(&tenants, &acme, &timers);
        tokio::pin!(third);
        tokio::select! {
            biased;
            _ = &mut third => panic!("there is no place for a third"),
            () = tokio::task::yield_now() => drop(first),
        }
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_full_tenant_queue_refuses_one_more_with_a_retry_hint() {
        let tenants = tenants(1, 1, 10);
        let (acme, timers) = (id("acme"), Handle::current());
        let _runs = admit(&tenants, &acme, &timers).await.unwrap();
        let (waits, refused) = tokio::join!(admit(&tenants, &acme, &timers), admit(&tenants, &acme, &timers));
        assert_eq!((limit(waits), limit(refused)), ("queue_time", "tenant_queue"));
        assert!(admit(&tenants, &id("globex"), &timers).await.is_ok(), "another tenant has its own places");
    }

    #[tokio::test]
    async fn sandboxes_that_are_all_taken_are_waited_for_and_then_it_is_too_busy() {
        let tenants = tenants(5, 5, 1);
        let timers = Handle::current();
        let _runs = admit(&tenants, &id("acme"), &timers).await.unwrap();
        assert_eq!(limit(admit(&tenants, &id("globex"), &timers).await), "sandboxes");
    }

    #[tokio::test]
    async fn sandboxes_that_many_logins_hold_leave_the_reserve() {
        // The pool of a default host, in small: 16 sandboxes, of which 4 are the reserve.
        let tenants = Admission::new(
            &TenantLimits {
                tenant_logins: 8,
                queue_time: Duration::from_millis(50),
                tenant_reserve: 1,
                ..TenantLimits::default()
            },
            &HostLimits { sandboxes: 16, ..HostLimits::default() },
        );
        let timers = Handle::current();
        let mut held = Vec::new();
        for name in ["first", "second", "third"] {
            for _ in 0..8 {
                held.extend(admit(&tenants, &id(name), &timers).await.ok());
            }
        }
        assert_eq!(held.len(), 12 + 1, "the third has its one of the reserve");
        for name in ["honest", "another", "one-more"] {
            held.push(admit(&tenants, &id(name), &timers).await.unwrap());
        }
        assert_eq!(limit(admit(&tenants, &id("too-many"), &timers).await), "sandboxes");
    }

    #[tokio::test]
    async fn a_tenant_whose_runs_take_long_begins_in_the_slow_lane_and_a_quick_one_never_does() {
        let tenants = tenants(1, 1, 10);
        let admitted = admit(&tenants, &id("acme"), &Handle::current()).await.unwrap();
        let tenant = &admitted.tenant;
        for _ in 0..100_000 {
            tenants.record_inline(tenant, StartOn::Caller, Duration::from_micros(20));
        }
        assert_eq!(tenants.begin(tenant), StartOn::Caller);
        tenants.record_inline(tenant, StartOn::Caller, Duration::from_secs(1));
        let suspected = Taken::from(tenant.taken.load(Ordering::Relaxed));
        assert_eq!(suspected.microseconds, 1, "it may have been its thread that had no processor");
        tenants.record_inline(tenant, StartOn::CallerMeasured, LONGER_RUNS);
        tenants.record_inline(tenant, StartOn::CallerMeasured, LONGER_RUNS);
        // A second may end between the two lines; then it has begun again, and the same holds in
        // it.
        let taken = Taken::from(tenant.taken.load(Ordering::Relaxed));
        assert!(taken.in_second(taken.second) >= LONGER_RUNS);
        assert_eq!(taken.in_second(taken.second + 1), Duration::ZERO);
        assert_eq!(Taken::from(u64::from(taken)), taken);
    }

    #[tokio::test]
    async fn tenants_without_logins_are_forgotten() {
        let tenants = tenants(1, 1, 10);
        let kept = admit(&tenants, &id("kept"), &Handle::current()).await.unwrap();
        for number in 0..REMEMBERED * 3 {
            drop(admit(&tenants, &id(&format!("tenant-{number}")), &Handle::current()).await.unwrap());
        }
        assert!(tenants.known().tenants.len() <= REMEMBERED);
        assert!(Arc::ptr_eq(&kept.tenant, &tenants.tenant(&id("kept"))));
    }
}
