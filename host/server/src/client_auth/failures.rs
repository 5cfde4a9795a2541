//! Limits of failed attempts: a token bucket for each client of a tenant as one peer tries it, for
//! each network, and for each client as all of them try it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use vestibule::model::TenantId;

use super::NotChecked;
use crate::buckets::{Buckets, Limit, network};

/// Failures of one peer with one client. A machine with a wrong secret that tries again and again
/// is noticed by its log before it is limited, and its other clients go on.
const OF_PEER: Limit = Limit { burst: 64, per_second: 1 };
/// Failures of one network, with all clients: one that tries others by turns, or other addresses of
/// its own.
const OF_NETWORK: Limit = Limit { burst: 256, per_second: 4 };
/// Failures of one client, from all peers. Anybody can use them up, so that takes dozens of
/// networks that go on: a client that this server doesn't remember is not locked out by a few
/// strangers. It is about what a thread can hash in that time.
const OF_CLIENT: Limit = Limit { burst: 2_048, per_second: 32 };
/// Guesses of one peer, of a secret that is remembered: beyond these it is not looked whether a
/// secret is remembered for this peer.
const GUESSES_OF_PEER: Limit = Limit { burst: 4_096, per_second: 64 };
/// The same where all peers are a proxy: strangers must not keep clients out that are known, and
/// the proxy has limits of its own.
const GUESSES_BY_PROXY: Limit = Limit { burst: 65_536, per_second: 1_024 };

/// The failures of all tenants.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Clients are known by a keyed hash of their ids: a caller chooses these, and their length.
    clients: RandomState,
    tenants: Mutex<HashMap<TenantId, OfTenant>>,
}

#[derive(Debug)]
struct OfTenant {
    peers: Buckets<(u64, IpAddr)>,
    networks: Buckets<IpAddr>,
    clients: Buckets<u64>,
    guesses: Buckets<(u64, IpAddr)>,
    guesses_by_proxy: Buckets<u64>,
}

impl Default for OfTenant {
    fn default() -> Self {
        Self {
            peers: Buckets::new(OF_PEER),
            networks: Buckets::new(OF_NETWORK),
            clients: Buckets::new(OF_CLIENT),
            guesses: Buckets::new(GUESSES_OF_PEER),
            guesses_by_proxy: Buckets::new(GUESSES_BY_PROXY),
        }
    }
}

impl OfTenant {
    fn take(&mut self, peer: Option<IpAddr>, client: u64, now: Instant) -> Result<(), NotChecked> {
        let limited = |retry_after| NotChecked::TooManyFailures { retry_after };
        if let Some(peer) = peer {
            self.peers.take((client, peer), now).map_err(limited)?;
            self.networks
                .take(network(peer), now)
                .map_err(limited)
                .inspect_err(|_| self.peers.give_back(&(client, peer), now))?;
        }
        self.clients.take(client, now).map_err(limited).inspect_err(|_| {
            if let Some(peer) = peer {
                self.peers.give_back(&(client, peer), now);
                self.networks.give_back(&network(peer), now);
            }
        })
    }
}

impl Failures {
    /// Takes an attempt out of all its buckets, as if it had failed already.
    ///
    /// # Errors
    /// When one of them is empty.
    pub(super) fn take(&self, tenant: &TenantId, peer: Option<IpAddr>, client: &str, now: Instant) -> Result<(), NotChecked> {
        let client = self.clients.hash_one(client);
        self.tenants().entry(tenant.clone()).or_default().take(peer, client, now)
    }

    /// Gives back what an attempt has taken that did not fail.
    pub(super) fn give_back(&self, tenant: &TenantId, peer: Option<IpAddr>, client: &str, now: Instant) {
        let client = self.clients.hash_one(client);
        if let Some(of_tenant) = self.tenants().get_mut(tenant) {
            if let Some(peer) = peer {
                of_tenant.peers.give_back(&(client, peer), now);
                of_tenant.networks.give_back(&network(peer), now);
            }
            of_tenant.clients.give_back(&client, now);
        }
    }

