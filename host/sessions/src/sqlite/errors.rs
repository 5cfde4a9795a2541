//! What SQLite's codes mean for whoever has asked.

use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::StoreError;

/// When to try again what another process has kept from the database: it writes in batches of a few
/// milliseconds.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The store's error for one of SQLite's. None of its texts quotes a value.
pub(super) fn store_error(database: &str, error: &rusqlite::Error) -> StoreError {
    let reason = error.to_string();
    let Some(code) = error.sqlite_error() else {
        return StoreError::Failed { reason };
    };
    match (code.code, code.extended_code) {
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => StoreError::ReadOnly { reason },
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => StoreError::Busy { retry_after: RETRY_AFTER },
        (ErrorCode::CannotOpen | ErrorCode::NotADatabase, _) => StoreError::Unreachable { database: database.to_owned(), reason },
        (ErrorCode::DatabaseCorrupt, _) => StoreError::Corrupt { what: "a page", reason },
        (_, ffi::SQLITE_IOERR_ACCESS | ffi::SQLITE_IOERR_LOCK | ffi::SQLITE_IOERR_SHMOPEN) => StoreError::ReadOnly { reason },
        _ => StoreError::Failed { reason },
    }
}

/// The store's error for a COMMIT that has failed. Where the system could not say whether the bytes
/// are on the disk, nobody can.
pub(super) fn commit_error(database: &str, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::Unknown { reason: error.to_string() },
        _ => store_error(database, error),
    }
}
