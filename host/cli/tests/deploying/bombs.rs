//! Components that are made to keep a compiler busy, sent to a server that runs: its compiler is a
//! process of its own.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::callers::Api;
use crate::common::server::client;
use crate::world::{PATIENCE, World};

/// A component whose function has so many loads and stores that depend on one another.
fn bomb(count: usize) -> Vec<u8> {
    const SLOW: &str = "(i32.store (i32.load (local.get 0)) (i32.add (local.get 1) (i32.load (local.get 1))))";
    let function = format!("(memory 1) (func (param i32) (local i32 i64) {})", SLOW.repeat(count));
    wat::parse_str(format!("(component (core module {function}))")).expect("the test's component is right")
}

/// Creates an Action, and gives its id.
async fn create(api: &Api, name: &str) -> String {
    let body = json!({ "name": name, "supported_triggers": [{ "id": "post-login" }] });
    let created = api.call(Method::POST, "/api/v2/actions/actions", body.to_string().into()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.json()["id"].as_str().expect("an id").to_owned()
}

async fn upload(api: &Api, id: &str, component: &[u8]) -> Value {
    let uploaded = api.call(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"), component.to_vec()).await;
    assert_eq!(uploaded.status, 200, "{}", uploaded.body);
    uploaded.json()
}

/// Waits until an Action's draft is being compiled.
async fn is_compiled(world: &World, id: &str) {
    let asking = async {
        while world.api.get(&format!("/api/v2/actions/actions/{id}")).await["status"] != "building" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is compiled");
}

/// Uploads a bomb, and logs people in for as long as it is compiled: the Action as it is then.
async fn bombarded(world: &World, id: &str, component: Vec<u8>) -> Value {
    let (api, sent_to) = (world.api.clone(), id.to_owned());
    let uploading = tokio::spawn(async move { upload(&api, &sent_to, &component).await });
    is_compiled(world, id).await;
    let mut logins = 0;
    while !uploading.is_finished() {
        assert_eq!(world.login().await["decision"], "allow");
        logins += 1;
    }
    assert!(logins > 0, "people log in while it is compiled");
    uploading.await.expect("it was answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_fails_with_a_message_for_its_author_while_people_log_in_and_the_next_upload_builds() {
    let world = World::start_with("limits = { compile_time = \"3 s\", compile_memory = \"3 GiB\" }").await;
    let id = create(&world.api, "bomb").await;
    let failed = bombarded(&world, &id, bomb(400_000)).await;
    assert_eq!((&failed["status"], &failed["errors"][0]["id"]), (&json!("failed"), &json!("compile_time")), "{failed}");
    let told = failed["errors"][0]["msg"].as_str().expect("a text");
    assert!(told.contains("compiling bomb took longer than 3 s (limit `compile_time`)"), "{told}");
    let deploy = format!("/api/v2/actions/actions/{id}/deploy");
    let refused = world.api.call(Method::POST, &deploy, Vec::new()).await;
    assert_eq!((refused.status, &refused.json()["errorCode"]), (400, &json!("build_failed")), "{}", refused.body);
    assert!(refused.body.contains("compile_time"), "{}", refused.body);

    assert_eq!(upload(&world.api, &id, artifacts::DENIES).await["status"], "built");
    assert_eq!(world.api.call(Method::POST, &deploy, Vec::new()).await.status, 202);
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_of_memory_fails_and_the_next_upload_builds() {
    let world = World::start_with("limits = { compile_memory = \"512 MiB\" }").await;
    let id = create(&world.api, "bomb").await;
    let failed = bombarded(&world, &id, bomb(400_000)).await;
    assert_eq!((&failed["status"], &failed["errors"][0]["id"]), (&json!("failed"), &json!("compile_memory")), "{failed}");
    assert_eq!(upload(&world.api, &id, artifacts::DENIES).await["status"], "built");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_action_has_to_be_compiled_does_not_wait_for_a_bomb() {
    // No Action fits into this memory, so that each login loads it.
    let first = "actions = { shelf = \"64 KiB\" }\nlimits = { compile_time = \"10 s\", compile_memory = \"3 GiB\" }";
    let world = World::start_with(first).await;
    let writes = world.person.component("writes.wasm", artifacts::WRITES_METADATA);
    world.done(&["deploy", &writes, "--name", "gate", "--bind"]);
    let id = create(&world.api, "bomb").await;
    let (api, sent_to) = (world.api.clone(), id.clone());
    let uploading = tokio::spawn(async move { upload(&api, &sent_to, &bomb(400_000)).await });
    is_compiled(&world, &id).await;
    for file in std::fs::read_dir(world.person.folder.path().join("state/compiled")).expect("the cache") {
        std::fs::remove_file(file.expect("a file").path()).expect("it can be removed");
    }
    assert_eq!(world.ran().await, ["gate@1"]);
    assert!(!uploading.is_finished(), "the login was answered before the bomb");
    assert_eq!(uploading.await.expect("it was answered")["status"], "failed");
    world.server.stop();
}

/// Tenant `globex` of a server whose tenant `acme` is the tests' own.
const GLOBEX: &str = "127.0.0.1";

fn with_globex() -> String {
    format!("[tenants.globex]\nhosts = [{GLOBEX:?}]\n[[tenants.globex.clients]]\n{}", client())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_upload_of_another_tenant_does_not_wait_for_a_bomb() {
    let limits = "limits = { compile_time = \"60 s\", compile_memory = \"3 GiB\" }";
    let world = World::start_beside(limits, &with_globex()).await;
    let id = create(&world.api, "bomb").await;
    let (api, sent_to) = (world.api.clone(), id.clone());
    let uploading = tokio::spawn(async move { upload(&api, &sent_to, &bomb(400_000)).await });
    is_compiled(&world, &id).await;
    let globex = Api::of(GLOBEX, world.server.port).await;
    let honest = create(&globex, "honest").await;
    assert_eq!(upload(&globex, &honest, artifacts::DENIES).await["status"], "built");
    let bomb = world.api.get(&format!("/api/v2/actions/actions/{id}")).await;
    assert_eq!(bomb["status"], "building", "the honest one was built before the bomb: {bomb}");
    uploading.abort();
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_by_their_counts_before_they_are_kept() {
    let world = World::start().await;
    let id = create(&world.api, "bomb").await;
    let component =
        |module: String| wat::parse_str(format!("(component (core module {module}))")).expect("the test's component is right");
    let loops = format!("(func (local {}) {})", "i64 ".repeat(5_000), "loop end ".repeat(20_000));
    for (bomb, told) in [
        (component("(func)".repeat(900_000)), "functions: 900,000, at most 100,000 (limit `functions`)"),
        (
            component(loops),
            "blocks × local variables, over all functions: 100,005,000, at most 10,000,000 (limit `block_locals`)",
        ),
    ] {
        let refused = world.api.call(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"), bomb).await;
        assert_eq!((refused.status, &refused.json()["errorCode"]), (400, &json!("too_complex")), "{}", refused.body);
        assert!(refused.body.contains(told), "{}", refused.body);
        assert_eq!(world.api.get(&format!("/api/v2/actions/actions/{id}")).await["component"], Value::Null, "it is not kept");
    }
    assert_eq!(upload(&world.api, &id, artifacts::DENIES).await["status"], "built");
    world.server.stop();
}
