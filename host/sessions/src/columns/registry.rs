//! The registry's other rows: versions, bindings, secrets, policies and executions.

use std::collections::{BTreeMap, BTreeSet};

use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::{corrupt, count, from_json, json, millis, timestamp};
use crate::error::StoreError;
use crate::registry::{
    Binding, BindingsReplaced, Execution, ExecutionStatus, FlowBinding, Keeping, NewBinding, SealedSecret, SecretInfo,
    StoredAction, StoredPolicy, Version,
};
use crate::tokens::{ActionUid, BindingUid};

/// The columns of a version, in the order in which they are selected.
macro_rules! version_columns {
    () => {
        "versions.id, versions.number, versions.digest, versions.size, versions.info, versions.created_at, versions.built_at"
    };
}
pub(crate) use version_columns;

/// The columns of a binding, in the order in which they are selected.
macro_rules! binding_columns {
    () => {
        "bindings.id, bindings.trigger_id, bindings.action_id, bindings.display_name, bindings.created_at, bindings.updated_at"
    };
}
pub(crate) use binding_columns;

/// The columns of a secret, in the order in which they are selected.
macro_rules! secret_columns {
    () => {
        "secrets.action_id, secrets.name, secrets.key_id, secrets.sealed, secrets.updated_at"
    };
}
pub(crate) use secret_columns;

/// The columns of an execution, in the order in which they are selected.
macro_rules! execution_columns {
    () => {
        "executions.position, executions.tenant, executions.id, executions.trigger_id, executions.status, executions.started_at, \
         executions.ended_at, executions.actions, executions.body"
    };
}
pub(crate) use execution_columns;

const VERSION: &str = "a version of an Action";
const BINDING: &str = "a binding";
const SECRET: &str = "a secret";
const EXECUTION: &str = "an execution";
const POLICY: &str = "a policy";

/// A version's row, without its tenant and its Action.
#[derive(Clone, Debug)]
pub(crate) struct VersionRow {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) digest: String,
    pub(crate) size: i64,
    pub(crate) info: String,
    pub(crate) created_at: i64,
    pub(crate) built_at: i64,
}

impl VersionRow {
    /// The number of the newest version that isn't kept when this one is made.
    pub(crate) fn last_gone(&self, keeping: Keeping) -> i64 {
        self.number.saturating_sub(i64::try_from(keeping.versions.max(1)).unwrap_or(i64::MAX))
    }

    /// What the row holds.
    pub(crate) fn read(&self) -> Result<Version, StoreError> {
        Ok(Version {
            id: self.id.parse().map_err(|_| corrupt(VERSION, "`id` is no version's id"))?,
            number: u32::try_from(self.number).map_err(|_| corrupt(VERSION, "`number` is out of bounds"))?,
            digest: digest_of(VERSION, &self.digest)?,
            size: size_of(VERSION, self.size)?,
            info: from_json(VERSION, "info", &self.info)?,
            created_at: timestamp(self.created_at)?,
            built_at: timestamp(self.built_at)?,
        })
    }
}

/// A binding's row, without its tenant and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BindingRow {
    pub(crate) id: String,
    pub(crate) trigger_id: String,
    pub(crate) action_id: String,
    pub(crate) display_name: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl BindingRow {
    /// The row for this binding at this place, where those before it stood as `kept` says, in their
    /// order.
    pub(crate) fn at(
        place: usize,
        binding: &NewBinding,
        trigger_id: &str,
        kept: &[Self],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (action_id, now) = (binding.action.to_string(), millis(now));
        let new = |id, created_at, updated_at| Self {
            id,
            trigger_id: trigger_id.to_owned(),
            action_id: action_id.clone(),
            display_name: binding.display_name.clone(),
            created_at,
            updated_at,
        };
        Ok(match kept.iter().enumerate().find(|(_, row)| row.action_id == action_id) {
            Some((before, row)) => {
                let is_as_before = before == place && row.display_name == binding.display_name;
                let updated_at = if is_as_before { row.updated_at } else { row.updated_at.max(now) };
                new(row.id.clone(), row.created_at, updated_at)
            }
            None => new(BindingUid::random()?.to_string(), now, now),
        })
    }

    /// What the row holds, with its Action.
    pub(crate) fn read(&self, action: StoredAction) -> Result<Binding, StoreError> {
        Ok(Binding {
            id: self.uid()?,
            trigger: self.trigger_id.parse().map_err(|_| corrupt(BINDING, "`trigger_id` is none that is known"))?,
            display_name: self.display_name.clone(),
            action,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
        })
    }

    fn uid(&self) -> Result<BindingUid, StoreError> {
        self.id.parse().map_err(|_| corrupt(BINDING, "`id` is no binding's id"))
    }
}

/// Why these can't be bound: of those that are there, it is given whether they have a deployed
/// version.
pub(crate) fn refused(bindings: &[NewBinding], are_deployed: &BTreeMap<String, bool>) -> Option<BindingsReplaced> {
    let mut seen = BTreeSet::<ActionUid>::new();
    bindings.iter().find_map(|NewBinding { action, .. }| match are_deployed.get(&action.to_string()) {
        _ if !seen.insert(*action) => Some(BindingsReplaced::Twice(*action)),
        None => Some(BindingsReplaced::Unknown(*action)),
        Some(false) => Some(BindingsReplaced::NotDeployed(*action)),
        Some(true) => None,
    })
}

