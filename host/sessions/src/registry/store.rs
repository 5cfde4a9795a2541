//! The registry: one trait for both databases.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::action::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, NewAction, StoredAction,
};
use super::binding::{Binding, BindingsReplaced, FlowChanges, NewBindings, StoredFlow, StoredPolicy};
use super::component::{Basis, BuildError, ComponentInfo, Deployed, DraftPut, Keeping, Version, VersionList};
use super::execution::{Execution, ExecutionCursor, ExecutionFilter, ExecutionPage};
use super::names::{ActionName, Trigger};
use super::secret::SealedSecret;
use crate::error::StoreError;
use crate::tokens::{ActionUid, ExecutionUid, VersionUid};

/// Where deployed Actions are kept. When a call that changes something returns `Ok`, it is on disk;
/// executions alone may be lost in a crash.
///
/// Whatever changes what runs at a tenant's logins counts a revision, in the same transaction:
/// bindings, a bound Action's version, settings, secrets or name, and the policy.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// Creates an Action, unless its name is taken or the tenant has as many as it may.
    async fn create_action(
        &self,
        tenant: &TenantId,
        action: NewAction,
        at_most: u64,
        now: Timestamp,
    ) -> Result<ActionCreated, StoreError>;

    /// An Action.
    async fn action(&self, tenant: &TenantId, id: &ActionUid) -> Result<Option<StoredAction>, StoreError>;

    /// The Action of this name.
    async fn action_named(&self, tenant: &TenantId, name: &ActionName) -> Result<Option<StoredAction>, StoreError>;

    /// A tenant's Actions by their names, without the first `skip`.
    async fn actions(&self, tenant: &TenantId, filter: ActionFilter, skip: usize, take: usize) -> Result<ActionList, StoreError>;

    /// Changes an Action; one that has this revision, where one is given.
    async fn change_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        change: ActionChange,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<ActionChanged, StoreError>;

    /// Deletes an Action with its draft, its versions and its secrets; one that is bound only where
    /// `force` says so, and then its bindings go too.
    async fn delete_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        force: bool,
        now: Timestamp,
    ) -> Result<ActionDeleted, StoreError>;

    /// An Action's secrets, by their names; none of one that isn't there.
    async fn secrets(&self, tenant: &TenantId, id: &ActionUid) -> Result<Vec<SealedSecret>, StoreError>;

    /// Makes these bytes an Action's draft, which is pending, unless the tenant would keep more
    /// than it may.
    ///
    /// Equal bytes are kept once in a tenant, for as long as a draft or a version names them.
    async fn put_draft(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        component: Bytes,
        keeping: Keeping,
        now: Timestamp,
    ) -> Result<DraftPut, StoreError>;

    /// Makes the building of a draft the caller's until that moment. Whether it is: not where the
    /// draft is another by now, is built, has failed, or is somebody else's whose time is not over.
    async fn begin_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Writes down what has become of building a draft, where it is still this one. The Action as
    /// it is now; none where it isn't there.
    async fn end_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        built: Result<ComponentInfo, Vec<BuildError>>,
        now: Timestamp,
    ) -> Result<Option<StoredAction>, StoreError>;

    /// Drafts of all tenants that nobody builds, though they are not built.
    async fn unbuilt(&self, now: Timestamp, take: usize) -> Result<Vec<(TenantId, ActionUid, ComponentDigest)>, StoreError>;

    /// A component of a tenant.
    async fn component(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, StoreError>;

    /// Makes a version of an Action's draft, and runs it. The caller says which draft it has looked
    /// at, and what else the decision hangs on.
    ///
    /// Versions beyond those that are kept go, and their bytes where nothing else names them.
    async fn deploy_draft(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        basis: Basis,
        keeping: Keeping,
        now: Timestamp,
    ) -> Result<Deployed, StoreError>;

    /// Runs an earlier version again, and makes it the draft where `update_draft` says so.
    async fn deploy_version(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        version: &VersionUid,
        basis: Basis,
        update_draft: bool,
        now: Timestamp,
    ) -> Result<Deployed, StoreError>;

    /// An Action's versions, the newest first, without the first `skip`; none where there is no
    /// such Action.
    async fn versions(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        skip: usize,
        take: usize,
    ) -> Result<Option<VersionList>, StoreError>;

    /// A version of an Action.
    async fn version(&self, tenant: &TenantId, id: &ActionUid, version: &VersionUid) -> Result<Option<Version>, StoreError>;

    /// What is bound to a trigger, in its order.
    async fn bindings(&self, tenant: &TenantId, trigger: Trigger) -> Result<Vec<Binding>, StoreError>;

    /// Makes these what is bound to a trigger, in this order. An Action that was bound before keeps
    /// its binding's id.
    async fn replace_bindings(
        &self,
        tenant: &TenantId,
        trigger: Trigger,
        bindings: NewBindings,
        now: Timestamp,
    ) -> Result<BindingsReplaced, StoreError>;

    /// What runs at a trigger: one moment's view.
    async fn flow(&self, tenant: &TenantId, trigger: Trigger) -> Result<StoredFlow, StoreError>;

    /// Whose flows have changed after this revision. None that was written before this call is
    /// missing, and none that is written later has a revision that is not greater than the one
    /// answered.
    async fn flows_changed(&self, after: u64) -> Result<FlowChanges, StoreError>;

    /// Waits until a flow may have changed. Where the database tells nobody of that, it waits for
    /// ever: to be asked beside a clock. One caller at a time; word that comes between two calls is
    /// not lost.
    async fn flow_notice(&self);

    /// A tenant's policy.
    async fn policy(&self, tenant: &TenantId) -> Result<Option<StoredPolicy>, StoreError>;

    /// Makes this a tenant's policy, or removes it.
    async fn set_policy(&self, tenant: &TenantId, policy: Option<Map<String, Value>>, now: Timestamp) -> Result<(), StoreError>;

    /// Secrets of all tenants that are sealed by another key than this, in any order.
    async fn sealed_secrets(&self, not_by: &str, take: usize) -> Result<Vec<(TenantId, ActionUid, SealedSecret)>, StoreError>;

    /// Keeps a secret in another key's seal, where it is still the old one. Whether it was. Its
    /// time stays.
    async fn reseal(
        &self,
        tenant: &TenantId,
        action: &ActionUid,
        old: &SealedSecret,
        new: SealedSecret,
    ) -> Result<bool, StoreError>;

    /// Writes down what became of runs. It is no login's business: nobody who commits one waits for
    /// it.
    async fn record_executions(&self, executions: Vec<Execution>) -> Result<(), StoreError>;

    /// One run.
    async fn execution(&self, tenant: &TenantId, id: &ExecutionUid) -> Result<Option<Execution>, StoreError>;

    /// A tenant's runs, the newest first, after the one that the page before ended with.
    async fn executions(
        &self,
        tenant: &TenantId,
        filter: ExecutionFilter,
        after: Option<ExecutionCursor>,
        take: usize,
    ) -> Result<ExecutionPage, StoreError>;

    /// Forgets runs that began before that moment, and of each tenant the oldest beyond `each`: so
    /// many rows at most. How many it were; to be called again for as long as it is as many as it
    /// may be.
    async fn sweep_executions(&self, before: Timestamp, each: u64, at_most: usize) -> Result<u64, StoreError>;
}
