//! How the server is reached: encrypted, by HTTP/2, with tokens whose time has come and isn't over.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Running, event, start};
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header};
use reqwest::{Certificate, Client, Method, Version};
use serde_json::{Value, json};
use vestibule::model::Timestamp;
use vestibule_server::StartError;

/// A certificate for `localhost`, and its key, in these files; the certificate.
fn certify(folder: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

fn trusting(certificate: &Certificate) -> Client {
    Client::builder().tls_certs_only([certificate.clone()]).build().unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_served_when_the_configuration_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    // The server that starts first chooses the program's cryptography.
    start().await.stop().await;
    let first = certify(folder.path());
    let encrypted = format!("tls = {{ certificate = \"chain.pem\", key = \"key.pem\" }}\n{}", common::configuration(""));
    common::write_components(folder.path());
    let mut server = common::try_start(folder.path(), &encrypted).await.unwrap();
    let health = format!("https://localhost:{}/healthz", server.address().port());
    let answer = trusting(&first).get(&health).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2), "both speak it, so they do");

    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let refused = server.reload(common::parse(folder.path(), &encrypted)).await;
    assert!(matches!(refused, Err(StartError::Certificate(_))), "{refused:?}");
    trusting(&first).get(&health).send().await.unwrap();

    let second = certify(folder.path());
    trusting(&second).get(&health).send().await.expect_err("it has not been told yet");
    server.reload(common::parse(folder.path(), &encrypted)).await.unwrap();
    trusting(&second).get(&health).send().await.unwrap();
    trusting(&first).get(&health).send().await.expect_err("the old one is gone");
    let plain = common::parse(folder.path(), &common::configuration(""));
    let refused = server.reload(plain).await.unwrap_err();
    assert!(refused.to_string().contains("`tls` has changed, which takes a new start"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn many_requests_go_over_one_connection() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let requests: Vec<_> = (0..200)
        .map(|_| client.get(format!("{}/api/v2/sessions/sess_1", running.origin)).bearer_auth(&running.token).send())
        .map(tokio::spawn)
        .collect();
    for request in requests {
        let answer = request.await.unwrap().unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_token_counts_in_its_time_alone_and_by_the_tenants_own_key() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let claims: Value = {
        let payload = running.token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let own = decode_header(&running.token).unwrap().kid.unwrap();
    let other = decode_header(running.token_of("globex", common::ALL_SCOPES).await).unwrap().kid.unwrap();
    let now = Timestamp::now().as_millis() / 1_000;
    let token = |changes: Value, tenant: &str, id: &str| {
        let mut claims = claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        if claims["exp"].is_null() {
            claims.as_object_mut().unwrap().remove("exp");
        }
        let file = running.folder.path().join(format!("state/keys/{tenant}.access/first.json"));
        let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let key = EncodingKey::from_ec_pem(kept["private_key"].as_str().unwrap().as_bytes()).unwrap();
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    for (token, said) in [
        (token(json!({ "exp": now - 60 }), "acme", &own), "has expired"),
        (token(json!({ "nbf": now + 60 }), "acme", &own), "is not valid now"),
        (token(json!({ "exp": null }), "acme", &own), "is not valid now"),
        (token(json!({ "aud": "https://localhost/userinfo" }), "acme", &own), "another audience"),
        (token(json!({ "iss": "https://elsewhere.example/" }), "acme", &own), "issuer is none of this tenant's"),
        (token(json!({}), "globex", &own), "signature is wrong"),
        (token(json!({}), "globex", &other), "key is none of its issuer's"),
    ] {
        let (status, body) = ask(&running, &token).await;
        assert_eq!((status, &body["errorCode"]), (401, &json!("invalid_token")), "{said}");
        assert!(body["message"].as_str().unwrap().contains(said), "{body} does not say {said:?}");
    }
    for changes in [json!({}), json!({ "nbf": now, "exp": now + 5 })] {
        assert_eq!(ask(&running, &token(changes, "acme", &own)).await.0, 200);
    }
    running.stop().await;
}

async fn ask(running: &Running, token: &str) -> (u16, Value) {
    let url = format!("{}/api/v2/sessions/sess_1", running.origin);
    running.answer(running.client.request(Method::GET, url).bearer_auth(token)).await
}
