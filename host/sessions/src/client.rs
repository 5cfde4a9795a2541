//! Applications (OAuth clients, relying parties): what the store keeps of them, and what they want
//! to hear of a session's end.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;
use vestibule_model::Timestamp;

use crate::ids::ClientId;
use crate::session::Initiator;

/// The longest logout URL, in bytes: its origin fits an index of every database that we know.
const LONGEST_URL: usize = 2_000;

/// An application.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Which, in its tenant.
    pub id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whatever else the Management API shows of it; nothing to the store.
    pub body: Map<String, Value>,
    /// What it wants to hear of a session's end; none where it wants nothing.
    pub logout: Option<LogoutSettings>,
    /// Who has the say.
    pub source: ClientSource,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes: 1 when it has been created, whatever stands here.
    pub revision: u64,
}

impl Client {
    /// As the operator's configuration declares it at this moment.
    pub(crate) fn declared(self, now: Timestamp) -> Self {
        Self { source: ClientSource::Configuration, created_at: now, updated_at: now, ..self }
    }
}

/// Who has the say over a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSource {
    /// The operator's configuration.
    Configuration,
    /// The Management API.
    Management,
}

impl ClientSource {
    /// As it is kept.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Management => "management",
        }
    }
}

/// What an application wants to hear of a session's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutSettings {
    /// Where logout tokens go; each gets its own.
    pub urls: Vec<LogoutUrl>,
    /// Of which ends it hears.
    pub initiators: LogoutInitiators,
    /// Whether its tokens carry the session's metadata.
    pub include_session_metadata: bool,
}

impl LogoutSettings {
    /// Each of its URLs once.
    pub(crate) fn each_url(&self) -> BTreeSet<&LogoutUrl> {
        self.urls.iter().collect()
    }
}

/// Of which ends an application hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogoutInitiators {
    /// Of all.
    All,
    /// Of those that have begun like this.
    Selected(BTreeSet<Initiator>),
}

impl LogoutInitiators {
    /// Whether it hears of an end that has begun like this.
    pub fn contains(&self, initiator: Initiator) -> bool {
        match self {
            Self::All => true,
            Self::Selected(selected) => selected.contains(&initiator),
        }
    }
}

/// Where logout tokens go: `http` or `https`, a host, no user and no fragment. Which of them are
/// allowed is not the store's to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LogoutUrl(Box<str>);

/// Why a text is no logout URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LogoutUrlError {
    /// No absolute URL of HTTP.
    #[error("a logout URL begins with https:// (or http://) and names a host")]
    NotHttp,
    /// Parts that a receiver would never see.
    #[error("a logout URL has no user, no password and no fragment (`#…`)")]
    Parts,
    /// More than there is room for.
    #[error("the logout URL has {given} bytes, at most {LONGEST_URL} are allowed")]
    TooLong {
        /// Its length in bytes.
        given: usize,
    },
}

impl LogoutUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who is behind it.
    pub fn receiver(&self) -> Receiver {
        let parsed = Url::parse(&self.0).ok();
        let origin = parsed.as_ref().and_then(|url| {
            let port = url.port_or_known_default()?;
            Some(format!("{}://{}:{port}", url.scheme(), url.host_str()?))
        });
        // It was parsed when it was made, and had both.
        Receiver(origin.map_or_else(|| self.0.clone(), Into::into))
    }
}

impl fmt::Display for LogoutUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogoutUrl {
    type Err = LogoutUrlError;

    fn from_str(text: &str) -> Result<Self, LogoutUrlError> {
        let url = Url::parse(text).map_err(|_| LogoutUrlError::NotHttp)?;
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(LogoutUrlError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(LogoutUrlError::Parts);
        }
        let given = url.as_str().len();
        if given > LONGEST_URL {
            return Err(LogoutUrlError::TooLong { given });
        }
        Ok(Self(url.as_str().into()))
    }
}

impl<'de> Deserialize<'de> for LogoutUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who receives logout tokens: the origin of a URL with its port, `https://shop.example:443` for
/// instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receiver(Box<str>);

impl Receiver {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that was written by this store.
    pub(crate) fn kept(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has become of a client that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCreated {
    /// It is there.
    Created,
    /// Another one with its id is there. Nothing has changed.
    Exists,
    /// The tenant has as many clients as it may. Nothing has changed.
    TooMany,
}

/// What has become of a client that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDeleted {
    /// It is gone.
    Deleted,
    /// It isn't there.
    Absent,
    /// The configuration declares it. Nothing has changed.
    Declared,
}

/// Some of a tenant's clients.
#[derive(Clone, Debug, Default)]
pub struct ClientPage {
    /// By their ids.
    pub clients: Vec<Client>,
    /// The last one's id, where there are more: the next page comes after it.
    pub next: Option<ClientId>,
}

impl ClientPage {
    /// So many of what was found; one more than that says that there is another page.
    pub(crate) fn of(mut clients: Vec<Client>, take: usize) -> Self {
        let is_more = clients.len() > take;
        clients.truncate(take);
        let next = clients.last().filter(|_| is_more).map(|last| last.id.clone());
        Self { clients, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_an_origin_with_its_port() {
        for (url, receiver) in [
            ("https://shop.example/logout?a=1", "https://shop.example:443"),
            ("https://SHOP.example:443/", "https://shop.example:443"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("http://127.0.0.1:9/x", "http://127.0.0.1:9"),
            ("http://[::1]/x", "http://[::1]:80"),
        ] {
            assert_eq!(url.parse::<LogoutUrl>().unwrap().receiver().as_str(), receiver, "{url}");
        }
    }

    #[test]
    fn what_is_no_logout_url_is_told_why() {
        for (url, error) in [
            ("", LogoutUrlError::NotHttp),
            ("/logout", LogoutUrlError::NotHttp),
            ("ftp://shop.example/", LogoutUrlError::NotHttp),
            ("https://", LogoutUrlError::NotHttp),
            ("https://anna@shop.example/", LogoutUrlError::Parts),
            ("https://:x@shop.example/", LogoutUrlError::Parts),
            ("https://shop.example/#top", LogoutUrlError::Parts),
        ] {
            assert_eq!(url.parse::<LogoutUrl>(), Err(error), "{url}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LONGEST_URL));
        assert_eq!(long.parse::<LogoutUrl>(), Err(LogoutUrlError::TooLong { given: 21 + LONGEST_URL }));
        assert!(long[..LONGEST_URL].parse::<LogoutUrl>().is_ok());
    }

    #[test]
    fn settings_are_kept_in_our_own_words() {
        let text =
            r#"{"urls":["https://shop.example/out"],"initiators":{"selected":["rp-logout"]},"include_session_metadata":true}"#;
        let settings: LogoutSettings = serde_json::from_str(text).unwrap();
        assert!(settings.initiators.contains(Initiator::RpLogout) && !settings.initiators.contains(Initiator::SessionExpired));
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        let all: LogoutInitiators = serde_json::from_str(r#""all""#).unwrap();
        assert!(Initiator::ALL.into_iter().all(|initiator| all.contains(initiator)));
    }
}
