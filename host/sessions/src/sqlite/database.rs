//! One file: the thread that writes to it, and the connections that read.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::time::Instant;

use super::Errors;
use super::checkpoints::Checkpoints;
use super::deadlines::Deadlines;
use super::open::Place;
use super::readers::Readers;
use super::writer::Writer;
use crate::error::StoreError;
use crate::store::ThreadState;

/// A database in a file.
#[derive(Debug)]
pub(super) struct Database {
    writer: Writer,
    readers: Readers,
    deadlines: Arc<Deadlines>,
    place: Arc<Place>,
}

impl Database {
    /// Makes it where there is none, and brings its schema up to date.
    pub(super) fn open(place: Place) -> Result<Self, StoreError> {
        let place = Arc::new(place);
        let mut connection = place.open_writer()?;
        let checkpoints = Checkpoints::start(&place, &mut connection)?;
        let deadlines = Deadlines::of(&place);
        let writer = Writer::start(&place, connection, checkpoints, &deadlines)?;
        Ok(Self { writer, readers: Readers::open(&place, &deadlines)?, deadlines, place })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// When a call ends that begins now.
    pub(super) fn deadline(&self) -> Instant {
        self.deadlines.next()
    }

    /// Calls that were given up at their deadline.
    pub(super) fn given_up(&self) -> u64 {
        self.deadlines.given_up()
    }

    /// Writes with what the job owns, until a deadline that several of them share.
    pub(super) async fn write_until<T, F>(&self, deadline: Instant, mut work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.place);
        self.writer.run(deadline, move |connection| work(connection, Errors { place: &place })).await
    }

    /// Writes with what the job owns.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_until(self.deadline(), work).await
    }

    /// Reads single rows with what the job owns.
    pub(super) async fn look_up<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.place);
        self.readers.look_up(move |connection| work(connection, Errors { place: &place })).await
    }

    /// Reads for background work with what the job owns.
    pub(super) async fn read_for_worker<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.place);
        self.readers.read_for_worker(move |connection| work(connection, Errors { place: &place })).await
    }

    /// The state of the thread that writes.
    pub(super) fn writer_state(&self, name: &'static str) -> ThreadState {
        self.writer.state(name)
    }

    /// Reads many rows with what the job owns.
    pub(super) async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Errors<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.place);
        self.readers.list(move |connection| work(connection, Errors { place: &place })).await
    }

    /// Ends all work that has begun. The writer's connection is closed last: where no other process
    /// has the file open, SQLite then copies the write-ahead log into the database and deletes it.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
