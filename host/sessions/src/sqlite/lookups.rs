//! Lookups of single rows. Those that come together are one transaction: to begin one and to end it
//! costs as much as to find a row.
//!
//! A lookup is put down, and whoever else is ready puts theirs beside it. The first whose turn it
//! is again does all of them. Each is done after it was asked for, so it sees whatever had been
//! acknowledged by then.
//!
//! A lookup reads on the thread that asks. The system may not come back from a read for long, where
//! a disk stands still: so one connection fewer than there are threads is read from at one time,
//! and who waits for one waits without a thread, until the call's deadline.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::deadlines::Deadlines;
use super::errors::RETRY_AFTER;
use super::open::Place;
use super::pool::Pool;
use crate::error::StoreError;

/// Something that is to be looked up.
trait Lookup: Send {
    /// Whether its caller still waits.
    fn is_awaited(&self) -> bool;

    fn look(self: Box<Self>, connection: &Connection);
}

struct Asked<T, F> {
    work: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Lookup for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    fn look(self: Box<Self>, connection: &Connection) {
        if self.is_awaited() {
            // Whoever has asked may go meanwhile.
            let _ = self.answer.send((self.work)(connection));
        }
    }
}

/// Lookups that are to be done.
type List = Vec<Box<dyn Lookup>>;

/// Lookups, and the connections that they are done by.
pub(super) struct Lookups {
    connections: Pool,
    /// One permit for each connection.
    permits: Semaphore,
    /// One list for each thread: whoever does a lookup has the thread of whoever waits for it.
    asked: Box<[Mutex<List>]>,
    /// Lookups that may be in one of these lists.
    most: usize,
    deadlines: Arc<Deadlines>,
}

impl Lookups {
    pub(super) fn open(place: &Place, deadlines: &Arc<Deadlines>) -> Result<Self, StoreError> {
        let threads = place.settings.readers.max(1);
        let connections = threads.saturating_sub(1).max(1);
        Ok(Self {
            connections: Pool::open(connections, || place.open_lookup_reader())?,
            permits: Semaphore::new(connections),
            asked: (0..threads).map(|_| Mutex::default()).collect(),
            most: place.settings.queue.max(1),
            deadlines: Arc::clone(deadlines),
        })
    }

