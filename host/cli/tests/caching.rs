//! What the command has compiled is kept, and what it hasn't written itself is told and not loaded.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{LOGIN, Ran, file, folder, ran, root};
use vestibule_test_artifacts as artifacts;

/// Runs the command with this cache folder.
fn vestibule(cache_home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).current_dir(root()).env("XDG_CACHE_HOME", cache_home);
    ran(command)
}

fn kept(cache_home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache_home.join("vestibule/compiled")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_is_compiled_is_kept_and_a_forged_file_is_told_and_compiled_again() {
    let (folder, home) = (folder(), folder());
    let action = file(&folder, "first.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let run = || {
        let ran = vestibule(home.path(), &["run", &action, "--event", LOGIN, "--json"]);
        assert_eq!((ran.code, &ran.json()["decision"]), (Some(0), &"allow".into()), "{}", ran.stderr);
        ran.stderr
    };
    assert_eq!(run(), "");
    let [code] = &kept(home.path())[..] else { panic!("one file should have been kept: {:?}", kept(home.path())) };
    let whole = std::fs::read(code).unwrap();
    let mode = |path: &str| home.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("vestibule"), mode("vestibule/compiled.key")), (0o700, 0o600));
    let key = std::fs::read(home.path().join("vestibule/compiled.key")).unwrap();

    // The second run takes it from there: it has nothing to write.
    assert_eq!(run(), "");
    std::fs::write(code, b"machine code of somebody else").unwrap();
    let told = run();
    assert_eq!(told.lines().count(), 1, "{told}");
    let words = "what the cache had for organization-session-metadata@0.1.0 was not what this machine has written, so it was compiled again";
    assert!(told.contains(words), "{told}");
    assert_eq!(std::fs::read(code).unwrap(), whole, "it is as it was");
    assert_eq!(run(), "");
    assert_eq!(std::fs::read(home.path().join("vestibule/compiled.key")).unwrap(), key);

    std::fs::write(code, b"forged").unwrap();
    let ran = vestibule(home.path(), &["run", &action, "--event", LOGIN, "--no-cache"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read(code).unwrap(), b"forged", "without the cache, nothing of it is touched");
}

#[test]
fn a_machine_without_a_cache_folder_compiles_each_time() {
    let folder = folder();
    let action = file(&folder, "first.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    // A file is no folder, and a key that others can read is no key.
    let no_folder = file(&folder, "no-folder", b"");
    let ran = vestibule(Path::new(&no_folder), &["run", &action, "--event", LOGIN]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let home = folder.path().join("home");
    assert_eq!(vestibule(&home, &["inspect", &action]).code, Some(0));
    let key = home.join("vestibule/compiled.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let before = kept(&home);
    let ran = vestibule(&home, &["run", &action, "--event", LOGIN]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(kept(&home), before);
}
