//! A login: what it begins with, and what it ends with.
//!
//! A login that commits makes two trips to the database: the first begins the transaction, locks
//! the session and looks for an answer to the transaction's id; the second claims that id, writes
//! and commits. Statements of one trip are sent together; where one fails, those after it fail,
//! too, and the COMMIT among them takes all back. The first trip changes nothing: where BEGIN
//! fails, its statements run by themselves.

use tokio::join;
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::errors::Trouble;
use super::lease::{Lease, Write};
use super::logouts::{self, DELIVERIES, DeliveryColumns};
use super::parameters::Parameter;
use super::rows::{self, BytesRow};
use crate::columns::{SessionRow, body, millis, read_session_columns};
use crate::ids::TransactionId;
use crate::login::{BeforeLogin, Committed, KeptAnswer, KnownSession, LoginCommit, NewTransaction};
use crate::logout::{EndedSession, Owed};
use crate::merge::{self, Step};
use crate::session::Session;

const CLAIM: &str = "INSERT INTO transactions (tenant, id, at, request, answer) VALUES ($1, $2, $3, $4, $5)";
const ANSWER: &str = "SELECT request, answer FROM transactions WHERE tenant = $1 AND id = $2";
const LOG: &str = "INSERT INTO log (tenant, date, kind, body) SELECT $1, date, kind, body FROM unnest($2::bigint[], $3::text[], $4::text[]) \
     AS entry (date, kind, body)";

/// One statement, so that both come from one moment.
pub(super) async fn before(
    lease: &Lease,
    tenant: &TenantId,
    transaction: Option<&TransactionId>,
    session: Option<&SessionId>,
    now: Timestamp,
) -> Result<BeforeLogin, Trouble> {
    const BEFORE: &str = concat!(
        "SELECT request, answer, ",
        read_session_columns!(),
        " FROM (SELECT 1) AS one \
         LEFT JOIN (SELECT request, answer FROM transactions WHERE tenant = $1 AND id = $2) AS kept ON true \
         LEFT JOIN sessions ON sessions.tenant = $1 AND sessions.id = $3"
    );
    let statement = lease.prepare(BEFORE).await?;
    let transaction = transaction.map(|id| id.as_str().as_bytes());
    let session = session.map(|id| id.as_str().as_bytes());
    let row = lease.client()?.query_one(&statement, &[&bytes(tenant), &transaction, &session]).await?;
    let answer = match row.try_get::<_, Option<&[u8]>>(0)? {
        None => None,
        Some(_) => Some(rows::answer(&row)?),
    };
    let session = match row.try_get::<_, Option<&[u8]>>(2)? {
        None => KnownSession::Unknown,
        Some(_) => {
            let kept = rows::session_row(&row, 2)?.read()?;
            match kept.ended(now) {
                Some(ended) => KnownSession::Ended(ended),
                None => KnownSession::Alive(Box::new(kept.session)),
            }
        }
    };
    Ok(BeforeLogin { answer, session })
}

/// One attempt.
pub(super) async fn commit(mut lease: Lease, login: &LoginCommit) -> Result<Committed, Trouble> {
    let Begun { answer, session: kept } = begin(&mut lease, login).await?;
    if let (Some(answer), Some(transaction)) = (answer, &login.transaction) {
        lease.roll_back().await?;
        return Ok(Committed::repeated(answer, transaction.request));
    }
    let step = match &login.session {
        None => Step::Nothing,
        Some(session) => merge::login(kept.map(|row| row.read()).transpose()?, session, login.now),
    };
    let session = match step {
        Step::Refused(committed) => {
            lease.roll_back().await?;
            return Ok(committed);
        }
        step => end(lease, login, step).await?,
    };
    Ok(Committed::Done { session: session.filter(|session| session.expired(login.now).is_none()) })
}

/// What a login finds.
struct Begun {
    /// What its transaction was answered, where it was committed before.
    answer: Option<KeptAnswer>,
    /// The session as it is kept.
    session: Option<SessionRow>,
}

