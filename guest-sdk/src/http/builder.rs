//! How a request is made and sent.

use std::time::Duration;

use serde::Serialize;

use super::request::Request;
use super::{Error, Response};

/// A request that is made: [`get`](super::get) and its sisters begin it, [`send`](Self::send) sends
/// it.
#[derive(Clone, Debug)]
#[must_use = "a request goes nowhere before `send`"]
pub struct RequestBuilder(Request);

impl RequestBuilder {
    pub(super) fn new(method: &str, url: &str) -> Self {
        let (method, url) = (method.to_owned(), url.to_owned());
        Self(Request { method, url, headers: Vec::new(), body: Vec::new(), timeout: None })
    }

    /// Adds a header. Those of the connection (`Host`, `Content-Length`, `Connection`, …) are the
    /// host's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Adds a parameter to the URL's query, with what isn't ASCII or has a meaning there as `%` and
    /// numbers.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        // What is behind a `#` is not sent.
        if let Some(fragment) = self.0.url.find('#') {
            self.0.url.truncate(fragment);
        }
        self.0.url.push(if self.0.url.contains('?') { '&' } else { '?' });
        encode(&mut self.0.url, name);
        self.0.url.push('=');
        encode(&mut self.0.url, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Sets the body to a value in JSON, and says so in `Content-Type`.
    ///
    /// # Errors
    /// When the value can't be written in JSON.
    pub fn json(mut self, value: &impl Serialize) -> Result<Self, Error> {
        self.0.body = serde_json::to_vec(value).map_err(|error| Error::Json { reason: error.to_string() })?;
        Ok(self.header("content-type", "application/json"))
    }

    /// How long to wait until the response begins, and then between two pieces of it. The limit
    /// `request_time` is above it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        self
    }

    /// Sends it, and waits for the whole response, whatever its status is.
    ///
    /// # Errors
    /// When it can't be sent, is refused, or no whole response comes back.
    pub fn send(self) -> Result<Response, Error> {
        let request = self.0;
        let url = request.check()?;
        #[cfg(target_arch = "wasm32")]
        return super::wasi::send(&request, &url);
        #[cfg(not(target_arch = "wasm32"))]
        crate::native::answer(&request, &url)
    }
}

fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_was_given_whatever_that_is() {
        let request = super::super::get("https://a/b#c").query("name", "Åsa & co").query("x", "1/2").0;
        assert_eq!(request.url(), "https://a/b?name=%C3%85sa%20%26%20co&x=1%2F2");
    }

    #[test]
    fn a_request_that_cannot_be_sent_says_what_is_wrong() {
        let error = |request: RequestBuilder| request.send().unwrap_err();
        let get = || super::super::get("https://a");
        assert!(matches!(error(get().header("Host", "b")), Error::InvalidHeader { name, .. } if name == "host"));
        assert!(matches!(error(get().header("a b", "c")), Error::InvalidHeader { .. }));
        assert!(matches!(error(get().header("a", "b\r\nc: d")), Error::InvalidHeader { .. }));
        assert!(matches!(error(super::super::request("CONNECT", "https://a")), Error::InvalidMethod { .. }));
        assert!(matches!(error(super::super::get("a")), Error::InvalidUrl { .. }));
    }
}
