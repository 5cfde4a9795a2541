//! What the command tells of an Action's failure, of where its fuel goes, and of how long it takes.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::{LOGIN, file, folder, vestibule};
use vestibule_test_artifacts as artifacts;

const ACTION: &str = "examples/organization-session-metadata";

#[test]
fn a_failed_action_tells_its_version_the_rule_and_its_own_line() {
    let ran = vestibule(&["run", ACTION, "--event", "examples/events/refresh-token-exchange.json"]);
    assert_eq!(ran.code, Some(4));
    let error: Vec<&str> = ran.stderr.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    assert_eq!(error[0], "error: Action organization-session-metadata@0.1.0 failed, so the login fails");
    assert!(error[1].starts_with("  → this login has no session"), "{}", ran.stderr);
    assert!(error[2].starts_with("    at examples/organization-session-metadata/src/lib.rs:"), "{}", ran.stderr);
}

#[test]
fn a_panic_tells_the_functions_that_were_running() {
    let folder = folder();
    let action = file(&folder, "panics.wasm", artifacts::with_symbols::PANICS);
    let ran = vestibule(&["run", &action, "--event", LOGIN]);
    assert!(ran.stderr.contains("it panicked: no such department\n    at "), "{}", ran.stderr);
    assert!(ran.stderr.contains("    in ") && ran.stderr.contains("on_execute_post_login"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("/rustc/"), "only the author's own code is shown:\n{}", ran.stderr);
}

#[test]
fn the_trace_of_a_deployed_action_is_read_with_the_symbols_that_build_kept() {
    let folder = folder();
    let symbols = file(&folder, "panics.symbols.wasm", artifacts::with_symbols::PANICS);
    let action = file(&folder, "panics.wasm", artifacts::PANICS);
    let ran = vestibule(&["run", &action, "--event", LOGIN]);
    let frames: Vec<&str> = ran.stderr.lines().filter_map(|line| line.trim().strip_prefix("in ")).collect();
    assert!(frames.iter().all(|frame| frame.starts_with("func[")) && !frames.is_empty(), "{}", ran.stderr);
    let ran = vestibule(&[&["trace", &symbols], &frames[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("on_execute_post_login at ") && ran.stdout.contains("panics.rs:"), "{}", ran.stdout);

    let ran = vestibule(&["trace", &action, "func[1]+0x1"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("it has no symbols"), "{}", ran.stderr);
    let ran = vestibule(&["trace", &symbols, "somewhere"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("one looks like func[12]+0x34"), "{}", ran.stderr);
}

#[test]
fn build_release_leaves_the_symbols_out_and_keeps_them_beside() {
    let folder = folder();
    let out = folder.path().join("first.wasm");
    let path = out.to_str().expect("a path that is text");
    let size = |file: &str| std::fs::metadata(folder.path().join(file)).expect("build has written it").len();
    assert_eq!(vestibule(&["build", ACTION, "--output", path]).code, Some(0));
    let with_symbols = size("first.wasm");
    let ran = vestibule(&["build", ACTION, "--release", "--output", path]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(size("first.symbols.wasm"), with_symbols);
    assert!(size("first.wasm") < 60_000, "the first example is small: {}", size("first.wasm"));
    assert_eq!(
        vestibule(&["run", path, "--event", LOGIN, "--json"]).json()["actions"][0]["name"],
        "organization-session-metadata"
    );
}

#[test]
fn a_profile_is_written_for_each_viewer_and_shown_as_a_table() {
    let folder = folder();
    let action = file(&folder, "first.wasm", artifacts::with_symbols::ORGANIZATION_SESSION_METADATA);
    let profile = |name: &str| {
        let out = folder.path().join(name);
        let ran = vestibule(&["run", &action, "--event", LOGIN, "--profile", out.to_str().expect("a path that is text")]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("Fuel of organization-session-metadata@0.1.0: "), "{}", ran.stdout);
        std::fs::read_to_string(out).expect("the profile is there")
    };
    let folded = profile("out.folded");
    let fuel: u64 = folded.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
    let counted = vestibule(&["run", &action, "--event", LOGIN, "--json"]).json()["actions"][0]["fuel"].as_u64();
    assert_eq!(Some(fuel), counted, "each unit of fuel stands in one line");
    assert!(folded.contains("on_execute_post_login;"), "{folded}");
    let json: serde_json::Value = serde_json::from_str(&profile("out.json")).expect("JSON");
    assert_eq!(json["threads"][0]["processName"], "organization-session-metadata@0.1.0");
    assert!(profile("out.svg").contains("</svg>"));
}

#[test]
fn repeated_runs_are_shown_as_a_distribution() {
    let folder = folder();
    let action = file(&folder, "first.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let ran = vestibule(&["run", &action, "--event", LOGIN, "--repeat", "50"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("Time of 50 runs") && ran.stdout.contains("median ") && ran.stdout.contains('█'),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_login_can_be_at_another_time() {
    let folder = folder();
    let action = file(&folder, "looks.wasm", artifacts::LOOKS_AROUND);
    let at = |time: &str| vestibule(&["run", &action, "--event", LOGIN, "--json", "--at", time]).json()["id_token"].clone();
    assert_eq!(at("2026-05-05T05:05:05Z")["claims"]["now"], at("2026-05-05T05:05:05Z")["claims"]["now"]);
    assert_ne!(at("2026-05-05T05:05:05Z")["claims"]["now"], at("2026-05-06T05:05:05Z")["claims"]["now"]);
    let ran = vestibule(&["run", &action, "--event", LOGIN, "--at", "noon"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("ISO 8601"), "{}", ran.stderr);
}
