//! Time, and the stack: loops, recursions, waits.

use std::time::Duration;

use vestibule::limits::Limits;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::limits;

use crate::components::{
    CALLS_THE_HOST_ON_A_FULL_STACK, LOOPS_IN_ITS_START, SLEEPS, SLEEPS_ODDLY, SLEEPS_WITHOUT_END, WAITS_FOR_NOTHING,
};
use crate::host::{Host, broken, failure};

fn cpu_time() -> Failure {
    broken(LimitBroken::CpuTime { allowed: limits().cpu_time })
}

fn short() -> Limits {
    Limits { wall_time: Duration::from_millis(100), ..limits() }
}

fn wall_time() -> Failure {
    broken(LimitBroken::WallTime { allowed: short().wall_time })
}

#[tokio::test]
pub(crate) async fn an_endless_loop_ends_with_its_time_of_computing() {
    let failure = Host::new().failure(artifacts::LOOPS_FOR_EVER, 1).await;
    assert_eq!(failure, cpu_time());
    assert!(failure.to_string().contains("is there a loop that doesn't end?"), "{failure}");
}

#[tokio::test]
pub(crate) async fn an_endless_loop_while_it_is_instantiated_ends_with_its_time_of_computing() {
    assert_eq!(Host::new().failure(LOOPS_IN_ITS_START, 1).await, cpu_time());
}

#[tokio::test]
pub(crate) async fn an_endless_recursion_ends_with_its_stack() {
    let host = Host::new();
    let stack = host.runtime.settings().host_limits.stack;
    let ended = host.failure(artifacts::RECURSES, 1).await;
    assert_eq!(ended, broken(LimitBroken::Stack { allowed: stack }));
    assert!(ended.to_string().contains("is there a recursion that doesn't end?"), "{ended}");
    let ended = failure(&host.configured(artifacts::RECURSES, &[("memory", "yes")]).await);
    assert!(matches!(ended, Failure::Trapped { .. }) && ended.to_string().contains("a recursion that doesn't end"), "{ended}");
}

#[tokio::test]
pub(crate) async fn host_calls_on_a_nearly_full_stack_end_with_the_stack() {
    let patient = Limits { calls: 1_000_000, cpu_time: Duration::from_secs(10), wall_time: Duration::from_secs(60), ..limits() };
    let host = Host::with(patient);
    let stack = host.runtime.settings().host_limits.stack;
    assert_eq!(host.failure(CALLS_THE_HOST_ON_A_FULL_STACK, 1).await, broken(LimitBroken::Stack { allowed: stack }));
}

#[tokio::test]
pub(crate) async fn a_wait_for_ever_ends_with_its_time() {
    let failure = Host::with(short()).failure(artifacts::SLEEPS_FOR_EVER, 1).await;
    assert_eq!(failure, wall_time());
    assert!(failure.to_string().contains("waiting included"), "{failure}");
}

#[tokio::test]
pub(crate) async fn odd_sleeps_are_over_at_once_or_never() {
    let outcome = Host::new().attempt(SLEEPS_ODDLY, 1).await;
    assert!(outcome.is_allowed(), "{outcome:?}");
}

#[tokio::test]
pub(crate) async fn a_sleep_of_centuries_ends_with_its_time() {
    let host = Host::with(short());
    for nanoseconds in [u64::MAX, u64::MAX / 2, 1 << 62] {
        assert_eq!(host.failure(SLEEPS, nanoseconds).await, wall_time());
    }
}

#[tokio::test]
pub(crate) async fn sleeps_of_no_time_without_end_end_with_a_limit_of_time() {
    // Which of the two comes first depends on who else computes.
    let failure = Host::with(short()).failure(SLEEPS_WITHOUT_END, 1).await;
    assert!(failure == cpu_time() || failure == wall_time(), "{failure}");
}

#[tokio::test]
pub(crate) async fn a_wait_for_nothing_breaks_off() {
    Host::new().breaks_off(WAITS_FOR_NOTHING, "empty poll list").await;
}
