//! Reads: single sessions, a user's sessions, and a tenant's log.

use std::time::Duration;

use tokio::join;
use tokio::time::Instant;
use tokio_postgres::Row;
use vestibule_model::{SessionId, TenantId, Timestamp, UserId};

use super::errors::Trouble;
use super::lease::{Connections, Lease, Write};
use super::login::bytes;
use super::parameters::Parameter;
use super::rows::session_row;
use crate::columns::{self, is_marked, millis, read_session_columns};
use crate::error::StoreError;
use crate::log::{LogEntry, LogPosition};
use crate::session::Session;
use crate::store::{Page, SessionCursor};

/// Entries that get their positions in one transaction: some 50 ms, for which other readers of the
/// same tenant's log wait.
const POSITIONS: i64 = 2_000;

/// Transactions of that kind for which a reader waits. What is older than a sweep has its positions
/// by then, so that there are seldom more.
const READERS: usize = 5;

/// Tenants whose entries get positions in one sweep; it comes again for the others.
const TENANTS: i64 = 256;

/// Goes from tenant to tenant: one look at `log_without_position` for each, however many entries
/// are behind it.
const BEHIND: &str = "WITH RECURSIVE behind AS ( \
         (SELECT tenant FROM log WHERE position IS NULL ORDER BY tenant LIMIT 1) \
         UNION ALL \
         SELECT next.tenant FROM behind, LATERAL ( \
             SELECT tenant FROM log WHERE position IS NULL AND tenant > behind.tenant ORDER BY tenant LIMIT 1) AS next) \
     SELECT tenant FROM behind LIMIT $1";

/// When a reader may try again for which the log is not ready yet.
pub(super) const BEHIND_RETRY_AFTER: Duration = Duration::from_secs(1);

const WITHOUT: &str = "SELECT 1 FROM log WHERE tenant = $1 AND position IS NULL LIMIT 1";
const COUNTER: &str = "INSERT INTO log_positions (tenant, last) VALUES ($1, 0) ON CONFLICT DO NOTHING";
const LAST: &str = "SELECT last FROM log_positions WHERE tenant = $1 FOR UPDATE";
const GIVE: &str = "WITH next AS MATERIALIZED (SELECT date, id, row_number() OVER (ORDER BY date, id) AS place FROM \
     (SELECT date, id FROM log WHERE tenant = $1 AND position IS NULL ORDER BY date, id LIMIT $2) AS oldest) \
     UPDATE log SET position = $3 + next.place FROM next WHERE log.tenant = $1 AND log.date = next.date AND log.id = next.id";
const ADVANCE: &str = "UPDATE log_positions SET last = $2 WHERE tenant = $1";

const AFTER: &str = "SELECT position, kind, date, body FROM log WHERE tenant = $1 AND position > $2 ORDER BY position LIMIT $3";
const LATEST: &str = "SELECT position, kind, date, body FROM log WHERE tenant = $1 AND position IS NOT NULL ORDER BY position DESC LIMIT $3 OFFSET $2";
const ENTRY: &str = "SELECT position, kind, date, body FROM log WHERE tenant = $1 AND position = $2";

pub(super) async fn session(
    lease: &Lease,
    tenant: &TenantId,
    id: &SessionId,
    now: Timestamp,
) -> Result<Option<Session>, Trouble> {
    const SESSION: &str = concat!("SELECT ", read_session_columns!(), " FROM sessions WHERE tenant = $1 AND id = $2");
    let statement = lease.prepare(SESSION).await?;
    match lease.client()?.query_opt(&statement, &[&bytes(tenant), &id.as_str().as_bytes()]).await? {
        Some(row) => Ok(session_row(&row, 0)?.read()?.alive(now)),
        None => Ok(None),
    }
}

pub(super) async fn sessions_of(
    lease: &Lease,
    tenant: &TenantId,
    user: &UserId,
    after: Option<&SessionCursor>,
    take: usize,
    now: Timestamp,
) -> Result<Page, Trouble> {
    const OF_USER: &str = concat!(
        "SELECT ",
        read_session_columns!(),
        " FROM sessions WHERE tenant = $1 AND user_id = $2 AND id > $3 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $4) \
         AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
        is_marked!(),
        ") ORDER BY id LIMIT $5"
    );
    let statement = lease.prepare(OF_USER).await?;
    // No id is empty, so all come after this.
    let after = after.map_or("", |cursor| cursor.0.as_str()).as_bytes();
    // One more than asked for tells whether there is another page.
    let limit = columns::rows(take.saturating_add(1));
    let rows =
        lease.client()?.query(&statement, &[&bytes(tenant), &user.as_str().as_bytes(), &after, &millis(now), &limit]).await?;
    let sessions = rows.iter().map(|row| Ok(session_row(row, 0)?.read()?.session)).collect::<Result<_, Trouble>>()?;
    Ok(Page::of(sessions, take))
}

