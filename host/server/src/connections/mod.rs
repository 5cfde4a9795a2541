//! Connections: how many there are in all and of one peer, and which of them end because their peer
//! doesn't read, doesn't ask, or has not asked in time.

mod accept;
mod answer;
mod room;
mod serve;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum_server::ConnectionShutdown;

use crate::bodies::Taken;
use crate::config::ConnectionSettings;
use crate::refusals::{Refusal, Refusals};
use crate::workers::{Worker, Workers};

pub(crate) use answer::Request;
use room::Displaced;
pub(crate) use serve::serve;

/// How long a connection may take until its first request has begun: its TLS handshake, and then
/// its first head.
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// How long a connection may rest between requests. Proxies and clients keep connections for a
/// minute: one that is closed at the moment at which it is used again is a request that has failed.
const IDLE: Duration = Duration::from_secs(75);
/// How long a peer may read nothing of an answer that is ready.
const UNREAD: Duration = Duration::from_secs(30);
/// How often connections are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Connections, where the configuration doesn't say how many and the system has descriptors for
/// them.
const ALL: u64 = 4_096;
/// Of the descriptors that the process may have, half are for deployed Actions, and a quarter is
/// for connections: the last quarter is in reserve for the store, for keys, and for requests that
/// the server itself sends.
const SHARE_OF_DESCRIPTORS: u64 = 4;
/// The smallest default for one peer: a platform's pool of connections.
const LEAST_PER_PEER: u64 = 128;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    pub(crate) all: u64,
    pub(crate) per_peer: u64,
}

impl ConnectionLimits {
    /// What the settings and the process's descriptors allow. Behind a proxy all connections are
    /// one peer's. What is asked for and can't be had is logged.
    pub(crate) fn new(settings: ConnectionSettings, descriptors: Option<u64>, is_behind_proxy: bool) -> Self {
        let most = descriptors.map_or(u64::MAX, |descriptors| (descriptors / SHARE_OF_DESCRIPTORS).max(1));
        let all = settings.all.map_or(ALL, u64::from).min(most);
        if let Some(asked) = settings.all.map(u64::from).filter(|asked| *asked > all) {
            tracing::warn!(
                asked,
                connections = all,
                "`connections.all` is more than a quarter of the open files; raise `ulimit -n`"
            );
        }
        let usual = if is_behind_proxy { all } else { (all / 4).max(LEAST_PER_PEER) };
        Self { all, per_peer: settings.per_peer.map_or(usual, u64::from).min(all) }
    }
}

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: ConnectionLimits,
    refusals: Refusals,
    started: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    connections: HashMap<u64, Arc<Connection>>,
    peers: HashMap<IpAddr, Arc<Peer>>,
    /// Connections of each wider network: see [`room`].
    networks: HashMap<IpAddr, u64>,
}

/// Who is at the other end of connections: an IPv4 address, or an IPv6 network of 64 bits, which
/// one subscriber has.
#[derive(Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    connections: AtomicU64,
    /// Bytes of its requests' bodies that are in memory.
    pub(crate) bodies: Taken,
}

/// A connection that was admitted.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    all: Arc<Connections>,
    peer: Arc<Peer>,
    /// Ends it; there with its first request.
    shutdown: OnceLock<ConnectionShutdown>,
    /// Requests that have begun, and whose answers have not been sent.
    requests: AtomicU64,
    /// When the last one of them ended, in milliseconds of the server's.
    rests_since: AtomicU64,
    /// Since when the peer's window is full, in milliseconds of the server's; 0 where it isn't.
    blocked_since: AtomicU64,
    /// Answers that wait for their peer: since when.
    unread: Mutex<HashMap<u64, u64>>,
    is_ending: AtomicBool,
    /// Whether a caller whose token was right has used it.
    is_of_caller: AtomicBool,
    displaced: Displaced,
}

