//! What an author learns of where their Action failed and where it spends its fuel: with symbols
//! at once, without them by `Symbols`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use std::sync::Arc;

use vestibule::model::outcome::ActionReport;
use vestibule::{Binding, Config, Flow, RunError, Runtime};
use vestibule_build::{Symbols, SymbolsError};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{context, example_event, limits, load, run, settings};

fn authors_runtime() -> Runtime {
    Runtime::new(Config { limits: limits(), count_fuel: true, read_symbols: true, ..Config::default() }).unwrap()
}

async fn report(runtime: &Runtime, component: &[u8], configuration: &[(&str, &str)]) -> ActionReport {
    let binding = Binding::new(load(runtime, component)).configuration(settings(configuration));
    let mut outcome = run(runtime, vec![binding], example_event("organization-login")).await;
    outcome.actions.remove(0)
}

fn line_of(source: &str, text: &str) -> u32 {
    let line = source.lines().position(|line| line.contains(text)).expect("the guest has such a line");
    u32::try_from(line).unwrap() + 1
}

#[tokio::test]
async fn an_error_of_an_effect_tells_the_authors_own_line() {
    let source = include_str!("../../guests/examples/writes_metadata.rs");
    let report = report(&vestibule_tests::runtime(), artifacts::WRITES_METADATA, &[("key", "")]).await;
    let place = report.place.expect("an error has a place");
    assert!(place.file.ends_with("writes_metadata.rs"), "{place}");
    assert_eq!(place.line, line_of(source, "set_metadata"), "{place}");
}

#[tokio::test]
async fn an_error_in_own_words_tells_its_line_too() {
    let source = include_str!("../../guests/examples/returns_an_error.rs");
    let report = report(&vestibule_tests::runtime(), artifacts::RETURNS_AN_ERROR, &[]).await;
    assert_eq!(report.place.map(|place| place.line), Some(line_of(source, "Error::new")));
}

#[tokio::test]
async fn a_panic_tells_its_line_and_the_functions_that_were_running() {
    let source = include_str!("../../guests/examples/panics.rs");
    let report = report(&authors_runtime(), artifacts::with_symbols::PANICS, &[]).await;
    let line = line_of(source, "panic!(");
    assert_eq!(report.place.map(|place| place.line), Some(line));
    let own = report.trace.iter().find(|frame| frame.is_own()).expect("the trace reaches the author's code");
    assert!(own.function.as_deref().is_some_and(|name| name.contains("on_execute_post_login")), "{own}");
    assert_eq!(own.place.as_ref().map(|place| place.line), Some(line), "{own}");
}

#[tokio::test]
async fn a_trap_tells_the_authors_function() {
    let report = report(&authors_runtime(), artifacts::with_symbols::RECURSES, &[("memory", "yes")]).await;
    assert!(report.place.is_some_and(|place| place.file.ends_with("recurses.rs")));
    assert!(report.trace.iter().any(|frame| frame.to_string().contains("deeper_in_memory")), "{:?}", report.trace);
}

#[tokio::test]
async fn a_limit_tells_the_authors_function_and_never_the_line_of_the_macro() {
    let report = report(&authors_runtime(), artifacts::with_symbols::LOOPS_FOR_EVER, &[]).await;
    assert!(report.trace[0].to_string().contains("on_execute_post_login"), "{:?}", report.trace);
    // Where the loop begins the compiler knows no line; the line of `export!` would mislead.
    let source = include_str!("../../guests/examples/loops_for_ever.rs");
    let is_export = |line: u32| source.lines().nth(line as usize - 1).is_some_and(|text| text.contains("export!"));
    assert!(!report.place.is_some_and(|place| is_export(place.line)), "{:?}", report.trace);
}

#[tokio::test]
async fn a_deployed_actions_trace_is_read_with_the_symbols_that_were_kept() {
    let report = report(&vestibule_tests::runtime(), artifacts::PANICS, &[]).await;
    assert!(report.trace.iter().all(|frame| frame.place.is_none()), "a stripped component has no places");
    let symbols = Symbols::read(artifacts::with_symbols::PANICS).unwrap();
    let read: Vec<_> = report.trace.iter().flat_map(|frame| symbols.at(frame.index, frame.offset)).collect();
    let line = line_of(include_str!("../../guests/examples/panics.rs"), "panic!(");
    let own = read.iter().find(|symbol| symbol.place.as_ref().is_some_and(|(file, ..)| file.ends_with("panics.rs")));
    let own = own.unwrap_or_else(|| panic!("the author's code is not in {read:?}"));
    assert_eq!(own.place.as_ref().map(|(_, line, _)| *line), Some(line));
    assert!(own.function.as_ref().is_some_and(|name| name.contains("on_execute_post_login")), "{own:?}");
}

#[test]
fn a_stripped_component_has_no_symbols_and_says_which_file_has() {
    let error = Symbols::read(artifacts::PANICS).unwrap_err();
    assert_eq!(error, SymbolsError::NoSymbols);
    assert!(error.to_string().contains("symbols.wasm"), "{error}");
    assert!(matches!(Symbols::read(b"no component"), Err(SymbolsError::NotAComponent(_))));
}

#[tokio::test]
async fn a_profile_puts_all_fuel_down_to_functions_and_changes_nothing_else() {
    let runtime = authors_runtime();
    let event = Arc::new(example_event("organization-login"));
    let binding = Binding::new(load(&runtime, artifacts::with_symbols::ORGANIZATION_SESSION_METADATA));
    let flow = Flow::new(event.tenant.id.clone(), vec![binding]);
    let plain = runtime.run(&flow, Arc::clone(&event), &context()).await.unwrap();
    let (profiled, profiles) = runtime.profile(&flow, event, &context()).await.unwrap();
    assert_eq!(profiled.session.metadata, plain.session.metadata);
    assert_eq!(profiled.actions[0].fuel, plain.actions[0].fuel);
    let profile = &profiles[0];
    assert_eq!(Some(profile.fuel()), plain.actions[0].fuel, "each unit of fuel is put down to one stack");
    let has = |part: &str| profile.functions.iter().any(|function| function.name.contains(part));
    assert!(has("on_execute_post_login") && has("set_metadata"), "{:?}", profile.functions);
}

#[tokio::test]
async fn a_profile_of_an_endless_loop_ends_and_shows_the_loop() {
    let settings = Config {
        limits: vestibule::limits::Limits { cpu_time: std::time::Duration::from_millis(20), ..limits() },
        count_fuel: true,
        read_symbols: true,
        ..Config::default()
    };
    let runtime = Runtime::new(settings).unwrap();
    let event = Arc::new(example_event("organization-login"));
    let binding = Binding::new(load(&runtime, artifacts::with_symbols::LOOPS_FOR_EVER));
    let flow = Flow::new(event.tenant.id.clone(), vec![binding]);
    let (outcome, profiles) = runtime.profile(&flow, event, &context()).await.unwrap();
    assert!(outcome.failed().is_some_and(|failure| failure.to_string().contains("cpu_time")), "{outcome:?}");
    let shares = profiles[0].shares();
    let most = &profiles[0].functions[shares[0].function];
    assert!(most.name.contains("on_execute_post_login"), "{most:?}");
}

#[tokio::test]
async fn a_runtime_that_counts_no_fuel_has_no_profile() {
    let runtime = Runtime::new(Config::default()).unwrap();
    let event = Arc::new(example_event("organization-login"));
    let flow = Flow::new(event.tenant.id.clone(), Vec::new());
    assert_eq!(runtime.profile(&flow, event, &context()).await.unwrap_err(), RunError::FuelNotCounted);
}
