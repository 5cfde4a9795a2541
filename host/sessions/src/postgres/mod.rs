//! The store in PostgreSQL, shared by as many hosts as there are.

mod changes;
mod errors;
mod lease;
mod lists;
mod login;
mod migrate;
mod place;
mod rows;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres_rustls::MakeRustlsConnect;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use self::lease::Connections;
use self::place::Place;
use crate::error::StoreError;
use crate::log::{LogEntry, LogPosition};
use crate::login::{BeforeLogin, Committed, LoginCommit, TransactionId};
use crate::session::{Ended, Initiator, Session};
use crate::store::{Page, Retention, SessionCursor, Store, Swept};

/// How a [`PostgresStore`] uses its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Connections of this host, at most.
    pub connections: usize,
    /// How long a call waits for one of them, before it is refused as [`StoreError::Busy`].
    pub wait: Duration,
    /// How long a new connection may take, unless the URL's `connect_timeout` says otherwise.
    pub connect: Duration,
    /// How long one statement may take, and how long a transaction may stand still, unless the URL's `options` say otherwise. A statement
    /// that takes longer is ended, and its call refused as [`StoreError::Busy`].
    pub statement: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { connections: 16, wait: Duration::from_secs(2), connect: Duration::from_secs(5), statement: Duration::from_secs(5) }
    }
}

/// The store in PostgreSQL 15 or later, shared by as many hosts as there are.
pub struct PostgresStore {
    connections: Connections,
}

impl PostgresStore {
    /// Connects to the database of this URL, and brings its schema up to date.
    ///
    /// The URL is one of `libpq`'s: `postgres://user:password@host:5432/database`. What crosses a network is encrypted, and the server's
    /// certificate checked, unless `sslmode` is `disable` or `prefer`. `sslrootcert` names a file with the authorities to trust in place
    /// of those that browsers trust.
    ///
    /// # Errors
    /// When the URL is wrong, the database can't be reached, or its schema is not one that this program knows.
    pub async fn connect(url: &str, settings: PostgresSettings) -> Result<Self, StoreError> {
        let Place { config, name, tls } = Place::read(url, &settings)?;
        // A connection that has broken is known to its own task; to ask for it would be a trip more for each call.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, MakeRustlsConnect::new(tls), recycling))
            .max_size(settings.connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.wait))
            .create_timeout(Some(settings.connect))
            .build()
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let store = Self { connections: Connections { pool, name } };
        migrate::migrate(&store.connections).await?;
        Ok(store)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.connections.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn before_login(
        &self,
        tenant: &TenantId,
        transaction: Option<&TransactionId>,
        session: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<BeforeLogin, StoreError> {
        self.connections
            .attempt(true, |lease| async move { login::before(&lease, tenant, transaction, session, now).await })
            .await
    }

    async fn commit_login(&self, login: LoginCommit) -> Result<Committed, StoreError> {
        // A login with a transaction's id that was committed after all is found by the next attempt.
        self.connections.attempt(login.transaction.is_some(), |lease| login::commit(lease, &login)).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        self.connections.attempt(true, |lease| async move { lists::session(&lease, tenant, id, now).await }).await
    }

    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: Option<&SessionCursor>,
        take: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.connections
            .attempt(true, |lease| async move { lists::sessions_of(&lease, tenant, user, after, take, now).await })
            .await
    }

    async fn replace_metadata(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        metadata: Metadata,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.connections.attempt(false, |lease| changes::replace_metadata(lease, tenant, id, &metadata, now)).await
    }

    async fn end(&self, tenant: &TenantId, id: &SessionId, initiator: Initiator, now: Timestamp) -> Result<bool, StoreError> {
        let ended = Ended { at: now, initiator };
        self.connections.attempt(false, |lease| changes::end(lease, tenant, id, ended)).await
    }

    async fn end_all_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        initiator: Initiator,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ended = Ended { at: now, initiator };
        self.connections.attempt(false, |lease| changes::end_all_of(lease, tenant, user, ended)).await
    }

    async fn log_after(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        lists::log_after(&self.connections, tenant, after, take).await
    }

    async fn latest_log(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        lists::latest_log(&self.connections, tenant, skip, take).await
    }

    async fn log_entry(&self, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, StoreError> {
        self.connections.attempt(true, |lease| async move { lists::log_entry(&lease, tenant, position).await }).await
    }

    async fn sweep(&self, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError> {
        changes::sweep(&self.connections, now, keep, at_most).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.connections.attempt(true, changes::check).await
    }

    async fn close(&self) {
        // Whoever has a connection keeps it until the call is done.
        self.connections.pool.close();
    }
}
