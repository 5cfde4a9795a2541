//! What a person is told when they run a hostile component: one clear sentence, and an exit code.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::{LOGIN, file, folder, vestibule};
use vestibule_test_artifacts::{self as artifacts, hostile};

/// The login can't be run.
const NOT_RUN: i32 = 1;
/// The login has failed.
const FAILED: i32 = 4;

#[test]
fn a_hostile_component_ends_in_a_sentence_and_an_exit_code() {
    let cases: [(&[u8], i32, &str); 18] = [
        (hostile::LOOPS_IN_ITS_START, FAILED, "(limit `cpu_time`)"),
        (hostile::REALLOC_LOOPS, FAILED, "(limit `cpu_time`)"),
        (hostile::RETURNS_A_TEXT_OUT_OF_BOUNDS, FAILED, "it broke off: string pointer/length out of bounds of memory"),
        (hostile::TEXT_THAT_OVERFLOWS, FAILED, "it broke off: string pointer/length out of bounds of memory"),
        (hostile::INVALID_UTF8, FAILED, "it broke off: invalid utf-8"),
        (hostile::REALLOC_OUT_OF_BOUNDS, FAILED, "it broke off: realloc return: beyond end of memory"),
        (hostile::DROPS_A_HANDLE_TWICE, FAILED, "it broke off: unknown handle index"),
        (hostile::KEEPS_A_BORROW, FAILED, "it broke off: borrow handles still remain"),
        (hostile::CALLS_BACK_INTO_ITSELF, FAILED, "cannot enter component instance"),
        (hostile::TRAPS_AFTER_ITS_RETURN, FAILED, "`unreachable` instruction executed"),
        (hostile::DATA_OUT_OF_BOUNDS, FAILED, "outside of its memory"),
        (hostile::MAKES_HANDLES, 0, ""),
        (artifacts::FLOODS_THE_LOG, 0, ""),
        (artifacts::OPENS_A_SOCKET, NOT_RUN, "imports what Actions are not offered"),
        (&[0; 1_000], NOT_RUN, "is not a WebAssembly component"),
        (b"\0asm\x0d\0\x01\0\xff\xff\xff", NOT_RUN, "can't be compiled"),
        (&hostile::TRAPS_AFTER_ITS_RETURN[..300], NOT_RUN, "can't be compiled"),
        (b"", NOT_RUN, "is not a WebAssembly component"),
    ];
    let folder = folder();
    for (number, (component, code, words)) in cases.into_iter().enumerate() {
        let action = file(&folder, &format!("suspect-{number}.wasm"), component);
        let ran = vestibule(&["run", &action, "--event", LOGIN]);
        assert_eq!(ran.code, Some(code), "suspect-{number}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "suspect-{number} should be told {words:?}:\n{}", ran.stderr);
        assert!(code == 0 || ran.stderr.starts_with("error: "), "{}", ran.stderr);
        for debris in ["panicked at", "RUST_BACKTRACE", "Err(", "Some(", "LimitBroken", "Trapped {", "\u{1b}"] {
            assert!(!ran.stderr.contains(debris) && !ran.stdout.contains(debris), "{debris:?}:\n{}\n{}", ran.stderr, ran.stdout);
        }
    }
}
