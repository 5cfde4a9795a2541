//! The door in WebAssembly: `wasi:http/outgoing-handler`.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
    http_error_code,
};
use wasip2::io::streams::StreamError;

use super::url::Url;
use super::{Error, Request, Response};

/// Bytes that one call of `blocking-write-and-flush` takes.
const WRITTEN_AT_ONCE: usize = 4096;
/// Bytes that are asked for at once.
const READ_AT_ONCE: u64 = 64 << 10;

pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response, Error> {
    let told = |code: ErrorCode| told(code, url);
    let outgoing = outgoing(request, url)?;
    let body = if request.body.is_empty() { None } else { outgoing.body().ok() };
    let future = handle(outgoing, options(request)).map_err(told)?;
    if let Some(body) = body {
        write(body, &request.body);
    }
    receive(&wait(&future).map_err(told)?).map_err(told)
}

fn outgoing(request: &Request, url: &Url<'_>) -> Result<OutgoingRequest, Error> {
    let fields = Fields::new();
    for (name, value) in &request.headers {
        let invalid = |_| Error::InvalidHeader { name: name.clone(), reason: "the host refuses it" };
        fields.append(name, value.as_bytes()).map_err(invalid)?;
    }
    if !request.body.is_empty() {
        // Without it the body would be sent in chunks, which not every server takes.
        let length = request.body.len().to_string();
        let invalid = |_| Error::InvalidHeader { name: "content-length".to_owned(), reason: "the host refuses it" };
        fields.append("content-length", length.as_bytes()).map_err(invalid)?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let scheme = if url.encrypted { Scheme::Https } else { Scheme::Http };
    let invalid = |()| Error::InvalidUrl { reason: "its host, port or path is invalid" };
    outgoing.set_scheme(Some(&scheme)).map_err(invalid)?;
    outgoing.set_authority(Some(url.authority)).map_err(invalid)?;
    outgoing.set_path_with_query(Some(&url.path_with_query)).map_err(invalid)?;
    outgoing.set_method(&method(request)).map_err(|()| Error::InvalidMethod { method: request.method.clone() })?;
    Ok(outgoing)
}

fn method(request: &Request) -> Method {
    match request.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(request: &Request) -> Option<RequestOptions> {
    let timeout = Some(u64::try_from(request.timeout?.as_nanos()).unwrap_or(u64::MAX));
    let options = RequestOptions::new();
    // A host that doesn't know one of them has its own limit.
    let _ = options.set_connect_timeout(timeout);
    let _ = options.set_first_byte_timeout(timeout);
    let _ = options.set_between_bytes_timeout(timeout);
    Some(options)
}

/// Writes the body. Where that goes wrong, the response says why.
fn write(body: OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else { return };
    for piece in bytes.chunks(WRITTEN_AT_ONCE) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    future.subscribe().block();
    match future.get() {
        Some(Ok(answer)) => answer,
        // It is ready, and was not taken before.
        Some(Err(())) | None => Err(ErrorCode::InternalError(None)),
    }
}

fn receive(response: &IncomingResponse) -> Result<Response, ErrorCode> {
    let status = response.status();
    let headers = response.headers().entries();
    let mut bytes = Vec::new();
    let incoming = response.consume().map_err(|()| ErrorCode::InternalError(None))?;
    let stream = incoming.stream().map_err(|()| ErrorCode::InternalError(None))?;
    loop {
        match stream.blocking_read(READ_AT_ONCE) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(Response { status, headers, body: bytes }),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).unwrap_or(ErrorCode::HttpProtocolError));
            }
        }
    }
}

fn told(code: ErrorCode, url: &Url<'_>) -> Error {
    let origin = url.origin();
    match code {
        ErrorCode::HttpRequestDenied => Error::NotAllowed { origin },
        ErrorCode::DestinationIpProhibited => Error::AddressRefused { origin },
        ErrorCode::ConnectionLimitReached => Error::TooMany,
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout | ErrorCode::DestinationNotFound => Error::Dns { origin },
        ErrorCode::TlsCertificateError | ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => Error::Tls { origin },
        ErrorCode::HttpResponseTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout => Error::Timeout { origin },
        ErrorCode::HttpRequestBodySize(allowed) => Error::RequestTooLarge { origin, allowed },
        ErrorCode::HttpResponseBodySize(allowed) => Error::ResponseTooLarge { origin, allowed },
        ErrorCode::HttpResponseHeaderSectionSize(allowed) => Error::ResponseTooLarge { origin, allowed: allowed.map(u64::from) },
        ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable => Error::Connect { origin },
        ErrorCode::HttpRequestUriInvalid => Error::InvalidUrl { reason: "its host or port is invalid" },
        _ => Error::Protocol { origin },
    }
}
