//! Who runs now, and who waits: each tenant has its own places and its own queue, so that none takes what others need.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vestibule_model::TenantId;

use crate::error::RunError;
use crate::limits::{HostLimits, TenantLimits};

/// Moments that a tenant's Actions may use up on their callers' threads in one second. With 2 ms each it is a hundredth of two processors;
/// beyond it, the tenant's Actions begin in the slow lane until the second is over.
const OVERRUNS: u32 = 10;

/// Tenants that are remembered before those without a login are forgotten.
const REMEMBERED: usize = 1_024;

/// The tenants of a host that have logins now.
#[derive(Debug)]
pub(crate) struct Tenants {
    known: Mutex<Known>,
    /// One permit for each sandbox of the host.
    sandboxes: Arc<Semaphore>,
    limits: TenantLimits,
    /// Threads of the slow lane that one tenant can compute on at one time.
    share: usize,
    since: Instant,
}

#[derive(Debug)]
struct Known {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    /// How many there may be before those without a login are forgotten.
    forget_at: usize,
}

/// What a host remembers of a tenant with logins.
#[derive(Debug)]
pub(crate) struct Tenant {
    logins: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The tenant's turns in the slow lane.
    pub(crate) turns: Arc<Semaphore>,
    /// [`Overruns`] of the last second that had one.
    overruns: AtomicU64,
}

/// The place of one login, for as long as it runs.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) tenant: Arc<Tenant>,
    _login: OwnedSemaphorePermit,
    _sandbox: OwnedSemaphorePermit,
}

impl Tenants {
    pub(crate) fn new(limits: &TenantLimits, host: &HostLimits, share: usize) -> Self {
        let sandboxes = Arc::new(Semaphore::new(host.sandboxes));
        let known = Known { tenants: HashMap::new(), forget_at: REMEMBERED };
        Self { known: Mutex::new(known), sandboxes, limits: limits.clone(), share, since: Instant::now() }
    }

    /// Gives a login its place, at once or when its turn has come.
    ///
    /// # Errors
    /// When too many wait already, or it has waited too long.
    pub(crate) async fn admit(&self, id: &TenantId, timers: &Handle) -> Result<Admitted, RunError> {
        let tenant = self.tenant(id);
        let until = || Instant::now() + self.limits.queue_time;
        let login = match Arc::clone(&tenant.logins).try_acquire_owned() {
            Ok(login) => login,
            Err(_) => {
                let _waiting = tenant.wait(self.limits.tenant_queue).ok_or_else(|| self.too_busy(id, "tenant_queue"))?;
                acquire(&tenant.logins, until(), timers).await.ok_or_else(|| self.too_busy(id, "queue_time"))?
            }
        };
        let sandbox = match Arc::clone(&self.sandboxes).try_acquire_owned() {
            Ok(sandbox) => sandbox,
            Err(_) => acquire(&self.sandboxes, until(), timers).await.ok_or_else(|| self.too_busy(id, "sandboxes"))?,
        };
        Ok(Admitted { tenant, _login: login, _sandbox: sandbox })
    }

    /// Whether the tenant's next Action may use a moment of its caller's thread.
    pub(crate) fn may_begin_here(&self, tenant: &Tenant) -> bool {
        Overruns::from(tenant.overruns.load(Ordering::Relaxed)).in_second(self.second()) < OVERRUNS
    }

    /// One of the tenant's Actions has used up its moment on its caller's thread.
    pub(crate) fn has_overrun(&self, tenant: &Tenant) {
        let second = self.second();
        let one_more = |overruns: u64| {
            let count = Overruns::from(overruns).in_second(second).saturating_add(1);
            Some(Overruns { second, count }.into())
        };
        // It is never refused.
        let _ = tenant.overruns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    }

    fn second(&self) -> u32 {
        // It counts from nought again after 136 years.
        self.since.elapsed().as_secs() as u32
    }

    fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        let mut known = self.known();
        if let Some(tenant) = known.tenants.get(id) {
            return Arc::clone(tenant);
        }
        if known.tenants.len() >= known.forget_at {
            // Whoever has a login holds its tenant.
            known.tenants.retain(|_, tenant| Arc::strong_count(tenant) > 1);
            known.forget_at = REMEMBERED.max(known.tenants.len() * 2);
        }
        let tenant = Arc::new(Tenant {
            logins: Arc::new(Semaphore::new(self.limits.tenant_logins)),
            waiting: AtomicUsize::new(0),
            turns: Arc::new(Semaphore::new(self.share)),
            overruns: AtomicU64::new(0),
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

/// How often a tenant's Actions have overrun in one second; in one number, so that threads can share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overruns {
    second: u32,
    count: u32,
}

impl Overruns {
    fn in_second(self, second: u32) -> u32 {
        if self.second == second { self.count } else { 0 }
    }
}

impl From<u64> for Overruns {
    fn from(number: u64) -> Self {
        Self { second: (number >> 32) as u32, count: number as u32 }
    }
}

impl From<Overruns> for u64 {
    fn from(Overruns { second, count }: Overruns) -> Self {
        Self::from(second) << 32 | Self::from(count)
    }
}

impl Tenant {
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

async fn acquire(semaphore: &Arc<Semaphore>, until: Instant, timers: &Handle) -> Option<OwnedSemaphorePermit> {
    let permit = {
        let _entered = timers.enter();
        tokio::time::timeout_at(until.into(), Arc::clone(semaphore).acquire_owned())
    };
    permit.await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(logins: usize, queue: usize, sandboxes: usize) -> Tenants {
        let limits = TenantLimits { tenant_logins: logins, tenant_queue: queue, queue_time: Duration::from_millis(50) };
        Tenants::new(&limits, &HostLimits { sandboxes, ..HostLimits::default() }, 1)
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
        let first = tenants.admit(&acme, &timers).await.unwrap();
        let _second = tenants.admit(&acme, &timers).await.unwrap();
        let third = tenants.admit(&acme, &timers);
        tokio::pin!(third);
        tokio::select! {
            biased;
            _ = &mut third => panic!("there is no place for a third"),
            () = tokio::task::yield_now() => drop(first),
        }
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn tenant_queue_just_fits_and_one_more_is_told_to_try_again() {
        let tenants = tenants(1, 1, 10);
        let (acme, timers) = (id("acme"), Handle::current());
        let _runs = tenants.admit(&acme, &timers).await.unwrap();
        let (waits, refused) = tokio::join!(tenants.admit(&acme, &timers), tenants.admit(&acme, &timers));
        assert_eq!((limit(waits), limit(refused)), ("queue_time", "tenant_queue"));
        assert!(tenants.admit(&id("globex"), &timers).await.is_ok(), "another tenant has its own places");
    }

    #[tokio::test]
    async fn sandboxes_that_are_all_taken_are_waited_for_and_then_it_is_too_busy() {
        let tenants = tenants(5, 5, 1);
        let timers = Handle::current();
        let _runs = tenants.admit(&id("acme"), &timers).await.unwrap();
        assert_eq!(limit(tenants.admit(&id("globex"), &timers).await), "sandboxes");
    }

    #[test]
    fn overruns_count_for_a_second() {
        let overruns = Overruns { second: 7, count: OVERRUNS };
        assert_eq!(Overruns::from(u64::from(overruns)), overruns);
        assert_eq!((overruns.in_second(7), overruns.in_second(8)), (OVERRUNS, 0));
    }

    #[tokio::test]
    async fn tenants_without_logins_are_forgotten() {
        let tenants = tenants(1, 1, 10);
        let kept = tenants.admit(&id("kept"), &Handle::current()).await.unwrap();
        for number in 0..REMEMBERED * 3 {
            drop(tenants.admit(&id(&format!("tenant-{number}")), &Handle::current()).await.unwrap());
        }
        assert!(tenants.known().tenants.len() <= REMEMBERED);
        assert!(Arc::ptr_eq(&kept.tenant, &tenants.tenant(&id("kept"))));
    }
}
