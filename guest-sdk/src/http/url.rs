//! A URL that a request can go to.

use std::borrow::Cow;

use super::Error;

/// A URL's parts, as a request has them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) encrypted: bool,
    pub(crate) authority: &'a str,
    pub(crate) path_with_query: Cow<'a, str>,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(url: &'a str) -> Result<Self, Error> {
        let invalid = |reason| Err(Error::InvalidUrl { reason });
        let (encrypted, rest) = match (without(url, "https://"), without(url, "http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            _ => return invalid("it has to begin with `https://`"),
        };
        if let Some(other) = rest.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(*c)) {
            return invalid(if other.is_ascii() || rest.starts_with(['/', '?', '#']) {
                "what is no letter, number or mark of a URL has to be written as `%` and its number; `query` does so"
            } else {
                "it is to be ASCII: write a host's international name as `xn--…`, and the rest as `%` and numbers"
            });
        }
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.starts_with(':') {
            return invalid("it has no host");
        }
        if authority.contains('@') {
            return invalid("it has a user; send what it proves in the header `authorization`");
        }
        let path_with_query = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        Ok(Self { encrypted, authority, path_with_query })
    }

    /// Scheme, host and port: all that errors and reports say of it.
    pub(crate) fn origin(&self) -> String {
        let (scheme, own) = if self.encrypted { ("https", ":443") } else { ("http", ":80") };
        let authority = self.authority.to_ascii_lowercase();
        format!("{scheme}://{}", authority.strip_suffix(own).unwrap_or(&authority))
    }
}

fn without<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let start = url.get(..scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parted_where_a_request_has_it() {
        let parts = |url| {
            let url = Url::parse(url).unwrap();
            (url.origin(), url.path_with_query.into_owned())
        };
        let is = |origin: &str, path: &str| (origin.to_owned(), path.to_owned());
        assert_eq!(parts("https://API.example.com"), is("https://api.example.com", "/"));
        assert_eq!(parts("HTTPS://api.example.com:443/a/b?c=d#e"), is("https://api.example.com", "/a/b?c=d"));
        assert_eq!(parts("http://localhost:8080?c"), is("http://localhost:8080", "/?c"));
    }

    #[test]
    fn an_invalid_url_is_an_error_that_does_not_repeat_it() {
        for url in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https:///a",
            "https://:443/",
            "https://user:secret@a/",
            "https://a/b c",
            "https://bücher.example/",
            "https://a/\n",
            "https://a/{id}",
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(matches!(error, Error::InvalidUrl { .. }) && !error.to_string().contains("secret"), "{url}: {error}");
        }
    }
}
