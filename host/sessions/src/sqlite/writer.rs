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
    /// Writes. It is called again, in another transaction, where this one was taken back.
    fn write(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Tells whoever has asked.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Asked<T, F> {
    work: F,
    done: Option<T>,
    answer: oneshot::Sender<Result<(T, F), StoreError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, StoreError> + Send,
{
    fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { work, done, answer } = *self;
        let done = committed.and_then(|()| done.ok_or_else(|| StoreError::Failed { reason: "the writer has lost it".into() }));
        // Nobody may be there any more. What the job owned goes back to where it came from: freeing it is no work for this thread.
        let _ = answer.send(done.map(|done| (done, work)));
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
        F: FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Box::new(Asked { work, done: None, answer }))?;
        answered.await.unwrap_or_else(|_| Err(self.closed())).map(|(done, _)| done)
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
            self.commit(&mut batch);
            self.checkpoints.after_batch(&self.connection);
        }
        self.checkpoints.finish(&self.connection);
    }

    /// One transaction for the whole batch. A job that fails is rare: only then are all taken back, and written again with a savepoint for
    /// each. Whoever asks for a row that can't be read costs the others that much, and no sync.
    fn commit(&self, batch: &mut Vec<Box<dyn Job>>) {
        let committed = match self.write(batch) {
            Err(_) if batch.len() > 1 => return self.commit_apart(batch),
            written => written.and_then(|()| self.end()),
        };
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
    }

    /// One transaction, in which each job is written as a whole or not at all.
    fn commit_apart(&self, batch: &mut Vec<Box<dyn Job>>) {
        let began = self.execute("BEGIN IMMEDIATE").map_err(|error| self.place.error(&error));
        let mut written: Vec<Result<(), StoreError>> = Vec::with_capacity(batch.len());
        let ended = began.and_then(|()| {
            for job in batch.iter_mut() {
                written.push(self.write_apart(job)?);
            }
            self.end()
        });
        if ended.is_err() {
            self.take_back();
        }
        // Those that were not reached have no result of their own.
        let results = written.into_iter().chain(std::iter::repeat_with(|| Ok(())));
        for (job, result) in batch.drain(..).zip(results) {
            job.answer(result.and_then(|()| ended.clone()));
        }
    }

    /// What has become of one job. The error outside is one that ends the batch.
    fn write_apart(&self, job: &mut Box<dyn Job>) -> Result<Result<(), StoreError>, StoreError> {
        let sql = |error: rusqlite::Error| self.place.error(&error);
        self.execute("SAVEPOINT job").map_err(sql)?;
        let written = job.write(&self.connection);
        if let Err(error) = &written {
            // Some errors, a full disk among them, have taken back the whole transaction.
            if self.connection.is_autocommit() {
                return Err(error.clone());
            }
            self.execute("ROLLBACK TO job").map_err(sql)?;
        }
        self.execute("RELEASE job").map_err(sql)?;
        Ok(written)
    }

    /// Begins a transaction, and writes these in it; or nothing.
    fn write(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE").map_err(|error| self.place.error(&error))?;
        let written = jobs.iter_mut().try_for_each(|job| job.write(&self.connection));
        if written.is_err() {
            self.take_back();
        }
        written
    }

    /// Puts on disk what was written, or takes it back.
    fn end(&self) -> Result<(), StoreError> {
        self.execute("COMMIT").map_err(|error| {
            self.take_back();
            commit_error(&self.place.name(), &error)
        })
    }

    fn take_back(&self) {
        // Some errors, a full disk among them, have done so already.
        if !self.connection.is_autocommit() {
            // What is not taken back now is when the database is opened again.
            let _ = self.execute("ROLLBACK");
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}
