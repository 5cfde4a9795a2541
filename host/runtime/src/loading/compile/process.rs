//! The host's side of compiling: it starts the process, waits no longer than its deadline, and
//! tells what has become of it.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Compiler;
use super::frame::{self, Answer, Answered, Order};
use super::worker::seconds;
use crate::action::component::refused;
use crate::config::Config;
use crate::error::LoadError;
use crate::loading::fingerprint::Fingerprint;

/// How much longer than its processor time a compiler may take: it has a low priority, and a busy
/// machine is not its fault.
const WAITING: u32 = 5;
/// How often the host looks whether a process that has closed its pipes has ended.
const LOOK: Duration = Duration::from_millis(5);
/// What is read of what a process says before it dies: a message of Rust's runtime is a line or
/// two.
const SAID: u64 = 4 << 10;

/// What has become of a process.
enum Asked {
    /// It has answered with code.
    Compiled(Answered),
    /// It has answered with something else.
    Answer(Answer),
    /// It has ended without a whole answer, and with these words.
    Ended(End, String),
}

/// How a process that gave no whole answer has ended.
enum End {
    /// The host has killed it at its deadline.
    Deadline,
    Itself(ExitStatus),
}

impl Compiler {
    /// Compiles a component in at most this processor time, for a host with these settings and this
    /// engine.
    pub(crate) fn compile(
        &self,
        (name, time): (&str, Duration),
        settings: &Config,
        fingerprint: &Fingerprint,
        component: &[u8],
    ) -> Result<Answered, LoadError> {
        let host = &settings.host_limits;
        let order = Order {
            component_bytes: component.len() as u64,
            compiled_bytes: host.compiled_bytes as u64,
            memory: host.compile_memory as u64,
            seconds: seconds(time),
            count_fuel: settings.count_fuel,
            read_symbols: settings.read_symbols,
            fingerprint: fingerprint.to_string(),
        };
        let name = || name.to_owned();
        let failed = |reason: String| LoadError::Compiler { name: name(), reason };
        let too_much_memory = || LoadError::CompileMemory { name: name(), allowed: host.compile_memory };
        let too_large = |bytes| LoadError::CompiledTooLarge { name: name(), given: bytes, limit: host.compiled_bytes };

        match self.ask(&order, component).map_err(|error| failed(error.to_string()))? {
            Asked::Compiled(answered) => Ok(answered),
            Asked::Answer(answer) => Err(match answer {
                Answer::Refused { reason } => refused(name(), reason),
                Answer::OutOfMemory => too_much_memory(),
                Answer::TooLarge { bytes } | Answer::Compiled { bytes } => too_large(bytes),
                Answer::OtherEngine => failed("it is built from another version than this host".to_owned()),
                Answer::NotConfined { reason } => failed(format!("its process can't be confined: {reason}")),
            }),
            Asked::Ended(end, said) => Err(match cause(&end, &said) {
                Cause::Time => LoadError::CompileTime { name: name(), allowed: time },
                Cause::Memory => too_much_memory(),
                Cause::Other(reason) => failed(reason),
            }),
        }
    }

    fn ask(&self, order: &Order, component: &[u8]) -> io::Result<Asked> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.spawn().map_err(|error| io::Error::other(format!("it can't be started: {error}")))?;
        let deadline = Instant::now() + Duration::from_secs(order.seconds.max(1)) * WAITING;
        thread::scope(|scope| {
            // In here: it is ended before the scope waits for the threads, whose pipes end with it.
            let mut process = Process(spawned);
            let no_pipe = || io::Error::other("it has no pipes");
            let mut stdin = process.0.stdin.take().ok_or_else(no_pipe)?;
            let mut stdout = process.0.stdout.take().ok_or_else(no_pipe)?;
            let (answered, answer) = channel();
            let compiled_bytes = order.compiled_bytes;
            let tell = move || tell(&mut stdin, order, component);
            thread::Builder::new().name("vestibule-compile".to_owned()).spawn_scoped(scope, tell)?;
            let listen = move || drop(answered.send(frame::read_answer(&mut stdout, compiled_bytes)));
            thread::Builder::new().name("vestibule-compile".to_owned()).spawn_scoped(scope, listen)?;
            match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Ok(Ok(answered))) => Ok(Asked::Compiled(answered)),
                Ok(Ok(Err(answer))) => Ok(Asked::Answer(answer)),
                // What breaks off is no answer.
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => process.end(deadline),
                Err(RecvTimeoutError::Timeout) => Ok(Asked::Ended(End::Deadline, String::new())),
            }
        })
    }
}

fn tell(stdin: &mut ChildStdin, order: &Order, component: &[u8]) {
    // A process that doesn't read to the end has answered, or has died; both are seen at its other
    // end.
    let _ = frame::write(stdin, order).and_then(|()| stdin.write_all(component));
}

