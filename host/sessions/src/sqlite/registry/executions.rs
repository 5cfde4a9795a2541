//! What became of runs. They are in a database of their own, so that nobody who commits a login
//! waits for them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use vestibule_model::{TenantId, Timestamp};

use super::rows::{execute, query};
use crate::columns::{self, ExecutionRow, execution_columns, millis};
use crate::error::StoreError;
use crate::registry::{ActionName, Execution, ExecutionCursor, ExecutionFilter, ExecutionPage, ExecutionStatus};
use crate::sqlite::Errors;
use crate::tokens::ExecutionUid;

pub(super) fn record(connection: &Connection, errors: Errors<'_>, rows: &[ExecutionRow]) -> Result<(), StoreError> {
    const RECORD: &str = "INSERT INTO executions (tenant, id, trigger_id, status, started_at, ended_at, actions, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (tenant, id) DO NOTHING";
    let mut counts = Counts::default();
    for row in rows {
        let values = params![row.tenant, row.id, row.trigger_id, row.status, row.started_at, row.ended_at, row.actions, row.body];
        if execute(connection, RECORD, values).map_err(errors.sql())? > 0 {
            counts.add(&row.tenant, 1);
        }
    }
    counts.write(connection).map_err(errors.sql())
}

/// How many more, or fewer, each tenant has.
#[derive(Default)]
struct Counts(BTreeMap<String, i64>);

impl Counts {
    fn add(&mut self, tenant: &str, more: i64) {
        match self.0.get_mut(tenant) {
            Some(count) => *count += more,
            None => drop(self.0.insert(tenant.to_owned(), more)),
        }
    }

    /// In the transaction that makes it so.
    fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        const COUNT: &str = "INSERT INTO execution_counts (tenant, count) VALUES (?1, ?2) \
             ON CONFLICT (tenant) DO UPDATE SET count = count + excluded.count";
        self.0.into_iter().try_for_each(|change| execute(connection, COUNT, change).map(drop))
    }
}

fn execution_row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    Ok(ExecutionRow {
        position: row.get(0)?,
        tenant: row.get(1)?,
        id: row.get(2)?,
        trigger_id: row.get(3)?,
        status: row.get(4)?,
        started_at: row.get(5)?,
        ended_at: row.get(6)?,
        actions: row.get(7)?,
        body: row.get(8)?,
    })
}

pub(super) fn execution(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ExecutionUid,
) -> Result<Option<Execution>, StoreError> {
    const EXECUTION: &str = concat!("SELECT ", execution_columns!(), " FROM executions WHERE tenant = ?1 AND id = ?2");
    let found = connection
        .prepare_cached(EXECUTION)
        .and_then(|mut select| select.query_row((tenant.as_str(), id.to_string()), execution_row).optional())
        .map_err(errors.sql())?;
    found.map(|row| row.read()).transpose()
}

pub(super) fn executions(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    filter: &ExecutionFilter,
    after: Option<ExecutionCursor>,
    take: usize,
) -> Result<ExecutionPage, StoreError> {
    // What is none asks for nothing.
    const PAGE: &str = concat!(
        "SELECT ",
        execution_columns!(),
        " FROM executions WHERE tenant = ?1 AND position < ?2 AND (?3 IS NULL OR status = ?3) \
         AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(executions.actions) WHERE value = ?4)) \
         ORDER BY position DESC LIMIT ?5"
    );
    let after = after.map_or(i64::MAX, |after| i64::try_from(after.0).unwrap_or(i64::MAX));
    let (status, action) = (filter.status.map(ExecutionStatus::as_str), filter.action.as_ref().map(ActionName::as_str));
    // One more than asked for tells whether there is another page.
    let page = params![tenant.as_str(), after, status, action, columns::rows(take.saturating_add(1))];
    let mut found = query(connection, PAGE, page, execution_row).map_err(errors.sql())?;
    let is_more = found.len() > take;
    found.truncate(take);
    let last = found.last().filter(|_| is_more);
    let next = last.map(|row| columns::revision(row.position).map(ExecutionCursor)).transpose()?;
    Ok(ExecutionPage { executions: found.iter().map(ExecutionRow::read).collect::<Result<_, _>>()?, next })
}

pub(super) fn sweep(
    connection: &Connection,
    errors: Errors<'_>,
    before: Timestamp,
    each: u64,
    at_most: usize,
) -> Result<u64, StoreError> {
    const OLD: &str = "DELETE FROM executions WHERE position IN \
         (SELECT position FROM executions WHERE started_at < ?1 ORDER BY started_at LIMIT ?2) RETURNING tenant";
    const BEYOND: &str = "SELECT tenant, count - ?1 FROM execution_counts WHERE count > ?1 LIMIT ?2";
    const OLDEST: &str = "DELETE FROM executions WHERE position IN \
         (SELECT position FROM executions WHERE tenant = ?1 ORDER BY position LIMIT ?2)";
    let old = (millis(before), columns::rows(at_most));
    let old = query(connection, OLD, old, |row| row.get::<_, String>(0)).map_err(errors.sql())?;
    let mut counts = Counts::default();
    old.iter().for_each(|tenant| counts.add(tenant, -1));
    counts.write(connection).map_err(errors.sql())?;
    let mut rest = at_most - old.len();
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let mut counts = Counts::default();
    for (tenant, beyond) in query(connection, BEYOND, (each, columns::rows(rest)), row).map_err(errors.sql())? {
        let limit = beyond.min(columns::rows(rest));
        let swept = execute(connection, OLDEST, (&tenant, limit)).map_err(errors.sql())?;
        counts.add(&tenant, -columns::rows(swept));
        rest -= swept;
    }
    counts.write(connection).map_err(errors.sql())?;
    Ok((at_most - rest) as u64)
}
