//! The example does what its README shows.

#![allow(clippy::expect_used, reason = "a test that lacks its parts is to fail at once")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_readme_shows_what_it_prints() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let component = folder.path().join("action.wasm");
    std::fs::write(&component, vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA).expect("the folder can be written");
    let event =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../events/organization-login.json");
    let output = Command::new(env!("CARGO_BIN_EXE_embed")).arg(component).arg(event).output().expect("the example runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success() && printed.lines().count() == 6, "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(include_str!("../README.md").contains(&printed), "examples/embed/README.md has to show this:\n{printed}");
}
