//! What runs on this server: each tenant's deployed part, and how one takes the place of another.
//!
//! A tenant's flow is what the configuration declares, and then what is deployed. Both change while
//! the server runs, and neither may overwrite the other: so a flow is put together under one lock,
//! from the tenant as it is configured and from its part as it was read last. A login takes its
//! tenant's flow once, and runs on it to its end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::JoinSet;
use vestibule::capability::CapabilityPolicy;
use vestibule::model::TenantId;
use vestibule_sessions::{StoreError, Trigger};

use super::flow::{FlowError, Making, Part};
use crate::app::App;
use crate::tenant::Tenants;

/// How long it is waited until a flow that couldn't be made is tried again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Tenants whose flows are made at one time.
const AT_ONE_TIME: usize = 8;

/// The deployed parts of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Live {
    state: Mutex<State>,
    /// One at a time makes a tenant's flow.
    turns: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct State {
    /// The tenants that are served, or are about to be, each with the operator's policy.
    wanted: HashMap<TenantId, CapabilityPolicy>,
    /// None of a tenant whose flow could not be made yet: its logins are refused, since Actions
    /// that guard them would not run.
    parts: HashMap<TenantId, Arc<Part>>,
    failing: HashMap<TenantId, Failing>,
    /// Whose flows are about to be read: whoever has changed something then needs not ask once
    /// more.
    asked: HashSet<TenantId>,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    again: Instant,
    wait: Duration,
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, tenant: &TenantId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(tenant.clone()).or_default())
    }

    /// Serves these tenants from now on, with the parts that they have. `store` lets requests see
    /// them.
    pub(crate) fn serve(&self, tenants: Tenants, store: impl FnOnce(Arc<Tenants>)) {
        let mut state = self.state();
        let State { wanted, parts, failing, .. } = &mut *state;
        *wanted = tenants.all().map(|tenant| (tenant.settings.id.clone(), tenant.settings.capabilities.clone())).collect();
        parts.retain(|tenant, _| wanted.contains_key(tenant));
        failing.retain(|tenant, _| wanted.contains_key(tenant));
        for tenant in tenants.all() {
            tenant.run_with(parts.get(&tenant.settings.id).map(|part| &**part));
        }
        store(Arc::new(tenants));
    }

    /// Those of these tenants whose flow, what is deployed and what they declare together, has more
    /// Actions than a login may run: how many of each, and how many it may.
    pub(crate) fn too_long(&self, tenants: &Tenants) -> Vec<TooLong> {
        let state = self.state();
        let long = tenants.all().filter_map(|tenant| {
            let (settings, deployed) = (&tenant.settings, state.parts.get(&tenant.settings.id)?.bindings.len());
            let (declared, allowed) = (settings.actions.len(), settings.flow_limits.actions);
            (deployed > 0 && declared + deployed > allowed).then(|| TooLong {
                tenant: settings.id.clone(),
                declared,
                deployed,
                allowed,
            })
        });
        long.collect()
    }

    /// Those of these tenants whose deployed Actions the operator's policy refuses.
    pub(crate) fn refused(&self, tenants: &Tenants) -> Vec<RefusedFlow> {
        let state = self.state();
        let refused = tenants.all().filter_map(|tenant| {
            let settings = &tenant.settings;
            let (action, capabilities) = state.parts.get(&settings.id)?.refused(&settings.capabilities)?;
            Some(RefusedFlow { tenant: settings.id.clone(), action: action.to_string(), capabilities })
        });
        refused.collect()
    }

    /// Those of these tenants that are served here, and those whose flows are to be tried again.
    pub(super) fn due(&self, changed: Vec<TenantId>, now: Instant) -> Vec<TenantId> {
        let mut state = self.state();
        let State { wanted, failing, asked, .. } = &mut *state;
        let again = failing.iter().filter(|(_, failing)| failing.again <= now).map(|(tenant, _)| tenant.clone());
        let due: Vec<TenantId> = again.chain(changed.into_iter().filter(|tenant| wanted.contains_key(tenant))).collect();
        due.into_iter().filter(|tenant| asked.insert(tenant.clone())).collect()
    }

    fn part(&self, tenant: &TenantId) -> Option<Arc<Part>> {
        self.state().parts.get(tenant).cloned()
    }

    /// From here on a tenant's logins run with this.
    fn switch(&self, app: &App, tenant: &TenantId, part: Part) {
        let mut state = self.state();
        if !state.wanted.contains_key(tenant) {
            return;
        }
        let part = Arc::new(part);
        if let Some(served) = app.tenant_of(tenant) {
            served.run_with(Some(&part));
        }
        state.parts.insert(tenant.clone(), part);
    }

    /// The making of a tenant's flow has panicked: it is tried again, and a change that comes
    /// meanwhile is looked at.
    pub(super) fn broken_off(&self, app: &App, tenant: &TenantId) {
        self.state().asked.remove(tenant);
        self.note(app, tenant, true);
    }

    /// Says how many tenants' flows can't be made.
    fn note(&self, app: &App, tenant: &TenantId, has_failed: bool) {
        let mut state = self.state();
        if has_failed {
            let before = state.failing.get(tenant).map(|failing| failing.wait);
            let wait = before.map_or(FIRST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
            state.failing.insert(tenant.clone(), Failing { again: Instant::now() + wait, wait });
        } else {
            state.failing.remove(tenant);
        }
        app.metrics().registry().failing(state.failing.len());
    }
}

