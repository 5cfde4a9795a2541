//! The canonical ABI: what a guest says about its own memory, where texts, lists and results of
//! calls lie, is not to be believed.

use vestibule::Binding;
use vestibule::model::outcome::Failure;
use vestibule_test_artifacts::hostile::{BOOLEAN_OF_SEVEN, TRAPS_AT_THE_THIRTEENTH_LOGIN};
use vestibule_tests::host::{ACME, Host, failure};
use vestibule_tests::load;

#[tokio::test]
async fn any_number_but_zero_is_true() {
    let outcome = Host::new().attempt(BOOLEAN_OF_SEVEN, 1).await;
    assert!(outcome.is_allowed(), "{outcome:?}");
    let value = outcome.transaction.metadata.get("key").map(|value| format!("{value:?}"));
    assert_eq!(value.as_deref(), Some("Boolean(true)"), "{outcome:?}");
}

#[tokio::test]
async fn after_a_trap_the_same_action_runs_in_a_fresh_sandbox() {
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
