//! From what stands on the command line to an Action: a component file, or the folder of a crate, which is built first.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use vestibule::{Action, Runtime};
use vestibule_build::{Builder, Built, TARGET};

use crate::table::kilobytes;

/// Loads an Action from a component file, or from the folder of its crate.
pub(crate) fn load(runtime: &Runtime, path: &Path) -> Result<Action> {
    if path.is_dir() {
        let built = build(path)?;
        return Ok(runtime.load(&built.name, &built.component)?);
    }
    let component = std::fs::read(path).with_context(|| format!("can't read the Action {}", path.display()))?;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("action");
    runtime.load(name, &component).with_context(|| format!("{} can't be loaded", path.display()))
}

/// Builds the Action of a folder, and says so on standard error.
pub(crate) fn build(folder: &Path) -> Result<Built> {
    let started = Instant::now();
    let built = Builder::new(folder).quiet(true).build()?;
    let what = format!("{} {} ({TARGET})", built.name, built.version);
    eprintln!("   Building {what:<60} {:>5.1} s · {}", started.elapsed().as_secs_f64(), kilobytes(built.component.len()));
    Ok(built)
}
