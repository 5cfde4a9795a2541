//! What runs at a trigger, and whose flows have changed.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use vestibule_model::{TenantId, Timestamp};

use super::super::errors::Trouble;
use super::super::lease::Lease;
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::super::rows::text;
use super::policies::is_policy;
use super::rows::{VERSION_COLUMNS, WHOLE_COLUMNS, binding_row, deployed, optional, secrets, version_row, whole, whole_columns};
use super::turn;
use crate::columns::{self, BindingRow, binding_columns, flow_binding, refused, tenant_of, version_columns};
use crate::error::StoreError;
use crate::registry::{Binding, BindingsReplaced, FlowBinding, FlowChanges, NewBinding, NewBindings, StoredFlow, Trigger};

const BINDINGS: &str = concat!(
    "SELECT ",
    whole_columns!(),
    ", ",
    binding_columns!(),
    " FROM bindings JOIN actions ON actions.tenant = bindings.tenant AND actions.id = bindings.action_id",
    deployed!(),
    "WHERE bindings.tenant = $1 AND bindings.trigger_id = $2 ORDER BY bindings.place"
);

/// One of an Action's lists of secrets, in the order of their names.
macro_rules! list {
    ($column:literal) => {
        concat!(
            "ARRAY(SELECT ",
            $column,
            " FROM secrets WHERE secrets.tenant = actions.tenant AND action_id = actions.id ORDER BY name)"
        )
    };
}

/// One statement, and so one moment's view; one row where nothing is bound.
const FLOW: &str = concat!(
    "SELECT coalesce((SELECT revision FROM flow_revisions WHERE tenant = $1), 0), \
     bindings.id, actions.id, actions.name, actions.settings, ",
    version_columns!(),
    ", ",
    list!("name"),
    ", ",
    list!("key_id"),
    ", ",
    list!("sealed"),
    ", ",
    list!("updated_at"),
    " FROM (SELECT 1) AS one LEFT JOIN bindings ON bindings.tenant = $1 AND bindings.trigger_id = $2 \
     LEFT JOIN actions ON actions.tenant = bindings.tenant AND actions.id = bindings.action_id",
    deployed!(),
    "ORDER BY bindings.place"
);

/// The counter and what it has counted: one statement, and one row where nothing has changed.
const CHANGES: &str = "SELECT flow_counter.revision, flow_revisions.tenant FROM flow_counter \
     LEFT JOIN flow_revisions ON flow_revisions.revision > $1 WHERE flow_counter.id = 1 ORDER BY flow_revisions.revision";

const KEPT: &str = concat!(
    "SELECT ",
    binding_columns!(),
    " FROM bindings WHERE bindings.tenant = $1 AND bindings.trigger_id = $2 ORDER BY bindings.place"
);
const ASKED_FOR: &str = "SELECT id, deployed IS NOT NULL FROM actions WHERE tenant = $1 AND trigger_id = $2 AND id = ANY($3)";

const CLEAR: &str = "DELETE FROM bindings WHERE tenant = $1 AND trigger_id = $2";
const INSERT: &str = "INSERT INTO bindings (tenant, trigger_id, action_id, id, place, display_name, created_at, updated_at) \
     SELECT $1, $2, one.* FROM unnest($3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[]) \
     AS one (action_id, id, place, display_name, created_at, updated_at)";

pub(super) async fn bindings(lease: &Lease, tenant: &TenantId, trigger: Trigger) -> Result<Vec<Binding>, Trouble> {
    let select = lease.prepare(BINDINGS).await?;
    let rows = lease.client()?.query(&select, &[&bytes(tenant), &trigger.as_str()]).await?;
    let mut bindings = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(action) = whole(row, 0)? {
            bindings.push(binding_row(row, WHOLE_COLUMNS)?.read(action)?);
        }
    }
    Ok(bindings)
}