/// A process that doesn't outlive its waiter.
struct Process(Child);

impl Process {
    /// How it has ended, no later than at the deadline.
    fn end(&mut self, deadline: Instant) -> io::Result<Asked> {
        let status = loop {
            match self.0.try_wait()? {
                Some(status) => break status,
                None if Instant::now() >= deadline => return Ok(Asked::Ended(End::Deadline, String::new())),
                None => thread::sleep(LOOK),
            }
        };
        let mut said = Vec::new();
        if let Some(stderr) = self.0.stderr.take() {
            stderr.take(SAID).read_to_end(&mut said)?;
        }
        Ok(Asked::Ended(End::Itself(status), String::from_utf8_lossy(&said).into_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Cause {
    Time,
    Memory,
    Other(String),
}

/// Why a process has ended without an answer.
fn cause(end: &End, said: &str) -> Cause {
    let End::Itself(status) = end else { return Cause::Time };
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    // The same signal as for memory that isn't there; the runtime says which of the two it was.
    let stack = said.contains("has overflowed its stack");
    if is(Signal::XCPU) {
        return Cause::Time;
    }
    // The host doesn't send this signal: an allocation that failed, or the operating system
    // that needs its memory for others.
    if !stack && (is(Signal::ABORT) || is(Signal::KILL)) {
        return Cause::Memory;
    }
    let first: String =
        said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").chars().take(200).collect();
    let first: String = first.chars().filter(|character| !character.is_control()).collect();
    Cause::Other(if stack {
        "its stack is used up: the component is nested too deeply".to_owned()
    } else {
        format!("{status}; {first}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    const ABORT: i32 = 6;
    const KILL: i32 = 9;
    const SEGV: i32 = 11;
    const XCPU: i32 = 24;

    fn ended(status: i32, said: &str) -> Cause {
        cause(&End::Itself(ExitStatus::from_raw(status)), said)
    }

    #[test]
    fn the_causes_of_a_process_s_end_are_distinguished() {
        assert_eq!(cause(&End::Deadline, ""), Cause::Time);
        assert_eq!(ended(XCPU, ""), Cause::Time);
        assert_eq!(ended(ABORT, "memory allocation of 4096 bytes failed\n"), Cause::Memory);
        assert_eq!(ended(KILL, ""), Cause::Memory);
        assert!(
            matches!(ended(ABORT, "\nthread 'main' (7) has overflowed its stack\n"), Cause::Other(text) if text.contains("nested"))
        );
        assert!(matches!(ended(SEGV, ""), Cause::Other(text) if text.contains("said nothing")));
        let Cause::Other(text) = ended(101 << 8, "\nthread 'main' panicked\u{1b}[2J at x.rs\nand more") else {
            panic!("no other")
        };
        assert!(text.ends_with("; thread 'main' panicked[2J at x.rs"), "{text}");
    }

    fn load(program: &str, arguments: &[&str]) -> LoadError {
        let mut settings = Config::default();
        settings.host_limits.compile_time = Duration::from_millis(1);
        let engine = wasmtime::Engine::default();
        let compiler = Compiler::new(program, arguments.iter().map(OsString::from));
        compiler
            .compile(("suspect", settings.host_limits.compile_time), &settings, &Fingerprint::of(&engine), &[0; 1 << 20])
            .err()
            .unwrap()
    }

    #[test]
    fn a_compiler_that_is_no_compiler_is_a_clear_error() {
        let error = load("/nonexistent/compiler", &[]);
        assert!(matches!(&error, LoadError::Compiler { reason, .. } if reason.contains("can't be started")), "{error}");
        let error = load("/bin/sh", &["-c", "echo no such thing >&2; exit 3"]);
        assert!(matches!(&error, LoadError::Compiler { reason, .. } if reason == "exit status: 3; no such thing"), "{error}");
        let error = load("/bin/sh", &["-c", "echo not a frame; echo and an error >&2"]);
        assert!(matches!(&error, LoadError::Compiler { reason, .. } if reason.contains("and an error")), "{error}");
    }

    #[test]
    fn a_compiler_that_never_answers_is_ended_at_its_deadline() {
        // One that reads nothing, one that reads all and says nothing, and one that closes its
        // pipes.
        let scripts = ["exec sleep 1000", "cat >/dev/null; exec sleep 1000", "exec <&- >&-; exec sleep 1000"];
        thread::scope(|scope| {
            for script in scripts {
                scope.spawn(move || {
                    let error = load("/bin/sh", &["-c", script]);
                    assert!(matches!(error, LoadError::CompileTime { .. }), "{script}: {error}");
                });
            }
        });
    }
}
