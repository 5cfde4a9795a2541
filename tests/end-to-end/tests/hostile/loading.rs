//! What is loaded: wrong imports and exports, damaged bytes, and components that are made to keep a
//! compiler busy.

use std::fmt::Write as _;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vestibule::compile::Compiler;
use vestibule::limits::{HostLimits, Limits};
use vestibule::load::{CacheKey, CompilationCache, Loader, Source};
use vestibule::{Binding, Config, LoadError};
use vestibule_test_artifacts as artifacts;
use vestibule_test_artifacts::hostile::TRAPS_AT_THE_THIRTEENTH_LOGIN;
use vestibule_tests::host::{ACME, GLOBEX, Host};
use vestibule_tests::{host_limits, limits};

fn is_long() -> bool {
    std::env::var_os("VESTIBULE_LONG").is_some()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's component is right")
}

/// An Action with this in its core module, and this result.
fn action(module: &str) -> Vec<u8> {
    component(&format!(
        r#"(component
            (core module $m (memory (export "memory") 1) {module})
            (core instance $i (instantiate $m))
            (func $run (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory"))))
            (export "on-execute-post-login" (func $run))
            (export "on-continue-post-login" (func $run)))"#
    ))
}

#[tokio::test]
async fn an_import_that_is_not_offered_is_named() {
    let text = r#"(component
        (import "wasi:sockets/tcp@0.2.6" (instance))
        (import "vestibule:actions/session@0.1.0" (instance (export "explode" (func)))))"#;
    let refusal = Host::new().refusal(&component(text)).await;
    let LoadError::NotOffered { imports, .. } = &refusal else { panic!("{refusal}") };
    assert_eq!(imports, &["vestibule:actions/session@0.1.0#explode", "wasi:sockets/tcp@0.2.6"]);
    assert!(refusal.to_string().contains("imports what Actions are not offered"), "{refusal}");
}

