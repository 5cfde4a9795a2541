//! What an application wants to hear, as Auth0's clients send it (`oidc_logout`) and as
//! `vestibule.toml` has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vestibule::http::{Connector, Origin};
use vestibule::model::outcome::RequestError;
use vestibule_sessions::{Initiator, LogoutInitiators, LogoutSettings, LogoutUrl, LogoutUrlError};

use crate::post::Unreached;

/// URLs of one application, at most.
const URLS: usize = 5;

/// What an application wants to hear of a session's end.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcLogout {
    /// Where logout tokens go: `https`, and public.
    #[serde(default)]
    #[schema(max_items = 5)]
    backchannel_logout_urls: Vec<String>,
    /// Of which ends it hears: of logouts at an application (`rp-logout`) where this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backchannel_logout_initiators: Option<Initiators>,
    /// Whether its tokens carry the session's metadata: they don't where this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backchannel_logout_session_metadata: Option<SessionMetadata>,
}

/// Of which ends an application hears.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Initiators {
    #[serde(default)]
    mode: Mode,
    /// With `custom`: these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<crate::api::shapes::Initiator>>)]
    selected_initiators: Option<BTreeSet<Initiator>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Of those that are selected.
    #[default]
    Custom,
    /// Of all.
    All,
}

/// Whether tokens carry the session's metadata.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionMetadata {
    include: bool,
}

/// Why an application can't be told like this.
#[derive(Debug, Error)]
pub(crate) enum OidcLogoutError {
    #[error("`backchannel_logout_urls` has {0} URLs, at most {URLS} are allowed")]
    TooManyUrls(usize),
    #[error("`selected_initiators` has none, so it would hear of nothing; name some, or write mode `all`")]
    NoInitiator,
    #[error("`backchannel_logout_urls`: {0}")]
    Url(#[from] LogoutUrlError),
    #[error("`backchannel_logout_urls`: {url} can't be used: {}", Unreached(.error))]
    Place { url: String, error: RequestError },
}

impl OidcLogout {
    /// What the store keeps of it; none where it names no URL. Its own URLs become as the store has
    /// them: parsed, and each once.
    ///
    /// # Errors
    /// When a URL can't be used.
    pub(crate) fn read(&mut self, connector: &Connector) -> Result<Option<LogoutSettings>, OidcLogoutError> {
        let given = self.backchannel_logout_urls.len();
        if given > URLS {
            return Err(OidcLogoutError::TooManyUrls(given));
        }
        let mut urls: Vec<LogoutUrl> = Vec::with_capacity(given);
        for url in &self.backchannel_logout_urls {
            let url: LogoutUrl = url.parse()?;
            check(&url, connector).map_err(|error| OidcLogoutError::Place { url: url.receiver().to_string(), error })?;
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        self.backchannel_logout_urls = urls.iter().map(LogoutUrl::to_string).collect();
        let initiators = match &self.backchannel_logout_initiators {
            Some(Initiators { mode: Mode::All, .. }) => LogoutInitiators::All,
            Some(Initiators { selected_initiators: Some(selected), .. }) if selected.is_empty() && given > 0 => {
                return Err(OidcLogoutError::NoInitiator);
            }
            Some(Initiators { selected_initiators: Some(selected), .. }) => LogoutInitiators::Selected(selected.clone()),
            _ => LogoutInitiators::Selected(BTreeSet::from([Initiator::RpLogout])),
        };
        let include_session_metadata = self.backchannel_logout_session_metadata.is_some_and(|metadata| metadata.include);
        Ok((!urls.is_empty()).then_some(LogoutSettings { urls, initiators, include_session_metadata }))
    }
}

/// What can be said of a URL before its host's name is resolved, which is done, and looked at, for
/// each attempt.
fn check(url: &LogoutUrl, connector: &Connector) -> Result<(), RequestError> {
    let receiver = url.receiver();
    let origin = Origin::parse(receiver.as_str()).map_err(|_| RequestError::InvalidOrigin)?;
    connector.check(&origin)
}

impl From<&LogoutSettings> for OidcLogout {
    fn from(settings: &LogoutSettings) -> Self {
        let (mode, selected_initiators) = match &settings.initiators {
            LogoutInitiators::All => (Mode::All, None),
            LogoutInitiators::Selected(selected) => (Mode::Custom, Some(selected.clone())),
        };
        Self {
            backchannel_logout_urls: settings.urls.iter().map(LogoutUrl::to_string).collect(),
            backchannel_logout_initiators: Some(Initiators { mode, selected_initiators }),
            backchannel_logout_session_metadata: Some(SessionMetadata { include: settings.include_session_metadata }),
        }
    }
}

#[cfg(test)]
mod tests {
    use vestibule::http::HttpSettings;

    use super::*;

    fn read(initiators: &str) -> Result<Option<LogoutSettings>, String> {
        let json = format!(
            r#"{{"backchannel_logout_urls": ["https://shop.example/logout"], "backchannel_logout_initiators": {initiators}}}"#
        );
        let mut given: OidcLogout = serde_json::from_str(&json).unwrap();
        given.read(&Connector::new(&HttpSettings::default()).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_application_selects_an_initiator_or_all_of_them() {
        let error = read(r#"{"mode": "custom", "selected_initiators": []}"#).unwrap_err();
        assert!(error.contains("`selected_initiators` has none"), "{error}");
        assert!(read(r#"{"selected_initiators": []}"#).is_err());
        let all = read(r#"{"mode": "all", "selected_initiators": []}"#).unwrap().unwrap();
        assert_eq!(all.initiators, LogoutInitiators::All);
        let usual = read(r#"{"mode": "custom"}"#).unwrap().unwrap();
        assert_eq!(usual.initiators, LogoutInitiators::Selected(BTreeSet::from([Initiator::RpLogout])));
    }
}
