//! Reads: a user's sessions, and a tenant's log.

use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use vestibule_model::{SessionId, TenantId, Timestamp, UserId};

use super::Errors;
use super::rows::{kept, session_row};
use crate::columns::{self, is_marked, millis, read_session_columns};
use crate::error::StoreError;
use crate::log::{LogEntry, LogPosition};
use crate::session::Session;
use crate::store::{Page, SessionCursor};

pub(super) fn session(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &SessionId,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    match kept(connection, tenant, id).map_err(errors.sql())? {
        Some((_, row)) => Ok(row.read()?.alive(now)),
        None => Ok(None),
    }
}

pub(super) fn sessions_of(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    user: &UserId,
    after: Option<&SessionCursor>,
    take: usize,
    now: Timestamp,
) -> Result<Page, StoreError> {
    const OF_USER: &str = concat!(
        "SELECT ",
        read_session_columns!(),
        " FROM sessions WHERE tenant = ?1 AND user_id = ?2 AND id > ?3 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > ?4) \
         AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
        is_marked!(),
        ") ORDER BY id LIMIT ?5"
    );
    // No id is empty, so all come after this.
    let after = after.map_or("", |cursor| cursor.0.as_str());
    // One more than asked for tells whether there is another page.
    let limit = columns::rows(take.saturating_add(1));
    let mut statement = connection.prepare_cached(OF_USER).map_err(errors.sql())?;
    let found = statement
        .query_map((tenant.as_str(), user.as_str(), after, millis(now), limit), |row| session_row(row, 0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(errors.sql())?;
    let sessions = found.iter().map(|row| Ok(row.read()?.session)).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Page::of(sessions, take))
}

pub(super) fn log_after(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    after: LogPosition,
    take: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    const AFTER: &str =
        "SELECT position, kind, date, body FROM log WHERE tenant = ?1 AND position > ?2 ORDER BY position LIMIT ?3";
    entries(connection, errors, AFTER, (tenant.as_str(), columns::position(after), columns::rows(take)))
}

pub(super) fn latest_log(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    skip: usize,
    take: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    const LATEST: &str = "SELECT position, kind, date, body FROM log WHERE tenant = ?1 ORDER BY position DESC LIMIT ?3 OFFSET ?2";
    entries(connection, errors, LATEST, (tenant.as_str(), columns::rows(skip), columns::rows(take)))
}

pub(super) fn log_entry(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    position: LogPosition,
) -> Result<Option<LogEntry>, StoreError> {
    connection
        .prepare_cached("SELECT position, kind, date, body FROM log WHERE position = ?2 AND tenant = ?1")
        .and_then(|mut select| select.query_row((tenant.as_str(), columns::position(position)), entry).optional())
        .map_err(errors.sql())?
        .transpose()
}

fn entries(
    connection: &Connection,
    errors: Errors<'_>,
    statement: &str,
    parameters: impl Params,
) -> Result<Vec<LogEntry>, StoreError> {
    let mut statement = connection.prepare_cached(statement).map_err(errors.sql())?;
    let mut rows = statement.query(parameters).map_err(errors.sql())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(errors.sql())? {
        found.push(entry(row).map_err(errors.sql())??);
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Result<LogEntry, StoreError>> {
    let (kind, body) = (row.get_ref(1)?.as_str()?, row.get_ref(3)?.as_str()?);
    Ok(columns::log_entry(row.get(0)?, kind, row.get(2)?, body))
}
