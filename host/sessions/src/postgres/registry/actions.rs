//! Actions: their names, settings and secrets.

use tokio_postgres::Row;
use vestibule_model::{TenantId, Timestamp};

use super::super::errors::Trouble;
use super::super::lease::Lease;
use super::super::login::bytes;
use super::super::rows::is_there_already;
use super::policies::is_policy;
use super::rows::{deployed, optional_bytes, whole, whole_columns};
use super::{components, secrets, turn};
use crate::columns::{self, ActionRow};
use crate::error::StoreError;
use crate::registry::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, ActionName, NewAction, StoredAction,
    Trigger,
};
use crate::tokens::ActionUid;

const ACTION: &str =
    concat!("SELECT ", whole_columns!(), " FROM actions", deployed!(), "WHERE actions.tenant = $1 AND actions.id = $2");
const NAMED: &str =
    concat!("SELECT ", whole_columns!(), " FROM actions", deployed!(), "WHERE actions.tenant = $1 AND actions.name = $2");

macro_rules! of_filter {
    () => {
        "FROM actions WHERE tenant = $1 AND ($2::text IS NULL OR trigger_id = $2) AND ($3::bytea IS NULL OR name = $3) \
         AND ($4::boolean IS NULL OR (deployed IS NOT NULL) = $4)"
    };
}

/// How many there are, and some of them: one statement, and one row where there are none.
const ACTIONS: &str = concat!(
    "SELECT (SELECT count(*) ",
    of_filter!(),
    "), ",
    whole_columns!(),
    " FROM (SELECT 1) AS one LEFT JOIN (SELECT * ",
    of_filter!(),
    " ORDER BY name LIMIT $6 OFFSET $5) AS actions ON true",
    deployed!(),
    "ORDER BY actions.name"
);

const COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE name = $2) FROM actions WHERE tenant = $1";

const INSERT: &str = "INSERT INTO actions (tenant, id, name, trigger_id, settings, last_version, created_at, updated_at, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: &str = "UPDATE actions SET name = $3, settings = $4, draft_digest = $5, draft_size = $6, draft_status = $7, \
     draft_errors = $8, draft_info = $9, draft_updated_at = $10, draft_built_at = $11, build_until = $12, deployed = $13, \
     last_version = $14, updated_at = $15, revision = $16 WHERE tenant = $1 AND id = $2";

const DELETE: &str = "DELETE FROM actions WHERE tenant = $1 AND id = $2";
const DELETE_BINDINGS: &str = "DELETE FROM bindings WHERE tenant = $1 AND action_id = $2";
const DELETE_SECRETS: &str = "DELETE FROM secrets WHERE tenant = $1 AND action_id = $2";
const DELETE_VERSIONS: &str = "DELETE FROM versions WHERE tenant = $1 AND action_id = $2 RETURNING digest";

pub(super) async fn action(lease: &Lease, tenant: &TenantId, id: &ActionUid) -> Result<Option<StoredAction>, Trouble> {
    one(lease, tenant, ACTION, id.to_string().as_bytes()).await
}

pub(super) async fn action_named(lease: &Lease, tenant: &TenantId, name: &ActionName) -> Result<Option<StoredAction>, Trouble> {
    one(lease, tenant, NAMED, name.as_str().as_bytes()).await
}

async fn one(lease: &Lease, tenant: &TenantId, sql: &str, key: &[u8]) -> Result<Option<StoredAction>, Trouble> {
    let select = lease.prepare(sql).await?;
    match lease.client()?.query_opt(&select, &[&bytes(tenant), &key]).await? {
        Some(row) => whole(&row, 0),
        None => Ok(None),
    }
}

/// An Action that its own transaction has just written.
pub(super) async fn written(lease: &Lease, tenant: &TenantId, id: &ActionUid) -> Result<StoredAction, Trouble> {
    let lost = || StoreError::Failed { reason: "the database has lost what was just written".into() };
    Ok(action(lease, tenant, id).await?.ok_or_else(lost)?)
}

pub(super) async fn actions(
    lease: &Lease,
    tenant: &TenantId,
    filter: &ActionFilter,
    skip: usize,
    take: usize,
) -> Result<ActionList, Trouble> {
    let trigger = filter.trigger.map(Trigger::as_str);
    let name = filter.name.as_ref().map(|name| name.as_str().as_bytes());
    let (skip, take) = (columns::rows(skip), columns::rows(take));
    let select = lease.prepare(ACTIONS).await?;
    let rows = lease.client()?.query(&select, &[&bytes(tenant), &trigger, &name, &filter.deployed, &skip, &take]).await?;
    let total: i64 = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    let actions = rows.iter().filter_map(|row| whole(row, 1).transpose()).collect::<Result<_, Trouble>>()?;
    Ok(ActionList { actions, total: total.unsigned_abs() })
}

