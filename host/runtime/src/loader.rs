//! Loading components of strangers: compiled in a process of its own, and kept.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, TenantId};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::action::{self, Action};
use crate::compilation_cache::{CacheFault, CompilationCache, Entry};
use crate::compile::{CompileLane, Compiler, weight};
use crate::error::{LoadError, of_wasmtime};
use crate::fingerprint::Fingerprint;
use crate::inspect::{CONTRACT, Capabilities};
use crate::precompiled::Precompiled;
use crate::run::Runtime;
use crate::shelf::Deployed;

/// Processor time of one component in the short lane. What takes longer would hold up others that
/// take a tenth of a second.
const SHORT: Duration = Duration::from_secs(10);

/// Loads Actions that strangers have written. Cloning it is cheap; make one for a host, since its
/// clones share the limit `compiles`.
///
/// It blocks for as long as compiling takes: milliseconds to `compile_time`. Load when an Action is
/// deployed, or when a host starts, and never in a login. In an asynchronous program, it belongs
/// into `spawn_blocking`.
#[derive(Clone)]
pub struct Loader(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    fingerprint: Fingerprint,
    compiler: Option<Compiler>,
    cache: Option<CompilationCache>,
    /// Of what is built and loaded, in each lane. What a shelf compiles for logins has its own.
    short: Turns,
    long: Turns,
}

/// An Action that has been loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The Action.
    pub action: Action,
    /// Where its code comes from.
    pub from: Source,
    /// What was wrong with the cache: for the operator's log. The Action is right all the same.
    pub faults: Vec<CacheFault>,
}

/// A component that was built: what a registry keeps of it, and the Action, ready to run.
#[derive(Debug)]
pub struct Built {
    /// The Action, by the name and version that it carries.
    pub action: Action,
    /// The component's digest.
    pub digest: ComponentDigest,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// What it can see and do, and the plumbing that its language wants.
    pub capabilities: Capabilities,
    /// The name that it carries, or the fallback.
    pub name: String,
    /// The version that it carries, or 0.0.0.
    pub version: String,
    /// What its tools have written into it of how it was made: `producers`, `authors`, `source`,
    /// `revision` and so on.
    pub build: Map<String, Value>,
    /// Where its code comes from.
    pub from: Source,
    /// What was wrong with the cache: for the operator's log. The Action is right all the same.
    pub faults: Vec<CacheFault>,
}

/// Where an Action's code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It has been compiled now.
    Compiled,
    /// It was in the cache.
    Cached,
}

impl Loader {
    /// A loader for a runtime. Without a compiler it compiles in this process, as [`Runtime::load`]
    /// does; without a cache it compiles each time.
    pub fn new(runtime: Runtime, compiler: Option<Compiler>, cache: Option<CompilationCache>) -> Self {
        let fingerprint = Fingerprint::of(runtime.engine());
        let (short, long) = (Turns::new(1), Turns::new(runtime.settings().host_limits.compiles));
        Self(Arc::new(Inner { runtime, fingerprint, compiler, cache, short, long }))
    }

    /// Loads a tenant's component, and checks that it is a post-login Action that wants nothing but
    /// what is offered.
    ///
    /// Its name and version are those that `vestibule build` has written into it; `fallback_name`
    /// and 0.0.0 where there are none.
    ///
    /// # Errors
    /// When it is no such component, or compiling it takes more than is allowed: which rule it
    /// breaks, and what to do. What is wrong with the cache is no error.
    pub fn load(&self, tenant: &TenantId, fallback_name: &str, component: &[u8]) -> Result<Loaded, LoadError> {
        match self.load_in(self.lane(fallback_name, component)?, tenant, fallback_name, component) {
            Err(LoadError::NotShort { .. }) => self.load_in(CompileLane::Long, tenant, fallback_name, component),
            loaded => loaded,
        }
    }

    /// The lane that a component is compiled in: seen from counts that take a thousandth of what
    /// compiling takes.
    ///
    /// # Errors
    /// When it has more of what is counted than is allowed.
    pub fn lane(&self, fallback_name: &str, component: &[u8]) -> Result<CompileLane, LoadError> {
        weight::lane(fallback_name, component, &self.0.runtime.settings().host_limits)
    }

