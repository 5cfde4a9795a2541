//! How much address space the command reserves, held by `ulimit -v`, as hosts and containers hold
//! it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::process::Command;

use common::server::{Server, configuration};
use common::{LOGIN, cache_home, file, folder, ran, root};
use vestibule_test_artifacts as artifacts;

/// The command under a limit of address space in kB. Its compiler's process has the same.
fn within(kilobytes: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {kilobytes} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_vestibule")]);
    command.args(arguments).current_dir(root()).env("XDG_CACHE_HOME", cache_home());
    command
}

#[test]
fn inspect_reserves_no_memory_of_a_sandbox() {
    let folder = folder();
    let action = file(&folder, "action.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let inspected = ran(within(3_000_000, &["inspect", &action]));
    assert_eq!(inspected.code, Some(0), "{}", inspected.stderr);
}

#[test]
fn run_reserves_what_one_login_needs() {
    let folder = folder();
    let action = file(&folder, "action.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let login = ran(within(10_500_000, &["run", &action, "--event", LOGIN]));
    assert_eq!(login.code, Some(0), "{}", login.stderr);
}

#[test]
fn a_server_with_a_small_pool_starts_in_40_gb() {
    let folder = folder();
    let toml = format!("{}\n[limits]\nsandboxes = 8\nmemories = 1\nwarm_memories = 0\n", configuration());
    let config = file(&folder, "vestibule.toml", toml.as_bytes());
    file(&folder, "action.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    Server::of(within(40_000_000, &["serve", "--config", &config])).stop();
}

#[test]
fn a_pool_too_large_for_the_process_names_its_limits() {
    let folder = folder();
    let config = file(&folder, "vestibule.toml", configuration().as_bytes());
    file(&folder, "action.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let refused = ran(within(40_000_000, &["serve", "--config", &config]));
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for words in ["takes 18576 GiB", "`sandboxes` 256 × `memories` 2 + `warm_memories` 4096", "`ulimit -v`"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}
