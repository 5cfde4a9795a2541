//! Small Actions for tests, honest and hostile: one program each in `examples/`, which the crate
//! `vestibule-test-artifacts` compiles.

#![forbid(unsafe_code)]