#[tokio::test]
async fn another_version_of_the_contract_is_an_error() {
    let host = Host::new();
    for version in ["0.0.9", "0.2.0", "99.0.0"] {
        let text = format!(r#"(component (import "vestibule:actions/session@{version}" (instance)))"#);
        let refusal = host.refusal(&component(&text)).await;
        assert!(matches!(&refusal, LoadError::OtherVersion { built_for, .. } if built_for == version), "{refusal}");
    }
}

#[tokio::test]
async fn what_is_no_component_is_named_in_the_error() {
    let host = Host::new();
    for bytes in [&b""[..], b"\0as", b"#!/bin/sh\n", &[0xff; 1_000]] {
        let refusal = host.refusal(bytes).await;
        assert!(matches!(refusal, LoadError::NotWasm { .. }), "{refusal}");
    }
    let refusal = host.refusal(&component("(module)")).await;
    assert!(matches!(refusal, LoadError::CoreModule { .. }), "{refusal}");
    assert!(refusal.to_string().contains("compile it for the target `wasm32-wasip2`"), "{refusal}");
}

#[tokio::test]
async fn a_truncated_component_is_refused() {
    let host = Host::new();
    let whole = TRAPS_AT_THE_THIRTEENTH_LOGIN;
    for length in 0..whole.len() {
        match host.runtime.load("suspect", &whole[..length]) {
            // Where it ends before a section of names, nothing else is missing.
            Ok(_) => assert_eq!(whole[length], 0, "{length}: more is missing than names"),
            // Where it ends between two sections it is a component, but no Action.
            Err(refusal) => assert!(
                matches!(refusal, LoadError::NotWasm { .. } | LoadError::Invalid { .. } | LoadError::MissingExport { .. }),
                "{length}: {refusal}"
            ),
        }
    }
    host.others_log_in().await;
}

#[tokio::test]
async fn a_component_with_a_flipped_bit_is_refused_or_runs_within_its_limits() {
    let limits = Limits { memory: 2 << 20, cpu_time: Duration::from_millis(20), ..limits() };
    let host = Host::with(limits);
    let (small, large) = (TRAPS_AT_THE_THIRTEENTH_LOGIN, artifacts::ORGANIZATION_GATE);
    let bits = |bytes: usize, step: usize| (0..bytes * 8).step_by(step);
    let (step, long_step) = if is_long() { (1, 1_001) } else { (7, 40_009) };
    let flips = bits(small.len(), step).map(|bit| (small, bit)).chain(bits(large.len(), long_step).map(|bit| (large, bit)));
    let (mut loaded, mut refused) = (0, 0);
    for (component, bit) in flips {
        let mut bytes = component.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match host.runtime.load("suspect", &bytes) {
            Ok(action) => {
                loaded += 1;
                host.login(ACME, 1, vec![Binding::new(action)]).await.expect("what comes of it is in the outcome");
            }
            Err(refusal) => {
                refused += 1;
                assert!(!refusal.to_string().is_empty());
            }
        }
    }
    assert!(loaded > 0 && refused > 0, "{loaded} loaded, {refused} refused");
    host.others_log_in().await;
}

/// A host that compiles in a process of its own, which has little time and memory.
fn host_of_strangers() -> (Host, Loader) {
    let host_limits = HostLimits { compile_time: Duration::from_secs(2), compile_memory: 512 << 20, ..host_limits() };
    let host = Host::of(Config { limits: limits(), host_limits, ..Config::default() });
    let loader = host.runtime.loader().compiler(Compiler::new(env!("CARGO_BIN_EXE_compile-worker"), []));
    (host, loader)
}

/// It is compiled and runs, or it is refused; in both cases others go on.
async fn is_compiled_or_refused(bytes: &[u8]) {
    let (host, loader) = host_of_strangers();
    match loader.load(&ACME.parse().unwrap(), "suspect", bytes) {
        Ok(loaded) => {
            host.login(ACME, 1, vec![Binding::new(loaded.action)]).await.expect("what comes of it is in the outcome");
        }
        Err(refusal) => {
            let too_much = matches!(refusal, LoadError::CompileTime { .. } | LoadError::CompileMemory { .. });
            // What can be compiled, and has nothing but what keeps a compiler busy, lacks an
            // export.
            let told = too_much || matches!(refusal, LoadError::Invalid { .. } | LoadError::MissingExport { .. });
            assert!(told && refusal.to_string().contains("suspect"), "{refusal}");
        }
    }
    host.others_log_in().await;
}

#[tokio::test]
async fn a_huge_function_is_compiled_or_refused() {
    let statements = "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 7)))".repeat(20_000);
    is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) {statements} (i32.const 0))"#))).await;
    // Larger than a function may be (7,654,321 bytes).
    let nothings = "nop ".repeat(7_700_000);
    is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) {nothings} (i32.const 0))"#))).await;
    let locals = "(local i64 i32 f64 v128)".repeat(13_000);
    is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) {locals} (i32.const 0))"#))).await;
}

#[tokio::test]
async fn a_hundred_thousand_types_are_compiled_or_refused() {
    let types = |count: u32| {
        (0..count).fold(String::new(), |mut types, number| {
            let parameters: String = (0..17).map(|bit| if number >> bit & 1 == 1 { " i64" } else { " i32" }).collect();
            let _ = write!(types, "(type (func (param{parameters})))");
            types
        })
    };
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    is_compiled_or_refused(&action(&format!("{}{run}", types(100_000)))).await;
    let in_component: String =
        (0..100_000).map(|number| format!("(type (tuple u{} u{}))", 8 << (number % 3), 8 << (number % 4))).collect();
    is_compiled_or_refused(&component(&format!("(component {in_component})"))).await;
}

