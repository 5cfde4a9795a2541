//! How the command loads Actions: compiled in a process of its own, and kept in the user's cache
//! folder, so that a second run is quick.

use std::env;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Args;
use vestibule::compile::Compiler;
use vestibule::load::{CacheFault, CacheKey, CompilationCache, Loader};
use vestibule::model::TenantId;
use vestibule::{Action, Runtime};

use crate::table::printable;

/// The hidden subcommand whose process compiles.
pub(crate) const WORKER: &str = "compile-worker";

/// Whose components the cache of an author's machine has: everything in it is the author's own.
const TENANT: &str = "local";
/// The folder of compiled code in the user's cache folder, and the key beside it.
const FOLDER: &str = "compiled";
const KEY: &str = "compiled.key";

/// Whether compiled components are kept.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Caching {
    /// Compile Actions again, and keep nothing of it
    #[arg(long)]
    no_cache: bool,
}

impl Caching {
    /// Loads Actions for this runtime.
    pub(crate) fn loader(self, runtime: &Runtime) -> Result<Loading> {
        let compiler = Compiler::this_program(WORKER).context("can't find this program, to compile in a process of its own")?;
        // A machine without a cache folder compiles each time.
        let cache = if self.no_cache { None } else { cache_home(|name| env::var_os(name)).and_then(|home| cache(&home).ok()) };
        let loader = runtime.loader().compiler(compiler);
        let loader = match cache {
            Some(cache) => loader.cache(cache),
            None => loader,
        };
        Ok(Loading { loader, tenant: TENANT.parse::<TenantId>()? })
    }
}

/// Loads Actions.
pub(crate) struct Loading {
    loader: Loader,
    tenant: TenantId,
}

impl Loading {
    /// Compiles a component or takes it from the cache, and checks that it is an Action. What is
    /// wrong with the cache is told.
    pub(crate) fn load(&self, name: &str, component: &[u8]) -> Result<Action> {
        let loaded = self.loader.load(&self.tenant, name, component)?;
        for fault in &loaded.faults {
            eprintln!("    Warning {}", printable(&told(&loaded.action, fault)));
        }
        Ok(loaded.action)
    }
}

fn told(action: &Action, fault: &CacheFault) -> String {
    let id = action.id();
    match fault {
        CacheFault::NotKept { .. } => format!("{id} could not be kept in the cache, so it will be compiled again: {fault}"),
        _ => format!("what the cache had for {id} was not what this machine has written, so it was compiled again: {fault}"),
    }
}

/// Where this user's programs keep what they can make again (XDG Base Directory Specification: a
/// path that isn't absolute is ignored).
fn cache_home(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

fn cache(home: &Path) -> io::Result<CompilationCache> {
    let ours = home.join("vestibule");
    // For this user alone, where it is not there yet.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&ours)?;
    let ours = Dir::open_ambient_dir(&ours, ambient_authority())?;
    ours.create_dir_all(FOLDER)?;
    let key = CacheKey::kept_in(&ours, KEY).map_err(io::Error::other)?;
    Ok(CompilationCache::new(ours.open_dir(FOLDER)?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let home = |set: &'static [(&str, &str)]| {
            cache_home(move |name| set.iter().find(|(found, _)| *found == name).map(|(_, value)| value.into()))
        };
        assert_eq!(home(&[("HOME", "/home/me")]), Some("/home/me/.cache".into()));
        assert_eq!(home(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "/var/mine")]), Some("/var/mine".into()));
        assert_eq!(home(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "mine")]), Some("/home/me/.cache".into()));
        assert_eq!(home(&[]), None);
    }
}
