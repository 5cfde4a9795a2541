//! Which host a request is for, and that no URL of the server is made from what a caller writes.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Running, SECRET, configuration, start, start_with};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Sends a head as it is, and gives the status and the JSON of the answer.
async fn raw(running: &Running, head: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

async fn discovery(running: &Running, host: &str) -> (u16, Value) {
    raw(running, &format!("GET {DISCOVERY} HTTP/1.1\r\nhost: {host}\r\n")).await
}

fn port(running: &Running) -> u16 {
    running.server.as_ref().unwrap().address().port()
}

/// The issuer of a token that tenant `acme` gets when it is called by this host.
async fn issuer(running: &Running, host: &str) -> String {
    let body = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET });
    let request = running.client.post(format!("{}/oauth/token", running.origin)).header("host", host).json(&body);
    let (status, body) = running.answer(request).await;
    assert_eq!(status, 200, "{body}");
    let claims = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["iss"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn host_that_is_written_wrongly_is_refused() {
    let running = start().await;
    let get = |target: &str, hosts: &str| format!("GET {target} HTTP/1.1\r\n{hosts}");
    let absolute = format!("http://globex.example{DISCOVERY}");
    for head in [
        get(DISCOVERY, "host: localhost:@attacker.example\r\n"),
        get(DISCOVERY, "host: attacker.example@localhost\r\n"),
        get(DISCOVERY, "host: localhost:80:80\r\n"),
        get(DISCOVERY, "host: localhost/\r\n"),
        get(DISCOVERY, "host: \r\n"),
        get(DISCOVERY, "host: localhost\r\nhost: localhost\r\n"),
        get(DISCOVERY, "host: localhost\r\nhost: attacker.example\r\n"),
        get("/healthz", "host: localhost\r\nhost: attacker.example\r\n"),
        get(&absolute, "host: localhost\r\n"),
        get(DISCOVERY, ""),
        format!("GET {DISCOVERY} HTTP/1.0\r\n"),
    ] {
        let (status, body) = raw(&running, &head).await;
        assert_eq!((status, &body["errorCode"]), (400, &json!("invalid_host")), "{head:?}");
    }
    let (status, body) = discovery(&running, "attacker.example").await;
    assert_eq!((status, &body["errorCode"]), (404, &json!("unknown_tenant")));
    assert_eq!(raw(&running, "GET /healthz HTTP/1.0\r\n").await.0, 200, "a probe of a load balancer sends no host");
    running.stop().await;
}

#[tokio::test]
async fn target_and_host_of_http2_agree() {
    let running = start().await;
    let stream = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    for (authority, host, expected) in [
        ("localhost", None, 200),
        ("localhost", Some("LocalHost:80"), 200),
        ("localhost", Some("127.0.0.1"), 400),
        ("localhost:80", Some("localhost:81"), 400),
        ("attacker@localhost", None, 400),
    ] {
        let mut request = axum::http::Request::get(format!("http://{authority}{DISCOVERY}"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        let status = answer.await.map_or_else(|error| error.to_string(), |answer| answer.status().as_u16().to_string());
        // What the protocol's own rules forbid ends the stream.
        let is_refused = expected == 400 && status.contains("stream");
        assert!(is_refused || status == expected.to_string(), "{authority} {host:?}: {status}");
    }
    driver.abort();
    running.stop().await;
}

#[tokio::test]
async fn urls_are_made_from_the_configured_name() {
    let running = start().await;
    let origin = format!("http://localhost:{}", port(&running));
    for host in ["localhost", "LOCALHOST:1", "localhost.:65000"] {
        let (status, body) = discovery(&running, host).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["issuer"], format!("{origin}/"), "{host}");
        assert_eq!(body["jwks_uri"], format!("{origin}/.well-known/jwks.json"), "{host}");
        assert_eq!(body["token_endpoint"], format!("{origin}/oauth/token"), "{host}");
        assert_eq!(issuer(&running, host).await, format!("{origin}/"), "{host}");
    }
    running.stop().await;
}

#[tokio::test]
async fn urls_begin_with_the_public_url_where_there_is_one() {
    let public = configuration("").replacen("rate =", "public_url = \"https://localhost:8443\"\nrate =", 1);
    let running = start_with(&public).await;
    let (_, body) = discovery(&running, "localhost").await;
    assert_eq!(body["issuer"], "https://localhost:8443/");
    assert_eq!(body["token_endpoint"], "https://localhost:8443/oauth/token");
    assert_eq!(issuer(&running, "localhost").await, "https://localhost:8443/");
    let (_, other) = discovery(&running, "127.0.0.1").await;
    assert_eq!(other["issuer"], format!("http://127.0.0.1:{}/", port(&running)), "another tenant's");
    let folder = running.stop().await;
    let foreign = public.replace("https://localhost:8443", "https://elsewhere.example");
    let mistakes = vestibule_server::Configuration::parse(&folder.path().join("vestibule.toml"), &foreign).unwrap_err();
    assert!(mistakes.to_string().contains("isn't one of the tenant's `hosts`"), "{mistakes}");
}

#[tokio::test]
async fn forwarded_host_counts_where_it_is_trusted() {
    let trusting = format!("trust_forwarded_host = true\n{}", configuration(""));
    let running = start_with(&trusting).await;
    let forwarded =
        async |hosts: &str| raw(&running, &format!("GET {DISCOVERY} HTTP/1.1\r\nhost: proxy.internal\r\n{hosts}")).await;
    let (status, body) = forwarded("x-forwarded-host: localhost\r\n").await;
    assert_eq!((status, &body["issuer"]), (200, &json!("https://localhost/")), "the proxy has the encryption");
    for wrong in ["localhost, attacker.example", "localhost\r\nx-forwarded-host: localhost", "localhost:@attacker.example", ""] {
        let (status, body) = forwarded(&format!("x-forwarded-host: {wrong}\r\n")).await;
        assert!(status == 400 || body["errorCode"] == "unknown_tenant", "{wrong:?}: {status} {body}");
    }
    assert_eq!(forwarded("").await.0, 404);
    running.stop().await;
    let running = start().await;
    let (status, body) =
        raw(&running, &format!("GET {DISCOVERY} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-host: 127.0.0.1\r\n")).await;
    assert_eq!((status, &body["issuer"]), (200, &json!(format!("http://localhost:{}/", port(&running)))));
    running.stop().await;
}
