//! What a flow promises, whatever its Actions do.

#![allow(clippy::expect_used, reason = "a test that lacks its parts is to fail at once")]

use std::sync::Arc;

use vestibule::{Binding, Flow, RunError};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{context, example_event, load, run, runtime};

#[tokio::test]
async fn another_tenants_event_is_refused() {
    let runtime = runtime();
    let bindings = vec![Binding::new(load(&runtime, artifacts::ORGANIZATION_SESSION_METADATA))];
    let flow = Flow::new("globex".parse().expect("a tenant's id"), bindings);
    let refused = runtime.run(&flow, Arc::new(example_event("organization-login")), &context()).await;
    assert!(matches!(refused, Err(RunError::OtherTenant { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_later_action_sees_what_an_earlier_one_wrote() {
    let runtime = runtime();
    let actions = [artifacts::ORGANIZATION_SESSION_METADATA, artifacts::ORGANIZATION_GATE];
    let bindings = actions.map(|component| Binding::new(load(&runtime, component)));
    let outcome = run(&runtime, bindings.into(), example_event("organization-login")).await;
    let claims = outcome.access_token.expect("the login is allowed").claims;
    assert_eq!(claims["https://acme.example/org"].value, "acme");
    assert_eq!(claims["https://acme.example/org"].action.to_string(), "organization-gate@0.1.0");
}

#[tokio::test]
async fn a_flow_without_actions_allows_the_login() {
    let outcome = run(&runtime(), Vec::new(), example_event("reused-session")).await;
    assert!(outcome.is_allowed());
    assert_eq!(outcome.session.metadata.len(), 3);
}
