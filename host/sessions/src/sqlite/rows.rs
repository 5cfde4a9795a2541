//! Reads and writes single rows.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vestibule_model::{SessionId, TenantId};

use crate::columns::{SessionRow, millis, session_columns};
use crate::session::{Ended, Session};

/// A session's row from a query that selects its columns, from this one on.
pub(super) fn session_row(row: &Row<'_>, from: usize) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: row.get(from)?,
        user_id: row.get(from + 1)?,
        created_at: row.get(from + 2)?,
        updated_at: row.get(from + 3)?,
        authenticated_at: row.get(from + 4)?,
        last_interacted_at: row.get(from + 5)?,
        idle_expires_at: row.get(from + 6)?,
        expires_at: row.get(from + 7)?,
        device: row.get(from + 8)?,
        clients: row.get(from + 9)?,
        methods: row.get(from + 10)?,
        cookie: row.get(from + 11)?,
        metadata: row.get(from + 12)?,
        revision: row.get(from + 13)?,
        actor: row.get(from + 14)?,
        ended_at: row.get(from + 15)?,
        initiator: row.get(from + 16)?,
    })
}

/// A session's row by its key, with its number in the table.
pub(super) fn kept(connection: &Connection, tenant: &TenantId, id: &SessionId) -> rusqlite::Result<Option<(i64, SessionRow)>> {
    const SELECT: &str = concat!("SELECT number, ", session_columns!(), " FROM sessions WHERE tenant = ?1 AND id = ?2");
    connection
        .prepare_cached(SELECT)?
        .query_row((tenant.as_str(), id.as_str()), |row| Ok((row.get(0)?, session_row(row, 1)?)))
        .optional()
}

/// Writes a new session.
pub(super) fn insert(connection: &Connection, tenant: &TenantId, session: &Session) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO sessions (tenant, ",
        session_columns!(),
        ", ends_at) VALUES (:tenant, :id, :user_id, :created_at, :updated_at, :authenticated_at, :last_interacted_at, \
         :idle_expires_at, :expires_at, :device, :clients, :methods, :cookie, :metadata, :revision, :actor, NULL, NULL, :ends_at)"
    );
    let row = SessionRow::of(session);
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":tenant": tenant.as_str(),
        ":id": row.id,
        ":user_id": row.user_id,
        ":created_at": row.created_at,
        ":updated_at": row.updated_at,
        ":authenticated_at": row.authenticated_at,
        ":last_interacted_at": row.last_interacted_at,
        ":idle_expires_at": row.idle_expires_at,
        ":expires_at": row.expires_at,
        ":device": row.device,
        ":clients": row.clients,
        ":methods": row.methods,
        ":cookie": row.cookie,
        ":metadata": row.metadata,
        ":revision": row.revision,
        ":actor": row.actor,
        ":ends_at": row.ends_at(),
    })?;
    Ok(())
}

/// Writes all that a login or the Management API can change of a session. What stands in an index and can't change is not named: SQLite
/// writes an index anew whenever one of its columns is.
pub(super) fn update(connection: &Connection, number: i64, session: &Session) -> rusqlite::Result<()> {
    const UPDATE: &str = "UPDATE sessions SET updated_at = :updated_at, authenticated_at = :authenticated_at, \
         last_interacted_at = :last_interacted_at, idle_expires_at = :idle_expires_at, expires_at = :expires_at, device = :device, \
         clients = :clients, methods = :methods, cookie = :cookie, metadata = :metadata, revision = :revision, ends_at = :ends_at \
         WHERE number = :number";
    let row = SessionRow::of(session);
    connection.prepare_cached(UPDATE)?.execute(named_params! {
        ":updated_at": row.updated_at,
        ":authenticated_at": row.authenticated_at,
        ":last_interacted_at": row.last_interacted_at,
        ":idle_expires_at": row.idle_expires_at,
        ":expires_at": row.expires_at,
        ":device": row.device,
        ":clients": row.clients,
        ":methods": row.methods,
        ":cookie": row.cookie,
        ":metadata": row.metadata,
        ":revision": row.revision,
        ":ends_at": row.ends_at(),
        ":number": number,
    })?;
    Ok(())
}

/// The answer of a transaction, where it is known.
pub(super) fn answer(connection: &Connection, tenant: &TenantId, id: &str) -> rusqlite::Result<Option<std::sync::Arc<str>>> {
    connection
        .prepare_cached("SELECT answer FROM transactions WHERE tenant = ?1 AND id = ?2")?
        .query_row((tenant.as_str(), id), |row| Ok(row.get_ref(0)?.as_str()?.into()))
        .optional()
}

/// Whether a column of a left join has no row.
pub(super) fn is_absent(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)? == ValueRef::Null)
}

/// Ends a session.
pub(super) fn end(connection: &Connection, number: i64, ended: Ended) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE sessions SET ended_at = ?2, initiator = ?3, updated_at = max(updated_at, ?2), revision = revision + 1 WHERE number = ?1",
        )?
        .execute((number, millis(ended.at), ended.initiator.as_str()))?;
    Ok(())
}
