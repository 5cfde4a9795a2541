//! The queue of the background executor: round-robin by tenant, and so fair however many jobs a
//! tenant queues. No tenant computes on more than half of the threads at one time. Expired jobs run
//! before all others, since they only end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_task::Runnable;

use super::cpu_time::TICK;
use super::task::{TaskMeta, TenantNumber};

/// Jobs that wait for a thread.
#[derive(Debug)]
pub(crate) struct FairQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Threads that one tenant can have at one time.
    share: usize,
    /// Tenants that have a turn or wait for one.
    tenants: HashMap<TenantNumber, Queue>,
    /// Those of them that wait, in the order in which they are asked.
    order: VecDeque<TenantNumber>,
    /// When it was last looked for jobs whose time is up.
    looked: Instant,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    has: usize,
    waiting: VecDeque<Runnable<TaskMeta>>,
}

/// A job, and whose turn it is; none's where the job only ends.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) job: Runnable<TaskMeta>,
    pub(crate) tenant: Option<TenantNumber>,
}

impl FairQueue {
    /// An empty queue; `share` is the number of threads that one tenant can have.
    pub(crate) fn new(share: usize) -> Self {
        let state = State { share, tenants: HashMap::new(), order: VecDeque::new(), looked: Instant::now(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A job asks for its turn.
    pub(crate) fn ask(&self, job: Runnable<TaskMeta>) {
        let mut state = self.state();
        if state.is_closed {
            // It is dropped when the lock is not held: whatever it owns may wake others.
            drop(state);
            return drop(job);
        }
        let tenant = job.metadata().tenant();
        let queue = state.tenants.entry(tenant).or_default();
        let is_first = queue.waiting.is_empty();
        queue.waiting.push_back(job);
        if is_first {
            state.order.push_back(tenant);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next job, when there is one. None when the host is dropped.
    pub(crate) fn next(&self) -> Option<Scheduled> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            if let Some(job) = state.over(now) {
                return Some(Scheduled { job, tenant: None });
            }
            if let Some((job, tenant)) = state.next() {
                return Some(Scheduled { job, tenant: Some(tenant) });
            }
            state = match state.ends() {
                // Who waits may not compute now, but its time may be up before it can.
                Some(ends) => {
                    let rest = ends.saturating_duration_since(now).max(TICK / 4);
                    self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A turn of this tenant has ended.
    pub(crate) fn give_back(&self, tenant: TenantNumber) {
        let mut state = self.state();
        if let Some(queue) = state.tenants.get_mut(&tenant) {
            queue.has -= 1;
        }
        state.forget(tenant);
    }

    /// Ends all jobs that wait, and the threads that look here for one.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.tenants);
        drop(state);
        self.changed.notify_all();
        drop(waiting);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A job whose time is up. It is looked for a few times in a tick, since all that wait are
    /// looked at.
    fn over(&mut self, now: Instant) -> Option<Runnable<TaskMeta>> {
        if now.saturating_duration_since(self.looked) < TICK / 4 {
            return None;
        }
        let found = self.tenants.iter().find_map(|(tenant, queue)| {
            let place = queue.waiting.iter().position(|job| job.metadata().is_over(now))?;
            Some((*tenant, place))
        });
        let Some((tenant, place)) = found else {
            self.looked = now;
            return None;
        };
        let job = self.tenants.get_mut(&tenant)?.waiting.remove(place);
        if self.tenants.get(&tenant).is_some_and(|queue| queue.waiting.is_empty()) {
            self.order.retain(|number| *number != tenant);
        }
        self.forget(tenant);
        job
    }

    /// The next job of the next tenant that may have a thread.
    fn next(&mut self) -> Option<(Runnable<TaskMeta>, TenantNumber)> {
        for _ in 0..self.order.len() {
            let tenant = self.order.pop_front()?;
            let queue = self.tenants.get_mut(&tenant)?;
            if queue.has >= self.share {
                self.order.push_back(tenant);
                continue;
            }
            let Some(job) = queue.waiting.pop_front() else { continue };
            queue.has += 1;
            if !queue.waiting.is_empty() {
                self.order.push_back(tenant);
            }
            return Some((job, tenant));
        }
        None
    }

    /// When the first of those that wait has no time left.
    fn ends(&self) -> Option<Instant> {
        self.tenants.values().flat_map(|queue| &queue.waiting).map(|job| job.metadata().ends()).min()
    }

    /// A tenant that neither has a turn nor waits for one is not remembered.
    fn forget(&mut self, tenant: TenantNumber) {
        if self.tenants.get(&tenant).is_some_and(|queue| queue.has == 0 && queue.waiting.is_empty()) {
            self.tenants.remove(&tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    use async_task::Task;

    /// FairQueue, and what has been asked for: kept, since a job ends with its task.
    struct Asked {
        turns: Arc<FairQueue>,
        tasks: Vec<Task<(), TaskMeta>>,
    }

    impl Asked {
        fn new(share: usize) -> Self {
            Self { turns: Arc::new(FairQueue::new(share)), tasks: Vec::new() }
        }

        fn ask(&mut self, tenant: TenantNumber, ends: Duration) {
            let turns = Arc::clone(&self.turns);
            let claim = TaskMeta::new(tenant, Instant::now() + ends, Arc::default());
            let (job, task) =
                async_task::Builder::new().metadata(claim).spawn(|_| std::future::pending(), move |job| turns.ask(job));
            job.schedule();
            self.tasks.push(task);
        }

        /// The tenant of the next job that can run without waiting.
        fn next(&self) -> Option<TenantNumber> {
            self.turns.state().next().map(|(_, tenant)| tenant)
        }
    }

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn tenants_take_turns_and_not_their_actions() {
        let mut asked = Asked::new(100);
        for _ in 0..100 {
            asked.ask(1, LONG);
        }
        asked.ask(2, LONG);
        let order: Vec<_> = std::iter::from_fn(|| asked.next()).take(4).collect();
        assert_eq!(order, [1, 2, 1, 1], "the other tenant is second, though a hundred have asked before it");
    }

    #[test]
    fn no_tenant_has_more_than_its_share_and_what_it_cannot_have_is_for_others() {
        let mut asked = Asked::new(2);
        for _ in 0..3 {
            asked.ask(1, LONG);
        }
        asked.ask(2, LONG);
        let order: Vec<_> = std::iter::from_fn(|| asked.next()).collect();
        assert_eq!(order, [1, 2, 1]);
        asked.turns.give_back(1);
        assert_eq!(asked.next(), Some(1));
    }

    #[test]
    fn who_has_no_time_left_goes_first_and_takes_no_turn() {
        let mut asked = Asked::new(1);
        asked.ask(1, LONG);
        asked.ask(1, Duration::ZERO);
        let over = loop {
            // It is looked for a few times in a tick.
            let now = Instant::now();
            if let Some(over) = asked.turns.state().over(now) {
                break over;
            }
        };
        assert!(over.metadata().is_over(Instant::now()));
        assert_eq!(asked.next(), Some(1), "and the tenant still has its share");
    }

    #[test]
    fn nothing_is_remembered_of_a_tenant_without_jobs() {
        let mut asked = Asked::new(1);
        asked.ask(1, LONG);
        assert_eq!(asked.next(), Some(1));
        asked.turns.give_back(1);
        let state = asked.turns.state();
        assert_eq!((state.tenants.len(), state.order.len()), (0, 0));
    }

    #[test]
    fn a_job_that_asks_after_the_end_is_dropped() {
        let mut asked = Asked::new(1);
        asked.ask(1, LONG);
        asked.turns.close();
        asked.ask(1, LONG);
        assert!(asked.turns.next().is_none());
        assert!(asked.tasks.iter().all(Task::is_finished));
    }
}
