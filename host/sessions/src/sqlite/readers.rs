//! Connections that read beside the writer. None of them waits for it, nor it for them.

use std::sync::Arc;

use rusqlite::Connection;

use super::deadlines::Deadlines;
use super::lookups::Lookups;
use super::open::Place;
use super::threaded::Threaded;
use crate::error::StoreError;

/// Connections for background work: its reads are few and short.
pub(super) const WORKER_READERS: usize = 1;

/// Three groups of connections: a lookup doesn't wait behind a list, and background work, which
/// serves all tenants, doesn't wait behind the lists of a tenant.
#[derive(Debug)]
pub(super) struct Readers {
    lookups: Lookups,
    lists: Threaded,
    workers: Threaded,
    place: Arc<Place>,
}

impl Readers {
    pub(super) fn open(place: &Arc<Place>, deadlines: &Arc<Deadlines>) -> Result<Self, StoreError> {
        Ok(Self {
            lookups: Lookups::open(place, deadlines)?,
            lists: Threaded::open(place, place.settings.list_readers.max(1), deadlines)?,
            workers: Threaded::open(place, WORKER_READERS, deadlines)?,
            place: Arc::clone(place),
        })
    }

    /// Reads a row or two by their keys, on this thread: that takes microseconds, less than a
    /// change of threads.
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

    /// Connections for lists that are free.
    #[cfg(test)]
    pub(super) fn free_for_lists(&self) -> usize {
        self.lists.free()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::sqlite::SqliteSettings;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lists_hold_up_no_reads_of_background_work() {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::of_sessions(&folder.path().join("store.db"), SqliteSettings::default()));
        let writer = place.open_writer().unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)").unwrap();
        let readers = Arc::new(Readers::open(&place, &Deadlines::of(&place)).unwrap());
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = Arc::new(Mutex::new(gone));
        let listing: Vec<_> = (0..place.settings.list_readers)
            .map(|_| {
                let (readers, gone) = (Arc::clone(&readers), Arc::clone(&gone));
                tokio::spawn(async move { readers.list(move |_| Ok(gone.lock().unwrap().recv().is_ok())).await })
            })
            .collect();
        while readers.free_for_lists() > 0 {
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