impl Peer {
    /// Its address, or its network.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits, refusals: Refusals) -> Self {
        Self { limits, refusals, started: Instant::now(), open: Mutex::default() }
    }

    /// Takes a connection from this address, unless there are too many. Where there are as many as
    /// there may be in all, one of the network that has most makes room for one of a network that
    /// has fewer.
    fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, Refusal> {
        let address = network(address);
        let mut open = self.open();
        let of_peer = open.peers.get(&address).map_or(0, |peer| peer.connections.load(Ordering::Relaxed));
        let mut displaced = None;
        let refused = if of_peer >= self.limits.per_peer {
            Some(Refusal::ConnectionsOfPeer)
        } else if (open.connections.len() as u64) < self.limits.all {
            None
        } else {
            displaced = open.make_room(address);
            displaced.is_none().then_some(Refusal::Connections)
        };
        if let Some(refusal) = refused {
            drop(open);
            self.refusals.count_peer(refusal, address);
            return Err(refusal);
        }
        let peer = open
            .peers
            .entry(address)
            .or_insert_with(|| Arc::new(Peer { address, connections: 0.into(), bodies: Taken::default() }));
        peer.connections.fetch_add(1, Ordering::Relaxed);
        let peer = Arc::clone(peer);
        *open.networks.entry(room::wider(address)).or_default() += 1;
        open.last += 1;
        let connection = Arc::new(Connection {
            id: open.last,
            all: Arc::clone(self),
            peer,
            shutdown: OnceLock::new(),
            requests: 0.into(),
            rests_since: self.now().into(),
            blocked_since: 0.into(),
            unread: Mutex::default(),
            is_ending: false.into(),
            is_of_caller: false.into(),
            displaced: Displaced::default(),
        });
        open.connections.insert(connection.id, Arc::clone(&connection));
        self.refusals.metrics().connections(open.connections.len());
        drop(open);
        if let Some(displaced) = displaced {
            self.refusals.count_peer(Refusal::Displaced, displaced.peer.address);
            displaced.end();
        }
        Ok(Admitted(connection))
    }

    fn forget(&self, connection: &Connection) {
        let mut open = self.open();
        open.forget(connection);
        self.refusals.metrics().connections(open.connections.len());
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the server has started, at least one.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Ends connections whose peers don't read and those that rest, until it is dropped.
    pub(crate) async fn watch(self: Arc<Self>, workers: Workers) {
        let pulse = workers.begin(Worker::Connections);
        loop {
            tokio::time::sleep(EVERY).await;
            // A panic is logged, and the next look is a new one.
            let look = async {
                self.look();
                Ok::<_, Infallible>(())
            };
            let _ = pulse.pass(look).await;
        }
    }

    fn look(&self) {
        let open: Vec<Arc<Connection>> = self.open().connections.values().cloned().collect();
        let now = self.now();
        for connection in open {
            connection.look(now);
        }
    }
}

impl Connection {
    /// A caller whose token was right uses it.
    pub(crate) fn is_of_caller(&self) {
        self.is_of_caller.store(true, Ordering::Relaxed);
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn look(&self, now: u64) {
        let Some(shutdown) = self.shutdown.get() else { return };
        match self.verdict(now) {
            Verdict::Keep => {}
            Verdict::End => shutdown.graceful_shutdown(),
            Verdict::Abort => {
                if !self.is_ending.swap(true, Ordering::Relaxed) {
                    self.all.refusals.count_peer(Refusal::Unread, self.peer.address);
                }
                shutdown.shutdown();
            }
        }
    }

    fn verdict(&self, now: u64) -> Verdict {
        let is_over = |since: u64, time: Duration| since > 0 && Duration::from_millis(now.saturating_sub(since)) > time;
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner).values().copied().min().unwrap_or(0);
        if is_over(unread, UNREAD) || is_over(self.blocked_since.load(Ordering::Relaxed), UNREAD) {
            Verdict::Abort
        } else if self.requests.load(Ordering::Relaxed) == 0 && is_over(self.rests_since.load(Ordering::Relaxed), IDLE) {
            Verdict::End
        } else {
            Verdict::Keep
        }
    }

    /// The peer takes no more bytes, or takes them again.
    fn blocked(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.store(0, Ordering::Relaxed);
        } else if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.all.now(), Ordering::Relaxed);
        }
    }
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It takes no more requests, and ends.
    End,
    /// It ends now, whatever is on its way.
    Abort,
}

/// A place among the connections, which is free again when it is dropped.
#[derive(Debug)]
struct Admitted(Arc<Connection>);

impl Drop for Admitted {
    fn drop(&mut self) {
        let connection = &self.0;
        // A probe that only connects has done so quickly.
        let open_for = connection.all.now().saturating_sub(connection.rests_since.load(Ordering::Relaxed));
        if connection.shutdown.get().is_none() && Duration::from_millis(open_for) >= FIRST_REQUEST {
            connection.all.refusals.count_peer(Refusal::NoRequest, connection.peer.address);
        }
        connection.all.forget(connection);
    }
}

