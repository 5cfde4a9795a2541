//! A login: what it begins with, and what it ends with.

use rusqlite::Connection;
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::Errors;
use super::rows;
use crate::columns::{body, millis, session_columns};
use crate::error::StoreError;
use crate::login::{BeforeLogin, Committed, KnownSession, LoginCommit, TransactionId};
use crate::merge::{self, Step};

/// One statement, so that both come from one moment.
pub(super) fn before(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    transaction: Option<&TransactionId>,
    session: Option<&SessionId>,
    now: Timestamp,
) -> Result<BeforeLogin, StoreError> {
    const BEFORE: &str = concat!(
        "SELECT (SELECT answer FROM transactions WHERE tenant = ?1 AND id = ?2), ",
        session_columns!(),
        " FROM (SELECT 1) LEFT JOIN sessions ON tenant = ?1 AND id = ?3"
    );
    let mut statement = connection.prepare_cached(BEFORE).map_err(errors.sql())?;
    let keys = (tenant.as_str(), transaction.map(TransactionId::as_str), session.map(SessionId::as_str));
    let (answer, row) = statement
        .query_row(keys, |row| {
            let answer = row.get_ref(0)?.as_str_or_null()?.map(Into::into);
            let session = if rows::is_absent(row, 1)? { None } else { Some(rows::session_row(row, 1)?) };
            Ok((answer, session))
        })
        .map_err(errors.sql())?;
    let session = match row.map(|row| row.read()).transpose()? {
        None => KnownSession::Unknown,
        Some(kept) => match kept.ended(now) {
            Some(ended) => KnownSession::Ended(ended),
            None => KnownSession::Alive(Box::new(kept.session)),
        },
    };
    Ok(BeforeLogin { answer, session })
}

/// Reads first and writes then: whoever is refused has written nothing.
pub(super) fn commit(connection: &Connection, errors: Errors<'_>, login: LoginCommit) -> Result<Committed, StoreError> {
    let LoginCommit { tenant, now, transaction, session, log } = login;
    if let Some((id, _)) = &transaction
        && let Some(answer) = rows::answer(connection, &tenant, id.as_str()).map_err(errors.sql())?
    {
        return Ok(Committed::Repeated { answer });
    }
    let mut after = None;
    if let Some(session) = session {
        let row = rows::kept(connection, &tenant, &session.id).map_err(errors.sql())?;
        let (number, kept) = match row {
            Some((number, row)) => (number, Some(row.read()?)),
            None => (0, None),
        };
        after = match merge::login(kept, &session, now) {
            Step::Refused(committed) => return Ok(committed),
            Step::Nothing => None,
            Step::Unchanged(session) => Some(session),
            Step::Create(session) => {
                rows::insert(connection, &tenant, &session).map_err(errors.sql())?;
                Some(session)
            }
            Step::Change(session) => {
                rows::update(connection, number, &session).map_err(errors.sql())?;
                Some(session)
            }
            Step::End(ended) => {
                rows::end(connection, number, ended).map_err(errors.sql())?;
                None
            }
        };
    }
    if let Some((id, answer)) = &transaction {
        connection
            .prepare_cached("INSERT INTO transactions (tenant, id, at, answer) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute((tenant.as_str(), id.as_str(), millis(now), &**answer)))
            .map_err(errors.sql())?;
    }
    for entry in &log {
        connection
            .prepare_cached("INSERT INTO log (tenant, kind, date, body) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute((tenant.as_str(), entry.kind.as_str(), millis(entry.date), body(&entry.body))))
            .map_err(errors.sql())?;
    }
    Ok(Committed::Done { session: after.filter(|session| session.expired(now).is_none()) })
}
