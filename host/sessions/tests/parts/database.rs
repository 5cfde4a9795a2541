//! A database for one test, of either kind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vestibule_sessions::{Pooler, PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Store, StoreError};

use super::cluster::Cluster;
use super::pooler::PgBouncer;

/// Where a test's sessions are.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { cluster: Arc<Cluster>, url: String },
    Pooled { cluster: Arc<Cluster>, pooler: PgBouncer, database: String },
}

impl Database {
    pub(crate) async fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.new_database().await;
        Self::Postgres { cluster, url }
    }

    /// With fewer connections than a store has.
    pub(crate) async fn pooled() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.new_database().await;
        let pooler = PgBouncer::start(&cluster, "transaction", 3, "").await;
        Self::Pooled { cluster, pooler, database: name(&url).to_owned() }
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<dyn Store>, StoreError> {
        // Many may be opened on one thread's stack.
        Box::pin(self.try_open_that_owes_below(u64::MAX)).await
    }

    async fn try_open_that_owes_below(&self, owes_below: u64) -> Result<Arc<dyn Store>, StoreError> {
        let settings = PostgresSettings { owes_below, ..PostgresSettings::default() };
        Ok(match self {
            Self::Sqlite(folder) => {
                let settings = SqliteSettings { owes_below, ..SqliteSettings::default() };
                Arc::new(SqliteStore::open(file(folder), settings)?)
            }
            Self::Postgres { url, .. } => Arc::new(PostgresStore::connect(url, settings).await?),
            Self::Pooled { pooler, database, .. } => {
                let settings = PostgresSettings { pooler: Pooler::Transaction, ..settings };
                Arc::new(PostgresStore::connect(&pooler.url(database), settings).await?)
            }
        })
    }

    /// Another store on the same database, each time.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }

    /// A store on the same database whose calls may take so long.
    pub(crate) async fn open_for(&self, call: Duration) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(folder) => {
                let settings = SqliteSettings { call, ..SqliteSettings::default() };
                Arc::new(SqliteStore::open(file(folder), settings).unwrap())
            }
            Self::Postgres { url, .. } => {
                let settings = PostgresSettings { call, ..PostgresSettings::default() };
                Arc::new(PostgresStore::connect(url, settings).await.unwrap())
            }
            Self::Pooled { .. } => panic!("no test asks for it"),
        }
    }

    /// A store for which the ends of a tenant's sessions owe nothing from this number of stored
    /// bytes on.
    pub(crate) async fn open_that_owes_below(&self, bytes: u64) -> Arc<dyn Store> {
        Box::pin(self.try_open_that_owes_below(bytes)).await.unwrap()
    }

    /// Takes the counting of bytes back, as if its migration had not been yet. In a file, what
    /// became of runs goes on being counted.
    pub(crate) async fn forget_bytes(&self) {
        let tables = [
            "sessions",
            "user_ends",
            "transactions",
            "log",
            "clients",
            "deliveries",
            "actions",
            "versions",
            "bindings",
            "secrets",
            "policies",
            "components",
        ];
        let each = |what: &dyn Fn(&str) -> String| tables.map(what).concat();
        let triggers = match self {
            Self::Sqlite(_) => each(&|table| {
                ["inserted", "updated", "deleted"].map(|change| format!("DROP TRIGGER IF EXISTS {table}_{change};")).concat()
            }),
            Self::Postgres { .. } | Self::Pooled { .. } => {
                each(&|table| format!("DROP FUNCTION count_bytes_of_{table} CASCADE;"))
                    + "DROP FUNCTION count_bytes_of_executions CASCADE; DROP TABLE byte_changes;"
            }
        };
        self.execute(&format!("{triggers} DROP TABLE tenant_bytes; DELETE FROM vestibule_migrations WHERE number = 4;")).await;
    }

    /// Runs statements that the store would not.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(file(folder)).unwrap();
                connection.busy_timeout(Duration::from_secs(10)).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Self::Postgres { cluster, url } => {
                cluster.execute(name(url), sql).await;
            }
            Self::Pooled { cluster, database, .. } => cluster.execute(database, sql).await,
        }
    }

    /// Fails unless the database has the bytes of so many components, whether anything names them
    /// or not.
    pub(crate) async fn has_bytes_of(&self, components: i64) {
        match self {
            Self::Sqlite(folder) => assert_eq!(bytes_in(folder), components),
            Self::Postgres { .. } | Self::Pooled { .. } => {
                let wrong = format!("RAISE 'there are %, and not {components}', (SELECT count(*) FROM components)");
                let check = format!("IF (SELECT count(*) FROM components) <> {components} THEN {wrong}; END IF");
                self.execute(&format!("DO $$ BEGIN {check}; END $$")).await;
            }
        }
    }
}

/// How many components the file beside the sessions has.
pub(crate) fn bytes_in(folder: &TempDir) -> i64 {
    let connection = rusqlite::Connection::open(components_file(folder)).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.query_row("SELECT count(*) FROM components", (), |row| row.get(0)).unwrap()
}

pub(crate) fn components_file(folder: &TempDir) -> PathBuf {
    folder.path().join("sessions.db-components")
}

/// The database of a URL.
fn name(url: &str) -> &str {
    url.trim_start_matches("postgres:///").split('?').next().unwrap()
}

pub(crate) fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("sessions.db")
}
