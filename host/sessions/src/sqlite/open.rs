//! Opens the database's file: its mode, its pragmas, its schema.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::SqliteSettings;
use super::errors::store_error;
use super::readers::WORKER_READERS;
use crate::error::StoreError;
use crate::migrations::{Applied, Migration, missing};

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "sessions", sql: include_str!("../../migrations/sqlite/0001_sessions.sql") },
    Migration { number: 2, name: "logouts", sql: include_str!("../../migrations/sqlite/0002_logouts.sql") },
    Migration { number: 3, name: "registry", sql: include_str!("../../migrations/sqlite/0003_registry.sql") },
    Migration { number: 4, name: "tenant_bytes", sql: include_str!("../../migrations/sqlite/0004_tenant_bytes.sql") },
];

/// Of the file beside it.
const EXECUTIONS: &[Migration] = &[
    Migration { number: 1, name: "executions", sql: include_str!("../../migrations/sqlite_executions/0001_executions.sql") },
    Migration { number: 2, name: "tenant_bytes", sql: include_str!("../../migrations/sqlite_executions/0002_tenant_bytes.sql") },
];

/// The log of that file is no larger: what is written there is small, and nobody waits for it.
const EXECUTIONS_WAL_BYTES: u64 = 16 << 20;

/// Of the other file beside it.
const COMPONENTS: &[Migration] =
    &[Migration { number: 1, name: "components", sql: include_str!("../../migrations/sqlite_components/0001_components.sql") }];

/// The log of that file is no larger: two components of the largest size.
const COMPONENTS_WAL_BYTES: u64 = 64 << 20;

/// Components that wait for their writer: each is in memory for as long.
const COMPONENTS_QUEUE: usize = 64;

/// Connections that read components: for those that are built and loaded, and those that are
/// downloaded.
const COMPONENTS_READERS: usize = 4;

/// Memory for pages of a file beside it.
const BESIDE_CACHE_BYTES: usize = 4 << 20;

/// How long somebody who waits for another process's lock sleeps between two looks. SQLite's own
/// waiter sleeps longer with every look, up to 100 ms, and would never meet the moment between two
/// batches of a writer that has always more to do.
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// How long a lookup waits for another process's lock: it reads on a thread that has others to
/// serve. No process that works holds one that readers wait for.
const LOOKUP_PATIENCE: Duration = Duration::from_millis(20);

/// Statements that a connection keeps prepared: more than this crate has.
const STATEMENTS: usize = 192;

/// Where the database is, and how to open it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) settings: SqliteSettings,
    schema: &'static [Migration],
    /// What SQLite waits for when it commits.
    synchronous: &'static str,
}

impl Place {
    /// Where all is but executions: what was acknowledged is on the disk.
    pub(super) fn of_sessions(path: &Path, settings: SqliteSettings) -> Self {
        Self { path: path.to_owned(), settings, schema: MIGRATIONS, synchronous: "FULL" }
    }

    /// Where executions are, beside that file. A crash of the machine may take the last of them.
    pub(super) fn of_executions(path: &Path, settings: SqliteSettings) -> Self {
        let settings =
            SqliteSettings { list_readers: 1, wal_bytes: settings.wal_bytes.min(EXECUTIONS_WAL_BYTES), ..beside(settings) };
        Self { path: with_suffix(path, "-executions"), settings, schema: EXECUTIONS, synchronous: "NORMAL" }
    }

    /// Where the bytes of components are, beside that file. Each is a transaction of its own.
    pub(super) fn of_components(path: &Path, settings: SqliteSettings) -> Self {
        let settings = SqliteSettings {
            list_readers: COMPONENTS_READERS,
            queue: settings.queue.min(COMPONENTS_QUEUE),
            batch: 1,
            wal_bytes: settings.wal_bytes.min(COMPONENTS_WAL_BYTES),
            ..beside(settings)
        };
        Self { path: with_suffix(path, "-components"), settings, schema: COMPONENTS, synchronous: "FULL" }
    }

