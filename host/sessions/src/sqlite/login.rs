//! A login: what it begins with, and what it ends with.

use rusqlite::Connection;
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::Errors;
use super::rows;
use crate::columns::{body, session_columns};
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

/// A login whose texts are written out already: that is no work for the thread that all wait for.
pub(super) struct ToCommit {
    login: LoginCommit,
    bodies: Vec<String>,
}

impl From<LoginCommit> for ToCommit {
    fn from(login: LoginCommit) -> Self {
        let bodies = login.log.iter().map(|entry| body(&entry.body)).collect();
        Self { login, bodies }
    }
}

/// Whoever is refused has written nothing.
pub(super) fn commit(connection: &Connection, errors: Errors<'_>, login: &ToCommit) -> Result<Committed, StoreError> {
    let ToCommit { login: LoginCommit { tenant, now, transaction, session, log }, bodies } = login;
    let (number, step) = match session {
        None => (0, Step::Nothing),
        Some(session) => {
            let row = rows::kept(connection, tenant, &session.id).map_err(errors.sql())?;
            let number = row.as_ref().map_or(0, |(number, _)| *number);
            let kept = row.map(|(_, row)| row.read()).transpose()?;
            (number, merge::login(kept, session, *now))
        }
    };
    if let Some((id, answer)) = transaction {
        // A login that would be refused now was perhaps committed before.
        let is_new = !matches!(step, Step::Refused(_))
            && rows::insert_transaction(connection, tenant, id, *now, answer).map_err(errors.sql())?;
        if !is_new && let Some(answer) = rows::answer(connection, tenant, id).map_err(errors.sql())? {
            return Ok(Committed::Repeated { answer });
        }
    }
    let after = match step {
        Step::Refused(committed) => return Ok(committed),
        Step::Nothing => None,
        Step::Unchanged(session) => Some(session),
        Step::Create(session) => {
            rows::insert(connection, tenant, &session).map_err(errors.sql())?;
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
    for (entry, body) in log.iter().zip(bodies) {
        rows::insert_entry(connection, tenant, entry, body).map_err(errors.sql())?;
    }
    Ok(Committed::Done { session: after.filter(|session| session.expired(*now).is_none()) })
}
