//! The registry's calls: each is tried until it is done, a bounded number of times.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::super::PostgresStore;
use super::{actions, bindings, components, executions, policies, secrets, versions};
use crate::error::StoreError;
use crate::registry::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, ActionName, Basis, Binding,
    BindingsReplaced, BuildError, ComponentInfo, Deployed, DraftPut, Execution, ExecutionCursor, ExecutionFilter, ExecutionPage,
    FlowChanges, Keeping, NewAction, NewBindings, Registry, SealedSecret, StoredAction, StoredFlow, StoredPolicy, Trigger,
    Version, VersionList,
};
use crate::tokens::{ActionUid, ExecutionUid, VersionUid};

#[async_trait]
impl Registry for PostgresStore {
    async fn create_action(
        &self,
        tenant: &TenantId,
        action: NewAction,
        at_most: u64,
        now: Timestamp,
    ) -> Result<ActionCreated, StoreError> {
        self.connections.attempt(false, |lease| actions::create(lease, tenant, &action, at_most, now)).await
    }

    async fn action(&self, tenant: &TenantId, id: &ActionUid) -> Result<Option<StoredAction>, StoreError> {
        self.connections.attempt(true, |lease| async move { actions::action(&lease, tenant, id).await }).await
    }

    async fn action_named(&self, tenant: &TenantId, name: &ActionName) -> Result<Option<StoredAction>, StoreError> {
        self.connections.attempt(true, |lease| async move { actions::action_named(&lease, tenant, name).await }).await
    }

    async fn actions(&self, tenant: &TenantId, filter: ActionFilter, skip: usize, take: usize) -> Result<ActionList, StoreError> {
        let filter = &filter;
        self.connections.attempt(true, |lease| async move { actions::actions(&lease, tenant, filter, skip, take).await }).await
    }

    async fn change_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        change: ActionChange,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<ActionChanged, StoreError> {
        self.connections.attempt(false, |lease| actions::change(lease, tenant, id, &change, revision, now)).await
    }