/// One attempt.
pub(super) async fn replace(
    mut lease: Lease,
    tenant: &TenantId,
    trigger: Trigger,
    new: &NewBindings,
    now: Timestamp,
) -> Result<BindingsReplaced, Trouble> {
    let (owner, trigger) = (bytes(tenant), trigger.as_str());
    let kept = turn::begin_with(&mut lease, tenant, KEPT, &[&owner, &trigger]).await?;
    let kept = kept.iter().map(|row| binding_row(row, 0)).collect::<Result<Vec<_>, Trouble>>()?;
    let bindings = new.bindings.as_slice();
    if !is_policy(&lease, tenant, new.policy).await? || new.is_overtaken(kept.iter().map(|row| row.id.as_str())) {
        lease.roll_back().await?;
        return Ok(BindingsReplaced::Overtaken);
    }
    let are_deployed = asked_for(&lease, owner, trigger, bindings).await?;
    if let Some(refused) = refused(bindings, &are_deployed) {
        lease.roll_back().await?;
        return Ok(refused);
    }
    let new = bindings.iter().enumerate().map(|(place, binding)| BindingRow::at(place, binding, trigger, &kept, now));
    let new = new.collect::<Result<Vec<_>, StoreError>>()?;
    let clear = lease.prepare(CLEAR).await?;
    lease.client()?.execute(&clear, &[&owner, &trigger]).await?;
    insert(&lease, owner, trigger, &new).await?;
    turn::commit(lease, tenant, true).await?;
    Ok(BindingsReplaced::Replaced)
}

/// Those that are there, and whether they have a deployed version.
async fn asked_for(
    lease: &Lease,
    tenant: &[u8],
    trigger: &str,
    bindings: &[NewBinding],
) -> Result<BTreeMap<String, bool>, Trouble> {
    let ids: Vec<Vec<u8>> = bindings.iter().map(|binding| binding.action.to_string().into_bytes()).collect();
    let select = lease.prepare(ASKED_FOR).await?;
    let rows = lease.client()?.query(&select, &[&tenant, &trigger, &ids]).await?;
    rows.iter().map(|row| Ok((text(row.try_get(0)?)?, row.try_get(1)?))).collect()
}

async fn insert(lease: &Lease, tenant: &[u8], trigger: &str, rows: &[BindingRow]) -> Result<(), Trouble> {
    let actions: Vec<&[u8]> = rows.iter().map(|row| row.action_id.as_bytes()).collect();
    let ids: Vec<&[u8]> = rows.iter().map(|row| row.id.as_bytes()).collect();
    let places: Vec<i64> = (0..).take(rows.len()).collect();
    let names: Vec<&[u8]> = rows.iter().map(|row| row.display_name.as_bytes()).collect();
    let created: Vec<i64> = rows.iter().map(|row| row.created_at).collect();
    let updated: Vec<i64> = rows.iter().map(|row| row.updated_at).collect();
    let insert = lease.prepare(INSERT).await?;
    let parameters: [Parameter<'_>; 8] = [&tenant, &trigger, &actions, &ids, &places, &names, &created, &updated];
    lease.client()?.execute(&insert, &parameters).await?;
    Ok(())
}

pub(super) async fn flow(lease: &Lease, tenant: &TenantId, trigger: Trigger) -> Result<StoredFlow, Trouble> {
    let select = lease.prepare(FLOW).await?;
    let rows = lease.client()?.query(&select, &[&bytes(tenant), &trigger.as_str()]).await?;
    let revision = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    let bindings = rows.iter().filter_map(|row| bound(row).transpose()).collect::<Result<_, Trouble>>()?;
    Ok(StoredFlow { revision: columns::revision(revision)?, bindings })
}

/// A bound Action; none where the row has none.
fn bound(row: &Row) -> Result<Option<FlowBinding>, Trouble> {
    const FROM: usize = 5;
    let Some(binding) = row.try_get::<_, Option<&[u8]>>(1)? else {
        return Ok(None);
    };
    let action = optional(row.try_get(2)?)?;
    let (name, settings) = (optional(row.try_get(3)?)?, row.try_get::<_, Option<&str>>(4)?);
    let secrets = action.as_deref().map(|action| secrets(row, FROM + VERSION_COLUMNS, action)).transpose()?.unwrap_or_default();
    let action = action.as_deref().zip(name.as_deref()).zip(settings).map(|((action, name), settings)| (action, name, settings));
    Ok(Some(flow_binding(&text(binding)?, action, version_row(row, FROM)?.as_ref(), secrets)?))
}

pub(super) async fn flows_changed(lease: &Lease, after: u64) -> Result<FlowChanges, Trouble> {
    let select = lease.prepare(CHANGES).await?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = lease.client()?.query(&select, &[&after]).await?;
    let revision = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    let mut tenants = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(tenant) = row.try_get(1)? {
            tenants.push(tenant_of(&text(tenant)?)?);
        }
    }
    Ok(FlowChanges { tenants, revision: columns::revision(revision)? })
}
