//! What many connections, heads and bodies that don't come, and answers that are not read cost:
//! themselves.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Request;
use common::{Running, configuration, event, start, start_with};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

fn address(running: &Running) -> SocketAddr {
    running.server.as_ref().unwrap().address()
}

/// A connection of another peer than the tests' client: the whole network 127.0.0.0/8 is this
/// machine.
async fn stranger(running: &Running) -> TcpStream {
    peer(running, 2).await
}

/// A connection of the peer 127.0.0.NUMBER.
async fn peer(running: &Running, number: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, number], 0))).unwrap();
    socket.connect(address(running)).await.unwrap()
}

/// Reads until the server has ended the connection, whichever way.
async fn ended(mut stream: TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    read
}

async fn refused(running: &Running, kind: &str) -> u64 {
    let text = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    let line = format!("vestibule_refused_total{{kind=\"{kind}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

/// Waits until this many were refused.
async fn until_refused(running: &Running, kind: &str, at_least: u64) {
    let waiting = async {
        while refused(running, kind).await < at_least {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    assert!(waited.is_ok(), "{at_least} are not refused: {kind}");
}

async fn is_allowed(running: &Running, number: usize) -> bool {
    running.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await["decision"] == "allow"
}

#[tokio::test]
async fn peer_with_too_many_connections_leaves_others_theirs() {
    let limits = "connections = { all = 40, per_peer = 5 }";
    let running = start_with(&format!("{limits}\n{}", configuration(""))).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut stream = stranger(&running).await;
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").await;
        open.push(stream);
    }
    let late = open.split_off(5);
    for stream in late {
        assert!(ended(stream).await.is_empty(), "it is closed at once, without an answer");
    }
    assert!(is_allowed(&running, 1).await);
    assert_eq!(refused(&running, "connections_of_peer").await, 5);
    for mut stream in open {
        stream.write_all(b"connection: close\r\n\r\n").await.unwrap();
        assert!(ended(stream).await.starts_with(b"HTTP/1.1 200"), "those that were there before go on");
    }
    let again = Client::builder().local_address("127.0.0.2".parse::<std::net::IpAddr>().unwrap()).build().unwrap();
    let answer = again.get(format!("http://{}/healthz", address(&running))).send().await.unwrap();
    assert_eq!(answer.status(), 200, "there is room again");
    running.stop().await;
}

#[tokio::test]
async fn too_many_connections_in_all_are_closed() {
    let running = start_with(&format!("connections = {{ all = 8, per_peer = 8 }}\n{}", configuration(""))).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(stranger(&running).await);
    }
    // The tests' client has the connection that it got its token by.
    let late = open.split_off(7);
    for stream in late {
        assert!(ended(stream).await.is_empty());
    }
    assert!(is_allowed(&running, 1).await);
    assert_eq!(refused(&running, "connections").await, 13);
    running.stop().await;
}

#[tokio::test]
async fn peers_that_have_taken_all_connections_make_room_for_another() {
    let running = start_with(&format!("connections = {{ all = 13, per_peer = 4 }}\n{}", configuration(""))).await;
    // With the one of the tests' client these are all: some rest, some have sent half a head, and
    // some half a body.
    let mut crowd = Vec::new();
    for number in [2, 3, 4] {
        for _ in 0..4 {
            let mut stream = peer(&running, number).await;
            match number {
                2 => ask(&mut stream).await.unwrap(),
                3 => stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap(),
                _ => {
                    let head = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{";
                    stream.write_all(head.as_bytes()).await.unwrap();
                }
            }
            crowd.push(stream);
        }
    }
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut stream = peer(&running, 5).await;
        ask(&mut stream).await.expect("there is room for it");
        others.push(stream);
    }
    let mut one_too_many = peer(&running, 5).await;
    assert!(ask(&mut one_too_many).await.is_err(), "all four have three by now");
    assert_eq!((refused(&running, "displaced").await, refused(&running, "connections").await), (3, 1));
    for stream in &mut others {
        ask(stream).await.expect("those that have come in stay");
    }
    assert!(is_allowed(&running, 1).await, "and a peer that has one connection keeps it");
    drop((crowd, others));
    running.stop().await;
}

/// Asks over a connection, and reads the answer's head.
async fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = [0; 4_096];
    let read = stream.read(&mut answer).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
    Ok(())
}

#[tokio::test]
async fn connections_that_only_send_bodies_make_room_too_and_those_of_callers_do_not() {
    let running = start_with(&format!("connections = {{ all = 9, per_peer = 4 }}\n{}", configuration(""))).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(half_body_of(&running, 2, "/v1/post-login", 100).await);
    }
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(half_body_of(&running, 3, "/oauth/token", 100).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut other = peer(&running, 4).await;
    ask(&mut other).await.expect("there is room for it");
    assert_eq!(refused(&running, "displaced").await, 1);
    for stream in callers {
        let answer = ended(stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 408"), "a caller's body is waited for: {}", String::from_utf8_lossy(&answer));
    }
    running.stop().await;
}

#[tokio::test]
async fn connection_without_a_request_ends_before_one_that_rests() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    common::write_components(folder.path());
    let encrypted = format!("tls = {{ certificate = \"chain.pem\", key = \"key.pem\" }}\n{}", configuration(""));
    let encrypted = common::try_start(folder.path(), &encrypted).await.unwrap();
    let running = start().await;

    let mut resting = TcpStream::connect(address(&running)).await.unwrap();
    let mut answer = [0; 4_096];
    resting.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(resting.read(&mut answer).await.unwrap() > 0);

    let nothing = TcpStream::connect(address(&running)).await.unwrap();
    let mut head = TcpStream::connect(address(&running)).await.unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-more: ").await.unwrap();
    let mut preface = TcpStream::connect(address(&running)).await.unwrap();
    // The preface of HTTP/2 and empty settings (RFC 9113, section 3.4), and then nothing.
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let handshake = TcpStream::connect(encrypted.address()).await.unwrap();
    let mut hello = TcpStream::connect(encrypted.address()).await.unwrap();
    // The head of a TLS record, whose rest doesn't come.
    hello.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    tokio::join!(ended(nothing), ended(head), ended(preface), ended(handshake), ended(hello));
    assert!(refused(&running, "no_request").await >= 3);

    resting.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(resting.read(&mut answer).await.unwrap() > 0, "it has asked, and may rest longer");
    encrypted.stop().await;
    running.stop().await;
}

/// Asks many times over HTTP/2 with a window of this size, reads nothing, and waits until the
/// server ends the connection.
async fn reads_nothing(running: &Running, path: &str, window: u32) {
    let stream = stranger(running).await;
    let mut builder = h2::client::Builder::new();
    let (client, connection) = builder.initial_window_size(window).handshake::<_, bytes::Bytes>(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut answers = Vec::new();
    let mut client = client.ready().await.unwrap();
    for _ in 0..50 {
        let request = Request::get(format!("http://localhost{path}")).body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        answers.push(answer.await.unwrap());
        client = client.ready().await.unwrap();
    }
    // Whether it is an error or an end, it is over; the answers were there all the time.
    let _ = driver.await;
    assert_eq!(answers.len(), 50);
}

#[tokio::test]
async fn connection_whose_answers_are_not_read_ends() {
    let running = start().await;
    let pipelined = async {
        let mut stream = stranger(&running).await;
        let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
        // Until it takes no more, and then until it has ended.
        while stream.write_all(request).await.is_ok() {}
    };
    let logins = async {
        for number in 0..20 {
            assert!(is_allowed(&running, number).await, "and others are served meanwhile");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(
        reads_nothing(&running, "/openapi.json", 0),
        reads_nothing(&running, "/healthz", 0),
        reads_nothing(&running, "/healthz", 1),
        reads_nothing(&running, "/openapi.json", 20_000),
        pipelined,
        logins,
    );
    assert_eq!(refused(&running, "unread_answer").await, 5);
    running.stop().await;
}

#[tokio::test]
async fn answer_is_the_same_by_both_protocols() {
    let running = start().await;
    let http2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for path in ["/openapi.json", "/healthz", "/.well-known/jwks.json"] {
        let url = format!("{}{path}", running.origin);
        let one = running.client.get(&url).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(http2.get(&url).send().await.unwrap().bytes().await.unwrap(), one, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn large_body_gets_an_answer_by_http2_and_no_reset() {
    let running = start().await;
    for size in [(1 << 20) + 1, 2 << 20, 8 << 20] {
        let stream = TcpStream::connect(address(&running)).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let request =
            Request::post("http://localhost/v1/post-login").header("authorization", format!("Bearer {}", running.token));
        let (answer, mut body) = client.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
        // As a client does that sends its body to the end, whatever it hears meanwhile.
        let sending = async {
            let mut left: usize = size;
            while left > 0 {
                body.reserve_capacity(left);
                let capacity = std::future::poll_fn(|context| body.poll_capacity(context)).await;
                let part = capacity.expect("no reset").expect("no reset").min(left);
                left -= part;
                body.send_data(bytes::Bytes::from(vec![b' '; part]), left == 0).expect("no reset");
            }
        };
        let (answer, ()) = tokio::join!(answer, sending);
        assert_eq!(answer.unwrap().status(), 413, "{size}");
        driver.abort();
    }
    running.stop().await;
}

/// Sends the beginning of a longer body, from another peer.
async fn half_body(running: &Running, path: &str, sent: usize) -> TcpStream {
    half_body_of(running, 2, path, sent).await
}

/// The same from the peer 127.0.0.NUMBER.
async fn half_body_of(running: &Running, number: u8, path: &str, sent: usize) -> TcpStream {
    let mut stream = peer(running, number).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n",
        running.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

#[tokio::test]
async fn bodies_of_one_tenant_leave_memory_to_others() {
    let limits = "bodies = { all = \"8 MiB\", each = \"1 MiB\" }";
    let running = start_with(&format!("{limits}\n{}", configuration(""))).await;
    let first = half_body(&running, "/v1/post-login", 700_000).await;
    // Those bytes have arrived when more of them are too much.
    let refusal = loop {
        let second = half_body(&running, "/v1/post-login", 999_999).await;
        let answer = String::from_utf8(ended(second).await).unwrap();
        if answer.starts_with("HTTP/1.1 503") {
            break answer;
        }
    };
    assert!(refusal.contains("retry-after: 1") && refusal.contains("\"errorCode\":\"too_busy\""), "{refusal}");
    assert!(refused(&running, "bodies").await >= 1);
    // A small login of the same tenant has room, and so has a large one of another.
    assert!(is_allowed(&running, 1).await);
    let of_globex = running.token_of("globex", "run:post-login").await;
    let mut login = event("sess_2", "txn_2");
    login["tenant"]["id"] = "globex".into();
    let login = format!("{}{login}", " ".repeat(900_000));
    let request = running.client.request(Method::POST, format!("{}/v1/post-login", running.origin_of("globex")));
    assert_eq!(running.answer(request.bearer_auth(of_globex).body(login)).await.0, 200);
    assert!(ended(first).await.starts_with(b"HTTP/1.1 408"), "what doesn't come is given up");
    let login = format!("{}{}", " ".repeat(900_000), event("sess_3", "txn_3"));
    let (status, outcome) = running.answer(running.request(Method::POST, "/v1/post-login").body(login)).await;
    assert_eq!((status, &outcome["decision"]), (200, &json!("allow")), "and its memory is free again");
    running.stop().await;
}

#[tokio::test]
async fn bodies_of_one_peer_leave_memory_to_other_peers_of_the_same_tenant() {
    let limits = "bodies = { all = \"16 MiB\", each = \"4 MiB\" }";
    let running = start_with(&format!("{limits}\n{}", configuration(""))).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(half_body(&running, "/v1/post-login", 990_000).await);
    }
    // Three megabytes are all that one peer may take.
    until_refused(&running, "bodies", 2).await;
    let login = format!("{}{}", " ".repeat(900_000), event("sess_1", "txn_1"));
    let (status, outcome) = running.answer(running.request(Method::POST, "/v1/post-login").body(login)).await;
    assert_eq!((status, &outcome["decision"]), (200, &json!("allow")));
    drop(open);
    running.stop().await;
}

#[tokio::test]
async fn bodies_of_tenants_that_have_much_leave_memory_to_those_that_have_little() {
    let limits = "bodies = { all = \"4 MiB\", each = \"4 MiB\", per_peer = \"4 MiB\" }";
    let running = start_with(&format!("{limits}\n{}", configuration(""))).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(half_body(&running, "/v1/post-login", 999_999).await);
    }
    until_refused(&running, "bodies", 1).await;
    let of_globex = running.token_of("globex", "run:post-login").await;
    let mut login = event("sess_1", "txn_1");
    login["tenant"]["id"] = "globex".into();
    let login = format!("{}{login}", " ".repeat(200_000));
    let request = running.client.request(Method::POST, format!("{}/v1/post-login", running.origin_of("globex")));
    let (status, outcome) = running.answer(request.bearer_auth(of_globex).body(login)).await;
    assert_eq!((status, &outcome["decision"]), (200, &json!("allow")), "a quarter is for those that have few");
    drop(open);
    running.stop().await;
}

#[tokio::test]
async fn bodies_without_a_verified_token_leave_memory_to_callers() {
    // Of each of these an eighth is for strangers, and one of them has 64 KiB of it.
    let limits = "bodies = { all = \"8 MiB\", each = \"1 MiB\" }";
    let running = start_with(&format!("{limits}\n{}", configuration(""))).await;
    let mut open = Vec::new();
    for _ in 0..12 {
        open.push(half_body_of(&running, 2, "/oauth/token", 7_000).await);
    }
    until_refused(&running, "bodies", 1).await;
    running.token_of("acme", "read:logs").await;
    for _ in 0..12 {
        open.push(half_body_of(&running, 3, "/oauth/token", 7_000).await);
    }
    until_refused(&running, "bodies", 4).await;
    let login = format!("{}{}", " ".repeat(900_000), event("sess_1", "txn_1"));
    let (status, outcome) = running.answer(running.request(Method::POST, "/v1/post-login").body(login)).await;
    assert_eq!((status, &outcome["decision"]), (200, &json!("allow")), "logins have their own");
    running.token_of("globex", "read:logs").await;
    drop(open);
    running.stop().await;
}

#[tokio::test]
async fn token_request_has_eight_kilobytes_at_most() {
    let running = start().await;
    let ask = |secret: String| {
        let body = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": secret });
        running.client.post(format!("{}/oauth/token", running.origin)).json(&body)
    };
    let (status, body): (u16, Value) = running.answer(ask("x".repeat(8 << 10))).await;
    assert_eq!((status, &body["errorCode"]), (413, &json!("payload_too_large")));
    assert_eq!(running.answer(ask("x".repeat(7 << 10))).await.0, 401);
    running.stop().await;
}
