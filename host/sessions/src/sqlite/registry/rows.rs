//! Rows of Actions, versions and secrets: found, written, and read together.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use vestibule_model::TenantId;

use crate::columns::{ACTION_COLUMNS, ActionRow, SecretRow, VersionRow, json, secret_columns, secret_info};
use crate::error::StoreError;
use crate::registry::{SealedSecret, SecretInfo, StoredAction};
use crate::sqlite::Errors;

/// An Action's row, and that of the version that it runs.
pub(super) type Found = (ActionRow, Option<VersionRow>);

/// Actions with the versions that they run; a condition or more joins come after it.
macro_rules! select_actions {
    () => {
        concat!(
            "SELECT ",
            $crate::columns::action_columns!(),
            ", ",
            $crate::columns::version_columns!(),
            " FROM actions LEFT JOIN versions ON versions.tenant = actions.tenant AND versions.id = actions.deployed "
        )
    };
}
pub(super) use select_actions;

pub(super) fn action_row(row: &Row<'_>) -> rusqlite::Result<Found> {
    let action = ActionRow {
        id: row.get(0)?,
        name: row.get(1)?,
        trigger_id: row.get(2)?,
        settings: row.get(3)?,
        draft_digest: row.get(4)?,
        draft_size: row.get(5)?,
        draft_status: row.get(6)?,
        draft_errors: row.get(7)?,
        draft_info: row.get(8)?,
        draft_updated_at: row.get(9)?,
        draft_built_at: row.get(10)?,
        build_until: row.get(11)?,
        deployed: row.get(12)?,
        last_version: row.get(13)?,
        created_at: row.get(14)?,
        updated_at: row.get(15)?,
        revision: row.get(16)?,
    };
    Ok((action, version_if_there(row, ACTION_COLUMNS)?))
}

/// A version's columns, from this one on; none where the query has found none.
pub(super) fn version_if_there(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<VersionRow>> {
    let is_there = row.get::<_, Option<String>>(first)?.is_some();
    is_there.then(|| version_row(row, first)).transpose()
}

/// A version's columns, from this one on.
pub(super) fn version_row(row: &Row<'_>, first: usize) -> rusqlite::Result<VersionRow> {
    Ok(VersionRow {
        id: row.get(first)?,
        number: row.get(first + 1)?,
        digest: row.get(first + 2)?,
        size: row.get(first + 3)?,
        info: row.get(first + 4)?,
        created_at: row.get(first + 5)?,
        built_at: row.get(first + 6)?,
    })
}

pub(super) fn secret_row(row: &Row<'_>) -> rusqlite::Result<SecretRow> {
    Ok(SecretRow { action_id: row.get(0)?, name: row.get(1)?, key_id: row.get(2)?, sealed: row.get(3)?, updated_at: row.get(4)? })
}

pub(super) fn kept(connection: &Connection, tenant: &TenantId, id: &str) -> rusqlite::Result<Option<Found>> {
    const BY_ID: &str = concat!(select_actions!(), "WHERE actions.tenant = ?1 AND actions.id = ?2");
    connection.prepare_cached(BY_ID)?.query_row((tenant.as_str(), id), action_row).optional()
}

pub(super) fn named(connection: &Connection, tenant: &TenantId, name: &str) -> rusqlite::Result<Option<Found>> {
    const BY_NAME: &str = concat!(select_actions!(), "WHERE actions.tenant = ?1 AND actions.name = ?2");
    connection.prepare_cached(BY_NAME)?.query_row((tenant.as_str(), name), action_row).optional()
}

/// What rows hold, with their secrets: one query for all of these.
pub(super) fn read_all(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    found: &[Found],
) -> Result<Vec<StoredAction>, StoreError> {
    const SECRETS: &str = "SELECT action_id, name, updated_at FROM secrets \
         WHERE tenant = ?1 AND action_id IN (SELECT value FROM json_each(?2)) ORDER BY action_id, name";
    let ids: Vec<&str> = found.iter().map(|(action, _)| action.id.as_str()).collect();
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
    let mut secrets: HashMap<String, Vec<SecretInfo>> = HashMap::new();
    for (action, name, updated_at) in query(connection, SECRETS, (tenant.as_str(), json(&ids)), row).map_err(errors.sql())? {
        secrets.entry(action).or_default().push(secret_info(&name, updated_at)?);
    }
    found.iter().map(|(action, version)| action.read(version.as_ref(), secrets.remove(&action.id).unwrap_or_default())).collect()
}

/// An Action as it is now; none where it isn't there.
pub(super) fn read(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &str,
) -> Result<Option<StoredAction>, StoreError> {
    let Some(found) = kept(connection, tenant, id).map_err(errors.sql())? else { return Ok(None) };
    Ok(read_all(connection, errors, tenant, &[found])?.pop())
}

pub(super) fn insert(connection: &Connection, tenant: &TenantId, row: &ActionRow) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO actions (tenant, id, name, trigger_id, settings, last_version, created_at, updated_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        tenant.as_str(),
        row.id,
        row.name,
        row.trigger_id,
        row.settings,
        row.last_version,
        row.created_at,
        row.updated_at,
        row.revision
    ];
    execute(connection, INSERT, values).map(drop)
}

/// Writes what of a row can change.
pub(super) fn update(connection: &Connection, tenant: &TenantId, row: &ActionRow) -> rusqlite::Result<()> {
    const UPDATE: &str = "UPDATE actions SET name = ?3, settings = ?4, draft_digest = ?5, draft_size = ?6, draft_status = ?7, \
         draft_errors = ?8, draft_info = ?9, draft_updated_at = ?10, draft_built_at = ?11, build_until = ?12, deployed = ?13, \
         last_version = ?14, updated_at = ?15, revision = ?16 WHERE tenant = ?1 AND id = ?2";
    let values = params![
        tenant.as_str(),
        row.id,
        row.name,
        row.settings,
        row.draft_digest,
        row.draft_size,
        row.draft_status,
        row.draft_errors,
        row.draft_info,
        row.draft_updated_at,
        row.draft_built_at,
        row.build_until,
        row.deployed,
        row.last_version,
        row.updated_at,
        row.revision
    ];
    execute(connection, UPDATE, values).map(drop)
}

/// An Action's secrets, by their names.
pub(super) fn secrets(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &str,
) -> Result<Vec<SealedSecret>, StoreError> {
    const SECRETS: &str =
        concat!("SELECT ", secret_columns!(), " FROM secrets WHERE tenant = ?1 AND action_id = ?2 ORDER BY name");
    let found = query(connection, SECRETS, (tenant.as_str(), id), secret_row).map_err(errors.sql())?;
    found.into_iter().map(SecretRow::read).collect()
}

/// All rows that a statement finds.
pub(super) fn query<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(statement)?.query_map(parameters, row)?.collect()
}

pub(super) fn execute(connection: &Connection, statement: &str, parameters: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(statement)?.execute(parameters)
}

/// Reads by more than one statement, and sees one moment. A transaction that is open already does
/// that by itself.
pub(super) fn one_view<T>(
    connection: &Connection,
    errors: Errors<'_>,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if !connection.is_autocommit() {
        return read(connection);
    }
    // It is taken back when it is dropped: nothing was written.
    let view = connection.unchecked_transaction().map_err(errors.sql())?;
    read(&view)
}
