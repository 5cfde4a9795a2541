//! The login event: what the platform knows when a user has proved who they are.
//!
//! One file for each interface of the contract. A group is read from JSON as Auth0 documents its
//! post-login event (snake case, dates in ISO 8601), and answers with the contract's records: what
//! `event-user.email` gives is [`User::email`]. Members that we don't know are ignored, so a
//! platform can send more than we read.

mod authentication;
mod client;
mod connection;
mod custom_domain;
mod error;
mod organization;
mod parts;
mod prompt;
mod refresh_token;
mod request;
mod session;
mod transaction;
mod user;

pub use authentication::{Assessment, Authentication, Authorization, Group, Method, RiskAssessment, Role};
pub use client::{Client, ResourceServer, SecurityContext, Stats, Tenant};
pub use connection::Connection;
pub use custom_domain::CustomDomain;
pub use error::EventError;
pub use organization::Organization;
pub use parts::{CookieMode, DeviceValue};
pub use prompt::Prompt;
pub use refresh_token::{RefreshToken, RefreshTokenFacts, RefreshTokenView};
pub use request::{Coordinates, Country, Place, Request};
pub use session::{Session, SessionTimes, SessionView};
pub use transaction::Transaction;
pub use user::{EmailAddress, EnrolledFactor, Identity, IdentityProfile, PhoneNumber, ProfileNames, User};

use std::sync::LazyLock;

use serde::Deserialize;

/// The largest event that is read, in bytes of JSON. A real one has a few kilobytes; the user's two
/// metadata objects may add 32 kB each.
pub const EVENT_BYTES: usize = 1 << 20;

/// One login.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an event: an object")]
pub struct Event {
    /// How the user has proved who they are.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub authentication: Authentication,
    /// What the user may do.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub authorization: Authorization,
    /// The application that the user logs in to.
    pub client: Client,
    /// Where the user's identity comes from.
    pub connection: Connection,
    /// The tenant's own domain that the login came by, where it did.
    #[serde(default)]
    pub custom_domain: Option<CustomDomain>,
    /// The organization that the user logs in to, where the login is for one.
    #[serde(default)]
    pub organization: Option<Organization>,
    /// The form that the user has filled in on the way here.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub prompt: Prompt,
    /// The refresh token that is exchanged, where that is the login.
    #[serde(default)]
    pub refresh_token: Option<RefreshToken>,
    /// The request that reached the platform.
    pub request: Request,
    /// The API that the access token is for.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub resource_server: ResourceServer,
    /// Fingerprints of the connection.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub security_context: SecurityContext,
    /// The session that this login creates or continues, where it has one.
    #[serde(default)]
    pub session: Option<Session>,
    /// Counters of this user.
    #[serde(default, deserialize_with = "parts::or_default")]
    pub stats: Stats,
    /// The tenant that the login belongs to.
    pub tenant: Tenant,
    /// What the client has asked for, where the login has a transaction.
    #[serde(default)]
    pub transaction: Option<Transaction>,
    /// The user who logs in.
    pub user: User,
}

