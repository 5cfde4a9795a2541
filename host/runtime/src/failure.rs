//! From what wasmtime says to why an Action failed.

use vestibule_model::outcome::{Failure, Level, LimitBroken, LogLine};
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::settings::Limits;

/// What wasmtime says, without a type, when a call passes more bytes than are allowed (`Store::set_hostcall_fuel`).
const CALL_BYTES: &str = "fuel allocated for hostcalls has been exhausted";

/// Why an Action failed, from the error that ended its run and what it had logged.
pub(crate) fn of(error: &wasmtime::Error, logs: &[LogLine], limits: &Limits) -> Failure {
    if let Some(limit) = error.downcast_ref::<LimitBroken>() {
        return Failure::Limit { limit: *limit };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Busy;
    }
    if error.is::<I32Exit>() {
        return Failure::Exited;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Failure::Limit { limit: LimitBroken::Stack { allowed: limits.stack } },
        Some(Trap::UnreachableCodeReached) => {
            if let Some(message) = panic_message(logs) {
                return Failure::Panicked { message };
            }
        }
        // Rust keeps a stack of its own at the start of linear memory, and runs out of it downwards.
        Some(Trap::MemoryOutOfBounds) => {
            let reason = "it read or wrote outside of its memory; in Rust that is most often a recursion that doesn't end";
            return Failure::Trapped { reason: reason.to_owned() };
        }
        _ => {}
    }
    // The innermost cause says what happened; what is around it is the WebAssembly stack.
    let reason = error.root_cause().to_string();
    if reason.contains(CALL_BYTES) {
        return Failure::Limit { limit: LimitBroken::CallBytes { allowed: limits.call_bytes } };
    }
    Failure::Trapped { reason }
}

/// A panic as Rust's standard library writes it: `thread '…' panicked at FILE:LINE:COLUMN:`, then the message, then a note.
fn panic_message(logs: &[LogLine]) -> Option<String> {
    let mut lines = logs.iter().filter(|line| line.level == Level::Error).map(|line| line.message.as_str());
    let place = lines.find_map(|line| line.split_once(" panicked at "))?.1.trim_end_matches(':').to_owned();
    let message: Vec<&str> = lines.take_while(|line| !line.starts_with("note: ")).collect();
    Some(if message.is_empty() { format!("at {place}") } else { format!("{} (at {place})", message.join(" ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_message_and_place() {
        let line = |message: &str| LogLine { level: Level::Error, message: message.into() };
        let logs = [
            line("thread '<unnamed>' (1) panicked at src/lib.rs:14:9:"),
            line("no such organization"),
            line("note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"),
        ];
        assert_eq!(panic_message(&logs).as_deref(), Some("no such organization (at src/lib.rs:14:9)"));
        assert_eq!(panic_message(&logs[1..]), None);
    }
}
