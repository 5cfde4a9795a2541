//! Requests to origins that the binding allows, and to others.

use vestibule::limits::Limits;
use vestibule::model::outcome::RequestError;
use vestibule_test_artifacts as artifacts;
use vestibule_tests::load;

use super::server::{Server, closing, ok};
use super::*;

#[tokio::test]
async fn a_request_arrives_as_it_was_made_and_its_answer_comes_back() {
    let answer = "HTTP/1.1 201 Created\r\nlocation: /users/7\r\ncontent-length: 5\r\n\r\nhello";
    let server = Server::start(move |_| closing(answer)).await;
    let configuration = [("method", "POST"), ("body", "a secret"), ("header", "authorization: Bearer k")];
    let outcome = send(&local(), &[&server.origin()], &server.url("/users?token=t"), &configuration).await;
    assert_eq!(claim(&outcome, "status"), 201);
    assert_eq!(claim(&outcome, "location"), "/users/7");
    assert_eq!(claim(&outcome, "body"), "hello");

    let seen = server.seen();
    let [request] = &seen[..] else { panic!("{seen:?}") };
    assert!(request.starts_with("POST /users?token=t HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\na secret"), "{request}");
    let host = format!("host: 127.0.0.1:{}\r\n", server.port());
    for header in [host.as_str(), "authorization: Bearer k\r\n", "content-length: 8\r\n", "connection: close\r\n"] {
        assert_eq!(request.matches(header).count(), 1, "{header} in {request}");
    }

    let report = &outcome.actions[0].requests[0];
    assert_eq!((report.method.as_str(), report.origin.as_str()), ("POST", server.origin().as_str()));
    assert_eq!((report.status, &report.error), (Some(201), &None));
    assert_eq!((report.bytes_sent, report.bytes_received), (request.len() as u64, answer.len() as u64));
    let json = serde_json::to_string(&outcome.actions[0]).unwrap();
    for hidden in ["/users", "token", "Bearer", "a secret", "hello"] {
        assert!(!json.contains(hidden), "{hidden} in {json}");
    }
}

#[tokio::test]
async fn a_request_to_another_origin_goes_nowhere_and_is_reported() {
    let (server, other) = (Server::start(|_| ok("")).await, Server::start(|_| ok("")).await);
    let runtime = local();
    for allowed in [other.origin(), server.origin().replace("http:", "https:"), "http://127.0.0.1".to_owned()] {
        let (kind, report) = refused(&runtime, &[&allowed], &server.url("/"), &[]).await;
        assert_eq!((kind.as_str(), report.error), ("NotAllowed", Some(RequestError::OriginNotAllowed)), "{allowed}");
        assert_eq!((report.origin, report.bytes_sent), (server.origin(), 0));
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_error_that_is_not_looked_at_fails_the_login_with_the_origin_and_nothing_more() {
    let outcome = send(&local(), &["https://api.example.com"], "https://other.example/users?token=t", &[]).await;
    let failure = outcome.failed().expect("the login fails").to_string();
    assert_eq!(failure, "the Action's binding allows no requests to https://other.example");
}

#[tokio::test]
async fn a_redirect_is_an_answer_as_any_other() {
    let target = Server::start(|_| ok("")).await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url("/"));
    let server = Server::start(move |_| closing(answer.clone())).await;
    let outcome = send(&local(), &[&server.origin(), &target.origin()], &server.url("/"), &[]).await;
    assert_eq!((claim(&outcome, "status"), claim(&outcome, "location")), (302.into(), target.url("/").into()));
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn a_compressed_body_comes_as_it_was_sent() {
    // The first bytes of a file of gzip: a client that unpacked it would fail, or have more than
    // this.
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\n";
    let answer = [head.as_bytes(), b"\x1f\x8b\x08\0\0\0\0\0\0\x03"].concat();
    let server = Server::start(move |_| closing(answer.clone())).await;
    let outcome = send(&local(), &[&server.origin()], &server.url("/"), &[]).await;
    assert_eq!((claim(&outcome, "bytes"), claim(&outcome, "encoding")), (10.into(), "gzip".into()));
}

#[tokio::test]
async fn requests_just_up_to_the_limit_are_sent_and_one_more_is_an_error_that_the_action_can_handle() {
    let server = Server::start(|_| ok("")).await;
    let runtime = local_with(Limits { requests: 2, ..patient() });
    let sent = |times: &'static str, look: &'static str| {
        let (runtime, server) = (&runtime, &server);
        async move { send(runtime, &[&server.origin()], &server.url("/"), &[("times", times), (look, "yes")]).await }
    };
    assert_eq!(sent("2", "looks_at_none").await.actions[0].requests.len(), 2);
    // What goes on beyond it is written down once.
    let outcome = sent("50", "look_at_errors").await;
    assert_eq!(claim(&outcome, "error"), "TooMany");
    let errors: Vec<_> = outcome.actions[0].requests.iter().map(|request| request.error.clone()).collect();
    assert_eq!(errors, [None, None, Some(RequestError::TooMany { allowed: 2 })]);
    assert_eq!(server.seen().len(), 4);
    let failure = sent("3", "looks_at_none").await.failed().expect("it is not handled").to_string();
    assert!(failure.contains("limit `requests`"), "{failure}");
}

#[tokio::test]
async fn request_bytes_just_fit_and_a_larger_request_is_not_sent() {
    let server = Server::start(|_| ok("")).await;
    let runtime = local_with(Limits { request_bytes: 10_000, ..patient() });
    let outcome = send(&runtime, &[&server.origin()], &server.url("/"), &[("method", "PUT"), ("body_bytes", "9500")]).await;
    assert_eq!(claim(&outcome, "status"), 200);
    assert_eq!(server.seen().len(), 1);
    // The second one is too large with its head alone.
    for bytes in ["10001", "9999"] {
        let configuration = [("method", "PUT"), ("body_bytes", bytes)];
        let (kind, report) = refused(&runtime, &[&server.origin()], &server.url("/"), &configuration).await;
        assert_eq!((kind.as_str(), report.error), ("RequestTooLarge", Some(RequestError::RequestTooLarge { allowed: 10_000 })));
        assert!(report.bytes_sent <= 10_000);
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_capability_is_seen_before_it_is_used() {
    let runtime = local();
    let action = load(&runtime, artifacts::SENDS_REQUESTS);
    let capabilities = action.capabilities();
    assert!(capabilities.sends_requests());
    let json = serde_json::to_value(capabilities).unwrap();
    let names = ["configuration.get", "id-token.set-custom-claim", "wasi:http/outgoing-handler.handle"];
    assert_eq!(json["capabilities"], serde_json::json!(names));
    assert!(capabilities.plumbing.contains("wasi:http/types"));
    assert!(!load(&runtime, artifacts::EVERY_EFFECT).capabilities().sends_requests());
}
