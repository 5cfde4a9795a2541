//! Which Actions run at a login, in which order, and with which settings.

use std::sync::Arc;

use vestibule_model::{SessionLifetimes, Settings, TenantId};

use crate::Action;

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
    pub(crate) action: Action,
    pub(crate) secrets: Arc<Settings>,
    pub(crate) configuration: Arc<Settings>,
    pub(crate) on_failure: OnFailure,
}

impl Binding {
    /// An Action without secrets or configuration, whose failure fails the login.
    pub fn new(action: Action) -> Self {
        Self { action, secrets: Arc::default(), configuration: Arc::default(), on_failure: OnFailure::default() }
    }

    /// Secrets that this Action can read by name.
    #[must_use]
    pub fn secrets(mut self, secrets: Settings) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// Configuration that this Action can read by name.
    #[must_use]
    pub fn configuration(mut self, configuration: Settings) -> Self {
        self.configuration = Arc::new(configuration);
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
}

impl Flow {
    /// A flow of this tenant.
    pub fn new(tenant: TenantId, bindings: Vec<Binding>) -> Self {
        Self { tenant, bindings, lifetimes: SessionLifetimes::default() }
    }

    /// How long the tenant lets sessions live.
    #[must_use]
    pub fn session_lifetimes(mut self, lifetimes: SessionLifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }
}
