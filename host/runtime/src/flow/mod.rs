//! Which Actions run at a login, in which order, and with which settings.

mod bound;

use std::sync::Arc;

use vestibule_model::{SessionLifetimes, TenantId, Values};

pub use bound::BoundAction;

use crate::http::Origin;
use crate::limits::{FlowLimits, Limits};

/// What becomes of a login when this Action fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The login fails (*fail closed*).
    #[default]
    FailLogin,
    /// The login goes on as if the Action had not run (*fail open*).
    Continue,
}

/// An Action at its place in a flow. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Binding {
    pub(crate) action: BoundAction,
    pub(crate) secrets: Arc<Values>,
    pub(crate) configuration: Arc<Values>,
    /// `None` without origins.
    pub(crate) origins: Option<Arc<[Origin]>>,
    pub(crate) on_failure: OnFailure,
    pub(crate) limits: Option<Arc<Limits>>,
}

impl Binding {
    /// An Action, loaded or on a [`ActionCache`](crate::action_cache::ActionCache), without
    /// secrets, configuration or requests, whose failure fails the login.
    pub fn new(action: impl Into<BoundAction>) -> Self {
        Self {
            action: action.into(),
            secrets: Arc::default(),
            configuration: Arc::default(),
            origins: None,
            on_failure: OnFailure::default(),
            limits: None,
        }
    }

    /// Secrets that this Action can read by name.
    #[must_use]
    pub fn secrets(mut self, secrets: Values) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// Configuration that this Action can read by name.
    #[must_use]
    pub fn configuration(mut self, configuration: Values) -> Self {
        self.configuration = Arc::new(configuration);
        self
    }

    /// Origins that this Action may send HTTP requests to, and no others. An Action that can send
    /// requests, in a binding that allows none, fails its login before it runs.
    #[must_use]
    pub fn allow_requests(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        let origins: Arc<[Origin]> = origins.into_iter().collect();
        self.origins = (!origins.is_empty()).then_some(origins);
        self
    }

    /// Lower limits for this Action. What is higher than the flow's or the host's doesn't count.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(Arc::new(limits));
        self
    }

    /// What becomes of a login when this Action fails.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}

/// A tenant's Actions for a trigger, in the order in which they run.
#[derive(Clone, Debug)]
pub struct Flow {
    pub(crate) tenant: TenantId,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) lifetimes: SessionLifetimes,
    pub(crate) limits: Option<Arc<Limits>>,
    pub(crate) flow_limits: Option<FlowLimits>,
    pub(crate) is_rehearsal: bool,
}

impl Flow {
    /// A flow of this tenant.
    pub fn new(tenant: TenantId, bindings: Vec<Binding>) -> Self {
        Self { tenant, bindings, lifetimes: SessionLifetimes::default(), limits: None, flow_limits: None, is_rehearsal: false }
    }

    /// Lower limits for each of this tenant's Actions. What is higher than the host's doesn't
    /// count.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(Arc::new(limits));
        self
    }

    /// Lower limits for what this tenant's Actions use together at one login. What is higher than
    /// the host's doesn't count.
    #[must_use]
    pub fn flow_limits(mut self, limits: FlowLimits) -> Self {
        self.flow_limits = Some(limits);
        self
    }

    /// For trying Actions: what they put into the tenant's cache is forgotten when the flow has
    /// ended.
    #[must_use]
    pub fn rehearsal(mut self) -> Self {
        self.is_rehearsal = true;
        self
    }

    /// How long the tenant lets sessions live.
    #[must_use]
    pub fn session_lifetimes(mut self, lifetimes: SessionLifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }
}

impl Flow {
    /// What one of its bindings may use on a host with these limits.
    pub(crate) fn limits_of(&self, binding: &Binding, host: &Arc<Limits>) -> Arc<Limits> {
        let lowered = [&self.limits, &binding.limits].into_iter().flatten();
        lowered.fold(Arc::clone(host), |limits, lower| Arc::new(limits.within(lower)))
    }
}
