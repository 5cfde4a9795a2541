//! Loading: any bytes are an Action or a typed error that is fit to be shown.

use vestibule::{Action, LoadError};

use crate::Reached;
use crate::host::Host;

/// How a component begins, and how a core module goes on.
const WASM: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// What a component without a name of its own is called.
const NAME: &str = "fuzzed";

/// Any bytes, as a component to `Runtime::load`.
pub fn load_bytes(input: &[u8]) -> Reached {
    match load(input) {
        Ok(_) => Reached::Accepted,
        Err(_) => Reached::Refused,
    }
}

/// Loads a component, and holds what comes of it against what every load promises.
pub(crate) fn load(component: &[u8]) -> Result<Action, LoadError> {
    let host = Host::shared();
    let loaded = host.runtime.load(NAME, component);
    match &loaded {
        Ok(action) => {
            assert_eq!(action.bytes(), component.len(), "an Action has another size than its component");
            assert!(component.starts_with(WASM) && !component.starts_with(CORE_MODULE), "no component, and loaded");
        }
        Err(error) => check(error, component),
    }
    loaded
}

fn check(error: &LoadError, component: &[u8]) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "an error that a terminal would obey: {text:?}");
    match error {
        LoadError::NotWasm { .. } => assert!(!component.starts_with(WASM), "WebAssembly, and called none"),
        LoadError::CoreModule { .. } => assert!(component.starts_with(CORE_MODULE), "no core module, and called one"),
        LoadError::NotOffered { imports, .. } => {
            assert!(!imports.is_empty(), "refused for imports that it hasn't");
            assert!(imports.iter().all(|import| text.contains(import)), "an import is not named: {text}");
        }
        _ => {}
    }
    // Before its own name is known, a component is called by its file; afterwards by name and
    // version.
    let is_named = text.starts_with(NAME) || text.split(' ').next().is_some_and(|name| name.contains('@'));
    assert!(is_named || matches!(error, LoadError::Name(_)), "an error that doesn't say which Action: {text}");
}
