//! What is read of a request before anything is done: whose it is, and who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use vestibule::model::{SessionId, Timestamp, UserId};

use crate::app::App;
use crate::authority::Authority;
use crate::bodies::{BodiesFull, Charge};
use crate::config::{HostName, Scope};
use crate::connections::Connection;
use crate::error::ApiError;
use crate::refusals::Refusal;
use crate::tenant::Tenant;
use crate::tokens::{Scopes, TokenError};

/// The tenant that a request is for, by its host's name.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) tenant: Arc<Tenant>,
    /// The one of the tenant's host names that the request is for.
    name: HostName,
}

impl Host {
    /// How the tenant's URLs begin, without a slash at the end: by its public URL, or by its
    /// configured host name. Nothing of it is the caller's.
    pub(crate) fn origin(&self, app: &App) -> String {
        match &self.tenant.settings.public_url {
            Some(url) => url.as_str().to_owned(),
            None => app.origin_of(&self.name),
        }
    }
}

impl FromRequestParts<App> for Host {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let authority = parts.extensions.get::<Authority>().ok_or_else(ApiError::no_host)?;
        let name = authority.name().ok_or_else(ApiError::unknown_tenant)?;
        let tenant = app.tenant(&name).ok_or_else(ApiError::unknown_tenant)?;
        Ok(Self { tenant, name })
    }
}

/// Who asks: whoever has a token of the tenant.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: Arc<Tenant>,
    scopes: Arc<Scopes>,
}

impl Caller {
    /// Goes on where the token is good for one of these.
    pub(crate) fn may(&self, any_of: &[Scope]) -> Result<&Arc<Tenant>, ApiError> {
        if any_of.iter().any(|scope| self.scopes.contains(scope)) {
            return Ok(&self.tenant);
        }
        let expected: Vec<&str> = any_of.iter().map(|scope| scope.as_str()).collect();
        Err(ApiError::insufficient_scope(&expected.join(" ")))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // Whoever has limited the rate has looked already.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let Host { tenant, .. } = Host::from_request_parts(parts, app).await?;
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(ApiError::no_token)?;
        let token = header.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let token = token.filter(|token| !token.is_empty()).ok_or_else(ApiError::no_token)?;
        // All peers are the proxy behind one.
        let connection = parts.extensions.get::<Arc<Connection>>();
        let peer = connection.filter(|_| !app.trusts_forwarded_host()).map(|connection| connection.peer().address());
        match tenant.verifier.verify(token, peer, Timestamp::now(), Instant::now().into_std()).await {
            Ok(scopes) => {
                // From now on it is no stranger's: its body has the callers' budget, and its
                // connection makes no room for others while it is served.
                if let Some(charge) = parts.extensions.get::<Arc<Charge>>() {
                    charge.is_of_caller();
                }
                if let Some(connection) = connection {
                    connection.is_of_caller();
                }
                Ok(Self { tenant, scopes })
            }
            Err(error @ TokenError::TooManyFailures { retry_after }) => {
                match peer {
                    Some(peer) => app.refusals().count_peer(Refusal::Tokens, peer),
                    None => app.refusals().count(Refusal::Tokens, &error),
                }
                Err(ApiError::too_many_refused_tokens(retry_after))
            }
            Err(error) => Err(ApiError::invalid_token(error.to_string()).because(&error)),
        }
    }
}

/// An id in a path.
#[derive(Clone, Debug)]
pub(crate) struct PathId<T>(pub(crate) T);

/// What stands in a path, mostly as `{id}`.
pub(crate) trait InPath: Sized {
    /// What it is called in the route.
    const NAME: &'static str = "id";

    /// Reads it, or says what is wrong.
    fn read(text: &str) -> Result<Self, ApiError>;
}

impl InPath for SessionId {
    fn read(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|error: vestibule::model::IdError| ApiError::invalid_path(error.to_string()))
    }
}

impl InPath for UserId {
    fn read(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|error: vestibule::model::IdError| ApiError::invalid_path(error.to_string()))
    }
}

