//! `POST /oauth/token` while others send wrong secrets, and how a client may say who it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Running, SECRET, configuration, start, start_with};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Connections that send wrong secrets.
const WRONG: usize = 200;

/// What a client is answered: the status, and when it is to try again.
async fn ask(client: &Client, origin: &str, id: &str, secret: &str) -> (u16, Option<String>) {
    let body = json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret });
    let response = client.post(format!("{origin}/oauth/token")).json(&body).send().await.unwrap();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), retry_after)
}

/// A client with another address of this machine.
fn stranger(number: u8) -> Client {
    Client::builder().local_address(IpAddr::from([127, 0, 0, number])).build().unwrap()
}

/// Sends wrong secrets to a tenant, by several connections of another peer, until it is stopped.
fn fail(running: &Running, tenant: &str, stop: &Arc<AtomicBool>, limited: &Arc<AtomicU64>) -> Vec<tokio::task::JoinHandle<()>> {
    let origin = running.origin_of(tenant);
    let sends = |number: usize| {
        let (origin, stop, limited) = (origin.clone(), Arc::clone(stop), Arc::clone(limited));
        tokio::spawn(async move {
            let client = stranger(2);
            let id = if number.is_multiple_of(2) { "platform".to_owned() } else { format!("nobody-{number}") };
            while !stop.load(Ordering::Relaxed) {
                match ask(&client, &origin, &id, "a wrong secret").await {
                    (401, _) => {}
                    (429 | 503, Some(_)) => {
                        limited.fetch_add(1, Ordering::Relaxed);
                        // The server runs in this process, too.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => panic!("a wrong secret was answered {other:?}"),
                }
            }
        })
    };
    (0..WRONG).map(sends).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn known_clients_get_tokens_while_others_send_wrong_secrets() {
    let all = format!("connections = {{ all = {0}, per_peer = {0} }}\n", 2 * WRONG);
    // The client of `acme` has had a token already.
    let running = start_with(&format!("{all}{}", configuration(""))).await;
    let (stop, limited) = (Arc::default(), Arc::default());
    let failing = fail(&running, "acme", &stop, &limited);
    while limited.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        running.token_of("globex", "read:sessions").await;
        running.token_of("acme", "read:sessions").await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in failing {
        task.await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn wrong_secrets_are_limited_whether_the_client_is_known_or_not() {
    for id in ["platform", "nobody"] {
        let running = start().await;
        let origin = running.origin_of("globex");
        let mut answers = Vec::new();
        while answers.len() < 100 && answers.last() != Some(&429) {
            let (status, retry_after) = ask(&running.client, &origin, id, "a wrong secret").await;
            assert_eq!(status == 429, retry_after.is_some(), "{status} {retry_after:?}");
            answers.push(status);
        }
        assert_eq!(answers.pop(), Some(429), "{id}");
        assert!(answers.iter().all(|status| *status == 401), "{id}: {answers:?}");
        let (status, body) = running
            .answer(running.client.post(format!("{origin}/oauth/token")).json(&json!({
                "grant_type": "client_credentials", "client_id": id, "client_secret": "another",
            })))
            .await;
        assert_eq!((status, &body["errorCode"]), (429, &json!("too_many_failures")), "{id}: {body}");
        assert_eq!(ask(&running.client, &running.origin, id, "a wrong secret").await.0, 401, "another tenant");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_strangers_lock_out_no_client_that_the_server_does_not_remember() {
    let running = start().await;
    let origin = running.origin_of("globex");
    // Three peers that use up all that they may.
    let strangers = (2..5).map(|number| {
        let origin = origin.clone();
        tokio::spawn(async move {
            let client = stranger(number);
            loop {
                match ask(&client, &origin, "platform", "a wrong secret").await.0 {
                    401 => {}
                    status => return status,
                }
            }
        })
    });
    for stranger in strangers.collect::<Vec<_>>() {
        assert_eq!(stranger.await.unwrap(), 429);
    }
    running.token_of("globex", "read:sessions").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_of_a_peer_are_limited_and_tokens_that_were_right_pass() {
    let running = start().await;
    let get = |client: &Client, token: &str| client.get(format!("{}/api/v2/sessions/none", running.origin)).bearer_auth(token);
    let fresh = running.token_of("acme", "read:sessions").await;
    let (head, _) = running.token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));
    let known = || running.answer(get(&running.client, &running.token));
    assert_eq!(known().await.0, 404, "it is right, and remembered now");
    let mut answers = Vec::new();
    while answers.len() < 2_000 && answers.last() != Some(&429) {
        answers.push(get(&running.client, &forged).send().await.unwrap().status().as_u16());
    }
    assert_eq!(answers.pop(), Some(429));
    assert!(answers.len() > 100 && answers.iter().all(|status| *status == 401), "{answers:?}");
    let limited = get(&running.client, &fresh).send().await.unwrap();
    assert!(limited.headers().contains_key("retry-after"));
    let status = limited.status().as_u16();
    let body: Value = limited.json().await.unwrap();
    assert_eq!((status, &body["errorCode"]), (429, &json!("too_many_failures")), "it was not looked at: {body}");
    assert_eq!(known().await.0, 404, "it passes");
    assert_eq!(running.answer(get(&stranger(2), &fresh)).await.0, 404, "another peer passes");
    assert_eq!(known().await.0, 404);
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vestibule_refused_total{kind=\"tokens\"} "), "{metrics}");
    running.stop().await;
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_again_costs_its_peer_once() {
    let mut running = start().await;
    // Rightly signed, and then of a client that is there no longer.
    let text = configuration("").replace("client_id = \"platform\"", "client_id = \"another\"");
    let parsed = common::parse(running.folder.path(), &text);
    running.server.as_mut().unwrap().reload(parsed).await.unwrap();
    for _ in 0..600 {
        let answer = running.request(Method::GET, "/api/v2/sessions/none").send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    running.stop().await;
}

#[tokio::test]
async fn secret_that_was_right_is_wrong_when_its_hash_has_changed() {
    let mut running = start().await;
    assert_eq!(ask(&running.client, &running.origin, "platform", SECRET).await.0, 200);
    // Hashes of other secrets for all clients.
    let text = configuration("");
    let (before, rest) = text.split_once("$argon2id$").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let other = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let changed = common::parse(running.folder.path(), &format!("{before}{other}\"{after}"));
    running.server.as_mut().unwrap().reload(changed).await.unwrap();
    assert_eq!(ask(&running.client, &running.origin, "platform", SECRET).await.0, 401);
    running.stop().await;
}

#[tokio::test]
async fn basic_credentials_are_read_encoded_and_as_they_are() {
    use base64::Engine as _;
    let running = start().await;
    let plain = format!("platform:{SECRET}");
    let encoded = format!("platform:{}", SECRET.replace(' ', "+"));
    let escaped = format!("%70latform:{}", SECRET.replace(' ', "%20"));
    for (scheme, said, expected) in [
        ("Basic", &plain, 200),
        ("basic", &encoded, 200),
        ("BASIC", &escaped, 200),
        ("Basic", &"platform:wrong%20+".to_owned(), 401),
        ("Bearer", &plain, 401),
    ] {
        let header = format!("{scheme} {}", base64::engine::general_purpose::STANDARD.encode(said));
        let request = running.client.post(format!("{}/oauth/token", running.origin)).header("authorization", header);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body("grant_type=client_credentials");
        let (status, body): (u16, Value) = running.answer(request).await;
        assert_eq!(status, expected, "{scheme} {said}: {body}");
    }
    running.stop().await;
}