#[tokio::test]
async fn an_oversized_table_of_branches_is_compiled_or_refused() {
    for targets in [60_000, 7_700_000] {
        let table = "0 ".repeat(targets);
        let run = format!(r#"(func (export "run") (result i32) (block (br_table {table} (i32.const 3))) (i32.const 0))"#);
        is_compiled_or_refused(&action(&run)).await;
    }
}

#[tokio::test]
async fn deep_nesting_is_compiled_or_refused() {
    for depth in [1_000, 50_000] {
        let (open, close) = ("block ".repeat(depth), "end ".repeat(depth));
        is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) {open} {close} i32.const 0)"#))).await;
        let (open, close) = ("i32.const 1 if ".repeat(depth), "end ".repeat(depth));
        is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) {open} {close} i32.const 0)"#))).await;
        // A sum whose operands all wait on the stack.
        let (numbers, sums) = ("local.get 0 ".repeat(depth), "i32.add ".repeat(depth - 1));
        is_compiled_or_refused(&action(&format!(r#"(func (export "run") (result i32) (local i32) {numbers} {sums})"#))).await;
        is_compiled_or_refused(&nested(depth)).await;
    }
}

/// Components, each in the next.
fn nested(depth: usize) -> Vec<u8> {
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const COMPONENT_SECTION: u8 = 4;
    // From the innermost outwards, and back to front, so that each level is written once.
    let mut reversed: Vec<u8> = EMPTY.iter().rev().copied().collect();
    for _ in 0..depth {
        let mut section = vec![COMPONENT_SECTION];
        let mut length = reversed.len();
        while length >= 0x80 {
            section.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        section.push(length as u8);
        reversed.extend(section.iter().rev());
        reversed.extend(EMPTY.iter().rev());
    }
    reversed.reverse();
    reversed
}

#[tokio::test]
async fn nested_components_that_multiply_do_not_fit() {
    let host = Host::new();
    // Each level holds the next one twice: 128 instances, and 4,096.
    for levels in [7, 12] {
        let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
        for _ in 0..levels {
            text = format!("(component $c {text}) (instance (instantiate $c)) (instance (instantiate $c))");
        }
        let refusal = host.refusal(&component(&format!("(component {text})"))).await;
        assert!(matches!(refusal, LoadError::OverLimit { limit: "instances", .. }), "{refusal}");
        assert!(refusal.to_string().contains(&format!("contains {} core module instances", 1 << levels)), "{refusal}");
    }
}

#[tokio::test]
async fn a_compiled_file_is_not_taken_for_a_component() {
    let host = Host::new();
    let engine = wasmtime::Engine::default();
    let compiled = engine.precompile_component(artifacts::ORGANIZATION_GATE).unwrap();
    let refusal = host.refusal(&compiled).await;
    assert!(matches!(refusal, LoadError::NotWasm { .. }), "{refusal}");
}

#[tokio::test]
async fn a_forged_or_swapped_compilation_is_not_loaded() {
    let host = Host::new();
    let folder = tempfile::tempdir().unwrap();
    let loader = || {
        let cache = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        host.runtime.loader().cache(CompilationCache::new(cache, CacheKey::from_bytes([7; 32])))
    };
    let load = |tenant: &str| loader().load(&tenant.parse().unwrap(), "guest", TRAPS_AT_THE_THIRTEENTH_LOGIN).unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(load(ACME).from, Source::Compiled);
    let acme = files().remove(0);
    let own = std::fs::read(&acme).unwrap();
    assert_eq!(load(GLOBEX).from, Source::Compiled);
    let globex = files().into_iter().find(|file| *file != acme).unwrap();
    let swapped = std::fs::read(globex).unwrap();
    let truncated = own[..own.len() - 1].to_vec();
    for forged in [swapped, truncated, vec![0x90; own.len()], Vec::new()] {
        std::fs::write(&acme, forged).unwrap();
        let loaded = load(ACME);
        assert_eq!((loaded.from, loaded.faults.len()), (Source::Compiled, 1));
        let outcome = host.login(ACME, 1, vec![Binding::new(loaded.action)]).await.unwrap();
        assert!(outcome.is_allowed(), "{outcome:?}");
        assert_eq!(load(ACME).from, Source::Cached);
    }
    host.others_log_in().await;
}
