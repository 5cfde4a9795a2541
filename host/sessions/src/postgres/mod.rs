//! The store in PostgreSQL, shared by as many hosts as there are.

mod calls;
mod changes;
mod clients;
mod deliveries;
mod errors;
mod lease;
mod lists;
mod login;
mod logouts;
mod marks;
mod migrate;
mod outbox;
mod place;
mod registry;
mod rows;

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::lease::Connections;
use self::place::Place;
use self::registry::notices::{self, Notices};
use crate::error::StoreError;

/// How a [`PostgresStore`] uses its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Connections of this host, at most; one more listens for changes of flows, where somebody waits for those.
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
    notices: Notices,
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
        let tls = MakeRustlsConnect::new(tls);
        // A connection that has broken is known to its own task; to ask for it would be a trip more for each call.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config.clone(), tls.clone(), recycling))
            .max_size(settings.connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.wait))
            .create_timeout(Some(settings.connect))
            .build()
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let mut connections = Connections { pool, name, tells: false };
        migrate::migrate(&connections).await?;
        connections.tells = notices::are_known(&connections).await?;
        let notices = Notices::new(config, tls, connections.tells);
        Ok(Self { connections, notices })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.connections.name).finish_non_exhaustive()
    }
}
