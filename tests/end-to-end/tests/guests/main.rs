//! Each guest program does what it was written for, and the host does what it promises. A guest
//! without a module here is an error.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use vestibule::model::Outcome;
use vestibule::model::outcome::{ActionResult, Failure, LimitBroken};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{
    context, example_event, full_event, host_limits, limits, load, run, run_guest, runtime, runtime_with, settings,
};

mod surroundings;
mod taking_much;
use surroundings::*;
use taking_much::*;

macro_rules! has_tests {
    ($guest:ident) => {
        #[allow(unused_imports, reason = "that it can be imported is the test")]
        use self::$guest as _;
    };
}
artifacts::for_each_guest!(has_tests);

/// The failure that a login ended with.
fn failure(outcome: &Outcome) -> &Failure {
    outcome.failed().unwrap_or_else(|| panic!("the login should have failed: {outcome:?}"))
}

fn limit_broken(outcome: &Outcome) -> LimitBroken {
    match failure(outcome) {
        Failure::Limit { limit } => *limit,
        other => panic!("a limit should have been broken, not: {other}"),
    }
}

/// After whatever has happened, the next login is right, and nothing is left of the one before.
async fn assert_next_login_passes(runtime: &vestibule::Runtime) {
    let outcome = run_guest(runtime, artifacts::ORGANIZATION_SESSION_METADATA, &[]).await;
    assert!(outcome.is_allowed(), "{outcome:?}");
    assert_eq!(outcome.session.metadata.len(), 3);
}

fn assert_nothing_is_left(outcome: &Outcome) {
    assert!(outcome.session.metadata.is_empty() && outcome.session.metadata_changes.is_empty(), "{outcome:?}");
    assert!(outcome.access_token.is_none() && outcome.user.app_metadata.is_empty());
}

mod denies {
    use super::*;

    #[tokio::test]
    async fn a_denied_login_issues_no_tokens_and_the_rest_stands() {
        let outcome = run_guest(&runtime(), artifacts::DENIES, &[]).await;
        assert_eq!(outcome.denied(), Some("not today"));
        assert!(outcome.access_token.is_none() && outcome.id_token.is_none());
        assert!(outcome.user.app_metadata.contains_key("attempts"));
        assert_eq!(outcome.session.metadata.get("after"), Some("denied"));
        assert_eq!(outcome.actions[0].result, ActionResult::Denied);
    }

    #[tokio::test]
    async fn no_later_action_runs() {
        let runtime = runtime();
        let actions = [artifacts::DENIES, artifacts::ORGANIZATION_SESSION_METADATA];
        let bindings = actions.map(|component| vestibule::Binding::new(load(&runtime, component)));
        let outcome = run(&runtime, bindings.into(), example_event("organization-login")).await;
        assert_eq!(outcome.actions[1].result, ActionResult::NotRun);
        assert_eq!(outcome.session.metadata.get("org_id"), None);
    }
}

mod revokes {
    use super::*;

    #[tokio::test]
    async fn the_session_ends_and_the_login_is_denied() {
        let outcome = run_guest(&runtime(), artifacts::REVOKES, &[]).await;
        assert_eq!(outcome.denied(), Some("stolen"));
        assert!(outcome.session.revoked.as_ref().is_some_and(|revoked| revoked.preserve_refresh_tokens));
        assert_eq!(outcome.actions[0].result, ActionResult::Revoked);
    }
}

mod rejects {
    use super::*;

    #[tokio::test]
    async fn the_login_fails_with_the_actions_own_code() {
        let outcome = run_guest(&runtime(), artifacts::REJECTS, &[]).await;
        assert_eq!(failure(&outcome), &Failure::Rejected { code: "quota".into(), message: "too many devices".into() });
        assert_nothing_is_left(&outcome);
    }
}

mod returns_an_error {
    use super::*;
    use vestibule::{Binding, OnFailure};

