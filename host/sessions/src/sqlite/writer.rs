//! The one thread that writes. Whatever has come while the last commit was on its way to the disk is the next commit: one sync for all.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoints::Checkpoints;
use super::errors::commit_error;
use super::open::Place;
use crate::error::StoreError;

/// When to try again what found the queue full: the writer takes a thousand logins in some 50 ms.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Something that is to be written, in two steps: first inside the open transaction, and when that has been committed, its answer.
trait Job: Send {
    /// Writes. After an error, what it has written is taken back.
    fn write(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Tells whoever has asked. The error is the whole batch's.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Asked<T, F> {
    work: Option<F>,
    done: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let done = self.work.take().map(|work| work(connection));
        let failed = match &done {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        };
        self.done = done;
        failed
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let done = match (self.done, committed) {
            // It has failed by itself, and has nothing to do with the batch.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(done)), Ok(())) => Ok(done),
            (None, Ok(())) => Err(StoreError::Failed { reason: "the writer has lost it".into() }),
        };
        // Nobody may be there any more.
        let _ = self.answer.send(done);
    }
}

/// The queue in front of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// None when the store has been closed.
    jobs: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    place: Arc<Place>,
}

impl Writer {
    /// Starts the thread, on a connection that is ready.
    pub(super) fn start(place: &Arc<Place>, connection: Connection, checkpoints: Checkpoints) -> Result<Self, StoreError> {
        let (sender, jobs) = sync_channel(place.settings.queue.max(1));
        let batches = Batches { connection, place: Arc::clone(place), checkpoints, most: place.settings.batch.max(1) };
        let thread = std::thread::Builder::new()
            .name("vestibule-writes".into())
            .spawn(move || batches.run(&jobs))
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), place: Arc::clone(place) })
    }

    /// Runs this inside a transaction. When it returns `Ok`, what was written is on disk.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Box::new(Asked { work: Some(work), done: None, answer }))?;
        answered.await.unwrap_or_else(|_| Err(self.closed()))
    }

    fn send(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = jobs.as_ref() else { return Err(self.closed()) };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy { retry_after: RETRY_AFTER },
            TrySendError::Disconnected(_) => self.closed(),
        })
    }

    fn closed(&self) -> StoreError {
        StoreError::Unreachable { database: self.place.name(), reason: "the store has been closed".into() }
    }

    /// Takes no more, writes what it has, and waits for that.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that has panicked has ended, too.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// What the thread has.
struct Batches {
    connection: Connection,
    place: Arc<Place>,
    checkpoints: Checkpoints,
    /// Jobs of one transaction.
    most: usize,
}

impl Batches {
    fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(self.most.min(1_024));
        while let Ok(first) = jobs.recv() {
            batch.push(first);
            while batch.len() < self.most
                && let Ok(next) = jobs.try_recv()
            {
                batch.push(next);
            }
            let committed = self.commit(&mut batch);
            for job in batch.drain(..) {
                job.answer(committed.clone());
            }
            self.checkpoints.after_batch(&self.connection);
        }
        self.checkpoints.finish(&self.connection);
    }

    /// One transaction for the whole batch.
    fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let sql = |error: rusqlite::Error| self.place.error(&error);
        self.execute("BEGIN IMMEDIATE").map_err(sql)?;
        let written = batch.iter_mut().try_for_each(|job| self.write(job));
        let committed = written.and_then(|()| self.execute("COMMIT").map_err(|error| commit_error(&self.place.name(), &error)));
        if committed.is_err() && !self.connection.is_autocommit() {
            // What can't be taken back is taken back when the database is opened again.
            let _ = self.execute("ROLLBACK");
        }
        committed
    }

    /// One job: all that it writes, or nothing. An error is one that ends the batch.
    fn write(&self, job: &mut Box<dyn Job>) -> Result<(), StoreError> {
        let sql = |error: rusqlite::Error| self.place.error(&error);
        self.execute("SAVEPOINT job").map_err(sql)?;
        if let Err(error) = job.write(&self.connection) {
            // Some errors, a full disk among them, have taken back the whole transaction.
            if self.connection.is_autocommit() {
                return Err(error);
            }
            self.execute("ROLLBACK TO job").map_err(sql)?;
        }
        self.execute("RELEASE job").map_err(sql)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}