    /// Whether a peer may guess at what is remembered of a client. Where it may and the guess is
    /// wrong, that is counted.
    pub(super) fn guess(
        &self,
        tenant: &TenantId,
        peer: Option<IpAddr>,
        client: &str,
        now: Instant,
        is_right: impl FnOnce() -> bool,
    ) -> bool {
        let client = self.clients.hash_one(client);
        let mut tenants = self.tenants();
        let of_tenant = tenants.entry(tenant.clone()).or_default();
        // Before it is looked: the right one is refused as a wrong one is.
        let may_guess = match peer {
            Some(peer) => of_tenant.guesses.has_any(&(client, peer), now),
            None => of_tenant.guesses_by_proxy.has_any(&client, now),
        };
        if !may_guess {
            return false;
        }
        if is_right() {
            return true;
        }
        let _ = match peer {
            Some(peer) => of_tenant.guesses.take((client, peer), now),
            None => of_tenant.guesses_by_proxy.take(client, now),
        };
        false
    }

    pub(super) fn retain(&self, is_served: impl Fn(&TenantId) -> bool) {
        self.tenants().retain(|tenant, _| is_served(tenant));
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, OfTenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn peer_that_fails_is_limited_at_its_tenant_and_with_this_client_alone() {
        let (failures, at) = (Failures::default(), clock());
        let take = |of: &str, peer, now| failures.take(&tenant(of), peer, "client", at(now));
        for _ in 0..OF_PEER.burst {
            take("acme", peer(1), 0).unwrap();
        }
        let retry_after = Duration::from_secs(1);
        assert_eq!(take("acme", peer(1), 0), Err(NotChecked::TooManyFailures { retry_after }));
        take("acme", peer(2), 0).unwrap();
        take("globex", peer(1), 0).unwrap();
        failures.take(&tenant("acme"), peer(1), "another", at(0)).unwrap();
        take("acme", peer(1), 1_000).unwrap();
        assert!(take("acme", peer(1), 1_000).is_err());
        failures.give_back(&tenant("acme"), peer(1), "client", at(1_000));
        take("acme", peer(1), 1_000).unwrap();
    }

    #[test]
    fn network_is_limited_whatever_clients_and_addresses_it_tries() {
        let (failures, at) = (Failures::default(), clock());
        let take = |of: u16, number: u16| {
            let peer = Some(IpAddr::from([0x2001, 0xdb8, of, number, 0, 0, 0, 0]));
            failures.take(&tenant("acme"), peer, &number.to_string(), at(0))
        };
        for number in 0..OF_NETWORK.burst as u16 {
            take(1, number).unwrap();
        }
        assert!(take(1, 10_000).is_err());
        take(2, 10_000).unwrap();
    }

    #[test]
    fn a_few_strangers_lock_no_client_out_and_many_do_not_guess_without_limit() {
        let (failures, at) = (Failures::default(), clock());
        let take = |number: u64, now| {
            let peer = Some(IpAddr::from((number as u32).to_be_bytes()));
            failures.take(&tenant("acme"), peer, "one", at(now))
        };
        // Each of them goes on for a minute.
        for second in 0..60 {
            for stranger in 0..OF_CLIENT.per_second / 2 {
                while take(stranger, second * 1_000).is_ok() {}
            }
            take(1_000 + second, second * 1_000).expect("another peer is let through");
        }
        let guesses = (0..10_000).filter(|number| take(10_000 + number, 60_000).is_ok()).count() as u64;
        assert!(guesses <= OF_CLIENT.burst, "{guesses}");
        failures.take(&tenant("acme"), peer(1), "other", at(60_000)).unwrap();
    }

    #[test]
    fn remembered_secret_is_not_guessed_without_limit() {
        let (failures, at) = (Failures::default(), clock());
        let guess = |peer, client: &str, now, is_right| failures.guess(&tenant("acme"), peer, client, at(now), || is_right);
        for (peer_of, burst, per_second) in [
            (peer(1), GUESSES_OF_PEER.burst, GUESSES_OF_PEER.per_second),
            (None, GUESSES_BY_PROXY.burst, GUESSES_BY_PROXY.per_second),
        ] {
            for _ in 0..burst {
                assert!(!guess(peer_of, "client", 0, false));
            }
            assert!(!guess(peer_of, "client", 0, true), "it is not told that this is the right one");
            assert!(guess(peer_of, "another", 0, true) && guess(peer(2), "client", 0, true));
            for _ in 0..2 * per_second {
                assert!(guess(peer_of, "client", 1_000, true), "what is right costs nothing");
            }
        }
    }

    #[test]
    fn failures_of_tenants_that_are_gone_are_forgotten() {
        let failures = Failures::default();
        failures.take(&tenant("acme"), peer(1), "client", Instant::now()).unwrap();
        failures.retain(|_| false);
        assert!(failures.tenants().is_empty());
    }
}
