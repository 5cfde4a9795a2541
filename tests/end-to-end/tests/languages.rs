//! The contract serves other languages as it is.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use std::path::PathBuf;
use std::process::Command;

use vestibule::Binding;
use vestibule::compile::Compiler;
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA;
use vestibule_tests::{comparable, example_event, load, root, run, runtime};

/// Builds the Action in Python. `tests/run` installs what that takes, and says where.
fn python_action() -> Vec<u8> {
    let componentize = std::env::var_os("VESTIBULE_COMPONENTIZE_PY").map_or_else(|| "componentize-py".into(), PathBuf::from);
    let out = tempfile::tempdir().expect("a temporary folder");
    let file = out.path().join("action.wasm");
    let mut command = Command::new(&componentize);
    command.arg("--wit-path").arg(root().join("wit")).args(["--world", "post-login", "componentize", "--stub-wasi"]);
    command.arg("--python-path").arg(root().join("tests/languages/python")).arg("--output").arg(&file).arg("action");
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}; run `tests/run`", componentize.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(file).expect("the component was written")
}

#[tokio::test]
async fn the_action_in_python_has_the_outcome_of_the_one_in_rust() {
    let runtime = runtime();
    // As a host loads it, with the limits that a host has: it is the largest component that there
    // is.
    let compiler = Compiler::new(env!("CARGO_BIN_EXE_compile-worker"), []);
    let loader = runtime.loader().compiler(compiler);
    let in_python = loader.load(&"acme".parse().unwrap(), "guest", &python_action()).unwrap().action;
    let in_rust = load(&runtime, ORGANIZATION_SESSION_METADATA);
    for event in ["organization-login", "organization-without-display-name", "login-without-organization", "reused-session"] {
        let python = run(&runtime, vec![Binding::new(in_python.clone())], example_event(event)).await;
        let rust = run(&runtime, vec![Binding::new(in_rust.clone())], example_event(event)).await;
        assert!(rust.is_allowed(), "{event}: {rust:?}");
        assert_eq!(comparable(&python), comparable(&rust), "{event}");
    }
}