    /// The lane of a component, as [`lane`](Self::lane) gives it, after a look at the whole of it:
    /// that its sections and functions can be read to the end. Whether they fit together is the
    /// compiler's to say. It takes no memory, and a tenth of a second for the largest.
    ///
    /// # Errors
    /// When it has more of what is counted than is allowed, or something can't be read.
    pub fn check(&self, fallback_name: &str, component: &[u8]) -> Result<CompileLane, LoadError> {
        weight::check(fallback_name, component, &self.0.runtime.settings().host_limits)
    }

    fn load_in(&self, lane: CompileLane, tenant: &TenantId, fallback_name: &str, component: &[u8]) -> Result<Loaded, LoadError> {
        let mut faults = Vec::new();
        let mut compiled = None;
        let mut entry = None;
        // Only when a component's size and kind have been looked at.
        let action = self.0.runtime.load_with(fallback_name, component, |engine| {
            let name = (fallback_name, Some(lane));
            let (found, code) = self.component(engine, tenant, name, &mut faults, component, &mut entry)?;
            compiled = code;
            Ok(found)
        })?;
        let from = self.keep(entry.as_ref(), compiled.as_ref(), &mut faults);
        Ok(Loaded { action, from, faults })
    }

    /// Loads a tenant's component as [`load`](Self::load) does, so that the cache has it, and tells
    /// what a registry keeps of it.
    ///
    /// # Errors
    /// As those of [`load`](Self::load).
    pub fn build(&self, tenant: &TenantId, fallback_name: &str, component: &[u8]) -> Result<Built, LoadError> {
        Ok(built(self.load(tenant, fallback_name, component)?, component))
    }

    /// Builds a tenant's component as [`build`](Self::build) does, in a lane that the caller has
    /// found by [`lane`](Self::lane), and whose queue is the caller's own.
    ///
    /// # Errors
    /// As those of [`load`](Self::load), and [`LoadError::NotShort`] for one of the short lane that
    /// takes too long there.
    pub fn build_in(
        &self,
        lane: CompileLane,
        tenant: &TenantId,
        fallback_name: &str,
        component: &[u8],
    ) -> Result<Built, LoadError> {
        // Its counts have limits in whichever lane.
        self.lane(fallback_name, component)?;
        Ok(built(self.load_in(lane, tenant, fallback_name, component)?, component))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// A deployed Action whose compiled code is kept, without its component; nothing where it isn't
    /// kept.
    pub(crate) fn kept(
        &self,
        tenant: &TenantId,
        deployed: &Deployed,
        faults: &mut Vec<CacheFault>,
    ) -> Result<Option<Action>, LoadError> {
        let Inner { runtime, fingerprint, cache, .. } = &*self.0;
        let Some(cache) = cache else { return Ok(None) };
        let entry = cache.entry(tenant, fingerprint, deployed.digest);
        match self.cached(runtime.engine(), &entry) {
            Ok(Some(component)) => runtime.deployed(deployed, 0, &component).map(Some),
            Ok(None) => Ok(None),
            Err(fault) => {
                faults.push(fault);
                Ok(None)
            }
        }
    }

    /// A deployed Action from its component, which is compiled and kept. Logins wait for it, so it
    /// stands behind no upload: the shelf has turns of its own.
    pub(crate) fn deployed(
        &self,
        tenant: &TenantId,
        deployed: &Deployed,
        component: &[u8],
        faults: &mut Vec<CacheFault>,
    ) -> Result<Loaded, LoadError> {
        let runtime = &self.0.runtime;
        let (engine, name) = (runtime.engine(), deployed.id.to_string());
        let found = ComponentDigest::of(component);
        if found != deployed.digest {
            return Err(LoadError::OtherComponent { name, digest: deployed.digest, found });
        }
        action::is_component(&name, component, runtime.settings().host_limits.component_bytes)?;
        self.lane(&name, component)?;
        let mut entry = None;
        let (found, compiled) = self.component(engine, tenant, (&name, None), faults, component, &mut entry)?;
        let action = runtime.deployed(deployed, component.len(), &found)?;
        let from = self.keep(entry.as_ref(), compiled.as_ref(), faults);
        Ok(Loaded { action, from, faults: Vec::new() })
    }

    /// A component from the cache, or compiled, when its turn has come where it needs one: then its
    /// code comes with it.
    fn component<'a>(
        &'a self,
        engine: &Engine,
        tenant: &'a TenantId,
        (name, lane): (&str, Option<CompileLane>),
        faults: &mut Vec<CacheFault>,
        component: &[u8],
        entry: &mut Option<Entry<'a>>,
    ) -> Result<(Component, Option<Precompiled>), LoadError> {
        let Inner { fingerprint, cache, .. } = &*self.0;
        *entry = cache.as_ref().map(|cache| cache.entry(tenant, fingerprint, ComponentDigest::of(component)));
        match entry.as_ref().map(|entry| self.cached(engine, entry)) {
            Some(Ok(Some(component))) => return Ok((component, None)),
            Some(Err(fault)) => faults.push(fault),
            Some(Ok(None)) | None => {}
        }
        let code = {
            let _turn = lane.map(|lane| self.turns(lane).take());
            self.compile(engine, (name, lane), component)?
        };
        let component = code.component(engine).map_err(|error| action::refused(name.to_owned(), of_wasmtime(&error)))?;
        Ok((component, Some(code)))
    }

