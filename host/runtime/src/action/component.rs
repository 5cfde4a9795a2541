//! A component before it is compiled: whether it is one, and what its tools have written into it.

use serde_json::{Map, Value};
use vestibule_model::ActionId;

use crate::error::LoadError;

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
pub(super) fn identity(bytes: &[u8], fallback_name: &str) -> Result<ActionId, LoadError> {
    let metadata = wasm_metadata::Payload::from_binary(bytes).ok();
    let metadata = metadata.as_ref().map(wasm_metadata::Payload::metadata);
    let version = metadata.and_then(|metadata| metadata.version.as_ref()).map(ToString::to_string);
    // A compiler names components, too; only beside a version is the name an Action's.
    let name = version.as_ref().and(metadata).and_then(|metadata| metadata.name.clone());
    Ok(ActionId::new(name.as_deref().unwrap_or(fallback_name), version.as_deref().unwrap_or("0.0.0"))?)
}
