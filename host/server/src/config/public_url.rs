//! The URL that a tenant is reached by from outside, where that isn't what the server itself
//! listens at.

use std::str::FromStr;

use thiserror::Error;
use url::Url;

use super::host::HostName;

/// How a tenant's URLs begin: a scheme, a host and perhaps a port, such as
/// `https://login.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Without a slash at the end.
    origin: String,
    pub(super) host: HostName,
}

/// A text that is no public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a public URL: `https://` or `http://`, a host name and perhaps a port, without path, query, fragment and user")]
pub struct PublicUrlError;

impl PublicUrl {
    /// The URL without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.origin
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user;
        if !matches!(url.scheme(), "https" | "http") || !is_plain {
            return Err(PublicUrlError);
        }
        let host = url.host_str().ok_or(PublicUrlError)?;
        let host = host.trim_matches(['[', ']']).parse().map_err(|_| PublicUrlError)?;
        Ok(Self { origin: url.origin().ascii_serialization(), host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_an_origin() {
        let read = |text: &str| text.parse::<PublicUrl>().map(|url| url.as_str().to_owned());
        for (text, origin) in [
            ("https://login.example", "https://login.example"),
            ("https://Login.Example:443/", "https://login.example"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(origin));
        }
        for text in [
            "",
            "login.example",
            "ftp://login.example",
            "https://a@login.example",
            "https://login.example/x",
            "https://login.example?x",
        ] {
            assert_eq!(read(text), Err(PublicUrlError), "{text}");
        }
    }
}
