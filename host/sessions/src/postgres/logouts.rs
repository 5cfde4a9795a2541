//! Ends sessions, and writes what their ends owe.

use tokio::join;
use tokio_postgres::Row;
use vestibule_model::{SessionId, TenantId, Timestamp};

use super::errors::Trouble;
use super::lease::{Lease, Write};
use super::login::bytes;
use super::parameters::Parameter;
use super::rows::text;
use crate::columns::{self, DeliveryRow, clients_of, is_marked, millis};
use crate::logout::{self, EndedSession, LogRow, Owed, Subscriptions};
use crate::session::{Ended, Initiator};

/// What of a session others have to hear of, before the moment of its end.
macro_rules! ended_columns {
    () => {
        "tenant, id, user_id, clients, metadata"
    };
}

const END: &str = concat!(
    "SELECT ",
    ended_columns!(),
    ", $3::bigint FROM sessions WHERE tenant = $1 AND id = $2 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $3) \
     AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
    is_marked!(),
    ") FOR UPDATE"
);

const THESE: &str = concat!("SELECT ", ended_columns!(), ", $3::bigint FROM sessions WHERE tenant = $1 AND id = ANY($2)");

// What another sweep has in its hands is skipped.
const DUE: &str = concat!(
    "SELECT tenant, id, octet_length(clients)::bigint FROM sessions \
     WHERE ended_at IS NULL AND ends_at IS NOT NULL AND ends_at <= $1 AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
    is_marked!(),
    ") ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED"
);

const EXPIRED: &str = concat!(
    "SELECT ",
    ended_columns!(),
    ", ends_at FROM sessions JOIN unnest($1::bytea[], $2::bytea[]) AS due (of_tenant, of_id) \
     ON tenant = due.of_tenant AND id = due.of_id"
);

/// Ends sessions that are locked.
const MARK: &str = "UPDATE sessions SET ended_at = one.ended_at, initiator = $4, updated_at = greatest(updated_at, one.ended_at), \
     revision = revision + 1 FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS one (tenant, id, ended_at) \
     WHERE sessions.tenant = one.tenant AND sessions.id = one.id";

const SUBSCRIPTIONS: &str = "SELECT clients.tenant, clients.id, clients.logout, \
     coalesce((SELECT bytes FROM tenant_bytes WHERE tenant_bytes.tenant = clients.tenant), 0) \
     FROM unnest($1::bytea[], $2::bytea[]) AS wanted (tenant, id) JOIN clients ON clients.tenant = wanted.tenant \
     AND clients.id = wanted.id WHERE clients.logout IS NOT NULL";

pub(super) const DELIVERIES: &str = "INSERT INTO deliveries (tenant, id, client_id, session_id, user_id, url, receiver, initiator, \
     ended_at, metadata, created_at, due_at, attempts, state) \
     SELECT *, 0, 'pending' FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], \
     $8::text[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[])";

const LINES: &str = "INSERT INTO log (tenant, date, kind, body) \
     SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[])";

/// One attempt, of three trips: the session is locked, its clients are looked up, and what is owed
/// is written and committed with its end. Whether the session was there.
pub(super) async fn end(mut lease: Lease, tenant: &TenantId, id: &SessionId, ended: Ended) -> Result<bool, Trouble> {
    let select = lease.prepare(END).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 3] = [&bytes(tenant), &id.as_str().as_bytes(), &millis(ended.at)];
    let (begun, found) = join!(biased; client.begin(""), client.query(&select, &parameters));
    begun?;
    Ok(owe(lease, &found?, ended.initiator, ended.at).await? > 0)
}

/// One attempt. Of the sessions whose time is over, as many as one transaction has room for end:
/// how many, and whether there are more.
pub(super) async fn expire(mut lease: Lease, now: Timestamp, at_most: usize) -> Result<(u64, bool), Trouble> {
    let initiator = Initiator::SessionExpired;
    let limit = at_most.min(logout::ENDS_AT_ONCE);
    let due = lease.prepare(DUE).await?;
    let expired = lease.prepare(EXPIRED).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 2] = [&millis(now), &columns::rows(limit)];
    let (begun, due) = join!(biased; client.begin(""), client.query(&due, &parameters));
    begun?;
    let due = due?;
    let lengths = due.iter().map(|row| row.try_get(2)).collect::<Result<Vec<i64>, _>>()?;
    let end = logout::in_one_transaction(lengths);
    let is_more = due.len() >= limit || end < due.len();
    let column = |column: usize| due[..end].iter().map(|row| row.try_get(column)).collect::<Result<Vec<&[u8]>, _>>();
    let (tenants, ids) = (column(0)?, column(1)?);
    let ended = lease.client()?.query(&expired, &[&tenants, &ids]).await?;
    let expired = owe(lease, &ended, initiator, now).await?;
    Ok((expired, is_more))
}

/// Ends these sessions, which a transaction that has begun has locked, and commits it: how many
/// there were.
pub(super) async fn end_these(lease: Lease, tenant: &[u8], ids: &[&[u8]], ended: Ended, now: Timestamp) -> Result<u64, Trouble> {
    let these = lease.prepare(THESE).await?;
    let rows = lease.client()?.query(&these, &[&tenant, &ids, &millis(ended.at)]).await?;
    owe(lease, &rows, ended.initiator, now).await
}

