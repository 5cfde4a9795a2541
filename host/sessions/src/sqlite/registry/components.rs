//! Components: drafts, their building, and the versions that are made of them.

use rusqlite::{Connection, OptionalExtension as _, params};
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::actions::there;
use super::flows::Flows;
use super::rows::{execute, kept, one_view, query, read, update, version_row};
use super::secrets::is_policy;
use crate::columns::{self, ActionRow, VersionRow, millis, version_columns};
use crate::error::StoreError;
use crate::registry::{Basis, BuildError, ComponentInfo, Deployed, Keeping, StoredAction, Version, VersionList};
use crate::sqlite::Errors;
use crate::tokens::{ActionUid, VersionUid};

/// A draft that somebody waits for: of which tenant and Action, and where it is.
pub(super) type Unbuilt = (TenantId, ActionUid, ComponentDigest);

pub(super) fn begin_build(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ActionUid,
    digest: &ComponentDigest,
    (now, until): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let Some((mut row, _)) = kept(connection, tenant, &id.to_string()).map_err(errors.sql())? else { return Ok(false) };
    let is_ours = row.begin_build(digest, now, until);
    if is_ours {
        update(connection, tenant, &row).map_err(errors.sql())?;
    }
    Ok(is_ours)
}

pub(super) fn end_build(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ActionUid,
    digest: &ComponentDigest,
    built: &Result<ComponentInfo, Vec<BuildError>>,
    now: Timestamp,
) -> Result<Option<StoredAction>, StoreError> {
    let id = id.to_string();
    let Some((mut row, _)) = kept(connection, tenant, &id).map_err(errors.sql())? else { return Ok(None) };
    if row.end_build(digest, built, now) {
        update(connection, tenant, &row).map_err(errors.sql())?;
    }
    read(connection, errors, tenant, &id)
}

pub(super) fn unbuilt(
    connection: &Connection,
    errors: Errors<'_>,
    now: Timestamp,
    take: usize,
) -> Result<Vec<Unbuilt>, StoreError> {
    const UNBUILT: &str = "SELECT tenant, id, draft_digest FROM actions \
         WHERE draft_status IN ('pending', 'building') AND (draft_status = 'pending' OR ifnull(build_until, 0) <= ?1) \
         ORDER BY draft_updated_at LIMIT ?2";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
    let found = query(connection, UNBUILT, (millis(now), columns::rows(take)), row).map_err(errors.sql())?;
    found.iter().map(|(tenant, action, digest)| columns::unbuilt(tenant, action, digest)).collect()
}

/// The bytes go that no draft and no version names: nothing finds them any more, and the sweep
/// removes them.
pub(super) fn forget_unnamed(connection: &Connection, tenant: &TenantId, digest: &str) -> rusqlite::Result<()> {
    const FORGET: &str = "UPDATE components SET state = 'gone' WHERE tenant = ?1 AND digest = ?2 AND state = 'kept' \
         AND NOT EXISTS (SELECT 1 FROM versions WHERE tenant = ?1 AND digest = ?2) \
         AND NOT EXISTS (SELECT 1 FROM actions WHERE tenant = ?1 AND draft_digest = ?2)";
    execute(connection, FORGET, (tenant.as_str(), digest)).map(drop)
}

pub(super) fn deploy_draft(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    (tenant, id): (&TenantId, &ActionUid),
    (digest, keeping): (&ComponentDigest, Keeping),
    basis: &Basis,
    now: Timestamp,
) -> Result<Deployed, StoreError> {
    const INSERT: &str = "INSERT INTO versions (tenant, action_id, id, number, digest, size, info, created_at, built_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let id = id.to_string();
    let Some((mut row, _)) = kept(connection, tenant, &id).map_err(errors.sql())? else { return Ok(Deployed::Absent) };
    if row.draft_digest.is_none() {
        return Ok(Deployed::NotBuilt);
    }
    if !row.has_draft(digest) || !is_still(connection, tenant, &row, basis).map_err(errors.sql())? {
        return Ok(Deployed::Overtaken);
    }
    let Some(made) = row.deploy_draft(now)? else { return Ok(Deployed::NotBuilt) };
    let values =
        params![tenant.as_str(), id, made.id, made.number, made.digest, made.size, made.info, made.created_at, made.built_at];
    execute(connection, INSERT, values).map_err(errors.sql())?;
    update(connection, tenant, &row).map_err(errors.sql())?;
    forget_versions(connection, tenant, &id, made.last_gone(keeping)).map_err(errors.sql())?;
    flows.count_if_bound(connection, errors, tenant, &id)?;
    Ok(Deployed::Deployed(there(read(connection, errors, tenant, &id)?)?))
}