    #[tokio::test]
    async fn the_login_fails_with_the_actions_words_and_nothing_is_left() {
        let outcome = run_guest(&runtime(), artifacts::RETURNS_AN_ERROR, &[]).await;
        assert_eq!(failure(&outcome), &Failure::Returned { message: "the directory is closed".into() });
        assert_nothing_is_left(&outcome);
    }

    #[tokio::test]
    async fn where_the_binding_fails_open_the_login_goes_on_as_if_it_had_not_run() {
        let runtime = runtime();
        let failing = Binding::new(load(&runtime, artifacts::RETURNS_AN_ERROR)).on_failure(OnFailure::Continue);
        let next = Binding::new(load(&runtime, artifacts::ORGANIZATION_SESSION_METADATA));
        let outcome = run(&runtime, vec![failing, next], example_event("organization-login")).await;
        assert!(outcome.is_allowed());
        assert!(matches!(outcome.actions[0].result, ActionResult::Failed(_)));
        assert_eq!(outcome.session.metadata.get("left"), None);
        assert_eq!(outcome.session.metadata.len(), 3);
    }

    #[tokio::test]
    async fn what_earlier_actions_asked_for_is_gone_too() {
        let runtime = runtime();
        let actions = [artifacts::ORGANIZATION_SESSION_METADATA, artifacts::RETURNS_AN_ERROR, artifacts::ORGANIZATION_GATE];
        let bindings = actions.map(|component| Binding::new(load(&runtime, component)));
        let outcome = run(&runtime, bindings.into(), example_event("organization-login")).await;
        assert_nothing_is_left(&outcome);
        assert_eq!(outcome.actions[0].result, ActionResult::Ok);
        assert_eq!(outcome.actions[2].result, ActionResult::NotRun);
    }
}

mod panics {
    use super::*;

    #[tokio::test]
    async fn the_report_has_the_authors_message_and_line() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::PANICS, &[]).await;
        let Failure::Panicked { message } = failure(&outcome) else { panic!("{outcome:?}") };
        assert_eq!(message, "no such department");
        assert!(outcome.actions[0].place.as_ref().is_some_and(|place| place.file.ends_with("panics.rs")), "{outcome:?}");
        assert_nothing_is_left(&outcome);
        assert_next_login_passes(&runtime).await;
    }
}

mod sends_requests {
    use super::*;

    // What becomes of its requests stands in `http.rs`.
    #[tokio::test]
    async fn in_a_binding_that_allows_no_requests_it_does_not_even_begin() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::SENDS_REQUESTS, &[("url", "https://api.example.com")]).await;
        assert_eq!(failure(&outcome), &Failure::RequestsNotAllowed);
        assert_eq!((outcome.actions[0].fuel, outcome.actions[0].peak_memory_bytes), (Some(0), 0));
        assert_next_login_passes(&runtime).await;
    }
}

mod calls_the_host {
    use super::*;

    #[tokio::test]
    async fn calls_just_under_their_limit_pass_and_one_more_fails() {
        let runtime = runtime_with(vestibule::limits::Limits { calls: 100, ..limits() });
        assert!(run_guest(&runtime, artifacts::CALLS_THE_HOST, &[("calls", "100")]).await.is_allowed());
        let outcome = run_guest(&runtime, artifacts::CALLS_THE_HOST, &[("calls", "101")]).await;
        assert_eq!(limit_broken(&outcome), LimitBroken::Calls { allowed: 100 });
    }
}

mod counts_in_the_cache {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use vestibule::{Binding, Flow, RunContext, Runtime};

    /// Runs it for a tenant, a number of minutes after the first login, and gives what it found.
    async fn runs_before(runtime: &Runtime, tenant: &str, minutes: u64, then: &str) -> Option<u64> {
        let mut event = example_event("organization-login");
        event.tenant.id = tenant.parse().expect("a tenant's id");
        let binding = Binding::new(load(runtime, artifacts::COUNTS_IN_THE_CACHE)).configuration(settings(&[("then", then)]));
        let flow = Flow::new(event.tenant.id.clone(), vec![binding]);
        let first = context();
        let context = RunContext { now: first.now.plus(Duration::from_secs(minutes * 60)), ..first };
        let outcome = runtime.run(&flow, Arc::new(event), &context).await.expect("the tenants are one");
        outcome.id_token.and_then(|token| token.claims["runs_before"].value.as_u64())
    }

