//! The command, run as a person runs it.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses some of this; and a test that lacks its parts is to fail at once"
)]

pub mod author;
pub mod receiver;
pub mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub const LOGIN: &str = "examples/events/organization-login.json";

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

pub fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .ancestors()
        .nth(2)
        .expect("this crate lies in host/cli")
        .to_owned()
}

/// Where the command keeps what it has compiled: not in the cache of whoever runs the tests.
pub fn cache_home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

pub fn vestibule(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).current_dir(root()).env("XDG_CACHE_HOME", cache_home());
    ran(command)
}

/// The command, with a line on its standard input.
pub fn vestibule_with_input(arguments: &[&str], line: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments);
    with_input(command, line)
}

/// What has become of a command that was given a line.
pub fn with_input(mut command: Command, line: &str) -> Ran {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let mut input = child.stdin.take().expect("it is piped");
    // One that is content with its arguments reads nothing.
    let _ = writeln!(input, "{line}");
    drop(input);
    of(child.wait_with_output().expect("the command ends"))
}

/// What has become of a command.
pub fn ran(mut command: Command) -> Ran {
    of(command.output().expect("the command runs"))
}

fn of(output: std::process::Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes text");
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("panicked at host/"), "the command itself must never panic:\n{}", ran.stderr);
    ran
}

/// A component as a file, for as long as the folder is kept.
pub fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the folder can be written");
    path.to_str().expect("a path that is text").to_owned()
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}
