//! The command as a person uses it: what it prints, what it says when something is wrong, and its
//! exit codes.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::{LOGIN, file, folder, root, vestibule};
use vestibule_test_artifacts as artifacts;

#[test]
fn two_actions_are_built_and_run_as_one_flow() {
    let actions = ["run", "examples/organization-session-metadata", "examples/organization-gate"];
    let ran = vestibule(&[&actions[..], &["--event", LOGIN]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("Building organization-gate 0.1.0 (wasm32-wasip2)"), "{}", ran.stderr);
    assert!(ran.stdout.contains("to organization Acme Corp: allowed"), "{}", ran.stdout);
    let row = |start: &str| ran.stdout.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_default().to_owned();
    assert!(row("org_id").contains("org_abc123") && row("org_id").contains("← organization-session-metadata"));
    assert!(row("https://acme.example/org").contains("← organization-gate"), "{}", ran.stdout);

    let json = vestibule(&[&actions[..], &["--event", LOGIN, "--json"]].concat()).json();
    assert_eq!(json["decision"], "allow");
    assert_eq!(json["session"]["metadata"]["org_name"], "Acme Corp");
    assert_eq!(json["access_token"]["claims"]["https://acme.example/org"], "acme");
    let report = &json["actions"][0];
    assert_eq!((&report["name"], &report["result"]), (&"organization-session-metadata".into(), &"ok".into()));
    assert!(report["duration_us"].is_u64() && report["fuel"].as_u64() > Some(0) && report["logs"].is_array());
    assert_eq!(report["peak_memory_bytes"], 192 << 10, "small enough to be reset without a system call");
}

#[test]
fn every_event_of_the_examples_has_the_outcome_that_its_readme_promises() {
    let folder = folder();
    let first = file(&folder, "first.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let gate = file(&folder, "gate.wasm", artifacts::ORGANIZATION_GATE);
    let run = |event: &str| {
        let event = format!("examples/events/{event}.json");
        let ran = vestibule(&["run", &first, &gate, "--event", &event, "--json"]);
        (ran.code, ran.json())
    };
    let (code, json) = run("organization-without-display-name");
    assert_eq!((code, &json["decision"]), (Some(3), &"deny".into()));
    assert_eq!(json["session"]["metadata"]["org_name"], "initech");
    let (code, json) = run("login-without-organization");
    assert_eq!((code, &json["session"]["metadata"]), (Some(0), &serde_json::json!({})));
    let (code, json) = run("reused-session");
    let metadata = serde_json::json!({ "device": "laptop", "org_id": "org_abc123", "org_name": "Acme Corp", "org_slug": "acme" });
    assert_eq!((code, &json["session"]["metadata"]), (Some(0), &metadata));
    let (code, json) = run("refresh-token-exchange");
    assert_eq!((code, &json["decision"], &json["error"]["kind"]), (Some(4), &"failed".into(), &"returned".into()));
    assert!(json["error"]["message"].as_str().is_some_and(|message| message.starts_with("this login has no session")));
}

#[test]
fn inspect_shows_what_an_action_can_see_and_do_and_nothing_else() {
    let ran = vestibule(&["inspect", "examples/organization-session-metadata"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for words in ["sees      the organization", "does      sets session metadata", "plumbing  standard streams"] {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
    let json = vestibule(&["inspect", "examples/organization-session-metadata", "--json"]).json();
    assert_eq!(json["capabilities"], serde_json::json!(["event-organization.get", "session.set-metadata"]));
    let plumbing = json["plumbing"].as_array().expect("a list");
    assert!(
        plumbing
            .iter()
            .all(|name| name.as_str().is_some_and(|name| name.starts_with("wasi:cli/") || name.starts_with("wasi:io/")))
    );
}

#[test]
fn build_writes_a_component_that_runs_under_its_own_name() {
    let folder = folder();
    let out = folder.path().join("gate.wasm");
    let out = out.to_str().expect("a path that is text");
    let ran = vestibule(&["build", "examples/organization-gate", "--output", out]);
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), out), "{}", ran.stderr);
    let json = vestibule(&["run", out, "--event", LOGIN, "--json"]).json();
    assert_eq!((&json["actions"][0]["name"], &json["actions"][0]["version"]), (&"organization-gate".into(), &"0.1.0".into()));
}

#[test]
fn secrets_and_configuration_reach_the_action_and_never_the_screen() {
    let folder = folder();
    let action = file(&folder, "reads.wasm", artifacts::READS_A_SECRET);
    let ran = vestibule(&["run", &action, "--event", LOGIN, "--secret", "API_KEY=hunter2", "--json"]);
    assert_eq!(ran.json()["id_token"]["claims"]["secret_length"], 7);
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    let ran = vestibule(&["run", &action, "--event", LOGIN, "--secret", "=hunter2"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("a name is empty") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let gate = file(&folder, "gate.wasm", artifacts::ORGANIZATION_GATE);
    let reused = "examples/events/reused-session.json";
    let ran = vestibule(&["run", &gate, "--event", reused, "--configuration", "suspended=old-name"]);
    assert_eq!(ran.code, Some(3));
}

#[test]
fn a_failure_is_told_on_standard_error_and_changes_nothing() {
    let folder = folder();
    let failing: [(&str, &[u8], &str); 5] = [
        ("returns.wasm", artifacts::RETURNS_AN_ERROR, "the directory is closed"),
        ("panics.wasm", artifacts::PANICS, "it panicked: no such department\n    at "),
        ("loops.wasm", artifacts::LOOPS_FOR_EVER, "limit `cpu_time`"),
        ("grows.wasm", artifacts::GROWS_MEMORY, "limit `memory`"),
        ("recurses.wasm", artifacts::RECURSES, "limit `stack`"),
    ];
    for (name, component, words) in failing {
        let action = file(&folder, name, component);
        let ran = vestibule(&["run", &action, "--event", LOGIN]);
        assert_eq!(ran.code, Some(4), "{name}");
        assert!(
            ran.stderr.starts_with("error: Action ") && ran.stderr.contains("@0.1.0 failed, so the login fails"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(words), "{name}: {}", ran.stderr);
        assert!(ran.stdout.contains("so nothing changes"), "{}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_loaded_is_told_with_what_to_do() {
    let folder = folder();
    let empty_folder = folder.path().to_str().expect("a path that is text").to_owned();
    let cases: [(String, &str); 6] = [
        (file(&folder, "text.wasm", b"hello"), "is not a WebAssembly component; build one with `vestibule build`"),
        (file(&folder, "module.wasm", b"\0asm\x01\0\0\0"), "compile it for the target `wasm32-wasip2`"),
        (file(&folder, "empty-component.wasm", b"\0asm\x0d\0\x01\0"), "does not export `on-execute-post-login`"),
        (file(&folder, "reads.wasm", artifacts::READS_A_FILE), "wasi:filesystem/types@0.2"),
        ("no/such/file.wasm".to_owned(), "can't read the Action no/such/file.wasm"),
        (empty_folder, "has no Cargo.toml of an Action's crate"),
    ];
    for (action, words) in cases {
        let ran = vestibule(&["run", &action, "--event", LOGIN]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{action}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(words), "{action}: {}", ran.stderr);
    }
}

#[test]
fn a_wrong_event_is_told_with_its_place_before_anything_is_built() {
    let folder = folder();
    let event = std::fs::read_to_string(root().join(LOGIN)).expect("the event is there");
    let cases = [
        (event.replace("\"email\": \"alice@example.com\"", "\"email\": 7"), "event.user.email` (line "),
        (event.replace("\"tenant\"", "\"landlord\""), "missing field `tenant`"),
        (event.replace("2024-03-05T14:12:45.006Z", "last spring"), "event.user.created_at` (line "),
        ("[1, 2".to_owned(), "the event is wrong at `event"),
    ];
    for (number, (event, words)) in cases.iter().enumerate() {
        let event = file(&folder, &format!("{number}.json"), event.as_bytes());
        let ran = vestibule(&["run", "examples/organization-gate", "--event", &event]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words}");
        assert!(ran.stderr.contains(words) && !ran.stderr.contains("Building"), "{words}: {}", ran.stderr);
    }
}

#[test]
fn a_crate_that_makes_no_component_or_does_not_compile_is_told() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("src")).expect("a folder");
    file(&folder, "Cargo.toml", b"[package]\nname = \"wrong\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    file(&folder, "src/lib.rs", b"pub fn f() {}\n");
    let path = folder.path().to_str().expect("a path that is text");
    let ran = vestibule(&["build", path]);
    assert!(ran.code == Some(1) && ran.stderr.contains("crate-type = [\"cdylib\"]"), "{}", ran.stderr);
    let manifest =
        "[package]\nname = \"wrong\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
    file(&folder, "Cargo.toml", manifest.as_bytes());
    let ran = vestibule(&["build", path]);
    assert!(ran.code == Some(1) && ran.stderr.contains("does not export `on-execute-post-login`"), "{}", ran.stderr);
    file(&folder, "src/lib.rs", b"fn f() -> u8 { \"text\" }\n");
    let ran = vestibule(&["build", path]);
    assert!(ran.code == Some(1) && ran.stderr.contains("mismatched types"), "{}", ran.stderr);
    assert!(ran.stderr.contains("doesn't compile; the compiler's errors stand above"), "{}", ran.stderr);
}

#[test]
fn every_case_of_every_example_is_as_expected() {
    let examples = std::fs::read_dir(root().join("examples")).expect("the examples are there");
    let folders: Vec<String> = examples
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.to_owned()))
        .filter(|name| root().join("examples").join(name).join("cases").is_dir())
        .map(|name| format!("examples/{name}"))
        .collect();
    let mut arguments = vec!["test"];
    arguments.extend(folders.iter().map(String::as_str));
    let ran = vestibule(&arguments);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(folders.len() >= 10 && ran.stdout.contains(" 0 failed"), "{}", ran.stdout);
}

#[test]
fn a_reader_that_has_read_enough_is_no_fault() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let mut child = child.arg("limits").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn limits_are_shown_with_what_happens_beyond() {
    let shown = vestibule(&["limits"]);
    for words in ["cpu_time", "500 ms", "LimitBroken::CpuTime", "tenant_queue", "RunError::TooBusy", "METADATA_ENTRIES"] {
        assert!(shown.stdout.contains(words), "{words} is missing:\n{}", shown.stdout);
    }
    let json = vestibule(&["limits", "--json"]).json();
    assert!(json.as_array().is_some_and(|limits| limits.iter().all(|limit| limit["raised_by"].is_string())), "{json}");
}
