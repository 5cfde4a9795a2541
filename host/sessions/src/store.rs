//! The store: one trait for both databases.

use std::time::Duration;

use async_trait::async_trait;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use crate::client::{Client, ClientCreated, ClientDeleted, ClientPage};
use crate::columns;
use crate::delivery::{
    Backlog, Claims, Delivery, DeliveryCursor, DeliveryPage, DeliveryState, DueReceiver, Held, ReceiverShare, Settled,
};
use crate::error::StoreError;
use crate::ids::{ClientId, TransactionId};
use crate::log::{LogEntry, LogFound, LogPosition, LogSearch};
use crate::login::{BeforeLogin, Committed, LoginCommit};
use crate::registry::Registry;
use crate::session::{Initiator, Session};
use crate::tokens::{DeliveryId, Holder};

/// Where sessions, transactions and the tenant's log are kept, beside the deployed Actions. When a
/// call that changes something returns `Ok`, it is on disk.
///
/// Everything is told the time, and asks no clock. A session whose time is over has ended for every
/// call, whether it has been swept or not.
#[async_trait]
pub trait Store: Registry {
    /// What a login begins with: its transaction's answer, and its session. One consistent view of
    /// both.
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

    /// Sessions of a user that have not ended, by their ids, after the one that the page before
    /// ended with.
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

    /// Ends a session, and writes what that owes: a delivery for each URL of each of its clients
    /// that wants to hear of it, and a line of the tenant's log. Whether it was there. All else
    /// that ends sessions owes the same.
    async fn end(&self, tenant: &TenantId, id: &SessionId, initiator: Initiator, now: Timestamp) -> Result<bool, StoreError>;

