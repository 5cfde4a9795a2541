//! TLS: whom the host trusts.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use thiserror::Error;

/// A certificate of an authority that the operator trusts, beside those that browsers trust: that
/// of a network of one's own, for instance.
#[derive(Clone, Debug)]
pub struct RootCertificate(TrustAnchor<'static>);

/// A file that is no certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this is no certificate of an authority: {reason}")]
pub struct InvalidCertificate {
    /// What is wrong with it.
    reason: String,
}

impl RootCertificate {
    /// The certificates of a file in PEM.
    ///
    /// # Errors
    /// When the text has no certificate, or one that can't be an authority's.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, InvalidCertificate> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let read = read.map_err(|error| InvalidCertificate { reason: error.to_string() })?;
        if read.is_empty() {
            return Err(InvalidCertificate { reason: "there is no `BEGIN CERTIFICATE` in it".to_owned() });
        }
        read.iter().map(|der| Self::from_der(der)).collect()
    }

    /// A certificate in DER.
    ///
    /// # Errors
    /// When it can't be an authority's.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from(der)).map_err(|error| InvalidCertificate { reason: error.to_string() })?;
        store.roots.pop().map(Self).ok_or_else(|| InvalidCertificate { reason: "it has no key".to_owned() })
    }
}

/// How connections are encrypted: TLS 1.2 and 1.3, with the authorities that browsers trust and
/// those that are given.
pub(crate) fn config(roots: &[RootCertificate]) -> Result<ClientConfig, rustls::Error> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    store.roots.extend(roots.iter().map(|root| root.0.clone()));
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is taken up again would tell a server that two tenants have one host.
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_with_what_is_wrong() {
        let refused = RootCertificate::from_pem(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n").unwrap_err();
        assert!(refused.to_string().contains("BEGIN CERTIFICATE"), "{refused}");
        assert!(RootCertificate::from_der(b"\x30\x03\x02\x01\x01").is_err());
    }
}
