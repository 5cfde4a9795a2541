//! Copies the write-ahead log into the database, and keeps the log from growing.
//!
//! A thread of its own copies while the writer goes on: that is nearly all of the work. When little
//! is left, the writer copies the rest between two of its batches, and the next batch begins the
//! log anew. Only the writer can do that: while it writes, the log has no end that anybody else
//! could reach.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::open::Place;
use crate::error::StoreError;

/// The part of the log's largest size at which the thread begins to copy. Where it begins sooner it
/// copies some pages more often, since a batch writes anew many of those that the batches before
/// have written, and the writer stands still more often; later, and there may not be room for what
/// comes while it copies.
const BEGIN_AT: i32 = 4;

/// Pages in the log at least: 4 MB.
const FEWEST: i32 = 1_024;

/// Pages that the writer copies by itself: 2 MB, a few milliseconds.
const REST: i32 = 512;

/// The writer's side.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    /// Wakes the thread. None when it has been told to end.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log before the thread copies them.
    copy_at: i32,
    /// Pages in the log before anything is done: `copy_at`, or more where it could not begin anew.
    next_at: i32,
    /// Pages that were in the log after the last batch.
    before: i32,
    /// Pages in the log before the writer waits for the thread.
    most: i32,
}

#[derive(Debug, Default)]
struct Shared {
    /// Pages in the log, as SQLite has said after the last commit.
    pages: AtomicI32,
    thread: Mutex<Copying>,
    has_copied: Condvar,
}

#[derive(Debug, Default)]
struct Copying {
    is_at_work: bool,
    /// Pages of the log that it has copied.
    copied: i32,
}

impl Shared {
    fn thread(&self) -> MutexGuard<'_, Copying> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints {
    /// Starts the thread, and listens to what the writer commits.
    pub(super) fn start(place: &Place, writer: &mut Connection) -> Result<Self, StoreError> {
        let sql = |error: rusqlite::Error| place.error(&error);
        let shared = Arc::new(Shared::default());
        let counted = Arc::clone(&shared);
        writer
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
                counted.pages.store(pages, Ordering::Relaxed);
                Ok(())
            }))
            .map_err(sql)?;
        let page: i64 = writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(sql)?;
        let most = i64::try_from(place.settings.wal_bytes).unwrap_or(i64::MAX) / page.max(1);
        let most = i32::try_from(most).unwrap_or(i32::MAX).max(FEWEST);
        let copy_at = most / BEGIN_AT;
        let connection = place.open_checkpointer()?;
        let (wake, wakes) = sync_channel(1);
        let copied = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("vestibule-copies".into())
            .spawn(move || copy(&connection, &wakes, &copied))
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        Ok(Self { shared, wake: Some(wake), thread: Some(thread), copy_at, next_at: copy_at, before: 0, most })
    }

    /// What is to be done after each batch; almost always nothing.
    pub(super) fn after_batch(&mut self, writer: &Connection) {
        let pages = self.shared.pages.load(Ordering::Relaxed);
        if pages < self.before {
            self.next_at = self.copy_at;
            self.shared.thread().copied = 0;
        }
        self.before = pages;
        if pages < self.next_at {
            return;
        }
        let mut thread = self.shared.thread();
        if pages >= self.most {
            // The disk is slower than the logins: they wait for it.
            while thread.is_at_work {
                thread = self.shared.has_copied.wait(thread).unwrap_or_else(PoisonError::into_inner);
            }
        }
        if thread.is_at_work {
            return;
        }
        if pages - thread.copied <= REST || pages >= self.most {
            drop(thread);
            // It fails where the disk is full: then the log grows, and is copied when there is
            // room. Where somebody still reads what is in it, it can't begin anew. In both cases
            // there is no sense in trying it with every batch.
            let _ = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
            self.next_at = pages.saturating_add(self.copy_at);
        } else if let Some(wake) = &self.wake {
            thread.is_at_work = wake.try_send(()).is_ok();
        }
    }

    /// The last copy, when nobody writes any more.
    pub(super) fn finish(mut self, writer: &Connection) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has ended, too.
            let _ = thread.join();
        }
        // Without a wait for the readers and writers of other processes: a command beside a running
        // server must not hold up its logins. Where this is the last connection, SQLite copies the
        // rest as it is closed, and deletes the log.
        let _ = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
    }
}

fn copy(connection: &Connection, wakes: &Receiver<()>, shared: &Shared) {
    while wakes.recv().is_ok() {
        // A panic here would leave the writer to wait for this thread for ever.
        let copied = catch_unwind(AssertUnwindSafe(|| connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)));
        let mut thread = shared.thread();
        thread.is_at_work = false;
        // After an error the writer tries it once more itself, when the log has grown to its end.
        if let Ok(Ok((_, copied))) = copied {
            thread.copied = copied;
        }
        shared.has_copied.notify_all();
    }
}
