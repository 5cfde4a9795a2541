//! Components, and the drafts that they are at first.

use std::time::Duration;

use bytes::Bytes;
use tokio::join;
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::super::changes::change;
use super::super::errors::Trouble;
use super::super::lease::{Connections, Lease};
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::super::rows::text;
use super::{actions, turn};
use crate::columns::{self, millis};
use crate::error::StoreError;
use crate::registry::{BuildError, ComponentInfo, DraftPut, Keeping, StoredAction};
use crate::store::{REMOVED_BYTES, fitting};
use crate::tokens::ActionUid;

/// A component has many bytes, and the way to the database may be long: more time than a statement
/// has.
const WITH_TIME: &str = "; SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// What the database waits at most for a component's bytes to be on their way, see [`WITH_TIME`].
const MOST: Duration = Duration::from_secs(60);

/// What a trip with a component's bytes may take, however few they are.
const TRANSFER: Duration = Duration::from_secs(4);

const COMPONENT: &str = "SELECT bytes FROM components WHERE tenant = $1 AND digest = $2 AND is_kept";
const SIZE: &str = "SELECT octet_length(bytes)::bigint FROM components WHERE tenant = $1 AND digest = $2 AND is_kept";
const IS_KEPT: &str = "SELECT 1 FROM components WHERE tenant = $1 AND digest = $2 AND is_kept";
const KEEP: &str = "INSERT INTO components (tenant, digest, bytes, is_kept) VALUES ($1, $2, $3, true) ON CONFLICT DO NOTHING";

/// Bytes that the sweep has not removed yet needn't come again.
const KEEP_AGAIN: &str = "UPDATE components SET is_kept = true WHERE tenant = $1 AND digest = $2";

/// Bytes of the tenant's components but for the draft that goes where nothing else names it.
const LEFT: &str = "SELECT coalesce(sum(octet_length(bytes)), 0)::bigint FROM components WHERE tenant = $1 AND is_kept \
     AND (digest IS DISTINCT FROM $2 OR EXISTS (SELECT 1 FROM versions WHERE versions.tenant = $1 AND versions.digest = $2) \
     OR EXISTS (SELECT 1 FROM actions WHERE actions.tenant = $1 AND actions.draft_digest = $2 AND actions.id <> $3))";

/// Of these, what no draft and no version names. No bytes are touched: removing some hundred
/// megabytes takes longer than a statement may.
const FORGET: &str = "UPDATE components SET is_kept = false WHERE tenant = $1 AND digest = ANY($2) AND is_kept \
     AND NOT EXISTS (SELECT 1 FROM actions WHERE actions.tenant = $1 AND actions.draft_digest = components.digest) \
     AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.tenant = $1 AND versions.digest = components.digest)";

const NOT_KEPT: &str = "SELECT tenant, digest, octet_length(bytes)::bigint FROM components WHERE NOT is_kept \
     ORDER BY tenant, digest LIMIT $1";

/// Somebody may keep it again at this moment.
const REMOVE: &str = "WITH gone AS MATERIALIZED (SELECT tenant, digest FROM components \
     WHERE tenant = $1 AND digest = $2 AND NOT is_kept FOR UPDATE SKIP LOCKED) \
     DELETE FROM components USING gone WHERE components.tenant = gone.tenant AND components.digest = gone.digest";

const UNBUILT: &str = "SELECT tenant, id, draft_digest FROM actions WHERE draft_status IN ('pending', 'building') \
     AND (build_until IS NULL OR build_until <= $1) ORDER BY draft_updated_at, tenant, id LIMIT $2";

/// How long the bytes of a component may be on their way: a second for each MiB, beside what a call
/// has.
fn transfer_time(bytes: usize) -> Duration {
    const BYTES_A_SECOND: usize = 1 << 20;
    TRANSFER + Duration::from_secs(u64::try_from(bytes / BYTES_A_SECOND).unwrap_or(u64::MAX)).min(MOST)
}