/// What counts as one peer.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn connections(all: u64, per_peer: u64) -> Arc<Connections> {
        Arc::new(Connections::new(ConnectionLimits { all, per_peer }, Refusals::new(Metrics::new())))
    }

    #[test]
    fn peer_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn peer_at_its_limit_leaves_room_for_others() {
        let connections = connections(3, 2);
        let from = |text: &str| connections.admit(text.parse().unwrap());
        let first = from("192.0.2.1").unwrap();
        let _second = from("192.0.2.1").unwrap();
        assert_eq!(from("::ffff:192.0.2.1").unwrap_err(), Refusal::ConnectionsOfPeer);
        let _third = from("2001:db8::1").unwrap();
        assert_eq!(from("2001:db8::2").unwrap_err(), Refusal::Connections);
        drop(first);
        let _fourth = from("2001:db8::2").unwrap();
        assert_eq!(connections.open().peers.len(), 2);
        drop((_second, _third, _fourth));
        let open = connections.open();
        assert!(open.peers.is_empty() && open.connections.is_empty() && open.networks.is_empty());
    }

    #[test]
    fn connection_ends_that_rests_or_is_not_read() {
        let connections = connections(9, 9);
        let admitted = connections.admit("192.0.2.1".parse().unwrap()).unwrap();
        let connection = &admitted.0;
        let (began, idle, unread) = (connections.now(), IDLE.as_millis() as u64, UNREAD.as_millis() as u64);
        connection.rests_since.store(began, Ordering::Relaxed);
        assert_eq!(connection.verdict(began + idle), Verdict::Keep);
        assert_eq!(connection.verdict(began + idle + 1), Verdict::End);
        connection.requests.store(1, Ordering::Relaxed);
        assert_eq!(connection.verdict(began + 10 * idle), Verdict::Keep, "a request that takes long");
        connection.unread.lock().unwrap().extend([(1, began), (2, began + unread)]);
        assert_eq!(connection.verdict(began + unread), Verdict::Keep);
        assert_eq!(connection.verdict(began + unread + 1), Verdict::Abort, "one of its answers isn't read");
        connection.unread.lock().unwrap().clear();
        connection.blocked(true);
        let blocked = connection.blocked_since.load(Ordering::Relaxed);
        connection.blocked(true);
        assert_eq!(connection.verdict(blocked + unread + 1), Verdict::Abort, "its peer takes no bytes");
        connection.blocked(false);
        assert_eq!(connection.verdict(blocked + unread + 1), Verdict::Keep);
    }

    #[test]
    fn readme_says_what_callers_may_take() {
        let readme = include_str!("../../README.md");
        let (first, idle, unread) = (FIRST_REQUEST.as_secs(), IDLE.as_secs(), UNREAD.as_secs());
        let body = crate::request::BODY_TIME.as_secs();
        let (head, list) = (serve::HEAD_BYTES >> 10, serve::HEADER_LIST >> 10);
        let (event, token, small) =
            (vestibule::model::event::EVENT_BYTES >> 20, crate::api::TOKEN_BODY >> 10, crate::api::SMALL_BODY >> 10);
        let bodies = crate::config::BodySettings::default();
        for row in [
            format!("first request | {first} s each |"),
            format!("rests between requests | {idle} s |"),
            format!("reads nothing | {unread} s |"),
            format!("head of a request | {head} KiB over HTTP/1.1, {list} KiB over HTTP/2 |"),
            format!("connection at one time | {} |", serve::STREAMS),
            format!("login's event | {event} MiB |"),
            format!("token request | {token} KiB |"),
            format!("a component | {small} KiB; limit"),
            format!("time of a body | {body} s,"),
            format!("| {} MiB, {} MiB; three quarters of `each`", bodies.all >> 20, bodies.each >> 20),
            format!("| {},{:03} and a quarter of the open files at most", ALL / 1_000, ALL % 1_000),
            format!("a quarter of `all`, at least {LEAST_PER_PEER} |"),
        ] {
            assert!(readme.contains(&row), "the README doesn't say {row:?}");
        }
    }

    #[test]
    fn descriptors_bound_connections() {
        let limits = |all, per_peer, descriptors, proxy| {
            let limits = ConnectionLimits::new(ConnectionSettings { all, per_peer }, descriptors, proxy);
            (limits.all, limits.per_peer)
        };
        assert_eq!(limits(None, None, None, false), (4_096, 1_024));
        assert_eq!(limits(None, None, Some(2_048), false), (512, 128));
        assert_eq!(limits(None, None, Some(1_024), true), (256, 256), "all of them come from the proxy");
        assert_eq!(limits(Some(100_000), Some(10), Some(1 << 20), false), (100_000, 10));
        assert_eq!(limits(Some(50), None, None, false), (50, 50));
        assert_eq!(limits(Some(u32::MAX), Some(u32::MAX), Some(8), false), (2, 2));
    }
}
