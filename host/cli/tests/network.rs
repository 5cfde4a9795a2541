//! What the command lets Actions use of the network: nothing, unless it is told so.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::{LOGIN, file, folder, vestibule};
use vestibule_test_artifacts as artifacts;

/// A server that answers each request with `hello`, for as long as this test's process lives. Its
/// origin.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A request without a body comes in one piece.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    origin
}

#[test]
fn an_action_sends_requests_to_what_is_allowed_and_its_requests_are_shown() {
    let folder = folder();
    let action = file(&folder, "action.wasm", artifacts::SENDS_REQUESTS);
    let origin = server();
    let url = format!("url={origin}/path?token=t");
    let run =
        |arguments: &[&str]| vestibule(&[&["run", &action, "--event", LOGIN, "--configuration", &url][..], arguments].concat());

    let ran = run(&[]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("its binding allows none") && ran.stderr.contains("--allow"), "{}", ran.stderr);

    let ran = run(&["--allow", &origin]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stdout.contains("loopback (RFC 1122)"), "{}", ran.stdout);

    let ran = run(&["--allow", &origin, "--allow-network", "127.0.0.0/8"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let row = ran.stdout.lines().find(|line| line.trim_start().starts_with("GET")).unwrap_or_default();
    assert!(row.contains(&origin) && row.contains("200") && !row.contains("token"), "{}", ran.stdout);

    let json = run(&["--allow", &origin, "--allow-network", "127.0.0.0/8", "--json"]).json();
    let request = &json["actions"][0]["requests"][0];
    assert_eq!((&request["origin"], &request["status"], &request["error"]), (&origin.into(), &200.into(), &().into()));
}

#[test]
fn what_is_no_origin_is_refused_with_what_an_origin_is() {
    let ran = vestibule(&["run", ".", "--event", LOGIN, "--allow", "https://api.example.com/v1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("without user, path, query"), "{}", ran.stderr);
}

#[test]
fn inspect_says_that_an_action_sends_requests() {
    let folder = folder();
    let ran = vestibule(&["inspect", &file(&folder, "action.wasm", artifacts::SENDS_REQUESTS)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("sends HTTP requests to origins that its binding allows"), "{}", ran.stdout);
    assert!(ran.stdout.contains("wasi:http/outgoing-handler.handle"), "{}", ran.stdout);
    assert!(ran.stdout.contains("nothing of the network but by these requests"), "{}", ran.stdout);
}