    async fn delete_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        force: bool,
        _now: Timestamp,
    ) -> Result<ActionDeleted, StoreError> {
        self.connections.attempt(false, |lease| actions::delete(lease, tenant, id, force)).await
    }

    async fn secrets(&self, tenant: &TenantId, id: &ActionUid) -> Result<Vec<SealedSecret>, StoreError> {
        self.connections.attempt(true, |lease| async move { secrets::secrets(&lease, tenant, id).await }).await
    }

    async fn put_draft(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        component: Bytes,
        keeping: Keeping,
        now: Timestamp,
    ) -> Result<DraftPut, StoreError> {
        let draft = (digest, component.as_ref());
        // The same bytes are the same draft.
        self.connections.attempt(true, |lease| components::put_draft(lease, tenant, id, draft, keeping, now)).await
    }

    async fn begin_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        // What was begun in an attempt whose answer was lost is free again when its time is over.
        self.connections.attempt(true, |lease| components::begin_build(lease, tenant, id, digest, now, until)).await
    }

    async fn end_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        built: Result<ComponentInfo, Vec<BuildError>>,
        now: Timestamp,
    ) -> Result<Option<StoredAction>, StoreError> {
        // What has ended does not end again.
        self.connections.attempt(true, |lease| components::end_build(lease, tenant, id, digest, &built, now)).await
    }

    async fn unbuilt(&self, now: Timestamp, take: usize) -> Result<Vec<(TenantId, ActionUid, ComponentDigest)>, StoreError> {
        self.connections.attempt(true, |lease| async move { components::unbuilt(&lease, now, take).await }).await
    }

    async fn component(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, StoreError> {
        self.connections.attempt(true, |lease| components::component(lease, tenant, digest)).await
    }

    async fn deploy_draft(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        basis: Basis,
        keeping: Keeping,
        now: Timestamp,
    ) -> Result<Deployed, StoreError> {
        self.connections.attempt(false, |lease| versions::deploy_draft(lease, tenant, id, digest, basis, keeping, now)).await
    }

    async fn deploy_version(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        version: &VersionUid,
        basis: Basis,
        update_draft: bool,
        now: Timestamp,
    ) -> Result<Deployed, StoreError> {
        self.connections
            .attempt(false, |lease| versions::deploy_version(lease, tenant, id, version, basis, update_draft, now))
            .await
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        skip: usize,
        take: usize,
    ) -> Result<Option<VersionList>, StoreError> {
        self.connections.attempt(true, |lease| async move { versions::versions(&lease, tenant, id, skip, take).await }).await
    }

    async fn version(&self, tenant: &TenantId, id: &ActionUid, version: &VersionUid) -> Result<Option<Version>, StoreError> {
        self.connections.attempt(true, |lease| async move { versions::version(&lease, tenant, id, version).await }).await
    }

    async fn bindings(&self, tenant: &TenantId, trigger: Trigger) -> Result<Vec<Binding>, StoreError> {
        self.connections.attempt(true, |lease| async move { bindings::bindings(&lease, tenant, trigger).await }).await
    }

    async fn replace_bindings(
        &self,
        tenant: &TenantId,
        trigger: Trigger,
        bindings: NewBindings,
        now: Timestamp,
    ) -> Result<BindingsReplaced, StoreError> {
        // What is bound already stays as it is; but who has said what was bound before would be
        // told of their own change.
        self.connections.attempt(bindings.seen.is_none(), |lease| bindings::replace(lease, tenant, trigger, &bindings, now)).await
    }

    async fn flow(&self, tenant: &TenantId, trigger: Trigger) -> Result<StoredFlow, StoreError> {
        self.connections.attempt(true, |lease| async move { bindings::flow(&lease, tenant, trigger).await }).await
    }

    async fn flows_changed(&self, after: u64) -> Result<FlowChanges, StoreError> {
        self.connections.attempt(true, |lease| async move { bindings::flows_changed(&lease, after).await }).await
    }

    async fn flow_notice(&self) {
        self.notices.next().await;
    }

    async fn policy(&self, tenant: &TenantId) -> Result<Option<StoredPolicy>, StoreError> {
        self.connections.attempt(true, |lease| async move { policies::policy(&lease, tenant).await }).await
    }

    async fn set_policy(&self, tenant: &TenantId, policy: Option<Map<String, Value>>, now: Timestamp) -> Result<(), StoreError> {
        // Twice the same is the same, one revision later.
        self.connections.attempt(true, |lease| policies::set(lease, tenant, policy.as_ref(), now)).await
    }

    async fn sealed_secrets(&self, not_by: &str, take: usize) -> Result<Vec<(TenantId, ActionUid, SealedSecret)>, StoreError> {
        self.connections.attempt(true, |lease| async move { secrets::of_other_keys(&lease, not_by, take).await }).await
    }

    async fn reseal(
        &self,
        tenant: &TenantId,
        action: &ActionUid,
        old: &SealedSecret,
        new: SealedSecret,
    ) -> Result<bool, StoreError> {
        self.connections.attempt(false, |lease| secrets::reseal(lease, tenant, action, old, &new)).await
    }

    async fn record_executions(&self, executions: Vec<Execution>) -> Result<(), StoreError> {
        // What is there already is not written again.
        self.connections.attempt(true, |lease| executions::record(lease, &executions)).await
    }

    async fn execution(&self, tenant: &TenantId, id: &ExecutionUid) -> Result<Option<Execution>, StoreError> {
        self.connections.attempt(true, |lease| async move { executions::execution(&lease, tenant, id).await }).await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        filter: ExecutionFilter,
        after: Option<ExecutionCursor>,
        take: usize,
    ) -> Result<ExecutionPage, StoreError> {
        let filter = &filter;
        self.connections
            .attempt(true, |lease| async move { executions::executions(&lease, tenant, filter, after, take).await })
            .await
    }

    async fn sweep_executions(&self, before: Timestamp, each: u64, at_most: usize) -> Result<u64, StoreError> {
        executions::sweep(&self.connections, before, each, at_most).await
    }
}
