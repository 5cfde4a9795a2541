//! `api.session`: the session's metadata and lifetime.

use vestibule_model::event::CookieMode;
use vestibule_model::{MetadataError, SessionError, Timestamp};

use crate::door::effect;

/// The session's metadata and lifetime.
#[derive(Clone, Copy, Debug)]
pub struct Session(pub(super) ());

impl Session {
    /// Sets one entry. Later Actions of this flow and later logins of this session see it.
    ///
    /// # Errors
    /// When there is no session, the key or the value breaks a rule, or there would be more than 25
    /// entries.
    pub fn set_metadata(&self, key: &str, value: &str) -> Result<(), MetadataError> {
        effect!(session::set_metadata(key, value), |login| login.set_session_metadata(key, value))
    }

    /// Removes one entry; a missing one is no error.
    ///
    /// # Errors
    /// When there is no session, or no entry can have such a key.
    pub fn delete_metadata(&self, key: &str) -> Result<(), MetadataError> {
        effect!(session::delete_metadata(key), |login| login.delete_session_metadata(key))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// When there is no session.
    pub fn evict_metadata(&self) -> Result<(), MetadataError> {
        effect!(session::evict_metadata(), |login| login.evict_session_metadata())
    }

    /// Ends the session then. Of several calls the earliest counts; never later than the tenant's
    /// maximum.
    ///
    /// # Errors
    /// When there is no session, or the time is not later than this login.
    pub fn set_expires_at(&self, at: Timestamp) -> Result<(), SessionError> {
        effect!(session::set_expires_at(at.as_millis()), |login| login.set_session_expires_at(at))
    }

    /// Ends the session then, unless it is used before. Of several calls the earliest counts; never
    /// later than the tenant's maximum.
    ///
    /// # Errors
    /// When there is no session, or the time is not later than this login.
    pub fn set_idle_expires_at(&self, at: Timestamp) -> Result<(), SessionError> {
        effect!(session::set_idle_expires_at(at.as_millis()), |login| login.set_session_idle_expires_at(at))
    }

    /// Whether the session's cookie outlives the browser. Of several calls the last counts.
    ///
    /// # Errors
    /// When there is no session.
    pub fn set_cookie_mode(&self, mode: CookieMode) -> Result<(), SessionError> {
        effect!(session::set_cookie_mode(mode.cross()), |login| login.set_session_cookie_mode(mode))
    }

    /// Ends the session and denies the login; no later Action runs. The first call counts.
    ///
    /// # Errors
    /// When there is no session, or the reason has more than 1,024 characters.
    pub fn revoke(&self, reason: &str, preserve_refresh_tokens: bool) -> Result<(), SessionError> {
        effect!(session::revoke(reason, preserve_refresh_tokens), |login| login.revoke_session(reason, preserve_refresh_tokens))
    }
}
