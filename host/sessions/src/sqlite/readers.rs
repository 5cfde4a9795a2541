//! Connections that read beside the writer. None of them waits for it, nor it for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::lookups::Lookups;
use super::open::Place;
use crate::error::StoreError;

/// Connections for background work: its reads are few and short.
pub(super) const WORKER_READERS: usize = 1;

/// Three groups of connections: a lookup doesn't wait behind a list, and background work, which serves all tenants, doesn't
/// wait behind the lists of one.
#[derive(Debug)]
pub(super) struct Readers {
    lookups: Lookups,
    lists: Threaded,
    workers: Threaded,
    place: Arc<Place>,
}

/// Connections that are read from on threads which may wait for the disk.
#[derive(Debug)]
struct Threaded {
    pool: Arc<Pool>,
    /// One permit for each connection: a caller that waits for one waits without a thread.
    permits: Semaphore,
}

impl Threaded {
    fn open(place: &Place, connections: usize) -> Result<Self, StoreError> {
        Ok(Self { pool: Arc::new(Pool::open(place, connections)?), permits: Semaphore::new(connections) })
    }

    /// None where it is closed.
    async fn read<T, F>(&self, work: F) -> Option<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.permits.acquire().await.ok()?;
        let pool = Arc::clone(&self.pool);
        let read = tokio::task::spawn_blocking(move || pool.with(work)).await;
        drop(permit);
        match read {
            Ok(read) => read,
            // Not with the panic's message, which may quote what was read.
            Err(_) => Some(Err(StoreError::Failed { reason: "a read has panicked".into() })),
        }
    }

    async fn close(&self) {
        self.permits.close();
        let pool = Arc::clone(&self.pool);
        // It doesn't panic.
        let _ = tokio::task::spawn_blocking(move || pool.close()).await;
    }
}

impl Readers {
    pub(super) fn open(place: &Arc<Place>) -> Result<Self, StoreError> {
        let (readers, lists) = (place.settings.readers.max(1), place.settings.list_readers.max(1));
        Ok(Self {
            lookups: Lookups::new(Pool::open(place, readers)?, readers),
            lists: Threaded::open(place, lists)?,
            workers: Threaded::open(place, WORKER_READERS)?,
            place: Arc::clone(place),
        })
    }

    /// Reads a row or two by their keys, on this thread: that takes microseconds, less than a change of threads.
    pub(super) async fn look_up<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.lookups.run(work).await.unwrap_or_else(|| Err(self.closed()))
    }

    /// Reads many rows, on a thread that may wait for the disk.
    pub(super) async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.lists.read(work).await.unwrap_or_else(|| Err(self.closed()))
    }

    /// Reads for background work, on a thread that may wait for the disk.
    pub(super) async fn read_for_worker<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.workers.read(work).await.unwrap_or_else(|| Err(self.closed()))
    }

    fn closed(&self) -> StoreError {
        StoreError::Unreachable { database: self.place.name(), reason: "the store has been closed".into() }
    }

    /// Waits for those who read now, and closes all connections.
    pub(super) async fn close(&self) {
        self.lookups.close();
        self.lists.close().await;
        self.workers.close().await;
    }
}

/// Connections that are handed out and come back.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    has_come_back: Condvar,
}

#[derive(Debug)]
struct Idle {
    connections: Vec<Connection>,
    handed_out: usize,
    /// How many wait for one to come back: to tell nobody of it would be a call of the system all the same.
    waiting: usize,
    is_closed: bool,
}

impl Pool {
    pub(super) fn open(place: &Place, count: usize) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| place.open_reader()).collect::<Result<_, _>>()?;
        Ok(Self {
            idle: Mutex::new(Idle { connections, handed_out: 0, waiting: 0, is_closed: false }),
            has_come_back: Condvar::new(),
        })
    }

    /// None where it is closed.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = loop {
            if idle.is_closed {
                return None;
            }
            match idle.connections.pop() {
                Some(connection) => break connection,
                None => idle = self.wait(idle),
            }
        };
        idle.handed_out += 1;
        drop(idle);
        let lent = Lent { pool: self, connection: Some(connection) };
        lent.connection.as_ref().map(work)
    }

    fn wait<'a>(&self, mut idle: MutexGuard<'a, Idle>) -> MutexGuard<'a, Idle> {
        idle.waiting += 1;
        let mut idle = self.has_come_back.wait(idle).unwrap_or_else(PoisonError::into_inner);
        idle.waiting -= 1;
        idle
    }

    pub(super) fn is_closed(&self) -> bool {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_closed
    }

    pub(super) fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.is_closed = true;
        while idle.handed_out > 0 {
            idle = self.wait(idle);
        }
        idle.connections.clear();
        self.has_come_back.notify_all();
    }
}

/// Comes back also when a read has panicked.
struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.handed_out -= 1;
        idle.connections.extend(self.connection.take());
        let is_awaited = idle.waiting > 0;
        drop(idle);
        if is_awaited {
            self.pool.has_come_back.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteSettings;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lists_hold_up_no_reads_of_background_work() {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::of_sessions(&folder.path().join("store.db"), SqliteSettings::default()));
        let writer = place.open_writer().unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)").unwrap();
        let readers = Arc::new(Readers::open(&place).unwrap());
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = Arc::new(Mutex::new(gone));
        let listing: Vec<_> = (0..place.settings.list_readers)
            .map(|_| {
                let (readers, gone) = (Arc::clone(&readers), Arc::clone(&gone));
                tokio::spawn(async move { readers.list(move |_| Ok(gone.lock().unwrap().recv().is_ok())).await })
            })
            .collect();
        while readers.lists.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let read = |connection: &Connection| {
            Ok(connection.query_row("SELECT number FROM numbers", (), |row| row.get::<_, i64>(0)).unwrap())
        };
        assert_eq!(readers.read_for_worker(read).await.unwrap(), 1);
        for _ in &listing {
            go.send(()).unwrap();
        }
        for listed in listing {
            assert!(listed.await.unwrap().unwrap());
        }
        readers.close().await;
        assert!(matches!(readers.read_for_worker(read).await, Err(StoreError::Unreachable { .. })));
    }
}
