//! What loading and running share: one engine, what Actions are linked with, and the threads beside
//! those of callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::deployed::Deployed;
use crate::action::Action;
use crate::capabilities;
use crate::config::Config;
use crate::error::{LoadError, RuntimeError, of_wasmtime};
use crate::http::Connector;
use crate::sandbox::{Sandbox, engine, linker};
use crate::scheduling::executor::BackgroundExecutor;

/// What the loader and the runs of a runtime share.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) settings: Config,
    pub(crate) client: Arc<Connector>,
    pub(crate) executor: BackgroundExecutor,
    linker: Linker<Sandbox>,
    panics: AtomicU64,
}

impl Host {
    pub(crate) fn new(settings: Config) -> Result<Self, RuntimeError> {
        settings.check()?;
        let engine = engine::engine(&settings)?;
        let mut linker = Linker::new(&engine);
        let linked = linker::add_wasi(&mut linker).and_then(|()| capabilities::add_to_linker(&mut linker));
        linked.map_err(|error| RuntimeError::Engine { reason: format!("{error:#}") })?;
        let executor = BackgroundExecutor::new(settings.host_limits.slow_threads)?;
        let client = Arc::new(Connector::new(&settings.http)?);
        Ok(Self { engine, settings, client, executor, linker, panics: AtomicU64::new(0) })
    }

    /// The host's own threads, for what takes longer than a login may hold its caller's.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.executor.handle()
    }

    /// How often a function of the host has panicked while an Action ran.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(crate) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Checks a component, compiles it in the caller's way, and links it.
    pub(crate) fn load_with(
        &self,
        fallback_name: &str,
        component: &[u8],
        compile: impl FnOnce(&Engine) -> Result<Component, LoadError>,
    ) -> Result<Action, LoadError> {
        let Self { engine, linker, settings, .. } = self;
        Action::load(engine, linker, fallback_name, component, settings.host_limits.component_bytes, compile)
    }

    /// A deployed Action of a component that is compiled. It can do what was recorded when it was
    /// deployed, and nothing else.
    pub(crate) fn deployed(&self, deployed: &Deployed, bytes: usize, component: &Component) -> Result<Action, LoadError> {
        let Self { engine, linker, .. } = self;
        let action = Action::of_component(engine, linker, deployed.id.clone(), bytes, component)?;
        // Now, and not in its first run's time: it takes memory, and a descriptor.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| LoadError::NoRoom { name: deployed.id.to_string(), reason: of_wasmtime(&error) })?;
        // Nothing beyond what was accepted. A later host may sort an import among the plumbing that
        // was a capability before.
        let added = action.capabilities().added_since(&deployed.capabilities);
        if !added.is_empty() {
            return Err(LoadError::OtherCapabilities { name: deployed.id.to_string(), added });
        }
        Ok(action)
    }
}
