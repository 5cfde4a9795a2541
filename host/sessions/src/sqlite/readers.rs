//! Connections that read beside the writer. None of them waits for it, nor it for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::lookups::Lookups;
use super::open::Place;
use crate::error::StoreError;

/// Two groups of connections, so that nobody who looks something up waits behind a list.
#[derive(Debug)]
pub(super) struct Readers {
    lookups: Lookups,
    lists: Arc<Pool>,
    /// One permit for each connection of the lists: whoever waits for one waits without a thread.
    list_turns: Semaphore,
    place: Arc<Place>,
}

impl Readers {
    pub(super) fn open(place: &Arc<Place>) -> Result<Self, StoreError> {
        let (readers, lists) = (place.settings.readers.max(1), place.settings.list_readers.max(1));
        Ok(Self {
            lookups: Lookups::new(Pool::open(place, readers)?, readers),
            lists: Arc::new(Pool::open(place, lists)?),
            list_turns: Semaphore::new(lists),
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
        let Ok(turn) = self.list_turns.acquire().await else { return Err(self.closed()) };
        let lists = Arc::clone(&self.lists);
        let listed = tokio::task::spawn_blocking(move || lists.with(work)).await;
        drop(turn);
        match listed {
            Ok(Some(listed)) => listed,
            Ok(None) => Err(self.closed()),
            Err(error) => Err(StoreError::Failed { reason: error.to_string() }),
        }
    }

    fn closed(&self) -> StoreError {
        StoreError::Unreachable { database: self.place.name(), reason: "the store has been closed".into() }
    }

    /// Waits for those who read now, and closes all connections.
    pub(super) async fn close(&self) {
        self.list_turns.close();
        self.lookups.close();
        let lists = Arc::clone(&self.lists);
        // It doesn't panic.
        let _ = tokio::task::spawn_blocking(move || lists.close()).await;
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
