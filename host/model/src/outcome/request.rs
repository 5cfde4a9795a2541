//! The report of each HTTP request that an Action has made: where to and how it ended. Never a
//! path, a query, a header or a body: these may be personal or secret.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// The report of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestReport {
    /// Its method.
    pub method: String,
    /// Where it was to go: scheme, host, and port where it is not the scheme's own. Empty where the
    /// Action named no such place.
    pub origin: String,
    /// The response's status, once its headers are here.
    pub status: Option<u16>,
    /// Why it failed, if it did; also after the status, while the body was read.
    pub error: Option<RequestError>,
    /// Bytes that were sent: request line, headers and body, before encryption.
    pub bytes_sent: u64,
    /// Bytes that were received: status line, headers and body, after decryption.
    pub bytes_received: u64,
    /// How long it took, from the resolution of its host's name to the last byte, or to the end of
    /// the Action's run.
    pub duration: Duration,
}

impl Serialize for RequestReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RequestReport", 7)?;
        fields.serialize_field("method", &self.method)?;
        fields.serialize_field("origin", &self.origin)?;
        fields.serialize_field("status", &self.status)?;
        fields.serialize_field("error", &self.error)?;
        fields.serialize_field("bytes_sent", &self.bytes_sent)?;
        fields.serialize_field("bytes_received", &self.bytes_received)?;
        fields.serialize_field("duration_us", &u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX))?;
        fields.end()
    }
}

/// Why a request failed. The Action learns its kind, and can go on; the rest is for its author and
/// the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It goes to an origin that the binding doesn't name.
    #[error("the Action's binding allows no requests to this origin")]
    OriginNotAllowed,
    /// It goes to no origin at all.
    #[error("it has no scheme, host and port that a request can go to")]
    InvalidOrigin,
    /// Its method would make the connection something else.
    #[error("the method {method} is not offered")]
    MethodNotOffered {
        /// Which method.
        method: String,
    },
    /// One of the host's addresses is special, and the operator hasn't named its network.
    #[error(
        "an address of its host is refused: {rule}; the operator can name the network in `allowed_networks`, an author with `--allow-network`"
    )]
    AddressRefused {
        /// What kind of address it is: never the address itself, which tells of a network that the
        /// Action must not know.
        rule: &'static str,
    },
    /// It is to be sent without encryption, to a network that the operator hasn't named.
    #[error(
        "it is `http`, which is sent only to networks that the operator names in `allowed_networks` (`--allow-network`); use `https`"
    )]
    NotEncrypted,
    /// The host has no address.
    #[error("its host's name can't be resolved")]
    NotResolved,
    /// As many names of the tenant are being looked up as may be at one time, and none of these
    /// lookups ended soon enough.
    #[error("its host's name was not looked up: {allowed} lookups of the tenant, or all of the host's, were not answered yet")]
    LookupsBusy {
        /// Lookups of one tenant at one time.
        allowed: usize,
    },
    /// None of the host's addresses takes connections.
    #[error("its host takes no connection")]
    NotConnected,
    /// The server can't prove who it is, or TLS fails otherwise.
    #[error("the server can't be trusted: {reason}")]
    Tls {
        /// What TLS says.
        reason: String,
    },
    /// What came is no HTTP, or ended too early.
    #[error("the response is no HTTP/1.1, or ends before it is complete")]
    Protocol,
    /// The Action's own timeout has passed.
    #[error("the Action's own timeout has passed")]
    TimedOut,
    /// The Action has broken off the request's body.
    #[error("the Action has not finished the request's body")]
    BrokenOff,
    /// The Action has made as many requests as it may.
    #[error("the Action has made {allowed} requests and wants more (limit `requests`)")]
    TooMany {
        /// What is allowed.
        allowed: usize,
    },
    /// The request is too large.
    #[error("the request has more than {allowed} bytes with its headers (limit `request_bytes`)")]
    RequestTooLarge {
        /// What is allowed.
        allowed: usize,
    },
    /// The response is too large.
    #[error("the response has more than {allowed} bytes with its headers (limit `response_bytes`)")]
    ResponseTooLarge {
        /// What is allowed.
        allowed: usize,
    },
    /// The response's head is larger than any server's should be.
    #[error("the response has too many headers, or more than {allowed} bytes of them")]
    HeadTooLarge {
        /// What is allowed.
        allowed: usize,
    },
    /// It takes too long.
    #[error("it was not done after {} ms (limit `request_time`)", .allowed.as_millis())]
    TooSlow {
        /// What is allowed.
        allowed: Duration,
    },
}

impl RequestError {
    /// As it stands in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::InvalidOrigin => "invalid_origin",
            Self::MethodNotOffered { .. } => "method_not_offered",
            Self::AddressRefused { .. } => "address_refused",
            Self::NotEncrypted => "not_encrypted",
            Self::NotResolved => "not_resolved",
            Self::LookupsBusy { .. } => "lookups_busy",
            Self::NotConnected => "not_connected",
            Self::Tls { .. } => "tls",
            Self::Protocol => "protocol",
            Self::TimedOut => "timed_out",
            Self::BrokenOff => "broken_off",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::TooMany { .. } | Self::RequestTooLarge { .. } | Self::ResponseTooLarge { .. } | Self::TooSlow { .. } => "limit",
        }
    }

    /// The limit that it goes over, as in the table of limits.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::TooMany { .. } => Some("requests"),
            Self::RequestTooLarge { .. } => Some("request_bytes"),
            Self::ResponseTooLarge { .. } => Some("response_bytes"),
            Self::TooSlow { .. } => Some("request_time"),
            _ => None,
        }
    }
}

impl Serialize for RequestError {
    /// `{kind, limit, message}`; `limit` is `null` where none is broken.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RequestError", 3)?;
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("limit", &self.limit())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
