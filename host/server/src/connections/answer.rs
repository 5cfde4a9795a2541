//! Requests of a connection until their answers are sent: an answer that its peer doesn't read is
//! noticed, however the protocol hides it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http;
use axum::response::Response;
use axum_server::ConnectionShutdown;
use http_body::{Frame, SizeHint};

use super::Connection;

/// The largest piece of an answer that is handed to HTTP/2 at one time: what is handed over is in
/// memory until the peer has a window for it, and is not seen from here.
const PIECE: usize = 16 << 10;

/// A request that has begun. It ends when this is dropped, or when its answer has been sent.
#[derive(Debug)]
pub(crate) struct Request {
    connection: Arc<Connection>,
    id: u64,
}

impl Request {
    /// A request with these extensions begins; none where it has come by no connection of the
    /// server.
    pub(crate) fn begin(extensions: &http::Extensions) -> Option<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let connection = Arc::clone(extensions.get::<Arc<Connection>>()?);
        if let Some(shutdown) = extensions.get::<ConnectionShutdown>() {
            connection.shutdown.get_or_init(|| shutdown.clone());
        }
        connection.requests.fetch_add(1, Ordering::Relaxed);
        Some(Self { connection, id: LAST.fetch_add(1, Ordering::Relaxed) })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The answer, which is the request's end when it has been sent.
    pub(crate) fn answer(self, response: Response, version: http::Version) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        self.waits(true);
        let is_multiplexed = version == http::Version::HTTP_2;
        response.map(|body| Body::new(Answer { body, piece: Bytes::new(), request: self, is_multiplexed }))
    }

    /// Whether the answer waits for its peer from now on.
    fn waits(&self, is_waiting: bool) {
        let mut unread = self.connection.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if is_waiting {
            unread.insert(self.id, self.connection.all.now());
        } else {
            unread.remove(&self.id);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.waits(false);
        self.connection.rests_since.store(self.connection.all.now(), Ordering::Relaxed);
        self.connection.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body.
///
/// HTTP/2 takes a piece of a body as soon as the peer has a window of one byte. So a body is given
/// in pieces, and the last byte apart: it is only taken when all before it is on its way, and until
/// then this body, and what it says of its peer, is there.
#[derive(Debug)]
struct Answer {
    body: Body,
    /// What is left of the frame that was read last.
    piece: Bytes,
    request: Request,
    is_multiplexed: bool,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.piece.is_empty() {
            // What is waited for now is the body, and not its peer.
            self.request.waits(false);
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
        self.request.waits(true);
        let length = self.piece.len();
        let taken = match length {
            _ if !self.is_multiplexed => length,
            0..=1 => length,
            _ if length > PIECE => PIECE,
            _ if self.body.is_end_stream() => length - 1,
            _ => length,
        };
        Poll::Ready(Some(Ok(Frame::data(self.piece.split_to(taken)))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, left) = (self.body.size_hint(), self.piece.len() as u64);
        let mut with = SizeHint::new();
        with.set_lower(hint.lower() + left);
        if let Some(upper) = hint.upper() {
            with.set_upper(upper + left);
        }
        with
    }
}
