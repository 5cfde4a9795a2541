//! Which connection makes room when there are as many as there may be: one of the network that has
//! most. So a few peers can't keep all others out, however quickly they connect again.
//!
//! A network is an IPv4 address, or an IPv6 network of 48 bits, of which one subscriber may have
//! all 65,536 of 64 bits. A connection makes room for one of a network that has at least two fewer:
//! after that, both have the same or the displaced one still has more. So a network without a
//! connection is refused only where each of the others has one, which takes as many networks as
//! there are connections; or where all that have more serve callers, which takes eight networks
//! with tokens.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use super::{Connection, Open};

/// A network with more than this part of all connections, and more than [`CALLERS`], makes room
/// also while it serves callers.
const CALLERS_SHARE: u64 = 8;
/// As many as a platform's pool has.
const CALLERS: u64 = 64;

/// Whether a connection has made room for another one, and who is woken then.
#[derive(Debug, Default)]
pub(super) struct Displaced {
    is: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Open {
    /// Takes out the connection that makes room for one of this address, where there is one.
    pub(super) fn make_room(&mut self, address: IpAddr) -> Option<Arc<Connection>> {
        let callers = CALLERS.max(self.connections.len() as u64 / CALLERS_SHARE);
        let own = self.networks.get(&wider(address)).copied().unwrap_or(0);
        if !self.networks.values().any(|of_network| *of_network > own + 1) {
            return None;
        }
        let candidates = self.connections.values().filter_map(|connection| {
            let of_network = self.networks.get(&wider(connection.peer.address)).copied().unwrap_or(0);
            let rank = (of_network > own + 1).then(|| connection.rank(of_network > callers)).flatten()?;
            Some(((Reverse(of_network), rank), connection))
        });
        let (_, displaced) = candidates.min_by_key(|(rank, _)| *rank)?;
        let displaced = Arc::clone(displaced);
        self.forget(&displaced);
        Some(displaced)
    }

    /// Takes a connection out, where it is there: one that was displaced is gone already.
    pub(super) fn forget(&mut self, connection: &Connection) {
        if self.connections.remove(&connection.id).is_none() {
            return;
        }
        let address = connection.peer.address;
        if connection.peer.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.peers.remove(&address);
        }
        let network = wider(address);
        if let Some(of_network) = self.networks.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

impl Connection {
    /// The one with the lowest makes room first: those that rest, the longest first; then those
    /// whose requests are strangers', the oldest first; and at last, where that may be, those whose
    /// requests are callers'.
    fn rank(&self, also_of_callers: bool) -> Option<(u8, u64)> {
        if self.requests.load(Ordering::Relaxed) == 0 {
            Some((0, self.rests_since.load(Ordering::Relaxed)))
        } else if !self.is_of_caller.load(Ordering::Relaxed) {
            Some((1, self.id))
        } else {
            also_of_callers.then_some((2, self.id))
        }
    }

    /// It ends now, whatever it waits for.
    pub(super) fn end(&self) {
        self.displaced.is.store(true, Ordering::SeqCst);
        let reader = self.displaced.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
        if let Some(shutdown) = self.shutdown.get() {
            shutdown.shutdown();
        }
    }

    /// Whether it has made room for another one. One that has had no request yet is read by this
    /// task, and is woken.
    pub(super) fn is_displaced(&self, context: &Context<'_>) -> bool {
        if self.shutdown.get().is_none() {
            let mut reader = self.displaced.reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.as_ref().is_none_or(|known| !known.will_wake(context.waker())) {
                *reader = Some(context.waker().clone());
            }
        }
        self.displaced.is.load(Ordering::SeqCst)
    }
}

/// The network that makes room: an IPv4 address, or an IPv6 network of 48 bits.
pub(super) fn wider(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Admitted, ConnectionLimits, Connections};
    use super::*;
    use crate::metrics::Metrics;
    use crate::refusals::{Refusal, Refusals};

    fn connections(all: u64) -> Arc<Connections> {
        Arc::new(Connections::new(ConnectionLimits { all, per_peer: all }, Refusals::new(Metrics::new())))
    }

    fn admit(connections: &Arc<Connections>, address: &str, number: usize) -> Vec<Admitted> {
        (0..number).map_while(|_| connections.admit(address.parse().unwrap()).ok()).collect()
    }

    fn displaced(admitted: &[Admitted]) -> Vec<usize> {
        let is = |connection: &Connection| connection.displaced.is.load(Ordering::SeqCst);
        admitted.iter().enumerate().filter(|(_, admitted)| is(&admitted.0)).map(|(number, _)| number).collect()
    }

    #[test]
    fn network_with_fewer_connections_gets_in_until_both_have_the_same() {
        let connections = connections(6);
        let many = admit(&connections, "192.0.2.1", 6);
        let few = admit(&connections, "192.0.2.2", 9);
        assert_eq!((few.len(), displaced(&many).len(), displaced(&few).len()), (3, 3, 0));
        assert_eq!(connections.admit("192.0.2.1".parse().unwrap()).unwrap_err(), Refusal::Connections, "and not back again");
        drop((many, few));
        let open = connections.open();
        assert!(open.peers.is_empty() && open.connections.is_empty() && open.networks.is_empty());
    }

    #[test]
    fn all_networks_of_one_ipv6_subscriber_count_as_one() {
        let connections = connections(4);
        let subscriber: Vec<_> = (0..4).flat_map(|number| admit(&connections, &format!("2001:db8:1:{number}::1"), 1)).collect();
        let other = admit(&connections, "2001:db8:2::1", 9);
        assert_eq!((subscriber.len(), other.len(), displaced(&subscriber).len()), (4, 2, 2));
    }

    #[test]
    fn what_rests_longest_makes_room_first_and_what_serves_a_caller_does_not() {
        let connections = connections(5);
        let many = admit(&connections, "192.0.2.1", 5);
        let busy = |number: usize| many[number].0.requests.store(1, Ordering::Relaxed);
        busy(0);
        busy(1);
        many[1].0.is_of_caller();
        for (number, rests_since) in [(2, 30), (3, 10), (4, 20)] {
            many[number].0.rests_since.store(rests_since, Ordering::Relaxed);
        }
        let _first = admit(&connections, "192.0.2.2", 1);
        assert_eq!(displaced(&many), [3]);
        busy(2);
        busy(4);
        many[2].0.is_of_caller();
        many[4].0.is_of_caller();
        let _second = admit(&connections, "192.0.2.3", 1);
        assert_eq!(displaced(&many), [0, 3], "a stranger's request, since no connection of this network rests");
        assert!(admit(&connections, "192.0.2.4", 1).is_empty(), "all others serve callers");
    }

    #[test]
    fn networks_that_have_many_make_room_while_they_serve_callers_until_they_have_a_platforms_pool() {
        let serving = |connections: &Arc<Connections>, address: &str, number: usize| {
            let admitted = admit(connections, address, number);
            for connection in &admitted {
                connection.0.requests.store(1, Ordering::Relaxed);
                connection.0.is_of_caller();
            }
            admitted
        };
        let connections = connections(200);
        let _many: Vec<_> = ["192.0.2.1", "192.0.2.2"].map(|address| serving(&connections, address, 100)).into();
        let third = serving(&connections, "192.0.2.3", 100);
        assert_eq!(third.len(), 66, "a third of them");
        let fourth = serving(&connections, "192.0.2.4", 100);
        assert_eq!(fourth.len(), 200 - 3 * CALLERS as usize);
    }
}
