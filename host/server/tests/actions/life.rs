//! The whole life of an Action.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::common::event;
use crate::in_both;
use crate::world::{Actions as _, Database};

/// How often an Action was brought into memory.
const LOADS: &str = "vestibule_shelf_loads";

async fn an_action_is_created_uploaded_deployed_bound_changed_rolled_back_and_deleted(database: Database) {
    let running = database.start("", "").await;
    let (status, created) = running
        .send(
            Method::POST,
            "actions",
            json!({ "name": "gate", "supported_triggers": [{ "id": "post-login" }], "code": "", "runtime": "node22",
                    "configuration": { "key": "tier" } }),
        )
        .await;
    assert_eq!(status, 201, "{created}");
    assert_eq!((&created["all_changes_deployed"], &created["runtime"]), (&json!(false), &json!("wasm-component")));
    assert_eq!((&created["on_failure"], &created["configuration"]), (&json!("fail-login"), &json!({ "key": "tier" })));
    assert_eq!((&created["status"], &created["component"]), (&Value::Null, &Value::Null), "nothing was uploaded: {created}");
    let id = created["id"].as_str().unwrap();

    let built = running.upload(id, artifacts::WRITES_METADATA).await;
    assert_eq!((&built["status"], &built["errors"]), (&json!("built"), &json!([])), "{built}");
    assert_eq!(built["component"]["size"], artifacts::WRITES_METADATA.len());
    let capabilities = built["component"]["capabilities"].as_array().unwrap();
    assert!(capabilities.contains(&json!("session.set-metadata")), "{built}");

    // Nothing runs before it is deployed and bound.
    assert_eq!(running.version_that_ran(0).await.0, "none");
    let first = running.deploy(id).await;
    assert_eq!((&first["number"], &first["deployed"], &first["status"]), (&json!(1), &json!(true), &json!("built")), "{first}");
    assert_eq!(running.version_that_ran(1).await.0, "none");
    running.bind(&["gate"]).await;
    let (version, outcome) = running.version_that_ran(2).await;
    assert_eq!((version.as_str(), &outcome["session"]["metadata"]["tier"]), ("1", &json!("🦀")), "{outcome}");

    // Settings count at once.
    let (status, changed) =
        running.send(Method::PATCH, &format!("actions/{id}"), json!({ "configuration": { "key": "level" } })).await;
    assert_eq!((status, &changed["configuration"]), (200, &json!({ "key": "level" })));
    assert_eq!(running.version_that_ran(3).await.1["session"]["metadata"]["level"], "🦀");

    // A new version, and the old one again.
    let uploaded = running.upload(id, artifacts::DENIES).await;
    let meant = json!({ "accept_capabilities": true, "sha256": first["component"]["sha256"] });
    let (status, overtaken) = running.send(Method::POST, &format!("actions/{id}/deploy"), meant).await;
    assert_eq!((status, &overtaken["errorCode"]), (409, &json!("overtaken")), "another one is meant: {overtaken}");
    assert_eq!((&uploaded["all_changes_deployed"], &uploaded["deployed_version"]["number"]), (&json!(false), &json!(1)));
    assert_eq!(running.version_that_ran(4).await.0, "1", "a draft runs nowhere");
    assert_eq!(running.deploy(id).await["number"], 2);
    let (version, outcome) = running.version_that_ran(5).await;
    assert_eq!((version.as_str(), &outcome["decision"]), ("2", &json!("deny")));
    let versions = running.get(&format!("actions/{id}/versions")).await;
    assert_eq!((&versions["total"], &versions["versions"][0]["number"]), (&json!(2), &json!(2)), "{versions}");
    let old = versions["versions"][1]["id"].as_str().unwrap();
    let (status, rolled) = running.send(Method::POST, &format!("actions/{id}/versions/{old}/deploy"), json!({})).await;
    assert_eq!((status, &rolled["number"], &rolled["deployed"]), (409, &Value::Null, &Value::Null), "{rolled}");
    assert_eq!(rolled["errorCode"], "capabilities_not_accepted");
    let accepted = json!({ "accept_capabilities": true, "update_draft": true });
    let (status, rolled) = running.send(Method::POST, &format!("actions/{id}/versions/{old}/deploy"), accepted).await;
    assert_eq!((status, &rolled["number"], &rolled["deployed"]), (202, &json!(1), &json!(true)), "{rolled}");
    assert_eq!(running.version_that_ran(6).await.0, "1");
    assert_eq!(running.get(&format!("actions/{id}")).await["all_changes_deployed"], true);
    assert_eq!(running.get(&format!("actions/{id}/versions/{old}")).await, rolled);

    // Its bytes come back as they were sent.
    for path in [format!("actions/{id}/component"), format!("actions/{id}/versions/{old}/component")] {
        let answer = running.request(Method::GET, &format!("/api/v2/actions/{path}")).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/wasm");
        assert!(answer.bytes().await.unwrap() == artifacts::WRITES_METADATA, "{path}");
    }

    // Who replaces what isn't bound any more is told.
    let bound = running.get("triggers/post-login/bindings").await;
    let replace = |replaces: Value| {
        let bindings = json!([{ "ref": { "type": "action_id", "value": id }, "display_name": "The gate" }]);
        running.send(Method::PATCH, "triggers/post-login/bindings", json!({ "bindings": bindings, "replaces": replaces }))
    };
    let (status, overtaken) = replace(json!([])).await;
    assert_eq!((status, &overtaken["errorCode"]), (409, &json!("overtaken")), "{overtaken}");
    assert_eq!(running.get("triggers/post-login/bindings").await, bound);
    assert_eq!(replace(json!(["x"])).await.0, 400);
    let (status, replaced) = replace(json!([bound["bindings"][0]["id"]])).await;
    assert_eq!((status, &replaced["bindings"][0]["display_name"]), (200, &json!("The gate")), "{replaced}");

    // Bound, it is deleted with its bindings or not at all.
    let delete = |query: &str| running.request(Method::DELETE, &format!("/api/v2/actions/actions/{id}{query}"));
    let (status, bound) = running.answer(delete("")).await;
    assert_eq!((status, &bound["errorCode"]), (409, &json!("action_bound")));
    assert_eq!(running.version_that_ran(7).await.0, "1");
    assert_eq!(running.answer(delete("?force=true")).await.0, 204);
    assert_eq!(running.version_that_ran(8).await.0, "none");
    assert_eq!(running.answer(delete("")).await.0, 404);
    running.stop().await;
}
in_both!(an_action_is_created_uploaded_deployed_bound_changed_rolled_back_and_deleted);

