//! A tenant's Actions as a folder for git.

use std::path::Path;

use serde_json::json;
use vestibule_test_artifacts as artifacts;

use crate::world::{World, files};

/// Three Actions with all that Actions have, two of them bound, and a policy.
async fn furnished() -> World {
    let world = World::start().await;
    let component = |name: &str, bytes| world.person.component(name, bytes);
    world.done(&["deploy", &component("writes.wasm", artifacts::WRITES_METADATA), "--name", "writes", "--bind"]);
    world.done(&["deploy", &component("reads.wasm", artifacts::READS_A_SECRET), "--name", "reads", "--bind"]);
    world.done(&["deploy", &component("denies.wasm", artifacts::DENIES), "--name", "denies"]);
    world.done(&["bindings", "set", "reads", "writes"]);
    let set = ["--configuration", "key=tier", "--limit", "cpu_time=50 ms", "--limit", "memory=32 MiB"];
    world.done(&[&["actions", "set", "writes", "--on-failure", "continue"], &set[..]].concat());
    world.done(&["actions", "set", "denies", "--allow", "https://api.example.com", "--allow", "http://a.example:8080"]);
    assert_eq!(world.run_with_input(&["secrets", "set", "API_KEY", "--action", "reads"], "hunter2").code, Some(0));
    let policy = world.person.component("policy.json", br#"{"rules": {"event-user.email": ["crm-sync"], "http": []}}"#);
    world.done(&["policy", "set", &policy]);
    world
}

fn delete_all(world: &World) {
    for name in ["writes", "reads", "denies"] {
        world.done(&["actions", "delete", name, "--force"]);
    }
    world.done(&["policy", "remove"]);
    assert_eq!(world.json(&["actions", "list"]), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_and_deleted_is_applied_and_exported_to_the_byte() {
    let world = furnished().await;
    let (before, after) = (world.person.path("before"), world.person.path("after"));
    world.done(&["export", "--to", &before]);
    let exported = files(Path::new(&before));
    let names: Vec<&str> = exported.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert_eq!(names, ["actions.toml", "components/denies.wasm", "components/reads.wasm", "components/writes.wasm"]);
    assert!(exported[3].1 == artifacts::WRITES_METADATA);
    let manifest = String::from_utf8(exported[0].1.clone()).unwrap();
    assert!(manifest.contains("secrets = [\"API_KEY\"]") && !manifest.contains("hunter2"), "{manifest}");

    assert_eq!(world.done(&["apply", &before, "--prune"]), "tenant acme is as the folder says\n");
    delete_all(&world);

    let missing = world.refused(&["apply", &before, "--yes"]);
    assert!(missing.contains("API_KEY of reads, as VESTIBULE_SECRET_READS_API_KEY or in the file"), "{missing}");
    assert_eq!(world.json(&["actions", "list"]), json!([]), "nothing was done");
    let secrets = world.person.component("secrets.toml", b"[reads]\nAPI_KEY = \"hunter2\"\n");
    let apply = ["apply", before.as_str(), "--secrets", secrets.as_str()];
    let planned = world.json(&[&apply[..], &["--dry-run"]].concat());
    let steps = planned["plan"].as_array().unwrap().len();
    assert_eq!((&planned["done"], steps), (&json!(false), 1 + 3 + 1 + 3 + 3 + 1), "{planned}");
    assert!(!planned.to_string().contains("hunter2"));
    assert_eq!(world.json(&["actions", "list"]), json!([]), "nothing was done");

    let refused = world.run_with_input(&apply, "n");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let rows: Vec<Vec<&str>> = refused.stdout.lines().map(|row| row.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["+", "create", "writes", "for", "post-login"]), "{}", refused.stdout);
    assert!(refused.stdout.ends_with("nothing was done\n") && refused.stderr.contains("[y/N]"), "{}", refused.stdout);
    let applied = world.run_with_input(&apply, "yes");
    assert_eq!(applied.code, Some(0), "{}{}", applied.stdout, applied.stderr);
    assert!(applied.stdout.ends_with("tenant acme is as the folder says now\n"), "{}", applied.stdout);
    for words in ["Created denies", "Uploaded reads", "Deployed writes version 1", "Bound post-login"] {
        assert!(applied.stderr.contains(words), "{words} is not in:\n{}", applied.stderr);
    }

    assert_eq!(world.ran().await, ["reads@1", "writes@1"]);
    let outcome = world.login().await;
    assert_eq!(
        (&outcome["id_token"]["claims"]["secret_length"], &outcome["session"]["metadata"]["tier"]),
        (&json!(7), &json!("🦀"))
    );
    world.done(&["export", "--to", &after]);
    assert!(files(Path::new(&after)) == exported, "{}", std::fs::read_to_string(Path::new(&after).join("actions.toml")).unwrap());
    assert_eq!(world.json(&["apply", &after, "--yes", "--prune"])["plan"], json!([]), "applying it twice changes nothing");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_somebody_changes_is_what_the_server_becomes() {
    let world = furnished().await;
    let folder = world.person.path("acme");
    world.done(&["export", "--to", &folder]);
    let manifest = Path::new(&folder).join("actions.toml");
    let change = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(from), "{from} is not in:\n{text}");
        std::fs::write(&manifest, text.replace(from, to)).unwrap();
    };
    // The order, a setting, and code that asks for more than the folder says.
    change("    \"reads\",\n    \"writes\",\n", "    \"writes\",\n");
    change("key = \"tier\"", "key = \"level\"");
    std::fs::write(Path::new(&folder).join("components/writes.wasm"), artifacts::READS_A_SECRET).unwrap();
    let plan = world.json(&["apply", &folder, "--dry-run"]);
    let dones: Vec<&str> = plan["plan"].as_array().unwrap().iter().map(|step| step["do"].as_str().unwrap()).collect();
    assert_eq!(dones, ["upload", "change", "deploy", "bind"], "{plan}");
    let refused = world.refused(&["apply", &folder, "--yes"]);
    assert!(
        refused.contains("it asks for more than its `capabilities` in actions.toml\n    id-token.set-custom-claim"),
        "{refused}"
    );
    assert_eq!(world.ran().await, ["reads@1", "writes@1"], "what stands before it in the plan is done, and nothing behind it");
    assert_eq!(world.login().await["session"]["metadata"]["level"], "🦀");
    world.done(&["apply", &folder, "--yes", "--accept-capabilities"]);
    assert_eq!(world.ran().await, ["writes@2"]);

    // What the folder doesn't have any more stays, unless it is to go.
    let text = std::fs::read_to_string(&manifest).unwrap();
    let rest: Vec<&str> = text.split("\n[actions.denies").collect();
    let (_, rest) = rest[1].split_once("\n[actions.reads]").unwrap();
    std::fs::write(&manifest, format!("{}\n[actions.reads]{rest}", text.split_once("\n[actions.denies").unwrap().0)).unwrap();
    let kept = world.done(&["apply", &folder, "--yes"]);
    assert!(kept.contains("denies is not in the folder; --prune deletes it"), "{kept}");
    world.done(&["import", &folder, "--yes", "--prune"]);
    assert!(world.refused(&["actions", "show", "denies"]).contains("has no Action denies"));
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_wrong_changes_nothing() {
    let world = World::start().await;
    let empty = world.person.path("");
    let refused = world.refused(&["apply", &empty, "--yes"]);
    assert!(refused.contains("can't read") && refused.contains("`vestibule export` writes one"), "{refused}");
    let folder = world.person.path("wrong");
    std::fs::create_dir(&folder).unwrap();
    let manifest = Path::new(&folder).join("actions.toml");
    std::fs::write(&manifest, "[bindings]\npost-login = [\"gate\"]\n").unwrap();
    let refused = world.refused(&["apply", &folder, "--yes"]);
    assert!(refused.contains("actions.toml is wrong") && refused.contains("stands in no `actions.gate`"), "{refused}");
    std::fs::write(&manifest, "[actions.gate]\ncomponent = \"components/gate.wasm\"\n").unwrap();
    assert!(world.refused(&["apply", &folder, "--yes"]).contains("the component of gate"));
    std::fs::create_dir(Path::new(&folder).join("components")).unwrap();
    std::fs::write(Path::new(&folder).join("components/gate.wasm"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    let pointer = world.refused(&["apply", &folder, "--yes"]);
    assert!(pointer.contains("the component of gate is not a WebAssembly component"), "{pointer}");
    assert!(world.refused(&["apply", &folder, "--json"]).contains("say --yes or --dry-run"));
    assert_eq!(world.json(&["actions", "list"]), json!([]));
    world.server.stop();
}
