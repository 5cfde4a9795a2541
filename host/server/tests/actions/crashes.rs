//! What a crash has left is taken up where it was left.

use bytes::Bytes;
use serde_json::{Value, json};
use vestibule::model::{ComponentDigest, Timestamp};
use vestibule_sessions::{DraftPut, Keeping};
use vestibule_test_artifacts as artifacts;

use crate::in_both;
use crate::world::{Actions as _, Database, until};

async fn a_build_that_was_broken_off_is_ended_by_the_next_server(database: Database) {
    let running = database.start("", "").await;
    let (waits, builds) = (running.create("waits", json!({})).await, running.create("builds", json!({})).await);
    let folder = running.stop().await;
    // As a server leaves it that is killed when it has taken a component, and while it builds one.
    let configuration = crate::common::parse(folder.path(), &crate::world::configuration(&database.store(), ""));
    let store = vestibule_server::open_store(&configuration.store).await.unwrap();
    let (tenant, digest) = ("acme".parse().unwrap(), ComponentDigest::of(artifacts::DENIES));
    let long_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    for id in [&waits, &builds] {
        let (id, bytes) = (id.parse().unwrap(), Bytes::from_static(artifacts::DENIES));
        let put = store.put_draft(&tenant, &id, &digest, bytes, Keeping { bytes: u64::MAX, versions: 2 }, long_ago).await;
        assert!(matches!(put, Ok(DraftPut::Put(_))));
    }
    let until_then = Timestamp::from_millis(long_ago.as_millis() + 1_000);
    assert!(store.begin_build(&tenant, &builds.parse().unwrap(), &digest, long_ago, until_then).await.unwrap());
    store.close().await;
    let running = database.start_in(folder, "", "").await;
    for id in [&waits, &builds] {
        let built = until("it is built", async || {
            let action = running.get(&format!("actions/{id}")).await;
            (action["status"] == "built").then_some(action)
        })
        .await;
        assert_ne!(built["component"]["capabilities"], Value::Null);
        running.deploy(id).await;
    }
    running.stop().await;
}
in_both!(a_build_that_was_broken_off_is_ended_by_the_next_server);

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_deployed_actions_cannot_be_read_logs_nobody_in_until_they_can() {
    let database = Database::Sqlite;
    let running = database.start("", "").await;
    let id = running.run("reader", artifacts::READS_A_SECRET, json!({ "secrets": [{ "name": "API_KEY", "value": "x" }] })).await;
    let folder = running.stop().await;
    // The key is gone, and a new one is made.
    let keys = folder.path().join("state/keys/secrets.keys");
    let kept = std::fs::read(&keys).unwrap();
    std::fs::remove_file(&keys).unwrap();
    let running = database.start_in(folder, "", "").await;
    let login = running.request(reqwest::Method::POST, "/v1/post-login").json(&crate::common::event("s", "t"));
    let (status, answer) = running.answer(login).await;
    assert_eq!((status, &answer["errorCode"]), (503, &json!("actions_unavailable")), "{answer}");
    assert_eq!(running.get(&format!("actions/{id}")).await["name"], "reader", "the Management API goes on");
    // Brought back, it is taken up by itself.
    std::fs::write(&keys, kept).unwrap();
    until("logins go on", async || {
        let login = running.request(reqwest::Method::POST, "/v1/post-login").json(&crate::common::event("s2", "t2"));
        (running.answer(login).await.0 == 200).then_some(())
    })
    .await;
    running.stop().await;
}
