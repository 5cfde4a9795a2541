//! An Action of a tenant, as it is kept.

use serde_json::{Map, Value};
use vestibule_model::Timestamp;

use super::binding::PolicyRevision;
use super::component::{Draft, Version};
use super::names::{ActionName, SecretName, Trigger};
use super::secret::{SealedSecret, SecretInfo};
use crate::tokens::ActionUid;

/// An Action of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAction {
    /// Its id.
    pub id: ActionUid,
    /// Its name, which no other Action of the tenant has.
    pub name: ActionName,
    /// When it runs.
    pub trigger: Trigger,
    /// How it runs: its configuration, the origins that it may reach, its limits. The store doesn't
    /// read it.
    pub settings: Map<String, Value>,
    /// Its secrets, by their names.
    pub secrets: Vec<SecretInfo>,
    /// The component that was uploaded last.
    pub draft: Option<Draft>,
    /// The version that logins run, where the Action is bound.
    pub deployed: Option<Version>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When something of it has changed.
    pub updated_at: Timestamp,
    /// Counts the changes.
    pub revision: u64,
}

/// An Action that is to be created.
#[derive(Clone, Debug)]
pub struct NewAction {
    /// Its id: its secrets are sealed for it.
    pub id: ActionUid,
    /// Its name.
    pub name: ActionName,
    /// When it is to run.
    pub trigger: Trigger,
    /// How it is to run.
    pub settings: Map<String, Value>,
    /// Its secrets.
    pub secrets: Vec<SealedSecret>,
}

/// What has become of an Action that was to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionCreated {
    /// It is there.
    Created(Box<StoredAction>),
    /// Another of the tenant's has its name.
    NameTaken,
    /// The tenant has as many as it may.
    TooMany,
}

/// What of an Action is to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct ActionChange {
    /// Its name.
    pub name: Option<ActionName>,
    /// All of its settings.
    pub settings: Option<Map<String, Value>>,
    /// Its secrets.
    pub secrets: Option<SecretChange>,
    /// The revision of the policy that the change was checked by; nothing is changed where it is
    /// another by now. `None`: whatever it is.
    pub policy: Option<PolicyRevision>,
}

/// What is to become of an Action's secrets.
#[derive(Clone, Debug)]
pub enum SecretChange {
    /// These are there afterwards, and no others. One that is to be kept and isn't there is left
    /// out.
    Replace {
        /// Those that stay as they are.
        keep: Vec<SecretName>,
        /// Those that are given.
        set: Vec<SealedSecret>,
    },
    /// This one is there, in place of one with its name.
    Set(SealedSecret),
    /// This one is gone.
    Remove(SecretName),
}

/// What has become of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionChanged {
    /// The Action as it is now.
    Changed(Box<StoredAction>),
    /// There is no such Action.
    Absent,
    /// Another of the tenant's has the name.
    NameTaken,
    /// It, or the tenant's policy, has another revision than was looked at. Nothing has changed.
    Overtaken,
}

/// What has become of an Action that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionDeleted {
    /// It is gone, and all that was its own.
    Deleted,
    /// There was none.
    Absent,
    /// It is bound. Nothing has changed.
    Bound,
}

/// Which of a tenant's Actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// Of this trigger.
    pub trigger: Option<Trigger>,
    /// Of this name.
    pub name: Option<ActionName>,
    /// Those that have a deployed version, or those that have none.
    pub deployed: Option<bool>,
}

/// Some of a tenant's Actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionList {
    /// By their names.
    pub actions: Vec<StoredAction>,
    /// How many there are in all.
    pub total: u64,
}
