//! A tenant's credentials see and name nothing of another tenant: through every route that there
//! is.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::common::{Running, event};
use crate::in_both;
use crate::world::{Actions as _, Database, until};

/// Everything that can be asked, as the document has it.
async fn operations(running: &Running) -> Vec<(Method, String)> {
    let document: Value =
        running.client.get(format!("{}/openapi.json", running.origin)).send().await.unwrap().json().await.unwrap();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            found.push((method, path.clone()));
        }
    }
    found
}

/// What of tenant `acme` a path may name.
struct Names {
    action: String,
    version: String,
    execution: String,
    log: String,
}

impl Names {
    fn fill(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/executions/") => &self.execution,
            path if path.contains("/actions/actions/") => &self.action,
            path if path.contains("/logs/") => &self.log,
            path if path.contains("/users/") => "auth0%7C5f7c8ec7c33c6c004bbafe82",
            path if path.contains("/clients/") => "of-acme",
            _ => "sess_of_acme",
        };
        let filled = path.replace("{id}", id).replace("{version}", &self.version).replace("{name}", "API_KEY");
        let filled = filled.replace("{trigger}", "post-login");
        assert!(!filled.contains('{'), "this test has no name for a part of {path}: add one");
        filled
    }

    /// Whether an answer tells anything of them.
    fn are_told_by(&self, answer: &str) -> bool {
        [&self.action, &self.version, &self.execution, "sess_of_acme", "of-acme", "acme-alone"]
            .iter()
            .any(|name| answer.contains(*name))
    }
}

async fn no_route_answers_a_foreign_token_or_shows_what_is_foreign(database: Database) {
    let running = database.start("", "").await;
    let secret = json!({ "secrets": [{ "name": "API_KEY", "value": "of acme" }], "configuration": { "key": "acme-alone" } });
    let action = running.run("acme-alone", artifacts::WRITES_METADATA, secret).await;
    let client = json!({ "client_id": "of-acme", "name": "of-acme" });
    assert_eq!(running.answer(running.request(Method::POST, "/api/v2/clients").json(&client)).await.0, 201);
    running.login(&event("sess_of_acme", "txn_of_acme")).await;
    let execution = until("the execution is kept", async || {
        running.get("executions").await["executions"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let version = running.get(&format!("actions/{action}")).await["deployed_version"]["id"].as_str().unwrap().to_owned();
    let logs = running.answer(running.request(Method::GET, "/api/v2/logs")).await.1;
    let log = logs[0]["log_id"].as_str().unwrap().to_owned();
    let names = Names { action: action.clone(), version, execution, log };
    let before = [running.get("actions").await, running.get("triggers/post-login/bindings").await, running.get("policy").await];
    let of_globex = running.token_of("globex", crate::common::ALL_SCOPES).await;
    let bodies = [
        json!({}),
        json!({ "name": "taken" }),
        json!({ "bindings": [{ "ref": { "type": "action_id", "value": action } }] }),
        json!({ "value": "x" }),
    ];
    let operations = operations(&running).await;
    assert!(operations.len() >= 44, "{} operations are told", operations.len());
    for (method, path) in &operations {
        let is_open = !path.starts_with("/api/") && !path.starts_with("/v1/");
        // The operator's own, who knows all tenants.
        if path == "/metrics" {
            continue;
        }
        for body in &bodies {
            let filled = names.fill(path);
            // With a token of globex at acme's host: nothing.
            if !is_open {
                let request = running.client.request(method.clone(), format!("{}{filled}", running.origin));
                let answer = request.bearer_auth(&of_globex).json(body).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 401, "{method} {path}: {}", answer.text().await.unwrap());
            }
            // At its own host, with acme's names: nothing of acme.
            let request = running.client.request(method.clone(), format!("{}{filled}", running.origin_of("globex")));
            let answer = request.bearer_auth(&of_globex).json(body).send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            let is_told_back = text.contains(&action) && body.to_string().contains(&action);
            assert!(is_told_back || !names.are_told_by(&text), "{method} {path} with {body}: {status} {text}");
            let is_named = path.contains("{id}") && path.contains("/actions/");
            if is_named && !matches!(status, 400 | 404 | 405) {
                panic!("{method} {path} with {body}: {status} {text}");
            }
        }
    }
    // And nothing of it has changed.
    let after = [running.get("actions").await, running.get("triggers/post-login/bindings").await, running.get("policy").await];
    assert_eq!(before, after);
    let (status, _) = running.answer(running.request(Method::GET, "/api/v2/sessions/sess_of_acme")).await;
    assert_eq!(status, 200, "the session lives");
    let outcome = running.login(&event("sess_2", "txn_2")).await;
    assert_eq!(outcome["session"]["metadata"]["acme-alone"], "🦀", "{outcome}");
    running.stop().await;
}
in_both!(no_route_answers_a_foreign_token_or_shows_what_is_foreign);

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_with_the_same_component_and_names_share_nothing() {
    let running = Database::Sqlite.start("", "").await;
    let acme = running.run("gate", artifacts::DENIES, json!({})).await;
    let token = running.token_of("globex", crate::common::ALL_SCOPES).await;
    let ask = |method: Method, path: &str, body: Value| {
        let request = running.client.request(method, format!("{}/api/v2/actions/{path}", running.origin_of("globex")));
        let request = request.bearer_auth(&token).json(&body);
        let running = &running;
        async move { running.answer(request).await }
    };
    let (status, action) =
        ask(Method::POST, "actions", json!({ "name": "gate", "supported_triggers": [{ "id": "post-login" }] })).await;
    assert_eq!(status, 201, "{action}");
    let id = action["id"].as_str().unwrap();
    let upload = running.client.put(format!("{}/api/v2/actions/actions/{id}/component", running.origin_of("globex")));
    assert_eq!(running.answer(upload.bearer_auth(&token).body(artifacts::DENIES.to_vec())).await.1["status"], "built");
    assert_eq!(ask(Method::DELETE, &format!("actions/{id}"), json!({})).await.0, 204);
    assert_eq!(running.version_that_ran(1).await.1["decision"], "deny", "the other's component is the other's");
    assert_eq!(running.get(&format!("actions/{acme}")).await["component"]["size"], artifacts::DENIES.len());
    running.stop().await;
}
