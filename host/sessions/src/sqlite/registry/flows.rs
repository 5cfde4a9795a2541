//! What runs at a trigger, and whose flows have changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::Notify;
use vestibule_model::{TenantId, Timestamp};

use super::rows::{action_row, execute, one_view, query, read_all, secret_row, version_if_there};
use super::secrets::is_policy;
use crate::columns::{
    self, ACTION_COLUMNS, BindingRow, SecretRow, action_columns, binding_columns, flow_binding, json, refused, secret_columns,
    version_columns,
};
use crate::error::StoreError;
use crate::registry::{Binding, BindingsReplaced, FlowChanges, NewBindings, SealedSecret, StoredFlow, Trigger};
use crate::sqlite::Errors;

/// Counts changes of flows for one job, and wakes whoever waits for them. The writer gives a job
/// back when its transaction has ended, and not before: so whoever is woken finds what has changed,
/// also where nobody waits for the job's answer any more.
#[derive(Debug)]
pub(super) struct Flows {
    notice: Arc<Notify>,
    has_changed: bool,
}

impl Flows {
    pub(super) fn new(notice: &Arc<Notify>) -> Self {
        Self { notice: Arc::clone(notice), has_changed: false }
    }

    /// Counts a change of a tenant's flows: its number.
    pub(super) fn count(&mut self, connection: &Connection, errors: Errors<'_>, tenant: &TenantId) -> Result<i64, StoreError> {
        const COUNT: &str = "UPDATE flow_counter SET revision = revision + 1 WHERE id = 1 RETURNING revision";
        const KEEP: &str = "INSERT INTO flow_revisions (tenant, revision) VALUES (?1, ?2) \
             ON CONFLICT (tenant) DO UPDATE SET revision = excluded.revision";
        let revision: i64 =
            connection.prepare_cached(COUNT).and_then(|mut count| count.query_row([], |row| row.get(0))).map_err(errors.sql())?;
        execute(connection, KEEP, (tenant.as_str(), revision)).map_err(errors.sql())?;
        self.has_changed = true;
        Ok(revision)
    }

    /// Counts a change of an Action where that changes a flow.
    pub(super) fn count_if_bound(
        &mut self,
        connection: &Connection,
        errors: Errors<'_>,
        tenant: &TenantId,
        action: &str,
    ) -> Result<(), StoreError> {
        if is_bound(connection, tenant, action).map_err(errors.sql())? {
            self.count(connection, errors, tenant)?;
        }
        Ok(())
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        if self.has_changed {
            self.notice.notify_one();
        }
    }
}

pub(super) fn is_bound(connection: &Connection, tenant: &TenantId, action: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM bindings WHERE tenant = ?1 AND action_id = ?2")?.exists((tenant.as_str(), action))
}

/// A binding's columns, from this one on.
fn binding_row(row: &Row<'_>, first: usize) -> rusqlite::Result<BindingRow> {
    Ok(BindingRow {
        id: row.get(first)?,
        trigger_id: row.get(first + 1)?,
        action_id: row.get(first + 2)?,
        display_name: row.get(first + 3)?,
        created_at: row.get(first + 4)?,
        updated_at: row.get(first + 5)?,
    })
}

pub(super) fn bindings(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    trigger: Trigger,
) -> Result<Vec<Binding>, StoreError> {
    const BINDINGS: &str = concat!(
        "SELECT ",
        action_columns!(),
        ", ",
        version_columns!(),
        ", ",
        binding_columns!(),
        " FROM bindings JOIN actions ON actions.tenant = bindings.tenant AND actions.id = bindings.action_id \
         LEFT JOIN versions ON versions.tenant = actions.tenant AND versions.id = actions.deployed \
         WHERE bindings.tenant = ?1 AND bindings.trigger_id = ?2 ORDER BY bindings.position"
    );
    const FIRST: usize = ACTION_COLUMNS + 7;
    one_view(connection, errors, |connection| {
        let row = |row: &Row<'_>| Ok((action_row(row)?, binding_row(row, FIRST)?));
        let found = query(connection, BINDINGS, (tenant.as_str(), trigger.as_str()), row).map_err(errors.sql())?;
        let (found, bindings): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let actions = read_all(connection, errors, tenant, &found)?;
        bindings.iter().zip(actions).map(|(binding, action)| binding.read(action)).collect()
    })
}

