//! What a login asks of the store: what it begins with, and the one transaction that it ends with.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use vestibule_model::event::CookieMode;
use vestibule_model::{Metadata, MetadataError, MetadataKey, SessionId, TenantId, Timestamp, UserId};

use crate::error::StoreError;
use crate::ids::TransactionId;
use crate::log::NewLogEntry;
use crate::session::{Actor, Ended, Method, Session};

/// What the store knows when a login begins.
#[derive(Clone, Debug, Default)]
pub struct BeforeLogin {
    /// The answer of this transaction, where it was committed before.
    pub answer: Option<KeptAnswer>,
    /// The session that the login continues.
    pub session: KnownSession,
}

/// The answer that was committed with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The request that it answers.
    pub request: RequestDigest,
    /// The answer.
    pub json: Arc<str>,
}

/// What a transaction's answer is bound to: SHA-256 of the tenant, the user, the session and the
/// client of its login.
///
/// A platform that sends the id of one login with another login must not get the first one's
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigest([u8; 32]);

impl RequestDigest {
    /// The digest of a login. Each part is preceded by its length, so that no two logins have the
    /// same text.
    pub fn of(tenant: &TenantId, user: &UserId, session: Option<&SessionId>, client: &str) -> Self {
        let session = session.map(SessionId::as_str);
        let mut hash = Sha256::new();
        hash.update([u8::from(session.is_some())]);
        for part in [tenant.as_str(), user.as_str(), session.unwrap_or_default(), client] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// As the databases keep it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads it as a database keeps it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let digest = bytes.try_into().map(Self);
        digest.map_err(|_| StoreError::Corrupt { what: "a transaction's request", reason: "it has not 32 bytes".into() })
    }
}

/// A login's transaction: what is kept so that it can be sent again.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    /// The platform's name for the login.
    pub id: TransactionId,
    /// What the answer is bound to.
    pub request: RequestDigest,
    /// The answer now, and whenever the login is sent again.
    pub answer: Arc<str>,
}

/// A session that somebody asks for by its id.
#[derive(Clone, Debug, Default)]
pub enum KnownSession {
    /// Nobody has heard of it.
    #[default]
    Unknown,
    /// It is there.
    Alive(Box<Session>),
    /// It has been there, and must not come back.
    Ended(Ended),
}

/// What a login commits: all of it, or nothing.
#[derive(Clone, Debug)]
pub struct LoginCommit {
    /// Whose login.
    pub tenant: TenantId,
    /// The time of the login.
    pub now: Timestamp,
    /// Its transaction; none where the platform gives no id.
    pub transaction: Option<NewTransaction>,
    /// What becomes of the session; none where the login has none or leaves it alone.
    pub session: Option<SessionLogin>,
    /// What the tenant's log says of it.
    pub log: Vec<NewLogEntry>,
}

/// What a login does to its session.
#[derive(Clone, Debug)]
pub struct SessionLogin {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What happens to it.
    pub change: SessionChange,
    /// What was changed of its metadata, entry by entry. Nothing of a session that the login ends.
    pub metadata: MetadataChanges,
    /// Ends the session then, at the latest: the earlier of this and what is kept counts. For a
    /// session that the login creates or continues, the platform's and the tenant's own times are
    /// in here already.
    pub expires_at: Option<Timestamp>,
    /// Ends the session then, unless it is used before. Takes the place of what is kept.
    pub idle_expires_at: Option<Timestamp>,
    /// Whether the cookie outlives the browser, where that was said.
    pub cookie: Option<CookieMode>,
}

/// What happens to a login's session.
#[derive(Clone, Debug)]
pub enum SessionChange {
    /// The user is logged in: the session is created, or goes on.
    Use(Box<UsedSession>),
    /// The login was denied: a session that is there takes the changes, and none is created.
    Keep,
    /// The session ends now, where it is there.
    End(crate::Initiator),
}

/// What a login that was allowed says of its session.
#[derive(Clone, Debug)]
pub struct UsedSession {
    /// When the session was created, for one that is not kept yet.
    pub created_at: Timestamp,
    /// When the user last proved who they are.
    pub authenticated_at: Timestamp,
    /// The client that the user logs in to: added to the session's, where it isn't there yet.
    pub client_id: String,
    /// Other clients of the session that the platform knows of, for one that is not kept yet.
    pub clients: Vec<String>,
    /// The browser's name, its address, and its network: as they are now.
    pub user_agent: Option<String>,
    /// See `user_agent`.
    pub ip: Option<String>,
    /// See `user_agent`.
    pub asn: Option<String>,
    /// How the user has proved who they are. Takes the place of what is kept, unless it is empty.
    pub methods: Vec<Method>,
    /// The metadata that the platform knows, for a session that is not kept yet; the changes come
    /// on top.
    pub metadata: Metadata,
    /// Who acts for the user, for a session that is not kept yet.
    pub actor: Option<Actor>,
}

/// What was changed of a session's metadata. Changes of several logins merge: entry by entry, the
/// last commit wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataChanges {
    /// All entries of before are removed first.
    pub evicted: bool,
    /// Entries set, or (none) removed.
    pub entries: BTreeMap<MetadataKey, Option<Arc<str>>>,
}

impl MetadataChanges {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        !self.evicted && self.entries.is_empty()
    }

    /// The metadata with these changes.
    ///
    /// # Errors
    /// When it would have too many entries; what was there is not touched. Whoever else has written
    /// in the meantime has filled it.
    pub fn over(&self, before: &Metadata) -> Result<Metadata, MetadataError> {
        let mut after = if self.evicted { Metadata::default() } else { before.clone() };
        // What is removed makes room for what is set.
        for (key, value) in &self.entries {
            if value.is_none() {
                after.delete(key);
            }
        }
        for (key, value) in &self.entries {
            if let Some(value) = value {
                after.set(key.clone(), value)?;
            }
        }
        Ok(after)
    }
}

impl Committed {
    /// What a commit comes to whose transaction was committed before: with the same login or with
    /// another one.
    pub(crate) fn repeated(kept: KeptAnswer, request: RequestDigest) -> Self {
        if kept.request == request { Self::Repeated { answer: kept.json } } else { Self::TransactionMismatch }
    }
}

/// What has become of a [`LoginCommit`].
#[derive(Clone, Debug)]
pub enum Committed {
    /// All of it is durable.
    Done {
        /// The session as it is now; none where the login has none, it was not created, or it has
        /// ended.
        session: Option<Box<Session>>,
    },
    /// The transaction was committed before, and this is what was answered. Nothing has changed.
    Repeated {
        /// The answer of then.
        answer: Arc<str>,
    },
    /// Another login was committed with this transaction's id. Nothing has changed.
    TransactionMismatch,
    /// The session has ended since the login began. Nothing has changed.
    SessionEnded(Ended),
    /// The session belongs to another user. Nothing has changed.
    AnotherUser,
    /// With what others have written in the meantime, the metadata breaks a rule. Nothing has
    /// changed.
    Metadata(MetadataError),
}
