//! Components, made from an input.

use std::sync::OnceLock;

use arbitrary::Unstructured;
use vestibule_test_artifacts as artifacts;
use wasm_smith::Config;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, WorldId, WorldItem};

/// How wit-component names imports and exports of core modules.
const ABI: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Pages of memory that a made Action starts with.
const PAGES: u8 = 2;

/// A component that exports what an Action does.
pub(crate) struct MadeAction {
    pub(crate) component: Vec<u8>,
    /// It imports something by a name that was made up.
    pub(crate) is_renamed: bool,
}

/// Any component at all, by `wasm-smith`.
pub(crate) fn any(input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    // Half of them without what Actions are not offered, so that some come further than to the
    // validator.
    let config = if input.arbitrary().ok()? { config() } else { Config::default() };
    Some(wasm_smith::Component::new(config, input).ok()?.to_bytes())
}

/// An Action that imports some of the contract and of WASI, with the contract's types, around a
/// core module: one that breaks off at once, or one by `wasm-smith`, which calls what it imports
/// with whatever it comes by.
pub(crate) fn action(input: &mut Unstructured<'_>) -> Option<MadeAction> {
    let (mut resolve, world) = input.choose(worlds()).ok()?.clone();
    keep_some(&mut resolve, world, input)?;
    let is_renamed = input.ratio(1, 4).ok()? && rename(&mut resolve, world, input)?;
    let shape = with_memory(dummy_module(&resolve, world, ABI));
    let mut module = if input.ratio(3, 4).ok()? {
        let config = Config { module_shape: Some(shape), disallow_traps: input.arbitrary().ok()?, ..config() };
        wasm_smith::Module::new(config, input).ok()?.to_bytes()
    } else {
        shape
    };
    let encoding = *input.choose(&[StringEncoding::UTF8, StringEncoding::UTF16, StringEncoding::CompactUTF16]).ok()?;
    embed_component_metadata(&mut module, &resolve, world, encoding, false).expect("the world can be written");
    let mut encoder = ComponentEncoder::default();
    let component = encoder.module(&module).and_then(ComponentEncoder::encode).expect("the module fits its own shape");
    Some(MadeAction { component, is_renamed })
}

/// What a sandbox has switched off stays out; sizes are kept small, so that compiling takes no
/// time.
fn config() -> Config {
    Config {
        max_memories: 1,
        max_memory32_bytes: 8 << 20,
        max_table_elements: 1_000,
        max_funcs: 20,
        max_instructions: 200,
        max_components: 3,
        max_modules: 3,
        memory64_enabled: false,
        threads_enabled: false,
        gc_enabled: false,
        reference_types_enabled: false,
        exceptions_enabled: false,
        relaxed_simd_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// The worlds of the two Actions that together import every function of the contract, and of one
/// that sends requests.
fn worlds() -> &'static [(Resolve, WorldId)] {
    static WORLDS: OnceLock<Vec<(Resolve, WorldId)>> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let decoded = [artifacts::EVERY_FACT, artifacts::EVERY_EFFECT, artifacts::SENDS_REQUESTS].map(wit_component::decode);
        let world = |decoded| match decoded {
            Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
            Ok(DecodedWasm::WitPackage(..)) => panic!("an Action is no package of WIT"),
            Err(error) => panic!("an Action has no world: {error:#}"),
        };
        decoded.into_iter().map(world).collect()
    })
}

/// Keeps some of the functions that the world imports.
fn keep_some(resolve: &mut Resolve, world: WorldId, input: &mut Unstructured<'_>) -> Option<()> {
    let of_eight: u8 = input.int_in_range(0..=8).ok()?;
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        // An input that has ended answers with nothing but zeros: then all are kept.
        resolve.interfaces[*id]
            .functions
            .retain(|_, _| input.int_in_range(0..=7).is_ok_and(|chance: u8| chance < of_eight.max(1)));
    }
    Some(())
}

/// Gives a function, an interface or the version of a package that the world imports another name;
/// tells whether there was one.
fn rename(resolve: &mut Resolve, world: WorldId, input: &mut Unstructured<'_>) -> Option<bool> {
    let imported: Vec<_> = resolve.worlds[world].imports.values().collect();
    let Some(WorldItem::Interface { id, .. }) = input.choose(&imported).ok() else { return Some(false) };
    let interface = &mut resolve.interfaces[*id];
    if interface.functions.is_empty() {
        return Some(false);
    }
    match input.int_in_range(0..=3).ok()? {
        0 => {
            let (name, mut function) = interface.functions.pop()?;
            function.name = format!("{name}-x");
            interface.functions.insert(function.name.clone(), function);
        }
        1 => interface.name = interface.name.as_ref().map(|name| format!("{name}-x")),
        2 => {
            let package = resolve.packages.get_mut(interface.package?)?;
            package.name.name = format!("{}-x", package.name.name);
        }
        _ => {
            let package = resolve.packages.get_mut(interface.package?)?;
            let version = package.name.version.as_mut()?;
            (version.major, version.minor) = (1, input.int_in_range(0..=9).ok()?);
        }
    }
    Some(true)
}

/// The module with some memory: by itself the shape has none, and every access would end it.
fn with_memory(mut module: Vec<u8>) -> Vec<u8> {
    let sections = Parser::new(0).parse_all(&module);
    let memories = sections.filter_map(|payload| match payload {
        Ok(Payload::MemorySection(memories)) => Some(memories.range()),
        _ => None,
    });
    let end = memories.last().and_then(|range| usize::try_from(range.end).ok());
    // Its last byte is the number of pages: zero.
    let pages = end.and_then(|end| module.get_mut(end - 1)).expect("the shape of an Action has a memory");
    assert_eq!(*pages, 0, "the shape of an Action has another memory than it had");
    *pages = PAGES;
    module
}
