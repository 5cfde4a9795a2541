//! What can't be loaded, and what is said about it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

use vestibule::limits::HostLimits;
use vestibule::{Config, LoadError, Runtime};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{host_limits, runtime};

fn refused(bytes: &[u8]) -> LoadError {
    runtime().load("suspect", bytes).expect_err("this is no Action")
}

fn refused_text(text: &str) -> LoadError {
    refused(&wat::parse_str(text).expect("the test's component is right"))
}

#[test]
fn what_is_no_component_is_named_in_the_error() {
    assert!(matches!(refused(b""), LoadError::NotWasm { .. }));
    assert!(matches!(refused(b"#!/bin/sh\n"), LoadError::NotWasm { .. }));
    let error = refused_text("(module)");
    assert!(matches!(error, LoadError::CoreModule { .. }));
    assert!(error.to_string().contains("wasm32-wasip2"), "{error}");
}

#[test]
fn a_truncated_or_damaged_component_is_invalid() {
    let component = artifacts::ORGANIZATION_SESSION_METADATA;
    for length in [8, 9, 1_000, component.len() - 1] {
        let error = refused(&component[..length]);
        // Eight bytes are a component with nothing in it.
        assert!(matches!(error, LoadError::Invalid { .. } | LoadError::MissingExport { .. }), "{length}: {error}");
    }
    let mut damaged = component.to_vec();
    damaged[200..260].fill(0xff);
    assert!(matches!(refused(&damaged), LoadError::Invalid { .. }));
}

#[test]
fn a_component_of_another_world_fails_with_the_missing_export() {
    let error = refused_text("(component)");
    assert!(matches!(error, LoadError::MissingExport { export: "on-execute-post-login", .. }));
    assert!(error.to_string().contains("export!"), "{error}");
}

#[test]
fn an_export_of_another_type_does_not_fit() {
    let error = refused_text(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (export "on-execute-post-login" (func $f))
            (export "on-continue-post-login" (func $f)))"#,
    );
    assert!(matches!(error, LoadError::OtherType { .. }), "{error}");
}

#[test]
fn an_unknown_import_is_named() {
    let error = refused_text(
        r#"(component
            (import "wasi:sockets/tcp@0.2.6" (instance))
            (import "vestibule:actions/session@0.1.0" (instance (export "explode" (func)))))"#,
    );
    let LoadError::NotOffered { imports, .. } = &error else { panic!("{error}") };
    assert_eq!(imports, &["vestibule:actions/session@0.1.0#explode", "wasi:sockets/tcp@0.2.6"]);
}

#[test]
fn a_component_of_another_version_fails_with_both_versions() {
    let error = refused_text(r#"(component (import "vestibule:actions/session@0.9.0" (instance (export "x" (func)))))"#);
    assert!(error.to_string().contains("built for vestibule:actions 0.9.0, and this host serves 0.1.0"), "{error}");
}

#[test]
fn an_import_with_another_type_does_not_fit() {
    let error = refused_text(
        r#"(component
            (import "vestibule:actions/event-stats@0.1.0" (instance (export "logins-count" (func (result string)))))
            (core module $m (func (export "f") (result i32) i32.const 0) (memory (export "memory") 1))
            (core instance $i (instantiate $m))
            (func $f (result (result (error string))) (canon lift (core func $i "f") (memory (core memory $i "memory"))))
            (export "on-execute-post-login" (func $f))
            (export "on-continue-post-login" (func $f)))"#,
    );
    assert!(matches!(error, LoadError::OtherType { .. }), "{error}");
}

#[test]
fn component_bytes_just_fit_and_one_more_is_too_large() {
    let component = artifacts::ORGANIZATION_SESSION_METADATA;
    let with = |component_bytes| {
        let host_limits = HostLimits { component_bytes, ..host_limits() };
        Runtime::new(Config { host_limits, ..Config::default() }).expect("a runtime")
    };
    assert!(with(component.len()).load("fits", component).is_ok());
    assert!(matches!(with(component.len() - 1).load("large", component), Err(LoadError::TooLarge { .. })));
}

#[test]
fn a_component_without_a_version_is_called_by_its_file() {
    let text = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 0) (memory (export "memory") 1))
        (core instance $i (instantiate $m))
        (func $f (result (result (error string))) (canon lift (core func $i "f") (memory (core memory $i "memory"))))
        (export "on-execute-post-login" (func $f))
        (export "on-continue-post-login" (func $f)))"#;
    let action = runtime().load("by-hand", &wat::parse_str(text).expect("a component")).expect("an Action");
    assert_eq!(action.id().to_string(), "by-hand@0.0.0");
    assert!(action.capabilities().capabilities.is_empty());
    let action = runtime().load("file", artifacts::ORGANIZATION_GATE).expect("an Action");
    assert_eq!(action.id().to_string(), "organization-gate@0.1.0");
}

#[test]
fn a_component_cannot_write_to_the_terminal_that_shows_why_it_is_refused() {
    for name in [r"te\1b[31m", r"url=<https://te\1b[31m\0ast>"] {
        let text = refused_text(&format!(r#"(component (import "{name}" (func)))"#)).to_string();
        assert!(text.contains(r"te\u{1b}[31m") && !text.contains(char::is_control), "{text:?}");
    }
}
