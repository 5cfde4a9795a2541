//! `refresh-token`: the metadata and the lifetime of the refresh token that is exchanged.

use super::overlay::MetadataChanges;
use super::{Login, limits};
use crate::error::{MetadataError, PastTime, RefreshTokenError};
use crate::event::RefreshToken;
use crate::metadata::at_most;
use crate::{ActionId, Metadata, MetadataKey, Timestamp};

#[derive(Clone, Debug, Default)]
pub(crate) struct RefreshTokenChanges {
    pub(crate) metadata: MetadataChanges,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) idle_expires_at: Option<Timestamp>,
    /// Why it is to end now, and who has asked for it.
    pub(crate) revoked: Option<(String, ActionId)>,
}

impl Login {
    /// `event-refresh-token.metadata`: all entries, with the changes so far, sorted by key.
    pub fn refresh_token_metadata(&self) -> impl Iterator<Item = (&MetadataKey, &str)> {
        let before = self.event.refresh_token.as_ref().map(RefreshToken::metadata);
        self.changes.refresh_token.metadata.all(before).into_iter()
    }

    /// `refresh-token.set-metadata`: sets one entry.
    ///
    /// # Errors
    /// When no refresh token is exchanged, the key or the value breaks a rule, or there would be
    /// too many entries.
    pub fn set_refresh_token_metadata(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let token = self.event.refresh_token.as_ref().ok_or(MetadataError::NoRefreshToken)?;
        self.changes.refresh_token.metadata.set(token.metadata(), key, value, self.action.clone())
    }

    /// `refresh-token.delete-metadata`: removes one entry; a missing one is no error.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or no entry can have such a key.
    pub fn delete_refresh_token_metadata(&mut self, key: &str) -> Result<(), MetadataError> {
        let token = self.event.refresh_token.as_ref().ok_or(MetadataError::NoRefreshToken)?;
        self.changes.refresh_token.metadata.delete(token.metadata(), key, self.action.clone())
    }

    /// `refresh-token.evict-metadata`: removes all entries.
    ///
    /// # Errors
    /// When no refresh token is exchanged.
    pub fn evict_refresh_token_metadata(&mut self) -> Result<(), MetadataError> {
        let token = self.event.refresh_token.as_ref().ok_or(MetadataError::NoRefreshToken)?;
        self.changes.refresh_token.metadata.evict(token.metadata(), &self.action);
        Ok(())
    }

    /// `refresh-token.set-expires-at`: ends the token then. Of several calls the earliest counts,
    /// and before all the end that it has.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the time is not later than this login.
    pub fn set_refresh_token_expires_at(&mut self, at: Timestamp) -> Result<(), RefreshTokenError> {
        let at = self.token_time_ahead(at)?;
        let expires_at = &mut self.changes.refresh_token.expires_at;
        *expires_at = Some(at.min(expires_at.unwrap_or(at)));
        Ok(())
    }

    /// `refresh-token.set-idle-expires-at`: ends the token then, unless it is exchanged before. Of
    /// several calls the earliest counts, and before all the end that it has.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the time is not later than this login.
    pub fn set_refresh_token_idle_expires_at(&mut self, at: Timestamp) -> Result<(), RefreshTokenError> {
        let at = self.token_time_ahead(at)?;
        let idle_expires_at = &mut self.changes.refresh_token.idle_expires_at;
        *idle_expires_at = Some(at.min(idle_expires_at.unwrap_or(at)));
        Ok(())
    }

    /// `refresh-token.revoke`: ends the token and denies the login. The first call counts; no later
    /// Action runs.
    ///
    /// # Errors
    /// When no refresh token is exchanged, or the reason is too long; nothing is revoked then.
    pub fn revoke_refresh_token(&mut self, reason: &str) -> Result<(), RefreshTokenError> {
        self.event.refresh_token.as_ref().ok_or(RefreshTokenError::Unavailable)?;
        at_most(limits::REASON_CHARACTERS, reason).map_err(RefreshTokenError::ReasonTooLong)?;
        let by = &self.action;
        self.changes.refresh_token.revoked.get_or_insert_with(|| (reason.to_owned(), by.clone()));
        Ok(())
    }

