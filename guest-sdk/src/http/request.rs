//! A request as it is sent.

use std::time::Duration;

use vestibule_model::http::is_header_of_the_host;

use super::Error;
use super::url::Url;

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: String,
    pub(super) url: String,
    /// Names are in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Option<Duration>,
}

impl Request {
    /// Its method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its URL, with what [`query`](super::RequestBuilder::query) has added.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first header of this name, in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn check(&self) -> Result<Url<'_>, Error> {
        let url = Url::parse(&self.url)?;
        if self.method.is_empty() || !self.method.bytes().all(is_token) || self.method == "CONNECT" {
            return Err(Error::InvalidMethod { method: self.method.clone() });
        }
        for (name, value) in &self.headers {
            let invalid = |reason| Err(Error::InvalidHeader { name: name.clone(), reason });
            if name.is_empty() || !name.bytes().all(is_token) {
                return invalid("its name may have letters, numbers and some marks");
            }
            if is_header_of_the_host(name) || name == "content-length" {
                return invalid("it is the host's own");
            }
            if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
                return invalid("its value has line breaks or other control characters");
            }
        }
        Ok(url)
    }
}

/// A byte of a method or a header's name (RFC 9110, `tchar`).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
