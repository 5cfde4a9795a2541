//! Executions and the tenant's log.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::callers::{Api, event};
use crate::common::server::Server;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_found_by_the_log_and_says_what_each_action_did() {
    let world = World::start().await;
    let gate = world.person.component("gate.wasm", artifacts::DENIES);
    world.done(&["deploy", &gate, "--name", "gate", "--bind"]);
    world.login().await;
    let listed = || world.json(&["executions", "list", "--action", "gate"])["executions"].as_array().unwrap().clone();
    world.until("the execution is written", || !listed().is_empty());
    let id = listed()[0]["id"].as_str().unwrap().to_owned();
    let logged: Vec<Value> =
        world.done(&["logs", "--json"]).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(logged.last().unwrap()["details"]["execution_id"], id, "{logged:?}");

    let table = world.done(&["executions", "list"]);
    assert!(table.contains(&id) && table.contains("gate@1") && table.contains("canceled"), "{table}");
    let shown = world.done(&["executions", "show", &id]);
    for words in ["of post-login: canceled", "decision", "sess_1", "gate@1", "MB"] {
        assert!(shown.contains(words), "{words} is not in:\n{shown}");
    }
    let json = world.json(&["executions", "show", &id]);
    assert!(json["results"].as_array().unwrap().iter().any(|result| result["action_name"] == "gate"), "{json}");
    assert_eq!(world.json(&["executions", "list", "--status", "partial"])["executions"], json!([]));
    assert!(world.refused(&["executions", "show", "00000000-0000-4000-8000-000000000000"]).contains("inexistent_execution"));
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_followed_tells_what_comes() {
    let world = World::start().await;
    world.login().await;
    let mut following = world.person.start(&["logs", "--follow", "--tenant", "acme"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || lines.next().expect("it goes on").unwrap();
    let first = next();
    assert!(first.contains("login allowed") && first.contains("session sess_1"), "{first}");
    world.login().await;
    assert_eq!(world.api.end("sess_1").await, 204);
    assert!(next().contains("session sess_2"), "what was told is not told again");
    let ended = next();
    assert!(ended.contains("session ended") && ended.contains("sess_1"), "{ended}");
    following.kill().unwrap();
    following.wait().unwrap();
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_log_does_so_over_a_new_start_of_the_server() {
    let World { person, server, api, .. } = World::start().await;
    api.login(&event("sess_1", "shop", "txn_1")).await.unwrap();
    let mut following = person.start(&["logs", "--follow", "--tenant", "acme"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || lines.next().expect("it goes on").unwrap();
    assert!(next().contains("session sess_1"));
    let port = server.port;
    server.stop();
    let file = person.folder.path().join("vestibule.toml");
    let configuration = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::write(&file, configuration).unwrap();
    let server = Server::run(&file);
    Api::at(port).await.login(&event("sess_2", "shop", "txn_2")).await.unwrap();
    assert!(next().contains("session sess_2"));
    following.kill().unwrap();
    following.wait().unwrap();
    server.stop();
}
