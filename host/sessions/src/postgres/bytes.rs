//! How many bytes are stored for each tenant. Triggers write down each change as a row of its own,
//! so that no login waits for another; they are added up behind it. See the migration
//! `tenant_bytes`.

use super::changes::change_and_return;
use super::errors::Trouble;
use super::lease::Lease;
use super::parameters::Parameter;
use super::rows::text;
use crate::columns;
use crate::store::StoredBytes;

/// Two servers that add up at one time have other changes in hand, and take the tenants' rows in
/// one order.
const ADD_UP: &str = "WITH old AS MATERIALIZED (SELECT number FROM byte_changes ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM byte_changes USING old WHERE byte_changes.number = old.number \
         RETURNING byte_changes.tenant, byte_changes.bytes), \
     added AS (INSERT INTO tenant_bytes (tenant, bytes) SELECT tenant, sum(bytes)::bigint FROM gone GROUP BY tenant ORDER BY tenant \
         ON CONFLICT (tenant) DO UPDATE SET bytes = tenant_bytes.bytes + excluded.bytes) \
     SELECT count(*) FROM gone";

const BEYOND: &str = "SELECT tenant, bytes FROM tenant_bytes WHERE bytes >= $1 ORDER BY bytes DESC LIMIT $2";

/// One attempt. Whether there may be more.
pub(super) async fn add_up(lease: Lease, at_most: usize) -> Result<bool, Trouble> {
    let limit = columns::rows(at_most);
    let rows = change_and_return(lease, ADD_UP, [&limit as Parameter<'_>]).await?;
    let changes: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(changes >= limit)
}

pub(super) async fn beyond(lease: &Lease, at_least: u64, at_most: usize) -> Result<Vec<StoredBytes>, Trouble> {
    let select = lease.prepare(BEYOND).await?;
    let rows = lease.client()?.query(&select, &[&columns::bytes(at_least), &columns::rows(at_most)]).await?;
    let stored = |row: &tokio_postgres::Row| {
        let bytes: i64 = row.try_get(1)?;
        Ok(StoredBytes::new(&text(row.try_get(0)?)?, u64::try_from(bytes).unwrap_or_default())?)
    };
    rows.iter().map(stored).collect()
}
