//! Tokens of other issuers: RS256 and ES256, from a key set in a file or at a URL.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::Running;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use vestibule::model::Timestamp;

/// An issuer with a key of its own.
struct Issuer {
    signing: EncodingKey,
    keys: Value,
}

impl Issuer {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = pair.public_key();
        let (n, e) = (public.modulus(), public.exponent());
        let key = json!({
            "kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256",
            "n": encoded(n.big_endian_without_leading_zero()), "e": encoded(e.big_endian_without_leading_zero()),
        });
        Self { signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), keys: json!({ "keys": [key] }) }
    }

    fn token(&self, kid: &str, changes: Value) -> String {
        let mut claims = json!({
            "iss": "https://idp.example/", "aud": ["https://vestibule.example", "https://idp.example/userinfo"],
            "exp": Timestamp::now().as_millis() / 1_000 + 600, "scope": "openid read:sessions", "sub": "platform",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.signing).unwrap()
    }

    /// A token that is right, with another header.
    fn token_with(&self, header: Header) -> String {
        let claims: Value = claims_of(&self.token("k1", json!({})));
        jsonwebtoken::encode(&header, &claims, &self.signing).unwrap()
    }
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A server that trusts an issuer with these keys.
async fn start_with(keys: &Value) -> Running {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
    common::start_in(folder, &trusting("jwks = \"keys.json\"")).await
}

/// Asks for a session that isn't there, with this token: 404 where the token is right.
async fn status(running: &Running, token: &str) -> (u16, String) {
    let request = running.client.request(Method::GET, format!("{}/api/v2/sessions/none", running.origin)).bearer_auth(token);
    let (status, body) = running.answer(request).await;
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

fn trusting(keys: &str) -> String {
    let issuer = "issuer = \"https://idp.example/\"\naudiences = [\"https://vestibule.example\"]\nscopes = [\"read:sessions\"]";
    format!("{}\n[[tenants.acme.issuers]]\n{issuer}\n{keys}\n", common::configuration(""))
}

#[tokio::test]
async fn a_token_of_an_issuer_is_right_by_its_key_its_audience_and_its_time() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), issuer.keys.to_string()).unwrap();
    let running = common::start_in(folder, &trusting("jwks = \"keys.json\"")).await;
    assert_eq!(status(&running, &issuer.token("k1", json!({}))).await.0, 404);
    let now = Timestamp::now().as_millis() / 1_000;
    for (token, words) in [
        (other.token("k1", json!({})), "signature is wrong"),
        (issuer.token("k2", json!({})), "key is none of its issuer's"),
        (issuer.token("k1", json!({ "iss": "https://elsewhere.example/" })), "issuer is none of this tenant's"),
        (issuer.token("k1", json!({ "aud": "https://elsewhere.example" })), "another audience"),
        (issuer.token("k1", json!({ "exp": now - 3_600 })), "has expired"),
        (issuer.token("k1", json!({ "exp": null })), "not valid now"),
    ] {
        let (found, message) = status(&running, &token).await;
        assert_eq!((found, message.contains(words)), (401, true), "{message:?} should have {words:?}");
    }
    let (found, message) = status(&running, &issuer.token("k1", json!({ "scope": "openid" }))).await;
    assert_eq!(found, 403, "{message}");
    let by_permissions = issuer.token("k1", json!({ "scope": "openid", "permissions": ["read:sessions"] }));
    assert_eq!(status(&running, &by_permissions).await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_once_and_unknown_keys_do_not_make_us_ask_again_and_again() {
    let issuer = Issuer::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let (keys, count) = (issuer.keys.clone(), Arc::clone(&asked));
    let answer = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let keys = keys.clone();
        async move { axum::Json(keys) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("jwks_url = \"http://{}/keys\"", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().route("/keys", axum::routing::get(answer))).await.unwrap();
    });
    let running = common::start_with(&trusting(&url)).await;
    for number in 0..20 {
        // A token of its own each time, so that none is remembered.
        assert_eq!(status(&running, &issuer.token("k1", json!({ "jti": number }))).await.0, 404);
        assert_eq!(status(&running, &issuer.token("k2", json!({ "jti": number }))).await.0, 401);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    running.stop().await;
    serving.abort();
}

#[tokio::test]
async fn header_says_that_it_is_an_access_token() {
    let issuer = Issuer::new();
    let running = start_with(&issuer.keys).await;
    let of_kind =
        |kind: Option<&str>| Header { kid: Some("k1".to_owned()), typ: kind.map(str::to_owned), ..Header::new(Algorithm::RS256) };
    for kind in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT"), Some("APPLICATION/jwt")] {
        assert_eq!(status(&running, &issuer.token_with(of_kind(kind))).await.0, 404, "{kind:?}");
    }
    for kind in ["logout+jwt", "dpop+jwt", "application/logout+jwt", "id_token", "", "application/"] {
        let (found, message) = status(&running, &issuer.token_with(of_kind(Some(kind)))).await;
        assert_eq!((found, message.contains("the token's `typ` is")), (401, true), "{kind:?}: {message}");
    }
    for critical in [vec!["exp".to_owned()], Vec::new()] {
        let header = Header { crit: Some(critical), ..of_kind(None) };
        let (found, message) = status(&running, &issuer.token_with(header)).await;
        assert_eq!((found, message.contains("`crit`")), (401, true), "{message}");
    }
    running.stop().await;
}