/// The first trip. The answer is looked for when the session is locked: of two with one
/// transaction's id, the second sees the first's.
async fn begin(lease: &mut Lease, login: &LoginCommit) -> Result<Begun, Trouble> {
    let tenant = bytes(&login.tenant);
    let answer = lease.prepare(ANSWER).await?;
    let select = lease.prepare(rows::SELECT_FOR_UPDATE).await?;
    lease.begins();
    let client = lease.client()?;
    let answers = async {
        match &login.transaction {
            None => Ok(None),
            Some(NewTransaction { id, .. }) => client.query_opt(&answer, &[&tenant, &id.as_str().as_bytes()]).await,
        }
    };
    let selects = async {
        match &login.session {
            None => Ok(None),
            Some(session) => client.query_opt(&select, &[&tenant, &session.id.as_str().as_bytes()]).await,
        }
    };
    let (begun, session, answer) = join!(biased; client.begin(""), selects, answers);
    begun?;
    let session = session?.map(|row| rows::session_row(&row, 0)).transpose()?;
    let answer = answer?.as_ref().map(rows::answer).transpose()?;
    Ok(Begun { answer, session })
}

/// The second trip: the session as it is now.
async fn end(lease: Lease, login: &LoginCommit, step: Step) -> Result<Option<Box<Session>>, Trouble> {
    let tenant = bytes(&login.tenant);
    let owed = match &step {
        Step::End(session, ended) => {
            logouts::owed(&lease, &[EndedSession::of(login.tenant.as_str(), session, *ended)], login.now).await?
        }
        _ => Owed::default(),
    };
    let (sql, session, ended) = match step {
        Step::Create(session) => (Some(rows::INSERT), Some(session), None),
        Step::Change(session) => (Some(rows::UPDATE), Some(session), None),
        Step::End(_, ended) => (Some(rows::END), None, Some(ended)),
        Step::Unchanged(session) => (None, Some(session), None),
        Step::Nothing | Step::Refused(_) => (None, None, None),
    };
    let row = session.as_deref().map(|session| BytesRow::from(SessionRow::of(session)));
    let id = login.session.as_ref().map(|session| session.id.as_str().as_bytes()).unwrap_or_default();
    let (ended_at, initiator) = ended.map(|ended| (millis(ended.at), ended.initiator.as_str())).unwrap_or_default();
    let parameters: Vec<Parameter<'_>> = match (sql, &row) {
        (Some(rows::INSERT), Some(row)) => rows::insert_parameters(&tenant, row).into(),
        (Some(rows::UPDATE), Some(row)) => rows::update_parameters(&tenant, row).into(),
        _ => vec![&tenant, &id, &ended_at, &initiator],
    };
    let mut dates: Vec<i64> = login.log.iter().map(|entry| millis(entry.date)).collect();
    let mut kinds: Vec<&str> = login.log.iter().map(|entry| entry.kind.as_str()).collect();
    let mut bodies: Vec<String> = login.log.iter().map(|entry| body(&entry.body)).collect();
    for line in owed.log {
        dates.push(line.date);
        kinds.push(line.kind);
        bodies.push(line.body);
    }
    let deliveries = DeliveryColumns::of(&owed.deliveries);
    let claimed = login.transaction.as_ref();
    let claimed = claimed.map(|new| (new.id.as_str().as_bytes(), new.request.as_bytes(), new.answer.as_bytes()));
    let at = millis(login.now);
    let claims: Vec<Parameter<'_>> = match &claimed {
        Some((id, request, answer)) => vec![&tenant, id, &at, request, answer],
        None => Vec::new(),
    };
    let writes = [
        Write::of(&lease, CLAIM, claimed.is_some(), claims).await?,
        Write::of(&lease, sql.unwrap_or_default(), sql.is_some(), parameters).await?,
        Write::of(&lease, LOG, !bodies.is_empty(), vec![&tenant, &dates, &kinds, &bodies]).await?,
        Write::of(&lease, DELIVERIES, !owed.deliveries.is_empty(), deliveries.parameters()).await?,
    ];
    match lease.commit_after(&writes).await {
        // The session or the transaction was not there when it was asked for.
        Err(Trouble::Sql(error)) if rows::is_there_already(&error) => Err(Trouble::Race),
        committed => committed.map(|_| session),
    }
}

/// A tenant as the database keeps it.
pub(super) fn bytes(tenant: &TenantId) -> &[u8] {
    tenant.as_str().as_bytes()
}
