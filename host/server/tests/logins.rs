//! A login from the platform's request to what is kept, and back.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::{event, start, start_in};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn what_an_action_wrote_is_in_the_session_and_in_the_next_login_and_after_a_new_start() {
    let running = start().await;
    let outcome = running.login(&event("sess_1", "txn_1")).await;
    assert_eq!(outcome["decision"], "allow");
    let metadata = json!({ "org_id": "org_abc123", "org_name": "Acme Corp", "org_slug": "acme" });
    assert_eq!(outcome["session"]["metadata"], metadata);
    let (status, session) = running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await;
    assert_eq!((status, &session["session_metadata"]), (200, &metadata));
    assert_eq!(session["user_id"], "auth0|5f7c8ec7c33c6c004bbafe82");
    assert_eq!(session["clients"], json!([{ "client_id": "bKqRZrNqSXGmQGJ5DGx3nMpWzGhzYwOl" }]));
    assert_eq!(session["device"]["initial_ip"], "203.0.113.42");
    assert_eq!(session["authentication"]["methods"][1]["type"], "push-notification");

    let changed =
        running.request(Method::PATCH, "/api/v2/sessions/sess_1").json(&json!({ "session_metadata": { "tier": "gold" } }));
    assert_eq!(running.answer(changed).await.0, 200);
    let mut second = event("sess_1", "txn_2");
    second["organization"] = serde_json::Value::Null;
    let outcome = running.login(&second).await;
    assert_eq!(outcome["session"]["metadata"], json!({ "tier": "gold" }), "the store knows better than the event");

    let folder = running.stop().await;
    let running = start_in(folder, &common::configuration("")).await;
    let (_, session) = running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await;
    assert_eq!(session["session_metadata"], json!({ "tier": "gold" }));
    running.stop().await;
}

#[tokio::test]
async fn a_session_that_is_not_kept_yet_takes_few_applications_from_the_event() {
    let running = start().await;
    let mut login = event("sess_1", "txn_1");
    login["session"]["clients"] = (0..256).map(|number| json!({ "client_id": format!("app_{number}") })).collect();
    running.login(&login).await;
    let clients = async || running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.1["clients"].clone();
    let first = clients().await;
    assert_eq!(
        (first.as_array().unwrap().len(), &first[0], &first[31]["client_id"]),
        (33, &json!({ "client_id": "app_0" }), &json!("app_31"))
    );
    assert_eq!(first[32]["client_id"], login["client"]["client_id"], "the one that logs in is among them");
    login["transaction"]["id"] = "txn_2".into();
    login["client"]["client_id"] = "app_200".into();
    running.login(&login).await;
    assert_eq!(clients().await[33]["client_id"], "app_200", "those that log in later are added");
    running.stop().await;
}

#[tokio::test]
async fn the_same_transaction_gives_the_same_answer_and_changes_nothing_twice() {
    let running = start().await;
    let first = running.login(&event("sess_1", "txn_1")).await;
    let cleared = running.request(Method::PATCH, "/api/v2/sessions/sess_1").json(&json!({ "session_metadata": {} }));
    assert_eq!(running.answer(cleared).await.1["session_metadata"], json!(null));
    let again = running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_1")).send().await.unwrap();
    assert_eq!(again.headers()["vestibule-repeated"], "true");
    assert_eq!(again.json::<serde_json::Value>().await.unwrap(), first);
    let (_, session) = running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await;
    assert_eq!(session["session_metadata"], json!(null));
    running.stop().await;
}

#[tokio::test]
async fn a_transaction_of_another_login_is_refused() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let mut other_user = event("sess_1", "txn_1");
    other_user["user"]["user_id"] = "auth0|another".into();
    let mut other_client = event("sess_1", "txn_1");
    other_client["client"]["client_id"] = "another".into();
    let mut no_session = event("sess_1", "txn_1");
    no_session.as_object_mut().unwrap().remove("session");
    for other in [other_user, event("sess_2", "txn_1"), other_client, no_session] {
        let (status, body) = running.answer(running.request(Method::POST, "/v1/post-login").json(&other)).await;
        assert_eq!((status, &body["errorCode"]), (409, &json!("transaction_mismatch")), "{body}");
    }
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_2")).await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_repeated_transaction_allows_no_ended_session() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_1")).await.0, 204);
    let again = running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_1"));
    let (status, body) = running.answer(again).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("session_ended")));
    running.stop().await;
}

