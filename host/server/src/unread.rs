//! What a request has sent and nobody has read.
//!
//! An answer may be ready before its request has arrived: that a token is wrong is known from the
//! head. A connection of HTTP/1 ends where a body was left unread, and whoever has sent the next
//! request over it gets no answer. So a small rest is read and thrown away first. Over HTTP/2 the
//! answer goes first, and the rest is thrown away behind it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

/// The largest rest that is waited for, in bytes.
const MOST: usize = 64 << 10;
/// For how long it is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// The largest rest that is thrown away behind an answer (HTTP/2), in bytes.
const MOST_BEHIND: usize = 16 << 20;
/// For how long it is thrown away.
const PATIENCE_BEHIND: Duration = Duration::from_secs(10);

/// The rest of a body, when its request has been answered.
pub(crate) struct Rest(Arc<Mutex<Option<Body>>>);

/// Lets the body be read as it is, and keeps what is left of it.
pub(crate) fn watch(request: Request) -> (Request, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request, None);
    }
    let rest = Arc::default();
    let lent = |body| Body::new(Lent { body: Some(body), rest: Arc::clone(&rest) });
    let request = request.map(lent);
    (request, Some(Rest(rest)))
}

impl Rest {
    /// Reads what is left, where it is little and comes soon.
    pub(crate) async fn read_away(self) {
        let Some(body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if body.size_hint().lower() <= MOST as u64 {
            // Where it is more, or doesn't come, the connection ends.
            let _ = tokio::time::timeout(PATIENCE, discard(body, MOST)).await;
        }
    }

    /// Throws away what is left while the answer is on its way, over HTTP/2: there, a body that
    /// isn't read is reset, and some clients report the reset and not the answer.
    pub(crate) fn read_behind(self) {
        let Some(body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        tokio::spawn(tokio::time::timeout(PATIENCE_BEHIND, discard(body, MOST_BEHIND)));
    }
}

/// Reads this number of bytes at most, and keeps none.
async fn discard(mut body: Body, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A body whose rest comes back when it is dropped.
struct Lent {
    /// None when it has ended.
    body: Option<Body>,
    rest: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
