//! Servers that answer slowly, wrongly, without end, or not at all.

use std::time::Duration;

use vestibule::limits::Limits;
use vestibule::model::outcome::RequestError;

use super::server::{Answer, Server, closing, hanging, repeating};
use super::*;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const AT_ONCE: Duration = Duration::ZERO;

fn too_slow() -> RequestError {
    RequestError::TooSlow { allowed: impatient().request_time }
}

async fn server(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |_| answer()).await
}

#[tokio::test]
async fn request_time_is_how_long_a_server_is_waited_for() {
    let server = server(|| hanging("")).await;
    let runtime = local_with(impatient());
    assert_eq!(fails(&runtime, &server).await, ("Timeout".into(), too_slow()));
    assert_next_login_passes(&runtime).await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_waited_for_no_longer_either() {
    let server = server(|| repeating("HTTP/1.1 200 OK\r\nx: ", b"y", Duration::from_millis(10))).await;
    assert_eq!(fails(&local_with(impatient()), &server).await, ("Timeout".into(), too_slow()));
}

#[tokio::test]
async fn a_body_that_stops_or_comes_byte_by_byte_is_waited_for_no_longer_either() {
    let runtime = local_with(impatient());
    let stops = server(|| hanging("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")).await;
    assert_eq!(fails(&runtime, &stops).await, ("Timeout".into(), too_slow()));
    let drips = server(|| repeating(CHUNKED, b"1\r\nx\r\n", Duration::from_millis(10))).await;
    let (kind, report) = refused(&runtime, &[&drips.origin()], &drips.url("/"), &[]).await;
    assert_eq!((kind.as_str(), report.status, report.error), ("Timeout", Some(200), Some(too_slow())));
    assert_next_login_passes(&runtime).await;
}

#[tokio::test]
async fn an_actions_own_timeout_is_its_own() {
    let runtime = local();
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        let server = server(move || hanging(answer)).await;
        let (kind, report) = refused(&runtime, &[&server.origin()], &server.url("/"), &[("timeout_ms", "50")]).await;
        assert_eq!((kind.as_str(), report.error), ("Timeout", Some(RequestError::TimedOut)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_ends_at_the_limit() {
    let allowed = 100_000;
    let runtime = local_with(Limits { response_bytes: allowed, ..patient() });
    let chunk: &'static [u8] = Box::leak(format!("1000\r\n{}\r\n", "x".repeat(0x1000)).into_bytes().into());
    let body = server(move || repeating(CHUNKED, chunk, AT_ONCE)).await;
    // All of what stands around a body counts, too: an empty body can have an end without end.
    let trailers = server(|| repeating(&format!("{CHUNKED}0\r\n"), b"x: y\r\n", AT_ONCE)).await;
    let until_closed = server(|| repeating("HTTP/1.0 200 OK\r\n\r\n", &[b'x'; 1_000], AT_ONCE)).await;
    for server in [&body, &until_closed] {
        let (kind, report) = refused(&runtime, &[&server.origin()], &server.url("/"), &[]).await;
        assert_eq!((kind.as_str(), report.error), ("ResponseTooLarge", Some(RequestError::ResponseTooLarge { allowed })));
        assert!(report.bytes_received < 2 * allowed as u64, "{}", report.bytes_received);
    }
    let (_, report) = refused(&runtime, &[&trailers.origin()], &trailers.url("/"), &[]).await;
    assert!(report.error.is_some() && report.bytes_received < 2 * allowed as u64, "{report:?}");
    assert_next_login_passes(&runtime).await;
}

#[tokio::test]
async fn a_head_without_end_ends_too() {
    let runtime = local();
    let server = server(|| repeating("HTTP/1.1 200 OK\r\nx: ", &[b'y'; 1_000], AT_ONCE)).await;
    let (kind, error) = fails(&runtime, &server).await;
    assert!(matches!(error, RequestError::HeadTooLarge { .. }), "{error:?}");
    assert_eq!(kind, "ResponseTooLarge");
}

#[tokio::test]
async fn response_bytes_just_come_back_and_one_more_does_not() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let server = server(move || closing(answer)).await;
    let within = |response_bytes| local_with(Limits { response_bytes, ..patient() });
    let outcome = send(&within(answer.len()), &[&server.origin()], &server.url("/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "hello");
    let allowed = answer.len() - 1;
    assert_eq!(fails(&within(allowed), &server).await, ("ResponseTooLarge".into(), RequestError::ResponseTooLarge { allowed }));
}

#[tokio::test]
async fn a_length_that_is_too_long_is_an_incomplete_answer_and_one_that_is_too_short_is_the_length() {
    let runtime = local();
    let long = server(|| closing("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello")).await;
    assert_eq!(fails(&runtime, &long).await, ("Protocol".into(), RequestError::Protocol));
    let short = server(|| closing("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello")).await;
    let outcome = send(&runtime, &[&short.origin()], &short.url("/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "he");
    let two = server(|| closing("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nhello")).await;
    assert_eq!(fails(&runtime, &two).await, ("Protocol".into(), RequestError::Protocol));
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let runtime = local();
    for answer in ["", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 999999 ?\r\n\r\n", "HTTP/1.1 200 OK\r\nno header\r\n\r\n"] {
        let server = server(move || closing(answer)).await;
        assert_eq!(fails(&runtime, &server).await, ("Protocol".into(), RequestError::Protocol), "{answer:?}");
    }
    assert_next_login_passes(&runtime).await;
}

#[tokio::test]
async fn a_closed_port_is_an_error() {
    let server = server(|| closing("")).await;
    let (origin, url) = (server.origin(), server.url("/"));
    // Taken by no other process: the connection comes from this machine, and ports are not given
    // out again at once.
    drop(server);
    let (kind, report) = loop {
        let (kind, report) = refused(&local(), &[&origin], &url, &[]).await;
        // The server's own task ends a moment after it is dropped.
        if kind != "Protocol" {
            break (kind, report);
        }
    };
    assert_eq!((kind.as_str(), report.error), ("Connect", Some(RequestError::NotConnected)));
}
