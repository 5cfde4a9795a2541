//! Reads and writes single rows.

use tokio_postgres::{Error, Row};

use super::errors::Trouble;
use super::parameters::Parameter;
use crate::columns::{DeliveryRow, SessionRow, read_session_columns, session_columns};
use crate::error::StoreError;
use crate::login::{KeptAnswer, RequestDigest};

pub(super) const SELECT_FOR_UPDATE: &str =
    concat!("SELECT ", read_session_columns!(), " FROM sessions WHERE tenant = $1 AND id = $2 FOR UPDATE");

pub(super) const INSERT: &str = concat!(
    "INSERT INTO sessions (tenant, ",
    session_columns!(),
    ", ends_at, mark) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, NULL, NULL, $17, \
     coalesce((SELECT max(mark) FROM user_ends WHERE tenant = $1 AND user_id = $3), 0))"
);

/// Writes all that a login or the Management API can change of a session.
pub(super) const UPDATE: &str = "UPDATE sessions SET updated_at = $3, authenticated_at = $4, last_interacted_at = $5, \
     idle_expires_at = $6, expires_at = $7, device = $8, clients = $9, methods = $10, cookie = $11, metadata = $12, revision = $13, \
     ends_at = $14 WHERE tenant = $1 AND id = $2";

pub(super) const END: &str = "UPDATE sessions SET ended_at = $3, initiator = $4, updated_at = greatest(updated_at, $3), \
     revision = revision + 1 WHERE tenant = $1 AND id = $2";

/// A session's row from a query that selects its columns, from this one on.
pub(super) fn session_row(row: &Row, from: usize) -> Result<SessionRow, Trouble> {
    Ok(SessionRow {
        id: text(row.try_get(from)?)?,
        user_id: text(row.try_get(from + 1)?)?,
        created_at: row.try_get(from + 2)?,
        updated_at: row.try_get(from + 3)?,
        authenticated_at: row.try_get(from + 4)?,
        last_interacted_at: row.try_get(from + 5)?,
        idle_expires_at: row.try_get(from + 6)?,
        expires_at: row.try_get(from + 7)?,
        device: row.try_get(from + 8)?,
        clients: row.try_get(from + 9)?,
        methods: row.try_get(from + 10)?,
        cookie: row.try_get(from + 11)?,
        metadata: row.try_get(from + 12)?,
        revision: row.try_get(from + 13)?,
        actor: row.try_get(from + 14)?,
        ended_at: row.try_get(from + 15)?,
        initiator: row.try_get(from + 16)?,
    })
}

/// What [`INSERT`] takes, after the tenant.
pub(super) fn insert_parameters<'a>(tenant: &'a &'a [u8], row: &'a BytesRow) -> [Parameter<'a>; 17] {
    let BytesRow { id, user_id, ends_at, row } = row;
    [
        tenant,
        id,
        user_id,
        &row.created_at,
        &row.updated_at,
        &row.authenticated_at,
        &row.last_interacted_at,
        &row.idle_expires_at,
        &row.expires_at,
        &row.device,
        &row.clients,
        &row.methods,
        &row.cookie,
        &row.metadata,
        &row.revision,
        &row.actor,
        ends_at,
    ]
}

/// What [`UPDATE`] takes.
pub(super) fn update_parameters<'a>(tenant: &'a &'a [u8], row: &'a BytesRow) -> [Parameter<'a>; 14] {
    let BytesRow { id, user_id: _, ends_at, row } = row;
    [
        tenant,
        id,
        &row.updated_at,
        &row.authenticated_at,
        &row.last_interacted_at,
        &row.idle_expires_at,
        &row.expires_at,
        &row.device,
        &row.clients,
        &row.methods,
        &row.cookie,
        &row.metadata,
        &row.revision,
        ends_at,
    ]
}

/// A delivery's row from a query that selects its columns, and others behind them.
pub(super) fn delivery_row(row: &Row) -> Result<DeliveryRow, Trouble> {
    Ok(DeliveryRow {
        tenant: text(row.try_get(0)?)?,
        id: text(row.try_get(1)?)?,
        client_id: text(row.try_get(2)?)?,
        session_id: text(row.try_get(3)?)?,
        user_id: text(row.try_get(4)?)?,
        url: text(row.try_get(5)?)?,
        receiver: text(row.try_get(6)?)?,
        initiator: row.try_get(7)?,
        ended_at: row.try_get(8)?,
        metadata: row.try_get(9)?,
        created_at: row.try_get(10)?,
        attempts: row.try_get(11)?,
        due_at: row.try_get(12)?,
        claim: row.try_get(13)?,
        last_error: row.try_get(14)?,
        state: row.try_get(15)?,
        finished_at: row.try_get(16)?,
    })
}

/// A session's row with its ids as the database keeps them.
pub(super) struct BytesRow {
    id: Vec<u8>,
    user_id: Vec<u8>,
    ends_at: Option<i64>,
    row: SessionRow,
}

impl From<SessionRow> for BytesRow {
    fn from(row: SessionRow) -> Self {
        Self { id: row.id.clone().into(), user_id: row.user_id.clone().into(), ends_at: row.ends_at(), row }
    }
}

/// An id, as text.
pub(super) fn text(bytes: &[u8]) -> Result<String, StoreError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(StoreError::Corrupt { what: "an id", reason: "it is no text".into() }),
    }
}

/// A transaction's answer, from a query whose first columns are `request` and `answer`.
pub(super) fn answer(row: &Row) -> Result<KeptAnswer, Trouble> {
    let request = RequestDigest::read(row.try_get(0)?)?;
    match std::str::from_utf8(row.try_get(1)?) {
        Ok(text) => Ok(KeptAnswer { request, json: text.into() }),
        Err(_) => Err(StoreError::Corrupt { what: "a transaction's answer", reason: "it is no text".into() }.into()),
    }
}

/// Whether a statement has failed because a row with its key is there.
pub(super) fn is_there_already(error: &Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION)
}
