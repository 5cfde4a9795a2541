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
use super::{logouts, marks, registry};
use crate::columns::{self, SessionRow, millis};
use crate::error::StoreError;
use crate::merge;
use crate::session::Session;
use crate::store::{Retention, SWEPT_BYTES, Swept};

/// Forgets the oldest rows, as many as there is room for by number ($2) and by bytes ($3), one at
/// least. Each row that comes back says how many were looked at.
macro_rules! forget {
    ($table:literal, $bytes:literal, $time:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (SELECT tenant, id, ",
            $time,
            " AS since, (",
            $bytes,
            ")::bigint AS bytes FROM ",
            $table,
            " WHERE ",
            $time,
            " IS NOT NULL AND ",
            $time,
            " < $1 ORDER BY ",
            $time,
            " LIMIT $2 FOR UPDATE SKIP LOCKED), \
             gone AS MATERIALIZED (SELECT tenant, id, since, bytes, count(*) OVER () AS found, \
             (sum(bytes) OVER (ORDER BY since, tenant, id))::bigint AS up_to FROM found) DELETE FROM ",
            $table,
            " USING gone WHERE (gone.up_to = gone.bytes OR gone.up_to <= $3) AND ",
            $table,
            ".tenant = gone.tenant AND ",
            $table,
            ".",
            $time,
            " = gone.since AND ",
            $table,
            ".id = gone.id RETURNING gone.found"
        )
    };
}

const FORGET_ENDED: &str = forget!(
    "sessions",
    "octet_length(device) + octet_length(clients) + octet_length(methods) + octet_length(metadata)",
    "ended_at"
);
const FORGET_TRANSACTIONS: &str = forget!("transactions", "octet_length(answer)", "at");
const FORGET_LOG: &str = forget!("log", "octet_length(body)", "date");
const FORGET_DELIVERIES: &str = forget!("deliveries", "octet_length(url) + coalesce(octet_length(metadata), 0)", "finished_at");

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

/// A transaction for each kind, so that none holds many rows for long.
pub(super) async fn sweep(
    connections: &Connections,
    now: Timestamp,
    keep: Retention,
    at_most: usize,
) -> Result<Swept, StoreError> {
    let limit = columns::rows(at_most);
    // Nobody asks how many: a row that was swept in an attempt whose answer was lost has been
    // swept.
    let (expired, is_more) = connections.attempt(true, |lease| logouts::expire(lease, now, at_most)).await?;
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
        let parameters: [Parameter<'_>; 3] = [&since, &limit, &SWEPT_BYTES];
        let forgotten = connections.attempt(true, |lease| change_and_return(lease, statement, parameters)).await?;
        let found: i64 = match forgotten.first() {
            Some(row) => row.try_get(0).map_err(|error| StoreError::Failed { reason: error.to_string() })?,
            None => 0,
        };
        swept.forgotten += forgotten.len() as u64;
        swept.is_more |= found >= limit || found > columns::rows(forgotten.len());
    }
    let (removed, is_more) = registry::sweep_components(connections, at_most).await?;
    swept.forgotten += removed;
    swept.is_more |= is_more;
    swept.is_more |= lists::give_positions_to_all(connections).await?;
    Ok(swept)
}

/// Whether the database takes transactions that write: a standby, and a database that was made
/// read-only, don't.
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

/// One statement in a transaction of its own, in two trips: when the connection breaks in the
/// first, nothing has happened, and it can be tried again.
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
