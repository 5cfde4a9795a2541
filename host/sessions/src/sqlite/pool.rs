//! Connections that are handed out and come back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::StoreError;

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
    /// How many wait for one to come back: to tell nobody of it would be a call of the system all
    /// the same.
    waiting: usize,
    is_closed: bool,
}

impl Pool {
    pub(super) fn open(count: usize, open: impl Fn() -> Result<Connection, StoreError>) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| open()).collect::<Result<_, _>>()?;
        Ok(Self {
            idle: Mutex::new(Idle { connections, handed_out: 0, waiting: 0, is_closed: false }),
            has_come_back: Condvar::new(),
        })
    }

    /// None where it is closed. Whoever calls has a permit for one of the connections: one is idle.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> Option<T> {
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
        let mut lent = Lent { pool: self, connection: Some(connection) };
        lent.connection.as_mut().map(work)
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

    /// Waits for those that are handed out, and closes all.
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
