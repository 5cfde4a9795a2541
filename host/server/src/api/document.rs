//! A public JSON document: serialised once, and sent with an entity tag, so that a request costs a
//! copy of a pointer.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// How long a cache may keep a document: less than a new signing key waits before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A document that is made. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    json: Bytes,
    /// A strong entity tag (RFC 9110, section 8.8.3): the document's digest.
    tag: HeaderValue,
}

impl Document {
    /// Serialises a document.
    ///
    /// # Errors
    /// When the value can't be written as JSON.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let json = Bytes::from(serde_json::to_vec(value)?);
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&json)));
        // Base64 and quotes are always a header's value.
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Ok(Self { json, tag })
    }

    /// The document; 304 where the caller has it already (`If-None-Match`).
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let common = [(header::ETAG, self.tag.clone()), (header::CACHE_CONTROL, CACHE)];
        if self.is_known_to(headers) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (common, [kind], self.json.clone()).into_response()
    }

    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let own = self.tag.to_str().unwrap_or_default();
        tags.flat_map(|tags| tags.split(',')).map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_that_the_caller_has_is_not_sent_again() {
        let document = Document::of(&["a"]).unwrap();
        let asked = |tag: &str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(tag).unwrap())]);
            document.answer(&headers).status().as_u16()
        };
        let own = document.tag.to_str().unwrap();
        assert_eq!(document.answer(&HeaderMap::new()).status(), 200);
        for known in [own, "*", &format!("W/{own}"), &format!("\"x\", {own}")] {
            assert_eq!(asked(known), 304, "{known}");
        }
        assert_eq!(asked("\"x\""), 200);
    }
}
