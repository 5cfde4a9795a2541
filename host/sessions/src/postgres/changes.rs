//! What changes sessions but no login does: the Management API, and the sweep.

use tokio::join;
use tokio_postgres::{Row, SimpleQueryMessage};
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp};

use super::errors::Trouble;
use super::lease::{Connections, Lease, Write};
use super::lists;
use super::login::bytes;
use super::parameters::Parameter;
use super::rows::{self, BytesRow};
use super::{logouts, marks};
use crate::columns::{self, SessionRow, millis};
use crate::error::StoreError;
use crate::merge;
use crate::session::Session;
use crate::store::{Retention, Swept};

const FORGET_ENDED: &str = "WITH old AS MATERIALIZED (SELECT tenant, id FROM sessions \
     WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM sessions USING old WHERE sessions.tenant = old.tenant AND sessions.id = old.id";

const FORGET_TRANSACTIONS: &str = "WITH old AS MATERIALIZED (SELECT tenant, id FROM transactions \
     WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM transactions USING old WHERE transactions.tenant = old.tenant AND transactions.id = old.id";

const FORGET_LOG: &str = "WITH old AS MATERIALIZED (SELECT tenant, date, id FROM log \
     WHERE date < $1 ORDER BY date LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM log USING old WHERE log.tenant = old.tenant AND log.date = old.date AND log.id = old.id";

const FORGET_DELIVERIES: &str = "WITH old AS MATERIALIZED (SELECT tenant, id FROM deliveries \
     WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM deliveries USING old WHERE deliveries.tenant = old.tenant AND deliveries.id = old.id";

/// One attempt.
pub(super) async fn replace_metadata(
    mut lease: Lease,
    tenant: &TenantId,
    id: &SessionId,
    metadata: &Metadata,
    now: Timestamp,
) -> Result<Option<Session>, Trouble> {
    let (tenant, key) = (bytes(tenant), id.as_str().as_bytes());
    let select = lease.prepare(rows::SELECT_FOR_UPDATE).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 2] = [&tenant, &key];
    let (begun, row) = join!(biased; client.begin(""), client.query_opt(&select, &parameters));
    begun?;
    let kept = match row? {
        Some(row) => rows::session_row(&row, 0)?.read()?.alive(now),
        None => None,
    };
    let Some(session) = kept else {
        lease.roll_back().await?;
        return Ok(None);
    };
    let session = merge::with_metadata(session, metadata.clone(), now);
    let row = BytesRow::from(SessionRow::of(&session));
    let update = Write::of(&lease, rows::UPDATE, true, rows::update_parameters(&tenant, &row).into()).await?;
    lease.commit_after(&[update, None, None, None]).await?;
    Ok(Some(session))
}

/// Seven transactions, so that none holds many rows for long.
pub(super) async fn sweep(
    connections: &Connections,
    now: Timestamp,
    keep: Retention,
    at_most: usize,
) -> Result<Swept, StoreError> {
    let limit = columns::rows(at_most);
    // Nobody asks how many: a row that was swept in an attempt whose answer was lost has been swept.
    let (expired, is_more) = connections.attempt(true, |lease| logouts::expire(lease, now, at_most)).await?;
    let most = u64::try_from(at_most).unwrap_or(u64::MAX);
    let mut swept = Swept { expired, forgotten: 0, is_more };
    marks::sweep(connections, millis(now), millis(keep.ended_since), limit).await?;
    let tables = [
        (FORGET_ENDED, keep.ended_since),
        (FORGET_TRANSACTIONS, keep.transactions_since),
        (FORGET_LOG, keep.log_since),
        (FORGET_DELIVERIES, keep.deliveries_since),
    ];
    for (statement, since) in tables {
        let since = millis(since);
        let forgotten = connections.attempt(true, |lease| change(lease, statement, [&since as Parameter<'_>, &limit])).await?;
        swept.forgotten += forgotten;
        swept.is_more |= forgotten >= most;
    }
    swept.is_more |= lists::give_positions_to_all(connections).await?;
    Ok(swept)
}

/// Whether the database takes transactions that write: a standby, and a database that was made read-only, don't.
pub(super) async fn check(lease: Lease) -> Result<(), Trouble> {
    let messages = lease.client()?.simple_query("SHOW transaction_read_only").await?;
    let is_read_only = messages.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
        _ => false,
    });
    if is_read_only {
        return Err(StoreError::ReadOnly { reason: "its transactions are read-only".into() }.into());
    }
    Ok(())
}

/// One statement in a transaction of its own, in two trips: when the connection breaks in the first, nothing has happened, and it can be
/// tried again.
pub(super) async fn change<'a>(mut lease: Lease, sql: &str, parameters: impl AsRef<[Parameter<'a>]>) -> Result<u64, Trouble> {
    let write = Write::of(&lease, sql, true, parameters.as_ref().to_vec()).await?;
    lease.begin("").await?;
    let [changed, ..] = lease.commit_after(&[write, None, None, None]).await?;
    Ok(changed)
}

/// As [`change`], by a statement that returns rows.
pub(super) async fn change_and_return<'a>(
    mut lease: Lease,
    sql: &str,
    parameters: impl AsRef<[Parameter<'a>]>,
) -> Result<Vec<Row>, Trouble> {
    let statement = lease.prepare(sql).await?;
    lease.begin("").await?;
    lease.commit_after_query(&statement, parameters.as_ref()).await
}