/// What has no position yet comes after what is returned, so a reader that comes again misses
/// nothing.
pub(super) async fn log_after(
    connections: &Connections,
    tenant: &TenantId,
    after: LogPosition,
    take: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    let deadline = Instant::now() + connections.call;
    give_positions(connections, tenant, deadline).await?;
    let (after, take) = (columns::position(after), columns::rows(take));
    connections.attempt_until(deadline, true, |lease| async move { entries(&lease, AFTER, tenant, after, take).await }).await
}

/// Busy where the newest entries have no positions yet.
pub(super) async fn latest_log(
    connections: &Connections,
    tenant: &TenantId,
    skip: usize,
    take: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    let deadline = Instant::now() + connections.call;
    if !give_positions(connections, tenant, deadline).await? {
        return Err(StoreError::Busy { retry_after: BEHIND_RETRY_AFTER });
    }
    let (skip, take) = (columns::rows(skip), columns::rows(take));
    connections.attempt_until(deadline, true, |lease| async move { entries(&lease, LATEST, tenant, skip, take).await }).await
}

/// Nobody knows a position that was not given, so none is given here.
pub(super) async fn log_entry(lease: &Lease, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, Trouble> {
    let statement = lease.prepare(ENTRY).await?;
    let row = lease.client()?.query_opt(&statement, &[&bytes(tenant), &columns::position(position)]).await?;
    row.as_ref().map(entry).transpose()
}

/// Gives positions to what has been committed until now, as far as a reader waits for it. Whether
/// that was all.
///
/// Where the database can only be read, there is what has positions: the server that writes gives
/// them.
pub(super) async fn give_positions(connections: &Connections, tenant: &TenantId, deadline: Instant) -> Result<bool, StoreError> {
    for _ in 0..READERS {
        // What was given in an attempt whose answer was lost is not given again.
        match connections.attempt_until(deadline, true, |lease| give_some(lease, bytes(tenant))).await {
            Ok(true) => {}
            Ok(false) | Err(StoreError::ReadOnly { .. }) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Gives positions to the oldest entries of each tenant that have none: part of a sweep, so that a
/// reader seldom has to. Whether there are more.
pub(super) async fn give_positions_to_all(connections: &Connections) -> Result<bool, StoreError> {
    let behind = connections.attempt(true, |lease| async move {
        let select = lease.prepare(BEHIND).await?;
        let rows = lease.client()?.query(&select, &[&TENANTS]).await?;
        rows.iter().map(|row| Ok(row.try_get::<_, Vec<u8>>(0)?)).collect::<Result<Vec<_>, Trouble>>()
    });
    let behind = behind.await?;
    let mut is_more = i64::try_from(behind.len()).is_ok_and(|tenants| tenants >= TENANTS);
    for tenant in &behind {
        is_more |= connections.attempt(true, |lease| give_some(lease, tenant)).await?;
    }
    Ok(is_more)
}

/// One attempt. Whether there may be more.
///
/// Whoever holds the counter's row sees, with a statement that begins after that, all that others
/// have numbered; what is committed later gets a later position. An entry that was committed, but
/// isn't seen yet, can't be passed by: it has none.
async fn give_some(mut lease: Lease, tenant: &[u8]) -> Result<bool, Trouble> {
    let without = lease.prepare(WITHOUT).await?;
    if lease.client()?.query_opt(&without, &[&tenant]).await?.is_none() {
        return Ok(false);
    }
    let counter = lease.prepare(COUNTER).await?;
    let last = lease.prepare(LAST).await?;
    let give = lease.prepare(GIVE).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 1] = [&tenant];
    let (begun, made, held) = join!(
        biased;
        client.begin(""),
        client.execute(&counter, &parameters),
        client.query_one(&last, &parameters)
    );
    begun?;
    made?;
    let last: i64 = held?.try_get(0)?;
    let given = client.execute(&give, &[&tenant, &POSITIONS, &last]).await?;
    let given = i64::try_from(given).unwrap_or(i64::MAX);
    let last = last.saturating_add(POSITIONS.min(given));
    let advance = Write::of(&lease, ADVANCE, true, vec![&tenant, &last]).await?;
    lease.commit_after(&[advance, None, None, None]).await?;
    Ok(given >= POSITIONS)
}

async fn entries(lease: &Lease, sql: &str, tenant: &TenantId, from: i64, take: i64) -> Result<Vec<LogEntry>, Trouble> {
    let statement = lease.prepare(sql).await?;
    let rows = lease.client()?.query(&statement, &[&bytes(tenant), &from, &take]).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<LogEntry, Trouble> {
    Ok(columns::log_entry(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)?)
}
