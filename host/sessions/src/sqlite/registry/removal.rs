//! Bytes of components that nothing names are removed, one component in each transaction of their
//! own file.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, Row};
use vestibule_model::Timestamp;

use super::component_file;
use super::rows::{execute, query};
use crate::columns::{self, json, millis};
use crate::error::StoreError;
use crate::sqlite::{Errors, SqliteStore};
use crate::store::{REMOVED_BYTES, fitting};

/// How long an upload may take from its row to its draft. A component of 32 MB takes half a second,
/// and waits for its turn and the disk.
const UPLOAD_MILLIS: i64 = 600_000;

/// Removes bytes that have gone, those of uploads that were broken off, and those that the main
/// file doesn't know: how many, and whether there are more.
pub(in crate::sqlite) async fn sweep(store: &SqliteStore, now: Timestamp, at_most: usize) -> Result<(u64, bool), StoreError> {
    let before = millis(now).saturating_sub(UPLOAD_MILLIS);
    let mut found = store.read_for_worker(move |connection, errors| to_remove(connection, errors, before, at_most)).await?;
    let fit = fitting(found.iter().map(|(_, size)| *size), REMOVED_BYTES);
    let is_more = fit < found.len() || found.len() >= at_most;
    found.truncate(fit);
    let mut removed = 0;
    if !found.is_empty() {
        let ids = json(&found.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
        // From here on no upload makes one of them a draft.
        let gone = store.write(move |connection, errors| take(connection, errors, &ids, before)).await?;
        removed = gone.len() as u64;
        let ids = json(&gone);
        remove(store, gone).await?;
        store.write(move |connection, errors| forget(connection, errors, &ids)).await?;
    }
    let unknown = sweep_unknown(store, at_most).await?;
    Ok((removed + unknown, is_more))
}

async fn remove(store: &SqliteStore, ids: Vec<String>) -> Result<(), StoreError> {
    for id in ids {
        store.components.write(move |connection, errors| component_file::delete(connection, errors, &id)).await?;
    }
    Ok(())
}

/// Looks at the next ones of the file, which are known unless one of the two files was restored
/// without the other. The main file is asked after that, and has known them before they were
/// written.
async fn sweep_unknown(store: &SqliteStore, at_most: usize) -> Result<u64, StoreError> {
    let after = store.components_seen.load(Ordering::Relaxed);
    let mut there = store
        .components
        .read_for_worker(move |connection, errors| component_file::after(connection, errors, after, at_most))
        .await?;
    let fit = fitting(there.iter().map(|there| there.size), REMOVED_BYTES);
    let is_end = there.len() < at_most && fit == there.len();
    there.truncate(fit);
    let last = there.last().filter(|_| !is_end).map_or(0, |last| last.number);
    let ids = json(&there.into_iter().map(|there| there.id).collect::<Vec<_>>());
    let unknown = store.read_for_worker(move |connection, errors| not_known(connection, errors, &ids)).await?;
    let removed = unknown.len() as u64;
    remove(store, unknown).await?;
    store.components_seen.store(last, Ordering::Relaxed);
    Ok(removed)
}

/// Names and sizes.
fn to_remove(connection: &Connection, errors: Errors<'_>, before: i64, at_most: usize) -> Result<Vec<(String, i64)>, StoreError> {
    const FOUND: &str = "SELECT id, size FROM components WHERE state <> 'kept' AND (state = 'gone' OR since < ?1) \
         ORDER BY since LIMIT ?2";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    query(connection, FOUND, (before, columns::rows(at_most)), row).map_err(errors.sql())
}

/// Those of them that nothing can name any more.
fn take(connection: &Connection, errors: Errors<'_>, ids: &str, before: i64) -> Result<Vec<String>, StoreError> {
    const BROKEN_OFF: &str = "UPDATE components SET state = 'gone' WHERE id IN (SELECT value FROM json_each(?1)) \
         AND state = 'arriving' AND since < ?2";
    const GONE: &str = "SELECT id FROM components WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'gone'";
    execute(connection, BROKEN_OFF, (ids, before)).map_err(errors.sql())?;
    query(connection, GONE, [ids], |row| row.get(0)).map_err(errors.sql())
}

fn forget(connection: &Connection, errors: Errors<'_>, ids: &str) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM components WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'gone'";
    execute(connection, FORGET, [ids]).map(drop).map_err(errors.sql())
}

fn not_known(connection: &Connection, errors: Errors<'_>, ids: &str) -> Result<Vec<String>, StoreError> {
    const UNKNOWN: &str =
        "SELECT value FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM components WHERE components.id = json_each.value)";
    query(connection, UNKNOWN, [ids], |row| row.get(0)).map_err(errors.sql())
}