/// Whether a deployment's basis is what is kept.
fn is_still(connection: &Connection, tenant: &TenantId, row: &ActionRow, basis: &Basis) -> rusqlite::Result<bool> {
    Ok(row.is_still(basis) && is_policy(connection, tenant, basis.policy)?)
}

/// An Action's versions go up to this number.
fn forget_versions(connection: &Connection, tenant: &TenantId, id: &str, last: i64) -> rusqlite::Result<()> {
    const FORGET: &str = "DELETE FROM versions WHERE tenant = ?1 AND action_id = ?2 AND number <= ?3 RETURNING digest";
    let gone = query(connection, FORGET, (tenant.as_str(), id, last), |row| row.get::<_, String>(0))?;
    gone.iter().try_for_each(|digest| forget_unnamed(connection, tenant, digest))
}

pub(super) fn deploy_version(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    (tenant, id): (&TenantId, &ActionUid),
    version: &VersionUid,
    (basis, update_draft): (&Basis, bool),
    now: Timestamp,
) -> Result<Deployed, StoreError> {
    let id = id.to_string();
    let Some((mut row, _)) = kept(connection, tenant, &id).map_err(errors.sql())? else { return Ok(Deployed::Absent) };
    let Some(again) = one_version(connection, tenant, &id, version).map_err(errors.sql())? else {
        return Ok(Deployed::Absent);
    };
    if !is_still(connection, tenant, &row, basis).map_err(errors.sql())? {
        return Ok(Deployed::Overtaken);
    }
    let before = row.draft_digest.clone();
    row.deploy_version(&again, update_draft, now);
    update(connection, tenant, &row).map_err(errors.sql())?;
    if let Some(before) = before.filter(|before| Some(before) != row.draft_digest.as_ref()) {
        forget_unnamed(connection, tenant, &before).map_err(errors.sql())?;
    }
    flows.count_if_bound(connection, errors, tenant, &id)?;
    Ok(Deployed::Deployed(there(read(connection, errors, tenant, &id)?)?))
}

pub(super) fn versions(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ActionUid,
    skip: usize,
    take: usize,
) -> Result<Option<VersionList>, StoreError> {
    const PAGE: &str = concat!(
        "SELECT ",
        version_columns!(),
        " FROM versions WHERE tenant = ?1 AND action_id = ?2 ORDER BY number DESC LIMIT ?3 OFFSET ?4"
    );
    const TOTAL: &str = "SELECT count(*) FROM versions WHERE tenant = ?1 AND action_id = ?2";
    let id = id.to_string();
    one_view(connection, errors, |connection| {
        if kept(connection, tenant, &id).map_err(errors.sql())?.is_none() {
            return Ok(None);
        }
        let page = (tenant.as_str(), &id, columns::rows(take), columns::rows(skip));
        let found = query(connection, PAGE, page, |row| version_row(row, 0)).map_err(errors.sql())?;
        let total = query(connection, TOTAL, (tenant.as_str(), &id), |row| row.get::<_, i64>(0)).map_err(errors.sql())?;
        let versions = found.iter().map(VersionRow::read).collect::<Result<_, _>>()?;
        Ok(Some(VersionList { versions, total: total.first().map_or(0, |total| total.unsigned_abs()) }))
    })
}

pub(super) fn version(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ActionUid,
    version: &VersionUid,
) -> Result<Option<Version>, StoreError> {
    let found = one_version(connection, tenant, &id.to_string(), version).map_err(errors.sql())?;
    found.map(|row| row.read()).transpose()
}

fn one_version(
    connection: &Connection,
    tenant: &TenantId,
    id: &str,
    version: &VersionUid,
) -> rusqlite::Result<Option<VersionRow>> {
    const VERSION: &str =
        concat!("SELECT ", version_columns!(), " FROM versions WHERE tenant = ?1 AND action_id = ?2 AND id = ?3");
    let key = (tenant.as_str(), id, version.to_string());
    connection.prepare_cached(VERSION)?.query_row(key, |row| version_row(row, 0)).optional()
}
