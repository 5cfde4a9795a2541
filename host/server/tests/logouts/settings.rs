//! What an application wants to hear may change at any time, and so may the keys.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::receivers::{Heard, Receiver, nobody, says};
use crate::world::{Setup, World, until};

/// The token is signed by one of the tenant's published keys, by the tenant's issuer, for its
/// application. The key's id.
pub(crate) async fn verified(world: &World, heard: &Heard) -> String {
    let set: JwkSet = serde_json::from_value(world.ask(Method::GET, "/.well-known/jwks.json", None).await).unwrap();
    let id = decode_header(&heard.token).unwrap().kid.unwrap();
    let key = set.find(&id).unwrap_or_else(|| panic!("{id} is not published"));
    let mut validation = Validation::new(decode_header(&heard.token).unwrap().alg);
    validation.set_audience(&[heard.claim("aud")]);
    validation.set_issuer(&["https://localhost/"]);
    decode::<Value>(&heard.token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    id
}

async fn subscribe(world: &World, id: &str, url: &str) {
    let logout = json!({ "backchannel_logout_urls": [url], "backchannel_logout_initiators": { "mode": "all" } });
    world.ask(Method::POST, "/api/v2/clients", Some(json!({ "client_id": id, "name": id, "oidc_logout": logout }))).await;
}

/// The store has no deliveries any more.
async fn is_empty(world: &World) {
    until("nothing is pending", async || world.deliveries().await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_unsubscribes_or_is_deleted_is_not_sent_what_is_pending() {
    let port = nobody().await;
    let world = World::start(&Setup::default()).await;
    let url = format!("https://localhost:{port}/logout");
    for id in ["unsubscribes", "is_deleted", "stays"] {
        subscribe(&world, id, &url).await;
        world.login_and_end(&format!("of_{id}"), id).await;
        world.line(&format!("of_{id}"), id).await;
    }
    world.ask(Method::PATCH, "/api/v2/clients/unsubscribes", Some(json!({ "oidc_logout": null }))).await;
    world.ask(Method::DELETE, "/api/v2/clients/is_deleted", None).await;
    let receiver = Receiver::at(port, says("200 OK")).await;
    receiver.hears_of("of_stays").await;
    is_empty(&world).await;
    let heard: Vec<_> = receiver.heard().iter().map(|heard| heard.claim("sid").to_owned()).collect();
    assert_eq!(heard, ["of_stays"]);
    // Subscribed anew, it hears of what ends from then on.
    subscribe(&world, "is_deleted", &url).await;
    world.login_and_end("later", "is_deleted").await;
    receiver.hears_of("later").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_read_again_says_where_tokens_go_from_then_on() {
    let port = nobody().await;
    let after = Receiver::start(says("200 OK")).await;
    let empty = Setup::default();
    let mut world = World::start(&empty.clone().application("shop", &format!("https://localhost:{port}/logout"))).await;
    world.login_and_end("before", "shop").await;
    world.line("before", "shop").await;
    world.login("after", "shop").await;
    world.reload(&empty.clone().application("shop", &after.url())).await;
    world.end("after", "rp-logout").await;
    after.hears_of("after").await;
    is_empty(&world).await;
    world.login("silent", "shop").await;
    world.reload(&empty).await;
    world.end("silent", "rp-logout").await;
    assert_eq!(world.written("silent").await, 0);
    assert_eq!(after.heard().len(), 1, "what was pending for the old URL is gone");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_and_metrics_tell_of_logouts() {
    let receiver = Receiver::first(says("503 Service Unavailable"), says("200 OK")).await;
    let world = World::start(&Setup::default().application("shop", &receiver.url())).await;
    let found = world.ask(Method::GET, "/.well-known/openid-configuration", None).await;
    assert_eq!(
        (&found["backchannel_logout_supported"], &found["backchannel_logout_session_supported"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(found["id_token_signing_alg_values_supported"], json!(["RS256"]));
    world.login_and_end("sess_1", "shop").await;
    world.lines("sess_1", "shop", 2).await;
    let metrics =
        world.running.client.get(format!("{}/metrics", world.running.origin)).send().await.unwrap().text().await.unwrap();
    for line in [
        "vestibule_logout_attempt_duration_seconds_count{tenant=\"acme\",result=\"retry\"} 1",
        "vestibule_logout_attempt_duration_seconds_count{tenant=\"acme\",result=\"delivered\"} 1",
        "vestibule_logout_delay_seconds_count 1",
        "vestibule_logouts_pending 0",
        "vestibule_logouts_oldest_seconds 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    world.stop().await;
}
