//! Why the store has not done what was asked.

use std::time::Duration;

use thiserror::Error;

/// Why the store has not done what was asked. What wasn't acknowledged has not happened, unless the
/// variant says otherwise.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database can't be opened or reached.
    #[error("the database {database} can't be reached: {reason}")]
    Unreachable {
        /// Its file, or its host and name; never a password.
        database: String,
        /// What the database or the system says.
        reason: String,
    },
    /// The database was migrated by a newer version of this program.
    #[error(
        "the database {database} has schema {found}, and this program knows schemas up to {known}: it was migrated by a newer version; \
         start that one, or restore the backup from before the migration"
    )]
    NewerSchema {
        /// Its file, or its host and name.
        database: String,
        /// The schema's number in the database.
        found: u32,
        /// The last schema's number that this program knows.
        known: u32,
    },
    /// A migration that this program knows was another when it was applied.
    #[error(
        "migration {number} of the database {database} is not the one that was applied to it; the database was changed by something else"
    )]
    OtherMigration {
        /// Its file, or its host and name.
        database: String,
        /// The migration's number.
        number: u32,
    },
    /// There is no room for what was to be written.
    #[error("the database's disk is full; make room on it")]
    Full,
    /// The database can be read alone.
    #[error("the database can't be written to: {reason}")]
    ReadOnly {
        /// What the database says.
        reason: String,
    },
    /// A pooler of connections is between this host and the database, and the store's settings are
    /// not right for it.
    #[error(
        "the database {database} is behind a connection pooler that the store's settings are not right for: {reason}; set `pooler` to \
         `transaction` or `session`, as the pooler has it, or connect to the database itself"
    )]
    Pooler {
        /// Its host and name.
        database: String,
        /// What was found.
        reason: String,
    },
    /// No connection to the database became free.
    #[error(
        "all {connections} connections to the database have been in use for {waited:?}; try again in {retry_after:?}, or raise \
         `store.connections`"
    )]
    Exhausted {
        /// How many there are.
        connections: usize,
        /// How long it was waited.
        waited: Duration,
        /// When to try again.
        retry_after: Duration,
    },
    /// The database has not answered in time, and the call was given up. Where it has gone over a
    /// connection, that was closed.
    #[error("the database {database} has not answered within {after:.1?}; the call was given up")]
    TimedOut {
        /// Its file, or its host and name.
        database: String,
        /// How long it was waited.
        after: Duration,
    },
    /// Too many write at one time, or the database has waited for too long.
    #[error("the database is too busy; try again in {retry_after:?}")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// A commit has no answer, since its connection broke off or its deadline passed, or the answer
    /// leaves it open: it may have happened. A login with a transaction's id can be sent again.
    #[error("whether the database has committed is unknown: {reason}")]
    Unknown {
        /// What the database or the system says.
        reason: String,
    },
    /// What is kept can't be read.
    #[error("the database holds {what} that can't be read: {reason}")]
    Corrupt {
        /// What kind of thing.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The database has refused a statement: a fault of this program, or of the database.
    #[error("the database has failed: {reason}")]
    Failed {
        /// What the database says.
        reason: String,
    },
}
