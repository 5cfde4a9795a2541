//! Limits that are held when a component is loaded.

use vestibule::limits::HostLimits;
use vestibule::{Config, LoadError, Runtime, RuntimeError};
use vestibule_test_artifacts as artifacts;
use vestibule_test_artifacts::hostile::{GROWS_A_TABLE, MAKES_HANDLES, SLEEPS};
use vestibule_tests::host::{ACME, Host};
use vestibule_tests::host_limits;

use super::{host_with, passes};
use crate::shape::Shape;

#[tokio::test]
async fn component_bytes_just_fit_and_one_more_does_not() {
    let component = artifacts::EVERY_FACT;
    let with = |component_bytes| host_with(HostLimits { component_bytes, ..host_limits() });
    assert!(with(component.len()).runtime.load("fits", component).is_ok());
    let limit = component.len() - 1;
    let refusal = with(limit).refusal(component).await;
    assert!(matches!(refusal, LoadError::TooLarge { given, limit: allowed, .. } if (given, allowed) == (limit + 1, limit)));
    assert_eq!(refusal.to_string(), format!("suspect has {} bytes, at most {limit} are allowed", limit + 1));
}

#[tokio::test]
async fn compiles_wait_for_one_another_and_all_are_done() {
    let host = host_with(HostLimits { compiles: 1, ..host_limits() });
    let loader = host.runtime.loader();
    let tenant = ACME.parse().unwrap();
    std::thread::scope(|scope| {
        let threads = [GROWS_A_TABLE, MAKES_HANDLES, SLEEPS].map(|component| {
            let (loader, tenant) = (loader.clone(), &tenant);
            scope.spawn(move || loader.load(tenant, "guest", component).is_ok())
        });
        for thread in threads {
            assert!(thread.join().unwrap());
        }
    });
    host.others_log_in().await;
    let refused = Runtime::new(Config { host_limits: HostLimits { compiles: 65, ..host_limits() }, ..Config::default() });
    assert!(matches!(refused, Err(RuntimeError::Limit(limit)) if limit.name == "compiles"));
}

async fn fits_and_one_more_does_not(limit: &str, fits: Shape, one_more: Shape) {
    let host = Host::new();
    passes(&host.attempt(&fits.component(), 1).await);
    let refusal = host.refusal(&one_more.component()).await;
    assert!(matches!(&refusal, LoadError::OverLimit { limit: broken, .. } if *broken == limit), "{refusal}");
    assert!(refusal.to_string().contains(&format!("doesn't fit into a sandbox (limit `{limit}`)")), "{refusal}");
}

#[tokio::test]
async fn instances_just_fit_and_one_more_does_not() {
    let shape = |instances| Shape { instances, ..Shape::default() };
    fits_and_one_more_does_not("instances", shape(64), shape(65)).await;
}

#[tokio::test]
async fn memories_just_fit_and_one_more_does_not() {
    let shape = |memories| Shape { memories, ..Shape::default() };
    fits_and_one_more_does_not("memories", shape(2), shape(3)).await;
}

#[tokio::test]
async fn tables_just_fit_and_one_more_does_not() {
    let shape = |tables| Shape { tables, ..Shape::default() };
    fits_and_one_more_does_not("tables", shape(8), shape(9)).await;
}
