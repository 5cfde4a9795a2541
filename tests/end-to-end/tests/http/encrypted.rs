//! TLS: a server that can't prove its name gets no request.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use vestibule::http::RootCertificate;
use vestibule::model::outcome::RequestError;

use super::server::{Server, ok};
use super::*;

/// A server that says it is this host, and the certificate that it says so with, in PEM.
async fn server_of(name: &str) -> (Server, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    let server = Server::at("127.0.0.1:0", Some(TlsAcceptor::from(Arc::new(config))), |_| ok("encrypted")).await;
    (server, made.cert.pem())
}

/// A host that trusts this certificate.
fn trusting(pem: &str) -> Runtime {
    let root_certificates = RootCertificate::from_pem(pem.as_bytes()).expect("a certificate");
    runtime(HttpSettings { root_certificates, ..named(&["127.0.0.0/8", "::1/128"]) }, patient())
}

fn origin(server: &Server) -> String {
    format!("https://localhost:{}", server.port())
}

#[tokio::test]
async fn a_server_whose_authority_the_operator_trusts_is_asked() {
    let (server, pem) = server_of("localhost").await;
    let outcome = send(&trusting(&pem), &[&origin(&server)], &format!("{}/", origin(&server)), &[]).await;
    assert_eq!(claim(&outcome, "body"), "encrypted");
    let report = &outcome.actions[0].requests[0];
    assert_eq!((report.origin.as_str(), report.bytes_sent), (origin(&server).as_str(), server.seen()[0].len() as u64));
}

#[tokio::test]
async fn a_server_with_a_wrong_certificate_gets_no_request() {
    let (other, pem_of_other) = server_of("other.example").await;
    let (untrusted, _) = server_of("localhost").await;
    for (server, runtime) in [
        (&other, trusting(&pem_of_other)),
        (&untrusted, trusting(&pem_of_other)),
        (&untrusted, runtime(named(&["127.0.0.0/8", "::1/128"]), patient())),
    ] {
        let (kind, report) = refused(&runtime, &[&origin(server)], &format!("{}/", origin(server)), &[]).await;
        assert_eq!(kind, "Tls");
        assert!(matches!(report.error, Some(RequestError::Tls { .. })), "{report:?}");
        assert_eq!(report.bytes_sent, 0);
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("https://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("a client that listens");
        std::future::pending::<()>().await;
    };
    let runtime = runtime(named(&["127.0.0.0/8"]), patient());
    let (allowed, url) = ([origin.as_str()], format!("{origin}/"));
    let (kind, report) = tokio::select! {
        refused = refused(&runtime, &allowed, &url, &[]) => refused,
        () = server => unreachable!("it is pending"),
    };
    assert_eq!((kind.as_str(), report.bytes_sent), ("Tls", 0));
}