impl<T: InPath> FromRequestParts<App> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_err(|_| ApiError::invalid_path("the path is no UTF-8"))?;
        let id = params.iter().find(|(name, _)| *name == T::NAME).map_or("", |(_, value)| value);
        T::read(id).map(Self)
    }
}

/// How long a body may take to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// Reads a body of at most so many bytes.
///
/// # Errors
/// When it is too large, or doesn't arrive.
pub(crate) async fn body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let deadline = Instant::now() + BODY_TIME;
    read(body, limit, |_| deadline).await
}

/// Reads a body into one allocation: a peer that sends it byte by byte takes no more memory than
/// one that doesn't.
async fn read(mut body: Body, limit: usize, deadline: impl Fn(usize) -> Instant) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = tokio::time::timeout_at(deadline(bytes.len()), body.frame()).await.map_err(|_| ApiError::too_slow())?;
        let Some(frame) = frame else { return Ok(bytes.freeze()) };
        // Trailers say nothing here.
        let Ok(more) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        if bytes.len() + more.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(more);
        }
        bytes.extend_from_slice(&more);
    }
}

/// Why a body has ended before its end.
fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    if BodiesFull::is_cause_of(error) {
        return ApiError::bodies_full();
    }
    ApiError::invalid_body("the body did not arrive as a whole")
}

/// Bytes in a second that a large body has to cross with, beside the time that each body has.
const BODY_RATE: u64 = 128 << 10;

/// How much longer than any body one may take of which so many bytes have crossed.
pub(crate) fn earned(bytes: usize) -> Duration {
    Duration::from_millis(bytes as u64 * 1_000 / BODY_RATE)
}

/// Reads a large body of at most so many bytes, for as long as it keeps coming.
///
/// # Errors
/// When it is too large, or comes too slowly.
pub(crate) async fn large_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
    if said.is_some_and(|length: usize| length > limit) {
        return Err(ApiError::too_large(limit));
    }
    let started = Instant::now();
    read(body, limit, |bytes| started + BODY_TIME + earned(bytes)).await
}

/// A random id of 128 bits, as text.
pub(crate) fn random_id() -> String {
    let mut bytes = [0u8; 16];
    // Without a source of random numbers nothing here can be trusted, and the system has one.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = uuid_of_time();
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The id of a request that has come without one. No secret hangs on it: half of it is this
/// process's, and the other half counts.
pub(crate) fn request_id() -> String {
    static PROCESS: OnceLock<[u8; 8]> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| {
        let mut bytes = [0u8; 8];
        // Without random numbers it is the same for all processes, and the log still tells them
        // apart by their times.
        let _ = getrandom::fill(&mut bytes);
        bytes
    });
    let mut bytes = [0u8; 16];
    let (first, last) = bytes.split_at_mut(8);
    first.copy_from_slice(process);
    last.copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A name of this moment, where the system has no random numbers: ids are names, and no secrets.
fn uuid_of_time() -> [u8; 16] {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or([0; 16], |now| now.as_nanos().to_be_bytes())
}

/// Whether a status is the caller's fault, the server's, or none.
pub(crate) fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    /// Comes byte by byte.
    struct Drops(&'static [u8]);

    impl axum::body::HttpBody for Drops {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            let (first, rest) = self.0.split_at(self.0.len().min(1));
            self.0 = rest;
            Poll::Ready((!first.is_empty()).then(|| Ok(Frame::data(Bytes::from_static(first)))))
        }
    }

    #[tokio::test]
    async fn body_that_comes_byte_by_byte_is_read_as_a_whole() {
        for whole in [Body::new(Drops(b"whole")), Body::from("whole")] {
            assert_eq!(body(whole, 5).await.unwrap(), "whole");
        }
        for long in [Body::new(Drops(b"whole")), Body::from("whole")] {
            assert_eq!(body(long, 4).await.unwrap_err().message(), "the body has more than 4 bytes");
        }
        assert!(body(Body::empty(), 0).await.unwrap().is_empty());
    }
}
