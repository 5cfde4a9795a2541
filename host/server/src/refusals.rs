//! What the server refuses before it does any work: each refusal is counted, and each kind has a
//! line a second in the log at most.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;

/// How often one kind has a line in the log.
const EVERY: Duration = Duration::from_secs(1);

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are as many connections as there may be.
    Connections,
    /// There are as many connections of this peer as there may be.
    ConnectionsOfPeer,
    /// A connection could not be accepted.
    Accept,
    /// A connection has ended before it had a request.
    NoRequest,
    /// A peer has not read an answer.
    Unread,
    /// A request's host is written wrongly.
    Host,
    /// Bodies of requests take as much memory as they may.
    Bodies,
    /// A client's secret, or a token, was not checked: too many were wrong, or too many wait.
    Tokens,
    /// A connection has made room for one of a peer that has fewer.
    Displaced,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::Connections,
        Self::ConnectionsOfPeer,
        Self::Accept,
        Self::NoRequest,
        Self::Unread,
        Self::Host,
        Self::Bodies,
        Self::Tokens,
        Self::Displaced,
    ];

    /// Its name in metrics and in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfPeer => "connections_of_peer",
            Self::Accept => "accept",
            Self::NoRequest => "no_request",
            Self::Unread => "unread_answer",
            Self::Host => "host",
            Self::Bodies => "bodies",
            Self::Tokens => "tokens",
            Self::Displaced => "displaced",
        }
    }
}

/// Counts and logs refusals. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Refusals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    logged: [Mutex<Logged>; Refusal::ALL.len()],
}

/// Of one kind: when its last line was written, and how many there were since.
#[derive(Debug, Default)]
struct Logged {
    at: Option<Instant>,
    since: u64,
}

impl Refusals {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner { metrics, logged: Default::default() }))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Something was refused, for this reason.
    pub(crate) fn count(&self, refusal: Refusal, reason: &dyn std::fmt::Display) {
        if let Some(refusals) = self.counted(refusal) {
            tracing::warn!(kind = refusal.as_str(), refusals, %reason, "refused");
        }
    }

    /// Something of this peer was refused. The log has the network that it is in, and not its
    /// address.
    pub(crate) fn count_peer(&self, refusal: Refusal, peer: IpAddr) {
        if let Some(refusals) = self.counted(refusal) {
            tracing::warn!(kind = refusal.as_str(), refusals, network = %wider(peer), "refused");
        }
    }

    /// How many there were since the last line of the log, where another one is due.
    fn counted(&self, refusal: Refusal) -> Option<u64> {
        self.0.metrics.refused(refusal);
        let logged = Refusal::ALL.iter().position(|kind| *kind == refusal).and_then(|at| self.0.logged.get(at))?;
        let mut logged = logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.since += 1;
        let now = Instant::now();
        if logged.at.is_some_and(|at| now.saturating_duration_since(at) < EVERY) {
            return None;
        }
        logged.at = Some(now);
        Some(std::mem::take(&mut logged.since))
    }
}

/// The network of an address, in which others are, too.
fn wider(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_has_one_line_a_second_and_says_how_many_there_were() {
        let refusals = Refusals::new(Metrics::new());
        assert_eq!(refusals.counted(Refusal::Host), Some(1));
        assert_eq!(refusals.counted(Refusal::Host), None);
        assert_eq!(refusals.counted(Refusal::Bodies), Some(1), "another kind");
        refusals.0.logged[5].lock().unwrap().at = Instant::now().checked_sub(EVERY);
        assert_eq!(refusals.counted(Refusal::Host), Some(2));
    }

    #[test]
    fn log_has_no_address_of_a_peer() {
        assert_eq!(wider("192.0.2.77".parse().unwrap()), "192.0.2.0/24");
        assert_eq!(wider("2001:db8:1:2::".parse().unwrap()), "2001:db8:1::/48");
    }
}
