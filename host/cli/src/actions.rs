//! From what stands on the command line to an Action: a component file, or the folder of a crate,
//! which is built first.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use vestibule::Action;
use vestibule_build::{Builder, Built, TARGET};

use crate::loading::Loading;
use crate::table::kilobytes;

/// A component that can be loaded.
pub(crate) struct Component {
    /// What it is called where it doesn't say so itself.
    name: String,
    bytes: Vec<u8>,
}

impl Component {
    /// What it is called where it doesn't say so itself, and its bytes.
    pub(crate) fn into_parts(self) -> (String, Vec<u8>) {
        (self.name, self.bytes)
    }

    /// Compiles it, and checks that it is an Action.
    pub(crate) fn load(&self, loading: &Loading) -> Result<Action> {
        loading.load(&self.name, &self.bytes)
    }
}

/// Reads an Action's component from its file, or builds the folder of its crate, with symbols: to
/// run it here.
pub(crate) fn read(path: &Path) -> Result<Component> {
    component(path, |built| built.with_symbols)
}

/// Reads an Action's component from its file, or builds the folder of its crate, without symbols:
/// as it is deployed.
pub(crate) fn deployed(path: &Path) -> Result<Component> {
    component(path, |built| built.component)
}

fn component(path: &Path, bytes: impl Fn(Built) -> Vec<u8>) -> Result<Component> {
    if path.is_dir() {
        let built = build(path)?;
        return Ok(Component { name: built.name.clone(), bytes: bytes(built) });
    }
    let bytes = std::fs::read(path).with_context(|| format!("can't read the Action {}", path.display()))?;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("action").to_owned();
    Ok(Component { name, bytes })
}

/// Builds the Action of a folder, and says so on standard error, with the size that is deployed.
pub(crate) fn build(folder: &Path) -> Result<Built> {
    let started = Instant::now();
    let built = Builder::new(folder).quiet(true).build()?;
    let what = format!("{} {} ({TARGET})", built.name, built.version);
    eprintln!("   Building {what:<60} {:>5.1} s · {}", started.elapsed().as_secs_f64(), kilobytes(built.component.len()));
    Ok(built)
}