    #[tokio::test]
    async fn what_a_login_has_cached_the_next_one_finds_until_it_is_gone() {
        let runtime = runtime();
        assert_eq!(runs_before(&runtime, "acme", 0, "").await, Some(0));
        assert_eq!(runs_before(&runtime, "acme", 14, "").await, Some(1));
        assert_eq!(runs_before(&runtime, "acme", 28, "").await, Some(2), "each time it is kept for another quarter of an hour");
        assert_eq!(runs_before(&runtime, "acme", 43, "").await, Some(0));
    }

    #[tokio::test]
    async fn another_tenant_finds_nothing_of_it() {
        let runtime = runtime();
        assert_eq!(runs_before(&runtime, "acme", 0, "").await, Some(0));
        assert_eq!(runs_before(&runtime, "globex", 0, "").await, Some(0));
        assert_eq!(runs_before(&runtime, "acme", 0, "").await, Some(1));
    }

    #[tokio::test]
    async fn a_failed_login_leaves_nothing_and_a_denied_one_does() {
        let runtime = runtime();
        assert_eq!(runs_before(&runtime, "acme", 0, "fail").await, None);
        assert_eq!(runs_before(&runtime, "acme", 0, "").await, Some(0));
        assert_eq!(runs_before(&runtime, "acme", 0, "deny").await, None);
        assert_eq!(runs_before(&runtime, "acme", 0, "").await, Some(2));
    }
}

mod passes_bytes {
    use super::*;

    #[tokio::test]
    async fn call_bytes_just_under_their_limit_reach_the_rule_of_the_effect() {
        let outcome = run_guest(&runtime(), artifacts::PASSES_BYTES, &[("bytes", "1000000")]).await;
        let refused = "the value of `k` has 1000000 characters, at most 255 are allowed";
        assert_eq!(outcome.actions[0].logs[0].message, refused);
        assert!(outcome.is_allowed());
    }

    #[tokio::test]
    async fn call_bytes_over_their_limit_fail_and_the_next_login_passes() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::PASSES_BYTES, &[("bytes", "1100000")]).await;
        assert_eq!(limit_broken(&outcome), LimitBroken::CallBytes { allowed: limits().call_bytes });
        assert_next_login_passes(&runtime).await;
    }
}

mod passes_many_texts {
    use super::*;

    #[tokio::test]
    async fn a_few_pass() {
        let outcome = run_guest(&runtime(), artifacts::PASSES_MANY_TEXTS, &[("texts", "1000")]).await;
        assert_eq!(outcome.session.metadata.get("roles"), Some("0"));
    }
}

mod writes_metadata {
    use super::*;

    async fn message(configuration: &[(&str, &str)]) -> String {
        let outcome = run_guest(&runtime(), artifacts::WRITES_METADATA, configuration).await;
        assert_nothing_is_left(&outcome);
        failure(&outcome).to_string()
    }

    #[tokio::test]
    async fn twenty_five_entries_of_255_characters_pass() {
        let outcome = run_guest(&runtime(), artifacts::WRITES_METADATA, &[("count", "25"), ("length", "255")]).await;
        assert_eq!(outcome.session.metadata.len(), 25);
    }

    #[tokio::test]
    async fn each_rule_that_is_broken_says_which_and_what_is_allowed() {
        let too_many = "the metadata would have 26 entries, at most 25 are allowed; delete one first";
        assert_eq!(message(&[("count", "26")]).await, too_many);
        let too_long = "the value of `key0` has 256 characters, at most 255 are allowed";
        assert_eq!(message(&[("length", "256")]).await, too_long);
        let empty = "a metadata key is empty; give it at least one character";
        assert_eq!(message(&[("key", "")]).await, empty);
        let key = "the metadata key \"org.id\" holds '.'; only letters, digits, `_` and `-` are allowed";
        assert_eq!(message(&[("key", "org.id")]).await, key);
    }