#[tokio::test]
async fn a_repeated_denial_stays_a_denial() {
    let denies = common::configuration("").replace("organization-session-metadata.wasm", "denies.wasm");
    let running = common::start_with(&denies).await;
    let first = running.login(&event("sess_1", "txn_1")).await;
    let again = running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_1")).send().await.unwrap();
    assert_eq!(again.headers()["vestibule-repeated"], "true");
    assert_eq!(again.json::<serde_json::Value>().await.unwrap(), first);
    running.stop().await;
}

#[tokio::test]
async fn a_session_that_has_ended_does_not_come_back() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_1")).await.0, 204);
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_1")).await.0, 204);
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.0, 404);
    let login = running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_2"));
    let (status, body) = running.answer(login).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("session_ended")));
    let (status, body) = running.answer(running.request(Method::POST, "/api/v2/sessions/sess_1/revoke")).await;
    assert_eq!((status, &body["errorCode"]), (404, &json!("inexistent_session")));
    running.stop().await;
}

#[tokio::test]
async fn a_session_is_its_users_alone() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let mut other = event("sess_1", "txn_2");
    other["user"]["user_id"] = "auth0|another".into();
    let (status, body) = running.answer(running.request(Method::POST, "/v1/post-login").json(&other)).await;
    assert_eq!((status, &body["errorCode"]), (409, &json!("session_of_another_user")));
    running.stop().await;
}

#[tokio::test]
async fn a_denied_login_creates_no_session_and_the_log_says_why() {
    let denies = common::configuration("").replace("organization-session-metadata.wasm", "denies.wasm");
    let running = common::start_with(&denies).await;
    let outcome = running.login(&event("sess_1", "txn_1")).await;
    assert_eq!(outcome["decision"], "deny");
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.0, 404);
    let (_, log) = running.answer(running.request(Method::GET, "/api/v2/logs")).await;
    assert_eq!((&log[0]["type"], &log[0]["description"]), (&json!("f"), &outcome["reason"]));
    assert!(!log.to_string().contains("alice"), "no personal data is in the log: {log}");
    running.stop().await;
}

#[tokio::test]
async fn the_log_is_read_by_checkpoints_and_by_pages() {
    let running = start().await;
    for number in 0..5 {
        running.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await;
    }
    let (_, first) = running.answer(running.request(Method::GET, "/api/v2/logs?take=3")).await;
    let last = first[2]["log_id"].as_str().unwrap();
    let (_, second) = running.answer(running.request(Method::GET, &format!("/api/v2/logs?from={last}&take=3"))).await;
    let sessions =
        |log: &serde_json::Value| log.as_array().unwrap().iter().map(|entry| entry["session_id"].clone()).collect::<Vec<_>>();
    assert_eq!(sessions(&first), ["sess_0", "sess_1", "sess_2"]);
    assert_eq!(sessions(&second), ["sess_3", "sess_4"]);
    let (_, page) = running.answer(running.request(Method::GET, "/api/v2/logs?page=1&per_page=2")).await;
    assert_eq!(sessions(&page), ["sess_2", "sess_1"]);
    let (_, entry) = running.answer(running.request(Method::GET, &format!("/api/v2/logs/{last}"))).await;
    assert_eq!(entry, first[2]);
    running.stop().await;
}

#[tokio::test]
async fn a_users_sessions_come_page_by_page_and_end_together() {
    let running = start().await;
    for number in 0..5 {
        running.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await;
    }
    let path = "/api/v2/users/auth0%7C5f7c8ec7c33c6c004bbafe82/sessions";
    let mut found = Vec::new();
    let mut from = String::new();
    loop {
        let (status, page) = running.answer(running.request(Method::GET, &format!("{path}?take=2&from={from}"))).await;
        assert_eq!(status, 200, "{page}");
        found.extend(page["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => from = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, ["sess_0", "sess_1", "sess_2", "sess_3", "sess_4"]);
    assert_eq!(running.answer(running.request(Method::DELETE, path)).await.0, 202);
    let (_, page) = running.answer(running.request(Method::GET, path)).await;
    assert_eq!(page, json!({ "sessions": [] }));
    running.stop().await;
}
