//! The symbols that were kept when an Action was built: they read the trace of the component that
//! was deployed without them.

use std::collections::HashMap;
use std::ops::Range;

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use thiserror::Error;
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// Why a file has no symbols to read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SymbolsError {
    /// It is not a component.
    #[error("it is no component: {0}")]
    NotAComponent(String),
    /// It has been stripped.
    #[error("it has no symbols; give the NAME.symbols.wasm that `vestibule build --release` has written beside NAME.wasm")]
    NoSymbols,
    /// Its debugging information is damaged.
    #[error("its debugging information can't be read: {0}")]
    Damaged(String),
}

/// A function, and a place in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The function's name, where it is known.
    pub function: Option<String>,
    /// The file, line and column, where they are known.
    pub place: Option<(String, u32, u32)>,
}

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The symbols of a component's core module.
pub struct Symbols<'a> {
    dwarf: addr2line::Context<Reader<'a>>,
    names: HashMap<u32, String>,
    /// Where the code of each function lies, relative to the code section; the first is the first
    /// that isn't imported.
    bodies: Vec<Range<u64>>,
    imported: u32,
}

/// One core module, as far as symbols go.
#[derive(Default)]
struct Module<'a> {
    sections: HashMap<&'a str, &'a [u8]>,
    names: HashMap<u32, String>,
    bodies: Vec<Range<u64>>,
    imported: u32,
    code: u64,
}

impl<'a> Symbols<'a> {
    /// Reads the symbols of a component.
    ///
    /// # Errors
    /// When it is no component, has been stripped, or is damaged.
    pub fn read(component: &'a [u8]) -> Result<Self, SymbolsError> {
        let modules = modules(component).map_err(|error| SymbolsError::NotAComponent(error.to_string()))?;
        // Beside the Action's own module there may be small ones that hold a component together.
        let module = modules.into_iter().find(|module| module.sections.contains_key(SectionId::DebugInfo.name()));
        let Module { sections, names, bodies, imported, .. } = module.ok_or(SymbolsError::NoSymbols)?;
        let section = |id: SectionId| -> Result<Reader<'a>, addr2line::gimli::Error> {
            Ok(EndianSlice::new(sections.get(id.name()).copied().unwrap_or_default(), LittleEndian))
        };
        let damaged = |error: addr2line::gimli::Error| SymbolsError::Damaged(error.to_string());
        let dwarf = addr2line::Context::from_dwarf(Dwarf::load(section).map_err(damaged)?).map_err(damaged)?;
        Ok(Self { dwarf, names, bodies, imported })
    }

    /// What stands at this offset of this function, the innermost first: functions that the
    /// compiler has put into others included.
    pub fn at(&self, function: u32, offset: u32) -> Vec<Symbol> {
        let name = || Symbol { function: self.names.get(&function).map(|name| readable(name)), place: None };
        let body = function.checked_sub(self.imported).and_then(|defined| self.bodies.get(defined as usize));
        let Some(address) = body.map(|body| body.start + u64::from(offset)) else { return vec![name()] };
        let mut symbols = Vec::new();
        if let Ok(mut frames) = self.dwarf.find_frames(address).skip_all_loads() {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame.function.and_then(|function| function.raw_name().ok().map(|name| readable(&name)));
                let place = frame.location.and_then(|at| Some((at.file?.to_owned(), at.line?, at.column.unwrap_or(1))));
                symbols.push(Symbol { function, place });
            }
        }
        if symbols.is_empty() { vec![name()] } else { symbols }
    }
}

fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The core modules of a component, one after the other as they stand in it.
fn modules(component: &[u8]) -> Result<Vec<Module<'_>>, wasmparser::BinaryReaderError> {
    let mut modules = vec![Module::default()];
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        if let Payload::ModuleSection { .. } = payload {
            modules.push(Module::default());
            continue;
        }
        let Some(module) = modules.last_mut() else { continue };
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    module.imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::CodeSectionStart { unchecked_range, .. } => module.code = unchecked_range.start,
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                module.bodies.push(range.start - module.code..range.end - module.code);
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => {
                    for names in names {
                        let Name::Function(functions) = names? else { continue };
                        for naming in functions {
                            let naming = naming?;
                            module.names.insert(naming.index, naming.name.to_owned());
                        }
                    }
                }
                _ => _ = module.sections.insert(section.name(), section.data()),
            },
            _ => {}
        }
    }
    Ok(modules)
}

impl std::fmt::Debug for Symbols<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbols").field("functions", &self.bodies.len()).finish_non_exhaustive()
    }
}
