//! A change of what a tenant has deployed: it takes the tenant's turn, and counts what changes at
//! its logins.

use tokio::join;
use tokio_postgres::Row;
use vestibule_model::TenantId;

use super::super::errors::Trouble;
use super::super::lease::{Lease, Write};
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::rows::action_row;
use crate::columns::{ACTION_COLUMNS, ActionRow, action_columns};
use crate::tokens::ActionUid;

const MAKE: &str = "INSERT INTO flow_revisions (tenant, revision) VALUES ($1, 0) ON CONFLICT DO NOTHING";
const TAKE: &str = "SELECT 1 FROM flow_revisions WHERE tenant = $1 FOR UPDATE";

const KEPT: &str = concat!(
    "SELECT ",
    action_columns!(),
    ", EXISTS (SELECT 1 FROM bindings WHERE bindings.tenant = $1 AND bindings.action_id = $2) \
     FROM actions WHERE tenant = $1 AND id = $2"
);

const COUNT: &str = "WITH next AS (UPDATE flow_counter SET revision = revision + 1 WHERE id = 1 RETURNING revision) \
     UPDATE flow_revisions SET revision = next.revision FROM next WHERE flow_revisions.tenant = $1";

/// An Action that nobody else changes.
pub(super) struct Kept {
    pub(super) row: ActionRow,
    /// Whether logins run it.
    pub(super) is_bound: bool,
}

/// Begins a transaction, takes the tenant's turn, and asks: all in one trip. Where BEGIN fails,
/// that has changed nothing that counts.
pub(in super::super) async fn begin_with(
    lease: &mut Lease,
    tenant: &TenantId,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, Trouble> {
    let (make, take, ask) = (lease.prepare(MAKE).await?, lease.prepare(TAKE).await?, lease.prepare(sql).await?);
    lease.begins();
    let client = lease.client()?;
    let turn: [Parameter<'_>; 1] = [&bytes(tenant)];
    let (begun, made, taken, answer) = join!(
        biased;
        client.begin(""),
        client.execute(&make, &turn),
        client.query_one(&take, &turn),
        client.query(&ask, parameters)
    );
    begun?;
    made?;
    taken?;
    Ok(answer?)
}

/// Begins a transaction, takes the tenant's turn, and finds an Action.
pub(super) async fn begin(lease: &mut Lease, tenant: &TenantId, id: &ActionUid) -> Result<Option<Kept>, Trouble> {
    let id = id.to_string().into_bytes();
    match begin_with(lease, tenant, KEPT, &[&bytes(tenant), &id]).await?.first() {
        Some(row) => Ok(Some(Kept { row: action_row(row, 0)?, is_bound: row.try_get(ACTION_COLUMNS)? })),
        None => Ok(None),
    }
}

/// Commits. Where what runs at the tenant's logins has changed, that is counted and told: last, for
/// all others wait for it.
pub(super) async fn commit(lease: Lease, tenant: &TenantId, has_changed_flow: bool) -> Result<(), Trouble> {
    let tenant = bytes(tenant);
    let count = Write::of(&lease, COUNT, has_changed_flow, vec![&tenant]).await?;
    commit_counted(lease, count).await
}

/// Counts with a statement of the caller's own, tells, and commits.
pub(super) async fn commit_counted(lease: Lease, count: Option<Write<'_>>) -> Result<(), Trouble> {
    let is_told = lease.tells && count.is_some();
    let tell = Write::of(&lease, super::notices::TELL, is_told, Vec::new()).await?;
    lease.commit_after(&[count, tell, None, None]).await.map(drop)
}
