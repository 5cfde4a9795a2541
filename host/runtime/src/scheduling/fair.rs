//! Permits that tenants share fairly: a reserve for tenants that hold few, and a queue that serves
//! the tenant with the fewest first.
//!
//! The promise: a request of a tenant that holds fewer than `few` permits is granted at once,
//! unless the sum over all tenants of min(permits held, `few`) has reached `reserve`. Tenants that
//! hold many count `few` each in that sum, however many they hold.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;
use vestibule_model::TenantId;

/// Shares that are remembered before those of tenants without a permit are forgotten.
const REMEMBERED: usize = 1_024;

/// How many permits there are, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Permits in all.
    pub(crate) total: usize,
    /// Permits that only tenants with fewer than `few` may take.
    pub(crate) reserve: usize,
    pub(crate) few: usize,
    /// Permits that one tenant may hold.
    pub(crate) most: usize,
}

/// A semaphore whose permits belong to tenants.
#[derive(Debug)]
pub(crate) struct FairSemaphore {
    bounds: Bounds,
    free: AtomicUsize,
    /// Requests in the queue: as long as there are none, nothing takes the lock.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

/// The permits that one tenant holds.
#[derive(Debug, Default)]
pub(crate) struct Share {
    held: AtomicUsize,
}

/// A permit, until it is dropped.
#[derive(Debug)]
pub(crate) struct FairPermit {
    semaphore: Arc<FairSemaphore>,
    share: Arc<Share>,
}

#[derive(Debug, Default)]
struct Queue {
    tenants: Vec<Waiters>,
    /// The number of the next request.
    next: u64,
}

/// The requests of one tenant that wait, the oldest first, with their numbers.
#[derive(Debug)]
struct Waiters {
    share: Arc<Share>,
    requests: VecDeque<(u64, oneshot::Sender<FairPermit>)>,
}

impl FairSemaphore {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        let free = AtomicUsize::new(bounds.total);
        Arc::new(Self { bounds, free, waiting: AtomicUsize::new(0), queue: Mutex::default() })
    }

    /// A permit, at once or when it is the tenant's turn. The future may be dropped at any time.
    pub(crate) async fn acquire(self: &Arc<Self>, share: &Arc<Share>) -> FairPermit {
        loop {
            if let Some(permit) = self.try_acquire(share) {
                return permit;
            }
            let mut waiting = self.enqueue(share);
            // Its sender stays in the queue for as long as it waits, so an error means that another
            // thread has panicked.
            if let Ok(permit) = (&mut waiting.receiver).await {
                return permit;
            }
        }
    }

    fn enqueue<'a>(self: &'a Arc<Self>, share: &'a Arc<Share>) -> Waiting<'a> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.queue();
        let number = queue.push(share, sender);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // A permit may have come back since it was looked for.
        self.grant(queue);
        Waiting { semaphore: self, share, number, receiver }
    }

    /// A permit, where there is one at once. A tenant that holds few passes those that wait: they
    /// hold more, or no permit is free.
    pub(crate) fn try_acquire(self: &Arc<Self>, share: &Arc<Share>) -> Option<FairPermit> {
        let passes = share.held.load(Ordering::Relaxed) < self.bounds.few || self.waiting.load(Ordering::SeqCst) == 0;
        (passes && self.take(share)).then(|| self.permit(share))
    }

    fn permit(self: &Arc<Self>, share: &Arc<Share>) -> FairPermit {
        FairPermit { semaphore: Arc::clone(self), share: Arc::clone(share) }
    }

    /// Takes a permit, where the tenant may have one now. Where a tenant may, each tenant that
    /// holds fewer may, too.
    fn take(&self, share: &Share) -> bool {
        // Counted first, so that two requests of one tenant don't both take the last of its few.
        let held = share.held.fetch_add(1, Ordering::SeqCst);
        let Bounds { few, reserve, most, .. } = self.bounds;
        let kept = if held < few { 0 } else { reserve };
        let less = |free: usize| (held < most && free > kept).then(|| free - 1);
        let taken = self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        if !taken {
            share.held.fetch_sub(1, Ordering::SeqCst);
        }
        taken
    }

    /// Serves the queue: the tenant with the fewest permits first, and of those with equally many
    /// the one that has waited longest.
    fn grant(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        let mut refused = Vec::new();
        while let Some(first) = queue.first() {
            let share = Arc::clone(&queue.tenants[first].share);
            // Where this tenant may have none, no other may.
            if !self.take(&share) {
                break;
            }
            let permit = self.permit(&share);
            let Some(sender) = queue.pop(first) else {
                refused.push(permit);
                break;
            };
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            refused.extend(sender.send(permit).err());
        }
        // A permit of a request that was dropped takes the lock when it comes back.
        drop(queue);
        drop(refused);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        self.share.held.fetch_sub(1, Ordering::SeqCst);
        self.semaphore.free.fetch_add(1, Ordering::SeqCst);
        if self.semaphore.waiting.load(Ordering::SeqCst) > 0 {
            self.semaphore.grant(self.semaphore.queue());
        }
    }
}

