//! Why a request fails.

/// Why a request fails. Its text names the origin, and neither path nor query: these may hold
/// secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is invalid for a request.
    #[error("a request can't go to this URL: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The method is invalid.
    #[error("there is no such method: {method}")]
    InvalidMethod {
        /// Which method.
        method: String,
    },
    /// A header can't be sent: its name or its value isn't one, or it is the host's own.
    #[error("the header `{name}` can't be sent: {reason}")]
    InvalidHeader {
        /// Which header.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The binding doesn't name the origin; in a native test, the test has no answer.
    #[error("{}", not_allowed(.origin))]
    NotAllowed {
        /// Where it was to go.
        origin: String,
    },
    /// The host is at an address that requests must not go to: a private one, for instance.
    #[error("{origin} is at an address that requests must not go to; the operator sees in the report why")]
    AddressRefused {
        /// Where it was to go.
        origin: String,
    },
    /// The Action has sent as many requests as it may.
    #[error("the Action has sent as many requests as it may (limit `requests`)")]
    TooMany,
    /// The host's name can't be resolved.
    #[error("the host of {origin} can't be resolved")]
    Dns {
        /// Where it was to go.
        origin: String,
    },
    /// There is no connection, or it has broken.
    #[error("{origin} takes no connection")]
    Connect {
        /// Where it was to go.
        origin: String,
    },
    /// The server can't prove who it is.
    #[error("the server of {origin} can't be trusted: its certificate, or TLS")]
    Tls {
        /// Where it was to go.
        origin: String,
    },
    /// The limit `request_time`, or the Action's own timeout, has passed.
    #[error("{origin} has not answered in time")]
    Timeout {
        /// Where it went.
        origin: String,
    },
    /// The request is larger than allowed.
    #[error("the request to {origin} is too large{} (limit `request_bytes`)", allowed_bytes(*.allowed))]
    RequestTooLarge {
        /// Where it was to go.
        origin: String,
        /// The bytes that are allowed, where the host reports them.
        allowed: Option<u64>,
    },
    /// The response is larger than allowed.
    #[error("the response of {origin} is too large{} (limit `response_bytes`)", allowed_bytes(*.allowed))]
    ResponseTooLarge {
        /// Where it went.
        origin: String,
        /// The bytes that are allowed, where the host reports them.
        allowed: Option<u64>,
    },
    /// What came back is no HTTP, or not all of it.
    #[error("the response of {origin} is no HTTP, or ends before it is complete")]
    Protocol {
        /// Where it went.
        origin: String,
    },
    /// The body is no text in UTF-8.
    #[error("the response's body is no text in UTF-8")]
    NotText,
    /// A body is not the JSON that it should be, or a value can't be written as JSON.
    #[error("this is no such JSON: {reason}")]
    Json {
        /// What is wrong with it, and where: without the body's own values.
        reason: String,
    },
}

fn not_allowed(origin: &str) -> String {
    #[cfg(target_arch = "wasm32")]
    return format!("the Action's binding allows no requests to {origin}");
    #[cfg(not(target_arch = "wasm32"))]
    format!("this test has no answer to a request to {origin}, so it is refused; give one with `testing::Login::answers`")
}

fn allowed_bytes(allowed: Option<u64>) -> String {
    allowed.map(|allowed| format!(": at most {allowed} bytes are allowed")).unwrap_or_default()
}
