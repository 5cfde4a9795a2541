//! Which host a request is for, read strictly: `uri-host [ ":" port ]` (RFC 9110, section 7.2),
//! said once, and the same wherever it is said twice.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header, uri};

use crate::app::App;
use crate::config::HostName;
use crate::error::ApiError;

/// The header that a trusted proxy puts the host in.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// The host of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// In lower case, without brackets.
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// The host that a request names; none where it names none, as HTTP/1.0 allows.
    ///
    /// # Errors
    /// When a host is written wrongly, more than once, or differently in the request's target and
    /// in `Host`.
    pub(crate) fn of_request(parts: &Parts, app: &App) -> Result<Option<Self>, ApiError> {
        let invalid = |what: &'static str| ApiError::bad_request("invalid_host", what);
        let target = parts.uri.authority().map(uri::Authority::as_str);
        let target = target.map(|text| Self::parse(text).ok_or_else(|| invalid("the request's target has no valid host")));
        let target = target.transpose()?;
        let header = Self::of_header(&parts.headers, header::HOST.as_str());
        let header =
            header.map_err(|()| invalid("`Host` must be sent once, as a host name or an IP address and perhaps a port"))?;
        let named = match (target, header) {
            (Some(target), Some(header)) if !target.agrees(&header) => {
                return Err(invalid("the request's target and `Host` name different hosts"));
            }
            (Some(target), _) => Some(target),
            (None, header) => header,
        };
        if !app.trusts_forwarded_host() {
            return Ok(named);
        }
        let forwarded = Self::of_header(&parts.headers, FORWARDED_HOST);
        let forwarded = forwarded.map_err(|()| invalid("`X-Forwarded-Host` must have one host, set by the proxy"))?;
        Ok(forwarded.or(named))
    }

    fn of_header(headers: &HeaderMap, name: &str) -> Result<Option<Self>, ()> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().ok().and_then(Self::parse).map(Some).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        }
    }

    /// Reads `uri-host [ ":" port ]`.
    fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(text) => {
                let (address, rest) = text.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (address, rest)
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (is_name(name).then_some(name)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Self { host: host.to_ascii_lowercase(), port })
    }

    /// Whether both are one host; a port that one of them leaves out is its scheme's.
    fn agrees(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || other.port.is_none() || self.port == other.port)
    }

    /// The name that a tenant may be called by.
    pub(crate) fn name(&self) -> Option<HostName> {
        self.host.parse().ok()
    }
}

/// Whether it is a `reg-name` or an IPv4 address (RFC 3986, section 3.2.2), without
/// percent-encoding, which no host name needs.
fn is_name(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_a_name_or_an_address_and_perhaps_a_port() {
        let parse = |text: &str| Authority::parse(text).map(|read| (read.host, read.port));
        for (text, host, port) in [
            ("login.example", "login.example", None),
            ("Login.Example:8080", "login.example", Some(8080)),
            ("login.example:", "login.example", None),
            ("my_service:80", "my_service", Some(80)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:65535", "::1", Some(65535)),
            ("[::1]", "::1", None),
        ] {
            assert_eq!(parse(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            ":80",
            "honest.test:@attacker.example",
            "user@honest.test",
            "honest.test@attacker.example:80",
            "honest.test:80:80",
            "honest.test:80/",
            "honest.test/path",
            "honest.test:65536",
            "honest.test:+80",
            "honest.test: 80",
            "honest test",
            "honest.test\t",
            "http://honest.test",
            "::1",
            "[::1]80",
            "[::1]:x",
            "[::1",
            "[honest.test]",
            "[::1%25lo]",
            "%68onest.test",
            "honest.test?",
            "honest.test#",
            "honest.test\\@attacker.example",
            "höst.test",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&"a".repeat(254)), None);
    }
}
