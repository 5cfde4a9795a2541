//! Limits of failed attempts: a token bucket for each peer and for each client of a tenant.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vestibule::model::TenantId;

use super::NotChecked;
use crate::rate::Bucket;

/// Failures of one peer at one tenant: as many at once, and one more in each second. A machine with a wrong secret that tries again and
/// again is noticed by its log before it is limited.
const OF_PEER: Limit = Limit { burst: 64, per_second: 1 };
/// Failures of one client, from any peer: more than of a peer, since anybody can use them up. Clients whose secret was right a short
/// time ago pass nevertheless.
const OF_CLIENT: Limit = Limit { burst: 128, per_second: 2 };
/// Buckets of each kind for each tenant. One that is full again says nothing and is dropped first.
const MOST: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: u64,
    per_second: u64,
}

/// The failures of all tenants.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Clients are known by a keyed hash of their ids: a caller chooses these, and their length.
    clients: RandomState,
    tenants: Mutex<HashMap<TenantId, Buckets>>,
}

#[derive(Debug, Default)]
struct Buckets {
    peers: HashMap<IpAddr, Bucket>,
    clients: HashMap<u64, Bucket>,
}

impl Failures {
    /// Takes an attempt out of both buckets, as if it had failed already.
    ///
    /// # Errors
    /// When one of them is empty.
    pub(super) fn take(&self, tenant: &TenantId, peer: Option<IpAddr>, client: &str, now: Instant) -> Result<(), NotChecked> {
        let client = self.clients.hash_one(client);
        let mut tenants = self.tenants();
        let buckets = tenants.entry(tenant.clone()).or_default();
        if let Some(peer) = peer {
            OF_PEER.take(&mut buckets.peers, peer, now)?;
        }
        OF_CLIENT.take(&mut buckets.clients, client, now).inspect_err(|_| {
            if let Some(peer) = peer {
                OF_PEER.give_back(&mut buckets.peers, &peer, now);
            }
        })
    }

    /// Gives back what an attempt has taken that did not fail.
    pub(super) fn give_back(&self, tenant: &TenantId, peer: Option<IpAddr>, client: &str, now: Instant) {
        let client = self.clients.hash_one(client);
        if let Some(buckets) = self.tenants().get_mut(tenant) {
            if let Some(peer) = peer {
                OF_PEER.give_back(&mut buckets.peers, &peer, now);
            }
            OF_CLIENT.give_back(&mut buckets.clients, &client, now);
        }
    }

    pub(super) fn retain(&self, is_served: impl Fn(&TenantId) -> bool) {
        self.tenants().retain(|tenant, _| is_served(tenant));
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Buckets>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limit {
    /// In thousandths, as buckets count.
    fn full(self) -> u64 {
        self.burst * 1_000
    }

    fn take<K: Copy + Eq + std::hash::Hash>(
        self,
        buckets: &mut HashMap<K, Bucket>,
        key: K,
        now: Instant,
    ) -> Result<(), NotChecked> {
        if !buckets.contains_key(&key) && buckets.len() >= MOST {
            buckets.retain(|_, bucket| {
                bucket.fill(self.full(), self.per_second, now);
                bucket.left < self.full()
            });
            let any = buckets.keys().next().copied().filter(|_| buckets.len() >= MOST);
            any.map(|any| buckets.remove(&any));
        }
        let bucket = buckets.entry(key).or_insert_with(|| Bucket::full(self.full(), now));
        bucket.fill(self.full(), self.per_second, now);
        match bucket.left.checked_sub(1_000) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => {
                let missing = (1_000 - bucket.left).div_ceil(self.per_second);
                Err(NotChecked::TooManyFailures { retry_after: Duration::from_millis(missing) })
            }
        }
    }

    fn give_back<K: Eq + std::hash::Hash>(self, buckets: &mut HashMap<K, Bucket>, key: &K, now: Instant) {
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.fill(self.full(), self.per_second, now);
            bucket.left = self.full().min(bucket.left + 1_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = Instant::now();
        move |milliseconds| start + Duration::from_millis(milliseconds)
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn peer(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn peer_that_fails_is_limited_at_its_tenant_alone() {
        let (failures, at) = (Failures::default(), clock());
        let take = |of: &str, peer, now| failures.take(&tenant(of), peer, "client", at(now));
        for _ in 0..OF_PEER.burst {
            take("acme", peer(1), 0).unwrap();
        }
        let retry_after = Duration::from_secs(1);
        assert_eq!(take("acme", peer(1), 0), Err(NotChecked::TooManyFailures { retry_after }));
        take("acme", peer(2), 0).unwrap();
        take("globex", peer(1), 0).unwrap();
        take("acme", peer(1), 1_000).unwrap();
        assert!(take("acme", peer(1), 1_000).is_err());
        failures.give_back(&tenant("acme"), peer(1), "client", at(1_000));
        take("acme", peer(1), 1_000).unwrap();
    }

    #[test]
    fn client_is_limited_whatever_peers_try() {
        let (failures, at) = (Failures::default(), clock());
        let take = |number: u64, client: &str| {
            let peer = Some(IpAddr::from((number as u32).to_be_bytes()));
            failures.take(&tenant("acme"), peer, client, at(0))
        };
        for number in 0..OF_CLIENT.burst {
            take(number, "one").unwrap();
        }
        assert!(take(1_000, "one").is_err());
        take(1_000, "other").unwrap();
    }

    #[test]
    fn buckets_of_a_tenant_are_bounded() {
        let (failures, at) = (Failures::default(), clock());
        for number in 0..2 * MOST as u32 {
            let peer = Some(IpAddr::from(number.to_be_bytes()));
            failures.take(&tenant("acme"), peer, &number.to_string(), at(0)).unwrap();
        }
        let tenants = failures.tenants();
        let buckets = &tenants[&tenant("acme")];
        assert_eq!((buckets.peers.len(), buckets.clients.len()), (MOST, MOST));
        drop(tenants);
        failures.retain(|_| false);
        assert!(failures.tenants().is_empty());
    }
}
