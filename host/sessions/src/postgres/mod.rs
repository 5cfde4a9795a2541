//! The store in PostgreSQL, shared by as many hosts as there are.

mod bytes;
mod call;
mod calls;
mod changes;
mod clients;
mod connection;
mod deliveries;
mod errors;
mod lease;
mod lists;
mod login;
mod logouts;
mod marks;
mod migrate;
mod outbox;
mod parameters;
mod place;
mod pooler;
mod registry;
mod rows;
mod search;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::lease::Connections;
use self::place::Place;
pub use self::pooler::{Pooler, PoolerError};
use self::registry::notices::{self, Notices};
use crate::error::StoreError;

/// How a [`PostgresStore`] uses its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Connections of this host, at most; one more listens for changes of flows, where a caller
    /// waits for those.
    pub connections: usize,
    /// What stands between this host and the database.
    pub pooler: Pooler,
    /// How long a call may take, from its first wait to its last answer. One that takes longer is
    /// given up as [`StoreError::TimedOut`], or as [`StoreError::Unknown`] where its COMMIT was
    /// sent, and its connection is closed. A component's bytes have a second more for each MiB, and
    /// a migration an hour.
    pub call: Duration,
    /// How long a call waits for a connection, before it is refused as [`StoreError::Exhausted`].
    pub wait: Duration,
    /// How long a new connection may take, to all hosts of the URL together.
    pub connect: Duration,
    /// How long the database lets one statement run, and a transaction stand still, unless the
    /// URL's `options` say otherwise. A statement that takes longer is ended, and its call refused
    /// as [`StoreError::Busy`].
    pub statement: Duration,
    /// How long a connection is used: a database that has moved behind its name is found after
    /// that.
    pub lifetime: Duration,
    /// Bytes that are stored for a tenant from which on the ends of its sessions owe nothing: they
    /// are lines of its log, which say so, and its applications are not told. One end may owe a
    /// thousand times what its session takes.
    pub owes_below: u64,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            connections: 16,
            pooler: Pooler::None,
            call: Duration::from_millis(4_500),
            wait: Duration::from_secs(2),
            connect: Duration::from_secs(3),
            statement: Duration::from_secs(3),
            lifetime: Duration::from_secs(30 * 60),
            owes_below: u64::MAX,
        }
    }
}

/// The store in PostgreSQL 15 or later, shared by as many hosts as there are.
pub struct PostgresStore {
    connections: Connections,
    notices: Notices,
}

impl PostgresStore {
    /// Connects to the database of this URL, and brings its schema up to date.
    ///
    /// The URL is one of `libpq`'s: `postgres://user:password@host:5432/database`. What crosses a
    /// network is encrypted, and the server's certificate checked, unless `sslmode` is `disable` or
    /// `prefer`. `sslrootcert` names a file with the authorities to trust in place of those that
    /// browsers trust.
    ///
    /// # Errors
    /// When the URL is wrong, the database can't be reached, a pooler is in between that the
    /// settings don't name, or the schema is not one that this program knows.
    pub async fn connect(url: &str, settings: PostgresSettings) -> Result<Self, StoreError> {
        let Place { config, name, tls } = Place::read(url, &settings)?;
        let PostgresSettings { connections, pooler, call, wait, connect, statement, lifetime, owes_below } = settings;
        let tls = MakeRustlsConnect::new(tls);
        // A connection that has broken is known to its own task; to ask for it would be a trip more
        // for each call.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let mut pool = Pool::builder(Manager::from_config(config.clone(), tls.clone(), recycling))
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait))
            .create_timeout(Some(connect))
            .recycle_timeout(Some(connect))
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                if metrics.age() < lifetime { Ok(()) } else { Err(HookError::message("it has been used for long enough")) }
            }));
        if let Some(hook) = pooler.on_connect(statement) {
            pool = pool.post_create(hook);
        }
        let pool = pool.build().map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let limits = pooler.limits(statement).into();
        let deadlines = AtomicU64::new(0);
        let mut connections = Connections { pool, name, tells: false, owes_below, call, wait, statement, limits, deadlines };
        pooler.check(&connections).await?;
        migrate::migrate(&connections).await?;
        connections.tells = notices::are_known(&connections).await?;
        let notices = Notices::new(config, tls, call, connections.tells && pooler.passes_notices());
        Ok(Self { connections, notices })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.connections.name).finish_non_exhaustive()
    }
}