impl Queue {
    /// Puts a request at the end of its tenant's: its number.
    fn push(&mut self, share: &Arc<Share>, sender: oneshot::Sender<FairPermit>) -> u64 {
        self.next += 1;
        let request = (self.next, sender);
        match self.tenants.iter_mut().find(|waiters| Arc::ptr_eq(&waiters.share, share)) {
            Some(waiters) => waiters.requests.push_back(request),
            None => self.tenants.push(Waiters { share: Arc::clone(share), requests: VecDeque::from([request]) }),
        }
        self.next
    }

    /// The tenant whose turn it is.
    fn first(&self) -> Option<usize> {
        let order =
            |waiters: &Waiters| (waiters.share.held.load(Ordering::SeqCst), waiters.requests.front().map(|first| first.0));
        self.tenants.iter().enumerate().min_by_key(|(_, waiters)| order(waiters)).map(|(place, _)| place)
    }

    fn pop(&mut self, tenant: usize) -> Option<oneshot::Sender<FairPermit>> {
        let waiters = self.tenants.get_mut(tenant)?;
        let first = waiters.requests.pop_front();
        if waiters.requests.is_empty() {
            self.tenants.swap_remove(tenant);
        }
        first.map(|(_, sender)| sender)
    }

    /// Takes a request out: whether it was there.
    fn remove(&mut self, share: &Arc<Share>, number: u64) -> bool {
        let Some(tenant) = self.tenants.iter().position(|waiters| Arc::ptr_eq(&waiters.share, share)) else { return false };
        let requests = &mut self.tenants[tenant].requests;
        let before = requests.len();
        requests.retain(|(other, _)| *other != number);
        let removed = requests.len() < before;
        if requests.is_empty() {
            self.tenants.swap_remove(tenant);
        }
        removed
    }
}

