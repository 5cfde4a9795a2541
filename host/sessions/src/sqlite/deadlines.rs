//! How long a call to one file may take, and how many were given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::open::Place;
use crate::error::StoreError;

/// The deadlines of all calls to one file.
#[derive(Debug)]
pub(super) struct Deadlines {
    database: String,
    call: Duration,
    given_up: AtomicU64,
}

impl Deadlines {
    pub(super) fn of(place: &Place) -> Arc<Self> {
        Arc::new(Self { database: place.name(), call: place.settings.call, given_up: AtomicU64::new(0) })
    }

    /// Of a call that begins now.
    pub(super) fn next(&self) -> Instant {
        Instant::now() + self.call
    }

    /// Counts a call that was given up, and has not happened.
    pub(super) fn not_done(&self) -> StoreError {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        StoreError::TimedOut { database: self.database.clone(), after: self.call }
    }

    /// Counts a call that was given up while the writer worked on it.
    pub(super) fn in_doubt(&self) -> StoreError {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        StoreError::Unknown { reason: format!("the disk has not taken it within {:.1?}", self.call) }
    }

    /// How many were given up since the file was opened.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }
}
