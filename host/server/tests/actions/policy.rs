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

/// Deploys under one name while another caller renames, over and over. Whatever comes first, the
/// policy holds.
async fn renaming_while_deploying_passes_no_policy(database: Database) {
    let running = database.start("", "capabilities = { rules = { access = [\"gate\"] } }").await;
    for round in 0..20 {
        let name = format!("gate{round}");
        let id = running.create(&name, json!({})).await;
        running.upload(&id, artifacts::DENIES).await;
        let rename = async |name: &str| running.send(Method::PATCH, &format!("actions/{id}"), json!({ "name": name })).await.0;
        assert_eq!(rename("gate").await, 200);
        let path = format!("actions/{id}/deploy");
        let (deploy, renamed) = tokio::join!(running.send(Method::POST, &path, json!({})), rename(&name));
        let action = running.get(&format!("actions/{id}")).await;
        let is_deployed = !action["deployed_version"].is_null();
        assert_eq!(is_deployed, deploy.0 == 202, "{deploy:?}");
        assert!(!(is_deployed && action["name"] != "gate"), "{renamed} {action}");
        running.answer(running.request(Method::DELETE, &format!("/api/v2/actions/actions/{id}?force=true"))).await;
    }
    running.stop().await;
}
in_both!(renaming_while_deploying_passes_no_policy);

#[tokio::test(flavor = "multi_thread")]
async fn operators_policy_refuses_what_runs_already() {
    let mut running = start().await;
    let id = running.run("gate", artifacts::DENIES, json!({})).await;
    let refusing = crate::world::configuration(&Database::Sqlite.store(), "capabilities = { rules = { access = [] } }");
    let reload = crate::common::parse(running.folder.path(), &refusing);
    let error = running.server.as_mut().unwrap().reload(reload).await.unwrap_err().to_string();
    assert!(error.contains("gate@1") && error.contains("access.deny"), "{error}");
    let login = async |running: &crate::common::Running, number: u32| {
        let event = crate::common::event(&format!("sess_{number}"), &format!("txn_{number}"));
        running.answer(running.request(Method::POST, "/v1/post-login").json(&event)).await
    };
    assert_eq!(login(&running, 1).await.1["decision"], "deny", "the configuration before counts");

    let folder = running.stop().await;
    let running = crate::common::start_in(folder, &refusing).await;
    let (status, answer) = login(&running, 2).await;
    assert_eq!((status, &answer["errorCode"]), (503, &json!("actions_unavailable")), "{answer}");
    let unbound = running.send(Method::PATCH, "triggers/post-login/bindings", json!({ "bindings": [] })).await;
    assert_eq!(unbound.0, 200, "{id}: {unbound:?}");
    assert_eq!(login(&running, 3).await.1["decision"], "allow");
    running.stop().await;
}

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
    // What is deployed keeps an origin: its logins would fail.
    let (status, answer) = running.send(Method::PATCH, &format!("actions/{id}"), json!({ "allowed_origins": [] })).await;
    assert_eq!((status, &answer["errorCode"]), (400, &json!("requests_not_allowed")), "{answer}");
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
