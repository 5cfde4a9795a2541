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
