//! What the numbers are held against: tokens that are signed and posted, and nothing else.

use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::model::Timestamp;

use crate::connection::Connection;

/// To one receiver at one time, as the server does at most.
const PARALLEL: usize = 8;

/// Posts so many to these receivers, signed by the key of the server whose folder this is.
pub(crate) async fn post(ports: &[u16], count: usize, folder: &Path) {
    let file = std::fs::read(folder.join("state/keys/acme.logout/first.json")).expect("the server has made its key");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let pem = file["private_key"].as_str().expect("a key");
    let key = Arc::new(EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key of RSA"));
    let connections = ports.len() * PARALLEL;
    let mut posts = JoinSet::new();
    for (number, port) in ports.iter().cycle().take(connections).enumerate() {
        let (port, key) = (*port, Arc::clone(&key));
        let own = (number..count).step_by(connections);
        if own.len() == 0 {
            break;
        }
        posts.spawn(async move {
            let mut connection = Connection::open(("127.0.0.1", port)).await;
            for number in own {
                let body = format!("logout_token={}", sign(number, port, &key));
                let request = format!(
                    "POST /logout HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: vestibule\r\n\
                     content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                connection.ask(&request).await;
            }
        });
    }
    while let Some(done) = posts.join_next().await {
        done.expect("no connection fails");
    }
}

/// As large as the server's.
fn sign(number: usize, port: u16, key: &EncodingKey) -> String {
    let iat = Timestamp::now().as_millis() / 1_000;
    let claims = json!({
        "iss": "https://localhost/", "aud": format!("app_{port}"), "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "sid": format!("bare_{number}"), "iat": iat, "exp": iat + 120, "jti": format!("{number:032x}"),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let id = "0123456789012345678901234567890123456789012".to_owned();
    let header = Header { typ: Some("logout+jwt".to_owned()), kid: Some(id), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, &claims, key).expect("it can be signed")
}
