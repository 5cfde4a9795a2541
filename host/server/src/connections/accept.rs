//! The admission of connections, and the stream that notices that its peer doesn't read.

use std::future::{Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{Admitted, Connection, Connections};

/// Admits connections, or closes them at once where there are too many.
#[derive(Clone, Debug)]
pub(crate) struct Admission(pub(crate) Arc<Connections>);

impl<S> Accept<TcpStream, S> for Admission {
    type Stream = Stream;
    type Service = OfConnection<S>;
    type Future = Ready<Result<(Stream, OfConnection<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.admit(stream, service))
    }
}

impl Admission {
    fn admit<S>(&self, stream: TcpStream, service: S) -> Result<(Stream, OfConnection<S>)> {
        let peer = stream.peer_addr()?.ip();
        let admitted = self.0.admit(peer).map_err(|_| Error::new(ErrorKind::ConnectionRefused, "too many connections"))?;
        // Answers are written whole, and nothing is gained by waiting for more.
        stream.set_nodelay(true)?;
        let connection = Arc::clone(&admitted.0);
        Ok((Stream { stream, admitted }, OfConnection { service, connection }))
    }
}

/// A connection's bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: TcpStream,
    admitted: Admitted,
}

impl Stream {
    fn written<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.admitted.0.blocked(polled.is_pending());
        polled
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.admitted.0.is_displaced(context) {
            return Poll::Ready(Err(Error::new(ErrorKind::ConnectionAborted, "it has made room for another peer's connection")));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Gives each request the connection that it has come by.
#[derive(Clone, Debug)]
pub(crate) struct OfConnection<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<B, S: Service<http::Request<B>>> Service<http::Request<B>> for OfConnection<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> S::Future {
        request.extensions_mut().insert(Arc::clone(&self.connection));
        self.service.call(request)
    }
}
