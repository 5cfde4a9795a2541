//! What a tenant lets its Actions see and do.

use serde_json::{Map, Value};
use vestibule_model::{TenantId, Timestamp};

use super::super::errors::Trouble;
use super::super::lease::{Lease, Write};
use super::super::login::bytes;
use super::turn;
use crate::columns::{self, body, millis};
use crate::registry::{PolicyRevision, StoredPolicy};

const REVISION: &str = "SELECT revision FROM policies WHERE tenant = $1";
const POLICY: &str = "SELECT body, updated_at, revision FROM policies WHERE tenant = $1";

/// Counted and written in one statement: the policy has the revision of its change.
const SET: &str = "WITH next AS (UPDATE flow_counter SET revision = revision + 1 WHERE id = 1 RETURNING revision), \
     mine AS (UPDATE flow_revisions SET revision = next.revision FROM next WHERE flow_revisions.tenant = $1) \
     INSERT INTO policies (tenant, body, updated_at, revision) SELECT $1, $2, $3, next.revision FROM next \
     ON CONFLICT (tenant) DO UPDATE SET body = excluded.body, updated_at = greatest(policies.updated_at, excluded.updated_at), \
     revision = excluded.revision";
const REMOVE: &str = "DELETE FROM policies WHERE tenant = $1";

pub(super) async fn policy(lease: &Lease, tenant: &TenantId) -> Result<Option<StoredPolicy>, Trouble> {
    let select = lease.prepare(POLICY).await?;
    match lease.client()?.query_opt(&select, &[&bytes(tenant)]).await? {
        Some(row) => Ok(Some(columns::policy(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)?)),
        None => Ok(None),
    }
}

/// Whether a tenant's policy has this revision, where one is given. The tenant's turn has to be the
/// caller's.
pub(super) async fn is_policy(lease: &Lease, tenant: &TenantId, revision: Option<PolicyRevision>) -> Result<bool, Trouble> {
    let Some(revision) = revision else { return Ok(true) };
    let select = lease.prepare(REVISION).await?;
    let kept = lease.client()?.query_opt(&select, &[&bytes(tenant)]).await?;
    Ok(revision.is(kept.map(|row| row.try_get(0)).transpose()?))
}

/// One attempt.
pub(super) async fn set(
    mut lease: Lease,
    tenant: &TenantId,
    policy: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let owner = bytes(tenant);
    turn::begin_with(&mut lease, tenant, POLICY, &[&owner]).await?;
    match policy {
        Some(policy) => {
            let (policy, now) = (body(policy), millis(now));
            let write = Write::of(&lease, SET, true, vec![&owner, &policy, &now]).await?;
            turn::commit_counted(lease, write).await
        }
        None => {
            let remove = lease.prepare(REMOVE).await?;
            let removed = lease.client()?.execute(&remove, &[&owner]).await?;
            turn::commit(lease, tenant, removed > 0).await
        }
    }
}
