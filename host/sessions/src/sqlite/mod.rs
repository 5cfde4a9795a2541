//! The store in one file, embedded.

mod bytes;
mod calls;
mod changes;
mod checkpoints;
mod clients;
mod database;
mod deadlines;
mod deliveries;
mod errors;
mod job;
mod lists;
mod login;
mod logouts;
mod lookups;
mod marks;
mod open;
mod outbox;
mod pool;
mod readers;
mod registry;
mod rows;
mod search;
mod threaded;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::database::Database;
use self::open::Place;
use crate::error::StoreError;

/// How a [`SqliteStore`] uses its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Threads that look up single rows, each for some microseconds: as many as there are threads
    /// that ask. All but one of them look something up at one time.
    pub readers: usize,
    /// Connections that read lists.
    pub list_readers: usize,
    /// Calls that may wait for the writer. One more is refused as [`StoreError::Busy`].
    pub queue: usize,
    /// Calls that are committed together, at most. More makes the last of them wait longer, and
    /// none of them quicker.
    pub batch: usize,
    /// Memory for pages, in bytes: half of it for the writer, the rest for the readers.
    pub cache_bytes: usize,
    /// The write-ahead log's size, in bytes, beyond which logins wait until it has been copied into
    /// the database. At least 4 MB.
    pub wal_bytes: u64,
    /// The database's size, in bytes, beyond which it counts as full; none leaves that to the disk.
    pub most_bytes: Option<u64>,
    /// How long to wait for another process that writes to the same file.
    pub busy: Duration,
    /// How long a call may take, from its first wait to its last answer. One that takes longer is
    /// given up as [`StoreError::TimedOut`], and never happens, or as [`StoreError::Unknown`] where
    /// the writer works on it. Opening the store has no deadline.
    pub call: Duration,
    /// Bytes that are stored for a tenant from which on the ends of its sessions owe nothing: they
    /// are lines of its log, which say so, and its applications are not told. One end may owe a
    /// thousand times what its session takes.
    pub owes_below: u64,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            readers: std::thread::available_parallelism().map_or(4, usize::from),
            list_readers: 2,
            queue: 4_096,
            batch: 512,
            cache_bytes: 64 << 20,
            wal_bytes: 256 << 20,
            most_bytes: None,
            busy: Duration::from_secs(5),
            call: Duration::from_millis(4_500),
            owes_below: u64::MAX,
        }
    }
}

/// The store in one file, embedded: for one machine.
///
/// One thread writes. Calls that come while it waits for the disk are its next commit, so that many
/// share one sync, and none waits for company. Reads go beside it. Several processes may open one
/// file; they take turns at writing.
pub struct SqliteStore {
    database: Database,
    /// What became of runs: in a file of its own, so that writing it down holds up no login.
    executions: Database,
    /// The bytes of components: in a file of their own, so that no login waits for a large one.
    components: Database,
    /// The sweep has looked at the rows of that file up to this one.
    components_seen: AtomicI64,
    /// Woken when a flow has changed.
    flow_notice: Arc<Notify>,
}

impl SqliteStore {
    /// Opens the database in this file, and makes it where there is none: readable by this user
    /// alone. Brings its schema up to date. Beside it are two files that are called the same but
    /// for their ends: what became of Actions' runs is in `-executions`, and the bytes of
    /// components are in `-components`.
    ///
    /// It may wait for the disk.
    ///
    /// # Errors
    /// When a file can't be opened or written to, or its schema is not one that this program knows.
    pub fn open(path: impl AsRef<Path>, settings: SqliteSettings) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let database = Database::open(Place::of_sessions(path, settings.clone()))?;
        let executions = Database::open(Place::of_executions(path, settings.clone()))?;
        let components = Database::open(Place::of_components(path, settings))?;
        Ok(Self { database, executions, components, components_seen: AtomicI64::new(0), flow_notice: Arc::default() })
    }

    /// Writes with what the job owns.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&rusqlite::Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.database.write(work).await
    }

    /// When a call ends that begins now.
    fn deadline(&self) -> Instant {
        self.database.deadline()
    }

    /// Writes with what the job owns, until a deadline that several of them share.
    async fn write_until<T, F>(&self, deadline: Instant, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&rusqlite::Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.database.write_until(deadline, work).await
    }

    /// Reads single rows with what the job owns.
    async fn look_up<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.database.look_up(work).await
    }

    /// Reads for background work: no list of a tenant holds it up.
    async fn read_for_worker<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.database.read_for_worker(work).await
    }

    /// Reads many rows with what the job owns.
    async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.database.list(work).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.database.place().path).finish_non_exhaustive()
    }
}

/// Turns SQLite's errors into the store's.
#[derive(Clone, Copy, Debug)]
struct Errors<'a> {
    place: &'a Place,
}

impl<'a> Errors<'a> {
    fn sql(self) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| self.place.error(&error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use vestibule_model::{ComponentDigest, Timestamp};

    use super::*;
    use crate::registry::Registry as _;
    use crate::store::Store as _;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ends_secrets_of_other_keys_and_components_wait_for_no_lists() {
        let folder = tempfile::tempdir().unwrap();
        let settings = SqliteSettings { call: Duration::from_secs(10), ..SqliteSettings::default() };
        let lists = settings.list_readers;
        let store = Arc::new(SqliteStore::open(folder.path().join("store.db"), settings).unwrap());
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let gone = Arc::new(Mutex::new(gone));
        let listing: Vec<_> = (0..lists)
            .map(|_| {
                let (store, gone, begins) = (Arc::clone(&store), Arc::clone(&gone), begins.clone());
                let list = move |_: &rusqlite::Connection, _: Errors<'_>| {
                    begins.send(()).unwrap();
                    gone.lock().unwrap().recv().unwrap();
                    Ok(())
                };
                tokio::spawn(async move { store.list(list).await })
            })
            .collect();
        for _ in 0..lists {
            begun.recv().await.unwrap();
        }
        assert_eq!(store.write_ends(None, Timestamp::from_millis(1), 10).await.unwrap(), None);
        assert_eq!(store.sealed_secrets("key", 10).await.unwrap(), []);
        assert_eq!(store.component(&"acme".parse().unwrap(), &ComponentDigest::of(b"none")).await.unwrap(), None);
        // Each takes one, in an order of their own.
        for _ in 0..lists {
            go.send(()).unwrap();
        }
        for list in listing {
            list.await.unwrap().unwrap();
        }
        store.close().await;
    }
}
