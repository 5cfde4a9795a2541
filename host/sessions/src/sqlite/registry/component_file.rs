//! The file that has the bytes of components. Which of them count, the main file says.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::rows::{execute, query};
use crate::columns;
use crate::error::StoreError;
use crate::sqlite::Errors;

pub(super) fn insert(connection: &Connection, errors: Errors<'_>, id: &str, bytes: &Bytes) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO components (id, bytes) VALUES (?1, ?2)";
    execute(connection, INSERT, (id, bytes.as_ref())).map(drop).map_err(errors.sql())
}

pub(super) fn is_there(connection: &Connection, errors: Errors<'_>, id: &str) -> Result<bool, StoreError> {
    const THERE: &str = "SELECT 1 FROM components WHERE id = ?1";
    connection.prepare_cached(THERE).and_then(|mut select| select.exists([id])).map_err(errors.sql())
}

pub(super) fn read(connection: &Connection, errors: Errors<'_>, id: &str) -> Result<Option<Bytes>, StoreError> {
    const BYTES: &str = "SELECT bytes FROM components WHERE id = ?1";
    connection
        .prepare_cached(BYTES)
        .and_then(|mut select| select.query_row([id], |row| row.get::<_, Vec<u8>>(0)).optional())
        .map(|bytes| bytes.map(Bytes::from))
        .map_err(errors.sql())
}

pub(super) fn delete(connection: &Connection, errors: Errors<'_>, id: &str) -> Result<(), StoreError> {
    execute(connection, "DELETE FROM components WHERE id = ?1", [id]).map(drop).map_err(errors.sql())
}

/// Bytes that are there.
#[derive(Clone, Debug)]
pub(super) struct There {
    /// Their place in the file.
    pub(super) number: i64,
    pub(super) id: String,
    pub(super) size: i64,
}

/// Those behind this place, in the order of their places. Their bytes aren't read.
pub(super) fn after(connection: &Connection, errors: Errors<'_>, after: i64, take: usize) -> Result<Vec<There>, StoreError> {
    const AFTER: &str = "SELECT number, id, octet_length(bytes) FROM components WHERE number > ?1 ORDER BY number LIMIT ?2";
    let row = |row: &Row<'_>| Ok(There { number: row.get(0)?, id: row.get(1)?, size: row.get(2)? });
    query(connection, AFTER, (after, columns::rows(take)), row).map_err(errors.sql())
}
