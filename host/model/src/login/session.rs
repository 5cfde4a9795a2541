//! `session`: its metadata and its lifetime.

use super::overlay::MetadataChanges;
use super::{Login, limits};
use crate::error::{MetadataError, PastTime, SessionError};
use crate::event::CookieMode;
use crate::metadata::at_most;
use crate::{ActionId, Metadata, MetadataKey, Timestamp};

#[derive(Clone, Debug, Default)]
pub(crate) struct SessionChanges {
    pub(crate) metadata: MetadataChanges,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) idle_expires_at: Option<Timestamp>,
    pub(crate) cookie_mode: Option<CookieMode>,
    pub(crate) revoked: Option<Revocation>,
}

#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub(crate) reason: String,
    pub(crate) preserve_refresh_tokens: bool,
    pub(crate) by: ActionId,
}

impl Login {
    fn metadata_before(&self) -> Option<&Metadata> {
        self.event.session.as_ref().map(|session| &session.metadata)
    }

    /// `event-session.metadata-entry`: one entry, with the changes so far.
    pub fn session_metadata_entry(&self, key: &str) -> Option<&str> {
        self.changes.session.metadata.entry(self.metadata_before(), key)
    }

    /// `event-session.metadata`: all entries, with the changes so far, sorted by key.
    pub fn session_metadata(&self) -> impl Iterator<Item = (&MetadataKey, &str)> {
        self.changes.session.metadata.all(self.metadata_before()).into_iter()
    }

    /// `session.set-metadata`: sets one entry.
    ///
    /// # Errors
    /// When there is no session, the key or the value breaks a rule, or there would be too many
    /// entries.
    pub fn set_session_metadata(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let session = self.event.session.as_ref().ok_or(MetadataError::Unavailable)?;
        self.changes.session.metadata.set(&session.metadata, key, value, self.action.clone())
    }

    /// `session.delete-metadata`: removes one entry; a missing one is no error.
    ///
    /// # Errors
    /// When there is no session, or no entry can have such a key.
    pub fn delete_session_metadata(&mut self, key: &str) -> Result<(), MetadataError> {
        let session = self.event.session.as_ref().ok_or(MetadataError::Unavailable)?;
        self.changes.session.metadata.delete(&session.metadata, key, self.action.clone())
    }

    /// `session.evict-metadata`: removes all entries.
    ///
    /// # Errors
    /// When there is no session.
    pub fn evict_session_metadata(&mut self) -> Result<(), MetadataError> {
        let session = self.event.session.as_ref().ok_or(MetadataError::Unavailable)?;
        self.changes.session.metadata.evict(&session.metadata, &self.action);
        Ok(())
    }

    /// `session.set-expires-at`: ends the session then. Of several calls the earliest counts, and
    /// the tenant's maximum before all.
    ///
    /// # Errors
    /// When there is no session, or the time is not later than this login.
    pub fn set_session_expires_at(&mut self, at: Timestamp) -> Result<(), SessionError> {
        let at = self.time_ahead(at)?;
        let created_at = self.event.session.as_ref().and_then(|session| session.times().created_at);
        let latest = created_at.unwrap_or(self.now).plus(self.lifetimes.absolute);
        let expires_at = &mut self.changes.session.expires_at;
        *expires_at = Some(at.min(latest).min(expires_at.unwrap_or(latest)));
        Ok(())
    }

    /// `session.set-idle-expires-at`: ends the session then, unless it is used before. Of several
    /// calls the earliest counts, and the tenant's maximum before all.
    ///
    /// # Errors
    /// When there is no session, or the time is not later than this login.
    pub fn set_session_idle_expires_at(&mut self, at: Timestamp) -> Result<(), SessionError> {
        let at = self.time_ahead(at)?;
        let latest = self.now.plus(self.lifetimes.idle);
        let idle_expires_at = &mut self.changes.session.idle_expires_at;
        *idle_expires_at = Some(at.min(latest).min(idle_expires_at.unwrap_or(latest)));
        Ok(())
    }

    /// `session.set-cookie-mode`: whether the session's cookie outlives the browser. The last call
    /// counts.
    ///
    /// # Errors
    /// When there is no session.
    pub fn set_session_cookie_mode(&mut self, mode: CookieMode) -> Result<(), SessionError> {
        self.must_have_session()?;
        self.changes.session.cookie_mode = Some(mode);
        Ok(())
    }

    /// `session.revoke`: ends the session and denies the login. The first call counts; no later
    /// Action runs.
    ///
    /// # Errors
    /// When there is no session, or the reason is too long; nothing is revoked then.
    pub fn revoke_session(&mut self, reason: &str, preserve_refresh_tokens: bool) -> Result<(), SessionError> {
        self.must_have_session()?;
        at_most(limits::REASON_CHARACTERS, reason).map_err(SessionError::ReasonTooLong)?;
        let by = &self.action;
        self.changes.session.revoked.get_or_insert_with(|| Revocation {
            reason: reason.to_owned(),
            preserve_refresh_tokens,
            by: by.clone(),
        });
        Ok(())
    }

    /// The session's metadata with the changes so far, as one map.
    pub(crate) fn session_metadata_map(&self) -> Metadata {
        self.changes.session.metadata.apply(self.metadata_before())
    }

