//! Components of strangers are compiled in a process of its own, which has little and reaches
//! nothing.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use vestibule::compile::Compiler;
use vestibule::limits::HostLimits;
use vestibule::load::{Loader, Source};
use vestibule::model::TenantId;
use vestibule::{Binding, Config, LoadError, Runtime};
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA as ACTION;
use vestibule_tests::{comparable, example_event, host_limits, load, run, runtime};

const WORKER: &str = env!("CARGO_BIN_EXE_compile-worker");

fn compiler() -> Compiler {
    Compiler::new(WORKER, [])
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

/// A loader on a host with these limits.
fn loader(host_limits: HostLimits) -> Loader {
    let runtime = Runtime::new(Config { host_limits, count_fuel: true, ..Config::default() }).unwrap();
    runtime.loader().compiler(compiler())
}

fn refused(loader: &Loader, component: &[u8]) -> LoadError {
    loader.load(&tenant(), "suspect", component).expect_err("this is no Action")
}

/// A component of this core module, which is no Action, and would be told so when it has been
/// compiled.
fn component_of(module: &str) -> Vec<u8> {
    wat::parse_str(format!("(component (core module {module}))")).expect("the test's component is right")
}

/// After whatever has happened, the next component is loaded.
fn assert_next_is_loaded(loader: &Loader) {
    let loaded = loader.load(&tenant(), "next", ACTION).expect("the next component is an Action");
    assert_eq!((loaded.from, loaded.faults), (Source::Compiled, vec![]));
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells it");
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// A function whose body repeats this instruction.
fn huge_function(operation: &str, count: usize) -> Vec<u8> {
    component_of(&format!("(memory 1) (func (param i32) (local i32 i64) {})", operation.repeat(count)))
}

#[tokio::test]
async fn what_a_process_has_compiled_runs_as_what_was_compiled_here() {
    let runtime = runtime();
    let here = load(&runtime, ACTION);
    let there = runtime.loader().compiler(compiler()).load(&tenant(), "guest", ACTION).unwrap();
    assert_eq!((there.from, there.faults), (Source::Compiled, vec![]));
    assert_eq!((there.action.id(), there.action.capabilities()), (here.id(), here.capabilities()));
    for event in ["organization-login", "login-without-organization"] {
        let here = run(&runtime, vec![Binding::new(here.clone())], example_event(event)).await;
        let there = run(&runtime, vec![Binding::new(there.action.clone())], example_event(event)).await;
        assert!(here.is_allowed(), "{here:?}");
        assert_eq!(comparable(&here), comparable(&there), "{event}");
        assert_eq!(here.actions[0].fuel, there.actions[0].fuel, "{event}");
    }
}

#[test]
fn what_is_no_action_is_refused_as_it_is_without_a_process() {
    let loader = loader(host_limits());
    assert!(matches!(refused(&loader, b"#!/bin/sh\n"), LoadError::NotWasm { .. }));
    assert!(matches!(refused(&loader, &ACTION[..1_000]), LoadError::Invalid { .. }));
    assert!(matches!(refused(&loader, &wat::parse_str("(component)").unwrap()), LoadError::MissingExport { .. }));
    let tables = "(core instance (instantiate $m))".repeat(9);
    let tables = wat::parse_str(format!("(component (core module $m (table 1 funcref)) {tables})")).unwrap();
    assert!(matches!(refused(&loader, &tables), LoadError::OverLimit { limit: "tables", .. }));
    let here = runtime().loader();
    assert_eq!(refused(&here, &ACTION[..1_000]).to_string(), refused(&loader, &ACTION[..1_000]).to_string());
    assert_next_is_loaded(&loader);
}

#[test]
fn functions_just_fit_and_one_more_is_not_compiled() {
    let with = |functions| refused(&loader(HostLimits { functions, ..host_limits() }), &component_of(&"(func)".repeat(100)));
    assert!(matches!(with(100), LoadError::MissingExport { .. }));
    let error = with(99);
    assert!(matches!(error, LoadError::TooComplex { limit: "functions", .. }), "{error}");
    assert!(error.to_string().starts_with("suspect is too large to be compiled: functions: 100, at most 99 (limit"), "{error}");
}

#[test]
fn block_locals_just_fit_and_one_more_is_not_compiled() {
    let component = component_of("(func (param i32) (local i64 i64) (block) (loop))");
    let with = |block_locals| refused(&loader(HostLimits { block_locals, ..host_limits() }), &component);
    assert!(matches!(with(9), LoadError::MissingExport { .. }));
    assert!(matches!(with(8), LoadError::TooComplex { limit: "block_locals", .. }));
}

#[test]
fn compile_time_just_over_is_an_error_and_the_next_is_loaded() {
    let loader = loader(HostLimits { compile_time: Duration::from_secs(2), compile_memory: 3 << 30, ..host_limits() });
    let error = refused(&loader, &huge_function(SLOW, 400_000));
    assert!(matches!(error, LoadError::CompileTime { .. }), "{error}");
    let told = "compiling suspect took longer than 2 s (limit `compile_time`)";
    assert!(error.to_string().starts_with(told), "{error}");
    assert_next_is_loaded(&loader);
}

/// Loads and stores that depend on one another.
const SLOW: &str = "(i32.store (i32.load (local.get 0)) (i32.add (local.get 1) (i32.load (local.get 1))))";

#[test]
fn compile_memory_just_over_is_an_error_and_the_next_is_loaded() {
    let allowed = 256 << 20;
    let loader = loader(HostLimits { compile_memory: allowed, ..host_limits() });
    let component = huge_function(SLOW, 400_000);
    assert_next_is_loaded(&loader);
    let before = peak();
    let error = refused(&loader, &component);
    assert!(matches!(error, LoadError::CompileMemory { .. }), "{error}");
    let told = "compiling suspect needs more than 256 MiB of memory (limit `compile_memory`)";
    assert!(error.to_string().starts_with(told), "{error}");
    let taken = peak() - before;
    assert!(taken < allowed / 8, "the host itself has taken {taken} bytes");
    assert_next_is_loaded(&loader);
}

#[test]
fn compiled_bytes_just_fit_and_one_more_is_too_large() {
    let with = |compiled_bytes| {
        let loader = loader(HostLimits { compiled_bytes, ..host_limits() });
        loader.load(&tenant(), "guest", ACTION).map(drop)
    };
    let Err(LoadError::CompiledTooLarge { given, limit: 1_000, .. }) = with(1_000) else {
        panic!("a thousand bytes are too few")
    };
    let given = usize::try_from(given).unwrap();
    assert!(with(given).is_ok());
    assert!(matches!(with(given - 1), Err(LoadError::CompiledTooLarge { .. })));
}

#[test]
fn a_bomb_for_the_compiler_is_an_error_for_its_author_and_the_host_stays_as_it_is() {
    let loader = loader(HostLimits { compile_time: Duration::from_secs(2), compile_memory: 512 << 20, ..host_limits() });
    let types = (0..100_000).fold(String::new(), |mut types, place| {
        let _ = write!(types, "(type (func (param {})))", if place % 2 == 0 { "i32 i64" } else { "f32" });
        types
    });
    let large_table = format!("(func (param i32) (block (br_table {} (local.get 0))))", "0 ".repeat(1_000_000));
    let nested_blocks = format!("(func {} {})", "block ".repeat(100_000), "end ".repeat(100_000));
    let bombs = [
        ("a huge function", huge_function(SLOW, 400_000)),
        ("100,000 types", component_of(&types)),
        ("a table of a million branches", component_of(&large_table)),
        ("100,000 blocks in one another", component_of(&nested_blocks)),
        ("components in one another", nested_components(10_000)),
        ("a million locals", component_of(&format!("(func (local {}))", "i64 ".repeat(1_000_000)))),
    ];
    assert_next_is_loaded(&loader);
    let before = peak();
    for (name, bomb) in &bombs {
        let error = refused(&loader, bomb);
        // What compiles in time is no Action in the end.
        let (time, memory) = (matches!(error, LoadError::CompileTime { .. }), matches!(error, LoadError::CompileMemory { .. }));
        let told = time || memory || matches!(error, LoadError::Invalid { .. } | LoadError::MissingExport { .. });
        assert!(told, "{name}: {error}");
    }
    let taken = peak() - before;
    assert!(taken < 64 << 20, "the host itself has taken {taken} bytes");
    assert_next_is_loaded(&loader);
}

/// Nested components, each within the one before: by hand, since a text of it would be a bomb for
/// the test's own parser.
fn nested_components(depth: usize) -> Vec<u8> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    let mut component = COMPONENT.to_vec();
    for _ in 0..depth {
        let mut length = component.len();
        let mut outer = COMPONENT.to_vec();
        // Section 4 is a component.
        outer.push(4);
        while length >= 0x80 {
            outer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        outer.push(u8::try_from(length).unwrap());
        outer.extend_from_slice(&component);
        component = outer;
    }
    component
}

#[test]
fn the_process_that_compiles_reaches_no_file_no_socket_and_no_program() {
    let mut command = Command::new(WORKER);
    command.arg("probe").env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a component").unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let of = |when: &str| lines.lines().filter(|line| line.starts_with(when)).map(str::to_owned).collect::<Vec<_>>();
    assert!(output.status.success(), "{lines}");
    assert_eq!((of("environment"), of("folder")), (vec!["environment: []".to_owned()], vec!["folder: /".to_owned()]));
    assert_eq!(of("before").iter().filter(|line| line.ends_with(": yes")).count(), 7, "each is possible elsewhere:\n{lines}");
    assert_eq!(of("after").iter().filter(|line| line.ends_with(": yes")).count(), 0, "{lines}");
    assert_eq!(of("after read its input"), ["after read its input: a component"]);
}

#[test]
fn a_compiler_that_is_another_program_is_a_clear_error() {
    let loader = runtime().loader().compiler(Compiler::new("/bin/false", [OsString::from("x")]));
    let error = refused(&loader, ACTION);
    assert!(error.to_string().contains("the compiler failed: exit status: 1"), "{error}");
}
