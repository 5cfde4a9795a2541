//! The canonical ABI: what a guest says about its own memory, where texts, lists and results of
//! calls lie, is not to be believed.

use vestibule::Binding;
use vestibule::model::Outcome;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule_tests::{limits, load};

use crate::components::{
    BOOLEAN_OF_SEVEN, CALLS_BACK_INTO_ITSELF, CALLS_THE_HOST_AFTER_ITS_RETURN, HALF_OF_A_CHARACTER, INVALID_LEVEL,
    INVALID_OPTION, INVALID_UTF8, INVALID_VARIANT, LATIN1, LATIN1_UTF16_LONE_SURROGATE, LATIN1_UTF16_MISALIGNED,
    LIST_THAT_OVERFLOWS, LONE_SURROGATE, LOOPS_AFTER_ITS_RETURN, REALLOC_CALLS_THE_HOST, REALLOC_LOOPS, REALLOC_MISALIGNED,
    REALLOC_OUT_OF_BOUNDS, REALLOC_TRAPS, RETURNS_A_TEXT_OUT_OF_BOUNDS, RETURNS_MISALIGNED, RETURNS_NEITHER,
    RETURNS_OUT_OF_BOUNDS, TEXT_OUT_OF_BOUNDS, TEXT_THAT_OVERFLOWS, TRAPS_AFTER_ITS_RETURN, TRAPS_AT_THE_THIRTEENTH_LOGIN, UTF16,
    UTF16_MISALIGNED, UTF16_OVERFLOWS,
};
use crate::host::{ACME, Host, broken, failure};

fn logged(outcome: &Outcome) -> Vec<&str> {
    assert!(outcome.is_allowed(), "{outcome:?}");
    outcome.actions[0].logs.iter().map(|line| line.message.as_str()).collect()
}

#[tokio::test]
pub(crate) async fn a_pointer_out_of_bounds_breaks_off() {
    let host = Host::new();
    host.breaks_off(TEXT_OUT_OF_BOUNDS, "out of bounds").await;
    host.breaks_off(RETURNS_OUT_OF_BOUNDS, "pointer out of bounds").await;
    host.breaks_off(RETURNS_A_TEXT_OUT_OF_BOUNDS, "out of bounds").await;
    host.breaks_off(RETURNS_MISALIGNED, "not aligned").await;
}

#[tokio::test]
pub(crate) async fn a_length_that_overflows_breaks_off() {
    let host = Host::new();
    for component in [TEXT_THAT_OVERFLOWS, UTF16_OVERFLOWS, LIST_THAT_OVERFLOWS] {
        host.breaks_off(component, "out of bounds").await;
    }
}

#[tokio::test]
pub(crate) async fn an_allocator_that_gives_a_bad_pointer_breaks_off() {
    let host = Host::new();
    host.breaks_off(REALLOC_OUT_OF_BOUNDS, "realloc return: beyond end of memory").await;
    host.breaks_off(REALLOC_MISALIGNED, "realloc return: result not aligned").await;
}

#[tokio::test]
pub(crate) async fn an_allocator_that_loops_or_traps_costs_its_own_login() {
    let host = Host::new();
    host.breaks_off(REALLOC_TRAPS, "unreachable").await;
    let failure = host.failure(REALLOC_LOOPS, 1).await;
    assert_eq!(failure, broken(LimitBroken::CpuTime { allowed: limits().cpu_time }));
}

#[tokio::test]
pub(crate) async fn a_misaligned_text_breaks_off() {
    let host = Host::new();
    for component in [UTF16_MISALIGNED, LATIN1_UTF16_MISALIGNED] {
        host.breaks_off(component, "string pointer not aligned to 2").await;
    }
}

#[tokio::test]
pub(crate) async fn texts_in_utf16_and_latin1_arrive_as_they_are() {
    let host = Host::new();
    assert_eq!(logged(&host.attempt(UTF16, 1).await), ["🦀!"]);
    assert_eq!(logged(&host.attempt(LATIN1, 1).await), ["café"]);
}

#[tokio::test]
pub(crate) async fn invalid_text_traps() {
    let host = Host::new();
    host.breaks_off(INVALID_UTF8, "utf-8").await;
    host.breaks_off(HALF_OF_A_CHARACTER, "utf-8").await;
    host.breaks_off(LONE_SURROGATE, "surrogate").await;
    host.breaks_off(LATIN1_UTF16_LONE_SURROGATE, "surrogate").await;
}

#[tokio::test]
pub(crate) async fn an_invalid_discriminant_traps() {
    let host = Host::new();
    host.breaks_off(INVALID_LEVEL, "discriminant").await;
    host.breaks_off(INVALID_VARIANT, "discriminant").await;
    host.breaks_off(INVALID_OPTION, "invalid option discriminant").await;
    host.breaks_off(RETURNS_NEITHER, "discriminant").await;
}

#[tokio::test]
pub(crate) async fn any_number_but_zero_is_true() {
    let outcome = Host::new().attempt(BOOLEAN_OF_SEVEN, 1).await;
    assert!(outcome.is_allowed(), "{outcome:?}");
    let value = outcome.transaction.metadata.get("key").map(|value| format!("{value:?}"));
    assert_eq!(value.as_deref(), Some("Boolean(true)"), "{outcome:?}");
}

#[tokio::test]
pub(crate) async fn a_call_while_the_host_is_calling_breaks_off() {
    Host::new().breaks_off(REALLOC_CALLS_THE_HOST, "cannot leave component instance").await;
}

#[tokio::test]
pub(crate) async fn a_call_back_into_itself_breaks_off() {
    Host::new().breaks_off(CALLS_BACK_INTO_ITSELF, "cannot enter component instance").await;
}

#[tokio::test]
pub(crate) async fn what_breaks_off_after_its_return_has_failed() {
    let host = Host::new();
    host.breaks_off(TRAPS_AFTER_ITS_RETURN, "unreachable").await;
    host.breaks_off(CALLS_THE_HOST_AFTER_ITS_RETURN, "cannot leave component instance").await;
    let failure = host.failure(LOOPS_AFTER_ITS_RETURN, 1).await;
    assert_eq!(failure, broken(LimitBroken::CpuTime { allowed: limits().cpu_time }));
}

#[tokio::test]
pub(crate) async fn after_a_trap_the_same_action_runs_in_a_fresh_sandbox() {
    let host = Host::new();
    let action = load(&host.runtime, TRAPS_AT_THE_THIRTEENTH_LOGIN);
    for logins in 12..=14 {
        let outcome = host.login(ACME, logins, vec![Binding::new(action.clone())]).await.unwrap();
        assert_eq!(outcome.is_allowed(), logins != 13, "{outcome:?}");
        if logins == 13 {
            assert!(matches!(failure(&outcome), Failure::Trapped { reason } if reason.contains("unreachable")));
        }
    }
    host.others_log_in().await;
}
