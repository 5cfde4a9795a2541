//! The registry's calls: those that write go to the writer, and those that read to the readers.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::flows::Flows;
use super::{actions, components, executions, flows, rows, secrets, uploads};
use crate::columns::ExecutionRow;
use crate::error::StoreError;
use crate::registry::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, ActionName, Basis, Binding,
    BindingsReplaced, BuildError, ComponentInfo, Deployed, DraftPut, Execution, ExecutionCursor, ExecutionFilter, ExecutionPage,
    FlowChanges, Keeping, NewAction, NewBindings, Registry, SealedSecret, StoredAction, StoredFlow, StoredPolicy, Trigger,
    Version, VersionList,
};
use crate::sqlite::{Errors, SqliteStore};
use crate::tokens::{ActionUid, ExecutionUid, VersionUid};

impl SqliteStore {
    /// Writes what may change a flow.
    async fn change_flows<T, F>(&self, mut work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&rusqlite::Connection, Errors<'_>, &mut Flows) -> Result<T, StoreError> + Send + 'static,
    {
        let mut flows = Flows::new(&self.flow_notice);
        self.write(move |connection, errors| work(connection, errors, &mut flows)).await
    }
}

#[async_trait]
impl Registry for SqliteStore {
    async fn create_action(
        &self,
        tenant: &TenantId,
        action: NewAction,
        at_most: u64,
        now: Timestamp,
    ) -> Result<ActionCreated, StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection, errors| actions::create(connection, errors, &tenant, &action, at_most, now)).await
    }

    async fn action(&self, tenant: &TenantId, id: &ActionUid) -> Result<Option<StoredAction>, StoreError> {
        let (tenant, id) = (tenant.clone(), *id);
        self.look_up(move |connection, errors| actions::action(connection, errors, &tenant, &id)).await
    }

    async fn action_named(&self, tenant: &TenantId, name: &ActionName) -> Result<Option<StoredAction>, StoreError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.look_up(move |connection, errors| actions::action_named(connection, errors, &tenant, &name)).await
    }

    async fn actions(&self, tenant: &TenantId, filter: ActionFilter, skip: usize, take: usize) -> Result<ActionList, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| actions::actions(connection, errors, &tenant, &filter, skip, take)).await
    }

    async fn change_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        change: ActionChange,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<ActionChanged, StoreError> {
        let (tenant, id) = (tenant.clone(), *id);
        self.change_flows(move |connection, errors, flows| {
            actions::change(connection, errors, flows, &tenant, &id, (&change, revision), now)
        })
        .await
    }

    async fn delete_action(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        force: bool,
        _now: Timestamp,
    ) -> Result<ActionDeleted, StoreError> {
        let (tenant, id) = (tenant.clone(), *id);
        self.change_flows(move |connection, errors, flows| actions::delete(connection, errors, flows, &tenant, &id, force)).await
    }

    async fn secrets(&self, tenant: &TenantId, id: &ActionUid) -> Result<Vec<SealedSecret>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.to_string());
        self.look_up(move |connection, errors| rows::secrets(connection, errors, &tenant, &id)).await
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
        uploads::put_draft(self, (tenant, id), digest, component, keeping, now).await
    }

    async fn begin_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tenant, id, digest) = (tenant.clone(), *id, *digest);
        self.write(move |connection, errors| components::begin_build(connection, errors, &tenant, &id, &digest, (now, until)))
            .await
    }

    async fn end_build(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        digest: &ComponentDigest,
        built: Result<ComponentInfo, Vec<BuildError>>,
        now: Timestamp,
    ) -> Result<Option<StoredAction>, StoreError> {
        let (tenant, id, digest) = (tenant.clone(), *id, *digest);
        self.write(move |connection, errors| components::end_build(connection, errors, &tenant, &id, &digest, &built, now)).await
    }

    async fn unbuilt(&self, now: Timestamp, take: usize) -> Result<Vec<components::Unbuilt>, StoreError> {
        self.read_for_worker(move |connection, errors| components::unbuilt(connection, errors, now, take)).await
    }

    async fn component(&self, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, StoreError> {
        uploads::component(self, tenant, digest).await
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
        let (tenant, id, digest) = (tenant.clone(), *id, *digest);
        self.change_flows(move |connection, errors, flows| {
            components::deploy_draft(connection, errors, flows, (&tenant, &id), (&digest, keeping), &basis, now)
        })
        .await
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
        let (tenant, id, version) = (tenant.clone(), *id, *version);
        self.change_flows(move |connection, errors, flows| {
            let how = (&basis, update_draft);
            components::deploy_version(connection, errors, flows, (&tenant, &id), &version, how, now)
        })
        .await
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        id: &ActionUid,
        skip: usize,
        take: usize,
    ) -> Result<Option<VersionList>, StoreError> {
        let (tenant, id) = (tenant.clone(), *id);
        self.list(move |connection, errors| components::versions(connection, errors, &tenant, &id, skip, take)).await
    }

    async fn version(&self, tenant: &TenantId, id: &ActionUid, version: &VersionUid) -> Result<Option<Version>, StoreError> {
        let (tenant, id, version) = (tenant.clone(), *id, *version);
        self.look_up(move |connection, errors| components::version(connection, errors, &tenant, &id, &version)).await
    }

    async fn bindings(&self, tenant: &TenantId, trigger: Trigger) -> Result<Vec<Binding>, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| flows::bindings(connection, errors, &tenant, trigger)).await
    }

    async fn replace_bindings(
        &self,
        tenant: &TenantId,
        trigger: Trigger,
        bindings: NewBindings,
        now: Timestamp,
    ) -> Result<BindingsReplaced, StoreError> {
        let tenant = tenant.clone();
        self.change_flows(move |connection, errors, flows| {
            flows::replace_bindings(connection, errors, flows, &tenant, trigger, &bindings, now)
        })
        .await
    }

    async fn flow(&self, tenant: &TenantId, trigger: Trigger) -> Result<StoredFlow, StoreError> {
        let tenant = tenant.clone();
        self.read_for_worker(move |connection, errors| flows::flow(connection, errors, &tenant, trigger)).await
    }

    async fn flows_changed(&self, after: u64) -> Result<FlowChanges, StoreError> {
        let changed = move |connection: &rusqlite::Connection, errors: Errors<'_>| flows::changed(connection, errors, after);
        // Whoever asks for the first time is told of all tenants; later it is a row or two.
        if after == 0 { self.read_for_worker(changed).await } else { self.look_up(changed).await }
    }

    async fn flow_notice(&self) {
        self.flow_notice.notified().await;
    }

    async fn policy(&self, tenant: &TenantId) -> Result<Option<StoredPolicy>, StoreError> {
        let tenant = tenant.clone();
        self.look_up(move |connection, errors| secrets::policy(connection, errors, &tenant)).await
    }

    async fn set_policy(&self, tenant: &TenantId, policy: Option<Map<String, Value>>, now: Timestamp) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.change_flows(move |connection, errors, flows| {
            secrets::set_policy(connection, errors, flows, &tenant, policy.as_ref(), now)
        })
        .await
    }

    async fn sealed_secrets(&self, not_by: &str, take: usize) -> Result<Vec<(TenantId, ActionUid, SealedSecret)>, StoreError> {
        let not_by = not_by.to_owned();
        self.read_for_worker(move |connection, errors| secrets::sealed_secrets(connection, errors, &not_by, take)).await
    }

    async fn reseal(
        &self,
        tenant: &TenantId,
        action: &ActionUid,
        old: &SealedSecret,
        new: SealedSecret,
    ) -> Result<bool, StoreError> {
        let (tenant, action, old) = (tenant.clone(), *action, old.clone());
        self.write(move |connection, errors| secrets::reseal(connection, errors, &tenant, &action, &old, &new)).await
    }

    async fn record_executions(&self, executions: Vec<Execution>) -> Result<(), StoreError> {
        let rows: Vec<_> = executions.iter().map(ExecutionRow::new).collect();
        self.executions.write(move |connection, errors| executions::record(connection, errors, &rows)).await
    }

    async fn execution(&self, tenant: &TenantId, id: &ExecutionUid) -> Result<Option<Execution>, StoreError> {
        let (tenant, id) = (tenant.clone(), *id);
        self.executions.list(move |connection, errors| executions::execution(connection, errors, &tenant, &id)).await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        filter: ExecutionFilter,
        after: Option<ExecutionCursor>,
        take: usize,
    ) -> Result<ExecutionPage, StoreError> {
        let tenant = tenant.clone();
        self.executions
            .list(move |connection, errors| executions::executions(connection, errors, &tenant, &filter, after, take))
            .await
    }

    async fn sweep_executions(&self, before: Timestamp, each: u64, at_most: usize) -> Result<u64, StoreError> {
        self.executions.write(move |connection, errors| executions::sweep(connection, errors, before, each, at_most)).await
    }
}
