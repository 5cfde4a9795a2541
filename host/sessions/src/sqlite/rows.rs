//! Reads and writes single rows.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use vestibule_model::{SessionId, TenantId, Timestamp};

use crate::columns::{SessionRow, millis, read_session_columns, session_columns};
use crate::error::StoreError;
use crate::ids::TransactionId;
use crate::log::NewLogEntry;
use crate::login::{KeptAnswer, NewTransaction, RequestDigest};
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
    const SELECT: &str = concat!("SELECT number, ", read_session_columns!(), " FROM sessions WHERE tenant = ?1 AND id = ?2");
    connection
        .prepare_cached(SELECT)?
        .query_row((tenant.as_str(), id.as_str()), |row| Ok((row.get(0)?, session_row(row, 1)?)))
        .optional()
}

/// Writes a new session.
pub(super) fn insert(connection: &Connection, tenant: &TenantId, row: &SessionRow) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO sessions (",
        session_columns!(),
        ", tenant, ends_at, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, NULL, NULL, ?16, ?17, \
         coalesce((SELECT max(mark) FROM user_ends WHERE tenant = ?16 AND user_id = ?2), 0))"
    );
    connection.prepare_cached(INSERT)?.execute(params![
        row.id,
        row.user_id,
        row.created_at,
        row.updated_at,
        row.authenticated_at,
        row.last_interacted_at,
        row.idle_expires_at,
        row.expires_at,
        row.device,
        row.clients,
        row.methods,
        row.cookie,
        row.metadata,
        row.revision,
        row.actor,
        tenant.as_str(),
        row.ends_at(),
    ])?;
    Ok(())
}

/// Writes all that a login or the Management API can change of a session. What stands in an index
/// and can't change is not named: SQLite writes an index anew whenever one of its columns is.
pub(super) fn update(connection: &Connection, number: i64, session: &Session) -> rusqlite::Result<()> {
    const UPDATE: &str = "UPDATE sessions SET updated_at = ?2, authenticated_at = ?3, last_interacted_at = ?4, idle_expires_at = ?5, \
         expires_at = ?6, device = ?7, clients = ?8, methods = ?9, cookie = ?10, metadata = ?11, revision = ?12, ends_at = ?13 \
         WHERE number = ?1";
    let row = SessionRow::of(session);
    connection.prepare_cached(UPDATE)?.execute(params![
        number,
        row.updated_at,
        row.authenticated_at,
        row.last_interacted_at,
        row.idle_expires_at,
        row.expires_at,
        row.device,
        row.clients,
        row.methods,
        row.cookie,
        row.metadata,
        row.revision,
        row.ends_at(),
    ])?;
    Ok(())
}

/// Ends a session.
pub(super) fn end(connection: &Connection, number: i64, ended: Ended) -> rusqlite::Result<()> {
    const END: &str = "UPDATE sessions SET ended_at = ?2, initiator = ?3, updated_at = max(updated_at, ?2), revision = revision + 1 \
         WHERE number = ?1";
    connection.prepare_cached(END)?.execute((number, millis(ended.at), ended.initiator.as_str()))?;
    Ok(())
}

/// Writes a transaction. Whether it is a new one.
pub(super) fn insert_transaction(
    connection: &Connection,
    tenant: &TenantId,
    at: Timestamp,
    transaction: &NewTransaction,
) -> rusqlite::Result<bool> {
    const INSERT: &str =
        "INSERT INTO transactions (tenant, id, at, request, answer) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let NewTransaction { id, request, answer } = transaction;
    let columns = (tenant.as_str(), id.as_str(), millis(at), request.as_bytes(), &**answer);
    Ok(connection.prepare_cached(INSERT)?.execute(columns)? > 0)
}

/// The columns `request` and `answer` of a transaction.
pub(super) struct AnswerRow {
    request: Vec<u8>,
    answer: Arc<str>,
}

impl AnswerRow {
    pub(super) fn read(self) -> Result<KeptAnswer, StoreError> {
        Ok(KeptAnswer { request: RequestDigest::read(&self.request)?, json: self.answer })
    }
}

/// A transaction's answer, from a query whose first columns are `request` and `answer`.
pub(super) fn answer_row(row: &Row<'_>) -> rusqlite::Result<AnswerRow> {
    Ok(AnswerRow { request: row.get(0)?, answer: row.get_ref(1)?.as_str()?.into() })
}

/// The answer of a transaction, where it is known.
pub(super) fn answer(connection: &Connection, tenant: &TenantId, id: &TransactionId) -> rusqlite::Result<Option<AnswerRow>> {
    connection
        .prepare_cached("SELECT request, answer FROM transactions WHERE tenant = ?1 AND id = ?2")?
        .query_row((tenant.as_str(), id.as_str()), answer_row)
        .optional()
}

/// Writes an entry of the log.
pub(super) fn insert_entry(connection: &Connection, tenant: &TenantId, entry: &NewLogEntry, body: &str) -> rusqlite::Result<()> {
    insert_line(connection, tenant.as_str(), entry.kind.as_str(), millis(entry.date), body)
}

/// The same, of what is written out already.
pub(super) fn insert_line(connection: &Connection, tenant: &str, kind: &str, date: i64, body: &str) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO log (tenant, kind, date, body) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(INSERT)?.execute((tenant, kind, date, body))?;
    Ok(())
}

/// Whether a column of a left join has no row.
pub(super) fn is_absent(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)? == ValueRef::Null)
}