/// Ends these sessions, writes what their ends owe, and commits: how many there were.
async fn owe(lease: Lease, ended: &[Row], initiator: Initiator, now: Timestamp) -> Result<u64, Trouble> {
    let ended = ended.iter().map(|row| ended_session(row, initiator)).collect::<Result<Vec<_>, Trouble>>()?;
    if ended.is_empty() {
        lease.roll_back().await?;
        return Ok(0);
    }
    let owed = owed(&lease, &ended, now).await?;
    let tenants: Vec<&[u8]> = ended.iter().map(|session| session.tenant.as_bytes()).collect();
    let ids: Vec<&[u8]> = ended.iter().map(|session| session.id.as_bytes()).collect();
    let moments: Vec<i64> = ended.iter().map(|session| session.ended_at).collect();
    let initiator = initiator.as_str();
    let (deliveries, lines) = (DeliveryColumns::of(&owed.deliveries), LineColumns::of(&owed.log));
    let writes = [
        Write::of(&lease, MARK, true, vec![&tenants, &ids, &moments, &initiator]).await?,
        Write::of(&lease, DELIVERIES, !owed.deliveries.is_empty(), deliveries.parameters()).await?,
        Write::of(&lease, LINES, true, lines.parameters()).await?,
        None,
    ];
    lease.commit_after(&writes).await?;
    Ok(ended.len() as u64)
}

fn ended_session(row: &Row, initiator: Initiator) -> Result<EndedSession, Trouble> {
    Ok(EndedSession {
        tenant: text(row.try_get(0)?)?,
        id: text(row.try_get(1)?)?,
        user_id: text(row.try_get(2)?)?,
        clients: clients_of(row.try_get(3)?),
        metadata: row.try_get(4)?,
        ended_at: row.try_get(5)?,
        initiator,
    })
}

/// What these ends owe, by what their clients want to hear now. One that stops wanting it before
/// this is committed is spared when the delivery is claimed.
pub(super) async fn owed(lease: &Lease, ended: &[EndedSession], now: Timestamp) -> Result<Owed, Trouble> {
    let most = columns::bytes(lease.owes_below);
    let mut subscriptions = Subscriptions::default();
    let wanted = ended.iter().flat_map(|session| session.client_ids().map(|client| (session.tenant.as_str(), client)));
    let wanted: std::collections::BTreeSet<_> = wanted.collect();
    if !wanted.is_empty() {
        let (tenants, clients): (Vec<_>, Vec<_>) =
            wanted.iter().map(|(tenant, client)| (tenant.as_bytes(), client.as_bytes())).unzip();
        let select = lease.prepare(SUBSCRIPTIONS).await?;
        for row in lease.client()?.query(&select, &[&tenants, &clients]).await? {
            let tenant = text(row.try_get(0)?)?;
            if row.try_get::<_, i64>(3)? >= most {
                subscriptions.add_full(&tenant);
            }
            subscriptions.add(&tenant, &text(row.try_get(1)?)?, row.try_get(2)?);
        }
    }
    Ok(logout::owed(ended, &subscriptions, millis(now))?)
}

/// New deliveries, column by column.
pub(super) struct DeliveryColumns<'a> {
    bytes: [Vec<&'a [u8]>; 7],
    initiators: Vec<&'a str>,
    ended_at: Vec<i64>,
    metadata: Vec<Option<&'a str>>,
    created_at: Vec<i64>,
    due_at: Vec<i64>,
}

impl<'a> DeliveryColumns<'a> {
    pub(super) fn of(rows: &'a [DeliveryRow]) -> Self {
        let column = |column: fn(&DeliveryRow) -> &String| rows.iter().map(|row| column(row).as_bytes()).collect();
        Self {
            bytes: [
                column(|row| &row.tenant),
                column(|row| &row.id),
                column(|row| &row.client_id),
                column(|row| &row.session_id),
                column(|row| &row.user_id),
                column(|row| &row.url),
                column(|row| &row.receiver),
            ],
            initiators: rows.iter().map(|row| row.initiator.as_str()).collect(),
            ended_at: rows.iter().map(|row| row.ended_at).collect(),
            metadata: rows.iter().map(|row| row.metadata.as_deref()).collect(),
            created_at: rows.iter().map(|row| row.created_at).collect(),
            due_at: rows.iter().map(|row| row.due_at).collect(),
        }
    }

    /// What [`DELIVERIES`] takes.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut parameters: Vec<Parameter<'_>> = self.bytes.iter().map(|column| column as Parameter<'_>).collect();
        parameters.extend::<[Parameter<'_>; 5]>([
            &self.initiators,
            &self.ended_at,
            &self.metadata,
            &self.created_at,
            &self.due_at,
        ]);
        parameters
    }
}

/// Lines of the log, column by column.
struct LineColumns<'a> {
    tenants: Vec<&'a [u8]>,
    dates: Vec<i64>,
    kinds: Vec<&'a str>,
    bodies: Vec<&'a str>,
}

impl<'a> LineColumns<'a> {
    fn of(lines: &'a [LogRow]) -> Self {
        Self {
            tenants: lines.iter().map(|line| line.tenant.as_bytes()).collect(),
            dates: lines.iter().map(|line| line.date).collect(),
            kinds: lines.iter().map(|line| line.kind).collect(),
            bodies: lines.iter().map(|line| line.body.as_str()).collect(),
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![&self.tenants, &self.dates, &self.kinds, &self.bodies]
    }
}
