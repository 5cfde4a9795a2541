//! One POST to where a tenant says, and what comes back: of a logout token, or of entries of a
//! stream.

use std::fmt;
use std::time::Duration;

use axum::http::header::{CONTENT_LENGTH, HOST, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::time::Instant;
use url::{Position, Url};
use vestibule::http::{Connector, Origin};
use vestibule::model::TenantId;
use vestibule::model::outcome::RequestError;

/// How long one attempt may take, from the resolution of the receiver's name to the head of its
/// answer.
const TIME: Duration = Duration::from_secs(10);
/// Of the answer's head.
const HEAD_BYTES: usize = 16 << 10;
/// Of the answer's body, which nobody reads: more than this, and the connection is not used again.
const BODY_BYTES: usize = 16 << 10;

/// What a receiver has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// When it wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

/// Why a receiver has said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PostError {
    /// It can't be reached, or must not be.
    #[error("{}", Unreached(.0))]
    Connection(#[from] RequestError),
    /// It has taken too long.
    #[error("it has not answered within {} seconds", TIME.as_secs())]
    Time,
    /// It has closed the connection.
    #[error("it has hung up before it had answered")]
    HungUp,
    /// It has said too much.
    #[error("its answer's head has more than {HEAD_BYTES} bytes")]
    HeadTooLarge,
    /// It has said something else.
    #[error("what it answers is no HTTP/1.1")]
    Protocol,
    /// Its URL is none. Those that are kept are right.
    #[error("its URL can't be used: {0}")]
    Url(String),
}

/// Why a receiver can't be reached, or must not be, in the words of whoever runs the server: other
/// networks are allowed than to Actions.
pub(crate) struct Unreached<'a>(pub(crate) &'a RequestError);

impl fmt::Display for Unreached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RequestError::AddressRefused { rule } => {
                write!(
                    f,
                    "an address of its host is refused: {rule}; the operator can name the network in `logout.allowed_networks`"
                )
            }
            RequestError::NotEncrypted => {
                f.write_str("it is `http`, which goes only to networks that `logout.allowed_networks` names; use `https`")
            }
            other => other.fmt(f),
        }
    }
}

/// Where a receiver listens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    origin: Origin,
    host: HeaderValue,
}

impl Place {
    pub(crate) fn of(receiver: &str) -> Result<Self, PostError> {
        let wrong = |reason: String| PostError::Url(reason);
        let origin = Origin::parse(receiver).map_err(|error| wrong(error.to_string()))?;
        // Whoever serves several hosts may know them by their names alone: the scheme's own port is
        // left out (RFC 9110, section 4.2.3).
        let (scheme, authority) = receiver.split_once("://").unwrap_or(("https", receiver));
        let usual = if scheme == "http" { ":80" } else { ":443" };
        let host = HeaderValue::from_str(authority.strip_suffix(usual).unwrap_or(authority));
        let host = host.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { origin, host })
    }
}

/// Path and query of a URL, as they are sent.
pub(crate) fn path(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

/// What is sent to a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// Path and query.
    pub(crate) path: &'a str,
    /// Beside those that each has.
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    pub(crate) body: &'a Bytes,
}

/// A connection to a receiver that is used for one attempt after the other.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends it over the connection that is there, or over a new one, which stays where the receiver
/// lets it.
///
/// # Errors
/// When there is no answer.
pub(crate) async fn post(
    connector: &Connector,
    tenant: &TenantId,
    open: &mut Option<Connection>,
    place: &Place,
    message: Message<'_>,
) -> Result<Answer, PostError> {
    let until = Instant::now() + TIME;
    let kept = open.take();
    let was_kept = kept.is_some();
    match attempt(connector, tenant, kept, open, place, message, until).await {
        // A receiver may close a connection that has rested just when it is used again: that is no
        // answer and no failure (RFC 9112, section 9.3.1), and what comes twice has the same id.
        Err(PostError::HungUp) if was_kept => attempt(connector, tenant, None, open, place, message, until).await,
        answered => answered,
    }
}

async fn attempt(
    connector: &Connector,
    tenant: &TenantId,
    kept: Option<Connection>,
    open: &mut Option<Connection>,
    place: &Place,
    message: Message<'_>,
    until: Instant,
) -> Result<Answer, PostError> {
    let sending = async {
        let mut connection = match kept {
            Some(connection) => connection,
            None => connect(connector, tenant, place, until).await?,
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(message.path)
            .header(HOST, &place.host)
            .header(USER_AGENT, "vestibule")
            .header(CONTENT_LENGTH, message.body.len());
        let request = message.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(Full::new(message.body.clone())).map_err(|error| PostError::Url(error.to_string()))?;
        let response = connection.sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(retry_after);
        Ok::<_, PostError>((Answer { status: head.status, retry_after }, body, connection))
    };
    let (answer, mut body, connection) = tokio::time::timeout_at(until, sending).await.map_err(|_| PostError::Time)??;
    // What the answer is has been said. The body is only read so that the connection can be used
    // again.
    let reading = async {
        let mut left = BODY_BYTES;
        while let Some(frame) = body.frame().await {
            left = left.checked_sub(frame.ok()?.data_ref().map_or(0, Bytes::len))?;
        }
        Some(())
    };
    if let Ok(Some(())) = tokio::time::timeout_at(until, reading).await
        && !connection.sender.is_closed()
    {
        *open = Some(connection);
    }
    Ok(answer)
}

async fn connect(connector: &Connector, tenant: &TenantId, place: &Place, until: Instant) -> Result<Connection, PostError> {
    let stream = connector.connect(tenant, &place.origin, until).await?;
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (sender, driven) = handshake.map_err(broken)?;
    let driver = tokio::spawn(async move {
        // Why it has ended, the sender is told.
        let _ = driven.await;
    });
    Ok(Connection { sender, driver })
}

fn broken(error: hyper::Error) -> PostError {
    if error.is_parse_too_large() {
        PostError::HeadTooLarge
    } else if error.is_parse() {
        PostError::Protocol
    } else {
        PostError::HungUp
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_called_by_its_name_and_by_its_port_where_that_is_not_the_usual_one() {
        for (receiver, host) in [
            ("https://shop.example:443", "shop.example"),
            ("https://shop.example:8443", "shop.example:8443"),
            ("https://shop.example:80", "shop.example:80"),
            ("http://[::1]:80", "[::1]"),
            ("https://[::1]:443", "[::1]"),
            ("http://127.0.0.1:443", "127.0.0.1:443"),
        ] {
            assert_eq!(Place::of(receiver).unwrap().host, host, "{receiver}");
        }
    }
}
