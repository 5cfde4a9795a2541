//! From an origin to a connection: its name is resolved once, each address of the answer is
//! checked, and the connection goes to one of these and to no other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use vestibule_model::TenantId;
use vestibule_model::outcome::RequestError;

use super::addresses::Networks;
use super::origin::{Host, Origin};
use super::resolver::Resolve;
use super::settings::HttpSettings;
use super::socket::Stream;
use super::tls;
use crate::error::RuntimeError;
use crate::scheduling::fair::{Bounds, FairByTenant};

/// Addresses of one host that are tried, each with its share of the time that is left.
const TRIED: usize = 4;

/// A tenant with fewer lookups than this may use the reserve of them. Names that are answered take
/// milliseconds: few are enough.
const FEW_LOOKUPS: usize = 2;

/// From an origin to a connection that may be used: what all requests of Actions share, and a
/// host's own requests to where tenants say.
///
/// A name is resolved once. Each address of the answer is checked as
/// [`HttpSettings::allowed_networks`] says, and the connection goes to one of these and to no
/// other.
pub struct Connector {
    networks: Networks,
    resolver: Arc<dyn Resolve>,
    lookups: FairByTenant,
    tenant_lookups: usize,
    tls: TlsConnector,
}

impl Connector {
    /// One with these networks, authorities and resolver.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(settings: &HttpSettings) -> Result<Self, RuntimeError> {
        let tls = tls::config(&settings.root_certificates).map_err(|error| RuntimeError::Tls { reason: error.to_string() })?;
        Ok(Self {
            networks: Networks::new(settings.allowed_networks.clone()),
            resolver: Arc::clone(&settings.resolver),
            lookups: FairByTenant::new(Bounds {
                total: settings.lookups.max(1),
                reserve: settings.lookups / 2,
                few: FEW_LOOKUPS,
                most: settings.tenant_lookups.max(1),
            }),
            tenant_lookups: settings.tenant_lookups.max(1),
            tls: Arc::new(tls).into(),
        })
    }

    /// A connection for a tenant to the origin's server, which has proved its name where the origin
    /// is encrypted. It speaks HTTP/1.1.
    ///
    /// # Errors
    /// When no address is found until then, too many names of the tenant are being looked up, or an
    /// address of the host is refused.
    pub async fn connect(&self, tenant: &TenantId, origin: &Origin, until: Instant) -> Result<Box<dyn Stream>, RequestError> {
        let addresses = self.addresses(tenant, origin, until).await?;
        let stream = dial(&addresses, origin.port(), until).await?;
        // Requests are written whole: waiting for more would only be slower.
        let _ = stream.set_nodelay(true);
        if !origin.is_encrypted() {
            return Ok(Box::new(stream));
        }
        match self.tls.connect(origin.server_name(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(RequestError::Tls { reason: error.to_string() }),
        }
    }

    /// What can be said of an origin before its host's name is resolved: whether
    /// [`Connector::connect`] would refuse it anyway.
    ///
    /// # Errors
    /// When its address is special, its name is this machine's, or it is not encrypted, and no
    /// network that is allowed makes up for it.
    pub fn check(&self, origin: &Origin) -> Result<(), RequestError> {
        let loopback = || IpAddr::from(Ipv4Addr::LOCALHOST);
        let known = match origin.host() {
            Host::Address(address) => Some(*address),
            // RFC 6761, section 6.3.
            Host::Name(name) if name.as_ref() == "localhost" || name.as_ref().ends_with(".localhost") => Some(loopback()),
            Host::Name(_) => None,
        };
        if let Some(address) = known {
            self.networks.check(address).map_err(|rule| RequestError::AddressRefused { rule })?;
        }
        let may_be_plain = known.is_some_and(|address| self.networks.names(address));
        if origin.is_encrypted() || may_be_plain { Ok(()) } else { Err(RequestError::NotEncrypted) }
    }

    /// The addresses of the origin's host, each of them checked. One that is refused refuses all:
    /// the name's server must not be able to choose by order.
    async fn addresses(&self, tenant: &TenantId, origin: &Origin, until: Instant) -> Result<Vec<IpAddr>, RequestError> {
        let addresses = match origin.host() {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let now = Instant::now();
                let waits_until = now + until.saturating_duration_since(now) / 2;
                let turn = tokio::time::timeout_at(waits_until, self.lookups.acquire(tenant)).await;
                let _lookup = turn.map_err(|_| RequestError::LookupsBusy { allowed: self.tenant_lookups })?;
                // The permit is held until the lookup has ended or was dropped.
                self.resolver.resolve(name.as_ref()).await.unwrap_or_default()
            }
        };
        if addresses.is_empty() {
            return Err(RequestError::NotResolved);
        }
        for address in &addresses {
            self.networks.check(*address).map_err(|rule| RequestError::AddressRefused { rule })?;
        }
        if !origin.is_encrypted() && !addresses.iter().all(|address| self.networks.names(*address)) {
            return Err(RequestError::NotEncrypted);
        }
        Ok(addresses)
    }
}

/// Tries one address after the other.
async fn dial(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, RequestError> {
    let mut left = u32::try_from(addresses.len().min(TRIED)).unwrap_or(1);
    for address in addresses.iter().take(TRIED) {
        let now = Instant::now();
        let share = until.saturating_duration_since(now) / left.max(1);
        if let Ok(Ok(stream)) = tokio::time::timeout_at(now + share, TcpStream::connect((*address, port))).await {
            return Ok(stream);
        }
        left -= 1;
    }
    Err(RequestError::NotConnected)
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("networks", &self.networks).finish_non_exhaustive()
    }
}
