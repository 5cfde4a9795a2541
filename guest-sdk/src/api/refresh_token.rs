//! `api.refresh_token`: the metadata and the lifetime of the refresh token that is exchanged.

use vestibule_model::{MetadataError, RefreshTokenError, Timestamp};

use crate::door::effect;

/// The metadata and the lifetime of the refresh token that is exchanged.
#[derive(Clone, Copy, Debug)]
pub struct RefreshToken(pub(super) ());

impl RefreshToken {
    /// Sets one entry. Later Actions of this flow and later exchanges of this token see it.
    ///
    /// # Errors
    /// When no refresh token is exchanged, the key or the value breaks a rule, or there would be
    /// more than 25 entries.
    pub fn set_metadata(&self, key: &str, value: &str) -> Result<(), MetadataError> {
        effect!(refresh_token::set_metadata(key, value), |login| login.set_refresh_token_metadata(key, value))
    }

    /// Removes one entry; a missing one is no error.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or no entry can have such a key.
    pub fn delete_metadata(&self, key: &str) -> Result<(), MetadataError> {
        effect!(refresh_token::delete_metadata(key), |login| login.delete_refresh_token_metadata(key))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// When no refresh token is exchanged.
    pub fn evict_metadata(&self) -> Result<(), MetadataError> {
        effect!(refresh_token::evict_metadata(), |login| login.evict_refresh_token_metadata())
    }

    /// Ends the token then. Of several calls the earliest counts; never later than it ends anyway.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the time is not later than this login.
    pub fn set_expires_at(&self, at: Timestamp) -> Result<(), RefreshTokenError> {
        effect!(refresh_token::set_expires_at(at.as_millis()), |login| login.set_refresh_token_expires_at(at))
    }

    /// Ends the token then, unless it is exchanged before. Of several calls the earliest counts;
    /// never later than it ends anyway.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the time is not later than this login.
    pub fn set_idle_expires_at(&self, at: Timestamp) -> Result<(), RefreshTokenError> {
        effect!(refresh_token::set_idle_expires_at(at.as_millis()), |login| login.set_refresh_token_idle_expires_at(at))
    }

    /// Ends the token and denies the login; no later Action runs. The first call counts.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the reason has more than 1,024 characters.
    pub fn revoke(&self, reason: &str) -> Result<(), RefreshTokenError> {
        effect!(refresh_token::revoke(reason), |login| login.revoke_refresh_token(reason))
    }
}
