//! A host with an honest Action on it: after each attempt, its logins are right.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::{context, example_event, host_limits, limits, load, settings};
use vestibule::model::Outcome;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule::{Action, Binding, Config, Flow, LoadError, RunError, Runtime};
use vestibule_test_artifacts as artifacts;

/// The tenant whose Action is hostile.
pub const ACME: &str = "acme";
/// Another tenant.
pub const GLOBEX: &str = "globex";

/// A host, and an honest Action on it.
pub struct Host {
    /// The host's runtime.
    pub runtime: Runtime,
    honest: Action,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host with the limits of the tests.
    pub fn new() -> Self {
        Self::with(limits())
    }

    /// A host with these limits of an Action.
    pub fn with(limits: vestibule::limits::Limits) -> Self {
        Self::of(Config { limits, host_limits: host_limits(), ..Config::default() })
    }

    /// A host with these settings.
    pub fn of(settings: Config) -> Self {
        let runtime = Runtime::new(settings).expect("a runtime");
        let honest = load(&runtime, artifacts::ORGANIZATION_SESSION_METADATA);
        Self { runtime, honest }
    }

    /// A binding of this component.
    pub fn bind(&self, component: &[u8]) -> Binding {
        Binding::new(load(&self.runtime, component))
    }

    /// A binding of the honest Action.
    pub fn honest(&self) -> Binding {
        Binding::new(self.honest.clone())
    }

    /// A login of this tenant, by a user who has logged in so often.
    pub async fn login(&self, tenant: &str, logins: u64, bindings: Vec<Binding>) -> Result<Outcome, RunError> {
        self.login_through(&flow(tenant, bindings), tenant, logins).await
    }

    /// A login through this flow of the tenant, by a user who has logged in so often.
    pub async fn login_through(&self, flow: &Flow, tenant: &str, logins: u64) -> Result<Outcome, RunError> {
        let mut event = example_event("organization-login");
        event.tenant.id = tenant.parse().expect("a tenant's id");
        event.stats.logins_count = logins;
        self.runtime.run(flow, Arc::new(event), &context()).await
    }

    /// A login of this tenant through the honest Action is as it has to be, and the host has
    /// panicked nowhere.
    pub async fn honest_login(&self, tenant: &str) {
        let outcome = self.login(tenant, 1, vec![self.honest()]).await.expect("an honest login runs");
        assert!(outcome.is_allowed(), "{outcome:?}");
        let entries: Vec<&str> = outcome.session.metadata.iter().map(|(_, value)| value).collect();
        assert_eq!(entries, ["org_abc123", "Acme Corp", "acme"]);
        assert!(outcome.access_token.as_ref().is_none_or(|token| token.claims.is_empty()), "{outcome:?}");
        assert!(outcome.actions[0].logs.is_empty(), "{outcome:?}");
        assert_eq!(self.runtime.host_panics(), 0);
    }

    /// The next login of the hostile Action's tenant, and that of another one, are right.
    pub async fn others_log_in(&self) {
        self.honest_login(ACME).await;
        self.honest_login(GLOBEX).await;
    }

    /// What becomes of a login through this component; what comes after it is right.
    pub async fn attempt(&self, component: &[u8], logins: u64) -> Outcome {
        self.attempt_with(self.bind(component), logins).await
    }

    /// The same, with this configuration.
    pub async fn configured(&self, component: &[u8], configuration: &[(&str, &str)]) -> Outcome {
        self.attempt_with(self.bind(component).configuration(settings(configuration)), 1).await
    }

    /// What becomes of a login through this binding; what comes after it is right.
    pub async fn attempt_with(&self, binding: Binding, logins: u64) -> Outcome {
        let outcome = self.login(ACME, logins, vec![binding]).await.expect("it is not too busy");
        self.others_log_in().await;
        outcome
    }

    /// How a login through this component fails.
    pub async fn failure(&self, component: &[u8], logins: u64) -> Failure {
        failure(&self.attempt(component, logins).await)
    }

    /// Why a component can't be loaded; others go on.
    pub async fn refusal(&self, component: &[u8]) -> LoadError {
        let refusal = self.runtime.load("suspect", component).expect_err("it should have been refused");
        assert!(refusal.to_string().starts_with("suspect") || refusal.to_string().contains("@0.1.0 "), "{refusal}");
        self.others_log_in().await;
        refusal
    }
}

/// A flow of this tenant.
pub fn flow(tenant: &str, bindings: Vec<Binding>) -> Flow {
    Flow::new(tenant.parse().expect("a tenant's id"), bindings)
}

/// Why the login failed; nothing of it is left.
pub fn failure(outcome: &Outcome) -> Failure {
    let failure = outcome.failed().unwrap_or_else(|| panic!("the login should have failed: {outcome:?}")).clone();
    assert!(outcome.session.metadata.is_empty() && outcome.access_token.is_none(), "{outcome:?}");
    assert!(outcome.transaction.metadata.is_empty(), "{outcome:?}");
    failure
}

/// The failure of a broken limit; its text tells the limit's name.
pub fn broken(limit: LimitBroken) -> Failure {
    let failure = Failure::Limit { limit };
    assert!(failure.to_string().contains(&format!("(limit `{}`)", limit.name())), "{failure}");
    failure
}

/// One step of a login, that has not ended with it.
pub async fn step<F: Future>(login: &mut Pin<Box<F>>) {
    let polled = std::future::poll_fn(|context| Poll::Ready(login.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "the login should not have ended yet");
}
