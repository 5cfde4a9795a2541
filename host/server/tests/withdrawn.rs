//! Tokens whose key, client or scopes were withdrawn after they had been accepted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{Running, configuration, parse, start};
use reqwest::Method;
use vestibule::model::Timestamp;
use vestibule_server::keys::{Begin, KeyFolder, KeyInfo, Purpose, SigningAlgorithm};

/// How long a test waits for what happens within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a request for a session that isn't there is answered: 404 where the token is right.
async fn status(running: &Running, token: &str) -> u16 {
    let request = running.client.request(Method::GET, format!("{}/api/v2/sessions/none", running.origin)).bearer_auth(token);
    running.answer(request).await.0
}

async fn becomes_refused(running: &Running, token: &str) {
    let started = Instant::now();
    while status(running, token).await != 401 {
        assert!(started.elapsed() < PATIENCE, "the token is still accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn keys(running: &Running) -> KeyFolder {
    let folder = Dir::open_ambient_dir(running.folder.path().join("state/keys"), ambient_authority()).unwrap();
    KeyFolder::of(&folder, &"acme".parse().unwrap(), Purpose::Access).unwrap()
}

fn list(running: &Running) -> Vec<KeyInfo> {
    keys(running).list(Timestamp::now()).unwrap()
}

#[tokio::test]
async fn revoked_key_counts_no_more_though_its_token_was_accepted() {
    let running = start().await;
    assert_eq!(status(&running, &running.token).await, 404);
    let id = list(&running)[0].id.clone();
    let revoked = keys(&running).revoke(&id, SigningAlgorithm::Es256, Timestamp::now()).unwrap();
    let made = revoked.made.expect("another key signs").id;
    becomes_refused(&running, &running.token).await;
    let token = running.token_of("acme", "read:sessions").await;
    assert_eq!(status(&running, &token).await, 404);
    assert_eq!(list(&running).iter().map(|key| &key.id).collect::<Vec<_>>(), [&made]);
    let published = running.client.get(format!("{}/.well-known/jwks.json", running.origin)).send().await.unwrap();
    assert!(!published.text().await.unwrap().contains(&id), "it is not served");
    running.stop().await;
}

#[tokio::test]
async fn key_that_signs_at_once_ends_the_access_tokens_before() {
    let running = start().await;
    keys(&running).rotate(SigningAlgorithm::Es256, Begin::AtOnce, Timestamp::now()).unwrap();
    becomes_refused(&running, &running.token).await;
    let token = running.token_of("acme", "read:sessions").await;
    assert_eq!(status(&running, &token).await, 404);
    running.stop().await;
}

#[tokio::test]
async fn tokens_of_a_removed_client_or_scope_are_refused_at_once() {
    let mut running = start().await;
    assert_eq!(status(&running, &running.token).await, 404);
    let text = configuration("");
    let reload = async |running: &mut Running, text: &str| {
        let parsed = parse(running.folder.path(), text);
        running.server.as_mut().unwrap().reload(parsed).await.unwrap();
    };
    reload(&mut running, &text.replace("\"read:sessions\", ", "").replace("\"update:session\", ", "")).await;
    assert_eq!(status(&running, &running.token).await, 403, "the client has the scope no longer");
    reload(&mut running, &text).await;
    assert_eq!(status(&running, &running.token).await, 404);
    reload(&mut running, &text.replace("client_id = \"platform\"", "client_id = \"another\"")).await;
    assert_eq!(status(&running, &running.token).await, 401);
    running.stop().await;
}
