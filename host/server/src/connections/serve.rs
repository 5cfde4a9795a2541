//! The listener: how HTTP is spoken, and what one connection may take.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

use super::accept::Admission;
use super::{Connections, FIRST_REQUEST, IDLE};
use crate::api;
use crate::app::App;
use crate::refusals::Refusal;

/// How often the peer of an HTTP/2 connection is asked whether it is there, and how long its answer
/// is waited for.
const PING_TIME: Duration = Duration::from_secs(10);
/// Requests of one HTTP/2 connection at one time: as few as the protocol recommends (RFC 9113,
/// section 6.5.2).
pub(super) const STREAMS: u32 = 100;
/// Bytes of the head of a request (HTTP/1.1). HTTP/2 has 16 KiB.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Bytes of the heads of a request (HTTP/2).
pub(super) const HEADER_LIST: u32 = 16 << 10;
/// Bytes of a body that a peer may send before they are read (HTTP/2).
const STREAM_WINDOW: u32 = 128 << 10;
/// Bytes of all bodies of a connection that a peer may send before they are read (HTTP/2).
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of an answer that wait to be sent (HTTP/2).
const SEND_BUFFER: usize = 64 << 10;

/// Serves the connections that come to a listener, until the handle ends it.
///
/// # Errors
/// When the listener can't be used.
pub(crate) fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    app: &App,
    connections: &Arc<Connections>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    let service = api::router(app.clone()).into_make_service();
    let admission = Admission(Arc::clone(connections));
    let refusals = app.refusals().clone();
    // Only where the listener itself has failed: connections that are refused are counted
    // elsewhere.
    let failed = move |peer: Option<&SocketAddr>, error: &std::io::Error| {
        if peer.is_none() {
            refusals.count(Refusal::Accept, error);
        }
    };
    let server = axum_server::from_tcp(listener)?.handle(handle);
    let mut server = server.first_request_timeout(FIRST_REQUEST).accept_error_handler(failed);
    bound(server.http_builder());
    Ok(match tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).handshake_timeout(FIRST_REQUEST).acceptor(admission);
            tokio::spawn(server.acceptor(acceptor).serve(service))
        }
        None => tokio::spawn(server.acceptor(admission).serve(service)),
    })
}

/// Bounds what one connection may take.
fn bound<E>(builder: &mut hyper_util::server::conn::auto::Builder<E>) {
    // It counts while a connection rests, too; the first head has less (`first_request_timeout`).
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(Some(PING_TIME))
        .keep_alive_timeout(PING_TIME);
}
