//! One login as its Actions see it: the event, and over it what they have asked for so far.
//!
//! Every rule of every effect is here, once. The sandbox is one door to it, the SDK on a native
//! target the other.

mod access;
mod cache;
pub mod limits;
mod multifactor;
mod overlay;
mod refresh_token;
mod saml;
mod session;
mod tokens;
mod transaction;
mod user;

use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::outcome::{ActionResult, Failure};
use crate::{ActionId, Timestamp, json};

pub use cache::{CacheEntries, CacheEntry, Lifetime};
pub use multifactor::Provider;
pub use saml::{DigestAlgorithm, EncryptionAlgorithm, SamlCertificate, SamlFlag, SamlResponse, SamlText, SignatureAlgorithm};

pub(crate) use access::{Denial, Rejection};
pub(crate) use cache::CacheChanges;
pub(crate) use multifactor::MultifactorChange;
pub(crate) use overlay::{MetadataChanges, Written};
pub(crate) use refresh_token::RefreshTokenChanges;
pub(crate) use saml::SamlChanges;
pub(crate) use session::SessionChanges;
pub(crate) use tokens::TokenChanges;
pub(crate) use transaction::TransactionChanges;

/// How long a tenant lets sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// From its creation to its end.
    pub absolute: Duration,
    /// From its last use to its end.
    pub idle: Duration,
}

impl Default for SessionLifetimes {
    /// Auth0's defaults: 168 hours in all, 72 without use.
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self { absolute: HOUR * 168, idle: HOUR * 72 }
    }
}

/// All that the Actions of a flow have asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) session: SessionChanges,
    pub(crate) access_token: TokenChanges,
    pub(crate) id_token: TokenChanges,
    pub(crate) user_metadata: json::ObjectChanges,
    pub(crate) app_metadata: json::ObjectChanges,
    pub(crate) transaction: TransactionChanges,
    pub(crate) refresh_token: RefreshTokenChanges,
    pub(crate) cache: CacheChanges,
    pub(crate) multifactor: Option<MultifactorChange>,
    pub(crate) saml: SamlChanges,
    pub(crate) denial: Option<Denial>,
    pub(crate) rejection: Option<Rejection>,
}

/// One login: its event, and the overlay of what its Actions have asked for.
///
/// Reading gives the event's facts with the overlay's changes. An effect is checked when it is
/// asked for; a refused one changes nothing. Each change carries the id of the Action that asked
/// for it.
#[derive(Clone, Debug)]
pub struct Login {
    event: Arc<Event>,
    now: Timestamp,
    lifetimes: SessionLifetimes,
    cache: Arc<CacheEntries>,
    changes: Changes,
    action: ActionId,
}

/// What had been asked for at one moment, to go back to when an Action fails.
#[derive(Debug)]
pub struct Checkpoint(Changes);

impl Login {
    /// A login at this time, with nothing asked for yet.
    pub fn new(event: Arc<Event>, now: Timestamp, lifetimes: SessionLifetimes) -> Self {
        Self { event, now, lifetimes, cache: Arc::default(), changes: Changes::default(), action: ActionId::unknown() }
    }

    /// The event as the platform has sent it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The time of the login.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// From here on, changes are this Action's.
    pub fn begin(&mut self, action: &ActionId) -> Checkpoint {
        self.action = action.clone();
        Checkpoint(self.changes.clone())
    }

    /// Forgets all that was asked for since the checkpoint.
    pub fn roll_back(&mut self, checkpoint: Checkpoint) {
        self.changes = checkpoint.0;
    }

    /// Whether no later Action may run: the login has been denied, or its session or refresh token
    /// revoked.
    pub fn is_stopped(&self) -> bool {
        self.changes.denial.is_some() || self.has_revoked()
    }

    fn has_revoked(&self) -> bool {
        self.changes.session.revoked.is_some() || self.changes.refresh_token.revoked.is_some()
    }

    /// How an Action has ended that returned, or failed to: what it asked for of the login counts
    /// as much as what it returned.
    pub fn conclude(&self, returned: Result<(), Failure>) -> ActionResult {
        match (returned, &self.changes.rejection) {
            (Err(failure), _) => ActionResult::Failed(failure),
            (Ok(()), Some(Rejection { code, message })) => {
                ActionResult::Failed(Failure::Rejected { code: code.clone(), message: message.clone() })
            }
            (Ok(()), None) if self.has_revoked() => ActionResult::Revoked,
            (Ok(()), None) if self.changes.denial.is_some() => ActionResult::Denied,
            (Ok(()), None) => ActionResult::Ok,
        }
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn login_of(event: &str) -> Login {
        let event = Event::from_json(event.as_bytes()).unwrap();
        Login::new(Arc::new(event), "2026-11-24T09:30:00Z".parse().unwrap(), SessionLifetimes::default())
    }

    pub(crate) fn login() -> Login {
        login_of(include_str!("../../tests/event.json"))
    }

    #[test]
    fn a_failed_action_leaves_nothing_behind() {
        let mut login = login();
        login.begin(&ActionId::new("first", "1").unwrap());
        login.set_session_metadata("org_id", "org_1").unwrap();
        let checkpoint = login.begin(&ActionId::new("second", "1").unwrap());
        login.set_session_metadata("org_id", "org_2").unwrap();
        login.set_session_metadata("other", "x").unwrap();
        login.set_user_metadata("theme", "\"dark\"").unwrap();
        login.deny("no").unwrap();
        login.roll_back(checkpoint);
        assert_eq!(login.session_metadata_entry("org_id"), Some("org_1"));
        assert_eq!(login.session_metadata_entry("other"), None);
        assert_eq!(login.user_metadata()["theme"], "light");
        assert!(!login.is_stopped());
    }
}
