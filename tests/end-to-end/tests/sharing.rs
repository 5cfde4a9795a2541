//! Tenants share a host's sandboxes: those that hold as many as they may leave some for others.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use vestibule::limits::HostLimits;
use vestibule::model::Event;
use vestibule::{Action, Binding, Config, Flow, RunContext, RunError, Runtime};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{example_event, load};

/// A tenant's flow of one Action, and its event.
fn tenant(id: &str, action: &Action) -> (Arc<Flow>, Arc<Event>) {
    let mut event = example_event("organization-login");
    event.tenant.id = id.parse().unwrap();
    (Arc::new(Flow::new(event.tenant.id.clone(), vec![Binding::new(action.clone())])), Arc::new(event))
}

/// Tenants have as many logins as they may, each of which sleeps until its time is over and is
/// begun again; an honest tenant logs in beside them.
async fn an_honest_tenant_beside(sleeping: usize) {
    // All else is as a host has it by default: 256 sandboxes, 64 logins of each tenant.
    let host_limits = HostLimits { warm_memories: 0, ..HostLimits::default() };
    let host = Runtime::new(Config { host_limits, ..Config::default() }).unwrap();
    let sleeps = load(&host, artifacts::SLEEPS_FOR_EVER);
    let ended = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(AtomicUsize::new(0));
    let mut sleepers = JoinSet::new();
    for number in 0..sleeping {
        let (flow, event) = tenant(&format!("sleeps-{number}"), &sleeps);
        for _ in 0..64 {
            let (host, flow, event) = (host.clone(), Arc::clone(&flow), Arc::clone(&event));
            let (ended, refused) = (Arc::clone(&ended), Arc::clone(&refused));
            sleepers.spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    if let Err(RunError::TooBusy { limit, .. }) = host.run(&flow, Arc::clone(&event), &RunContext::live()).await {
                        assert_eq!(limit, "sandboxes");
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    }
    // They have all that they get.
    while refused.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (flow, event) = tenant("honest", &load(&host, artifacts::ORGANIZATION_SESSION_METADATA));
    for _ in 0..100 {
        let logins = (0..4).map(|_| {
            let (host, flow, event) = (host.clone(), Arc::clone(&flow), Arc::clone(&event));
            async move { host.run(&flow, event, &RunContext::live()).await }
        });
        for login in logins.collect::<JoinSet<_>>().join_all().await {
            let outcome = login.expect("a tenant that holds few sandboxes has one at once");
            assert!(outcome.is_allowed(), "{outcome:?}");
        }
    }
    ended.store(true, Ordering::Relaxed);
    sleepers.abort_all();
    while sleepers.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn four_tenants_whose_logins_only_sleep_refuse_no_other_login() {
    an_honest_tenant_beside(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_tenants_whose_logins_only_sleep_refuse_no_other_login() {
    an_honest_tenant_beside(8).await;
}