    /// Ends all sessions of a user, whatever their number: none of them is alive for any caller
    /// from then on.
    ///
    /// The ends of `at_once` sessions at most are written with this call. Where there are more, the
    /// call writes one mark for all of them, and [`Store::write_ends`] writes the ends.
    async fn end_all_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        initiator: Initiator,
        now: Timestamp,
        at_once: usize,
    ) -> Result<EndedAll, StoreError>;

    /// Writes ends of marked sessions, with what they owe: of one tenant, the next after `after`
    /// that has any, and of `at_most` sessions. None where no tenant after that has any.
    async fn write_ends(
        &self,
        after: Option<&TenantId>,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Option<EndsWritten>, StoreError>;

    /// The tenant's log after a place, the oldest first.
    async fn log_after(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// The same for a stream of the log: a tenant that lists its log doesn't hold it up.
    async fn stream_log(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.log_after(tenant, after, take).await
    }

    /// The tenant's log, the newest first, without the first `skip` entries.
    async fn latest_log(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Searches the tenant's log. A search that no index answers reads 10,000 entries at most.
    async fn search_log(&self, tenant: &TenantId, search: LogSearch) -> Result<LogFound, StoreError>;

    /// One entry of the tenant's log.
    async fn log_entry(&self, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, StoreError>;

    /// A client.
    async fn client(&self, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// The tenant's clients by their ids, after the one that the page before ended with.
    async fn clients(&self, tenant: &TenantId, after: Option<&ClientId>, take: usize) -> Result<ClientPage, StoreError>;

    /// The tenant's clients by their ids, without the first `skip`, which are not read.
    async fn clients_from(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<Client>, StoreError>;

    /// How many clients the tenant has.
    async fn count_clients(&self, tenant: &TenantId) -> Result<u64, StoreError>;

    /// Creates a client, unless its id is taken or the tenant has `at_most` clients.
    async fn create_client(&self, tenant: &TenantId, client: Client, at_most: u64) -> Result<ClientCreated, StoreError>;

    /// Makes this of a client, where it is there and has this revision: whoever has read it and
    /// changed it has not been overtaken by another. Whether it was. The new one has the next
    /// revision, and the `created_at` of what is kept.
    ///
    /// What is pending for a URL at which it hears no longer is dropped after that, some at a time;
    /// what is left when that breaks off is dropped when it is claimed. Other initiators are for
    /// sessions that end later.
    async fn replace_client(&self, tenant: &TenantId, client: Client) -> Result<bool, StoreError>;

    /// Deletes a client of the Management API, and drops what is pending for it, as a change does.
    /// One that the configuration declares stays.
    async fn delete_client(&self, tenant: &TenantId, id: &ClientId) -> Result<ClientDeleted, StoreError>;

    /// Makes these the clients that the operator's configuration declares, whatever their `source`
    /// and times say: creates and changes them, and deletes those that it declares no longer. A
    /// client of the Management API with the same id becomes the configuration's. One that is as it
    /// is declared is not written. Of two with one id the last counts.
    async fn configure_clients(&self, tenant: &TenantId, clients: Vec<Client>, now: Timestamp) -> Result<(), StoreError>;

    /// Who has pending deliveries that are due, of all tenants: who waits longest comes first.
    /// Whoever leaves some of them alone for a while asks for so many more, or these are all that
    /// is ever seen.
    async fn due_receivers(&self, now: Timestamp, at_most: usize) -> Result<Vec<DueReceiver>, StoreError>;

    /// Takes due deliveries of each receiver, the oldest due first: they are the caller's to send
    /// until that moment, and due again then for whoever comes. Each counts one attempt more.
    /// Nobody else has them at the same time.
    ///
    /// What goes to a URL at which its client hears no longer is dropped instead.
    async fn claim_deliveries(&self, shares: &[ReceiverShare], now: Timestamp, until: Timestamp) -> Result<Claims, StoreError>;

    /// Writes down how attempts have ended, each with its line of the log, in one transaction. Of
    /// each, whether it was the caller's: where another has claimed it since, or it was dropped,
    /// nothing is written, and no line.
    async fn settle_deliveries(&self, settled: Vec<Settled>, now: Timestamp) -> Result<Vec<bool>, StoreError>;

    /// Gives back what was claimed and not sent: due now, and the attempt not counted.
    async fn release_deliveries(&self, held: &[Held<'_>], now: Timestamp) -> Result<(), StoreError>;

    /// Deliveries, of one tenant or all, in one state or all, the oldest first.
    async fn deliveries(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DeliveryState>,
        after: Option<&DeliveryCursor>,
        take: usize,
    ) -> Result<DeliveryPage, StoreError>;

    /// One delivery.
    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Makes a delivery pending and due now, as if it had never been tried; what somebody has in
    /// hand is theirs no longer. Whether it was there.
    async fn retry_delivery(&self, tenant: &TenantId, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError>;

    /// Forgets a delivery. Whether it was there.
    async fn drop_delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<bool, StoreError>;

    /// What waits to be sent, of all tenants.
    async fn delivery_backlog(&self) -> Result<Backlog, StoreError>;

    /// Makes a stream of a tenant's log this server's until that moment: the last position that was
    /// sent. None where it is another's whose time is not over.
    async fn stream_claim(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LogPosition>, StoreError>;

    /// Writes down how far a stream was sent, and keeps it until that moment. Whether it was this
    /// server's. No position goes back.
    async fn stream_advance(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        position: LogPosition,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives back a stream, where it is this server's.
    async fn stream_release(&self, tenant: &TenantId, name: &str, holder: Holder) -> Result<(), StoreError>;

    /// Ends sessions whose time is over, forgets what has been kept for long enough, and removes
    /// the bytes of components that nothing names any more: so many rows of each at most, and so
    /// many bytes, in a transaction for each kind, so that nobody waits for it for long. To be
    /// called again for as long as there is more.
    async fn sweep(&self, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError>;

    /// Adds up what was stored and deleted for each tenant since it was added up last: this number
    /// of changes at most. Whether there may be more. A file adds up by itself.
    async fn add_up_bytes(&self, at_most: usize) -> Result<bool, StoreError>;

    /// The tenants for which this number of bytes is stored or more, those with the most first: of
    /// all that is kept for them, what the end of their sessions owes and their executions
    /// included. What was not added up yet is missing.
    async fn stored_bytes(&self, at_least: u64, at_most: usize) -> Result<Vec<StoredBytes>, StoreError>;

    /// Whether the database answers, and takes transactions that write. Nothing is written. A full
    /// disk isn't found by this.
    async fn check(&self) -> Result<(), StoreError>;

    /// Connections to the database; none where it is a file.
    fn connections(&self) -> Option<ConnectionStats> {
        None
    }

    /// Calls, and new connections to a database, that were given up at their deadline, since the
    /// store was opened.
    fn timed_out(&self) -> u64;

    /// The state of the store's own threads; empty where it has no threads.
    fn threads(&self) -> Vec<ThreadState> {
        Vec::new()
    }

    /// Ends all work that has begun, and gives the database back.
    async fn close(&self);
}

/// How all sessions of a user have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedAll {
    /// How many there were; their ends are written.
    Written(u64),
    /// They have ended, and their ends are to be written.
    Marked,
}

/// Ends that were written of sessions that had been marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndsWritten {
    /// Whose sessions.
    pub tenant: TenantId,
    /// How many.
    pub sessions: u64,
}

/// How much is stored for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    /// For whom.
    pub tenant: TenantId,
    /// The bytes of all texts, components and the like, and 256 for each row.
    pub bytes: u64,
}

impl StoredBytes {
    pub(crate) fn new(tenant: &str, bytes: u64) -> Result<Self, StoreError> {
        Ok(Self { tenant: columns::tenant_of(tenant)?, bytes })
    }
}

/// How long a mark is looked after when the ends are written: a login that had begun before it may
/// still create a session.
pub(crate) const MARK_GRACE_MILLIS: i64 = 60_000;

/// Bytes that one transaction of a sweep forgets at most, of rows that were kept for long enough: a
/// few milliseconds.
pub(crate) const SWEPT_BYTES: i64 = 4 << 20;

/// Bytes of components that one sweep removes at most, each component in a transaction of its own.
pub(crate) const REMOVED_BYTES: i64 = 64 << 20;

/// How many come before these bytes are used up: one at least, where there is one.
pub(crate) fn fitting(sizes: impl IntoIterator<Item = i64>, most: i64) -> usize {
    let mut bytes = None;
    let fits = |size: &i64| {
        let sum = bytes.map_or(*size, |bytes: i64| bytes.saturating_add(*size));
        let is_first = bytes.replace(sum).is_none();
        is_first || sum <= most
    };
    sizes.into_iter().take_while(fits).count()
}

/// Connections to a database, and who waits for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Connections at most.
    pub limit: usize,
    /// Connections that are open.
    pub open: usize,
    /// Of these, connections that no call uses.
    pub idle: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

/// The state of a thread of the store's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadState {
    /// Its name, for metrics and the log.
    pub name: &'static str,
    /// How long its work has not ended well: since the transaction at work has begun, or since the
    /// last one that was committed, where those after it have failed. Zero for a thread that waits
    /// for work.
    pub age: Duration,
    /// Panics in its jobs since the store was opened. Each has failed one call.
    pub panics: u64,
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
    /// Of deliveries that were refused or given up.
    pub deliveries_since: Timestamp,
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

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn rows_fit_until_their_bytes_are_used_up_and_the_first_always_does() {
        assert_eq!(fitting([], 10), 0);
        assert_eq!(fitting([11, 1], 10), 1);
        assert_eq!(fitting([5, 5, 1], 10), 2);
        assert_eq!(fitting([0, 0, 10, 1], 10), 3);
        assert_eq!(fitting([0, 11], 10), 1);
    }
}
