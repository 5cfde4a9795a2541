//! An Action, compiled and ready to run.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use vestibule_model::ActionId;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use crate::bindings::PostLoginPre;
use crate::capabilities;
use crate::error::{LoadError, of_wasmtime};
use crate::inspect::{CONTRACT, Capabilities, Imports};
use crate::sandbox::Sandbox;
use crate::shelf::Charge;

/// The functions that a post-login Action exports.
const EXPORTS: [&str; 2] = ["on-execute-post-login", "on-continue-post-login"];

/// How a core module and a component begin (`\0asm`, version, layer).
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const WASM: &[u8] = b"\0asm";

/// What wasmtime says, without a type, when a component doesn't fit into a sandbox, and the limit
/// that it goes over.
const OVER_LIMIT: [(&str, &str); 7] = [
    ("core module instances, which exceeds", "instances"),
    ("Wasm linear memories, which exceeds", "memories"),
    ("tables, which exceeds", "tables"),
    ("defined memories count of", "memories"),
    ("defined tables count of", "tables"),
    ("has a minimum byte size of", "memory"),
    ("has a minimum element size of", "table_elements"),
];

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
    takes_long: AtomicBool,
    pre: PostLoginPre<Sandbox>,
    /// Bytes of compiled code and of data that is mapped beside it.
    image_bytes: usize,
    /// What it is counted with where it comes from a shelf: the last of it, so that it counts for
    /// as long as it is there.
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

    /// Whether it is to begin in the slow lane, since its last run ended there.
    pub(crate) fn takes_long(&self) -> bool {
        self.0.takes_long.load(Ordering::Relaxed)
    }

    /// Remembers whether a run has computed for longer than a moment.
    pub(crate) fn has_taken(&self, long: bool) {
        // Read first: threads that run one Action share this line of memory as long as nobody
        // writes to it.
        if self.takes_long() != long {
            self.0.takes_long.store(long, Ordering::Relaxed);
        }
    }

    pub(crate) fn pre(&self) -> &PostLoginPre<Sandbox> {
        &self.0.pre
    }

    /// What it takes in memory, as far as wasmtime tells.
    pub(crate) fn image_bytes(&self) -> usize {
        self.0.image_bytes
    }

    /// Counts it by a shelf for as long as it is in memory.
    pub(crate) fn charge(&self, charge: Charge) {
        // It has been loaded for this one shelf, which charges once.
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
        is_component(fallback_name, bytes, limit)?;
        // Whatever else reads these bytes does so only when they have been validated.
        let component = compile(engine)?;
        let id = identity(bytes, fallback_name)?;
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
        let imports = Imports::of(component, engine, &capabilities::is_offered);
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
            takes_long: AtomicBool::new(false),
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

/// What wasmtime has refused, and why.
pub(crate) fn refused(name: String, reason: String) -> LoadError {
    match OVER_LIMIT.iter().find(|(text, _)| reason.contains(text)) {
        Some((_, limit)) => LoadError::OverLimit { name, limit, reason },
        None => LoadError::Invalid { name, reason },
    }
}

/// Whether these bytes begin as a component does, and are not too many.
pub(crate) fn is_component(name: &str, bytes: &[u8], limit: usize) -> Result<(), LoadError> {
    let name = || name.to_owned();
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { name: name(), given: bytes.len(), limit });
    }
    if bytes.starts_with(CORE_MODULE) {
        return Err(LoadError::CoreModule { name: name() });
    }
    if !bytes.starts_with(WASM) {
        return Err(LoadError::NotWasm { name: name() });
    }
    Ok(())
}

/// What the component tells of how it was made, beside its name and version: its language and
/// tools, its authors, its source and so on, where its tools have written that.
pub(crate) fn build_information(bytes: &[u8]) -> Map<String, Value> {
    let metadata = wasm_metadata::Payload::from_binary(bytes).ok();
    let metadata = metadata.and_then(|metadata| serde_json::to_value(metadata.metadata()).ok());
    let Some(Value::Object(mut metadata)) = metadata else { return Map::new() };
    metadata.retain(|field, value| !value.is_null() && !matches!(field.as_str(), "name" | "version" | "range"));
    metadata
}

/// The name and version that the component carries (`vestibule build` writes them), or else the
/// given name and version 0.0.0.
fn identity(bytes: &[u8], fallback_name: &str) -> Result<ActionId, LoadError> {
    let metadata = wasm_metadata::Payload::from_binary(bytes).ok();
    let metadata = metadata.as_ref().map(wasm_metadata::Payload::metadata);
    let version = metadata.and_then(|metadata| metadata.version.as_ref()).map(ToString::to_string);
    // A compiler names components, too; only beside a version is the name an Action's.
    let name = version.as_ref().and(metadata).and_then(|metadata| metadata.name.clone());
    Ok(ActionId::new(name.as_deref().unwrap_or(fallback_name), version.as_deref().unwrap_or("0.0.0"))?)
}
