//! What an Action reads of a request that has failed: a code of `wasi:http`, and no more than that.

use vestibule_model::outcome::RequestError;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};

/// Bytes of a response's head. Servers and proxies take 8 to 32 KiB; it is also what a connection
/// buffers.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// What HTTP says, in our words.
pub(crate) fn of_hyper(error: &hyper::Error) -> RequestError {
    if error.is_parse_too_large() {
        RequestError::HeadTooLarge { allowed: HEAD_BYTES }
    } else if error.is_user() {
        // Of a request's body: nothing else of it is the user's.
        RequestError::BrokenOff
    } else {
        RequestError::Protocol
    }
}

/// In the words of `wasi:http`.
pub(crate) fn told(error: &RequestError) -> Error {
    code(error).into()
}

fn code(error: &RequestError) -> ErrorCode {
    let bytes = |allowed: usize| Some(u64::try_from(allowed).unwrap_or(u64::MAX));
    match error {
        RequestError::OriginNotAllowed | RequestError::NotEncrypted => ErrorCode::HttpRequestDenied,
        RequestError::InvalidOrigin => ErrorCode::HttpRequestUriInvalid,
        RequestError::MethodNotOffered { .. } => ErrorCode::HttpRequestMethodInvalid,
        RequestError::AddressRefused { .. } => ErrorCode::DestinationIpProhibited,
        RequestError::LookupsBusy { .. } => ErrorCode::DnsTimeout,
        RequestError::NotResolved => ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None }),
        RequestError::NotConnected => ErrorCode::ConnectionRefused,
        RequestError::Tls { .. } => ErrorCode::TlsCertificateError,
        RequestError::BrokenOff => ErrorCode::ConnectionTerminated,
        RequestError::TimedOut | RequestError::TooSlow { .. } => ErrorCode::HttpResponseTimeout,
        RequestError::TooMany { .. } => ErrorCode::ConnectionLimitReached,
        RequestError::RequestTooLarge { allowed } => ErrorCode::HttpRequestBodySize(bytes(*allowed)),
        RequestError::ResponseTooLarge { allowed } => ErrorCode::HttpResponseBodySize(bytes(*allowed)),
        RequestError::HeadTooLarge { allowed } => {
            ErrorCode::HttpResponseHeaderSectionSize(Some(u32::try_from(*allowed).unwrap_or(u32::MAX)))
        }
        _ => ErrorCode::HttpProtocolError,
    }
}

/// The code of an error that a body's stream has ended with. wasmtime-wasi-http looks for a code
/// there, and puts an [`Error`] there.
pub(crate) fn of_stream(error: &wasmtime::Error) -> Option<ErrorCode> {
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return Some(code.clone());
    }
    match error.downcast_ref::<Error>()? {
        Error::HttpResponseBodySize(allowed) => Some(ErrorCode::HttpResponseBodySize(*allowed)),
        Error::HttpResponseHeaderSectionSize(allowed) => Some(ErrorCode::HttpResponseHeaderSectionSize(*allowed)),
        Error::HttpResponseTimeout => Some(ErrorCode::HttpResponseTimeout),
        Error::ConnectionTerminated => Some(ErrorCode::ConnectionTerminated),
        _ => Some(ErrorCode::HttpProtocolError),
    }
}
