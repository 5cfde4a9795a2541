//! Lookups of single rows. Those that come together are one transaction: to begin one and to end it costs as much as to find a row.
//!
//! A lookup is put down, and whoever else is ready puts theirs beside it. The first whose turn it is again does all of them. Each is done
//! after it was asked for, so it sees whatever had been acknowledged by then.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::readers::Pool;
use crate::error::StoreError;

type Lookup = Box<dyn FnOnce(&Connection) + Send>;

/// Lookups, and the connections that they are done by.
pub(super) struct Lookups {
    connections: Pool,
    /// One list for each thread, as far as there are connections: whoever does a lookup has the thread of whoever waits for it.
    asked: Box<[Mutex<Vec<Lookup>>]>,
}

impl Lookups {
    pub(super) fn new(connections: Pool, threads: usize) -> Self {
        Self { connections, asked: (0..threads.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// Looks something up. None where the connections have been closed.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, mut answered) = oneshot::channel();
        let asked = self.asked_here();
        lock(asked).push(Box::new(move |connection| {
            // Whoever has asked may have gone.
            let _ = answer.send(work(connection));
        }));
        tokio::task::yield_now().await;
        match answered.try_recv() {
            Ok(found) => return Some(found),
            Err(TryRecvError::Closed) => return self.undone(),
            // It is still there, or somebody does it now.
            Err(TryRecvError::Empty) => {}
        }
        let all = std::mem::take(&mut *lock(asked));
        if !all.is_empty() {
            self.connections.with(|connection| do_all(connection, all))?;
        }
        match answered.await {
            Ok(found) => Some(found),
            Err(_) => self.undone(),
        }
    }

    /// What is told of a lookup that nobody has done.
    fn undone<T>(&self) -> Option<Result<T, StoreError>> {
        if self.connections.is_closed() {
            return None;
        }
        Some(Err(StoreError::Failed { reason: "a lookup has panicked".into() }))
    }

    /// Where this thread puts down what it asks for.
    fn asked_here(&self) -> &Mutex<Vec<Lookup>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        let thread = THREAD.with(Cell::get);
        &self.asked[thread % self.asked.len()]
    }

    /// Waits for those that are done now; no more are.
    pub(super) fn close(&self) {
        self.connections.close();
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("connections", &self.connections).finish_non_exhaustive()
    }
}

fn lock(asked: &Mutex<Vec<Lookup>>) -> MutexGuard<'_, Vec<Lookup>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn do_all(connection: &Connection, all: Vec<Lookup>) {
    // One statement is a transaction by itself. Where none can begin, each lookup is told so by its own statement.
    let _transaction = (all.len() > 1).then(|| Transaction::begin(connection));
    for lookup in all {
        // Whoever asked for it is told when its sender is dropped; whoever does it has nothing to do with that.
        let _ = catch_unwind(AssertUnwindSafe(|| lookup(connection)));
    }
}

/// A transaction that reads.
struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    fn begin(connection: &'a Connection) -> Self {
        let _ = execute(connection, "BEGIN");
        Self(connection)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() && execute(self.0, "COMMIT").is_err() {
            let _ = execute(self.0, "ROLLBACK");
        }
    }
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute(()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteSettings;
    use crate::sqlite::open::Place;

    /// Lookups of one row that says 1.
    fn lookups(folder: &tempfile::TempDir) -> (Lookups, Connection) {
        let settings = SqliteSettings { readers: 1, ..SqliteSettings::default() };
        let place = Place::of_sessions(&folder.path().join("store.db"), settings);
        let writer = place.open_writer().unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)").unwrap();
        (Lookups::new(Pool::open(&place, 1).unwrap(), 1), writer)
    }

    fn number(connection: &Connection) -> i64 {
        connection.query_row("SELECT number FROM numbers", (), |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn lookups_that_come_together_are_one_transaction_and_see_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (lookups, writer) = lookups(&folder);
        let alone = lookups.run(|connection| Ok(connection.is_autocommit())).await.unwrap().unwrap();
        assert!(alone, "one statement is a transaction by itself");
        let look = || lookups.run(|connection| Ok((connection.is_autocommit(), number(connection))));
        let change = move |connection: &Connection| {
            let before = number(connection);
            writer.execute("UPDATE numbers SET number = 2", ()).unwrap();
            Ok((connection.is_autocommit(), before))
        };
        let (first, changing, last) = tokio::join!(look(), lookups.run(change), look());
        for found in [first, changing, last] {
            assert_eq!(found.unwrap().unwrap(), (false, 1));
        }
        assert_eq!(look().await.unwrap().unwrap(), (true, 2), "the next one sees what was written since");
    }

    #[tokio::test]
    async fn a_lookup_that_panics_is_told_of_and_those_beside_it_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let (lookups, _writer) = lookups(&folder);
        let look = || lookups.run(|connection| Ok(number(connection)));
        let panicking = lookups.run(|_: &Connection| -> Result<i64, StoreError> { panic!("as a fault of ours would") });
        let (first, panicked, last) = tokio::join!(look(), panicking, look());
        assert_eq!((first.unwrap().unwrap(), last.unwrap().unwrap()), (1, 1));
        assert!(matches!(panicked.unwrap(), Err(StoreError::Failed { .. })));
        assert_eq!(look().await.unwrap().unwrap(), 1, "its connection has come back");
    }

    #[tokio::test]
    async fn whoever_has_asked_and_gone_is_in_nobodys_way_and_a_closed_one_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (lookups, _writer) = lookups(&folder);
        let gone = lookups.run(|connection| Ok(number(connection)));
        tokio::select! {
            biased;
            _ = gone => panic!("it waits for its turn"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(lookups.run(|connection| Ok(number(connection))).await.unwrap().unwrap(), 1);
        lookups.close();
        assert!(lookups.run(|connection| Ok(number(connection))).await.is_none());
    }
}
