//! Ends sessions, and writes what their ends owe.

use rusqlite::{Connection, Params, Row};
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::Errors;
use super::rows;
use crate::columns::{self, DeliveryRow, clients_of, delivery_columns, is_marked, millis};
use crate::error::StoreError;
use crate::logout::{self, EndedSession, Owed, Subscriptions};
use crate::session::{Ended, Initiator};

/// What ends a session, and says of whom others have to hear.
macro_rules! ends {
    ($at:literal, $initiator:literal, $which:literal) => {
        concat!(
            "UPDATE sessions SET ended_at = ",
            $at,
            ", initiator = ",
            $initiator,
            ", updated_at = max(updated_at, ",
            $at,
            "), revision = revision + 1 WHERE ",
            $which,
            " RETURNING tenant, id, user_id, clients, metadata, ended_at"
        )
    };
}

/// Ends a session. Whether it was there.
pub(super) fn end(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &SessionId,
    ended: Ended,
) -> Result<bool, StoreError> {
    const END: &str = concat!(
        "UPDATE sessions SET ended_at = ?3, initiator = ?4, updated_at = max(updated_at, ?3), revision = revision + 1 \
         WHERE tenant = ?1 AND id = ?2 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > ?3) \
         AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
        is_marked!(),
        ") RETURNING tenant, id, user_id, clients, metadata, ended_at"
    );
    let keys = (tenant.as_str(), id.as_str(), millis(ended.at), ended.initiator.as_str());
    Ok(end_by(connection, errors, END, keys, ended.initiator, ended.at)? > 0)
}

/// Ends sessions whose time is over, as many as one transaction has room for: how many, and whether
/// there are more.
pub(super) fn expire(
    connection: &Connection,
    errors: Errors<'_>,
    now: Timestamp,
    at_most: usize,
) -> Result<(u64, bool), StoreError> {
    const DUE: &str = concat!(
        "SELECT number, length(clients) FROM sessions \
         WHERE ended_at IS NULL AND ends_at IS NOT NULL AND ends_at <= ?1 AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
        is_marked!(),
        ") ORDER BY ends_at LIMIT ?2"
    );
    const EXPIRE: &str = ends!("ends_at", "?2", "number IN (SELECT value FROM json_each(?1))");
    let initiator = Initiator::SessionExpired;
    let limit = at_most.min(logout::ENDS_AT_ONCE);
    let due = candidates(connection, DUE, (millis(now), columns::rows(limit))).map_err(errors.sql())?;
    let end = logout::in_one_transaction(due.iter().map(|(_, length)| *length));
    let expired = end_by(connection, errors, EXPIRE, (numbers(&due[..end]), initiator.as_str()), initiator, now)?;
    Ok((expired, due.len() >= limit || end < due.len()))
}

/// Sessions that could end in this transaction: the number of each, and the length of its clients.
pub(super) fn candidates(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<Vec<(i64, i64)>> {
    connection.prepare_cached(sql)?.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Their numbers, as a statement takes them.
fn numbers(candidates: &[(i64, i64)]) -> String {
    columns::json(&candidates.iter().map(|(number, _)| *number).collect::<Vec<_>>())
}

/// Ends these sessions: how many there were.
pub(super) fn end_these(
    connection: &Connection,
    errors: Errors<'_>,
    candidates: &[(i64, i64)],
    ended: Ended,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const END: &str = ends!("?2", "?3", "number IN (SELECT value FROM json_each(?1))");
    let keys = (numbers(candidates), millis(ended.at), ended.initiator.as_str());
    end_by(connection, errors, END, keys, ended.initiator, now)
}

fn end_by(
    connection: &Connection,
    errors: Errors<'_>,
    statement: &str,
    parameters: impl Params,
    initiator: Initiator,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let ended = connection
        .prepare_cached(statement)
        .and_then(|mut update| update.query_map(parameters, |row| ended_session(row, initiator))?.collect::<Result<Vec<_>, _>>())
        .map_err(errors.sql())?;
    owe(connection, errors, &ended, now)?;
    Ok(ended.len() as u64)
}

fn ended_session(row: &Row<'_>, initiator: Initiator) -> rusqlite::Result<EndedSession> {
    Ok(EndedSession {
        tenant: row.get(0)?,
        id: row.get(1)?,
        user_id: row.get(2)?,
        clients: clients_of(row.get_ref(3)?.as_str()?),
        metadata: row.get(4)?,
        ended_at: row.get(5)?,
        initiator,
    })
}

/// Writes what these ends owe. Of a session without clients that want to hear of it that is a line
/// of the log, after a look at an index for each of its clients.
pub(super) fn owe(connection: &Connection, errors: Errors<'_>, ended: &[EndedSession], now: Timestamp) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    let most = columns::bytes(errors.place.settings.owes_below);
    let subscriptions = subscriptions(connection, ended, most).map_err(errors.sql())?;
    let Owed { deliveries, log } = logout::owed(ended, &subscriptions, millis(now))?;
    for delivery in &deliveries {
        insert(connection, delivery).map_err(errors.sql())?;
    }
    for line in &log {
        rows::insert_line(connection, &line.tenant, line.kind, line.date, &line.body).map_err(errors.sql())?;
    }
    Ok(())
}

fn subscriptions(connection: &Connection, ended: &[EndedSession], most: i64) -> rusqlite::Result<Subscriptions> {
    let mut full = connection.prepare_cached("SELECT 1 FROM tenant_bytes WHERE tenant = ?1 AND bytes >= ?2")?;
    let mut select = connection.prepare_cached("SELECT logout FROM clients WHERE tenant = ?1 AND id = ?2")?;
    let mut subscriptions = Subscriptions::default();
    for session in ended {
        for client in session.client_ids() {
            if subscriptions.has(&session.tenant, client) {
                continue;
            }
            let mut rows = select.query((session.tenant.as_str(), client))?;
            let logout = match rows.next()? {
                Some(row) => row.get_ref(0)?.as_str_or_null()?,
                None => None,
            };
            subscriptions.add(&session.tenant, client, logout);
            if logout.is_some() && full.exists((session.tenant.as_str(), most))? {
                subscriptions.add_full(&session.tenant);
            }
        }
    }
    Ok(subscriptions)
}

fn insert(connection: &Connection, row: &DeliveryRow) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO deliveries (",
        delivery_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    );
    connection.prepare_cached(INSERT)?.execute(rusqlite::params![
        row.tenant,
        row.id,
        row.client_id,
        row.session_id,
        row.user_id,
        row.url,
        row.receiver,
        row.initiator,
        row.ended_at,
        row.metadata,
        row.created_at,
        row.attempts,
        row.due_at,
        row.claim,
        row.last_error,
        row.state,
        row.finished_at,
    ])?;
    Ok(())
}

/// A delivery's row from a query that selects its columns, and others behind them.
pub(super) fn delivery_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        tenant: row.get(0)?,
        id: row.get(1)?,
        client_id: row.get(2)?,
        session_id: row.get(3)?,
        user_id: row.get(4)?,
        url: row.get(5)?,
        receiver: row.get(6)?,
        initiator: row.get(7)?,
        ended_at: row.get(8)?,
        metadata: row.get(9)?,
        created_at: row.get(10)?,
        attempts: row.get(11)?,
        due_at: row.get(12)?,
        claim: row.get(13)?,
        last_error: row.get(14)?,
        state: row.get(15)?,
        finished_at: row.get(16)?,
    })
}
