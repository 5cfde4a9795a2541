//! Permits: a host has a number of sandboxes, and a tenant may have some of them. A tenant that
//! holds one for long takes it from no other.

use std::time::Duration;

use vestibule::limits::{HostLimits, TenantLimits};
use vestibule::{Binding, Config, RunError};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::host::{ACME, GLOBEX, Host, step};
use vestibule_tests::{host_limits, limits};

/// A host with a number of sandboxes, of which a tenant may have one at one time; and the number of
/// its logins that may wait.
pub(crate) fn host(sandboxes: usize, tenant_logins: usize, tenant_queue: usize, queue_time: Duration) -> Host {
    Host::of(Config {
        limits: limits(),
        tenant_limits: TenantLimits { tenant_logins, tenant_queue, queue_time, ..TenantLimits::default() },
        host_limits: HostLimits { sandboxes, ..host_limits() },
        ..Config::default()
    })
}

/// Long enough for a place that is given back at once.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);
/// Too short for one that isn't.
pub(crate) const IMPATIENT: Duration = Duration::from_millis(20);

pub(crate) fn sleeping(host: &Host) -> Vec<Binding> {
    vec![host.bind(artifacts::SLEEPS_FOR_EVER)]
}

/// The limit that a login was too busy for.
pub(crate) fn too_busy(refused: Result<vestibule::model::Outcome, RunError>) -> &'static str {
    match refused {
        Err(error @ RunError::TooBusy { limit, retry_after, .. }) => {
            assert!(retry_after > Duration::ZERO);
            assert!(
                error.to_string().starts_with("too busy to run a login of tenant ")
                    && error.to_string().contains("try again in ")
            );
            limit
        }
        other => panic!("it should have been too busy: {other:?}"),
    }
}

#[tokio::test]
async fn one_tenant_does_not_take_every_place() {
    let host = host(2, 1, 0, IMPATIENT);
    let mut held = Box::pin(host.login(ACME, 1, sleeping(&host)));
    step(&mut held).await;
    assert_eq!(too_busy(host.login(ACME, 1, sleeping(&host)).await), "tenant_queue");
    host.honest_login(GLOBEX).await;
    drop(held);
    // The place is free when the sandbox is gone, which is after a moment.
    let host = self::host(2, 1, 1, PATIENT);
    let mut held = Box::pin(host.login(ACME, 1, sleeping(&host)));
    step(&mut held).await;
    drop(held);
    host.others_log_in().await;
}

#[tokio::test]
async fn a_login_that_is_dropped_while_it_computes_gives_its_place_back() {
    let host = host(1, 1, 1, PATIENT);
    let looping = host.bind(artifacts::LOOPS_FOR_EVER);
    for _ in 0..20 {
        let mut login = Box::pin(host.login(ACME, 1, vec![looping.clone()]));
        step(&mut login).await;
        drop(login);
        host.others_log_in().await;
    }
}

#[tokio::test]
async fn a_login_that_is_dropped_while_it_waits_gives_its_place_back() {
    let host = host(1, 1, 1, PATIENT);
    let sleeping = sleeping(&host);
    for _ in 0..20 {
        let mut login = Box::pin(host.login(ACME, 1, sleeping.clone()));
        step(&mut login).await;
        drop(login);
        host.others_log_in().await;
    }
}

#[tokio::test]
async fn without_a_free_sandbox_a_login_is_refused_with_a_hint() {
    let host = host(1, 1, 1, IMPATIENT);
    let mut held = Box::pin(host.login(ACME, 1, sleeping(&host)));
    step(&mut held).await;
    assert_eq!(too_busy(host.login(GLOBEX, 1, vec![host.honest()]).await), "sandboxes");
    assert_eq!(too_busy(host.login(ACME, 1, vec![host.honest()]).await), "queue_time");
}