async fn what_is_deployed_runs_after_a_new_start_and_is_loaded_when_it_is_needed(database: Database) {
    let running = database.start("", "").await;
    running.run("gate", artifacts::DENIES, json!({})).await;
    let folder = running.stop().await;
    let running = database.start_in(folder, "", "").await;
    assert_eq!(running.metric(LOADS).await, 0, "nothing is loaded for a tenant that nobody logs in to");
    assert_eq!(running.version_that_ran(1).await.1["decision"], "deny");
    assert_eq!(running.metric(LOADS).await, 1);
    running.stop().await;
}
in_both!(what_is_deployed_runs_after_a_new_start_and_is_loaded_when_it_is_needed);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_again_or_renamed_is_in_memory_before_a_login_wants_it() {
    let running = crate::world::start().await;
    let id = running.run("gate", artifacts::DENIES, json!({})).await;
    assert_eq!(running.version_that_ran(1).await.0, "1");
    let before = running.metric(LOADS).await;
    running.deploy(&id).await;
    assert_eq!(running.metric(LOADS).await, before + 1, "the same component is another version, and is loaded once");
    assert_eq!(running.version_that_ran(2).await.0, "2");
    assert_eq!(running.send(Method::PATCH, &format!("actions/{id}"), json!({ "name": "door" })).await.0, 200);
    assert_eq!(running.metric(LOADS).await, before + 2);
    assert_eq!(running.version_that_ran(3).await.1["actions"][0]["name"], "door");
    assert_eq!(running.metric(LOADS).await, before + 2, "no login has waited for it");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_neither_memory_nor_disk_have_room_for_what_is_deployed_logins_go_on() {
    let first = "actions = { shelf = \"64 KiB\", compiled = \"1 KiB\" }";
    let running = Database::Sqlite.start(first, "").await;
    running.run("writes", artifacts::WRITES_METADATA, json!({ "configuration": { "key": "tier" } })).await;
    running.run("denies", artifacts::DENIES, json!({})).await;
    running.bind(&["writes", "denies"]).await;
    let before = running.metric("vestibule_shelf_compiled").await;
    for number in 0..3 {
        let (_, outcome) = running.version_that_ran(number).await;
        assert_eq!((&outcome["actions"][0]["result"], &outcome["decision"]), (&json!("ok"), &json!("deny")), "{outcome}");
    }
    assert!(running.metric("vestibule_shelf_compiled").await >= before + 3, "they are compiled for the logins that need them");
    let kept = std::fs::read_dir(running.folder.path().join("state/compiled")).unwrap().count();
    assert_eq!(kept, 1, "what was compiled last is kept, however large it is");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_actions_run_before_deployed_ones_and_a_reload_keeps_both() {
    let folder = tempfile::tempdir().unwrap();
    let declared = crate::common::configuration("");
    let mut running = crate::common::start_in(folder, &declared).await;
    running.run("gate", artifacts::DENIES, json!({})).await;
    let names = |outcome: &Value| {
        outcome["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let both = ["organization-session-metadata", "gate"];
    assert_eq!(names(&running.login(&event("s1", "t1")).await), both);
    // The configuration is read again, without its Action and with it.
    let without = crate::world::configuration("", "");
    for (text, expected) in [(&without, &both[1..]), (&declared, &both[..])] {
        let configuration = crate::common::parse(running.folder.path(), text);
        running.server.as_mut().unwrap().reload(configuration).await.unwrap();
        let outcome = running.login(&event(&format!("s{}", expected.len()), &format!("r{}", expected.len()))).await;
        assert_eq!(names(&outcome), expected);
    }
    // And what is deployed after that is live as before.
    running.bind(&[]).await;
    assert_eq!(names(&running.login(&event("s9", "t9")).await), both[..1]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_declares_more_than_fit_beside_what_is_deployed_is_not_taken() {
    let mut running = Database::Sqlite.start("", "limits = { actions = 1 }").await;
    running.run("gate", artifacts::DENIES, json!({})).await;
    let declares = crate::common::configuration("limits = { actions = 1 }");
    let declares = crate::common::parse(running.folder.path(), &format!("{}\n{declares}", Database::Sqlite.store()));
    let refused = running.server.as_mut().unwrap().reload(declares).await.unwrap_err().to_string();
    assert!(refused.starts_with("tenant acme: its flow has 1 Actions that the configuration declares and 1 that"), "{refused}");
    assert_eq!(running.version_that_ran(1).await.1["decision"], "deny", "what ran goes on");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_tried_with_its_settings_and_secrets_and_nothing_is_kept() {
    let running = crate::world::start().await;
    let id = running.create("reader", json!({ "secrets": [{ "name": "API_KEY", "value": "hunter2" }] })).await;
    let test = |payload: Value| {
        let path = format!("actions/{id}/test");
        let running = &running;
        async move { running.send(Method::POST, &path, json!({ "payload": payload })).await }
    };
    let (status, answer) = test(event("tried", "tried")).await;
    assert_eq!((status, &answer["errorCode"]), (400, &json!("not_built")), "{answer}");
    running.upload(&id, artifacts::READS_A_SECRET).await;
    let (status, answer) = test(event("tried", "tried")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["payload"]["id_token"]["claims"]["secret_length"], 7, "{answer}");
    assert_eq!(answer["payload"]["actions"][0]["version"], "draft");
    let nobody = running.answer(running.request(Method::GET, "/api/v2/sessions/tried")).await;
    assert_eq!(nobody.0, 404, "no session was made");
    assert_eq!(running.get("executions").await["executions"], json!([]));
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/logs")).await.1, json!([]));
    // The tenant's cache is another login's, too.
    running.upload(&id, artifacts::COUNTS_IN_THE_CACHE).await;
    for _ in 0..2 {
        let (_, answer) = test(event("tried", "tried")).await;
        assert_eq!(answer["payload"]["id_token"]["claims"]["runs_before"], 0, "{answer}");
    }
    let mut foreign = event("tried", "tried");
    foreign["tenant"]["id"] = "globex".into();
    assert_eq!(test(foreign).await.0, 400);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_listed_by_name_and_by_what_is_asked_for() {
    let running = crate::world::start().await;
    for name in ["c", "a", "b"] {
        running.create(name, json!({})).await;
    }
    let id = running.get("actions?actionName=b").await["actions"][0]["id"].as_str().unwrap().to_owned();
    running.upload(&id, artifacts::DENIES).await;
    running.deploy(&id).await;
    let names = |page: &Value| {
        page["actions"].as_array().unwrap().iter().map(|action| action["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = running.get("actions").await;
    assert_eq!(
        (names(&all), &all["total"], &all["page"], &all["per_page"]),
        (vec!["a".into(), "b".into(), "c".into()], &json!(3), &json!(0), &json!(50))
    );
    assert_eq!(names(&running.get("actions?page=1&per_page=2").await), ["c"]);
    assert_eq!(names(&running.get("actions?deployed=true").await), ["b"]);
    assert_eq!(names(&running.get("actions?deployed=false&triggerId=post-login").await), ["a", "c"]);
    let far = running.get("actions?page=500&per_page=100").await;
    assert_eq!((names(&far), &far["total"], &far["page"]), (vec![], &json!(3), &json!(500)), "lists go on to their end");
    let triggers = running.get("triggers").await;
    assert_eq!(triggers["triggers"][0]["id"], "post-login");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_keep_their_ids_when_their_order_changes() {
    let running = crate::world::start().await;
    for name in ["a", "b"] {
        running.run(name, artifacts::WRITES_METADATA, json!({})).await;
    }
    running.bind(&["a", "b"]).await;
    let before = running.get("triggers/post-login/bindings").await;
    let id = |bindings: &Value, at: usize| bindings["bindings"][at]["id"].as_str().unwrap().to_owned();
    let turned = json!({ "bindings": [
        { "ref": { "type": "binding_id", "value": id(&before, 1) }, "display_name": "The second" },
        { "ref": { "type": "action_id", "value": before["bindings"][0]["action"]["id"] } },
    ] });
    let (status, after) = running.send(Method::PATCH, "triggers/post-login/bindings", turned).await;
    assert_eq!(status, 200, "{after}");
    assert_eq!((id(&after, 0), id(&after, 1)), (id(&before, 1), id(&before, 0)));
    assert_eq!(after["bindings"][0]["display_name"], "The second");
    let outcome = running.login(&event("s", "t")).await;
    assert_eq!((&outcome["actions"][0]["name"], &outcome["actions"][1]["name"]), (&json!("b"), &json!("a")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_host_is_told_as_one_and_the_deployment_can_be_sent_again() {
    let running = crate::world::start().await;
    let id = running.create("gate", json!({})).await;
    running.upload(&id, artifacts::DENIES).await;
    // Its code isn't kept any more, and its component can't be had.
    for file in std::fs::read_dir(running.folder.path().join("state/compiled")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let database = rusqlite::Connection::open(running.folder.path().join("kept.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    database.execute("ALTER TABLE components RENAME TO away", []).unwrap();
    let path = format!("actions/{id}/deploy");
    let (status, answer) = running.send(Method::POST, &path, json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (503, &json!("not_ready")), "{answer}");
    assert!(!answer["message"].as_str().unwrap().contains("components"), "what the store says is the operator's: {answer}");
    database.execute("ALTER TABLE away RENAME TO components", []).unwrap();
    assert_eq!(running.send(Method::POST, &path, json!({})).await.0, 202);
    running.stop().await;
}
