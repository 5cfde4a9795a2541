//! From what is kept of a tenant's bindings to what logins run.

use std::collections::HashSet;

use thiserror::Error;
use vestibule::action_cache::{ActionCache, CachedAction};
use vestibule::capability::CapabilityPolicy;
use vestibule::limits::Limits;
use vestibule::model::{ActionId, ComponentDigest, IdError, SecretError, TenantId, Values};
use vestibule::{Binding, LoadError};
use vestibule_sessions::{FlowBinding, StoreError, StoredFlow};

use super::deploy::deployed;
use super::settings::RunSettings;
use crate::sealing::{Place, SealError, SealingKeys};

/// Why a tenant's flow can't be made.
#[derive(Debug, Error)]
pub(crate) enum FlowError {
    /// The store has failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A component can't be made ready.
    #[error("{action}: {error}")]
    Load {
        /// Which Action.
        action: String,
        /// What is wrong.
        error: LoadError,
    },
    /// A secret can't be opened.
    #[error("{action}: {error}")]
    Secret {
        /// Which Action.
        action: String,
        /// What is wrong.
        error: SealError,
    },
    /// The operator's policy refuses what it can do.
    #[error("{action}: the operator's policy refuses {}; take it out of the bindings, or allow it", .refused.join(", "))]
    Refused {
        /// Which Action.
        action: String,
        /// The capabilities.
        refused: Vec<String>,
    },
    /// What is kept of it breaks a rule that it didn't break when it was written.
    #[error("{action}: what is kept of it can't be used: {reason}")]
    Kept {
        /// Which Action.
        action: String,
        /// What is wrong.
        reason: String,
    },
}

/// What of a tenant's flow is deployed, beside what the configuration declares.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The store's revision of it.
    pub(crate) revision: u64,
    /// In their order.
    pub(crate) bindings: Vec<Binding>,
    cached: Vec<CachedAction>,
}

/// What a flow is made with.
pub(super) struct Making<'a> {
    pub(super) action_cache: &'a ActionCache,
    pub(super) keys: &'a SealingKeys,
    pub(super) limits: &'a Limits,
}

impl Making<'_> {
    /// Makes a tenant's part. Nothing is loaded.
    pub(super) fn part(&self, tenant: &TenantId, flow: StoredFlow) -> Result<Part, FlowError> {
        let mut part = Part { revision: flow.revision, ..Part::default() };
        for bound in &flow.bindings {
            let action = format!("{}@{}", bound.name, bound.version.number);
            let (binding, cached) = self.binding(tenant, bound).map_err(|error| error.of(action))?;
            part.cached.push(cached);
            part.bindings.push(binding);
        }
        Ok(part)
    }

    fn binding(&self, tenant: &TenantId, bound: &FlowBinding) -> Result<(Binding, CachedAction), Wrong> {
        let id = ActionId::new(bound.name.as_str(), &bound.version.number.to_string())?;
        let cached = self.action_cache.insert(tenant, deployed(id, &bound.version.digest, &bound.version.info));
        let secrets = self.secrets(tenant, bound)?;
        let settings = RunSettings::read(&bound.settings, self.limits).map_err(Wrong::Kept)?;
        Ok((binding(cached.clone(), settings, secrets), cached))
    }

    fn secrets(&self, tenant: &TenantId, bound: &FlowBinding) -> Result<Values, Wrong> {
        let sealed = bound.secrets.iter().map(|secret| (secret.name.as_str(), secret.key.as_str(), secret.sealed.as_slice()));
        open(self.keys, tenant, &bound.action.to_string(), sealed)
    }
}

/// Opens an Action's secrets.
pub(super) fn open<'a>(
    keys: &SealingKeys,
    tenant: &TenantId,
    action: &str,
    sealed: impl Iterator<Item = (&'a str, &'a str, &'a [u8])>,
) -> Result<Values, Wrong> {
    let mut secrets = Values::default();
    for (name, key, bytes) in sealed {
        let value = keys.open_secret(Place { tenant: tenant.as_str(), action, name }, key, bytes)?;
        secrets.set(name, value.to_string())?;
    }
    Ok(secrets)
}

/// An Action with its settings and secrets, at its place.
pub(super) fn binding(action: CachedAction, settings: RunSettings, secrets: Values) -> Binding {
    let RunSettings { configuration, origins, limits, on_failure } = settings;
    let binding =
        Binding::new(action).secrets(secrets).configuration(configuration).allow_requests(origins).on_failure(on_failure);
    match limits {
        Some(limits) => binding.limits(limits),
        None => binding,
    }
}

impl Part {
    /// The first Action that a policy refuses, and what it refuses of it.
    pub(super) fn refused(&self, policy: &CapabilityPolicy) -> Option<(&ActionId, Vec<String>)> {
        self.cached.iter().find_map(|cached| {
            let refused = policy.refused(cached.id().name(), cached.capabilities());
            (!refused.is_empty()).then(|| (cached.id(), refused.iter().map(ToString::to_string).collect()))
        })
    }

    /// Brings what the part before has not had into memory, compiled where that is needed. The same
    /// component under another name or as another version is something else to the `ActionCache`.
    pub(super) async fn make_ready(&self, before: Option<&Self>) -> Result<(), FlowError> {
        let had: HashSet<(&ActionId, &ComponentDigest)> =
            before.iter().flat_map(|before| &before.cached).map(|cached| (cached.id(), cached.digest())).collect();
        for cached in self.cached.iter().filter(|cached| !had.contains(&(cached.id(), cached.digest()))) {
            let ready = cached.make_ready().await;
            ready.map_err(|error| FlowError::Load { action: cached.id().to_string(), error })?;
        }
        Ok(())
    }
}

/// What is wrong with an Action, before it is said with which.
pub(super) enum Wrong {
    Secret(SealError),
    Kept(String),
}

impl Wrong {
    pub(super) fn of(self, action: String) -> FlowError {
        match self {
            Self::Secret(error) => FlowError::Secret { action, error },
            Self::Kept(reason) => FlowError::Kept { action, reason },
        }
    }
}

impl From<SealError> for Wrong {
    fn from(error: SealError) -> Self {
        Self::Secret(error)
    }
}

impl From<IdError> for Wrong {
    fn from(error: IdError) -> Self {
        Self::Kept(error.to_string())
    }
}

impl From<SecretError> for Wrong {
    fn from(error: SecretError) -> Self {
        Self::Kept(error.to_string())
    }
}
