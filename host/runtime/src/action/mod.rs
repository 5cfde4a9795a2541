//! An Action, compiled and ready to run.

pub(crate) mod charge;
pub(crate) mod component;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use vestibule_model::ActionId;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use charge::Charge;

use crate::contract::bindings::PostLoginPre;
use crate::contract::{CONTRACT, Capabilities, Imports, phrases};
use crate::error::{LoadError, of_wasmtime};
use crate::sandbox::Sandbox;

/// The functions that a post-login Action exports.
const EXPORTS: [&str; 2] = ["on-execute-post-login", "on-continue-post-login"];

/// An Action that has been compiled and checked. Cloning it is cheap.
#[derive(Clone)]
pub struct Action(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    id: ActionId,
    bytes: usize,
    capabilities: Capabilities,
    caches: bool,
    sends_requests: bool,
    /// Whether its last run has computed for longer than a moment.
    starts_in_background: AtomicBool,
    pre: PostLoginPre<Sandbox>,
    /// Bytes of compiled code and of data that is mapped beside it.
    image_bytes: usize,
    /// Its charge in an `ActionCache`. It is dropped with the Action, so that it counts for as long
    /// as it is in memory.
    charge: OnceLock<Charge>,
}

impl Action {
    /// Which Action: its name and version.
    pub fn id(&self) -> &ActionId {
        &self.0.id
    }

    /// The size of its component in bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// What it can see and do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// Whether it can ask for its tenant's cache.
    pub(crate) fn caches(&self) -> bool {
        self.0.caches
    }

    /// Whether it can ask for HTTP requests.
    pub fn sends_requests(&self) -> bool {
        self.0.sends_requests
    }

    /// Whether it starts on the background executor, since its last run ended there.
    pub(crate) fn starts_in_background(&self) -> bool {
        self.0.starts_in_background.load(Ordering::Relaxed)
    }

    /// Remembers whether a run has computed for longer than a moment.
    pub(crate) fn record_run(&self, long: bool) {
        // Read first: threads that run one Action share this cache line as long as no
        // thread writes to it.
        if self.starts_in_background() != long {
            self.0.starts_in_background.store(long, Ordering::Relaxed);
        }
    }

    pub(crate) fn pre(&self) -> &PostLoginPre<Sandbox> {
        &self.0.pre
    }

    /// What it takes in memory, as far as wasmtime tells.
    pub(crate) fn image_bytes(&self) -> usize {
        self.0.image_bytes
    }

    /// Counts it in an `ActionCache` for as long as it is in memory.
    pub(crate) fn charge(&self, charge: Charge) {
        // It has been loaded for this one cache, which charges once.
        let _ = self.0.charge.set(charge);
    }

    pub(crate) fn load(
        engine: &Engine,
        linker: &Linker<Sandbox>,
        fallback_name: &str,
        bytes: &[u8],
        limit: usize,
        compile: impl FnOnce(&Engine) -> Result<Component, LoadError>,
    ) -> Result<Self, LoadError> {
        component::is_component(fallback_name, bytes, limit)?;
        // Whatever else reads these bytes does so only when they have been validated.
        let component = compile(engine)?;
        let id = component::identity(bytes, fallback_name)?;
        Self::of_component(engine, linker, id, bytes.len(), &component)
    }

    /// The Action that a compiled component is.
    pub(crate) fn of_component(
        engine: &Engine,
        linker: &Linker<Sandbox>,
        id: ActionId,
        bytes: usize,
        component: &Component,
    ) -> Result<Self, LoadError> {
        let name = || id.to_string();
        let imports = Imports::of(component, engine, &phrases::is_offered);
        if let Some(built_for) = imports.other_version {
            return Err(LoadError::OtherVersion { name: name(), built_for, served: CONTRACT });
        }
        if !imports.not_offered.is_empty() {
            return Err(LoadError::NotOffered { name: name(), imports: imports.not_offered });
        }
        let component_type = component.component_type();
        for export in EXPORTS {
            let found = component_type.exports(engine).find(|(name, _)| *name == export);
            if !matches!(found.map(|(_, item)| item.ty), Some(ComponentItem::ComponentFunc(_))) {
                return Err(LoadError::MissingExport { name: name(), export });
            }
        }
        let other_type = |error: wasmtime::Error| LoadError::OtherType { name: name(), reason: of_wasmtime(&error) };
        let pre = linker.instantiate_pre(component).and_then(PostLoginPre::new).map_err(other_type)?;
        let image = component.image_range();
        Ok(Self(Arc::new(Inner {
            bytes,
            caches: imports.offered.caches(),
            sends_requests: imports.offered.sends_requests(),
            capabilities: imports.offered,
            starts_in_background: AtomicBool::new(false),
            pre,
            image_bytes: image.end.addr() - image.start.addr(),
            charge: OnceLock::new(),
            id,
        })))
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action").field("id", &self.0.id).finish_non_exhaustive()
    }
}