    fn must_have_session(&self) -> Result<(), SessionError> {
        if self.event.session.is_some() { Ok(()) } else { Err(SessionError::Unavailable) }
    }

    fn time_ahead(&self, given: Timestamp) -> Result<Timestamp, SessionError> {
        self.must_have_session()?;
        if given <= self.now {
            return Err(SessionError::InThePast(PastTime { given, now: self.now }));
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{login, login_of};
    use super::*;
    use crate::error::LimitExceeded;

    fn without_session() -> Login {
        let mut event: serde_json::Value = serde_json::from_str(include_str!("../../tests/event.json")).unwrap();
        event.as_object_mut().unwrap().remove("session");
        login_of(&event.to_string())
    }

    fn in_hours(hours: u64) -> Timestamp {
        login().now().plus(std::time::Duration::from_secs(hours * 3_600))
    }

    #[test]
    fn what_is_written_is_read_at_once_and_sorted() {
        let mut login = login();
        login.set_session_metadata("zone", "b").unwrap();
        login.set_session_metadata("area", "a").unwrap();
        let all: Vec<_> = login.session_metadata().map(|(key, value)| (key.as_str(), value)).collect();
        assert_eq!(all, [("area", "a"), ("locale", "de"), ("zone", "b")]);
        login.delete_session_metadata("locale").unwrap();
        assert_eq!(login.session_metadata_entry("locale"), None);
        login.delete_session_metadata("never-there").unwrap();
        assert_eq!(login.session_metadata_map().len(), 2);
    }

    #[test]
    fn evicted_entries_are_gone_and_new_ones_can_follow() {
        let mut login = login();
        login.set_session_metadata("org_id", "org_1").unwrap();
        login.evict_session_metadata().unwrap();
        assert_eq!(login.session_metadata().count(), 0);
        login.set_session_metadata("locale", "fr").unwrap();
        assert_eq!(login.session_metadata_entry("locale"), Some("fr"));
        assert_eq!(login.session_metadata_map().len(), 1);
    }

    #[test]
    fn the_26th_entry_is_refused_for_every_writer() {
        let mut login = login();
        for number in 0..24 {
            login.set_session_metadata(&format!("k{number}"), "v").unwrap();
        }
        let too_many = MetadataError::TooManyEntries(LimitExceeded { given: 26, limit: 25 });
        assert_eq!(login.set_session_metadata("k24", "v"), Err(too_many));
        login.delete_session_metadata("locale").unwrap();
        assert_eq!(login.set_session_metadata("k24", "v"), Ok(()));
        assert_eq!(login.session_metadata_map().len(), 25);
    }

    #[test]
    fn without_a_session_every_change_is_refused() {
        let mut login = without_session();
        assert_eq!(login.set_session_metadata("k", "v"), Err(MetadataError::Unavailable));
        assert_eq!(login.delete_session_metadata("k"), Err(MetadataError::Unavailable));
        assert_eq!(login.evict_session_metadata(), Err(MetadataError::Unavailable));
        assert_eq!(login.set_session_expires_at(in_hours(1)), Err(SessionError::Unavailable));
        assert_eq!(login.set_session_idle_expires_at(in_hours(1)), Err(SessionError::Unavailable));
        assert_eq!(login.set_session_cookie_mode(CookieMode::Persistent), Err(SessionError::Unavailable));
        assert_eq!(login.revoke_session("why", false), Err(SessionError::Unavailable));
        assert_eq!(login.session_metadata().count(), 0);
    }

    #[test]
    fn of_several_expiries_the_earliest_counts_and_never_beyond_the_tenants_maximum() {
        let mut login = login();
        login.set_session_expires_at(in_hours(24 * 365)).unwrap();
        // The event's session was created at the login's own time.
        assert_eq!(login.changes().session.expires_at, Some(in_hours(168)));
        login.set_session_expires_at(in_hours(2)).unwrap();
        login.set_session_expires_at(in_hours(5)).unwrap();
        assert_eq!(login.changes().session.expires_at, Some(in_hours(2)));
        login.set_session_idle_expires_at(in_hours(100)).unwrap();
        assert_eq!(login.changes().session.idle_expires_at, Some(in_hours(72)));
    }

    #[test]
    fn a_session_cannot_expire_in_the_past() {
        let mut login = login();
        let now = login.now();
        let past = SessionError::InThePast(PastTime { given: now, now });
        assert_eq!(login.set_session_expires_at(now), Err(past));
        assert_eq!(login.changes().session.expires_at, None);
    }

    #[test]
    fn the_last_cookie_mode_and_the_first_revocation_count() {
        let mut login = login();
        login.set_session_cookie_mode(CookieMode::Persistent).unwrap();
        login.set_session_cookie_mode(CookieMode::NonPersistent).unwrap();
        assert_eq!(login.changes().session.cookie_mode, Some(CookieMode::NonPersistent));
        login.revoke_session("first", true).unwrap();
        login.revoke_session("second", false).unwrap();
        let revoked = login.changes().session.revoked.as_ref().unwrap();
        assert_eq!((revoked.reason.as_str(), revoked.preserve_refresh_tokens), ("first", true));
        assert!(login.is_stopped());
    }
}
