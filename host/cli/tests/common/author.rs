//! An author at work in a folder of their own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Ran, cache_home, ran};

/// What the crates of these tests are built into: one folder, so that the SDK is compiled once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("authoring")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target()).env("XDG_CACHE_HOME", cache_home());
    // Whoever runs the tests may have profiles of their own.
    command.env("XDG_CONFIG_HOME", cache_home());
    command
}

pub fn vestibule(folder: &Path, arguments: &[&str]) -> Ran {
    ran(command(folder, arguments))
}

pub fn cargo(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target()).env_remove("CARGO_ENCODED_RUSTFLAGS");
    ran(command)
}

pub fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the file is there");
    assert!(text.contains(from), "{} has no {from:?}:\n{text}", file.display());
    std::fs::write(file, text.replace(from, to)).expect("the file can be written");
}

/// A running `vestibule dev`, ended when the test ends.
pub struct Dev {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Dev {
    pub fn start(folder: &Path, errors: &Path) -> Self {
        let errors = std::fs::File::create(errors).expect("the folder can be written");
        let mut child =
            command(folder, &["dev"]).stdout(Stdio::piped()).stderr(Stdio::from(errors)).spawn().expect("the command runs");
        let stdout = child.stdout.take().expect("it has been asked for");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// What it shows until it waits for the next change.
    pub fn shown(&mut self) -> String {
        let mut shown = String::new();
        for line in self.lines.by_ref() {
            let line = line.expect("the command writes text");
            if line == "── waiting for a change" {
                return shown;
            }
            shown.push_str(&line);
            shown.push('\n');
        }
        panic!("it has ended:\n{shown}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