/// A request in the queue, which it leaves when it is dropped.
struct Waiting<'a> {
    semaphore: &'a Arc<FairSemaphore>,
    share: &'a Arc<Share>,
    number: u64,
    /// Dropped last, with the permit that may have come meanwhile.
    receiver: oneshot::Receiver<FairPermit>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.semaphore.queue().remove(self.share, self.number) {
            self.semaphore.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// A fair semaphore, and the tenants that hold permits of it.
#[derive(Debug)]
pub(crate) struct FairByTenant {
    semaphore: Arc<FairSemaphore>,
    shares: Mutex<Shares>,
}

#[derive(Debug)]
struct Shares {
    of_tenants: HashMap<TenantId, Weak<Share>>,
    /// How many there may be before those without a permit are forgotten.
    forget_at: usize,
}

impl FairByTenant {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let shares = Shares { of_tenants: HashMap::new(), forget_at: REMEMBERED };
        Self { semaphore: FairSemaphore::new(bounds), shares: Mutex::new(shares) }
    }

    /// A permit for a tenant, as [`FairSemaphore::acquire`] gives one.
    pub(crate) async fn acquire(&self, tenant: &TenantId) -> FairPermit {
        let share = self.share(tenant);
        self.semaphore.acquire(&share).await
    }

    fn share(&self, tenant: &TenantId) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.of_tenants.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if shares.of_tenants.len() >= shares.forget_at {
            shares.of_tenants.retain(|_, share| share.strong_count() > 0);
            shares.forget_at = REMEMBERED.max(shares.of_tenants.len() * 2);
        }
        let share = Arc::<Share>::default();
        shares.of_tenants.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const BOUNDS: Bounds = Bounds { total: 8, reserve: 4, few: 2, most: 8 };

    fn try_all(semaphore: &Arc<FairSemaphore>, share: &Arc<Share>) -> Vec<FairPermit> {
        std::iter::from_fn(|| semaphore.try_acquire(share)).collect()
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_reserve_is_for_tenants_that_hold_few() {
        let semaphore = FairSemaphore::new(BOUNDS);
        let shares: Vec<_> = (0..5).map(|_| Arc::<Share>::default()).collect();
        let counts: Vec<_> = shares.iter().map(|share| try_all(&semaphore, share)).collect();
        assert_eq!(counts.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2, 2, 0, 0]);
        drop(counts);
        assert_eq!(try_all(&semaphore, &shares[4]).len(), 4, "all have come back");
    }

    #[test]
    fn one_tenant_holds_no_more_than_most() {
        let semaphore = FairSemaphore::new(Bounds { most: 3, ..BOUNDS });
        assert_eq!(try_all(&semaphore, &Arc::default()).len(), 3);
    }

    #[test]
    fn the_waiting_tenant_with_the_fewest_permits_is_first() {
        let semaphore = FairSemaphore::new(Bounds { total: 4, reserve: 0, few: 0, most: 4 });
        let (many, few) = (Arc::<Share>::default(), Arc::<Share>::default());
        let mut held = try_all(&semaphore, &many);
        let mut first = pin!(semaphore.acquire(&many));
        assert!(poll(first.as_mut()).is_none());
        let mut second = pin!(semaphore.acquire(&few));
        assert!(poll(second.as_mut()).is_none());
        held.pop();
        assert!(poll(first.as_mut()).is_none());
        let _second = poll(second.as_mut()).expect("the permit that came back");
        held.pop();
        assert!(poll(first.as_mut()).is_some());
    }

    #[test]
    fn a_request_that_is_dropped_leaves_the_queue() {
        let semaphore = FairSemaphore::new(Bounds { total: 1, reserve: 0, few: 0, most: 1 });
        let (share, other) = (Arc::<Share>::default(), Arc::<Share>::default());
        let held = semaphore.try_acquire(&share);
        {
            let mut leaves = pin!(semaphore.acquire(&other));
            assert!(poll(leaves.as_mut()).is_none());
            // And one that leaves when its permit has come, before it has looked.
            let mut late = pin!(semaphore.acquire(&other));
            assert!(poll(late.as_mut()).is_none());
            drop(held);
        }
        assert_eq!(semaphore.waiting.load(Ordering::SeqCst), 0);
        assert!(semaphore.queue().tenants.is_empty());
        assert!(semaphore.try_acquire(&other).is_some());
        assert_eq!([&share, &other].map(|share| share.held.load(Ordering::SeqCst)), [0, 0]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_permit_is_lost_or_made_up_by_many_threads() {
        let semaphore = FairByTenant::new(Bounds { total: 5, reserve: 2, few: 1, most: 3 });
        let semaphore = Arc::new(semaphore);
        let held = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let (semaphore, held) = (Arc::clone(&semaphore), Arc::clone(&held));
                tokio::spawn(async move {
                    let tenant: TenantId = format!("tenant-{}", task % 7).parse().unwrap();
                    for round in 0..200 {
                        if (task + round) % 5 == 0 {
                            let _ = tokio::time::timeout(std::time::Duration::ZERO, semaphore.acquire(&tenant)).await;
                            continue;
                        }
                        let permit = semaphore.acquire(&tenant).await;
                        assert!(held.fetch_add(1, Ordering::SeqCst) < 5);
                        tokio::task::yield_now().await;
                        held.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.semaphore.free.load(Ordering::SeqCst), 5);
        assert_eq!(semaphore.semaphore.waiting.load(Ordering::SeqCst), 0);
    }
}
