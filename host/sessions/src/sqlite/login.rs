//! A login: what it begins with, and what it ends with.

use rusqlite::Connection;
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::{Errors, logouts, rows};
use crate::columns::{SessionRow, body, read_session_columns};
use crate::error::StoreError;
use crate::ids::TransactionId;
use crate::login::{BeforeLogin, Committed, KnownSession, LoginCommit};
use crate::logout::EndedSession;
use crate::merge::{self, Step};
use crate::session::Session;

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
        "SELECT request, answer, ",
        read_session_columns!(),
        " FROM (SELECT 1) LEFT JOIN (SELECT request, answer FROM transactions WHERE tenant = ?1 AND id = ?2) \
         LEFT JOIN sessions ON sessions.tenant = ?1 AND sessions.id = ?3"
    );
    let mut statement = connection.prepare_cached(BEFORE).map_err(errors.sql())?;
    let keys = (tenant.as_str(), transaction.map(TransactionId::as_str), session.map(SessionId::as_str));
    let (answer, row) = statement
        .query_row(keys, |row| {
            let answer = if rows::is_absent(row, 0)? { None } else { Some(rows::answer_row(row)?) };
            let session = if rows::is_absent(row, 2)? { None } else { Some(rows::session_row(row, 2)?) };
            Ok((answer, session))
        })
        .map_err(errors.sql())?;
    let answer = answer.map(rows::AnswerRow::read).transpose()?;
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
    /// The session that the login creates where none is kept, and its row.
    created: Option<(Box<Session>, SessionRow)>,
}

impl From<LoginCommit> for ToCommit {
    fn from(login: LoginCommit) -> Self {
        let bodies = login.log.iter().map(|entry| body(&entry.body)).collect();
        let created = match login.session.as_ref().map(|session| merge::login(None, session, login.now)) {
            Some(Step::Create(session)) => {
                let row = SessionRow::of(&session);
                Some((session, row))
            }
            _ => None,
        };
        Self { login, bodies, created }
    }
}

/// Whoever is refused has written nothing.
pub(super) fn commit(connection: &Connection, errors: Errors<'_>, login: &mut ToCommit) -> Result<Committed, StoreError> {
    let ToCommit { login: LoginCommit { tenant, now, transaction, session, log }, bodies, created } = login;
    let (mut number, mut new_row) = (0, None);
    let step = match session {
        None => Step::Nothing,
        Some(session) => match rows::kept(connection, tenant, &session.id).map_err(errors.sql())? {
            Some((kept, row)) => {
                number = kept;
                merge::login(Some(row.read()?), session, *now)
            }
            None => match created.take() {
                Some((session, row)) => {
                    new_row = Some(row);
                    Step::Create(session)
                }
                // It creates none, is refused, or is written once more.
                None => merge::login(None, session, *now),
            },
        },
    };
    if let Some(transaction) = transaction {
        // A login that would be refused now was perhaps committed before.
        let is_new = !matches!(step, Step::Refused(_))
            && rows::insert_transaction(connection, tenant, *now, transaction).map_err(errors.sql())?;
        if !is_new && let Some(kept) = rows::answer(connection, tenant, &transaction.id).map_err(errors.sql())? {
            return Ok(Committed::repeated(kept.read()?, transaction.request));
        }
    }
    let mut ends = None;
    let after = match step {
        Step::Refused(committed) => return Ok(committed),
        Step::Nothing => None,
        Step::Unchanged(session) => Some(session),
        Step::Create(session) => {
            let row = new_row.unwrap_or_else(|| SessionRow::of(&session));
            rows::insert(connection, tenant, &row).map_err(errors.sql())?;
            Some(session)
        }
        Step::Change(session) => {
            rows::update(connection, number, &session).map_err(errors.sql())?;
            Some(session)
        }
        Step::End(session, ended) => {
            rows::end(connection, number, ended).map_err(errors.sql())?;
            ends = Some(EndedSession::of(tenant.as_str(), &session, ended));
            None
        }
    };
    for (entry, body) in log.iter().zip(bodies) {
        rows::insert_entry(connection, tenant, entry, body).map_err(errors.sql())?;
    }
    logouts::owe(connection, errors, ends.as_slice(), *now)?;
    Ok(Committed::Done { session: after.filter(|session| session.expired(*now).is_none()) })
}
