//! What bad input gets: the right status, in the shape of Auth0's errors.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::in_both;
use crate::world::{Actions as _, Database, start};

const NOBODY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_has_its_status_and_its_code() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    let create = |body: Value| {
        let mut whole = json!({ "name": "other", "supported_triggers": [{ "id": "post-login" }] });
        for (name, value) in body.as_object().unwrap() {
            whole[name] = value.clone();
        }
        (Method::POST, "actions".to_owned(), whole)
    };
    let change = |body: Value| (Method::PATCH, format!("actions/{id}"), body);
    let bind = |body: Value| (Method::PATCH, "triggers/post-login/bindings".to_owned(), json!({ "bindings": [body] }));
    let policy = |body: Value| (Method::PUT, "policy".to_owned(), body);
    let many: Vec<Value> = (0..101).map(|number| json!({ "name": format!("s{number}"), "value": "v" })).collect();
    let cases = [
        (create(json!({ "name": "gate" })), 409, "action_name_taken"),
        (create(json!({ "name": "a/b" })), 400, "invalid_body"),
        (create(json!({ "name": "" })), 400, "invalid_body"),
        (create(json!({ "supported_triggers": [] })), 400, "invalid_body"),
        (create(json!({ "supported_triggers": [{ "id": "pre-user-registration" }] })), 400, "invalid_body"),
        (create(json!({ "code": "exports.onExecutePostLogin = async () => {};" })), 400, "invalid_body"),
        (create(json!({ "dependencies": [{ "name": "axios" }] })), 400, "invalid_body"),
        (create(json!({ "deploy": true })), 400, "invalid_body"),
        (create(json!({ "secrets": [{ "name": "KEY" }] })), 400, "invalid_body"),
        (create(json!({ "secrets": [{ "name": "", "value": "v" }] })), 400, "invalid_body"),
        (create(json!({ "secrets": [{ "name": "a\u{0}b", "value": "v" }] })), 400, "invalid_body"),
        (create(json!({ "secrets": many })), 400, "invalid_body"),
        (create(json!({ "configuration": { "a": 1 } })), 400, "invalid_body"),
        (create(json!({ "configuration": { "a": "\u{0}" } })), 400, "invalid_body"),
        (create(json!({ "allowed_origins": ["example.com"] })), 400, "invalid_body"),
        (create(json!({ "limits": { "cpu": 1 } })), 400, "invalid_body"),
        (create(json!({ "on_failure": "retry" })), 400, "invalid_body"),
        (create(json!({ "unknown": 1 })), 400, "invalid_body"),
        (change(json!({ "secrets": [{ "name": "KEY" }] })), 400, "invalid_body"),
        (change(json!([])), 400, "invalid_body"),
        ((Method::GET, format!("actions/{NOBODY}"), json!({})), 404, "inexistent_action"),
        ((Method::PATCH, format!("actions/{NOBODY}"), json!({})), 404, "inexistent_action"),
        ((Method::DELETE, format!("actions/{NOBODY}"), json!({})), 404, "inexistent_action"),
        ((Method::PUT, format!("actions/{NOBODY}/component"), json!({})), 404, "inexistent_action"),
        ((Method::GET, format!("actions/{id}/component"), json!({})), 404, "inexistent_component"),
        ((Method::GET, format!("actions/{id}/versions/{NOBODY}"), json!({})), 404, "inexistent_version"),
        ((Method::POST, format!("actions/{id}/versions/{NOBODY}/deploy"), json!({})), 404, "inexistent_version"),
        ((Method::POST, format!("actions/{id}/deploy"), json!({})), 400, "not_built"),
        ((Method::POST, format!("actions/{id}/deploy"), json!({ "force": true })), 400, "invalid_body"),
        ((Method::POST, format!("actions/{id}/test"), json!({ "payload": {} })), 400, "invalid_body"),
        ((Method::GET, "actions/no-id".to_owned(), json!({})), 400, "invalid_uri"),
        ((Method::GET, "actions?per_page=0".to_owned(), json!({})), 400, "invalid_query_string"),
        ((Method::GET, "actions?triggerId=nothing".to_owned(), json!({})), 400, "invalid_query_string"),
        ((Method::GET, "actions?deployed=perhaps".to_owned(), json!({})), 400, "invalid_query_string"),
        ((Method::GET, "triggers/nothing/bindings".to_owned(), json!({})), 404, "inexistent_trigger"),
        ((Method::GET, format!("executions/{NOBODY}"), json!({})), 404, "inexistent_execution"),
        ((Method::GET, "executions?status=lost".to_owned(), json!({})), 400, "invalid_query_string"),
        ((Method::GET, "executions?from=here".to_owned(), json!({})), 400, "invalid_query_string"),
        (bind(json!({ "ref": { "type": "action_name", "value": "nobody" } })), 400, "invalid_body"),
        (bind(json!({ "ref": { "type": "action_id", "value": "x" } })), 400, "invalid_body"),
        (bind(json!({ "ref": { "type": "action_name", "value": "gate" } })), 400, "action_not_deployed"),
        (bind(json!({ "ref": ["action_name", "gate"] })), 400, "invalid_body"),
        (policy(json!({ "rules": { "event-user.shoe-size": [] } })), 400, "invalid_body"),
        (policy(json!({ "others": "perhaps" })), 400, "invalid_body"),
        ((Method::PUT, format!("actions/{id}/secrets/KEY"), json!({ "value": 5 })), 400, "invalid_body"),
        ((Method::PUT, format!("actions/{id}/secrets/{}", "n".repeat(129)), json!({ "value": "v" })), 400, "invalid_uri"),
        ((Method::PUT, format!("actions/{NOBODY}/secrets/KEY"), json!({ "value": "v" })), 404, "inexistent_action"),
        ((Method::DELETE, format!("actions/{NOBODY}/secrets/KEY"), json!({})), 404, "inexistent_action"),
        ((Method::POST, format!("actions/{id}"), json!({})), 405, "method_not_allowed"),
    ];
    for ((method, path, body), status, code) in cases {
        let (found, answer) = running.send(method.clone(), &path, body.clone()).await;
        assert_eq!((found, answer["errorCode"].as_str()), (status, Some(code)), "{method} {path} {body}: {answer}");
        assert_eq!(answer["statusCode"], status, "{answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    let untouched = running.get("actions").await;
    assert_eq!((&untouched["total"], &untouched["actions"][0]["secrets"]), (&json!(1), &json!([])));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_is_asked_for_what_is_its_own() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    for (method, path, scope) in [
        (Method::GET, "actions".to_owned(), "read:actions"),
        (Method::POST, "actions".to_owned(), "create:actions"),
        (Method::GET, format!("actions/{id}"), "read:actions"),
        (Method::PATCH, format!("actions/{id}"), "update:actions"),
        (Method::DELETE, format!("actions/{id}"), "delete:actions"),
        (Method::PUT, format!("actions/{id}/component"), "update:actions"),
        (Method::GET, format!("actions/{id}/component"), "read:actions"),
        (Method::PUT, format!("actions/{id}/secrets/KEY"), "update:actions"),
        (Method::DELETE, format!("actions/{id}/secrets/KEY"), "update:actions"),
        (Method::POST, format!("actions/{id}/deploy"), "update:actions"),
        (Method::POST, format!("actions/{id}/test"), "update:actions"),
        (Method::GET, format!("actions/{id}/versions"), "read:actions"),
        (Method::GET, format!("actions/{id}/versions/{NOBODY}"), "read:actions"),
        (Method::GET, format!("actions/{id}/versions/{NOBODY}/component"), "read:actions"),
        (Method::POST, format!("actions/{id}/versions/{NOBODY}/deploy"), "update:actions"),
        (Method::GET, "triggers".to_owned(), "read:actions"),
        (Method::GET, "triggers/post-login/bindings".to_owned(), "read:actions"),
        (Method::PATCH, "triggers/post-login/bindings".to_owned(), "update:actions"),
        (Method::GET, "executions".to_owned(), "read:actions"),
        (Method::GET, format!("executions/{NOBODY}"), "read:actions"),
        (Method::GET, "policy".to_owned(), "read:actions"),
        (Method::PUT, "policy".to_owned(), "update:action_policy"),
        (Method::DELETE, "policy".to_owned(), "update:action_policy"),
    ] {
        let others: Vec<&str> = crate::common::ALL_SCOPES.split_whitespace().filter(|other| *other != scope).collect();
        let token = running.token_of("acme", &others.join(" ")).await;
        let request = running.client.request(method.clone(), format!("{}/api/v2/actions/{path}", running.origin));
        let (status, answer) = running.answer(request.bearer_auth(token).json(&json!({}))).await;
        assert_eq!((status, &answer["errorCode"]), (403, &json!("insufficient_scope")), "{method} {path}: {answer}");
        assert!(answer["message"].as_str().unwrap().ends_with(scope), "{method} {path}: {answer}");
    }
    running.stop().await;
}

async fn a_tenant_has_so_many_actions_and_no_more(database: Database) {
    let running = database.start("actions = { each = 2 }", "").await;
    for name in ["a", "b"] {
        running.create(name, json!({})).await;
    }
    let third = json!({ "name": "c", "supported_triggers": [{ "id": "post-login" }] });
    let (status, answer) = running.send(Method::POST, "actions", third.clone()).await;
    assert_eq!((status, &answer["errorCode"]), (409, &json!("too_many_actions")));
    assert!(answer["message"].as_str().unwrap().contains("actions.each"), "{answer}");
    let id = running.get("actions?actionName=a").await["actions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(running.answer(running.request(Method::DELETE, &format!("/api/v2/actions/actions/{id}"))).await.0, 204);
    assert_eq!(running.send(Method::POST, "actions", third).await.0, 201);
    running.stop().await;
}
in_both!(a_tenant_has_so_many_actions_and_no_more);

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_bound_once_and_a_flow_has_as_many_as_its_limit() {
    let running = Database::Sqlite.start("", "limits = { actions = 1 }").await;
    for name in ["a", "b"] {
        let id = running.create(name, json!({})).await;
        running.upload(&id, artifacts::DENIES).await;
        running.deploy(&id).await;
    }
    let named = |name: &str| json!({ "ref": { "type": "action_name", "value": name } });
    let bind = |names: &[&str]| {
        let body = json!({ "bindings": names.iter().map(|name| named(name)).collect::<Vec<_>>() });
        let running = &running;
        async move { running.send(Method::PATCH, "triggers/post-login/bindings", body).await }
    };
    let (status, answer) = bind(&["a", "b"]).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("limit `actions`"), "{answer}");
    assert_eq!(bind(&["a"]).await.0, 200);
    running.stop().await;
    let running = start().await;
    running.run("a", artifacts::DENIES, json!({})).await;
    let twice = json!({ "bindings": [named("a"), named("a")] });
    let (status, answer) = running.send(Method::PATCH, "triggers/post-login/bindings", twice).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("twice"), "{answer}");
    running.stop().await;
}
