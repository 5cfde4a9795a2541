//! What changes sessions but no login does: the Management API, and the sweep.

use rusqlite::Connection;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp};

use super::registry::sweep_components;
use super::{Errors, SqliteStore, logouts, marks, rows};
use crate::columns::{self, millis};
use crate::error::StoreError;
use crate::merge;
use crate::session::Session;
use crate::store::{Retention, SWEPT_BYTES, Swept, fitting};

pub(super) fn replace_metadata(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &SessionId,
    metadata: &Metadata,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let Some((number, session)) = alive(connection, errors, tenant, id, now)? else { return Ok(None) };
    let session = merge::with_metadata(session, metadata.clone(), now);
    rows::update(connection, number, &session).map_err(errors.sql())?;
    Ok(Some(session))
}

/// Rows that are forgotten when they have been kept for long enough.
#[derive(Clone, Copy)]
struct Kept {
    /// The oldest of them, and the bytes of each, which are not read.
    find: &'static str,
    forget: &'static str,
}

const ENDED: Kept = Kept {
    find: "SELECT number, octet_length(device) + octet_length(clients) + octet_length(methods) + octet_length(metadata) FROM sessions \
         WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2",
    forget: "DELETE FROM sessions WHERE number = ?1",
};

const TRANSACTIONS: Kept = Kept {
    find: "SELECT number, octet_length(answer) FROM transactions WHERE at < ?1 ORDER BY at LIMIT ?2",
    forget: "DELETE FROM transactions WHERE number = ?1",
};

const LOG: Kept = Kept {
    find: "SELECT position, octet_length(body) FROM log WHERE date < ?1 ORDER BY date LIMIT ?2",
    forget: "DELETE FROM log WHERE position = ?1",
};

const DELIVERIES: Kept = Kept {
    find: "SELECT number, octet_length(url) + ifnull(octet_length(metadata), 0) FROM deliveries \
         WHERE finished_at IS NOT NULL AND finished_at < ?1 ORDER BY finished_at LIMIT ?2",
    forget: "DELETE FROM deliveries WHERE number = ?1",
};

/// A job for each kind, so that none holds up the logins for long.
pub(super) async fn sweep(store: &SqliteStore, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError> {
    let limit = columns::rows(at_most);
    let (expired, is_more) = store.write(move |connection, errors| logouts::expire(connection, errors, now, at_most)).await?;
    let mut swept = Swept { expired, forgotten: 0, is_more };
    let marks = move |connection: &Connection, errors: Errors<'_>| {
        marks::sweep(connection, millis(now), millis(keep.ended_since), limit).map_err(errors.sql())
    };
    store.write(marks).await?;
    let kinds = [
        (ENDED, keep.ended_since),
        (TRANSACTIONS, keep.transactions_since),
        (LOG, keep.log_since),
        (DELIVERIES, keep.deliveries_since),
    ];
    for (kind, since) in kinds {
        let (forgotten, is_more) =
            store.write(move |connection, errors| forget(connection, errors, kind, since, at_most)).await?;
        swept.forgotten += forgotten;
        swept.is_more |= is_more;
    }
    let (removed, is_more) = sweep_components(store, now, at_most).await?;
    swept.forgotten += removed;
    swept.is_more |= is_more;
    Ok(swept)
}

/// How many were forgotten, and whether there may be more.
fn forget(
    connection: &Connection,
    errors: Errors<'_>,
    kind: Kept,
    since: Timestamp,
    at_most: usize,
) -> Result<(u64, bool), StoreError> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let found: Vec<(i64, i64)> = connection
        .prepare_cached(kind.find)
        .and_then(|mut find| find.query_map((millis(since), columns::rows(at_most)), row)?.collect())
        .map_err(errors.sql())?;
    let fit = fitting(found.iter().map(|(_, bytes)| *bytes), SWEPT_BYTES);
    let mut forget = connection.prepare_cached(kind.forget).map_err(errors.sql())?;
    for (number, _) in &found[..fit] {
        forget.execute([number]).map_err(errors.sql())?;
    }
    Ok((fit as u64, fit < found.len() || found.len() >= at_most))
}

fn alive(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &SessionId,
    now: Timestamp,
) -> Result<Option<(i64, Session)>, StoreError> {
    match rows::kept(connection, tenant, id).map_err(errors.sql())? {
        Some((number, row)) => Ok(row.read()?.alive(now).map(|session| (number, session))),
        None => Ok(None),
    }
}