/// One attempt.
pub(super) async fn create(
    mut lease: Lease,
    tenant: &TenantId,
    action: &NewAction,
    at_most: u64,
    now: Timestamp,
) -> Result<ActionCreated, Trouble> {
    let row = ActionRow::new(action, now);
    let counted = turn::begin_with(&mut lease, tenant, COUNT, &[&bytes(tenant), &row.name.as_bytes()]).await?;
    let counts = |row: &Row| Ok::<(i64, i64), Trouble>((row.try_get(0)?, row.try_get(1)?));
    let (count, named) = counted.first().map(counts).transpose()?.unwrap_or_default();
    let refused = match (named, count.unsigned_abs() >= at_most) {
        (0, false) => None,
        (0, true) => Some(ActionCreated::TooMany),
        (..) => Some(ActionCreated::NameTaken),
    };
    if let Some(refused) = refused {
        lease.roll_back().await?;
        return Ok(refused);
    }
    let insert = lease.prepare(INSERT).await?;
    let (id, name) = (row.id.as_bytes(), row.name.as_bytes());
    lease
        .client()?
        .execute(
            &insert,
            &[
                &bytes(tenant),
                &id,
                &name,
                &row.trigger_id,
                &row.settings,
                &row.last_version,
                &row.created_at,
                &row.updated_at,
                &row.revision,
            ],
        )
        .await?;
    secrets::put(&lease, tenant, &action.id, &action.secrets).await?;
    let created = written(&lease, tenant, &action.id).await?;
    turn::commit(lease, tenant, false).await?;
    Ok(ActionCreated::Created(Box::new(created)))
}

/// One attempt.
pub(super) async fn change(
    mut lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    change: &ActionChange,
    revision: Option<u64>,
    now: Timestamp,
) -> Result<ActionChanged, Trouble> {
    let Some(mut kept) = turn::begin(&mut lease, tenant, id).await? else {
        lease.roll_back().await?;
        return Ok(ActionChanged::Absent);
    };
    if !kept.row.has_revision(revision) || !is_policy(&lease, tenant, change.policy).await? {
        lease.roll_back().await?;
        return Ok(ActionChanged::Overtaken);
    }
    if let Some(name) = &change.name {
        kept.row.name = name.as_str().to_owned();
    }
    if let Some(settings) = &change.settings {
        kept.row.set_settings(settings);
    }
    kept.row.touch(now);
    match update(&lease, tenant, &kept.row).await {
        Err(Trouble::Sql(error)) if is_there_already(&error) => {
            lease.roll_back().await?;
            return Ok(ActionChanged::NameTaken);
        }
        updated => updated?,
    }
    if let Some(change) = &change.secrets {
        secrets::change(&lease, tenant, id, change).await?;
    }
    let changed = written(&lease, tenant, id).await?;
    let has_changed = change.name.is_some() || change.settings.is_some() || change.secrets.is_some();
    turn::commit(lease, tenant, kept.is_bound && has_changed).await?;
    Ok(ActionChanged::Changed(Box::new(changed)))
}

/// Writes an Action's row in place of the one that is kept.
pub(super) async fn update(lease: &Lease, tenant: &TenantId, row: &ActionRow) -> Result<(), Trouble> {
    let update = lease.prepare(UPDATE).await?;
    let (id, name) = (row.id.as_bytes(), row.name.as_bytes());
    let (draft, deployed) = (optional_bytes(row.draft_digest.as_ref()), optional_bytes(row.deployed.as_ref()));
    lease
        .client()?
        .execute(
            &update,
            &[
                &bytes(tenant),
                &id,
                &name,
                &row.settings,
                &draft,
                &row.draft_size,
                &row.draft_status,
                &row.draft_errors,
                &row.draft_info,
                &row.draft_updated_at,
                &row.draft_built_at,
                &row.build_until,
                &deployed,
                &row.last_version,
                &row.updated_at,
                &row.revision,
            ],
        )
        .await?;
    Ok(())
}

/// One attempt.
pub(super) async fn delete(mut lease: Lease, tenant: &TenantId, id: &ActionUid, force: bool) -> Result<ActionDeleted, Trouble> {
    let Some(kept) = turn::begin(&mut lease, tenant, id).await? else {
        lease.roll_back().await?;
        return Ok(ActionDeleted::Absent);
    };
    if kept.is_bound && !force {
        lease.roll_back().await?;
        return Ok(ActionDeleted::Bound);
    }
    let (owner, key) = (bytes(tenant), kept.row.id.as_bytes());
    for sql in [DELETE_BINDINGS, DELETE_SECRETS, DELETE] {
        let delete = lease.prepare(sql).await?;
        lease.client()?.execute(&delete, &[&owner, &key]).await?;
    }
    let delete = lease.prepare(DELETE_VERSIONS).await?;
    let versions = lease.client()?.query(&delete, &[&owner, &key]).await?;
    let mut digests = versions.iter().map(|row| row.try_get(0)).collect::<Result<Vec<&[u8]>, _>>()?;
    digests.extend(optional_bytes(kept.row.draft_digest.as_ref()));
    components::forget(&lease, tenant, &digests).await?;
    turn::commit(lease, tenant, kept.is_bound).await?;
    Ok(ActionDeleted::Deleted)
}
