//! A connection whose bytes are counted and limited, in both directions: heads, bodies, and all
//! that HTTP puts around them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_model::outcome::RequestError;

use super::record::Recorded;
use crate::limits::Limits;

/// A connection to a server, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection for one request and its response.
pub(crate) struct Counted<S> {
    stream: S,
    recorded: Recorded,
    sent: usize,
    sent_allowed: usize,
    received: usize,
    received_allowed: usize,
}

impl<S> Counted<S> {
    pub(crate) fn new(stream: S, recorded: Recorded, limits: &Limits) -> Self {
        let Limits { request_bytes, response_bytes, .. } = *limits;
        Self { stream, recorded, sent: 0, sent_allowed: request_bytes, received: 0, received_allowed: response_bytes }
    }

    fn breaks(&self, error: RequestError) -> io::Error {
        io::Error::other(self.recorded.failed(error))
    }
}

impl<S: Stream> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let more = buffer.filled().len() - before;
        self.received += more;
        self.recorded.received(more);
        if self.received > self.received_allowed {
            return Poll::Ready(Err(self.breaks(RequestError::ResponseTooLarge { allowed: self.received_allowed })));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent + bytes.len() > self.sent_allowed {
            return Poll::Ready(Err(self.breaks(RequestError::RequestTooLarge { allowed: self.sent_allowed })));
        }
        let more = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.sent += more;
        self.recorded.sent(more);
        Poll::Ready(Ok(more))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
