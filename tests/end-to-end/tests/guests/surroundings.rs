//! What a guest sees of the host, and what it reaches: nothing that its binding doesn't give it.

use super::*;

pub(crate) mod exits {
    use super::*;

    #[tokio::test]
    async fn ending_itself_is_not_a_way_to_pass() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::EXITS, &[]).await;
        assert_eq!(failure(&outcome), &Failure::Exited);
        assert_next_login_passes(&runtime).await;
    }
}

pub(crate) mod reads_a_file {
    use super::*;

    #[tokio::test]
    async fn it_is_not_even_loaded() {
        let error = runtime().load("reads_a_file", artifacts::READS_A_FILE).unwrap_err().to_string();
        assert!(error.contains("reads_a_file@0.1.0 imports what Actions are not offered"), "{error}");
        assert!(error.contains("wasi:filesystem/types@0.2"), "{error}");
    }
}

pub(crate) mod opens_a_socket {
    use super::*;

    #[tokio::test]
    async fn it_is_not_even_loaded() {
        let error = runtime().load("opens_a_socket", artifacts::OPENS_A_SOCKET).unwrap_err().to_string();
        assert!(error.contains("wasi:sockets/tcp@0.2"), "{error}");
    }
}

pub(crate) mod looks_around {
    use super::*;

    #[tokio::test]
    async fn it_sees_nothing_of_the_host_and_a_run_can_be_repeated() {
        let runtime = runtime();
        let first = run_guest(&runtime, artifacts::LOOKS_AROUND, &[]).await;
        let again = run_guest(&runtime, artifacts::LOOKS_AROUND, &[]).await;
        let claims = |outcome: &Outcome| outcome.id_token.as_ref().expect("the login is allowed").claims.clone();
        assert_eq!(claims(&first), claims(&again));
        let claims = claims(&first);
        assert_eq!(claims["environment"].value, 0);
        assert_eq!(claims["arguments"].value, 0);
        assert_eq!(claims["now"].value, context().now.as_millis());
        assert_eq!(claims["time_goes_on"].value, true);
        assert_eq!(claims["earlier_runs"].value, 0, "a fresh sandbox has no past");
    }

    #[tokio::test]
    async fn warm_memories_hold_nothing_of_a_run_before_whichever_action_had_it() {
        // One memory for four Actions, as many as there are Actions, and more.
        for warm_memories in [0, 3, 8] {
            let host_limits =
                vestibule::limits::HostLimits { sandboxes: 1, memories: 1, warm_memories, ..vestibule_tests::host_limits() };
            let runtime =
                vestibule::Runtime::new(vestibule::Config { limits: limits(), host_limits, ..Default::default() }).unwrap();
            let actions: Vec<_> = (0..4).map(|_| load(&runtime, artifacts::LOOKS_AROUND)).collect();
            let mut seen = Vec::new();
            for place in [0, 0, 1, 2, 3, 0, 1, 1, 3, 2] {
                let binding = vestibule::Binding::new(actions[place].clone());
                let outcome = run(&runtime, vec![binding], example_event("organization-login")).await;
                seen.push(outcome.id_token.expect("the login is allowed").claims);
            }
            assert!(seen.iter().all(|claims| claims["earlier_runs"].value == 0), "{warm_memories}: {seen:?}");
        }
        let too_many = vestibule::limits::HostLimits { warm_memories: 8_193, ..vestibule_tests::host_limits() };
        let refused = vestibule::Runtime::new(vestibule::Config { host_limits: too_many, ..Default::default() }).unwrap_err();
        assert_eq!(refused.to_string(), "the limit `warm_memories` can't be 8,193: at most 8,192 is possible");
    }
}

pub(crate) mod reads_a_secret {
    use super::*;

    #[tokio::test]
    async fn it_reads_its_own_and_nothing_of_it_is_in_the_outcome() {
        let runtime = runtime();
        let action = load(&runtime, artifacts::READS_A_SECRET);
        let binding = vestibule::Binding::new(action).secrets(settings(&[("API_KEY", "hunter2")]));
        assert!(!format!("{binding:?}").contains("hunter2"));
        let outcome = run(&runtime, vec![binding], example_event("organization-login")).await;
        assert!(!format!("{outcome:?}").contains("hunter2"));
        let claims = outcome.id_token.expect("the login is allowed").claims;
        assert_eq!(claims["secret_length"].value, 7);
        assert!(claims["other_secret"].value.is_null());
    }
}