    /// Keeps what was compiled. What is no Action never comes here.
    fn keep(&self, entry: Option<&Entry<'_>>, compiled: Option<&Precompiled>, faults: &mut Vec<CacheFault>) -> Source {
        if let (Some(entry), Some(code)) = (entry, compiled) {
            faults.extend(entry.write(code.code()).err());
        }
        if compiled.is_some() { Source::Compiled } else { Source::Cached }
    }

    fn cached(&self, engine: &Engine, entry: &Entry<'_>) -> Result<Option<Component>, CacheFault> {
        let Some(verified) = entry.read(self.0.runtime.settings().host_limits.compiled_bytes)? else { return Ok(None) };
        Precompiled::Kept(verified).component(engine).map(Some).map_err(|error| entry.not_loaded(&error))
    }

    fn turns(&self, lane: CompileLane) -> &Turns {
        match lane {
            CompileLane::Short => &self.0.short,
            CompileLane::Long => &self.0.long,
        }
    }

    fn compile(
        &self,
        engine: &Engine,
        (name, lane): (&str, Option<CompileLane>),
        component: &[u8],
    ) -> Result<Precompiled, LoadError> {
        let Inner { runtime, fingerprint, compiler, .. } = &*self.0;
        let longest = runtime.settings().host_limits.compile_time;
        let allowed = if lane == Some(CompileLane::Short) { longest.min(SHORT) } else { longest };
        match compiler {
            Some(compiler) => {
                let compiled = compiler.compile((name, allowed), runtime.settings(), fingerprint, component);
                compiled.map(Precompiled::Answered).map_err(|error| match error {
                    LoadError::CompileTime { name, .. } if allowed < longest => LoadError::NotShort { name, allowed },
                    error => error,
                })
            }
            None => Precompiled::here(engine, component).map_err(|error| action::refused(name.to_owned(), of_wasmtime(&error))),
        }
    }
}

/// What a registry keeps of a component that was loaded.
fn built(Loaded { action, from, faults }: Loaded, component: &[u8]) -> Built {
    Built {
        digest: ComponentDigest::of(component),
        contract: CONTRACT.to_owned(),
        capabilities: action.capabilities().clone(),
        name: action.id().name().to_owned(),
        version: action.id().version().to_owned(),
        build: action::build_information(component),
        action,
        from,
        faults,
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { compiler, cache, .. } = &*self.0;
        f.debug_struct("Loader").field("compiler", compiler).field("cache", cache).finish_non_exhaustive()
    }
}

/// How many compile at one time. Whoever compiles may block, so whoever waits may, too.
struct Turns {
    free: Mutex<usize>,
    given_back: Condvar,
}

struct Turn<'a>(&'a Turns);

impl Turns {
    fn new(count: usize) -> Self {
        Self { free: Mutex::new(count.max(1)), given_back: Condvar::new() }
    }

    fn take(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.given_back.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_compile_at_one_time_than_have_a_turn() {
        let turns = Turns::new(2);
        let (compiling, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = turns.take();
                    most.fetch_max(compiling.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    compiling.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }
}