/// One attempt, in two trips: how many bytes there are says how long they may be on their way. What
/// could be written can be read: it has the same time.
pub(super) async fn component(mut lease: Lease, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, Trouble> {
    let (size, select) = (lease.prepare(SIZE).await?, lease.prepare(COMPONENT).await?);
    lease.begins();
    let client = lease.client()?;
    let digest = digest.to_string().into_bytes();
    let key: [Parameter<'_>; 2] = [&bytes(tenant), &digest];
    let (begun, size) = join!(biased; client.begin(WITH_TIME), client.query_opt(&size, &key));
    begun?;
    let component = match size? {
        None => None,
        Some(size) => {
            lease.extend(transfer_time(usize::try_from(size.try_get::<_, i64>(0)?).unwrap_or(usize::MAX)));
            client.query_opt(&select, &key).await?.map(|row| row.try_get::<_, Vec<u8>>(0)).transpose()?
        }
    };
    lease.roll_back().await?;
    Ok(component.map(Bytes::from))
}

/// Forgets those of these components that nothing names any longer. Nobody begins to name one
/// meanwhile: that takes the tenant's turn.
pub(super) async fn forget(lease: &Lease, tenant: &TenantId, digests: &[&[u8]]) -> Result<(), Trouble> {
    if digests.is_empty() {
        return Ok(());
    }
    let forget = lease.prepare(FORGET).await?;
    lease.client()?.execute(&forget, &[&bytes(tenant), &digests]).await?;
    Ok(())
}

/// Removes the bytes of components that nothing names, each in a transaction of its own: how many,
/// and whether there are more.
pub(in super::super) async fn sweep(connections: &Connections, at_most: usize) -> Result<(u64, bool), StoreError> {
    let found = connections.attempt(true, |lease| async move { not_kept(&lease, at_most).await }).await?;
    let fit = fitting(found.iter().map(|(.., size)| *size), REMOVED_BYTES);
    let mut removed = 0;
    for (tenant, digest, _) in &found[..fit] {
        let (tenant, digest) = (tenant.as_slice(), digest.as_slice());
        removed += connections.attempt(true, |lease| change(lease, REMOVE, [&tenant as Parameter<'_>, &digest])).await?;
    }
    Ok((removed, fit < found.len() || found.len() >= at_most))
}

async fn not_kept(lease: &Lease, at_most: usize) -> Result<Vec<(Vec<u8>, Vec<u8>, i64)>, Trouble> {
    let select = lease.prepare(NOT_KEPT).await?;
    let rows = lease.client()?.query(&select, &[&columns::rows(at_most)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// One attempt.
pub(super) async fn put_draft(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    (digest, component): (&ComponentDigest, &[u8]),
    keeping: Keeping,
    now: Timestamp,
) -> Result<DraftPut, Trouble> {
    let Some(mut kept) = turn::begin(&mut lease, tenant, id).await? else {
        lease.roll_back().await?;
        return Ok(DraftPut::Absent);
    };
    let replaced = kept.row.draft_digest.take();
    kept.row.put_draft(digest, component.len(), now);
    let (owner, key) = (bytes(tenant), digest.to_string().into_bytes());
    let is_kept = lease.prepare(IS_KEPT).await?;
    if lease.client()?.query_opt(&is_kept, &[&owner, &key]).await?.is_none() {
        let left = lease.prepare(LEFT).await?;
        let of = replaced.as_deref().map(str::as_bytes);
        let left = lease.client()?.query_one(&left, &[&owner, &of, &kept.row.id.as_bytes()]).await?.try_get::<_, i64>(0)?;
        if left.unsigned_abs().saturating_add(component.len() as u64) > keeping.bytes {
            lease.roll_back().await?;
            return Ok(DraftPut::TooManyBytes);
        }
        let again = lease.prepare(KEEP_AGAIN).await?;
        if lease.client()?.execute(&again, &[&owner, &key]).await? == 0 {
            let keep = lease.prepare(KEEP).await?;
            lease.client()?.batch_execute(WITH_TIME.trim_start_matches("; ")).await?;
            lease.extend(transfer_time(component.len()));
            lease.client()?.execute(&keep, &[&owner, &key, &component]).await?;
        }
    }
    actions::update(&lease, tenant, &kept.row).await?;
    if let Some(replaced) = replaced {
        forget(&lease, tenant, &[replaced.as_bytes()]).await?;
    }
    let changed = actions::written(&lease, tenant, id).await?;
    turn::commit(lease, tenant, false).await?;
    Ok(DraftPut::Put(Box::new(changed)))
}

/// One attempt.
pub(super) async fn begin_build(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    digest: &ComponentDigest,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Trouble> {
    let kept = turn::begin(&mut lease, tenant, id).await?;
    let Some(mut kept) = kept else {
        lease.roll_back().await?;
        return Ok(false);
    };
    if !kept.row.begin_build(digest, now, until) {
        lease.roll_back().await?;
        return Ok(false);
    }
    actions::update(&lease, tenant, &kept.row).await?;
    turn::commit(lease, tenant, false).await?;
    Ok(true)
}

/// One attempt.
pub(super) async fn end_build(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    digest: &ComponentDigest,
    built: &Result<ComponentInfo, Vec<BuildError>>,
    now: Timestamp,
) -> Result<Option<StoredAction>, Trouble> {
    let Some(mut kept) = turn::begin(&mut lease, tenant, id).await? else {
        lease.roll_back().await?;
        return Ok(None);
    };
    if kept.row.end_build(digest, built, now) {
        actions::update(&lease, tenant, &kept.row).await?;
    }
    let action = actions::written(&lease, tenant, id).await?;
    turn::commit(lease, tenant, false).await?;
    Ok(Some(action))
}

pub(super) async fn unbuilt(
    lease: &Lease,
    now: Timestamp,
    take: usize,
) -> Result<Vec<(TenantId, ActionUid, ComponentDigest)>, Trouble> {
    let select = lease.prepare(UNBUILT).await?;
    let rows = lease.client()?.query(&select, &[&millis(now), &columns::rows(take)]).await?;
    rows.iter()
        .map(|row| {
            let [tenant, action, digest] = [text(row.try_get(0)?)?, text(row.try_get(1)?)?, text(row.try_get(2)?)?];
            Ok(columns::unbuilt(&tenant, &action, &digest)?)
        })
        .collect()
}
