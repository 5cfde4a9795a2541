//! The outcome of a flow: what the platform does now, and a report of each Action.

mod conclude;
mod place;
mod report;
mod request;

pub use place::{Frame, Place};
pub use report::{ActionReport, ActionResult, Failure, Level, LimitBroken, LogLine};
pub use request::{RequestError, RequestReport};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::event::CookieMode;
use crate::{ActionId, CacheEntry, Metadata, MetadataKey, Provider, SamlResponse, SessionId, Timestamp, TransactionValue};

/// Whether the login goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Tokens are issued.
    Allow,
    /// No tokens are issued and no session is created; what was asked of the user and of a session
    /// that exists still stands.
    Deny {
        /// Why, for the client.
        reason: String,
        /// The Action that denied it.
        action: ActionId,
    },
    /// An Action failed. Nothing that any Action asked for is kept.
    Failed {
        /// Why, for the Action's author.
        error: Failure,
        /// The Action that failed.
        action: ActionId,
    },
}

/// Something that an Action has set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change<T> {
    /// What it was set to; where it can be removed, `None` says that it was.
    pub value: T,
    /// The Action that set it last.
    pub action: ActionId,
}

/// What a flow has come to. In JSON, `decision` (`"allow"`, `"deny"` or `"failed"`) with its
/// members stands beside the rest.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether the login goes on.
    #[serde(flatten)]
    pub decision: Decision,
    /// What becomes of the session.
    pub session: SessionOutcome,
    /// What goes into the access token; `None` where no tokens are issued.
    pub access_token: Option<TokenOutcome>,
    /// What goes into the ID token; `None` where no tokens are issued.
    pub id_token: Option<TokenOutcome>,
    /// What the platform changes of the user.
    pub user: UserOutcome,
    /// What the Actions of this transaction share.
    pub transaction: TransactionOutcome,
    /// What becomes of the refresh token that is exchanged; `None` where the login exchanges none,
    /// or has failed.
    pub refresh_token: Option<RefreshTokenOutcome>,
    /// The second factor that the user has to prove themselves with before tokens are issued;
    /// `None` where none is required.
    pub multifactor: Option<Multifactor>,
    /// What was asked for of the SAML response; `None` where nothing was, or nothing is issued. A
    /// platform whose login has no SAML response leaves it out.
    pub saml_response: Option<SamlOutcome>,
    /// What is kept for other logins.
    pub cache: CacheOutcome,
    /// A report of each Action, in the order of the flow.
    pub actions: Vec<ActionReport>,
}

/// What becomes of the session.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SessionOutcome {
    /// Which session; `None` where the login has none.
    pub id: Option<SessionId>,
    /// Its metadata after the flow.
    pub metadata: Metadata,
    /// All entries of before were removed first (`session.evict-metadata`).
    pub metadata_evicted: bool,
    /// What was changed of its metadata, entry by entry.
    pub metadata_changes: BTreeMap<MetadataKey, Change<Option<Arc<str>>>>,
    /// Ends the session then.
    pub expires_at: Option<Timestamp>,
    /// Ends the session then, unless it is used before.
    pub idle_expires_at: Option<Timestamp>,
    /// Whether its cookie outlives the browser.
    pub cookie_mode: Option<CookieMode>,
    /// The session is to end now.
    pub revoked: Option<Revoked>,
}

/// How a session is to end now.
#[derive(Clone, Debug, Serialize)]
pub struct Revoked {
    /// Why.
    pub reason: String,
    /// Its refresh tokens live on.
    pub preserve_refresh_tokens: bool,
    /// The Action that revoked it.
    pub action: ActionId,
}

/// What goes into a token.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenOutcome {
    /// Claims by name. In JSON their values alone.
    #[serde(serialize_with = "values")]
    pub claims: BTreeMap<String, Change<Value>>,
    /// Scopes that are granted beyond those that were.
    #[serde(serialize_with = "scopes")]
    pub added_scopes: BTreeMap<String, ActionId>,
    /// Scopes that are not granted, though they were.
    #[serde(serialize_with = "scopes")]
    pub removed_scopes: BTreeMap<String, ActionId>,
}

/// What the platform changes of the user: members set, or (`null`) removed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UserOutcome {
    /// Of what the user may change about themselves.
    #[serde(serialize_with = "values")]
    pub user_metadata: BTreeMap<String, Change<Option<Value>>>,
    /// Of what only the tenant may change.
    #[serde(serialize_with = "values")]
    pub app_metadata: BTreeMap<String, Change<Option<Value>>>,
}

/// What becomes of the refresh token that is exchanged.
#[derive(Clone, Debug, Serialize)]
pub struct RefreshTokenOutcome {
    /// Which.
    pub id: String,
    /// Its metadata after the flow.
    pub metadata: Metadata,
    /// All entries of before were removed first (`refresh-token.evict-metadata`).
    pub metadata_evicted: bool,
    /// What was changed of its metadata, entry by entry.
    pub metadata_changes: BTreeMap<MetadataKey, Change<Option<Arc<str>>>>,
    /// Ends it then.
    pub expires_at: Option<Timestamp>,
    /// Ends it then, unless it is exchanged before.
    pub idle_expires_at: Option<Timestamp>,
    /// It is to end now: why.
    pub revoked: Option<Change<String>>,
}

/// A second factor that is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Multifactor {
    /// What asks for it.
    pub provider: Provider,
    /// Whether the browser may be remembered.
    pub allow_remember_browser: bool,
    /// The Action that has said so last.
    pub action: ActionId,
}

/// What was asked for of the SAML response.
#[derive(Clone, Debug, Serialize)]
pub struct SamlOutcome {
    /// Attributes of the assertion: set, or (`null`) left out.
    #[serde(serialize_with = "values")]
    pub attributes: BTreeMap<String, Change<Option<Value>>>,
    /// All else.
    #[serde(flatten)]
    pub response: SamlResponse,
}

/// What is kept for other logins of this tenant: entries set, or (`null`) removed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CacheOutcome {
    /// Entry by entry.
    pub changes: BTreeMap<String, Change<Option<CacheEntry>>>,
}

impl CacheOutcome {
    /// The changes, as [`CacheEntries::apply`](crate::CacheEntries::apply) takes them.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&CacheEntry>)> {
        self.changes.iter().map(|(key, change)| (key.as_str(), change.value.as_ref()))
    }
}

/// What the Actions of this transaction share.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TransactionOutcome {
    /// All of it, after the flow.
    pub metadata: BTreeMap<String, TransactionValue>,
}

fn values<T: Serialize, S: Serializer>(changes: &BTreeMap<String, Change<T>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(changes.iter().map(|(name, change)| (name, &change.value)))
}

fn scopes<S: Serializer>(scopes: &BTreeMap<String, ActionId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.keys())
}

impl Outcome {
    /// Whether the login goes on.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// Why the login was denied, if it was.
    pub fn denied(&self) -> Option<&str> {
        match &self.decision {
            Decision::Deny { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Why the login failed, if it did.
    pub fn failed(&self) -> Option<&Failure> {
        match &self.decision {
            Decision::Failed { error, .. } => Some(error),
            _ => None,
        }
    }
}