#[tokio::test]
async fn key_that_is_not_for_signatures_checks_none() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let with = |issuer: &Issuer, changes: Value| {
        let mut key = issuer.keys["keys"][0].clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        // What is null is missing.
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key
    };
    let without_kid = issuer.token_with(Header::new(Algorithm::RS256));
    let encrypts = json!({ "use": "enc", "alg": "RSA-OAEP-256", "kid": null });
    let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "new" });
    let curve = json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "curve" });
    for (keys, is_right) in [
        (vec![with(&issuer, json!({ "kid": null })), with(&other, encrypts)], true),
        (vec![with(&issuer, json!({ "kid": null, "use": null, "alg": null })), unknown, curve], true),
        (vec![with(&issuer, json!({ "use": null, "key_ops": ["verify"] }))], true),
        (vec![with(&issuer, json!({ "use": "enc", "alg": null }))], false),
        (vec![with(&issuer, json!({ "use": null, "key_ops": ["encrypt", "wrapKey"] }))], false),
        (vec![with(&issuer, json!({ "alg": "RS512" }))], false),
        (vec![with(&issuer, json!({})), with(&other, json!({ "kid": "k2" }))], false),
    ] {
        let running = start_with(&json!({ "keys": keys })).await;
        let expected = if is_right { 404 } else { 401 };
        assert_eq!(status(&running, &without_kid).await.0, expected, "{keys:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn claims_are_read_as_issuers_write_them() {
    let issuer = Issuer::new();
    let running = start_with(&issuer.keys).await;
    let now = Timestamp::now().as_millis() as f64 / 1_000.0;
    for right in [
        json!({ "exp": now + 600.5, "nbf": now - 0.25, "iat": now }),
        json!({ "permissions": null }),
        json!({ "scope": ["openid", "read:sessions"] }),
        json!({ "scope": null, "permissions": ["read:sessions"] }),
        json!({ "exp": 1e300 }),
    ] {
        assert_eq!(status(&running, &issuer.token("k1", right.clone())).await.0, 404, "{right}");
    }
    for (wrong, words) in [
        (json!({ "permissions": "read:sessions" }), "`permissions` is not an array of texts"),
        (json!({ "scope": { "read:sessions": true } }), "`scope` is not a text"),
        (json!({ "exp": "soon" }), "`exp` is not a number of seconds"),
        (json!({ "nbf": true }), "`nbf` is not a number of seconds"),
        (json!({ "aud": 7 }), "`aud` is not a text"),
        (json!({ "exp": -0.5 }), "has expired"),
        (json!({ "nbf": now + 60.5 }), "not valid now"),
    ] {
        let (found, message) = status(&running, &issuer.token("k1", wrong.clone())).await;
        assert_eq!((found, message.contains(words)), (401, true), "{wrong}: {message}");
    }
    running.stop().await;
}

#[tokio::test]
async fn issuer_has_only_the_scopes_that_it_was_given() {
    let issuer = Issuer::new();
    let running = start_with(&issuer.keys).await;
    let token = issuer.token("k1", json!({ "scope": "read:sessions read:logs update:actions" }));
    assert_eq!(status(&running, &token).await.0, 404);
    let logs = running.client.get(format!("{}/api/v2/logs", running.origin)).bearer_auth(&token);
    let (status, body) = running.answer(logs).await;
    assert_eq!((status, &body["errorCode"]), (403, &json!("insufficient_scope")), "{body}");
    running.stop().await;
}

#[test]
fn issuer_without_scopes_is_a_mistake() {
    let text = trusting("jwks_url = \"https://idp.example/keys\"").replace("\nscopes = [\"read:sessions\"]\njwks", "\njwks");
    let folder = tempfile::tempdir().unwrap();
    let mistakes = vestibule_server::Configuration::parse(&folder.path().join("vestibule.toml"), &text).unwrap_err();
    assert!(mistakes.to_string().contains("what this issuer's tokens may be good for"), "{mistakes}");
}

#[tokio::test]
async fn keys_of_an_issuer_that_is_down_are_used_after_a_reload_too() {
    let issuer = Issuer::new();
    let is_down = Arc::new(AtomicBool::new(false));
    let (keys, down) = (issuer.keys.clone(), Arc::clone(&is_down));
    let answer = move || {
        let answer = if down.load(Ordering::Relaxed) { Err(StatusCode::BAD_GATEWAY) } else { Ok(axum::Json(keys.clone())) };
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("jwks_url = \"http://{}/keys\"", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().route("/keys", axum::routing::get(answer))).await.unwrap();
    });
    let mut running = common::start_with(&trusting(&url)).await;
    assert_eq!(status(&running, &issuer.token("k1", json!({}))).await.0, 404);
    is_down.store(true, Ordering::Relaxed);
    let configuration = common::parse(running.folder.path(), &trusting(&url));
    running.server.as_mut().unwrap().reload(configuration).await.unwrap();
    assert_eq!(status(&running, &issuer.token("k1", json!({ "jti": "another" }))).await.0, 404);
    running.stop().await;
    serving.abort();
}
