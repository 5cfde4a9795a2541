//! Where requests may go: a scheme, a host and a port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rustls_pki_types::{DnsName, ServerName};
use thiserror::Error;
use url::Url;

/// Where requests may go: a scheme, a host and a port, as in `https://api.example.com` or
/// `https://[2001:db8::1]:8443`.
///
/// It is compared as it is written down here: in lower case, international names in ASCII, and
/// without the port that its scheme has anyway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    encrypted: bool,
    host: Host,
    port: u16,
}

/// A host: a name that has to be resolved, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Name(DnsName<'static>),
    Address(IpAddr),
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// It has no scheme that requests are sent by.
    #[error("an origin begins with `https://`, or with `http://` for a network of the operator's own")]
    Scheme,
    /// It has more than an origin has.
    #[error("an origin is a scheme, a host and perhaps a port, without user, path, query or space: `https://api.example.com`")]
    More,
    /// Its host is neither a name nor an address.
    #[error("an origin's host is a name or an IP address: `https://api.example.com`, `https://[2001:db8::1]`")]
    Host,
    /// Its port is invalid.
    #[error("an origin's port is a number from 1 to 65535")]
    Port,
}

impl Origin {
    /// Reads an origin.
    ///
    /// # Errors
    /// When the text is no origin, or more than one.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin::Scheme)?;
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidOrigin::Scheme),
        };
        // Looked for in the text itself: what a parser of URLs forgives would be allowed without
        // having been seen.
        if rest.contains(['/', '\\', '?', '#', '@']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(InvalidOrigin::More);
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => InvalidOrigin::Port,
            _ => InvalidOrigin::Host,
        })?;
        let host = match url.host().ok_or(InvalidOrigin::Host)? {
            url::Host::Ipv4(address) => Host::Address(address.into()),
            url::Host::Ipv6(address) => Host::Address(address.into()),
            // A name with a dot behind it is the same host by another name, and no certificate has
            // it.
            url::Host::Domain(name) if name.ends_with('.') => return Err(InvalidOrigin::Host),
            url::Host::Domain(name) => Host::Name(DnsName::try_from(name).map_err(|_| InvalidOrigin::Host)?.to_owned()),
        };
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or(InvalidOrigin::Port)?;
        Ok(Self { encrypted, host, port })
    }

    /// Whether requests to it are encrypted (`https`).
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whom the server's certificate has to name.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        match &self.host {
            Host::Name(name) => ServerName::DnsName(name.clone()),
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        }
    }

    /// The host, and the port where it is not the scheme's own: what the header `Host` says.
    pub(crate) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.as_ref().to_owned(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        let own = if self.encrypted { 443 } else { 80 };
        if self.port == own { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        Origin::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn an_origin_is_written_in_one_way_however_it_was_given() {
        assert_eq!(written("https://api.example.com"), "https://api.example.com");
        assert_eq!(written("HTTPS://API.Example.COM:443"), "https://api.example.com");
        assert_eq!(written("https://api.example.com:8443"), "https://api.example.com:8443");
        assert_eq!(written("http://localhost:80"), "http://localhost");
        assert_eq!(written("https://bücher.example"), "https://xn--bcher-kva.example");
        assert_eq!(written("https://BÜCHER.example"), "https://xn--bcher-kva.example");
        assert_eq!(written("https://[2001:DB8:0::1]:443"), "https://[2001:db8::1]");
        assert_eq!(written("https://203.0.113.7:8443"), "https://203.0.113.7:8443");
    }

    #[test]
    fn an_address_in_disguise_is_the_address() {
        for text in ["http://127.0.0.1", "http://2130706433", "http://0x7f.1", "http://0177.0.0.1", "http://127.1"] {
            assert_eq!(written(text), "http://127.0.0.1", "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_what_an_origin_is() {
        for (text, expected) in [
            ("", InvalidOrigin::Scheme),
            ("api.example.com", InvalidOrigin::Scheme),
            ("ftp://api.example.com", InvalidOrigin::Scheme),
            ("file:///etc/passwd", InvalidOrigin::Scheme),
            ("https://api.example.com/", InvalidOrigin::More),
            ("https://api.example.com/v1", InvalidOrigin::More),
            ("https://api.example.com?x", InvalidOrigin::More),
            ("https://api.example.com#x", InvalidOrigin::More),
            ("https://user@api.example.com", InvalidOrigin::More),
            ("https://api.example.com\\@evil.example", InvalidOrigin::More),
            ("https://api.example.com\n", InvalidOrigin::More),
            ("https://api .example.com", InvalidOrigin::More),
            ("https://", InvalidOrigin::Host),
            ("https://*.example.com", InvalidOrigin::Host),
            ("https://example.com.", InvalidOrigin::Host),
            ("https://999.999.999.999", InvalidOrigin::Host),
            ("https://[::1", InvalidOrigin::Host),
            ("https://api.example.com:0", InvalidOrigin::Port),
            ("https://api.example.com:65536", InvalidOrigin::Port),
            ("https://api.example.com:https", InvalidOrigin::Port),
        ] {
            assert_eq!(Origin::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn scheme_host_and_port_all_count() {
        let origin = |text| Origin::parse(text).unwrap();
        let allowed = origin("https://api.example.com");
        for other in
            ["http://api.example.com:443", "https://example.com", "https://api.example.com:444", "https://api.example.co"]
        {
            assert_ne!(origin(other), allowed, "{other}");
        }
    }
}
