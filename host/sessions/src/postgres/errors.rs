//! What PostgreSQL's errors mean for whoever has asked, and which of them are worth another try.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;

/// When to try again what the database had no time for.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Why an attempt has not done what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing has happened.
    Sql(Error),
    /// A COMMIT was sent, and its answer has not come, or doesn't say whether it has happened. The
    /// reason.
    Doubt(String),
    /// Somebody else was quicker with the same new row. Nothing has happened; the next attempt
    /// finds it.
    Race,
    /// No other attempt would help.
    Store(StoreError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether another attempt may succeed at once: transactions that were in each other's way, and
/// connections that have broken.
pub(super) fn is_worth_another_try(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            // In a transaction that the database has ended for its slowness nothing has happened.
            const AGAIN: [&SqlState; 3] = [
                &SqlState::T_R_SERIALIZATION_FAILURE,
                &SqlState::T_R_DEADLOCK_DETECTED,
                &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            ];
            AGAIN.contains(&code) || is_end_of_connection(error)
        }
        None => is_broken(error),
    }
}

/// Whether the connection has broken, or the server has ended it.
pub(super) fn is_broken(error: &Error) -> bool {
    match error.code() {
        Some(_) => is_end_of_connection(error),
        // What the server did not say is the connection's fault, unless it is this program's.
        None => error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}

/// Whether the answer to a COMMIT, or to what was sent with it, leaves open whether it has
/// happened. A pooler says so, or a distributed database, by a code: all of class 08 (the
/// connection has failed), and 40003 (completion unknown).
pub(super) fn is_in_doubt(error: &Error) -> bool {
    let is_unknown = |code: &SqlState| code.code().starts_with("08") || *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
    is_broken(error) || error.code().is_some_and(is_unknown)
}

fn is_end_of_connection(error: &Error) -> bool {
    const ENDS: [&SqlState; 4] =
        [&SqlState::ADMIN_SHUTDOWN, &SqlState::CRASH_SHUTDOWN, &SqlState::CANNOT_CONNECT_NOW, &SqlState::IDLE_SESSION_TIMEOUT];
    error.code().is_some_and(|code| ENDS.contains(&code))
}

/// The store's error for one of PostgreSQL's. None of its texts quotes a value: PostgreSQL does
/// that in its details alone.
pub(super) fn store_error(database: &str, error: &Error) -> StoreError {
    let reason = reason(error);
    let Some(code) = error.code() else {
        return if is_broken(error) {
            StoreError::Unreachable { database: database.to_owned(), reason }
        } else {
            StoreError::Failed { reason }
        };
    };
    if error.as_db_error().is_some_and(|error| error.message().starts_with("unsupported startup parameter")) {
        return StoreError::Pooler {
            database: database.to_owned(),
            reason: format!("it takes no settings of a connection: {reason}"),
        };
    }
    match *code {
        SqlState::DISK_FULL => StoreError::Full,
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => StoreError::ReadOnly { reason },
        SqlState::QUERY_CANCELED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::OUT_OF_MEMORY
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => StoreError::Busy { retry_after: RETRY_AFTER },
        _ if is_end_of_connection(error) || is_about_who_asks(code.code()) => {
            StoreError::Unreachable { database: database.to_owned(), reason }
        }
        _ => StoreError::Failed { reason },
    }
}

/// No such database, a wrong password, a user that may not connect, a connection that has failed.
fn is_about_who_asks(code: &str) -> bool {
    ["08", "28", "3D"].iter().any(|class| code.starts_with(class))
}

/// What the database or the system says, in one line.
pub(super) fn reason(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(database), _) => format!("{} ({})", database.message(), database.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
