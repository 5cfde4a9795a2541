//! What bad input gets: the right status, in the shape of Auth0's errors.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{configuration, event, start, start_with};
use reqwest::Method;
use serde_json::{Value, json};

fn refused(answer: (u16, Value)) -> (u16, String) {
    let (status, body) = answer;
    assert_eq!(body["statusCode"], status, "{body}");
    assert!(body["error"].is_string() && body["message"].is_string(), "{body}");
    (status, body["errorCode"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_token_is_good_for_its_tenant_its_scopes_and_nothing_else() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let get = |token: Option<&str>| {
        let request = running.client.get(format!("{}/api/v2/sessions/sess_1", running.origin));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    assert_eq!(refused(running.answer(get(None)).await), (401, "missing_token".into()));
    let invalid = (401, "invalid_token".to_owned());
    for token in ["", "x", "a.b.c"] {
        let (status, _) = refused(running.answer(get(Some(token))).await);
        assert_eq!(status, 401);
    }
    let other = running.token_of("globex", common::ALL_SCOPES).await;
    assert_eq!(refused(running.answer(get(Some(&other))).await), invalid, "a token of another tenant");
    // The same claims, signed by nobody.
    let claims = running.token.split('.').nth(1).unwrap();
    let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#));
    let (status, body) = running.answer(get(Some(&none))).await;
    assert_eq!((status, body["message"].as_str().unwrap().contains("none")), (401, true), "{body}");
    // The same token with another claim.
    let mut parts: Vec<String> = running.token.split('.').map(str::to_owned).collect();
    let mut changed: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[1]).unwrap()).unwrap();
    changed["exp"] = 9_999_999_999u64.into();
    parts[1] = URL_SAFE_NO_PAD.encode(changed.to_string());
    assert_eq!(refused(running.answer(get(Some(&parts.join(".")))).await), invalid, "a signature of other claims");
    let little = running.token_of("acme", "read:logs").await;
    let (status, body) = running.answer(get(Some(&little))).await;
    assert_eq!((status, &body["errorCode"]), (403, &json!("insufficient_scope")));
    assert_eq!(body["message"], "Insufficient scope, expected any of: read:sessions update:session");
    let enough = running.token_of("acme", "update:session").await;
    assert_eq!(running.answer(get(Some(&enough))).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_tenant_has_some_clients_and_no_more() {
    let running = start_with(&format!("quota = {{ clients = 2 }}\n{}", configuration(""))).await;
    let create = |id: &str| {
        let body = json!({ "client_id": id, "name": id });
        running.answer(running.request(Method::POST, "/api/v2/clients").json(&body))
    };
    // The configuration has one.
    assert_eq!(create("shop").await.0, 201);
    let (status, body) = create("desk").await;
    assert!(body["message"].as_str().unwrap().contains("at most 2 clients"), "{body}");
    assert_eq!(refused((status, body)), (409, "too_many_clients".into()));
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/clients/desk")).await.0, 404, "nothing was kept of it");
    let token = running.token_of("globex", common::ALL_SCOPES).await;
    let other = running.client.post(format!("{}/api/v2/clients", running.origin_of("globex"))).bearer_auth(token);
    assert_eq!(running.answer(other.json(&json!({ "client_id": "shop", "name": "shop" }))).await.0, 201, "each has its own");
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/clients/shop")).await.0, 204);
    assert_eq!(create("desk").await.0, 201);
    running.stop().await;
}

#[tokio::test]
async fn a_login_whose_answer_was_not_stored_is_known_and_not_run_again() {
    let running = start_with(&format!("quota = {{ answers = \"1\" }}\n{}", configuration(""))).await;
    let again = || running.answer(running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_1")));
    assert_eq!(running.login(&event("sess_1", "txn_1")).await["decision"], "allow");
    for _ in 0..2 {
        assert_eq!(refused(again().await), (409, "answer_not_stored".into()));
    }
    let (_, log) = running.answer(running.request(Method::GET, "/api/v2/logs")).await;
    assert_eq!(log.as_array().unwrap().iter().filter(|entry| entry["type"] == "s").count(), 1, "{log}");
    assert_eq!(running.login(&event("sess_1", "txn_2")).await["decision"], "allow", "by another id the session goes on");
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_1")).await.0, 204);
    assert_eq!(refused(again().await), (409, "session_ended".into()), "what is over is over");
    running.stop().await;
}

#[tokio::test]
async fn a_client_without_its_secret_gets_no_token() {
    let running = start().await;
    let ask = |body: Value| running.client.post(format!("{}/oauth/token", running.origin)).json(&body);
    let right = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": common::SECRET });
    let changed = |name: &str, value: &str| {
        let mut body = right.clone();
        body[name] = value.into();
        body
    };
    for (body, status, error) in [
        (changed("client_secret", "wrong"), 401, "access_denied"),
        (changed("client_id", "nobody"), 401, "access_denied"),
        (changed("grant_type", "password"), 400, "unsupported_grant_type"),
        (changed("audience", "https://elsewhere.example/api/v2/"), 403, "access_denied"),
        (changed("scope", "read:everything"), 403, "access_denied"),
    ] {
        let (found, answer) = running.answer(ask(body)).await;
        assert_eq!((found, answer["error"].as_str()), (status, Some(error)), "{answer}");
    }
    let in_order = json!(["client_credentials", "platform", common::SECRET, null, null]);
    let (status, answer) = running.answer(ask(in_order)).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "an array is no object");
    let form = running.client.post(format!("{}/oauth/token", running.origin)).basic_auth("platform", Some(common::SECRET));
    let form = form.header("content-type", "application/x-www-form-urlencoded").body("grant_type=client_credentials");
    assert_eq!(running.answer(form).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn metadata_that_breaks_a_rule_is_refused_and_what_was_there_stays() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let many: serde_json::Map<String, Value> = (0..26).map(|number| (format!("k{number}"), "v".into())).collect();
    let long = "x".repeat(256);
    let cases = [
        json!({ "session_metadata": many }),
        json!({ "session_metadata": { &long: "v" } }),
        json!({ "session_metadata": { "k": &long } }),
        json!({ "session_metadata": { "the key": "v" } }),
        json!({ "session_metadata": { "": "v" } }),
        json!({ "session_metadata": { "k": 1 } }),
        json!({ "session_metadata": { "k": { "deep": true } } }),
        json!({ "session_metadata": [] }),
        json!({ "session_metadata": "x" }),
        json!({}),
        json!({ "session_metadata": {}, "user_id": "me" }),
        json!([]),
        json!([{ "tier": "gold" }]),
    ];
    for case in cases {
        let (status, code) = refused(running.answer(running.request(Method::PATCH, "/api/v2/sessions/sess_1").json(&case)).await);
        assert_eq!((status, code.as_str()), (400, "invalid_body"), "{case}");
    }
    let raw = |body: String| running.request(Method::PATCH, "/api/v2/sessions/sess_1").body(body);
    for body in ["", "{", "\u{1}", "{\"session_metadata\": {}} 1"] {
        assert_eq!(refused(running.answer(raw(body.to_owned())).await).0, 400, "{body:?}");
    }
    let deep = format!("{{\"session_metadata\": {}", "{\"a\":".repeat(10_000));
    assert_eq!(refused(running.answer(raw(deep)).await).0, 400);
    assert_eq!(refused(running.answer(raw(" ".repeat(300 << 10))).await).0, 413);
    let (_, session) = running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await;
    assert_eq!(session["session_metadata"]["org_id"], "org_abc123");
    running.stop().await;
}

#[tokio::test]
async fn a_path_a_query_and_an_event_that_are_wrong_are_told() {
    let running = start().await;
    for (method, path, status, code) in [
        (Method::GET, "/api/v2/sessions/sess_unknown", 404, "inexistent_session"),
        (Method::GET, "/api/v2/sessions/a%20b", 400, "invalid_uri"),
        (Method::GET, "/api/v2/sessions/%FF", 400, "invalid_uri"),
        (Method::GET, "/api/v2/logs/nothing", 400, "invalid_uri"),
        (Method::GET, "/api/v2/logs/log_00000000000000000077", 404, "inexistent_log"),
        (Method::GET, "/api/v2/logs?take=0", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?take=many", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?from=here", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?page=1000", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?search=x", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?take=1&take=2", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?q=type:s%20OR%20type:f", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?q=user_name:a", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?sort=type:1", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?from=&q=type:s", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs?take=5&sort=date:-1", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/logs/log_00000000000000000077?fields=type", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/clients?app_type=spa", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/sessions/sess_1?fields=id", 400, "invalid_query_string"),
        (Method::DELETE, "/api/v2/sessions/sess_1?force=true", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/actions/actions?include_totals=true", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/actions/executions?page=0", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/actions/triggers?page=0", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/actions/triggers/post-login/bindings?take=1", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/users/u/sessions?page=0", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/users/u/sessions?take=101", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/users/u/sessions?from=%21", 400, "invalid_query_string"),
        (Method::GET, "/api/v2/nothing", 403, "not_served"),
        (Method::GET, "/api/v2/rules", 403, "not_served"),
        (Method::GET, "/api/v2/clients?is_global=true", 403, "not_served"),
        (Method::GET, "/api/v3/clients", 404, "not_found"),
        (Method::PUT, "/api/v2/sessions/sess_1", 405, "method_not_allowed"),
    ] {
        let found = refused(running.answer(running.request(method.clone(), path)).await);
        assert_eq!(found, (status, code.to_owned()), "{method} {path}");
    }
    let login = |body: String| running.request(Method::POST, "/v1/post-login").body(body);
    let mut of_another = event("sess_1", "txn_1");
    of_another["tenant"]["id"] = "globex".into();
    for body in [String::new(), "{}".to_owned(), of_another.to_string(), event("sess_1", "a b").to_string()] {
        assert_eq!(refused(running.answer(login(body)).await), (400, "invalid_body".into()));
    }
    assert_eq!(refused(running.answer(login(" ".repeat((1 << 20) + 1))).await).0, 413);
    let nobody = running.client.get(running.origin.clone() + "/api/v2/logs").header("host", "nobody.example");
    assert_eq!(refused(running.answer(nobody).await), (404, "unknown_tenant".into()));
    running.stop().await;
}

#[tokio::test]
async fn too_many_requests_are_told_when_there_is_room_again() {
    let slow = common::configuration("").replace("per_second = 100000, burst = 100000", "per_second = 1, burst = 2");
    let running = common::start_with(&slow).await;
    let get = || running.request(Method::GET, "/api/v2/sessions/sess_1");
    for _ in 0..10 {
        let stranger = running.client.get(format!("{}/api/v2/sessions/sess_1", running.origin)).bearer_auth("made.up.token");
        assert_eq!(running.answer(stranger).await.0, 401, "strangers don't use up what the tenant may ask");
    }
    let first = get().send().await.unwrap();
    assert_eq!((first.status().as_u16(), &first.headers()["x-ratelimit-limit"]), (404, &"2".parse().unwrap()));
    assert_eq!(first.headers()["x-ratelimit-remaining"], "1");
    get().send().await.unwrap();
    let third = get().send().await.unwrap();
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("x-ratelimit-reset"));
    assert_eq!(third.headers()["retry-after"], "1");
    assert_eq!(running.login(&event("sess_1", "txn_1")).await["decision"], "allow", "logins are never held up by it");
    running.stop().await;
}
