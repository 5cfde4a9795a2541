//! Reads on threads that may wait for the disk.
//!
//! A connection has one permit, and the thread that reads holds it: a caller that is gone leaves no
//! reader behind that the next caller would wait for on a thread. SQLite ends a statement whose
//! caller is gone.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::deadlines::Deadlines;
use super::open::Place;
use super::pool::Pool;
use crate::error::StoreError;

/// Steps of SQLite's machine between two looks at whether the caller is still there. Each reads a
/// page at most.
const STEPS: i32 = 100;

/// Connections that are read from on threads which may wait for the disk.
#[derive(Debug)]
pub(super) struct Threaded {
    pool: Arc<Pool>,
    /// One permit for each connection: a caller that waits for one waits without a thread.
    permits: Arc<Semaphore>,
    deadlines: Arc<Deadlines>,
}

impl Threaded {
    pub(super) fn open(place: &Place, connections: usize, deadlines: &Arc<Deadlines>) -> Result<Self, StoreError> {
        let pool = Arc::new(Pool::open(connections, || place.open_reader())?);
        Ok(Self { pool, permits: Arc::new(Semaphore::new(connections)), deadlines: Arc::clone(deadlines) })
    }

    /// None where it is closed.
    pub(super) async fn read<T, F>(&self, work: F) -> Option<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let deadline = self.deadlines.next();
        let Ok(permit) = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await else {
            return Some(Err(self.deadlines.not_done()));
        };
        let permit = permit.ok()?;
        let caller = Caller::default();
        let (pool, is_gone) = (Arc::clone(&self.pool), Arc::clone(&caller.is_gone));
        let reading = tokio::task::spawn_blocking(move || {
            // It goes back when the connection has.
            let _permit = permit;
            pool.with(|connection| Interruptible::begin(connection, is_gone).and_then(|connection| work(&connection)))
        });
        match timeout_at(deadline, reading).await {
            Ok(Ok(read)) => read,
            // Not with the panic's message, which may quote what was read.
            Ok(Err(_)) => Some(Err(StoreError::Failed { reason: "a read has panicked".into() })),
            Err(_) => Some(Err(self.deadlines.not_done())),
        }
    }

    /// Waits for those who read now, and closes the connections.
    pub(super) async fn close(&self) {
        self.permits.close();
        let pool = Arc::clone(&self.pool);
        // It doesn't panic.
        let _ = tokio::task::spawn_blocking(move || pool.close()).await;
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

/// Who waits for a read. When it is dropped, what SQLite does for it is ended.
#[derive(Default)]
struct Caller {
    is_gone: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }
}

/// A connection whose statements end when the caller is gone.
struct Interruptible<'a>(&'a mut Connection);

impl<'a> Interruptible<'a> {
    fn begin(connection: &'a mut Connection, is_gone: Arc<AtomicBool>) -> Result<Self, StoreError> {
        if is_gone.load(Ordering::Relaxed) {
            // It has waited for its thread for longer than its caller for it.
            return Err(StoreError::Failed { reason: "its caller is gone".into() });
        }
        let failed = |error: rusqlite::Error| StoreError::Failed { reason: error.to_string() };
        connection.progress_handler(STEPS, Some(move || is_gone.load(Ordering::Relaxed))).map_err(failed)?;
        Ok(Self(connection))
    }
}

impl Deref for Interruptible<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Interruptible<'_> {
    fn drop(&mut self) {
        // The next caller sets another; and what ends a transaction that this one has left open is
        // not to be ended itself.
        let _ = self.0.progress_handler(0, None::<fn() -> bool>);
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sqlite::SqliteSettings;

    const CONNECTIONS: usize = 2;

    /// Two connections to a file, and one that writes.
    fn threaded(folder: &tempfile::TempDir, call: Duration) -> (Arc<Threaded>, Connection) {
        let settings = SqliteSettings { call, ..SqliteSettings::default() };
        let place = Place::of_sessions(&folder.path().join("store.db"), settings);
        let writer = place.open_writer().unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)").unwrap();
        (Arc::new(Threaded::open(&place, CONNECTIONS, &Deadlines::of(&place)).unwrap()), writer)
    }

    fn number(connection: &Connection) -> Result<i64, StoreError> {
        Ok(connection.query_row("SELECT number FROM numbers", (), |row| row.get(0)).unwrap())
    }

    /// It never ends by itself. In a transaction, as the lists that look at one moment.
    fn endless(connection: &Connection) -> Result<i64, StoreError> {
        const ENDLESS: &str = "WITH RECURSIVE counted (number) AS \
             (SELECT number FROM numbers UNION ALL SELECT counted.number + 1 FROM counted) SELECT sum(number) FROM counted";
        connection.execute_batch("BEGIN").unwrap();
        connection.query_row(ENDLESS, (), |row| row.get(0)).map_err(|error| StoreError::Failed { reason: error.to_string() })
    }

    /// As many threads for all that blocks as there are connections.
    fn few_threads() -> tokio::runtime::Runtime {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.worker_threads(2).max_blocking_threads(CONNECTIONS).enable_all().build().unwrap()
    }

    #[test]
    fn lists_whose_callers_hang_up_again_and_again_hold_neither_connections_nor_threads() {
        let folder = tempfile::tempdir().unwrap();
        let (lists, _writer) = threaded(&folder, Duration::from_secs(600));
        few_threads().block_on(async {
            for _ in 0..4 * CONNECTIONS {
                let (begins, begun) = tokio::sync::oneshot::channel();
                let list = lists.read(move |connection| {
                    begins.send(()).unwrap();
                    endless(connection)
                });
                tokio::select! {
                    read = list => panic!("it has no end: {read:?}"),
                    begun = begun => begun.unwrap(),
                }
            }
            assert_eq!(lists.read(number).await.unwrap().unwrap(), 1);
            assert!(lists.read(|connection| Ok(connection.is_autocommit())).await.unwrap().unwrap(), "its transaction has ended");
            assert_eq!(tokio::task::spawn_blocking(|| 7).await.unwrap(), 7, "threads are there for others, too");
            lists.close().await;
        });
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lists_end_at_their_deadline_also_those_that_wait_for_a_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (lists, _writer) = threaded(&folder, Duration::from_millis(200));
        let reading: Vec<_> = (0..3 * CONNECTIONS)
            .map(|_| {
                let lists = Arc::clone(&lists);
                tokio::spawn(async move { lists.read(endless).await.unwrap() })
            })
            .collect();
        for read in reading {
            let error = read.await.unwrap().unwrap_err();
            assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
        }
        assert_eq!(lists.deadlines.given_up(), 3 * CONNECTIONS as u64);
        while lists.free() < CONNECTIONS {
            tokio::task::yield_now().await;
        }
        assert_eq!(lists.read(number).await.unwrap().unwrap(), 1);
        lists.close().await;
    }
}
