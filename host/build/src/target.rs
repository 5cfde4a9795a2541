//! The target that Actions are compiled for, added where it is missing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{BuildError, TARGET};

/// Sees to it that the toolchain of this folder has the target, and says so on standard error when
/// it has to be added.
pub(crate) fn ensure(folder: &Path) -> Result<(), BuildError> {
    // Where the compiler can't be asked, cargo tells what is wrong better than we could.
    if library(folder).is_none_or(|library| library.is_dir()) {
        return Ok(());
    }
    eprintln!("      Adding target {TARGET} (rustup target add {TARGET})");
    let failed = |reason: String| BuildError::Target { reason };
    // The toolchain that builds is the one that rustup selects: the one of this process, or the
    // folder's own.
    let mut command = Command::new("rustup");
    let command = command.args(["target", "add", TARGET]).current_dir(folder).stdout(Stdio::null());
    let status = command.status().map_err(|error| failed(format!("{error}; is rustup installed?")))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

/// Where the target's standard library is, or would be.
fn library(folder: &Path) -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let mut command = Command::new(rustc);
    let output = command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}
