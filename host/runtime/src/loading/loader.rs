//! Loading untrusted components: compiled in a process of its own, and cached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, TenantId};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compilation_cache::{CacheFault, CompilationCache, Entry};
use super::compile::{CompileLane, Compiler, weight};
use super::deployed::Deployed;
use super::fingerprint::Fingerprint;
use super::host::Host;
use super::permits::Permits;
use super::precompiled::Precompiled;
use crate::action::Action;
use crate::action::component::{build_information, is_component, refused};
use crate::contract::{CONTRACT, Capabilities};
use crate::error::{LoadError, of_wasmtime};

/// Processor time of one component in the short lane. What takes longer would hold up others that
/// take a tenth of a second.
const SHORT: Duration = Duration::from_secs(10);

/// Loads Actions of untrusted authors. Cloning it is cheap; make one for a host, since its
/// clones share the limit `compiles`.
///
/// It blocks for as long as compiling takes: milliseconds to `compile_time`. Load when an Action is
/// deployed, or when a host starts, and never in a login. In an asynchronous program, it belongs
/// into `spawn_blocking`.
#[derive(Clone)]
pub struct Loader(Arc<Inner>);

#[derive(Clone)]
struct Parts {
    host: Arc<Host>,
    fingerprint: Fingerprint,
    compiler: Option<Compiler>,
    cache: Option<Arc<CompilationCache>>,
}

struct Inner {
    parts: Parts,
    /// Of what is built and loaded, in each lane. What an `ActionCache` compiles for logins has its
    /// own.
    short: Permits,
    long: Permits,
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
    pub(crate) fn of_host(host: Arc<Host>) -> Self {
        let fingerprint = Fingerprint::of(&host.engine);
        Self::with(Parts { host, fingerprint, compiler: None, cache: None })
    }

    /// Compiles by this compiler, in a process of its own, and no longer in this process. Clones
    /// that were made before are not changed.
    #[must_use]
    pub fn compiler(self, compiler: Compiler) -> Self {
        Self::with(Parts { compiler: Some(compiler), ..self.0.parts.clone() })
    }

    /// Looks for compiled code in this cache, and stores it there. Clones that were made before are
    /// not changed.
    #[must_use]
    pub fn cache(self, cache: CompilationCache) -> Self {
        Self::with(Parts { cache: Some(Arc::new(cache)), ..self.0.parts.clone() })
    }

    fn with(parts: Parts) -> Self {
        let (short, long) = (Permits::new(1), Permits::new(parts.host.settings.host_limits.compiles));
        Self(Arc::new(Inner { parts, short, long }))
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
        weight::lane(fallback_name, component, &self.0.parts.host.settings.host_limits)
    }

    /// The lane of a component, as [`lane`](Self::lane) gives it, after a look at the whole of it:
    /// that its sections and functions can be read to the end. Whether they fit together is the
    /// compiler's to say. It takes no memory, and a tenth of a second for the largest.
    ///
    /// # Errors
    /// When it has more of what is counted than is allowed, or something can't be read.
    pub fn check(&self, fallback_name: &str, component: &[u8]) -> Result<CompileLane, LoadError> {
        weight::check(fallback_name, component, &self.0.parts.host.settings.host_limits)
    }

    fn load_in(&self, lane: CompileLane, tenant: &TenantId, fallback_name: &str, component: &[u8]) -> Result<Loaded, LoadError> {
        let mut faults = Vec::new();
        let mut compiled = None;
        let mut entry = None;
        // Only when a component's size and kind have been looked at.
        let action = self.0.parts.host.load_with(fallback_name, component, |engine| {
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

    pub(crate) fn host(&self) -> &Host {
        &self.0.parts.host
    }

    /// A deployed Action whose compiled code is kept, without its component; nothing where it isn't
    /// kept.
    pub(crate) fn kept(
        &self,
        tenant: &TenantId,
        deployed: &Deployed,
        faults: &mut Vec<CacheFault>,
    ) -> Result<Option<Action>, LoadError> {
        let Parts { host, fingerprint, cache, .. } = &self.0.parts;
        let Some(cache) = cache else { return Ok(None) };
        let entry = cache.entry(tenant, fingerprint, deployed.digest);
        match self.cached(&host.engine, &entry) {
            Ok(Some(component)) => host.deployed(deployed, 0, &component).map(Some),
            Ok(None) => Ok(None),
            Err(fault) => {
                faults.push(fault);
                Ok(None)
            }
        }
    }

    /// A deployed Action from its component, which is compiled and kept. Logins wait for it, so it
    /// is not queued behind uploads: the `ActionCache` has separate permits.
    pub(crate) fn deployed(
        &self,
        tenant: &TenantId,
        deployed: &Deployed,
        component: &[u8],
        faults: &mut Vec<CacheFault>,
    ) -> Result<Loaded, LoadError> {
        let host = &self.0.parts.host;
        let (engine, name) = (&host.engine, deployed.id.to_string());
        let found = ComponentDigest::of(component);
        if found != deployed.digest {
            return Err(LoadError::OtherComponent { name, digest: deployed.digest, found });
        }
        is_component(&name, component, host.settings.host_limits.component_bytes)?;
        self.lane(&name, component)?;
        let mut entry = None;
        let (found, compiled) = self.component(engine, tenant, (&name, None), faults, component, &mut entry)?;
        let action = host.deployed(deployed, component.len(), &found)?;
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
        let Parts { fingerprint, cache, .. } = &self.0.parts;
        *entry = cache.as_ref().map(|cache| cache.entry(tenant, fingerprint, ComponentDigest::of(component)));
        match entry.as_ref().map(|entry| self.cached(engine, entry)) {
            Some(Ok(Some(component))) => return Ok((component, None)),
            Some(Err(fault)) => faults.push(fault),
            Some(Ok(None)) | None => {}
        }
        let code = {
            let _permit = lane.map(|lane| self.permits(lane).take());
            self.compile(engine, (name, lane), component)?
        };
        let component = code.component(engine).map_err(|error| refused(name.to_owned(), of_wasmtime(&error)))?;
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
        let Some(verified) = entry.read(self.0.parts.host.settings.host_limits.compiled_bytes)? else { return Ok(None) };
        Precompiled::Kept(verified).component(engine).map(Some).map_err(|error| entry.not_loaded(&error))
    }

    fn permits(&self, lane: CompileLane) -> &Permits {
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
        let Parts { host, fingerprint, compiler, .. } = &self.0.parts;
        let longest = host.settings.host_limits.compile_time;
        let allowed = if lane == Some(CompileLane::Short) { longest.min(SHORT) } else { longest };
        match compiler {
            Some(compiler) => {
                let compiled = compiler.compile((name, allowed), &host.settings, fingerprint, component);
                compiled.map(Precompiled::Answered).map_err(|error| match error {
                    LoadError::CompileTime { name, .. } if allowed < longest => LoadError::NotShort { name, allowed },
                    error => error,
                })
            }
            None => Precompiled::here(engine, component).map_err(|error| refused(name.to_owned(), of_wasmtime(&error))),
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
        build: build_information(component),
        action,
        from,
        faults,
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { compiler, cache, .. } = &self.0.parts;
        f.debug_struct("Loader").field("compiler", compiler).field("cache", cache).finish_non_exhaustive()
    }
}
