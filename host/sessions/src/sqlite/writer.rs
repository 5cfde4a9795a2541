//! The one thread that writes. Whatever has come while the last commit was on its way to the disk
//! is the next commit: one sync for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::checkpoints::Checkpoints;
use super::deadlines::Deadlines;
use super::errors::commit_error;
use super::job::{Asked, Caller, Health, Job, Turn};
use super::open::Place;
use crate::error::StoreError;
use crate::store::ThreadState;

/// When to try again what found the queue full: the writer takes a thousand logins in some 50 ms.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The queue in front of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// None when the store has been closed.
    jobs: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    place: Arc<Place>,
    deadlines: Arc<Deadlines>,
    health: Arc<Health>,
}

impl Writer {
    /// Starts the thread, on a connection that is ready.
    pub(super) fn start(
        place: &Arc<Place>,
        connection: Connection,
        checkpoints: Checkpoints,
        deadlines: &Arc<Deadlines>,
    ) -> Result<Self, StoreError> {
        let (sender, jobs) = sync_channel(place.settings.queue.max(1));
        let health = Arc::new(Health::default());
        let most = place.settings.batch.max(1);
        let batches = Batches { connection, place: Arc::clone(place), checkpoints, most, health: Arc::clone(&health) };
        let thread = std::thread::Builder::new()
            .name("vestibule-writes".into())
            .spawn(move || batches.run(&jobs))
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let (jobs, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { jobs, thread, place: Arc::clone(place), deadlines: Arc::clone(deadlines), health })
    }

    /// How the thread does.
    pub(super) fn state(&self, name: &'static str) -> ThreadState {
        let since = *self.health.since.lock().unwrap_or_else(PoisonError::into_inner);
        let age = since.map_or(Duration::ZERO, |since| since.elapsed());
        ThreadState { name, age, panics: self.health.panics.load(Ordering::Relaxed) }
    }

