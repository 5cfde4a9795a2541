//! What became of runs. Nobody waits for them: a crash of the database may take the last ones with
//! it.

use std::collections::BTreeSet;

use vestibule_model::{TenantId, Timestamp};

use super::super::changes::change;
use super::super::errors::Trouble;
use super::super::lease::{Connections, Lease, Write};
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::rows::execution_row;
use crate::columns::{self, ExecutionRow, execution_columns, json, millis};
use crate::error::StoreError;
use crate::registry::{Execution, ExecutionCursor, ExecutionFilter, ExecutionPage, ExecutionStatus};
use crate::tokens::ExecutionUid;

/// The COMMIT doesn't wait for the disk.
const WITHOUT_WAITING: &str = "; SET LOCAL synchronous_commit = off";

/// One statement: those that are not there yet, positions for them in the order in which they were
/// given, and their rows. Whoever gives positions to the runs of several tenants holds the tenants'
/// rows in one order.
const RECORD: &str = "WITH new AS MATERIALIZED (SELECT one.*, \
         row_number() OVER (PARTITION BY tenant ORDER BY place) AS behind, count(*) OVER (PARTITION BY tenant) AS many \
         FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[]) \
         WITH ORDINALITY AS one (tenant, id, trigger_id, status, started_at, ended_at, actions, body, place) \
         WHERE NOT EXISTS (SELECT 1 FROM executions WHERE executions.tenant = one.tenant AND executions.id = one.id)), \
     given AS (INSERT INTO execution_positions (tenant, last) SELECT DISTINCT tenant, many FROM new ORDER BY tenant \
         ON CONFLICT (tenant) DO UPDATE SET last = execution_positions.last + excluded.last RETURNING tenant, last) \
     INSERT INTO executions (tenant, position, id, trigger_id, status, started_at, ended_at, actions, body) \
     SELECT new.tenant, given.last - new.many + new.behind, id, trigger_id, status, started_at, ended_at, actions, body \
     FROM new JOIN given ON given.tenant = new.tenant ON CONFLICT DO NOTHING";

const EXECUTION: &str = concat!("SELECT ", execution_columns!(), " FROM executions WHERE tenant = $1 AND id = $2");

/// An Action's name as it stands in the list holds nothing that a list could hold by another one.
const EXECUTIONS: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions WHERE tenant = $1 AND position < $2 AND ($3::text IS NULL OR status = $3) \
     AND ($4::text IS NULL OR strpos(actions, $4) > 0) ORDER BY position DESC LIMIT $5"
);

const FORGET_OLD: &str = "WITH old AS MATERIALIZED (SELECT tenant, position FROM executions \
     WHERE started_at < $1 ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM executions USING old WHERE executions.tenant = old.tenant AND executions.position = old.position";

/// Goes from tenant to tenant: one look at the key of each that has not too many, however many runs
/// there are.
const FORGET_TOO_MANY: &str = "WITH old AS MATERIALIZED (SELECT oldest.tenant, oldest.position FROM execution_positions, LATERAL ( \
         SELECT tenant, position FROM executions WHERE executions.tenant = execution_positions.tenant \
         AND executions.position <= execution_positions.last - $1 ORDER BY position LIMIT $2 FOR UPDATE SKIP LOCKED) AS oldest LIMIT $2) \
     DELETE FROM executions USING old WHERE executions.tenant = old.tenant AND executions.position = old.position";

/// One attempt.
pub(super) async fn record(mut lease: Lease, executions: &[Execution]) -> Result<(), Trouble> {
    // Of two with one id the first counts.
    let mut seen = BTreeSet::new();
    let rows: Vec<ExecutionRow> = executions
        .iter()
        .filter(|execution| seen.insert((execution.tenant.as_str(), execution.id)))
        .map(ExecutionRow::new)
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let tenants: Vec<&[u8]> = rows.iter().map(|row| row.tenant.as_bytes()).collect();
    let ids: Vec<&[u8]> = rows.iter().map(|row| row.id.as_bytes()).collect();
    let triggers: Vec<&str> = rows.iter().map(|row| row.trigger_id.as_str()).collect();
    let statuses: Vec<&str> = rows.iter().map(|row| row.status.as_str()).collect();
    let started: Vec<i64> = rows.iter().map(|row| row.started_at).collect();
    let ended: Vec<i64> = rows.iter().map(|row| row.ended_at).collect();
    let actions: Vec<&str> = rows.iter().map(|row| row.actions.as_str()).collect();
    let bodies: Vec<&str> = rows.iter().map(|row| row.body.as_str()).collect();
    let parameters: Vec<Parameter<'_>> = vec![&tenants, &ids, &triggers, &statuses, &started, &ended, &actions, &bodies];
    let record = Write::of(&lease, RECORD, true, parameters).await?;
    lease.begin(WITHOUT_WAITING).await?;
    lease.commit_after(&[record, None, None, None]).await.map(drop)
}

pub(super) async fn execution(lease: &Lease, tenant: &TenantId, id: &ExecutionUid) -> Result<Option<Execution>, Trouble> {
    let select = lease.prepare(EXECUTION).await?;
    match lease.client()?.query_opt(&select, &[&bytes(tenant), &id.to_string().as_bytes()]).await? {
        Some(row) => Ok(Some(execution_row(&row)?.read()?)),
        None => Ok(None),
    }
}

pub(super) async fn executions(
    lease: &Lease,
    tenant: &TenantId,
    filter: &ExecutionFilter,
    after: Option<ExecutionCursor>,
    take: usize,
) -> Result<ExecutionPage, Trouble> {
    let before = after.map_or(i64::MAX, |after| i64::try_from(after.0).unwrap_or(i64::MAX));
    let status = filter.status.map(ExecutionStatus::as_str);
    let action = filter.action.as_ref().map(|name| json(&name.as_str()));
    // One more than asked for tells whether there is another page.
    let limit = columns::rows(take.saturating_add(1));
    let select = lease.prepare(EXECUTIONS).await?;
    let found = lease.client()?.query(&select, &[&bytes(tenant), &before, &status, &action, &limit]).await?;
    let rows = found.iter().map(execution_row).collect::<Result<Vec<_>, Trouble>>()?;
    let is_more = rows.len() > take;
    let last = rows.get(..take).and_then(|shown| shown.last()).filter(|_| is_more);
    let next = last.map(|last| ExecutionCursor(last.position.unsigned_abs()));
    let executions = rows.iter().take(take).map(ExecutionRow::read).collect::<Result<_, StoreError>>()?;
    Ok(ExecutionPage { executions, next })
}

/// Two transactions, so that none holds many rows for long.
pub(super) async fn sweep(connections: &Connections, before: Timestamp, each: u64, at_most: usize) -> Result<u64, StoreError> {
    let (before, each) = (millis(before), i64::try_from(each).unwrap_or(i64::MAX));
    let limit = columns::rows(at_most);
    // A row that was swept in an attempt whose answer was lost has been swept.
    let old = connections.attempt(true, |lease| change(lease, FORGET_OLD, [&before as Parameter<'_>, &limit])).await?;
    let rest = limit.saturating_sub(i64::try_from(old).unwrap_or(i64::MAX));
    if rest == 0 {
        return Ok(old);
    }
    let many = connections.attempt(true, |lease| change(lease, FORGET_TOO_MANY, [&each as Parameter<'_>, &rest])).await?;
    Ok(old + many)
}
