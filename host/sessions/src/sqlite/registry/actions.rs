//! Actions: created, found, changed and deleted.

use rusqlite::{Connection, params};
use vestibule_model::{TenantId, Timestamp};

use super::flows::Flows;
use super::rows::{Found, action_row, execute, insert, kept, named, one_view, query, read, read_all, select_actions, update};
use super::secrets::is_policy;
use super::{components, flows};
use crate::columns::{self, ActionRow, millis};
use crate::error::StoreError;
use crate::registry::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, ActionName, NewAction, SealedSecret,
    SecretChange, StoredAction, Trigger,
};
use crate::sqlite::Errors;
use crate::tokens::ActionUid;

pub(super) fn create(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    action: &NewAction,
    at_most: u64,
    now: Timestamp,
) -> Result<ActionCreated, StoreError> {
    const COUNT: &str = "SELECT count(*) FROM actions WHERE tenant = ?1";
    if named(connection, tenant, action.name.as_str()).map_err(errors.sql())?.is_some() {
        return Ok(ActionCreated::NameTaken);
    }
    let count = query(connection, COUNT, [tenant.as_str()], |row| row.get::<_, i64>(0)).map_err(errors.sql())?;
    if count.into_iter().any(|count| count.unsigned_abs() >= at_most) {
        return Ok(ActionCreated::TooMany);
    }
    insert(connection, tenant, &ActionRow::new(action, now)).map_err(errors.sql())?;
    for secret in &action.secrets {
        set_secret(connection, tenant, &action.id.to_string(), secret).map_err(errors.sql())?;
    }
    let created = there(read(connection, errors, tenant, &action.id.to_string())?)?;
    Ok(ActionCreated::Created(created))
}

pub(super) fn action(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ActionUid,
) -> Result<Option<StoredAction>, StoreError> {
    one_view(connection, errors, |connection| read(connection, errors, tenant, &id.to_string()))
}

pub(super) fn action_named(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    name: &ActionName,
) -> Result<Option<StoredAction>, StoreError> {
    one_view(connection, errors, |connection| {
        let Some(found) = named(connection, tenant, name.as_str()).map_err(errors.sql())? else { return Ok(None) };
        Ok(read_all(connection, errors, tenant, &[found])?.pop())
    })
}

pub(super) fn actions(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    filter: &ActionFilter,
    skip: usize,
    take: usize,
) -> Result<ActionList, StoreError> {
    /// What is none asks for nothing.
    macro_rules! filtered {
        () => {
            "WHERE actions.tenant = ?1 AND (?2 IS NULL OR actions.trigger_id = ?2) AND (?3 IS NULL OR actions.name = ?3) \
             AND (?4 IS NULL OR (actions.deployed IS NOT NULL) = ?4)"
        };
    }
    const PAGE: &str = concat!(select_actions!(), filtered!(), " ORDER BY actions.name LIMIT ?5 OFFSET ?6");
    const TOTAL: &str = concat!("SELECT count(*) FROM actions ", filtered!());
    let (trigger, name) = (filter.trigger.map(Trigger::as_str), filter.name.as_ref().map(ActionName::as_str));
    one_view(connection, errors, |connection| {
        let page = params![tenant.as_str(), trigger, name, filter.deployed, columns::rows(take), columns::rows(skip)];
        let found: Vec<Found> = query(connection, PAGE, page, action_row).map_err(errors.sql())?;
        let filtered = params![tenant.as_str(), trigger, name, filter.deployed];
        let total = query(connection, TOTAL, filtered, |row| row.get::<_, i64>(0)).map_err(errors.sql())?;
        let total = total.first().map_or(0, |total| total.unsigned_abs());
        Ok(ActionList { actions: read_all(connection, errors, tenant, &found)?, total })
    })
}