pub(super) fn replace_bindings(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    tenant: &TenantId,
    trigger: Trigger,
    new: &NewBindings,
    now: Timestamp,
) -> Result<BindingsReplaced, StoreError> {
    const ASKED_FOR: &str = "SELECT id, deployed IS NOT NULL FROM actions \
         WHERE tenant = ?1 AND trigger_id = ?2 AND id IN (SELECT value FROM json_each(?3))";
    const KEPT: &str =
        concat!("SELECT ", binding_columns!(), " FROM bindings WHERE tenant = ?1 AND trigger_id = ?2 ORDER BY position");
    const INSERT: &str = "INSERT INTO bindings (tenant, trigger_id, position, id, action_id, display_name, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let bindings = new.bindings.as_slice();
    let key = (tenant.as_str(), trigger.as_str());
    let before = query(connection, KEPT, key, |row| binding_row(row, 0)).map_err(errors.sql())?;
    let is_policy = is_policy(connection, tenant, new.policy).map_err(errors.sql())?;
    if !is_policy || new.is_overtaken(before.iter().map(|row| row.id.as_str())) {
        return Ok(BindingsReplaced::Overtaken);
    }
    let ids: Vec<String> = bindings.iter().map(|binding| binding.action.to_string()).collect();
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    let are_deployed = query(connection, ASKED_FOR, (key.0, key.1, json(&ids)), row).map_err(errors.sql())?;
    if let Some(refused) = refused(bindings, &are_deployed.into_iter().collect::<BTreeMap<_, _>>()) {
        return Ok(refused);
    }
    execute(connection, "DELETE FROM bindings WHERE tenant = ?1 AND trigger_id = ?2", key).map_err(errors.sql())?;
    for (place, binding) in bindings.iter().enumerate() {
        let row = BindingRow::at(place, binding, trigger.as_str(), &before, now)?;
        let values = params![
            tenant.as_str(),
            row.trigger_id,
            columns::rows(place),
            row.id,
            row.action_id,
            row.display_name,
            row.created_at,
            row.updated_at
        ];
        execute(connection, INSERT, values).map_err(errors.sql())?;
    }
    flows.count(connection, errors, tenant)?;
    Ok(BindingsReplaced::Replaced)
}

pub(super) fn flow(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    trigger: Trigger,
) -> Result<StoredFlow, StoreError> {
    const FLOW: &str = concat!(
        "SELECT bindings.id, actions.id, actions.name, actions.settings, ",
        version_columns!(),
        " FROM bindings LEFT JOIN actions ON actions.tenant = bindings.tenant AND actions.id = bindings.action_id \
         LEFT JOIN versions ON versions.tenant = actions.tenant AND versions.id = actions.deployed \
         WHERE bindings.tenant = ?1 AND bindings.trigger_id = ?2 ORDER BY bindings.position"
    );
    // Crossed, they are read in this order: what isn't bound is not looked at.
    const SECRETS: &str = concat!(
        "SELECT ",
        secret_columns!(),
        " FROM bindings CROSS JOIN secrets ON secrets.tenant = bindings.tenant AND secrets.action_id = bindings.action_id \
         WHERE bindings.tenant = ?1 AND bindings.trigger_id = ?2 ORDER BY secrets.action_id, secrets.name"
    );
    const REVISION: &str = "SELECT revision FROM flow_revisions WHERE tenant = ?1";
    let key = (tenant.as_str(), trigger.as_str());
    one_view(connection, errors, |connection| {
        let mut secrets: HashMap<String, Vec<SealedSecret>> = HashMap::new();
        for row in query(connection, SECRETS, key, secret_row).map_err(errors.sql())? {
            secrets.entry(row.action_id.clone()).or_default().push(SecretRow::read(row)?);
        }
        let text = |row: &Row<'_>, column| row.get::<_, Option<String>>(column);
        let row = |row: &Row<'_>| {
            let action = text(row, 1)?.zip(text(row, 2)?).zip(text(row, 3)?);
            Ok((row.get::<_, String>(0)?, action, version_if_there(row, 4)?))
        };
        let bindings = query(connection, FLOW, key, row)
            .map_err(errors.sql())?
            .iter()
            .map(|(binding, action, version)| {
                let action =
                    action.as_ref().map(|((action, name), settings)| (action.as_str(), name.as_str(), settings.as_str()));
                let secrets = action.and_then(|(action, ..)| secrets.remove(action)).unwrap_or_default();
                flow_binding(binding, action, version.as_ref(), secrets)
            })
            .collect::<Result<_, _>>()?;
        let revision = connection
            .prepare_cached(REVISION)
            .and_then(|mut select| select.query_row([tenant.as_str()], |row| row.get(0)).optional())
            .map_err(errors.sql())?;
        Ok(StoredFlow { revision: columns::revision(revision.unwrap_or(0))?, bindings })
    })
}

pub(super) fn changed(connection: &Connection, errors: Errors<'_>, after: u64) -> Result<FlowChanges, StoreError> {
    const LAST: &str = "SELECT revision FROM flow_counter WHERE id = 1";
    const CHANGED: &str = "SELECT tenant FROM flow_revisions WHERE revision > ?1 ORDER BY revision";
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    one_view(connection, errors, |connection| {
        let last = query(connection, LAST, (), |row| row.get::<_, i64>(0)).map_err(errors.sql())?;
        let tenants = query(connection, CHANGED, [after], |row| row.get::<_, String>(0)).map_err(errors.sql())?;
        let tenants = tenants.iter().map(|tenant| columns::tenant_of(tenant)).collect::<Result<_, _>>()?;
        Ok(FlowChanges { tenants, revision: columns::revision(last.first().copied().unwrap_or(0))? })
    })
}