    /// Looks something up. None where the connections have been closed.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let deadline = self.deadlines.next();
        let (answer, mut answered) = oneshot::channel();
        let asked = self.asked_here();
        if !put(asked, Box::new(Asked { work, answer }), self.most) {
            return Some(Err(StoreError::Busy { retry_after: RETRY_AFTER }));
        }
        tokio::task::yield_now().await;
        match answered.try_recv() {
            Ok(found) => return Some(found),
            Err(TryRecvError::Closed) => return self.undone(),
            // It is still there, or somebody does it now.
            Err(TryRecvError::Empty) => {}
        }
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => match self.wait(deadline, &mut answered).await {
                Waited::Answered(Ok(found)) => return Some(found),
                Waited::Answered(Err(_)) => return self.undone(),
                Waited::Permit(permit) => permit?,
                Waited::ForTooLong => return Some(Err(self.deadlines.not_done())),
            },
        };
        let all = std::mem::take(&mut *lock(asked));
        if !all.is_empty() {
            self.connections.with(|connection| do_all(connection, all))?;
        }
        drop(permit);
        match timeout_at(deadline, answered).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(_)) => self.undone(),
            Err(_) => Some(Err(self.deadlines.not_done())),
        }
    }

    /// Waits for a connection, or for another caller that has one and does this lookup.
    async fn wait<T>(
        &self,
        deadline: Instant,
        answered: &mut oneshot::Receiver<Result<T, StoreError>>,
    ) -> Waited<'_, Result<T, StoreError>> {
        tokio::select! {
            biased;
            found = answered => Waited::Answered(found),
            permit = self.permits.acquire() => Waited::Permit(permit.ok()),
            () = sleep_until(deadline) => Waited::ForTooLong,
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
    fn asked_here(&self) -> &Mutex<List> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        let thread = THREAD.with(Cell::get);
        &self.asked[thread % self.asked.len()]
    }

    /// Waits for those that are done now; no more are.
    pub(super) fn close(&self) {
        self.permits.close();
        self.connections.close();
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// What has become of a wait.
enum Waited<'a, T> {
    Answered(Result<T, oneshot::error::RecvError>),
    /// None where the connections have been closed.
    Permit(Option<SemaphorePermit<'a>>),
    ForTooLong,
}

/// Whether there was room for it. What has no caller any more takes none.
fn put(asked: &Mutex<List>, lookup: Box<dyn Lookup>, most: usize) -> bool {
    let mut asked = lock(asked);
    if asked.len() >= most {
        asked.retain(|lookup| lookup.is_awaited());
    }
    let is_room = asked.len() < most;
    if is_room {
        asked.push(lookup);
    }
    is_room
}

fn lock(asked: &Mutex<List>) -> MutexGuard<'_, List> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn do_all(connection: &Connection, all: List) {
    // One statement is a transaction by itself. Where none can begin, each lookup is told so by its
    // own statement.
    let _transaction = (all.len() > 1).then(|| Transaction::begin(connection));
    for lookup in all {
        // Whoever asked for it is told when its sender is dropped; whoever does it has nothing to
        // do with that.
        let _ = catch_unwind(AssertUnwindSafe(|| lookup.look(connection)));
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

    /// Lookups of one row that says 1.
    fn lookups(folder: &tempfile::TempDir) -> (Lookups, Connection) {
        lookups_with(folder, SqliteSettings { readers: 1, ..SqliteSettings::default() })
    }

    fn lookups_with(folder: &tempfile::TempDir, settings: SqliteSettings) -> (Lookups, Connection) {
        let place = Place::of_sessions(&folder.path().join("store.db"), settings);
        let writer = place.open_writer().unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)").unwrap();
        (Lookups::open(&place, &Deadlines::of(&place)).unwrap(), writer)
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lookup_that_stands_still_leaves_a_thread_to_others_which_end_at_their_deadline() {
        use std::time::Duration;

        let folder = tempfile::tempdir().unwrap();
        let settings = SqliteSettings { readers: 2, queue: 8, call: Duration::from_millis(200), ..SqliteSettings::default() };
        let (lookups, _writer) = lookups_with(&folder, settings);
        let lookups = Arc::new(lookups);
        let (begins, begun) = oneshot::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let standing = {
            let (lookups, gone) = (Arc::clone(&lookups), Mutex::new(gone));
            let standing = move |_: &Connection| {
                begins.send(()).unwrap();
                Ok(gone.lock().unwrap().recv().is_ok())
            };
            tokio::spawn(async move { lookups.run(standing).await })
        };
        begun.await.unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 {
            let others: Vec<_> = (0..8)
                .map(|_| {
                    let (lookups, done) = (Arc::clone(&lookups), Arc::clone(&done));
                    let look = move |connection: &Connection| {
                        done.fetch_add(1, Ordering::Relaxed);
                        Ok(number(connection))
                    };
                    tokio::spawn(async move { lookups.run(look).await.unwrap() })
                })
                .collect();
            for other in others {
                let error = other.await.unwrap().unwrap_err();
                assert!(matches!(error, StoreError::TimedOut { .. } | StoreError::Busy { .. }), "{error}");
            }
        }
        go.send(()).unwrap();
        assert!(standing.await.unwrap().unwrap().unwrap());
        // On each thread.
        let again: Vec<_> = (0..4)
            .map(|_| {
                let lookups = Arc::clone(&lookups);
                tokio::spawn(async move { lookups.run(|connection| Ok(number(connection))).await.unwrap() })
            })
            .collect();
        for found in again {
            assert_eq!(found.await.unwrap().unwrap(), 1);
        }
        assert_eq!(done.load(Ordering::Relaxed), 0, "what was given up is not looked up later");
        assert!(lookups.deadlines.given_up() > 0);
    }
}
