//! What one tenant may store, of all that is stored for it.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::time::{Duration, Instant};

use common::{ALL_SCOPES, Running, configuration, event, start_in, start_with};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// How long a test waits for what comes within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn with_quota(more: &str) -> String {
    format!("{}\n[quota]\nbytes = \"512 KiB\"\n{more}", configuration(""))
}

async fn log_in(running: &Running, number: usize) -> (u16, Value) {
    let login = event(&format!("sess_{number}"), &format!("txn_{number}"));
    running.answer(running.request(Method::POST, "/v1/post-login").json(&login)).await
}

/// Logs in until that is answered by this status: the number of the login, and the answer.
async fn log_in_until(running: &Running, from: usize, status: u16) -> (usize, Value) {
    let began = Instant::now();
    for number in from.. {
        let (answered, body) = log_in(running, number).await;
        if answered == status {
            return (number, body);
        }
        assert!([200, 507].contains(&answered), "{answered}: {body}");
        assert!(began.elapsed() < PATIENCE, "no login is answered by {status}: {body}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("there are numbers enough")
}

async fn is_full(running: &Running, request: RequestBuilder) {
    let (status, body) = running.answer(request).await;
    assert_eq!((status, &body["errorCode"]), (507, &json!("tenant_storage_full")), "{body}");
}

#[tokio::test]
async fn a_tenant_that_has_stored_all_it_may_is_refused_until_it_has_less_and_no_other_is() {
    let running = start_with(&with_quota("")).await;
    let new = json!({ "name": "gate", "supported_triggers": [{ "id": "post-login" }] });
    let (status, action) = running.answer(running.request(Method::POST, "/api/v2/actions/actions").json(&new)).await;
    assert_eq!(status, 201, "{action}");
    let action = format!("/api/v2/actions/actions/{}", action["id"].as_str().unwrap());

    let (refused, body) = log_in_until(&running, 0, 507).await;
    assert!(refused > 3, "some logins have room");
    assert_eq!(body["errorCode"], "tenant_storage_full");
    assert!(body["message"].as_str().unwrap().contains("`quota.bytes`"), "{body}");
    let metadata = json!({ "session_metadata": { "key": "value" } });
    let secret = json!({ "value": "hidden" });
    for (method, path, body) in [
        (Method::POST, "/api/v2/clients".to_owned(), json!({ "name": "shop" })),
        (Method::POST, "/api/v2/actions/actions".to_owned(), new),
        (Method::PATCH, action.clone(), json!({ "name": "other" })),
        (Method::PUT, format!("{action}/component"), json!({})),
        (Method::PUT, format!("{action}/secrets/key"), secret),
        (Method::PATCH, "/api/v2/sessions/sess_0".to_owned(), metadata),
    ] {
        is_full(&running, running.request(method, &path).json(&body)).await;
    }

    // Another tenant of this server has room of its own.
    let token = running.token_of("globex", ALL_SCOPES).await;
    let mut other = event("sess_0", "txn_0");
    other["tenant"]["id"] = "globex".into();
    let url = format!("{}/v1/post-login", running.origin_of("globex"));
    let (status, body) = running.answer(running.client.post(url).bearer_auth(token).json(&other)).await;
    assert_eq!((status, &body["decision"]), (200, &json!("allow")), "{body}");

    // What stores nothing is answered, and so is what makes room.
    let again = running.request(Method::POST, "/v1/post-login").json(&event("sess_0", "txn_0")).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["vestibule-repeated"]), (200, &"true".parse().unwrap()));
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vestibule_tenant_stored_bytes{tenant=\"acme\"} "), "{metrics}");
    assert!(!metrics.contains("vestibule_tenant_stored_bytes{tenant=\"globex\"}"), "{metrics}");
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_0")).await.0, 200);
    assert_eq!(running.answer(running.request(Method::DELETE, &action)).await.0, 204);
    let nothing = json!({ "session_metadata": {} });
    assert_eq!(running.answer(running.request(Method::PATCH, "/api/v2/sessions/sess_0").json(&nothing)).await.0, 200);
    let path = "/api/v2/users/auth0%7C5f7c8ec7c33c6c004bbafe82/sessions";
    assert_eq!(running.answer(running.request(Method::DELETE, path)).await.0, 202);

    // A new start forgets nothing of it.
    let folder = running.stop().await;
    let running = start_in(folder, &with_quota("")).await;
    let (refused, _) = log_in_until(&running, refused + 1, 507).await;
    let folder = running.stop().await;
    let keeps_little = "[keep]\ntransactions = \"1 s\"\nlog = \"1 s\"\nended_sessions = \"1 s\"";
    let running = start_in(folder, &with_quota(keeps_little)).await;
    let (refused, _) = log_in_until(&running, refused + 1, 507).await;
    log_in_until(&running, refused + 1, 200).await;
    running.stop().await;
}
