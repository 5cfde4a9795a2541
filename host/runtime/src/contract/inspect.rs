//! What a component imports, read from its type.

use vestibule_model::one_line;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::capability::{Capabilities, Capability};
use super::wasi::{self, OUTGOING};

/// The version of the contract that this host serves.
pub const CONTRACT: &str = "0.1.0";

/// The package of the contract, as imports are named after it.
const PACKAGE: &str = "vestibule:actions/";

/// A component's imports, sorted into what is offered and what is not.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) offered: Capabilities,
    /// Of an interface or a function that no Action is offered.
    pub(crate) not_offered: Vec<String>,
    /// Versions of the contract other than ours.
    pub(crate) other_version: Option<String>,
}

impl Imports {
    /// Reads a component's imports, and compares them with those that `offered` has.
    pub(crate) fn of(component: &Component, engine: &Engine, offered: &impl Fn(&str, &str) -> bool) -> Self {
        let mut imports = Self::default();
        for (name, item) in component.component_type().imports(engine) {
            let (interface, version) = name.split_once('@').unwrap_or((name, ""));
            let functions: Vec<String> = match item.ty {
                ComponentItem::ComponentInstance(instance) => instance
                    .exports(engine)
                    .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                    .map(|(function, _)| function.to_owned())
                    .collect(),
                _ => vec![String::new()],
            };
            if interface == OUTGOING && wasi::is_version(version) {
                let asked = functions.into_iter().map(|function| Capability { interface: interface.to_owned(), function });
                imports.offered.capabilities.extend(asked);
            } else if let Some(ours) = interface.strip_prefix(PACKAGE) {
                imports.contract(ours, version, functions, offered);
            } else if wasi::is_offered(interface, version) {
                imports.offered.plumbing.insert(interface.to_owned());
            } else {
                imports.not_offered.push(one_line(name));
            }
        }
        imports.not_offered.sort();
        imports
    }

    fn contract(&mut self, interface: &str, version: &str, functions: Vec<String>, offered: &impl Fn(&str, &str) -> bool) {
        if version != CONTRACT {
            self.other_version.get_or_insert_with(|| version.to_owned());
            return;
        }
        for function in functions {
            if offered(interface, &function) {
                self.offered.capabilities.insert(Capability { interface: interface.to_owned(), function });
            } else {
                self.not_offered.push(format!("{PACKAGE}{interface}@{version}#{function}"));
            }
        }
    }
}