    #[tokio::test]
    async fn a_login_without_a_session_has_no_metadata() {
        let runtime = runtime();
        let bindings = vec![vestibule::Binding::new(load(&runtime, artifacts::WRITES_METADATA))];
        let outcome = run(&runtime, bindings, example_event("refresh-token-exchange")).await;
        assert!(failure(&outcome).to_string().starts_with("this login has no session"), "{outcome:?}");
    }
}

mod writes_its_transaction {
    use super::*;

    #[tokio::test]
    async fn the_session_says_which_transaction_a_client_logged_in_by() {
        let outcome = run_guest(&runtime(), artifacts::WRITES_ITS_TRANSACTION, &[]).await;
        let event = example_event("organization-login");
        let transaction = event.transaction.as_ref().and_then(|transaction| transaction.id.as_deref());
        assert!(transaction.is_some());
        assert_eq!(outcome.session.metadata.get(&event.client.id), transaction);
    }
}

mod floods_the_log {
    use super::*;

    #[tokio::test]
    async fn the_log_is_cut_and_has_no_control_characters() {
        let outcome = run_guest(&runtime(), artifacts::FLOODS_THE_LOG, &[]).await;
        let report = &outcome.actions[0];
        assert!(outcome.is_allowed() && report.logs_cut);
        assert_eq!(report.logs.len(), limits().log_lines);
        let messages: Vec<&str> = report.logs.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages[..3], ["on standard output", "on standard error", "\\u{1b}[2Jgone\\nforged line"]);
    }
}

mod logs_with_every_macro {
    use super::*;
    use vestibule::model::outcome::Level;

    #[tokio::test]
    async fn each_way_to_log_arrives_with_its_level_in_order() {
        let outcome = run_guest(&runtime(), artifacts::LOGS_WITH_EVERY_MACRO, &[]).await;
        let lines: Vec<(Level, &str)> = outcome.actions[0].logs.iter().map(|line| (line.level, line.message.as_str())).collect();
        let login = example_event("organization-login").stats.logins_count;
        let expected = [
            (Level::Info, format!("println {login}")),
            (Level::Error, format!("eprintln {login}")),
            (Level::Info, format!("sdk {login}")),
            (Level::Warn, "sdk function".to_owned()),
            (Level::Error, format!("log {login}")),
            (Level::Trace, "log trace".to_owned()),
            (Level::Info, format!("tracing {login} login={login} kind=plain")),
            (Level::Debug, "lookup table=roles: rows=2".to_owned()),
            (Level::Warn, "outside".to_owned()),
        ];
        assert_eq!(lines, expected.each_ref().map(|(level, text)| (*level, text.as_str())));
    }
}

mod every_fact {
    use super::*;

    #[tokio::test]
    async fn each_fact_of_the_contract_is_what_the_event_says() {
        let runtime = runtime();
        let binding = vestibule::Binding::new(load(&runtime, artifacts::EVERY_FACT));
        let binding = binding.secrets(settings(&[("API_KEY", "k")])).configuration(settings(&[("mode", "m")]));
        let outcome = run(&runtime, vec![binding], full_event()).await;
        let claims = outcome.id_token.as_ref().map(|token| &token.claims).unwrap_or_else(|| panic!("{outcome:?}"));
        let facts: std::collections::BTreeMap<_, _> = claims.iter().map(|(name, change)| (name, &change.value)).collect();
        insta::assert_json_snapshot!(facts);
    }
}

mod every_effect {
    use super::*;

    #[tokio::test]
    async fn each_effect_is_in_the_outcome_and_each_rule_speaks() {
        let outcome = run_guest(&runtime(), artifacts::EVERY_EFFECT, &[]).await;
        insta::assert_json_snapshot!(vestibule_tests::comparable(&outcome));
    }
}