/// A flow that no login can run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "tenant {tenant}: its flow has {declared} Actions that the configuration declares and {deployed} that are deployed, at most {allowed} are allowed \
     (limit `actions`); declare fewer, raise the limit, or take some out of its bindings"
)]
pub struct TooLong {
    tenant: TenantId,
    declared: usize,
    deployed: usize,
    allowed: usize,
}

/// A flow with an Action that the operator's policy refuses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "tenant {tenant}: {action} is deployed and bound, and the operator's policy refuses {}; take it out of the bindings, or allow it in \
     `capabilities`", .capabilities.join(", ")
)]
pub struct RefusedFlow {
    tenant: TenantId,
    action: String,
    capabilities: Vec<String>,
}

/// Makes a tenant's flow as it is kept now, and lets logins run it. One that can't be made keeps
/// the one before running, and is tried again.
pub(super) async fn refresh(app: &App, tenant: &TenantId) -> Result<(), FlowError> {
    let made = make(app, tenant, true).await;
    app.registry().live().note(app, tenant, made.is_err());
    if let Err(error) = &made {
        tracing::error!(%tenant, %error, "the tenant's flow has changed and can't be made; the one before runs on, and it is tried again");
    }
    made
}

async fn make(app: &App, tenant: &TenantId, is_to_be_ready: bool) -> Result<(), FlowError> {
    let deployments = app.registry();
    let live = deployments.live();
    let turn = live.turn(tenant);
    let _turn = turn.lock().await;
    live.state().asked.remove(tenant);
    let started = Instant::now();
    let stored = app.store().flow(tenant, Trigger::PostLogin).await?;
    let before = live.part(tenant);
    if before.as_ref().is_some_and(|before| before.revision == stored.revision) {
        return Ok(());
    }
    let limits = &app.runtime().settings().limits;
    let making = Making { action_cache: &deployments.action_cache, keys: &deployments.keys, limits };
    let part = making.part(tenant, stored)?;
    // Whatever has bound it: another server's policy may be another one, and so was this one's when
    // it was bound.
    let policy = live.state().wanted.get(tenant).cloned().unwrap_or_default();
    if let Some((action, refused)) = part.refused(&policy) {
        return Err(FlowError::Refused { action: action.to_string(), refused });
    }
    if is_to_be_ready {
        part.make_ready(before.as_deref()).await?;
    }
    let (revision, actions) = (part.revision, part.bindings.len());
    live.switch(app, tenant, part);
    app.metrics().registry().switched(started.elapsed());
    tracing::info!(%tenant, revision, actions, "the tenant's deployed Actions are live");
    Ok(())
}

/// Reads the parts of tenants that are about to be served and aren't yet. Nothing of them is
/// loaded: that is for the logins which need it.
pub(crate) async fn prepare(app: &App, tenants: &Tenants) -> Result<u64, StoreError> {
    let live = app.registry().live();
    // From here on changes of these are looked at.
    let new: HashSet<TenantId> = {
        let mut state = live.state();
        for tenant in tenants.all() {
            let policy = || tenant.settings.capabilities.clone();
            state.wanted.entry(tenant.settings.id.clone()).or_insert_with(policy);
        }
        tenants.ids().filter(|tenant| !state.parts.contains_key(*tenant)).cloned().collect()
    };
    let changes = app.store().flows_changed(0).await?;
    let with_flows: HashSet<TenantId> = changes.tenants.into_iter().collect();
    for tenant in new.difference(&with_flows) {
        live.state().parts.entry(tenant.clone()).or_default();
    }
    let mut making = JoinSet::new();
    for tenant in new.intersection(&with_flows) {
        if making.len() >= AT_ONE_TIME {
            making.join_next().await;
        }
        let (app, tenant) = (app.clone(), tenant.clone());
        making.spawn(async move {
            let made = make(&app, &tenant, false).await;
            app.registry().live().note(&app, &tenant, made.is_err());
            if let Err(error) = made {
                tracing::error!(%tenant, %error, "the tenant's deployed Actions can't be read; its logins are refused until they can");
            }
        });
    }
    while making.join_next().await.is_some() {}
    Ok(changes.revision)
}
