//! Which Actions run at a trigger, and in which order.

use serde_json::{Map, Value};
use vestibule_model::{TenantId, Timestamp};

use super::action::StoredAction;
use super::component::Version;
use super::names::{ActionName, Trigger};
use super::secret::SealedSecret;
use crate::tokens::{ActionUid, BindingUid};

/// An Action at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its id.
    pub id: BindingUid,
    /// When it runs.
    pub trigger: Trigger,
    /// What people call it.
    pub display_name: String,
    /// The Action.
    pub action: StoredAction,
    /// When it was bound.
    pub created_at: Timestamp,
    /// When its place or its name has changed.
    pub updated_at: Timestamp,
}

/// An Action that is to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBinding {
    /// Which.
    pub action: ActionUid,
    /// What people call it.
    pub display_name: String,
}

/// What is to be bound to a trigger, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewBindings {
    /// All of it.
    pub bindings: Vec<NewBinding>,
    /// What was bound, in its order, when somebody has decided on this; nothing is changed where it
    /// is something else by now. `None`: whatever it is.
    pub seen: Option<Vec<BindingUid>>,
    /// The revision of the policy that Actions were checked by; nothing is changed where it is
    /// another by now. `None`: whatever it is.
    pub policy: Option<PolicyRevision>,
}

impl NewBindings {
    /// Whether somebody has decided on this over another list than the one that is kept.
    pub(crate) fn is_overtaken<'a>(&self, kept: impl IntoIterator<Item = &'a str>) -> bool {
        self.seen.as_ref().is_some_and(|seen| !seen.iter().map(ToString::to_string).eq(kept))
    }
}

impl From<Vec<NewBinding>> for NewBindings {
    fn from(bindings: Vec<NewBinding>) -> Self {
        Self { bindings, seen: None, policy: None }
    }
}

/// What has become of a trigger's bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingsReplaced {
    /// They are as they were given.
    Replaced,
    /// There is no such Action of this trigger. Nothing has changed.
    Unknown(ActionUid),
    /// This Action has no deployed version. Nothing has changed.
    NotDeployed(ActionUid),
    /// This Action was given twice. Nothing has changed.
    Twice(ActionUid),
    /// Others have changed them, or the tenant's policy, meanwhile. Nothing has changed.
    Overtaken,
}

/// What runs at a tenant's trigger: one moment's view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFlow {
    /// The change that made it so; 0 where there was none yet.
    pub revision: u64,
    /// In their order.
    pub bindings: Vec<FlowBinding>,
}

/// All that it takes to run a bound Action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowBinding {
    /// Its binding.
    pub binding: BindingUid,
    /// The Action.
    pub action: ActionUid,
    /// Its name.
    pub name: ActionName,
    /// The version that runs.
    pub version: Version,
    /// How it runs.
    pub settings: Map<String, Value>,
    /// Its secrets.
    pub secrets: Vec<SealedSecret>,
}

/// Whose flows have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowChanges {
    /// Those of these tenants.
    pub tenants: Vec<TenantId>,
    /// The last change that there is: to be asked from next time.
    pub revision: u64,
}

/// Which policy a tenant had, or that it had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRevision(u64);

impl PolicyRevision {
    /// That of a tenant's policy; none where it has none.
    pub fn of(policy: Option<&StoredPolicy>) -> Self {
        // Changes are counted from 1.
        Self(policy.map_or(0, |policy| policy.revision))
    }

    /// Whether it is that of the policy which is kept.
    pub(crate) fn is(self, kept: Option<i64>) -> bool {
        i64::try_from(self.0) == Ok(kept.unwrap_or(0))
    }
}

/// What a tenant lets its Actions see and do. The store doesn't read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// The policy.
    pub body: Map<String, Value>,
    /// When it was written.
    pub updated_at: Timestamp,
    /// The change that made it so.
    pub revision: u64,
}
