//! What has come back.

use serde::de::DeserializeOwned;

use super::Error;

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(super) status: u16,
    /// Names are in lower case.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether its status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in upper or lower case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Its body, as it was sent.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Its body as text.
    ///
    /// # Errors
    /// When it is no UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|_| Error::NotText)
    }

    /// Its body, read from JSON.
    ///
    /// # Errors
    /// When it is not the JSON that the type asks for.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Its own text may repeat what the body says.
            let what = if error.is_data() { "the body has another form" } else { "the body is no JSON" };
            Error::Json { reason: format!("{what}, at line {} column {}", error.line(), error.column()) }
        })
    }
}

/// Answers of tests.
#[cfg(not(target_arch = "wasm32"))]
impl Response {
    /// A response with this status and this body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_bytes().to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_body_is_an_error_without_its_content() {
        let error = Response::new(200, r#"{"score": "secret"}"#).json::<std::collections::BTreeMap<String, u32>>().unwrap_err();
        assert_eq!(error.to_string(), "this is no such JSON: the body has another form, at line 1 column 18");
        assert!(matches!(Response::new(200, "<html>").json::<u32>(), Err(Error::Json { reason }) if reason.contains("no JSON")));
        assert_eq!(Response::new(200, [0xff]).text(), Err(Error::NotText));
    }
}