impl Event {
    /// Reads an event from JSON.
    ///
    /// # Errors
    /// What is wrong, and where: the path of the member, its line and column. Never the value
    /// itself.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        if json.len() > EVENT_BYTES {
            return Err(EventError::TooLarge { given: json.len(), limit: EVENT_BYTES });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let event = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            EventError::invalid(&path, error.inner())
        })?;
        deserializer.end().map_err(|error| EventError::invalid(".", &error))?;
        Ok(event)
    }

    /// The session; in a login without one, all of it is empty.
    pub fn session(&self) -> SessionView<'_> {
        SessionView(self.session.as_ref())
    }

    /// The refresh token; in a login without one, all of it is empty.
    pub fn refresh_token(&self) -> RefreshTokenView<'_> {
        RefreshTokenView(self.refresh_token.as_ref())
    }

    /// The transaction; in a login without one, all of it is empty.
    pub fn transaction(&self) -> &Transaction {
        static NONE: LazyLock<Transaction> = LazyLock::new(Transaction::default);
        self.transaction.as_ref().unwrap_or_else(|| &NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = include_str!("../../tests/event.json");

    fn wrong(json: &str) -> (String, usize, String) {
        match Event::from_json(json.as_bytes()) {
            Err(EventError::Invalid { path, line, what, .. }) => (path, line, what),
            other => panic!("expected an invalid event, got {other:?}"),
        }
    }

    #[test]
    fn an_event_is_read_as_auth0_documents_it() {
        let event = Event::from_json(EVENT.as_bytes()).unwrap();
        assert_eq!(event.user.email().unwrap(), EmailAddress { address: "alice@example.com".into(), verified: true });
        assert_eq!(event.authentication.methods[1].kind.as_deref(), Some("push-notification"));
        assert_eq!(event.request.geo_country().code.as_deref(), Some("AT"));
        assert_eq!(event.request.geo_coordinates(), None);
        assert_eq!(event.session.unwrap().cookie(), Some(CookieMode::Persistent));
    }

    #[test]
    fn a_parameter_that_was_sent_twice_stands_twice() {
        let event = Event::from_json(EVENT.as_bytes()).unwrap();
        let query: Vec<_> = event.request.query().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(query, [("a", "3"), ("b", "1"), ("b", "2")]);
    }

    #[test]
    fn what_we_do_not_know_is_ignored_and_null_is_missing() {
        let json = EVENT.replace("\"metadata\": {}", "\"metadata\": null, \"unheard_of\": [1]");
        assert!(Event::from_json(json.as_bytes()).is_ok());
    }

    #[test]
    fn a_wrong_type_is_an_error_with_its_path_and_no_value() {
        let (path, line, what) = wrong(&EVENT.replace("\"alice@example.com\"", "[\"alice@example.com\"]"));
        assert_eq!((path.as_str(), line), ("event.user.email", 22));
        assert_eq!(what, "an array stands where a string should");
        let (path, _, what) = wrong(&EVENT.replace("{ \"theme\": \"light\" }", "\"alice\""));
        assert_eq!((path.as_str(), what.as_str()), ("event.user.user_metadata", "a string stands where a map should"));
        let (path, _, what) = wrong(&EVENT.replace("\"2026-01-01T00:00:00.000Z\"", "\"new year\""));
        assert_eq!(path, "event.user.created_at");
        assert!(what.contains("ISO 8601") && !what.contains("new year"), "{what}");
    }

    #[test]
    fn a_missing_member_and_broken_json_are_errors() {
        assert_eq!(wrong(&EVENT.replace("\"tenant\"", "\"landlord\"")).2, "missing field `tenant`");
        assert_eq!(wrong("{").0, "event");
        assert_eq!(wrong(&format!("{EVENT} 1")).2, "trailing characters");
        let deep = format!("{{\"user\": {}", "[".repeat(10_000));
        assert!(Event::from_json(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_members_name_does_not_write_to_the_terminal_that_shows_it() {
        let json = EVENT.replace("\"locale\": \"de\"", "\"lo\\u001b[31m\\ncale\": 1");
        let (path, _, what) = wrong(&json);
        assert!(!path.contains(char::is_control) && !what.contains(char::is_control), "{path:?} {what:?}");
        let (path, ..) = wrong("{ \"user\": { \"user_metadata\": { \"\\u001b[31m\": x");
        assert_eq!(path, r"event.user.user_metadata.\u{1b}[31m");
    }

    #[test]
    fn session_metadata_that_breaks_a_rule_is_refused_at_the_door() {
        let (path, _, what) = wrong(&EVENT.replace("\"locale\": \"de\"", "\"the locale\": \"de\""));
        assert_eq!(path, "event.session.metadata");
        assert!(what.contains("the locale") && what.contains("only letters"), "{what}");
    }

    #[test]
    fn an_event_over_a_mebibyte_is_not_read() {
        let json = vec![b' '; EVENT_BYTES + 1];
        let refused = Event::from_json(&json).unwrap_err();
        assert_eq!(refused, EventError::TooLarge { given: EVENT_BYTES + 1, limit: EVENT_BYTES });
    }
}
