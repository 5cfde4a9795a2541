//! What comes in: metadata, events, JSON; and what a guest can reach that it was not given.

use vestibule::LoadError;
use vestibule::model::outcome::Failure;
use vestibule::model::{Event, EventError};
use vestibule_test_artifacts as artifacts;
use vestibule_test_artifacts::hostile::NESTED_JSON;
use vestibule_tests::host::{Host, failure};
use vestibule_tests::root;

#[tokio::test]
async fn metadata_that_breaks_a_rule_is_refused_with_the_rule() {
    let host = Host::new();
    let long = "k".repeat(256);
    let crab = "🦀".repeat(64);
    let refused: [(&[(&str, &str)], &str); 7] = [
        (&[("count", "26")], "the metadata would have 26 entries, at most 25 are allowed; delete one first"),
        (&[("length", "256")], "the value of `key0` has 256 characters, at most 255 are allowed"),
        (&[("length", "100000")], "the value of `key0` has 100000 characters, at most 255 are allowed"),
        (&[("key", &long)], "a metadata key has 256 characters, at most 255 are allowed"),
        (&[("key", "")], "a metadata key is empty; give it at least one character"),
        (&[("key", "a\u{0}b")], "only letters, digits, `_` and `-` are allowed"),
        (&[("key", &crab)], "holds '🦀'; only letters, digits, `_` and `-` are allowed"),
    ];
    for (configuration, words) in refused {
        let outcome = host.configured(artifacts::WRITES_METADATA, configuration).await;
        let Failure::Returned { message } = failure(&outcome) else { panic!("{outcome:?}") };
        assert!(message.contains(words), "it should say {words:?}: {message}");
    }
    // Characters of four bytes count as one each: 25 entries of 255 are allowed.
    let outcome = host.configured(artifacts::WRITES_METADATA, &[("count", "25"), ("length", "255")]).await;
    assert_eq!(outcome.session.metadata.len(), 25);
    assert!(outcome.session.metadata.iter().all(|(_, value)| value.len() == 255 * 4));
}

fn event_json() -> serde_json::Value {
    let file = root().join("examples/events/organization-login.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Why an event is refused, its path, and that others go on.
async fn refused(json: &[u8]) -> EventError {
    let error = Event::from_json(json).expect_err("the event should have been refused");
    Host::new().others_log_in().await;
    error
}

#[tokio::test]
async fn metadata_of_the_event_that_breaks_a_rule_is_refused_with_its_place() {
    let too_many: serde_json::Map<String, serde_json::Value> =
        (0..26).map(|number| (format!("key{number}"), "v".into())).collect();
    let cases = [
        (serde_json::Value::from(too_many), "at most 25 are allowed"),
        (serde_json::json!({ "org.id": "v" }), "only letters, digits, `_` and `-` are allowed"),
        (serde_json::json!({ "k": "🦀".repeat(256) }), "at most 255 are allowed"),
        (serde_json::json!({ "": "v" }), "at least one character"),
    ];
    for (metadata, words) in cases {
        let mut event = event_json();
        event["session"]["metadata"] = metadata;
        let error = refused(event.to_string().as_bytes()).await;
        let EventError::Invalid { path, what, .. } = &error else { panic!("{error}") };
        assert_eq!(path, "event.session.metadata");
        assert!(what.contains(words), "it should say {words:?}: {error}");
    }
}

#[tokio::test]
async fn an_event_of_200_megabytes_is_not_read() {
    let error = refused(&vec![b' '; 200_000_000]).await;
    assert_eq!(error, EventError::TooLarge { given: 200_000_000, limit: 1 << 20 });
    assert_eq!(error.to_string(), "the event has 200000000 bytes, at most 1048576 are allowed");
}

#[tokio::test]
async fn an_event_of_ten_thousand_levels_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let with = |member: &str, value: &str| {
            let user = format!("\"user\":{{\"{member}\":{value},");
            event_json().to_string().replacen("\"user\":{", &user, 1)
        };
        let error = refused(with("user_metadata", &format!("{{\"deep\":{deep}}}")).as_bytes()).await;
        let EventError::Invalid { path, what, .. } = &error else { panic!("{error}") };
        assert!(path.starts_with("event.user.user_metadata") && what == "recursion limit exceeded", "{error}");
        // What we don't know is skipped, level by level and without a stack.
        assert!(Event::from_json(with("unheard_of", &deep).as_bytes()).is_ok());
    }
}

#[tokio::test]
async fn json_of_a_hundred_levels_is_allowed() {
    assert!(Host::new().attempt(NESTED_JSON, 100).await.is_allowed());
}

#[tokio::test]
async fn files_and_sockets_can_not_be_reached() {
    let host = Host::new();
    for (component, import) in
        [(artifacts::READS_A_FILE, "wasi:filesystem/types@0.2"), (artifacts::OPENS_A_SOCKET, "wasi:sockets/tcp@0.2")]
    {
        let refusal = host.refusal(component).await;
        let LoadError::NotOffered { imports, .. } = &refusal else { panic!("{refusal}") };
        assert!(imports.iter().any(|name| name.starts_with(import)), "{refusal}");
        assert!(refusal.to_string().contains("neither files, sockets, threads nor processes"), "{refusal}");
    }
    for interface in
        ["wasi:filesystem/preopens", "wasi:sockets/udp", "wasi:http/incoming-handler", "wasi:cli/run", "wasi:random/rando"]
    {
        let text = format!(r#"(component (import "{interface}@0.2.6" (instance)))"#);
        let refusal = host.refusal(&wat::parse_str(text).unwrap()).await;
        assert!(matches!(refusal, LoadError::NotOffered { .. }), "{interface}: {refusal}");
    }
}

#[tokio::test]
async fn nothing_of_the_host_can_be_seen() {
    let outcome = Host::new().attempt(artifacts::LOOKS_AROUND, 1).await;
    let claims = outcome.id_token.expect("the login is allowed").claims;
    for nothing in ["environment", "arguments", "earlier_runs"] {
        assert_eq!(claims[nothing].value, 0, "{nothing}");
    }
}