/// What it takes to run a bound Action, from its columns: its id, its name, its settings. The
/// others don't run without it: it may be the one that guards the logins.
pub(crate) fn flow_binding(
    binding: &str,
    action: Option<(&str, &str, &str)>,
    version: Option<&VersionRow>,
    secrets: Vec<SealedSecret>,
) -> Result<FlowBinding, StoreError> {
    let (action, name, settings) = action.ok_or_else(|| corrupt(BINDING, "its Action is not there"))?;
    let version = version.ok_or_else(|| corrupt(BINDING, "the version that it runs is not there"))?;
    Ok(FlowBinding {
        binding: binding.parse().map_err(|_| corrupt(BINDING, "`id` is no binding's id"))?,
        action: action_of(BINDING, action)?,
        name: name.parse().map_err(|_| corrupt(BINDING, "its Action's name is none"))?,
        version: version.read()?,
        settings: from_json(BINDING, "settings", settings)?,
        secrets,
    })
}

/// A secret's row, without its tenant.
#[derive(Clone)]
pub(crate) struct SecretRow {
    pub(crate) action_id: String,
    pub(crate) name: String,
    pub(crate) key_id: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) updated_at: i64,
}

impl SecretRow {
    /// What the row holds.
    pub(crate) fn read(self) -> Result<SealedSecret, StoreError> {
        let SecretInfo { name, updated_at } = secret_info(&self.name, self.updated_at)?;
        Ok(SealedSecret { name, key: self.key_id, sealed: self.sealed, updated_at })
    }

    /// Whose it is.
    pub(crate) fn action(&self) -> Result<ActionUid, StoreError> {
        action_of(SECRET, &self.action_id)
    }
}

/// What can be told of a secret, from its columns.
pub(crate) fn secret_info(name: &str, updated_at: i64) -> Result<SecretInfo, StoreError> {
    let name = name.parse().map_err(|_| corrupt(SECRET, "`name` is no secret's name"))?;
    Ok(SecretInfo { name, updated_at: timestamp(updated_at)? })
}

/// A policy, from its columns.
pub(crate) fn policy(body: &str, updated_at: i64, revision: i64) -> Result<StoredPolicy, StoreError> {
    Ok(StoredPolicy {
        body: from_json(POLICY, "body", body)?,
        updated_at: timestamp(updated_at)?,
        revision: count(POLICY, "revision", revision)?,
    })
}

/// An execution's row.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionRow {
    /// Its place among the tenant's; of a new one the database says it.
    pub(crate) position: i64,
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) trigger_id: String,
    pub(crate) status: String,
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
    /// Each Action's name once, as a list.
    pub(crate) actions: String,
    pub(crate) body: String,
}

impl ExecutionRow {
    /// A new one.
    pub(crate) fn new(execution: &Execution) -> Self {
        Self {
            position: 0,
            tenant: execution.tenant.as_str().to_owned(),
            id: execution.id.to_string(),
            trigger_id: execution.trigger.as_str().to_owned(),
            status: execution.status.as_str().to_owned(),
            started_at: millis(execution.started_at),
            ended_at: millis(execution.ended_at),
            actions: json(&execution.actions),
            body: json(&execution.body),
        }
    }

    /// What the row holds.
    pub(crate) fn read(&self) -> Result<Execution, StoreError> {
        Ok(Execution {
            tenant: tenant_of(&self.tenant)?,
            id: self.id.parse().map_err(|_| corrupt(EXECUTION, "`id` is no execution's id"))?,
            trigger: self.trigger_id.parse().map_err(|_| corrupt(EXECUTION, "`trigger_id` is none that is known"))?,
            status: ExecutionStatus::of(&self.status).ok_or_else(|| corrupt(EXECUTION, "`status` is none that is known"))?,
            started_at: timestamp(self.started_at)?,
            ended_at: timestamp(self.ended_at)?,
            actions: from_json(EXECUTION, "actions", &self.actions)?,
            body: from_json(EXECUTION, "body", &self.body)?,
        })
    }
}

/// A draft that nobody builds, from its columns.
pub(crate) fn unbuilt(tenant: &str, action: &str, digest: &str) -> Result<(TenantId, ActionUid, ComponentDigest), StoreError> {
    const DRAFT: &str = "a draft";
    Ok((tenant_of(tenant)?, action_of(DRAFT, action)?, digest_of(DRAFT, digest)?))
}

/// A number of changes, as it was kept.
pub(crate) fn revision(kept: i64) -> Result<u64, StoreError> {
    count("a flow", "revision", kept)
}

pub(crate) fn tenant_of(text: &str) -> Result<TenantId, StoreError> {
    text.parse().map_err(|_| corrupt("a row of the registry", "`tenant` is no tenant's id"))
}

fn action_of(what: &'static str, text: &str) -> Result<ActionUid, StoreError> {
    text.parse().map_err(|_| corrupt(what, "`action_id` is no Action's id"))
}

pub(super) fn digest_of(what: &'static str, text: &str) -> Result<ComponentDigest, StoreError> {
    text.parse().map_err(|_| corrupt(what, "`digest` is no component's digest"))
}

pub(super) fn size_of(what: &'static str, size: i64) -> Result<u64, StoreError> {
    count(what, "size", size)
}
