//! From an origin to a connection: its name is resolved once, each address of the answer is checked, and the connection goes to one of
//! these and to no other.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use vestibule_model::outcome::RequestError;

use super::HttpSettings;
use super::addresses::Networks;
use super::origin::{Host, Origin};
use super::resolver::Resolve;
use super::socket::Stream;
use super::tls;

/// Addresses of one host that are tried, each with its share of the time that is left.
const TRIED: usize = 4;

/// What all requests of a host share.
pub(crate) struct Client {
    networks: Networks,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Client {
    pub(crate) fn new(settings: &HttpSettings) -> Result<Self, rustls::Error> {
        Ok(Self {
            networks: Networks::new(settings.allowed_networks.clone()),
            resolver: Arc::clone(&settings.resolver),
            tls: Arc::new(tls::config(&settings.root_certificates)?).into(),
        })
    }

    /// A connection to the origin's server, which has proved its name where the origin is encrypted.
    pub(crate) async fn connect(&self, origin: &Origin, until: Instant) -> Result<Box<dyn Stream>, RequestError> {
        let addresses = self.addresses(origin).await?;
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

    /// The addresses of the origin's host, each of them checked. One that is refused refuses all: whoever answers for the name must not
    /// be able to choose by order.
    async fn addresses(&self, origin: &Origin) -> Result<Vec<IpAddr>, RequestError> {
        let addresses = match origin.host() {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name.as_ref()).await.unwrap_or_default(),
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
