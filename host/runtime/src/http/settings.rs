//! How a host sends requests.

use std::sync::Arc;

use ipnet::IpNet;

use super::resolver::{Resolve, SystemResolver};
use super::tls::RootCertificate;

/// How a host sends the requests of Actions. Without any of it, they go to what the Internet can
/// reach, by `https`.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Networks that requests may go to although the Internet can't reach them: private ones,
    /// loopback, link-local, … To these, and to these alone, they may also be sent by `http`.
    pub allowed_networks: Vec<IpNet>,
    /// Authorities that are trusted beside those that browsers trust.
    pub root_certificates: Vec<RootCertificate>,
    /// What resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// Names that are looked up at one time, of all tenants. Half of these are a reserve for
    /// tenants with fewer than two.
    pub lookups: usize,
    /// Names of one tenant that are looked up at one time. One more waits for half of the time that
    /// its request has for a connection.
    pub tenant_lookups: usize,
}

/// A lookup takes up to twelve sockets, and mostly milliseconds.
const LOOKUPS: usize = 32;
const TENANT_LOOKUPS: usize = 8;

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            root_certificates: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
            lookups: LOOKUPS,
            tenant_lookups: TENANT_LOOKUPS,
        }
    }
}
