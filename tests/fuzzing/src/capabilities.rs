//! Capabilities: what an Action is said to see and do is what its import section has, and nothing
//! else is let in.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use arbitrary::Unstructured;
use vestibule::LoadError;
use vestibule::capability::{CONTRACT, Capability};
use vestibule_test_artifacts as artifacts;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use crate::components::MadeAction;
use crate::{Reached, components, edits, loading};

const CONTRACT_PACKAGE: &str = "vestibule:actions/";

/// What sends HTTP requests: a capability of its own, beside those of the contract.
const OUTGOING: &str = "wasi:http/outgoing-handler";

/// What Actions are offered of WASI 0.2 besides: streams, exit, an empty environment, clocks,
/// random numbers, and the types of HTTP. No files, no sockets.
const WASI: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// A component's imports, as wasmparser alone reads them.
#[derive(Debug, Default)]
struct Read {
    capabilities: BTreeSet<Capability>,
    plumbing: BTreeSet<String>,
    not_offered: Vec<String>,
    other_versions: Vec<String>,
}

/// A component that the input describes: what the host says of its imports, or refuses it for, is
/// what wasmparser reads.
pub fn capabilities(input: &[u8]) -> Reached {
    let mut input = Unstructured::new(input);
    let shape = input.arbitrary::<u8>().unwrap_or_default() % 8;
    let component = match shape {
        0 => components::any(&mut input),
        1 => {
            let real = input.choose(&[artifacts::EVERY_FACT, artifacts::EVERY_EFFECT, artifacts::ORGANIZATION_GATE]);
            real.ok().map(|real| edits::edited(real, &[], &mut input))
        }
        2 | 3 => components::action(&mut input).map(|made| edits::edited(&made.component, &[], &mut input)),
        _ => return made(components::action(&mut input)),
    };
    match component.map(|component| compare(&component)) {
        Some(Ok(())) => Reached::Accepted,
        Some(Err(_)) | None => Reached::Refused,
    }
}

/// An Action that nothing was done to: of it, it is known whether it is to be loaded.
fn made(action: Option<MadeAction>) -> Reached {
    let Some(MadeAction { component, is_renamed }) = action else { return Reached::Refused };
    match compare(&component) {
        Ok(()) if is_renamed => panic!("loaded with a name that was made up"),
        Err(error) if !is_renamed => panic!("refused with imports that are all right: {error}"),
        Ok(()) => Reached::Accepted,
        Err(_) => Reached::Refused,
    }
}

fn compare(component: &[u8]) -> Result<(), LoadError> {
    let is_offered = |capability: &Capability| contract().contains(capability);
    let loaded = loading::load(component);
    let Some(read) = read(component, &is_offered) else {
        assert!(loaded.is_err(), "loaded, and no component by wasmparser");
        return loaded.map(drop);
    };
    match &loaded {
        Ok(action) => {
            assert_eq!(action.capabilities().capabilities, read.capabilities, "other capabilities than it imports");
            assert_eq!(action.capabilities().plumbing, read.plumbing, "other plumbing than it imports");
            assert_eq!(read.not_offered, Vec::<String>::new(), "loaded with what isn't offered");
            assert_eq!(read.other_versions, Vec::<String>::new(), "loaded for another version of the contract");
        }
        Err(LoadError::NotOffered { imports, .. }) => {
            assert_eq!(imports, &read.not_offered, "refused for other imports than it has");
        }
        Err(LoadError::OtherVersion { built_for, .. }) => {
            assert_eq!(Some(built_for), read.other_versions.first(), "built for another version than it says");
        }
        Err(LoadError::MissingExport { .. } | LoadError::OtherType { .. }) => {
            assert_eq!(read.not_offered, Vec::<String>::new(), "refused for something else than what it mustn't import");
            assert_eq!(read.other_versions, Vec::<String>::new(), "refused for something else than its version");
        }
        // It is damaged, too large, or has a name that can't be shown: none of its imports is
        // looked at.
        Err(_) => {}
    }
    loaded.map(drop)
}

/// Every function of the contract: the two Actions together import all of them, which the test
/// `contract` holds against `wit/`.
fn contract() -> &'static BTreeSet<Capability> {
    static CONTRACT: OnceLock<BTreeSet<Capability>> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let read = [artifacts::EVERY_FACT, artifacts::EVERY_EFFECT].map(|component| read(component, &|_| true));
        read.into_iter().flat_map(|read| read.expect("an Action is a component").capabilities).collect()
    })
}

/// Reads a component's imports; none where wasmparser takes it for damaged.
fn read(component: &[u8], is_offered: &impl Fn(&Capability) -> bool) -> Option<Read> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(component).ok()?;
    let mut read = Read::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // What a component in it imports, it gives to it by itself.
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let name = import.ok()?.name.name;
                    let item = types.as_ref().component_item_for_import(name)?;
                    let functions: Option<Vec<&str>> = match item.ty {
                        ComponentEntityType::Instance(instance) => Some(
                            types[instance]
                                .exports
                                .iter()
                                .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
                                .map(|(function, _)| function.as_str())
                                .collect(),
                        ),
                        _ => None,
                    };
                    read.import(name, functions, is_offered);
                }
            }
            _ => {}
        }
    }
    read.not_offered.sort();
    Some(read)
}

impl Read {
    /// Sorts an import; `functions` is what an instance has of them, and none where it is no
    /// instance.
    fn import(&mut self, name: &str, functions: Option<Vec<&str>>, is_offered: &impl Fn(&Capability) -> bool) {
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        if interface == OUTGOING && version.starts_with("0.2.") {
            let asked = functions.unwrap_or_else(|| vec![""]).into_iter().map(str::to_owned);
            self.capabilities.extend(asked.map(|function| Capability { interface: interface.to_owned(), function }));
            return;
        }
        let Some(ours) = interface.strip_prefix(CONTRACT_PACKAGE) else {
            if version.starts_with("0.2.") && WASI.contains(&interface) {
                self.plumbing.insert(interface.to_owned());
            } else {
                // A name that is a URL can have any characters: they are shown as escapes.
                let shown = |character: char| match character.is_control() {
                    true => character.escape_default().to_string(),
                    false => character.to_string(),
                };
                self.not_offered.push(name.chars().map(shown).collect());
            }
            return;
        };
        if version != CONTRACT {
            self.other_versions.push(version.to_owned());
            return;
        }
        for function in functions.unwrap_or_else(|| vec![""]) {
            let capability = Capability { interface: ours.to_owned(), function: function.to_owned() };
            if is_offered(&capability) {
                self.capabilities.insert(capability);
            } else {
                self.not_offered.push(format!("{name}#{function}"));
            }
        }
    }
}