    /// Runs this inside a transaction. When it returns `Ok`, what was written is on disk. At the
    /// deadline it is given up: what has not begun by then, or when the caller is gone, never
    /// happens.
    pub(super) async fn run<T, F>(&self, deadline: Instant, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (turn, health) = (Turn::default(), Arc::clone(&self.health));
        let caller = Caller(turn.clone());
        self.send(Box::new(Asked { work, turn, has_panicked: false, health, done: None, answer }))?;
        match timeout_at(deadline, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(self.unanswered())).map(|(done, _)| done),
            Err(_) if caller.0.take() => Err(self.deadlines.not_done()),
            Err(_) => Err(self.deadlines.in_doubt()),
        }
    }

    /// A job was dropped without an answer: by the end of the store, or by a panic that was none of
    /// a job's own.
    fn unanswered(&self) -> StoreError {
        let is_closed = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_closed { self.closed() } else { StoreError::Unknown { reason: "the writer has panicked".into() } }
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
    health: Arc<Health>,
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
            self.health.begins();
            // A job's own panic is caught where it runs. After any other, what was not answered is
            // unknown to its callers, and the thread goes on.
            let done = catch_unwind(AssertUnwindSafe(|| {
                self.commit(&mut batch);
                self.checkpoints.after_batch(&self.connection);
            }));
            if done.is_err() {
                self.health.panics.fetch_add(1, Ordering::Relaxed);
                batch.clear();
                self.take_back();
            }
        }
        self.checkpoints.finish(&self.connection);
    }

    /// One transaction for the whole batch. A job that fails is rare: only then are all taken back,
    /// and written again with a savepoint for each. Whoever asks for a row that can't be read costs
    /// the others that much, and no sync.
    fn commit(&self, batch: &mut Vec<Box<dyn Job>>) {
        let committed = match self.begin() {
            // Where no transaction can begin, another wait for one would be as long.
            Err(error) => Err(error),
            Ok(()) => match self.begin_and_write(batch) {
                Err(_) if batch.len() > 1 => return self.commit_apart(batch),
                written => {
                    if written.as_ref().is_err_and(|error| !matches!(error, StoreError::Full | StoreError::ReadOnly { .. })) {
                        // The thread can write; that job could not be written.
                        self.health.ends_well();
                    }
                    written.and_then(|()| self.end())
                }
            },
        };
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
    }

    /// One transaction, in which each job is written as a whole or not at all.
    fn commit_apart(&self, batch: &mut Vec<Box<dyn Job>>) {
        let mut written: Vec<Result<(), StoreError>> = Vec::with_capacity(batch.len());
        let ended = self.begin().and_then(|()| {
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

    fn begin(&self) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE").map_err(|error| self.place.error(&error))
    }

    /// Writes in the open transaction what was not given up while it was waited for, or takes all
    /// back.
    fn begin_and_write(&self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), StoreError> {
        batch.retain(|job| job.begin());
        self.write(batch)
    }

    /// Writes these in the open transaction, or takes it back.
    fn write(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
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
        })?;
        self.health.ends_well();
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteSettings;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(600);

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let place = Arc::new(Place::of_sessions(&folder.path().join("store.db"), SqliteSettings::default()));
        let mut connection = place.open_writer().unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
        let checkpoints = Checkpoints::start(&place, &mut connection).unwrap();
        Writer::start(&place, connection, checkpoints, &Deadlines::of(&place)).unwrap()
    }

    async fn add(writer: &Writer, number: i64) -> Result<usize, StoreError> {
        writer
            .run(Instant::now() + LONG, move |connection| {
                Ok(connection.execute("INSERT INTO numbers VALUES (?1)", [number]).unwrap())
            })
            .await
    }

    async fn numbers(writer: &Writer) -> Vec<i64> {
        let read = |connection: &Connection| {
            let mut select = connection.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
            Ok(select.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect())
        };
        writer.run(Instant::now() + LONG, read).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_job_that_panics_fails_alone_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        // The first one holds the thread until the others are in the queue: they are one batch.
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = oneshot::channel();
        let (gone, mut begins) = (Mutex::new(gone), Some(begins));
        let holding = writer.run(Instant::now() + LONG, move |_| {
            begins.take().unwrap().send(()).unwrap();
            Ok(gone.lock().unwrap().recv().is_ok())
        });
        let others = async {
            begun.await.unwrap();
            let panicking = writer.run(Instant::now() + LONG, |connection: &Connection| -> Result<(), StoreError> {
                connection.execute("INSERT INTO numbers VALUES (13)", ()).unwrap();
                panic!("as a fault of ours would")
            });
            let letting_go = async { go.send(()).unwrap() };
            tokio::join!(biased; add(&writer, 1), panicking, add(&writer, 2), letting_go)
        };
        let (_, (first, panicked, last, ())) = tokio::join!(holding, others);
        assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
        assert!(matches!(panicked, Err(StoreError::Failed { .. })), "{panicked:?}");
        add(&writer, 3).await.unwrap();
        assert_eq!(numbers(&writer).await, [1, 2, 3], "what it had written is taken back");
        let state = writer.state("sqlite_writer");
        assert_eq!((state.panics, state.age), (1, Duration::ZERO));
        writer.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_job_that_does_not_end_makes_the_thread_late() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let holding = writer.run(Instant::now() + LONG, move |_| Ok(gone.lock().unwrap().recv().is_ok()));
        let looking = async {
            while writer.state("sqlite_writer").age.is_zero() {
                tokio::task::yield_now().await;
            }
            go.send(()).unwrap();
        };
        let (held, ()) = tokio::join!(holding, looking);
        assert!(held.unwrap());
        numbers(&writer).await;
        assert_eq!(writer.state("sqlite_writer").age, Duration::ZERO);
        writer.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_given_up_before_it_has_begun_never_happens_and_what_has_begun_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Arc::new(writer(&folder));
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = oneshot::channel();
        let (gone, mut begins) = (Mutex::new(gone), Some(begins));
        let holding = move |connection: &Connection| {
            begins.take().unwrap().send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            Ok(connection.execute("INSERT INTO numbers VALUES (1)", ()).unwrap())
        };
        let held = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.run(Instant::now() + Duration::from_millis(100), holding).await })
        };
        begun.await.unwrap();
        let insert = |number: i64| {
            move |connection: &Connection| Ok(connection.execute("INSERT INTO numbers VALUES (?1)", [number]).unwrap())
        };
        let late = writer.run(Instant::now() + Duration::from_millis(100), insert(2)).await;
        assert!(matches!(late, Err(StoreError::TimedOut { .. })), "{late:?}");
        let doubt = held.await.unwrap();
        assert!(matches!(doubt, Err(StoreError::Unknown { .. })), "{doubt:?}");
        tokio::select! {
            biased;
            done = writer.run(Instant::now() + LONG, insert(3)) => panic!("the thread is at work: {done:?}"),
            () = std::future::ready(()) => {}
        }
        go.send(()).unwrap();
        add(&writer, 4).await.unwrap();
        assert_eq!(numbers(&writer).await, [1, 4], "what was in doubt has happened, this time");
        assert_eq!(writer.deadlines.given_up(), 2);
        writer.close().await;
    }
}