pub(super) fn change(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    tenant: &TenantId,
    id: &ActionUid,
    (change, revision): (&ActionChange, Option<u64>),
    now: Timestamp,
) -> Result<ActionChanged, StoreError> {
    let id = id.to_string();
    let Some((mut row, _)) = kept(connection, tenant, &id).map_err(errors.sql())? else { return Ok(ActionChanged::Absent) };
    if !row.has_revision(revision) || !is_policy(connection, tenant, change.policy).map_err(errors.sql())? {
        return Ok(ActionChanged::Overtaken);
    }
    if let Some(name) = &change.name {
        let other = named(connection, tenant, name.as_str()).map_err(errors.sql())?;
        if other.is_some_and(|(other, _)| other.id != id) {
            return Ok(ActionChanged::NameTaken);
        }
        name.as_str().clone_into(&mut row.name);
    }
    if let Some(settings) = &change.settings {
        row.set_settings(settings);
    }
    if let Some(secrets) = &change.secrets {
        change_secrets(connection, tenant, &id, secrets).map_err(errors.sql())?;
    }
    row.touch(now);
    update(connection, tenant, &row).map_err(errors.sql())?;
    if change.name.is_some() || change.settings.is_some() || change.secrets.is_some() {
        flows.count_if_bound(connection, errors, tenant, &id)?;
    }
    Ok(ActionChanged::Changed(there(read(connection, errors, tenant, &id)?)?))
}

pub(super) fn delete(
    connection: &Connection,
    errors: Errors<'_>,
    flows: &mut Flows,
    tenant: &TenantId,
    id: &ActionUid,
    force: bool,
) -> Result<ActionDeleted, StoreError> {
    const DIGESTS: &str = "SELECT draft_digest FROM actions WHERE tenant = ?1 AND id = ?2 AND draft_digest IS NOT NULL \
         UNION SELECT digest FROM versions WHERE tenant = ?1 AND action_id = ?2";
    const OWN: [&str; 4] = [
        "DELETE FROM bindings WHERE tenant = ?1 AND action_id = ?2",
        "DELETE FROM secrets WHERE tenant = ?1 AND action_id = ?2",
        "DELETE FROM versions WHERE tenant = ?1 AND action_id = ?2",
        "DELETE FROM actions WHERE tenant = ?1 AND id = ?2",
    ];
    let id = id.to_string();
    let key = (tenant.as_str(), id.as_str());
    if kept(connection, tenant, &id).map_err(errors.sql())?.is_none() {
        return Ok(ActionDeleted::Absent);
    }
    if !force && flows::is_bound(connection, tenant, &id).map_err(errors.sql())? {
        return Ok(ActionDeleted::Bound);
    }
    flows.count_if_bound(connection, errors, tenant, &id)?;
    let digests: Vec<String> = query(connection, DIGESTS, key, |row| row.get(0)).map_err(errors.sql())?;
    for statement in OWN {
        execute(connection, statement, key).map_err(errors.sql())?;
    }
    for digest in digests {
        components::forget_unnamed(connection, tenant, &digest).map_err(errors.sql())?;
    }
    Ok(ActionDeleted::Deleted)
}

fn change_secrets(connection: &Connection, tenant: &TenantId, id: &str, change: &SecretChange) -> rusqlite::Result<()> {
    const REMOVE: &str = "DELETE FROM secrets WHERE tenant = ?1 AND action_id = ?2 AND name = ?3";
    const KEEP: &str =
        "DELETE FROM secrets WHERE tenant = ?1 AND action_id = ?2 AND name NOT IN (SELECT value FROM json_each(?3))";
    match change {
        SecretChange::Set(secret) => set_secret(connection, tenant, id, secret),
        SecretChange::Remove(name) => execute(connection, REMOVE, (tenant.as_str(), id, name.as_str())).map(drop),
        SecretChange::Replace { keep, set } => {
            execute(connection, KEEP, (tenant.as_str(), id, columns::json(keep)))?;
            set.iter().try_for_each(|secret| set_secret(connection, tenant, id, secret))
        }
    }
}

fn set_secret(connection: &Connection, tenant: &TenantId, id: &str, secret: &SealedSecret) -> rusqlite::Result<()> {
    const SET: &str = "INSERT INTO secrets (tenant, action_id, name, key_id, sealed, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (tenant, action_id, name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, \
         updated_at = excluded.updated_at";
    let values = params![tenant.as_str(), id, secret.name.as_str(), secret.key, secret.sealed, millis(secret.updated_at)];
    execute(connection, SET, values).map(drop)
}

/// What was written is there.
pub(super) fn there(action: Option<StoredAction>) -> Result<Box<StoredAction>, StoreError> {
    action.map(Box::new).ok_or_else(|| StoreError::Failed { reason: "an Action that was just written is not there".into() })
}
