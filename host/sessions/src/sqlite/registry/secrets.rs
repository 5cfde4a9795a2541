//! Policies, and secrets whose key changes.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};
use vestibule_model::{TenantId, Timestamp};

use super::flows::Flows;
use super::rows::{execute, query, secret_row};
use crate::columns::{self, json, millis, secret_columns, tenant_of};
use crate::error::StoreError;
use crate::registry::{PolicyRevision, SealedSecret, StoredPolicy};
use crate::sqlite::Errors;
use crate::tokens::ActionUid;

pub(super) fn policy(connection: &Connection, errors: Errors<'_>, tenant: &TenantId) -> Result<Option<StoredPolicy>, StoreError> {
    const POLICY: &str = "SELECT body, updated_at, revision FROM policies WHERE tenant = ?1";
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    let found = connection
        .prepare_cached(POLICY)
        .and_then(|mut select| select.query_row([tenant.as_str()], row).optional())
        .map_err(errors.sql())?;
    found.map(|(body, updated_at, revision)| columns::policy(&body, updated_at, revision)).transpose()
}

/// Whether a tenant's policy has this revision, where one is given.
pub(super) fn is_policy(connection: &Connection, tenant: &TenantId, revision: Option<PolicyRevision>) -> rusqlite::Result<bool> {
    const REVISION: &str = "SELECT revision FROM policies WHERE tenant = ?1";
    let Some(revision) = revision else { return Ok(true) };
    let kept = connection.prepare_cached(REVISION)?.query_row([tenant.as_str()], |row| row.get(0)).optional()?;
    Ok(revision.is(kept))
}

pub(super) fn set_policy(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    tenant: &TenantId,
    policy: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SET: &str = "INSERT INTO policies (tenant, body, updated_at, revision) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (tenant) DO UPDATE SET body = excluded.body, updated_at = max(updated_at, excluded.updated_at), \
         revision = excluded.revision";
    match policy {
        Some(body) => {
            let revision = flows.count(connection, errors, tenant)?;
            let values = params![tenant.as_str(), json(body), millis(now), revision];
            execute(connection, SET, values).map_err(errors.sql())?;
        }
        None => {
            let removed = execute(connection, "DELETE FROM policies WHERE tenant = ?1", [tenant.as_str()]);
            if removed.map_err(errors.sql())? > 0 {
                flows.count(connection, errors, tenant)?;
            }
        }
    }
    Ok(())
}

pub(super) fn sealed_secrets(
    connection: &Connection,
    errors: Errors<'_>,
    not_by: &str,
    take: usize,
) -> Result<Vec<(TenantId, ActionUid, SealedSecret)>, StoreError> {
    /// One of two ranges of an index: almost always both are empty.
    macro_rules! range {
        ($condition:literal) => {
            concat!("SELECT * FROM (SELECT ", secret_columns!(), ", secrets.tenant FROM secrets WHERE ", $condition, " LIMIT ?2)")
        };
    }
    const SEALED: &str =
        concat!(range!("key_id < ?1 ORDER BY key_id"), " UNION ALL ", range!("key_id > ?1 ORDER BY key_id"), " LIMIT ?2");
    let row = |row: &Row<'_>| Ok((secret_row(row)?, row.get::<_, String>(5)?));
    let found = query(connection, SEALED, (not_by, columns::rows(take)), row).map_err(errors.sql())?;
    found.into_iter().map(|(row, tenant)| Ok((tenant_of(&tenant)?, row.action()?, row.read()?))).collect()
}

pub(super) fn reseal(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    action: &ActionUid,
    old: &SealedSecret,
    new: &SealedSecret,
) -> Result<bool, StoreError> {
    const RESEAL: &str = "UPDATE secrets SET key_id = ?6, sealed = ?7 \
         WHERE tenant = ?1 AND action_id = ?2 AND name = ?3 AND key_id = ?4 AND sealed = ?5";
    let values = params![tenant.as_str(), action.to_string(), old.name.as_str(), old.key, old.sealed, new.key, new.sealed];
    Ok(execute(connection, RESEAL, values).map_err(errors.sql())? > 0)
}
