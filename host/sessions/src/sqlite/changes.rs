//! What changes sessions but no login does: the Management API, and the sweep.

use rusqlite::Connection;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp};

use super::{Errors, logouts, marks, rows};
use crate::columns::{self, millis};
use crate::error::StoreError;
use crate::merge;
use crate::session::Session;
use crate::store::{Retention, Swept};

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

pub(super) fn sweep(
    connection: &Connection,
    errors: Errors<'_>,
    now: Timestamp,
    keep: Retention,
    at_most: usize,
) -> Result<Swept, StoreError> {
    const ENDED: &str = "DELETE FROM sessions WHERE number IN (SELECT number FROM sessions \
         WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2)";
    const TRANSACTIONS: &str =
        "DELETE FROM transactions WHERE number IN (SELECT number FROM transactions WHERE at < ?1 ORDER BY at LIMIT ?2)";
    const LOG: &str = "DELETE FROM log WHERE position IN (SELECT position FROM log WHERE date < ?1 ORDER BY date LIMIT ?2)";
    const DELIVERIES: &str = "DELETE FROM deliveries WHERE number IN (SELECT number FROM deliveries \
         WHERE finished_at IS NOT NULL AND finished_at < ?1 ORDER BY finished_at LIMIT ?2)";
    let limit = columns::rows(at_most);
    let (expired, is_more) = logouts::expire(connection, errors, now, at_most)?;
    let mut swept = Swept { expired, forgotten: 0, is_more };
    marks::sweep(connection, millis(now), millis(keep.ended_since), limit).map_err(errors.sql())?;
    let tables = [
        (ENDED, keep.ended_since),
        (TRANSACTIONS, keep.transactions_since),
        (LOG, keep.log_since),
        (DELIVERIES, keep.deliveries_since),
    ];
    for (statement, since) in tables {
        let forgotten = connection
            .prepare_cached(statement)
            .and_then(|mut delete| delete.execute((millis(since), limit)))
            .map_err(errors.sql())?;
        swept.forgotten += forgotten as u64;
        swept.is_more |= forgotten >= at_most;
    }
    Ok(swept)
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
