//! From what wasmtime says to why an Action failed.

use vestibule_model::outcome::{Failure, Frame, Level, LimitBroken, LogLine, Place};
use wasmtime::component::ResourceTableError;
use wasmtime::{FrameInfo, PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limits::Limits;

/// What wasmtime says, without a type, when a call passes more bytes than are allowed
/// (`Store::set_hostcall_fuel`).
const CALL_BYTES: &str = "fuel allocated for hostcalls has been exhausted";

/// What wasmtime says, without a type, when a guest makes more handles than are allowed
/// (`Store::set_max_component_handles`).
const HANDLES: &str = "store handle limit exceeded";

/// What wasmtime-wasi says, without a type, when a call asks for more random numbers than are
/// allowed.
const RANDOM_BYTES: &str = "requested len ";

/// How a run has ended: whether and why it failed, where in the Action's source, and which
/// functions were running.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) failure: Option<Failure>,
    pub(crate) place: Option<Place>,
    pub(crate) trace: Vec<Frame>,
}

impl End {
    /// The Action has returned an error, whose text may tell where it comes from.
    pub(crate) fn returned(text: &str) -> Self {
        let (message, place) = Place::part(text);
        Self { failure: Some(Failure::Returned { message }), place, trace: Vec::new() }
    }
}

/// How an Action's run broke off, from the error that ended it and what it had logged.
pub(crate) fn of(error: &wasmtime::Error, logs: &[LogLine], limits: &Limits, stack: usize) -> End {
    let trace: Vec<Frame> =
        error.downcast_ref::<WasmBacktrace>().map(|trace| trace.frames().iter().flat_map(frames).collect()).unwrap_or_default();
    let own = trace.iter().find(|frame| frame.is_own()).and_then(|frame| frame.place.clone());
    // A panic is the only trap that tells its place by itself: that needs no symbols.
    let is_abort = matches!(error.downcast_ref::<Trap>(), Some(Trap::UnreachableCodeReached));
    match panic(logs).filter(|_| is_abort) {
        Some((message, place)) => End { failure: Some(Failure::Panicked { message }), place: place.or(own), trace },
        None => End { failure: Some(why(error, limits, stack)), place: own, trace },
    }
}

fn why(error: &wasmtime::Error, limits: &Limits, stack: usize) -> Failure {
    if let Some(limit) = error.downcast_ref::<LimitBroken>() {
        return Failure::Limit { limit: *limit };
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Busy;
    }
    if error.is::<I32Exit>() {
        return Failure::Exited;
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Failure::Limit { limit: LimitBroken::Resources { allowed: limits.resources } };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Failure::Limit { limit: LimitBroken::Stack { allowed: stack } },
        // Rust keeps a stack of its own at the start of linear memory, and runs out of it
        // downwards.
        Some(Trap::MemoryOutOfBounds) => {
            let reason = "it read or wrote outside of its memory; in Rust that is most often a recursion that doesn't end, or one \
                          that needs more than the Action's `stack` (in [package.metadata.vestibule])";
            return Failure::Trapped { reason: reason.to_owned() };
        }
        _ => {}
    }
    // The innermost cause says what happened; what is around it is the WebAssembly stack.
    let reason = error.root_cause().to_string();
    if reason.contains(CALL_BYTES) {
        return Failure::Limit { limit: LimitBroken::CallBytes { allowed: limits.call_bytes } };
    }
    if reason.contains(HANDLES) {
        return Failure::Limit { limit: LimitBroken::Resources { allowed: limits.resources } };
    }
    if reason.starts_with(RANDOM_BYTES) {
        return Failure::Limit { limit: LimitBroken::RandomBytes { allowed: limits.random_bytes } };
    }
    Failure::Trapped { reason }
}

/// One frame of WebAssembly; with symbols, the functions that the compiler has put into it as well,
/// the innermost first.
pub(crate) fn frames(info: &FrameInfo) -> Vec<Frame> {
    let offset = info.func_offset().and_then(|offset| u32::try_from(offset).ok()).unwrap_or_default();
    let frame =
        |function: Option<&str>, place| Frame { index: info.func_index(), offset, function: function.map(readable), place };
    if info.symbols().is_empty() {
        return vec![frame(info.func_name(), None)];
    }
    let symbols = info.symbols().iter().map(|symbol| {
        let file = symbol.file().map(str::to_owned);
        let place = file.zip(symbol.line()).map(|(file, line)| Place { file, line, column: symbol.column() });
        frame(symbol.name(), place)
    });
    symbols.collect()
}

/// A function's name without the hash that Rust's compiler puts behind it.
fn readable(name: &str) -> String {
    let demangled = format!("{:#}", rustc_demangle::demangle(name));
    let hash =
        demangled.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hash.map_or(demangled.clone(), |(name, _)| name.to_owned())
}

/// A panic as Rust's standard library writes it: `thread '…' panicked at FILE:LINE:COLUMN:`, then
/// the message, then a note.
fn panic(logs: &[LogLine]) -> Option<(String, Option<Place>)> {
    let mut lines = logs.iter().filter(|line| line.level == Level::Error).map(|line| line.message.as_str());
    let place = lines.find_map(|line| line.split_once(" panicked at "))?.1.trim_end_matches(':');
    let message: Vec<&str> = lines.take_while(|line| !line.starts_with("note: ")).collect();
    Some((message.join(" "), Place::parse(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_with_its_message_and_place() {
        let line = |message: &str| LogLine { level: Level::Error, message: message.into() };
        let logs = [
            line("thread '<unnamed>' (1) panicked at src/lib.rs:14:9:"),
            line("no such organization"),
            line("note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"),
        ];
        let place = Place { file: "src/lib.rs".into(), line: 14, column: Some(9) };
        assert_eq!(panic(&logs), Some(("no such organization".to_owned(), Some(place))));
        assert_eq!(panic(&logs[1..]), None);
    }

    #[test]
    fn names_are_shown_without_their_hash() {
        assert_eq!(readable("gate::department::h0123456789abcdef"), "gate::department");
        assert_eq!(readable("_ZN4gate10department17h0123456789abcdefE"), "gate::department");
        assert_eq!(readable("main"), "main");
    }
}
