//! Deploying, settings, secrets, bindings, policies.

use serde_json::json;
use vestibule_test_artifacts as artifacts;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_action_goes_into_the_next_login_and_back_again() {
    let world = World::start().await;
    let (writes, denies) = (
        world.person.component("writes.wasm", artifacts::WRITES_METADATA),
        world.person.component("denies.wasm", artifacts::DENIES),
    );
    let first = world.json(&["deploy", &writes, "--name", "gate"]);
    assert_eq!(
        (&first["created"], &first["deployed"], &first["version"]["number"]),
        (&json!(true), &json!(true), &json!(1)),
        "{first}"
    );
    assert!(first["milliseconds"]["all"].is_u64() && first["place"].is_null(), "{first}");
    assert!(world.ran().await.is_empty(), "nothing runs before it is bound");
    world.done(&["actions", "set", "gate", "--configuration", "key=tier"]);

    let bound = world.run(&["deploy", &writes, "--name", "gate", "--bind"]);
    assert_eq!(bound.code, Some(0), "{}", bound.stderr);
    assert_eq!(bound.stdout, "gate version 1 was deployed already for tenant acme\n");
    assert!(bound.stderr.contains("Bound gate to post-login at place 1"), "{}", bound.stderr);
    assert_eq!(world.login().await["session"]["metadata"]["tier"], "🦀");

    // It asks for more: that is shown, and refused.
    let refused = world.refused(&["deploy", &denies, "--name", "gate"]);
    assert!(refused.contains("gate asks for more than version 1:\n            + "), "{refused}");
    assert!(refused.contains("capabilities_not_accepted") && refused.contains("\n    access.deny\n"), "{refused}");
    assert!(refused.contains("help: --accept-capabilities"), "{refused}");
    assert_eq!(world.ran().await, ["gate@1"]);
    let accepted = world.run(&["deploy", &denies, "--name", "gate", "--accept-capabilities"]);
    assert_eq!(accepted.stdout, "gate version 2 is deployed for tenant acme\n", "{}", accepted.stderr);
    let told = &accepted.stderr;
    assert!(told.contains("Deployed gate version 2") && !told.contains("Uploaded"), "it was uploaded before: {told}");
    assert_eq!(world.login().await["decision"], "deny");

    assert!(world.refused(&["actions", "rollback", "gate"]).contains("help: --accept-capabilities"));
    let rolled = world.done(&["actions", "rollback", "gate", "--accept-capabilities"]);
    assert_eq!(rolled, "gate version 1 is deployed for tenant acme\n");
    assert_eq!(world.ran().await, ["gate@1"]);
    let versions = world.json(&["actions", "versions", "gate"]);
    assert_eq!((&versions[0]["number"], &versions[1]["number"]), (&json!(2), &json!(1)), "{versions}");
    assert_eq!((&versions[0]["deployed"], &versions[1]["deployed"]), (&json!(false), &json!(true)), "{versions}");
    world.done(&["actions", "rollback", "gate", "--to", "2", "--accept-capabilities"]);
    assert_eq!(world.ran().await, ["gate@2"]);

    let bound = world.refused(&["actions", "delete", "gate"]);
    assert!(bound.contains("action_bound") && bound.contains("help: --force deletes it"), "{bound}");
    world.done(&["actions", "delete", "gate", "--force"]);
    assert!(world.ran().await.is_empty());
    let missing = world.refused(&["actions", "show", "gate"]);
    assert!(missing.contains("tenant acme has no Action gate; `vestibule actions list --tenant acme`"), "{missing}");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_is_built_and_deployed_under_its_own_name_and_shown() {
    let world = World::start().await;
    let deployed = world.run(&["deploy", "examples/organization-gate", "--bind", "--json"]);
    assert_eq!(deployed.code, Some(0), "{}", deployed.stderr);
    let json = deployed.json();
    assert_eq!((&json["action"]["name"], &json["place"]), (&json!("organization-gate"), &json!(1)), "{json}");
    for words in ["Building organization-gate 0.1.0", "Uploaded organization-gate", "Deployed organization-gate version 1"] {
        assert!(deployed.stderr.contains(words), "{words} is not in:\n{}", deployed.stderr);
    }
    assert!(!deployed.stderr.contains('\r'), "no terminal looks at it, so nothing moves");
    let shown = world.done(&["actions", "show", "organization-gate"]);
    for words in ["version 1, since", "organization-gate 0.1.0", "capabilities", "access.deny", "fail-login"] {
        assert!(shown.contains(words), "{words} is not in:\n{shown}");
    }
    let listed = world.done(&["actions", "list"]);
    assert!(listed.lines().nth(1).is_some_and(|row| row.contains("organization-gate  post-login  1     deployed")), "{listed}");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_built_is_told_and_deployed_nowhere() {
    let world = World::start().await;
    for (name, bytes, words) in [
        ("text.wasm", b"hello".as_slice(), "is not a WebAssembly component"),
        ("empty.wasm", b"\0asm\x0d\0\x01\0".as_slice(), "does not export `on-execute-post-login`"),
    ] {
        let refused = world.refused(&["deploy", &world.person.component(name, bytes), "--name", "broken", "--bind"]);
        assert!(refused.contains("nothing was deployed") && refused.contains(words), "{refused}");
    }
    let named = world.refused(&["deploy", &world.person.component("my@gate.wasm", b"\0asm\x0d\0\x01\0")]);
    assert!(named.contains("can't be called \"my@gate\"; call it by --name"), "{named}");
    assert_eq!(world.json(&["actions", "list"])[1], serde_json::Value::Null, "what is no WebAssembly makes no Action");
    let left = world.refused(&["deploy", &world.person.component("left.wasm", b"\0asm\x0d\0\x01\0")]);
    assert!(left.contains("left was created and has no version yet; the next `vestibule deploy` goes on"), "{left}");
    assert_eq!(world.json(&["bindings", "list"]), json!([]));
    assert_eq!(world.json(&["actions", "show", "broken"])["status"], "failed");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_by_standard_input_and_never_back() {
    let world = World::start().await;
    let reads = world.person.component("reads.wasm", artifacts::READS_A_SECRET);
    world.done(&["deploy", &reads, "--name", "reads", "--bind"]);
    let set = world.run_with_input(&["secrets", "set", "API_KEY", "--action", "reads"], "hunter2");
    assert_eq!((set.code, set.stdout.as_str()), (Some(0), "API_KEY: set for reads\n"), "{}", set.stderr);
    assert_eq!(world.login().await["id_token"]["claims"]["secret_length"], 7);
    let listed = world.json(&["secrets", "list", "--action", "reads"]);
    assert_eq!(listed[0]["name"], "API_KEY");
    let all = format!("{listed}{}{}", world.done(&["actions", "show", "reads"]), world.json(&["actions", "show", "reads"]));
    assert!(all.contains("API_KEY") && !all.contains("hunter2"), "{all}");
    let none = world.run_with_input(&["secrets", "set", "API_KEY", "--action", "reads"], "");
    assert!(none.code == Some(1) && none.stderr.contains("no secret on standard input"), "{}", none.stderr);
    world.done(&["secrets", "remove", "API_KEY", "--action", "reads"]);
    assert!(world.login().await["id_token"]["claims"]["secret_length"].is_null());
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_several_lines_is_kept_as_a_whole() {
    let world = World::start().await;
    let reads = world.person.component("reads.wasm", artifacts::READS_A_SECRET);
    world.done(&["deploy", &reads, "--name", "reads", "--bind"]);
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----";
    let set = world.run_with_input(&["secrets", "set", "API_KEY", "--action", "reads"], pem);
    assert_eq!((set.code, set.stdout.as_str()), (Some(0), "API_KEY: set for reads, 3 lines\n"), "{}", set.stderr);
    assert_eq!(world.login().await["id_token"]["claims"]["secret_length"], pem.len());
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_already_is_not_uploaded_over_somebodys_draft() {
    let world = World::start().await;
    let (writes, denies) = (
        world.person.component("writes.wasm", artifacts::WRITES_METADATA),
        world.person.component("denies.wasm", artifacts::DENIES),
    );
    world.done(&["deploy", &writes, "--name", "gate"]);
    // A draft of somebody who has more to do: what it asks for is not accepted yet.
    world.refused(&["deploy", &denies, "--name", "gate"]);
    let draft = |action: &serde_json::Value| action["component"]["sha256"].clone();
    let before = draft(&world.json(&["actions", "show", "gate"]));
    let again = world.json(&["deploy", &writes, "--name", "gate"]);
    assert_eq!((&again["deployed"], &again["capabilities_added"]), (&json!(false), &json!([])), "{again}");
    assert!(!again["capabilities"].to_string().contains("access.deny"), "what runs is told, and not the draft: {again}");
    assert_eq!(draft(&world.json(&["actions", "show", "gate"])), before);
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_bind_at_one_time_both_are_bound() {
    let world = World::start().await;
    let writes = world.person.component("writes.wasm", artifacts::WRITES_METADATA);
    let names: Vec<String> = (0..6).map(|number| format!("action-{number}")).collect();
    let start = |name: &String| world.person.start(&["deploy", &writes, "--name", name, "--bind", "--tenant", "acme"]);
    let deploying: Vec<_> = names.iter().map(start).collect();
    for deployed in deploying {
        assert!(deployed.wait_with_output().unwrap().status.success());
    }
    let mut bound: Vec<String> = world
        .json(&["bindings", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|binding| binding["action"]["name"].as_str().unwrap().to_owned())
        .collect();
    bound.sort();
    assert_eq!(bound, names);
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_deployed_more_often_than_a_page_lists_goes_back_all_the_same() {
    let world = World::start_with("actions = { versions = 200 }").await;
    let writes = world.person.component("writes.wasm", artifacts::WRITES_METADATA);
    let first = world.json(&["deploy", &writes, "--name", "gate"]);
    let id = first["action"]["id"].as_str().unwrap();
    for _ in 0..101 {
        world.api.deploy(id).await;
    }
    assert_eq!(world.done(&["actions", "rollback", "gate"]), "gate version 101 is deployed for tenant acme\n");
    assert_eq!(world.done(&["actions", "rollback", "gate", "--to", "1"]), "gate version 1 is deployed for tenant acme\n");
    let all = world.json(&["actions", "versions", "gate"]);
    assert_eq!(all.as_array().unwrap().len(), 102);
    assert!(world.refused(&["actions", "rollback", "gate"]).contains("no version before 1"));
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_are_ordered_and_removed_by_name() {
    let world = World::start().await;
    let writes = world.person.component("writes.wasm", artifacts::WRITES_METADATA);
    for name in ["a", "b", "c"] {
        world.done(&["deploy", &writes, "--name", name, "--bind"]);
    }
    assert_eq!(world.ran().await, ["a@1", "b@1", "c@1"]);
    world.done(&["bindings", "set", "c", "a"]);
    assert_eq!(world.ran().await, ["c@1", "a@1"]);
    let listed = world.done(&["bindings", "list"]);
    let rows: Vec<Vec<&str>> = listed.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows, [["1", "c", "1", "c"], ["2", "a", "1", "a"]], "{listed}");
    world.done(&["bindings", "remove", "c"]);
    assert_eq!(world.ran().await, ["a@1"]);
    assert!(world.refused(&["bindings", "remove", "c"]).contains("c is not bound"));
    assert!(world.refused(&["bindings", "set", "nobody"]).contains("there is no such Action"));
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_a_deployment_with_what_is_too_much() {
    let world = World::start().await;
    let policy = world.person.component("policy.toml", b"[rules]\n\"session.set-metadata\" = [\"crm-sync\"]\n");
    world.done(&["policy", "set", &policy]);
    let shown = world.done(&["policy", "show"]);
    assert!(shown.contains("session.set-metadata  crm-sync"), "{shown}");
    let writes = world.person.component("writes.wasm", artifacts::WRITES_METADATA);
    let refused = world.refused(&["deploy", &writes, "--name", "gate", "--accept-capabilities"]);
    assert!(refused.contains("capabilities_refused") && refused.contains("\n    session.set-metadata\n"), "{refused}");
    assert!(refused.contains("help: `vestibule policy show --tenant acme`"), "{refused}");
    world.done(&["deploy", &writes, "--name", "crm-sync"]);
    world.done(&["policy", "remove"]);
    world.done(&["deploy", &writes, "--name", "gate"]);
    let wrong = world.person.component("wrong.toml", b"[rules]\n\"event-user.shoe-size\" = []\n");
    assert!(world.refused(&["policy", "set", &wrong]).contains("event-user.shoe-size"));
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_sends_requests_needs_somewhere_to_send_them_and_a_wrong_limit_is_told() {
    let world = World::start().await;
    let sends = world.person.component("sends.wasm", artifacts::SENDS_REQUESTS);
    let refused = world.refused(&["deploy", &sends, "--name", "sends"]);
    assert!(refused.contains("`vestibule actions set sends --allow ORIGIN --tenant acme`"), "{refused}");
    world.done(&["actions", "set", "sends", "--allow", "https://api.example.com", "--limit", "cpu_time=50 ms"]);
    world.done(&["deploy", &sends, "--name", "sends"]);
    let action = world.json(&["actions", "set", "sends", "--on-failure", "continue", "--no-limit", "cpu_time"]);
    let expected = json!([["https://api.example.com"], {}, "continue"]);
    assert_eq!(json!([action["allowed_origins"], action["limits"], action["on_failure"]]), expected);
    assert!(world.refused(&["actions", "set", "sends", "--limit", "cpu=1 s"]).contains("there is no limit `cpu`"));
    world.server.stop();
}
