//! Versions: what drafts become when they are deployed.

use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::super::errors::Trouble;
use super::super::lease::Lease;
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::policies::is_policy;
use super::rows::version_row;
use super::{actions, components, turn};
use crate::columns::{self, VersionRow, version_columns};
use crate::registry::{Basis, Deployed, Keeping, Version, VersionList};
use crate::tokens::{ActionUid, VersionUid};

const VERSION: &str = concat!("SELECT ", version_columns!(), " FROM versions WHERE tenant = $1 AND action_id = $2 AND id = $3");

/// How many there are, and some of them: one statement, and one row where there are none.
const VERSIONS: &str = concat!(
    "SELECT (SELECT count(*) FROM versions WHERE tenant = $1 AND action_id = $2), ",
    version_columns!(),
    " FROM actions LEFT JOIN (SELECT * FROM versions WHERE tenant = $1 AND action_id = $2 ORDER BY number DESC LIMIT $4 OFFSET $3) \
     AS versions ON true WHERE actions.tenant = $1 AND actions.id = $2 ORDER BY versions.number DESC"
);

const INSERT: &str = "INSERT INTO versions (tenant, action_id, id, number, digest, size, info, created_at, built_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const FORGET: &str = "DELETE FROM versions WHERE tenant = $1 AND action_id = $2 AND number <= $3 RETURNING digest";

/// One attempt.
pub(super) async fn deploy_draft(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    digest: &ComponentDigest,
    basis: Basis,
    keeping: Keeping,
    now: Timestamp,
) -> Result<Deployed, Trouble> {
    let kept = turn::begin(&mut lease, tenant, id).await?;
    let refused = match &kept {
        None => Some(Deployed::Absent),
        Some(kept) if kept.row.draft_digest.is_none() => Some(Deployed::NotBuilt),
        Some(kept) if !kept.row.has_draft(digest) || !kept.row.is_still(&basis) => Some(Deployed::Overtaken),
        Some(_) if !is_policy(&lease, tenant, basis.policy).await? => Some(Deployed::Overtaken),
        Some(_) => None,
    };
    let (Some(mut kept), None) = (kept, &refused) else {
        lease.roll_back().await?;
        return Ok(refused.unwrap_or(Deployed::Absent));
    };
    let Some(version) = kept.row.deploy_draft(now)? else {
        lease.roll_back().await?;
        return Ok(Deployed::NotBuilt);
    };
    let insert = lease.prepare(INSERT).await?;
    lease
        .client()?
        .execute(
            &insert,
            &[
                &bytes(tenant),
                &kept.row.id.as_bytes(),
                &version.id.as_bytes(),
                &version.number,
                &version.digest.as_bytes(),
                &version.size,
                &version.info,
                &version.created_at,
                &version.built_at,
            ],
        )
        .await?;
    actions::update(&lease, tenant, &kept.row).await?;
    let forget = lease.prepare(FORGET).await?;
    let gone: [Parameter<'_>; 3] = [&bytes(tenant), &kept.row.id.as_bytes(), &version.last_gone(keeping)];
    let gone = lease.client()?.query(&forget, &gone).await?;
    let gone = gone.iter().map(|row| row.try_get::<_, &[u8]>(0)).collect::<Result<Vec<_>, _>>()?;
    components::forget(&lease, tenant, &gone).await?;
    deployed(lease, tenant, id, kept.is_bound).await
}

/// One attempt.
pub(super) async fn deploy_version(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    version: &VersionUid,
    basis: Basis,
    update_draft: bool,
    now: Timestamp,
) -> Result<Deployed, Trouble> {
    let Some(mut kept) = turn::begin(&mut lease, tenant, id).await? else {
        lease.roll_back().await?;
        return Ok(Deployed::Absent);
    };
    let Some(version) = find(&lease, tenant, id, version).await? else {
        lease.roll_back().await?;
        return Ok(Deployed::Absent);
    };
    if !kept.row.is_still(&basis) || !is_policy(&lease, tenant, basis.policy).await? {
        lease.roll_back().await?;
        return Ok(Deployed::Overtaken);
    }
    let replaced = kept.row.draft_digest.clone().filter(|_| update_draft);
    kept.row.deploy_version(&version, update_draft, now);
    actions::update(&lease, tenant, &kept.row).await?;
    if let Some(replaced) = replaced {
        components::forget(&lease, tenant, &[replaced.as_bytes()]).await?;
    }
    deployed(lease, tenant, id, kept.is_bound).await
}

async fn deployed(lease: Lease, tenant: &TenantId, id: &ActionUid, is_bound: bool) -> Result<Deployed, Trouble> {
    let action = actions::written(&lease, tenant, id).await?;
    turn::commit(lease, tenant, is_bound).await?;
    Ok(Deployed::Deployed(Box::new(action)))
}

pub(super) async fn versions(
    lease: &Lease,
    tenant: &TenantId,
    id: &ActionUid,
    skip: usize,
    take: usize,
) -> Result<Option<VersionList>, Trouble> {
    let (skip, take) = (columns::rows(skip), columns::rows(take));
    let select = lease.prepare(VERSIONS).await?;
    let rows = lease.client()?.query(&select, &[&bytes(tenant), &id.to_string().as_bytes(), &skip, &take]).await?;
    let Some(total) = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()? else {
        return Ok(None);
    };
    let mut versions = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(version) = version_row(row, 1)? {
            versions.push(version.read()?);
        }
    }
    Ok(Some(VersionList { versions, total: total.unsigned_abs() }))
}

pub(super) async fn version(
    lease: &Lease,
    tenant: &TenantId,
    id: &ActionUid,
    version: &VersionUid,
) -> Result<Option<Version>, Trouble> {
    Ok(find(lease, tenant, id, version).await?.map(|version| version.read()).transpose()?)
}

async fn find(lease: &Lease, tenant: &TenantId, id: &ActionUid, version: &VersionUid) -> Result<Option<VersionRow>, Trouble> {
    let select = lease.prepare(VERSION).await?;
    let (id, version) = (id.to_string().into_bytes(), version.to_string().into_bytes());
    match lease.client()?.query_opt(&select, &[&bytes(tenant), &id, &version]).await? {
        Some(row) => version_row(&row, 0),
        None => Ok(None),
    }
}
