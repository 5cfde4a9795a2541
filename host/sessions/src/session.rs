//! A session as it is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vestibule_model::event::CookieMode;
use vestibule_model::{Metadata, SessionId, Timestamp, UserId};

/// A session that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which, in its tenant. As the platform names it, and as `sid` in ID tokens.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed: by a login, or by the Management API.
    pub updated_at: Timestamp,
    /// When the user last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last used by a login.
    pub last_interacted_at: Timestamp,
    /// When it ends, unless it is used before. From this moment on it has ended.
    pub idle_expires_at: Option<Timestamp>,
    /// When it ends. From this moment on it has ended.
    pub expires_at: Option<Timestamp>,
    /// The browser or machine that it lives in.
    pub device: Device,
    /// The applications that have taken part in it, in the order in which they came.
    pub clients: Vec<SessionClient>,
    /// How the user has proved who they are, in the order of time.
    pub methods: Vec<Method>,
    /// Whether its cookie outlives the browser, where that is known.
    pub cookie: Option<CookieMode>,
    /// What Actions have written, and whoever holds the Management API's token.
    pub metadata: Metadata,
    /// Counts the changes of this session: 1 when it has been created.
    pub revision: u64,
    /// Who acts in it for the user, where somebody does.
    pub actor: Option<Actor>,
}

impl Session {
    /// That it has ended by its times, and when.
    pub fn expired(&self, now: Timestamp) -> Option<Ended> {
        let at = self.ends_at()?;
        (at <= now).then_some(Ended { at, initiator: Initiator::SessionExpired })
    }

    /// When it ends, unless it is used before: the earlier of its two times.
    pub fn ends_at(&self) -> Option<Timestamp> {
        [self.idle_expires_at, self.expires_at].into_iter().flatten().min()
    }
}

/// The browser or machine that a session lives in: as it was first seen, and as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Of the first login.
    pub initial_user_agent: Option<String>,
    /// Of the first login.
    pub initial_ip: Option<String>,
    /// Of the first login.
    pub initial_asn: Option<String>,
    /// Of the last login.
    pub last_user_agent: Option<String>,
    /// Of the last login.
    pub last_ip: Option<String>,
    /// Of the last login.
    pub last_asn: Option<String>,
}

/// Applications of one session that are stored, and told of its end. One that comes later is not:
/// each of them may have five URLs, and the end of a session is written with all that it owes in
/// one transaction.
pub const SESSION_CLIENTS: usize = 256;

/// An application that has taken part in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClient {
    /// The client's id.
    pub client_id: String,
}

/// One way in which the user has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// `pwd`, `mfa`, `federated`, or a URL of the tenant's own.
    pub name: String,
    /// When.
    pub timestamp: Timestamp,
    /// The kind of factor, for `mfa` alone.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
}

/// Who acts in a session for its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The acting user's id.
    pub sub: String,
}

/// Why a session has ended: the initiators of OIDC Back-Channel Logout as Auth0 names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// The user logged out at an application.
    RpLogout,
    /// The user logged out at the identity provider.
    IdpLogout,
    /// The user's password was changed.
    PasswordChanged,
    /// The session's time was over.
    SessionExpired,
    /// Somebody, or an Action, revoked the session.
    SessionRevoked,
    /// The user's account was deleted.
    AccountDeleted,
    /// The e-mail address that the user is known by was changed.
    EmailIdentifierChanged,
    /// The user's account was switched off.
    AccountDeactivated,
    /// The telephone that was the user's second factor was taken away.
    MfaPhoneUnenrolled,
}

impl Initiator {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RpLogout,
        Self::IdpLogout,
        Self::PasswordChanged,
        Self::SessionExpired,
        Self::SessionRevoked,
        Self::AccountDeleted,
        Self::EmailIdentifierChanged,
        Self::AccountDeactivated,
        Self::MfaPhoneUnenrolled,
    ];

    /// As it is written in JSON and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RpLogout => "rp-logout",
            Self::IdpLogout => "idp-logout",
            Self::PasswordChanged => "password-changed",
            Self::SessionExpired => "session-expired",
            Self::SessionRevoked => "session-revoked",
            Self::AccountDeleted => "account-deleted",
            Self::EmailIdentifierChanged => "email-identifier-changed",
            Self::AccountDeactivated => "account-deactivated",
            Self::MfaPhoneUnenrolled => "mfa-phone-unenrolled",
        }
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not an initiator: rp-logout, idp-logout, password-changed, session-expired, session-revoked, account-deleted, \
     email-identifier-changed, account-deactivated or mfa-phone-unenrolled"
)]
pub struct InitiatorError;

impl FromStr for Initiator {
    type Err = InitiatorError;

    fn from_str(text: &str) -> Result<Self, InitiatorError> {
        Self::ALL.into_iter().find(|initiator| initiator.as_str() == text).ok_or(InitiatorError)
    }
}

/// That a session was there and has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub initiator: Initiator,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initiator_reads_as_it_is_written() {
        for initiator in Initiator::ALL {
            assert_eq!(initiator.to_string().parse(), Ok(initiator));
            assert_eq!(serde_json::to_string(&initiator).unwrap(), format!("\"{initiator}\""));
            assert!(InitiatorError.to_string().contains(initiator.as_str()));
        }
        assert_eq!("logout".parse::<Initiator>(), Err(InitiatorError));
    }
}
