//! What Actions may see and do, and who says so.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::in_both;
use crate::world::{Actions as _, Database, start};

async fn a_deployment_that_asks_for_what_the_policy_refuses_is_refused_with_the_list(database: Database) {
    let operator = "capabilities = { rules = { access = [\"gate\"] } }";
    let running = database.start("", operator).await;
    let id = running.create("other", json!({})).await;
    running.upload(&id, artifacts::DENIES).await;
    let path = format!("actions/{id}/deploy");
    let deploy = || running.send(Method::POST, &path, json!({}));
    let (status, answer) = deploy().await;
    assert_eq!((status, &answer["errorCode"]), (403, &json!("capabilities_refused")), "{answer}");
    assert_eq!(answer["capabilities"], json!(["access.deny"]));
    // Under the name that may, it may; and the tenant's own policy counts beside the operator's.
    let (status, _) = running.send(Method::PATCH, &format!("actions/{id}"), json!({ "name": "gate" })).await;
    assert_eq!(status, 200);
    let own = json!({ "others": "allow", "rules": { "user.set-app-metadata": [] } });
    let (status, policy) = running.send(Method::PUT, "policy", own).await;
    assert_eq!((status, &policy["rules"]["user.set-app-metadata"]), (200, &json!([])), "{policy}");
    assert_eq!(policy["operator"]["rules"]["access"], json!(["gate"]), "{policy}");
    assert_eq!(running.get("policy").await, policy);
    let (status, answer) = deploy().await;
    assert_eq!((status, &answer["capabilities"]), (403, &json!(["user.set-app-metadata"])), "{answer}");
    // Not even tried: whoever may not deploy it may not run it otherwise.
    let test = json!({ "payload": crate::common::event("s", "t") });
    assert_eq!(running.send(Method::POST, &format!("actions/{id}/test"), test).await.0, 403);
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/actions/policy")).await.0, 204);
    assert_eq!(deploy().await.0, 202);
    // It can't go on under a name that may not.
    let (status, answer) = running.send(Method::PATCH, &format!("actions/{id}"), json!({ "name": "other" })).await;
    assert_eq!((status, &answer["errorCode"]), (403, &json!("capabilities_refused")), "{answer}");
    running.stop().await;
}
in_both!(a_deployment_that_asks_for_what_the_policy_refuses_is_refused_with_the_list);

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_asks_for_more_needs_a_word_and_one_that_asks_for_less_needs_none() {
    let running = start().await;
    let id = running.run("gate", artifacts::WRITES_METADATA, json!({})).await;
    running.upload(&id, artifacts::DENIES).await;
    let deploy = |body: Value| {
        let path = format!("actions/{id}/deploy");
        let running = &running;
        async move { running.send(Method::POST, &path, body).await }
    };
    let (status, answer) = deploy(json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (409, &json!("capabilities_not_accepted")));
    let added = answer["capabilities"].as_array().unwrap();
    assert!(added.contains(&json!("access.deny")) && !added.contains(&json!("session.set-metadata")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("accept_capabilities"), "{answer}");
    assert_eq!(running.version_that_ran(1).await.0, "1", "what runs goes on");
    assert_eq!(deploy(json!({ "accept_capabilities": true })).await.0, 202);
    // The same component once more is a new version that asks for nothing more.
    let (status, again) = deploy(json!({})).await;
    assert_eq!((status, &again["number"]), (202, &json!(3)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_sends_requests_is_deployed_when_it_may_send_them_somewhere() {
    let running = start().await;
    let id = running.create("caller", json!({})).await;
    assert_eq!(running.upload(&id, artifacts::SENDS_REQUESTS).await["status"], "built");
    let path = format!("actions/{id}/deploy");
    let (status, answer) = running.send(Method::POST, &path, json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (400, &json!("requests_not_allowed")), "{answer}");
    let origins = json!({ "allowed_origins": ["https://api.example.com"] });
    assert_eq!(running.send(Method::PATCH, &format!("actions/{id}"), origins).await.0, 200);
    assert_eq!(running.send(Method::POST, &path, json!({})).await.0, 202);
    running.stop().await;
}

#[tokio::test]
async fn a_rule_that_names_no_capability_is_a_mistake_of_its_own_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "listen = \"127.0.0.1:0\"\n[tenants.acme]\nhosts = [\"localhost\"]\n[tenants.acme.capabilities]\nothers = \"perhaps\"\n\
                [tenants.acme.capabilities.rules]\n\"event-user.email\" = [\"crm\"]\n\"event-user.shoe-size\" = []\nhttp = \"nobody\"\n";
    let mistakes = vestibule_server::Configuration::parse(&folder.path().join("vestibule.toml"), text).unwrap_err();
    let lines: Vec<usize> = mistakes.0.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [5, 8, 9], "{mistakes}");
    assert!(mistakes.to_string().contains("event-user.shoe-size"), "{mistakes}");
}
