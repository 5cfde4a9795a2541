//! Time, and the stack: loops, recursions, waits.

use std::time::Duration;

use vestibule::limits::Limits;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::host::{Host, broken, failure};
use vestibule_tests::limits;

#[tokio::test]
async fn an_endless_loop_ends_with_its_time_of_computing() {
    let failure = Host::new().failure(artifacts::LOOPS_FOR_EVER, 1).await;
    assert_eq!(failure, broken(LimitBroken::CpuTime { allowed: limits().cpu_time }));
    assert!(failure.to_string().contains("is there a loop that doesn't end?"), "{failure}");
}

#[tokio::test]
async fn an_endless_recursion_ends_with_its_stack() {
    let host = Host::new();
    let stack = host.runtime.settings().host_limits.stack;
    let ended = host.failure(artifacts::RECURSES, 1).await;
    assert_eq!(ended, broken(LimitBroken::Stack { allowed: stack }));
    assert!(ended.to_string().contains("is there a recursion that doesn't end?"), "{ended}");
    let ended = failure(&host.configured(artifacts::RECURSES, &[("memory", "yes")]).await);
    assert!(matches!(ended, Failure::Trapped { .. }) && ended.to_string().contains("a recursion that doesn't end"), "{ended}");
}

#[tokio::test]
async fn a_wait_for_ever_ends_with_its_time() {
    let wall_time = Duration::from_millis(100);
    let failure = Host::with(Limits { wall_time, ..limits() }).failure(artifacts::SLEEPS_FOR_EVER, 1).await;
    assert_eq!(failure, broken(LimitBroken::WallTime { allowed: wall_time }));
    assert!(failure.to_string().contains("waiting included"), "{failure}");
}
