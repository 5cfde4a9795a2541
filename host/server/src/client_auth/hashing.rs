//! Hashing of secrets on threads of low priority: tenants take turns, and each has a queue of
//! bounded length.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use tokio::sync::oneshot;
use vestibule::model::TenantId;
use zeroize::Zeroizing;

use super::NotChecked;
use crate::low_priority;

/// Secrets that are hashed at one time: each takes 19 MiB and tens of milliseconds of a processor.
const THREADS: usize = 2;
/// Of these, how many one tenant may have: at least one is left for others.
const OF_TENANT: usize = THREADS - 1;
/// Secrets of one tenant that wait: about as many as are hashed in the time that a client waits.
const QUEUE: usize = 64;
/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a client tries again that finds the queue full.
const AGAIN: Duration = Duration::from_secs(2);

/// The threads. They end when this is dropped.
pub(super) struct Hashing(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    queues: HashMap<TenantId, VecDeque<Job>>,
    /// Tenants that have something in their queue, each once, in the order of their turns.
    turns: VecDeque<TenantId>,
    /// How many are hashed now, of each tenant.
    running: HashMap<TenantId, usize>,
    is_closed: bool,
}

struct Job {
    hash: String,
    secret: Zeroizing<String>,
    answer: oneshot::Sender<bool>,
}

impl Hashing {
    pub(super) fn start() -> std::io::Result<Self> {
        let hashing = Self(Arc::default());
        for number in 0..THREADS {
            let shared = Arc::clone(&hashing.0);
            low_priority::spawn(format!("hashing-{number}"), move || shared.work())?;
        }
        Ok(hashing)
    }

    /// Whether the secret has this hash.
    ///
    /// # Errors
    /// When the tenant's queue is full, or its turn has not come in time.
    pub(super) async fn verify(&self, tenant: &TenantId, hash: String, secret: Zeroizing<String>) -> Result<bool, NotChecked> {
        let (answer, answered) = oneshot::channel();
        if !self.0.state().put(tenant, Job { hash, secret, answer }) {
            return Err(NotChecked::Busy { retry_after: AGAIN });
        }
        self.0.ready.notify_one();
        // A job whose caller has gone is not hashed.
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(is_right)) => Ok(is_right),
            Ok(Err(_)) | Err(_) => Err(NotChecked::Busy { retry_after: AGAIN }),
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.ready.notify_all();
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((tenant, Job { hash, secret, answer })) = self.next() {
            // A panic costs this answer, and not the thread.
            if let Ok(is_right) = catch_unwind(AssertUnwindSafe(|| is_right(&hash, &secret))) {
                let _ = answer.send(is_right);
            }
            self.state().end(&tenant);
            // The tenant's next job may be possible now.
            self.ready.notify_one();
        }
    }

    /// Waits for the next job; none when the threads are to end.
    fn next(&self) -> Option<(TenantId, Job)> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(next) = state.take() {
                return Some(next);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Whether the tenant's queue has room for it.
    fn put(&mut self, tenant: &TenantId, job: Job) -> bool {
        let queue = self.queues.entry(tenant.clone()).or_default();
        if queue.len() >= QUEUE {
            // Those whose callers have gone make room.
            queue.retain(|job| !job.answer.is_closed());
        }
        if queue.len() >= QUEUE {
            return false;
        }
        queue.push_back(job);
        if queue.len() == 1 && !self.turns.contains(tenant) {
            self.turns.push_back(tenant.clone());
        }
        true
    }

    /// The oldest job of the tenant whose turn it is.
    fn take(&mut self) -> Option<(TenantId, Job)> {
        for _ in 0..self.turns.len() {
            let tenant = self.turns.pop_front()?;
            if self.running.get(&tenant).is_some_and(|running| *running >= OF_TENANT) {
                self.turns.push_back(tenant);
                continue;
            }
            let Some(queue) = self.queues.get_mut(&tenant) else { continue };
            let job = std::iter::from_fn(|| queue.pop_front()).find(|job| !job.answer.is_closed());
            if queue.is_empty() {
                self.queues.remove(&tenant);
            } else {
                self.turns.push_back(tenant.clone());
            }
            if let Some(job) = job {
                *self.running.entry(tenant.clone()).or_default() += 1;
                return Some((tenant, job));
            }
        }
        None
    }

    fn end(&mut self, tenant: &TenantId) {
        if let Some(running) = self.running.get_mut(tenant) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(tenant);
            }
        }
    }
}

fn is_right(hash: &str, secret: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn job(name: &str) -> (Job, oneshot::Receiver<bool>) {
        let (answer, answered) = oneshot::channel();
        (Job { hash: name.to_owned(), secret: Zeroizing::default(), answer }, answered)
    }

    #[test]
    fn tenants_take_turns_and_one_has_a_share_of_the_threads() {
        let mut state = State::default();
        let mut waiting = Vec::new();
        for (of, name) in [("acme", "a1"), ("acme", "a2"), ("acme", "a3"), ("globex", "g1"), ("globex", "g2")] {
            let (job, answered) = job(name);
            assert!(state.put(&tenant(of), job));
            waiting.push(answered);
        }
        let take = |state: &mut State| state.take().map(|(_, job)| job.hash);
        assert_eq!(take(&mut state).as_deref(), Some("a1"));
        assert_eq!(take(&mut state).as_deref(), Some("g1"), "acme has its share");
        assert_eq!(take(&mut state), None);
        state.end(&tenant("acme"));
        assert_eq!(take(&mut state).as_deref(), Some("a2"));
        state.end(&tenant("acme"));
        state.end(&tenant("globex"));
        assert_eq!(take(&mut state).as_deref(), Some("g2"), "its turn comes before acme's next");
        assert_eq!(take(&mut state).as_deref(), Some("a3"));
        state.end(&tenant("acme"));
        state.end(&tenant("globex"));
        assert!(take(&mut state).is_none() && state.queues.is_empty() && state.turns.is_empty() && state.running.is_empty());
    }

    #[test]
    fn queue_is_bounded_and_who_has_gone_makes_room() {
        let mut state = State::default();
        let mut waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let (job, answered) = job("waits");
                assert!(state.put(&tenant("acme"), job));
                answered
            })
            .collect();
        assert!(!state.put(&tenant("acme"), job("more").0));
        let (other, _answered) = job("other");
        assert!(state.put(&tenant("globex"), other), "another tenant has a queue of its own");
        waiting.pop();
        let (last, _last) = job("last");
        assert!(state.put(&tenant("acme"), last));
        drop(waiting);
        let names: Vec<String> = std::iter::from_fn(|| state.take().map(|(_, job)| job.hash)).collect();
        assert_eq!(names, ["last", "other"], "nothing is hashed for callers that have gone");
    }
}
