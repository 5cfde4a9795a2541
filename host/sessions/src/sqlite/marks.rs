//! All sessions of a user end by one mark, whatever their number; their ends are written some at a
//! time.

use rusqlite::{Connection, OptionalExtension as _};
use vestibule_model::{TenantId, Timestamp, UserId};

use super::Errors;
use super::logouts::{candidates, end_these};
use crate::columns::{self, is_marked, millis};
use crate::error::StoreError;
use crate::logout;
use crate::session::Ended;
use crate::store::{EndedAll, EndsWritten, MARK_GRACE_MILLIS};

/// A mark whose ends are to be written: that has a session left.
macro_rules! unwritten {
    () => {
        concat!(
            " FROM user_ends WHERE written_at IS NULL AND tenant > ?1 AND EXISTS (SELECT 1 FROM sessions \
             WHERE sessions.tenant = user_ends.tenant AND sessions.user_id = user_ends.user_id AND sessions.ended_at IS NULL AND ",
            is_marked!(),
            ") ORDER BY tenant, mark LIMIT 1"
        )
    };
}

pub(super) fn end_all_of(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    user: &UserId,
    ended: Ended,
    at_once: usize,
) -> Result<EndedAll, StoreError> {
    const ALIVE: &str = concat!(
        "SELECT number, length(clients) FROM sessions \
         WHERE tenant = ?1 AND user_id = ?2 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > ?3) \
         AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
        is_marked!(),
        ") ORDER BY id LIMIT ?4"
    );
    // A session that is created after a mark has that mark, so the next one is above it, whatever
    // the clock says.
    const MARK: &str = "INSERT INTO user_ends (tenant, user_id, mark, ended_at, initiator) SELECT ?1, ?2, \
         max(?3, coalesce((SELECT max(mark) FROM user_ends WHERE tenant = ?1 AND user_id = ?2), 0) + 1), ?3, ?4";
    let at_once = at_once.min(logout::ENDS_AT_ONCE);
    let limit = columns::rows(at_once.saturating_add(1));
    let (owner, user, at) = (tenant.as_str(), user.as_str(), millis(ended.at));
    let alive = candidates(connection, ALIVE, (owner, user, at, limit)).map_err(errors.sql())?;
    if alive.len() <= at_once && logout::in_one_transaction(alive.iter().map(|(_, length)| *length)) == alive.len() {
        return end_these(connection, errors, &alive, ended, ended.at).map(EndedAll::Written);
    }
    connection
        .prepare_cached(MARK)
        .and_then(|mut insert| insert.execute((owner, user, at, ended.initiator.as_str())))
        .map_err(errors.sql())?;
    Ok(EndedAll::Marked)
}

/// Whether there is a mark whose ends are to be written, of a tenant after this one.
pub(super) fn is_any(connection: &Connection, errors: Errors<'_>, after: Option<&TenantId>) -> Result<bool, StoreError> {
    const ANY: &str = concat!("SELECT 1", unwritten!());
    let after = after.map_or("", TenantId::as_str);
    connection.prepare_cached(ANY).and_then(|mut select| select.exists([after])).map_err(errors.sql())
}

pub(super) fn write_ends(
    connection: &Connection,
    errors: Errors<'_>,
    after: Option<&TenantId>,
    now: Timestamp,
    at_most: usize,
) -> Result<Option<EndsWritten>, StoreError> {
    const NEXT: &str = concat!("SELECT tenant, user_id, mark, ended_at, initiator", unwritten!());
    const MARKED: &str = "SELECT number, length(clients) FROM sessions \
         WHERE tenant = ?1 AND user_id = ?2 AND ended_at IS NULL AND mark < ?3 AND (ends_at IS NULL OR ends_at > ?4) \
         ORDER BY id LIMIT ?5";
    let after = after.map_or("", TenantId::as_str);
    let row = |row: &rusqlite::Row<'_>| {
        let (tenant, user, initiator): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(4)?);
        Ok((tenant, user, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, initiator))
    };
    let next =
        connection.prepare_cached(NEXT).and_then(|mut select| select.query_row([after], row).optional()).map_err(errors.sql())?;
    let Some((tenant, user, mark, at, initiator)) = next else { return Ok(None) };
    let limit = columns::rows(at_most.min(logout::ENDS_AT_ONCE));
    let marked = candidates(connection, MARKED, (&tenant, &user, mark, at, limit)).map_err(errors.sql())?;
    let end = logout::in_one_transaction(marked.iter().map(|(_, length)| *length));
    let ended = columns::ended(at, &initiator)?;
    let sessions = end_these(connection, errors, &marked[..end], ended, now)?;
    Ok(Some(EndsWritten { tenant: columns::tenant_of(&tenant)?, sessions }))
}

/// Marks are written when they have no session left, and forgotten when ended sessions are.
pub(super) fn sweep(connection: &Connection, now: i64, ended_since: i64, limit: i64) -> rusqlite::Result<()> {
    const WRITTEN: &str = concat!(
        "UPDATE user_ends SET written_at = ?1 WHERE written_at IS NULL AND (tenant, user_id, mark) IN \
         (SELECT tenant, user_id, mark FROM user_ends WHERE written_at IS NULL AND ended_at < ?1 - ?2 AND NOT EXISTS \
         (SELECT 1 FROM sessions WHERE sessions.tenant = user_ends.tenant AND sessions.user_id = user_ends.user_id \
         AND sessions.ended_at IS NULL AND ",
        is_marked!(),
        ") LIMIT ?3)"
    );
    const FORGOTTEN: &str = "DELETE FROM user_ends WHERE (tenant, user_id, mark) IN \
         (SELECT tenant, user_id, mark FROM user_ends WHERE written_at IS NOT NULL AND written_at < ?1 LIMIT ?2)";
    connection.prepare_cached(WRITTEN)?.execute((now, MARK_GRACE_MILLIS, limit))?;
    connection.prepare_cached(FORGOTTEN)?.execute((ended_since, limit)).map(drop)
}
