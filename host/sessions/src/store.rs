//! The store: one trait for both databases.

use std::fmt;

use async_trait::async_trait;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use crate::error::StoreError;
use crate::log::{LogEntry, LogPosition};
use crate::login::{BeforeLogin, Committed, LoginCommit, TransactionId};
use crate::session::{Initiator, Session};

/// Where sessions, transactions and the tenant's log are kept. When a call that changes something returns `Ok`, it is on disk.
///
/// Everything is told the time, and asks no clock. A session whose time is over has ended for every call, whether it has been swept or not.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What a login begins with: its transaction's answer, and its session. One consistent view of both.
    async fn before_login(
        &self,
        tenant: &TenantId,
        transaction: Option<&TransactionId>,
        session: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<BeforeLogin, StoreError>;

    /// Commits a login: session, metadata, lists, log and answer, or nothing.
    async fn commit_login(&self, login: LoginCommit) -> Result<Committed, StoreError>;

    /// A session that has not ended.
    async fn session(&self, tenant: &TenantId, id: &SessionId, now: Timestamp) -> Result<Option<Session>, StoreError>;

    /// Sessions of a user that have not ended, by their ids, after the one that the page before ended with.
    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: Option<&SessionCursor>,
        take: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError>;

    /// Makes this a session's metadata. The session as it is now; none where it isn't there.
    async fn replace_metadata(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        metadata: Metadata,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

    /// Ends a session. Whether it was there.
    async fn end(&self, tenant: &TenantId, id: &SessionId, initiator: Initiator, now: Timestamp) -> Result<bool, StoreError>;

    /// Ends all sessions of a user: how many there were.
    async fn end_all_of(&self, tenant: &TenantId, user: &UserId, initiator: Initiator, now: Timestamp)
    -> Result<u64, StoreError>;

    /// The tenant's log after a place, the oldest first.
    async fn log_after(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// The tenant's log, the newest first, without the first `skip` entries.
    async fn latest_log(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// One entry of the tenant's log.
    async fn log_entry(&self, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, StoreError>;

    /// Ends sessions whose time is over, and forgets what has been kept for long enough: so many rows of each at most, so that nobody
    /// waits for it for long. To be called again for as long as there is more.
    async fn sweep(&self, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError>;

    /// Whether the database answers, and can be written to.
    async fn check(&self) -> Result<(), StoreError>;

    /// Ends all work that has begun, and gives the database back.
    async fn close(&self);
}

/// Where a page of a user's sessions has ended: the last one's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCursor(pub SessionId);

/// Some of a user's sessions.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// By their ids.
    pub sessions: Vec<Session>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<SessionCursor>,
}

impl Page {
    /// So many of what was found; one more than that says that there is another page.
    pub(crate) fn of(mut sessions: Vec<Session>, take: usize) -> Self {
        let is_more = sessions.len() > take;
        sessions.truncate(take);
        let next = sessions.last().filter(|_| is_more).map(|last| SessionCursor(last.id.clone()));
        Self { sessions, next }
    }
}

/// What is kept of the past: all that is not older than these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of ended sessions, so that none comes back.
    pub ended_since: Timestamp,
    /// Of transactions, so that one that is sent again is known.
    pub transactions_since: Timestamp,
    /// Of the tenant's log.
    pub log_since: Timestamp,
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions that have ended.
    pub expired: u64,
    /// Rows that were forgotten.
    pub forgotten: u64,
    /// There is more to do.
    pub is_more: bool,
}
