//! Secrets go in, and never come out.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_server::sealing::{RotateError, SealError, SealingKeys, Unopened};
use vestibule_test_artifacts as artifacts;

use crate::common::event;
use crate::in_both;
use crate::world::{Actions as _, Database, until};

const VALUE: &str = "a value that stands nowhere else";
const OTHER: &str = "another value that stands nowhere";

/// The files of a folder that hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if std::fs::read(&path).is_ok_and(|read| read.windows(bytes.len()).any(|window| window == bytes)) {
            found.push(path.display().to_string());
        }
    }
    found
}

async fn a_secret_reaches_its_action_and_stands_in_no_answer_and_no_file(database: Database) {
    let running = database.start("", "").await;
    let mut answers = Vec::new();
    let created = json!({ "name": "reader", "supported_triggers": [{ "id": "post-login" }],
                          "secrets": [{ "name": "API_KEY", "value": VALUE }, { "name": "OLD", "value": VALUE }] });
    let (status, action) = running.send(Method::POST, "actions", created).await;
    assert_eq!(status, 201);
    let id = action["id"].as_str().unwrap().to_owned();
    answers.push(action);
    answers.push(running.upload(&id, artifacts::READS_A_SECRET).await);
    answers.push(running.deploy(&id).await);
    running.bind(&["reader"]).await;
    let length = |outcome: &Value| outcome["id_token"]["claims"]["secret_length"].clone();
    answers.push(running.login(&event("s1", "t1")).await);
    assert_eq!(length(answers.last().unwrap()), VALUE.len());
    // One that is given without a value keeps it; one that isn't given goes.
    let kept = json!({ "secrets": [{ "name": "API_KEY" }] });
    let (status, action) = running.send(Method::PATCH, &format!("actions/{id}"), kept).await;
    assert_eq!((status, action["secrets"].as_array().unwrap().len()), (200, 1), "{action}");
    answers.push(action);
    assert_eq!(length(&running.login(&event("s2", "t2")).await), VALUE.len());
    // One alone is set, and counts at once.
    let (status, _) = running.send(Method::PUT, &format!("actions/{id}/secrets/API_KEY"), json!({ "value": OTHER })).await;
    assert_eq!(status, 204);
    assert_eq!(length(&running.login(&event("s3", "t3")).await), OTHER.len());
    assert_eq!(running.send(Method::DELETE, &format!("actions/{id}/secrets/API_KEY"), json!({})).await.0, 204);
    assert_eq!(length(&running.login(&event("s4", "t4")).await), Value::Null);
    assert_eq!(running.send(Method::PUT, &format!("actions/{id}/secrets/API_KEY"), json!({ "value": VALUE })).await.0, 204);
    for path in ["actions", "triggers/post-login/bindings", "policy", "executions", &format!("actions/{id}/versions")] {
        answers.push(running.get(path).await);
    }
    answers.push(running.answer(running.request(Method::GET, "/api/v2/logs")).await.1);
    answers.push(running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap().into());
    let wrong = [
        json!({ "secrets": [[VALUE]] }),
        json!({ "secrets": VALUE }),
        json!({ "secrets": [{ "name": VALUE, "value": [VALUE] }] }),
    ];
    for body in wrong {
        answers.push(running.send(Method::PATCH, &format!("actions/{id}"), body).await.1);
    }
    for answer in &answers {
        let text = answer.to_string();
        assert!(!text.contains(VALUE) && !text.contains(OTHER), "{text}");
    }
    if let Database::Postgres { url, .. } = &database {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
        assert!(tables.len() > 5);
        for table in tables {
            let table: String = table.get(0);
            let rows = client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap();
            for row in rows {
                let text: String = row.get(0);
                for value in [VALUE, OTHER] {
                    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
                    assert!(!text.contains(value) && !text.contains(&hex), "{table}");
                }
            }
        }
    }
    let folder = running.stop().await;
    for value in [VALUE, OTHER] {
        assert_eq!(holding(folder.path(), value.as_bytes()), Vec::<String>::new());
    }
}
in_both!(a_secret_reaches_its_action_and_stands_in_no_answer_and_no_file);

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_copied_to_another_action_does_not_open_and_what_ran_goes_on() {
    let running = Database::Sqlite.start("", "").await;
    let victim =
        running.run("victim", artifacts::READS_A_SECRET, json!({ "secrets": [{ "name": "API_KEY", "value": VALUE }] })).await;
    let thief = running.create("thief", json!({ "secrets": [{ "name": "API_KEY", "value": "x" }] })).await;
    running.upload(&thief, artifacts::READS_A_SECRET).await;
    running.deploy(&thief).await;
    let database = rusqlite::Connection::open(running.folder.path().join("kept.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let (table, action) = ("secrets", "action_id");
    let copied = database.execute(
        &format!("UPDATE {table} SET sealed = (SELECT sealed FROM {table} WHERE {action} = ?1) WHERE {action} = ?2"),
        [&victim, &thief],
    );
    assert_eq!(copied.unwrap(), 1);
    // A draft can't be tried with it, and binding it leaves what ran before.
    let test = json!({ "payload": event("s", "t") });
    assert_eq!(running.send(Method::POST, &format!("actions/{thief}/test"), test).await.0, 500);
    let bindings = json!({ "bindings": [{ "ref": { "type": "action_name", "value": "thief" } }] });
    let (status, answer) = running.send(Method::PATCH, "triggers/post-login/bindings", bindings).await;
    assert_eq!((status, &answer["errorCode"]), (503, &json!("not_live_yet")), "{answer}");
    let (_, outcome) = running.version_that_ran(1).await;
    assert_eq!(outcome["actions"][0]["name"], "victim", "{outcome}");
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vestibule_flows_failing 1"), "{metrics}");
    // Set anew, it is live by itself.
    assert_eq!(running.send(Method::PUT, &format!("actions/{thief}/secrets/API_KEY"), json!({ "value": "abc" })).await.0, 204);
    let (_, outcome) = running.version_that_ran(2).await;
    assert_eq!((&outcome["actions"][0]["name"], &outcome["id_token"]["claims"]["secret_length"]), (&json!("thief"), &json!(3)));
    running.stop().await;
}

async fn keys_rotate_under_a_server_that_runs(database: Database) {
    let running = database.start("", "").await;
    running.run("reader", artifacts::READS_A_SECRET, json!({ "secrets": [{ "name": "API_KEY", "value": "12345" }] })).await;
    let configuration = crate::common::parse(running.folder.path(), &crate::world::configuration(&database.store(), ""));
    let keys = SealingKeys::open(&configuration.secrets_key).unwrap();
    let store = vestibule_server::open_store(&configuration.store).await.unwrap();
    let [(_, _, before)] = &store.sealed_secrets("none", 10).await.unwrap()[..] else { panic!("one secret is kept") };
    let rotated = keys.rotate(&*store).await.unwrap();
    assert_eq!((rotated.secrets, rotated.key == before.key), (1, false));
    assert!(store.sealed_secrets(&rotated.key, 10).await.unwrap().is_empty(), "all rows are sealed by the new key");
    store.close().await;
    // The server seals by it from then on, and opens what it seals.
    let id = running.get("actions").await["actions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(running.send(Method::PUT, &format!("actions/{id}/secrets/OTHER"), json!({ "value": "now" })).await.0, 204);
    let outcome = running.login(&event("s", "t")).await;
    let claims = &outcome["id_token"]["claims"];
    assert_eq!((&claims["secret_length"], &claims["other_secret"]), (&json!(5), &json!("now")));
    // And so does one that starts with the new key alone.
    let folder = running.stop().await;
    let running = database.start_in(folder, "", "").await;
    until("the secrets open", async || {
        let (_, outcome) = running.version_that_ran(2).await;
        (outcome["id_token"]["claims"]["secret_length"] == 5).then_some(())
    })
    .await;
    running.stop().await;
}
in_both!(keys_rotate_under_a_server_that_runs);

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_does_not_open_is_told_and_keeps_no_other_by_the_old_key() {
    let running = Database::Sqlite.start("", "").await;
    for name in ["one", "two", "three"] {
        running.create(name, json!({ "secrets": [{ "name": "API_KEY", "value": VALUE }] })).await;
    }
    let folder = running.stop().await;
    let database = rusqlite::Connection::open(folder.path().join("kept.db")).unwrap();
    // The first that a rotation meets.
    let first = "SELECT action_id FROM secrets ORDER BY tenant, action_id LIMIT 1";
    let broken: String = database.query_row(first, [], |row| row.get(0)).unwrap();
    database.execute("UPDATE secrets SET sealed = x'0102' WHERE action_id = ?1", [&broken]).unwrap();
    drop(database);
    let configuration = crate::common::parse(folder.path(), &crate::world::configuration(&Database::Sqlite.store(), ""));
    let keys = SealingKeys::open(&configuration.secrets_key).unwrap();
    let store = vestibule_server::open_store(&configuration.store).await.unwrap();
    let error = keys.rotate(&*store).await.unwrap_err();
    let RotateError::Secrets { secrets } = &error else { panic!("{error}") };
    let [Unopened { tenant, action, error: SealError::Broken { name } }] = &secrets[..] else { panic!("{secrets:?}") };
    assert_eq!((tenant.as_str(), action.as_str(), name.as_str()), ("acme", broken.as_str(), "API_KEY"));
    let kept = store.sealed_secrets("none", 10).await.unwrap();
    let (old, new): (Vec<_>, Vec<_>) = kept.iter().partition(|(_, action, _)| action.to_string() == broken);
    let [(_, _, old)] = &old[..] else { panic!("{old:?}") };
    assert!(new.len() == 2 && new.iter().all(|(_, _, secret)| secret.key == new[0].2.key && secret.key != old.key), "{new:?}");
    let file = std::fs::read_to_string(folder.path().join("state/keys/secrets.keys")).unwrap();
    assert_eq!(file.lines().filter(|line| !line.starts_with('#')).count(), 2, "the old key stays");
    // Set anew, it is no obstacle any more.
    let running = Database::Sqlite.start_in(folder, "", "").await;
    let set = format!("actions/{broken}/secrets/API_KEY");
    assert_eq!(running.send(Method::PUT, &set, json!({ "value": VALUE })).await.0, 204);
    assert_eq!(keys.rotate(&*store).await.unwrap().secrets, 3);
    store.close().await;
    running.stop().await;
}