    /// As errors name it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        store_error(&self.name(), error)
    }

    fn unreachable(&self, reason: impl ToString) -> StoreError {
        StoreError::Unreachable { database: self.name(), reason: reason.to_string() }
    }

    /// The connection that writes. It makes the file, where there is none, and brings its schema up
    /// to date.
    pub(super) fn open_writer(&self) -> Result<Connection, StoreError> {
        create(&self.path).map_err(|error| match error.kind() {
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly { reason: error.to_string() },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
            _ => self.unreachable(error),
        })?;
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, self.settings.busy)?;
        // SQLite opens a file that can't be written to for reading, and says nothing of it before
        // the first change.
        if connection.is_readonly(MAIN_DB).map_err(|error| self.error(&error))? {
            return Err(StoreError::ReadOnly { reason: format!("{} can be read alone", self.name()) });
        }
        self.prepare_writer(&connection).map_err(|error| self.error(&error))?;
        self.migrate(&mut connection)?;
        Ok(connection)
    }

    /// A connection that reads alone.
    pub(super) fn open_reader(&self) -> Result<Connection, StoreError> {
        self.open_patient_reader(self.settings.busy)
    }

    /// A connection that reads alone, and hardly waits for a lock.
    pub(super) fn open_lookup_reader(&self) -> Result<Connection, StoreError> {
        self.open_patient_reader(self.settings.busy.min(LOOKUP_PATIENCE))
    }

    fn open_patient_reader(&self, patience: Duration) -> Result<Connection, StoreError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, patience)?;
        let readers = self.settings.readers + self.settings.list_readers + WORKER_READERS;
        let cache = self.settings.cache_bytes / (readers + 1).max(1);
        set_cache(&connection, cache).map_err(|error| self.error(&error))?;
        Ok(connection)
    }

    /// A connection that copies the write-ahead log into the database.
    pub(super) fn open_checkpointer(&self) -> Result<Connection, StoreError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, self.settings.busy)?;
        connection.pragma_update(None, "synchronous", self.synchronous).map_err(|error| self.error(&error))?;
        Ok(connection)
    }

    fn connect(&self, access: OpenFlags, patience: Duration) -> Result<Connection, StoreError> {
        // A connection is never used by two threads at one time, so it needs no lock of its own.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(|error| self.error(&error))?;
        let mut since = Instant::now();
        let wait = move |looks: i32| {
            if looks == 0 {
                since = Instant::now();
            }
            let is_patient = since.elapsed() < patience;
            if is_patient {
                std::thread::sleep(LOOK_AGAIN);
            }
            is_patient
        };
        connection.busy_handler(Some(wait)).map_err(|error| self.error(&error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A statement that is kept is not planned anew for other values.
        let stable = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
        stable.map_err(|error| self.error(&error))?;
        Ok(connection)
    }

    fn prepare_writer(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.use_write_ahead_log(connection)?;
        connection.pragma_update(None, "synchronous", self.synchronous)?;
        // The log is copied by a thread of its own; see `checkpoints`.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // The log's file is used again from its beginning, and keeps this much: writing over what
        // is there is quicker than a file that grows.
        let kept = i64::try_from(self.settings.wal_bytes).unwrap_or(i64::MAX);
        connection.pragma_update(None, "journal_size_limit", kept)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        set_cache(connection, self.settings.cache_bytes / 2)?;
        if let Some(bytes) = self.settings.most_bytes {
            let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?.unsigned_abs();
            let pages = (bytes / page.max(1)).max(1);
            let pages = i64::try_from(pages).unwrap_or(i64::MAX);
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(())
    }

    /// The change to the write-ahead log asks for the database alone, and isn't patient by itself.
    fn use_write_ahead_log(&self, connection: &Connection) -> rusqlite::Result<()> {
        let since = Instant::now();
        loop {
            match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && since.elapsed() < self.settings.busy =>
                {
                    std::thread::sleep(LOOK_AGAIN);
                }
                changed => return changed.map(drop),
            }
        }
    }

    /// Applies what is missing in one transaction. Of two processes that begin at once, the second
    /// finds all of it done.
    fn migrate(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let sql = |error: rusqlite::Error| self.error(&error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        transaction
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS vestibule_migrations (
                    number INTEGER PRIMARY KEY,
                    name TEXT NOT NULL,
                    checksum TEXT NOT NULL,
                    applied_at TEXT NOT NULL
                ) STRICT",
            )
            .map_err(sql)?;
        let applied = applied(&transaction).map_err(sql)?;
        for migration in missing(self.schema, &applied, &self.name())? {
            transaction.execute_batch(migration.sql).map_err(sql)?;
            transaction
                .execute(
                    "INSERT INTO vestibule_migrations (number, name, checksum, applied_at)
                     VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                    (migration.number, migration.name, migration.checksum()),
                )
                .map_err(sql)?;
        }
        transaction.commit().map_err(sql)
    }
}

/// A file beside another one is called the same, with this at its end.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn beside(settings: SqliteSettings) -> SqliteSettings {
    SqliteSettings { readers: 1, cache_bytes: settings.cache_bytes.min(BESIDE_CACHE_BYTES), ..settings }
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let mut statement = connection.prepare("SELECT number, checksum FROM vestibule_migrations ORDER BY number")?;
    statement.query_map([], |row| Ok(Applied { number: row.get(0)?, checksum: row.get(1)? }))?.collect()
}

/// Makes an empty file that its owner alone can read, unless there is one. SQLite gives its log and
/// its index the same mode.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn set_cache(connection: &Connection, bytes: usize) -> rusqlite::Result<()> {
    // Below nought it is in kibibytes.
    let kibibytes = i64::try_from(bytes / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes)
}