    /// The refresh token's metadata with the changes so far, as one map.
    pub(crate) fn refresh_token_metadata_map(&self) -> Metadata {
        self.changes.refresh_token.metadata.apply(self.event.refresh_token.as_ref().map(RefreshToken::metadata))
    }

    /// A time that lies ahead, and not beyond the end that the token has.
    fn token_time_ahead(&self, given: Timestamp) -> Result<Timestamp, RefreshTokenError> {
        let token = self.event.refresh_token.as_ref().ok_or(RefreshTokenError::Unavailable)?;
        if given <= self.now {
            return Err(RefreshTokenError::InThePast(PastTime { given, now: self.now }));
        }
        Ok(given.min(token.facts().expires_at.unwrap_or(given)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{login, login_of};
    use super::*;
    use crate::outcome::ActionResult;

    fn exchange() -> Login {
        let mut event: serde_json::Value = serde_json::from_str(include_str!("../../tests/event.json")).unwrap();
        event["refresh_token"] = serde_json::json!({
            "id": "rt_1", "created_at": "2026-11-01T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z", "metadata": { "device": "laptop" }
        });
        login_of(&event.to_string())
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn its_metadata_has_the_rules_of_session_metadata_and_is_read_at_once() {
        let mut login = exchange();
        login.set_refresh_token_metadata("risk", "low").unwrap();
        login.delete_refresh_token_metadata("device").unwrap();
        let entries: Vec<_> = login.refresh_token_metadata().map(|(key, value)| (key.as_str(), value)).collect();
        assert_eq!(entries, [("risk", "low")]);
        assert!(matches!(login.set_refresh_token_metadata("a b", "v"), Err(MetadataError::KeyNotAllowed(_))));
        for number in 0..24 {
            login.set_refresh_token_metadata(&format!("k{number}"), "v").unwrap();
        }
        assert!(matches!(login.set_refresh_token_metadata("more", "v"), Err(MetadataError::TooManyEntries(_))));
        login.evict_refresh_token_metadata().unwrap();
        assert_eq!(login.refresh_token_metadata().count(), 0);
        assert_eq!(login.session_metadata_entry("locale"), Some("de"), "the session's metadata is another");
    }

    #[test]
    fn the_earliest_time_counts_and_none_is_later_than_the_tokens_own() {
        let mut login = exchange();
        login.set_refresh_token_expires_at(time("2027-01-01T00:00:00Z")).unwrap();
        assert_eq!(login.changes().refresh_token.expires_at, Some(time("2026-12-01T00:00:00Z")));
        login.set_refresh_token_expires_at(time("2026-11-26T00:00:00Z")).unwrap();
        login.set_refresh_token_expires_at(time("2026-11-28T00:00:00Z")).unwrap();
        assert_eq!(login.changes().refresh_token.expires_at, Some(time("2026-11-26T00:00:00Z")));
        login.set_refresh_token_idle_expires_at(time("2026-11-25T00:00:00Z")).unwrap();
        assert_eq!(login.changes().refresh_token.idle_expires_at, Some(time("2026-11-25T00:00:00Z")));
        let past = login.set_refresh_token_expires_at(time("2026-11-24T09:30:00Z"));
        assert!(matches!(past, Err(RefreshTokenError::InThePast(_))));
    }

    #[test]
    fn revoking_it_denies_the_login_with_the_first_reason() {
        let mut login = exchange();
        login.revoke_refresh_token("stolen").unwrap();
        login.revoke_refresh_token("other").unwrap();
        assert!(login.is_stopped());
        assert_eq!(login.conclude(Ok(())), ActionResult::Revoked);
        assert_eq!(login.changes().refresh_token.revoked, Some(("stolen".to_owned(), crate::ActionId::unknown())));
    }

    #[test]
    fn a_login_without_one_has_nothing_to_change() {
        let mut login = login();
        assert_eq!(login.set_refresh_token_metadata("k", "v"), Err(MetadataError::NoRefreshToken));
        assert_eq!(login.evict_refresh_token_metadata(), Err(MetadataError::NoRefreshToken));
        assert_eq!(login.revoke_refresh_token("stolen"), Err(RefreshTokenError::Unavailable));
        assert_eq!(login.set_refresh_token_expires_at(time("2027-01-01T00:00:00Z")), Err(RefreshTokenError::Unavailable));
    }
}
